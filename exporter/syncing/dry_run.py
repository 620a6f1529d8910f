"""What `sync --dry-run` says of each scope, without listing a job or leaving a file.

A first sync has nothing to plan from, so one call of Search counts the jobs. The same call shows
whether the details can come from Search.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from exporter.config.model import SyncOptions
from exporter.errors import ExporterError
from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import UNAVAILABLE
from exporter.sagemaker.service import PAGE, Total, count_created
from exporter.store.database import Database
from exporter.store.scopes import ScopeState
from exporter.syncing import plan
from exporter.syncing.outcome import ScopeResult
from exporter.syncing.records import Records
from exporter.syncing.sizes import DEFAULT_SIZES
from exporter.syncing.targets import Target, Targets
from exporter.text import counted
from exporter.times import format_age, format_time

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def plans(
    database: Database,
    targets: Targets,
    options: SyncOptions,
    api: Callable[[Target], Api],
    now: datetime,
) -> list[ScopeResult]:
    """Return what the next sync would do in each scope.

    Args:
        database: The file, which need not exist.
        targets: The scopes.
        options: What the user asked for.
        api: Returns the calls of a scope.
        now: The time of this machine.
    """
    records = Records(database)
    results = []
    for target in targets.found:
        state, open_jobs = ScopeState(*target.key), list[plan.OpenJob]()
        if database.exists():
            view = records.scope(target.key)
            state, open_jobs = view.state, view.open_jobs
        listing = plan.next_listing(state, options, open_jobs, plan.Capabilities())
        reason = f"{listing.mode}: {listing.reason}"
        if listing.mode == "backfill" and not listing.started:
            reason += f"; {_backfill(api(target), listing.created_after, options, now)}"
        results.append(
            ScopeResult(
                str(target.key),
                "planned",
                target.optional,
                plan=reason,
                region_origin=target.region_origin,
            )
        )
    return results


def _backfill(api: Api, since: datetime | None, options: SyncOptions, now: datetime) -> str:
    """Return what a first sync would list, and how many calls that takes at least."""
    begin = f"all jobs created from {format_time(since)} on" if since else "all jobs"
    try:
        total = count_created(api, since or _LONG_AGO, now + timedelta(days=1))
    except UNAVAILABLE as error:
        details = (
            f"details by DescribeTrainingJob, one call per job and "
            f"{DEFAULT_SIZES.details_per_run:,} per sync ({error.message})"
        )
        return f"{begin}; {details if options.details else 'no details'}; number of jobs unknown"
    except ExporterError as error:
        return f"{begin}; number of jobs unknown ({error.message})"
    details = f"details by Search, {PAGE} jobs per call" if options.details else "no details"
    return f"{begin}; {details}; {_size(total, options)}"


def _size(total: Total | None, options: SyncOptions) -> str:
    if total is None:
        return "number of jobs unknown"
    # A page that resumes by creation time repeats one row.
    pages = max(math.ceil(total.jobs / (PAGE - 1)), 1)
    calls = pages + (math.ceil(total.jobs / PAGE) if options.details else 0)
    number = counted(total.jobs, "job") if total.is_exact else f"more than {total.jobs:,} jobs"
    text = f"{number}, at least {counted(calls, 'call')}"
    if not options.max_rps:
        return text
    # Pages of the listing and of Search alternate, each at the pace of --max-rps.
    return f"{text}, {format_age(timedelta(seconds=round(pages / options.max_rps)))}"
