"""The configuration as plain frozen values: what to sync, how, and what reports see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from exporter.config.kinds import (
    ACCOUNT,
    COMPONENT,
    JOB_NAME_PART,
    JOB_STATUS,
    MODE,
    PATH,
    PERCENT,
    PLAN_ARN,
    POOL_STATUS,
    TEXT,
    TIME,
    URL,
    real,
    whole,
)
from exporter.config.labels import LabelRules
from exporter.config.options import option

#: Options that make a sync a one-off: it upserts what it finds and moves no watermark.
FILTERS: Final = (
    "created_after",
    "created_before",
    "name_contains",
    "status",
    "warm_pool_status",
    "training_plan_arn",
)


def lock_timeout(waits_for: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Return the field of the option --lock-timeout, for a command that waits for this."""
    return option(60.0, f"How long to wait for {waits_for}.", real(0), "SECONDS")


def lake() -> Any:  # noqa: ANN401 - as dataclasses.field
    """Return the field of the option --lake, for a command that reads."""
    text = "Read this lake, a folder or s3://BUCKET/PATH, in place of the database; see `publish`."
    return option(None, text, TEXT, "URI")


@dataclass(frozen=True)
class Source:
    """One way into an account, a `[[source]]` of the file."""

    name: str = option("default", "What messages call it.", TEXT)
    profile: str | None = option(
        None, "A profile of your AWS configuration. Default: the default session.", TEXT
    )
    role_arn: str | None = option(None, "A role to assume.", TEXT)
    external_id: str | None = option(None, "The external ID for the role.", TEXT, secret=True)
    regions: tuple[str, ...] = option(
        (), "Regions to sync, or all. Default: the region of the profile.", TEXT
    )
    exclude_regions: tuple[str, ...] = option((), "Regions to leave out.", TEXT)
    optional: bool = option(
        False, "Whether a failure here neither makes a run exit 3 nor holds back its ping."
    )


@dataclass(frozen=True)
class SyncOptions:
    """How to sync: the options of `sync`. Times are aware UTC, durations are seconds.

    Raises:
        TypeError: A time is not an aware datetime.
    """

    full: bool = option(False, "List every job again, and find those that AWS deleted.")
    since: datetime | None = option(
        None,
        "How far back the first backfill goes. An earlier time, given later, fetches the rest.",
        TIME,
    )
    created_after: datetime | None = option(None, "One-off: jobs created after this time.", TIME)
    created_before: datetime | None = option(None, "One-off: jobs created before this time.", TIME)
    name_contains: str | None = option(
        None, "One-off: jobs whose name contains this text.", JOB_NAME_PART
    )
    status: str | None = option(None, "One-off: jobs with this status.", JOB_STATUS)
    warm_pool_status: str | None = option(
        None, "One-off: jobs whose warm pool has this status.", POOL_STATUS
    )
    training_plan_arn: str | None = option(None, "One-off: jobs on this training plan.", PLAN_ARN)
    overlap: int = option(
        300,
        "How much of the time before the watermark to list again.",
        whole(0, 1_000_000_000),  # thirty years: SageMaker takes no time before the year 1
        "SECONDS",
    )
    max_rps: float = option(
        1.0,
        "List calls per second for an account and region, retries included; 0 = no limit. "
        "AWS allows 2, shared with everything else that runs there.",
        real(0),
    )
    details: bool = option(
        True, "Fetch instance types, times and tags as well.", flag="--details/--no-details"
    )
    refresh_tags: bool = option(False, "Read the tags of all jobs again.")
    lock_timeout: float = lock_timeout("another sync, or for a reader of the file")
    snapshot: Path | None = option(
        None,
        "Publish a copy for readers to this file, in one step, after each sync.",
        PATH,
    )
    snapshot_mode: int = option(0o444, "Permissions of that copy, in octal.", MODE)
    metrics_file: Path | None = option(
        None,
        "Write the outcome of the sync as Prometheus text, for a textfile collector.",
        PATH,
    )
    metrics_mode: int = option(0o644, "Permissions of that file, in octal.", MODE)
    ping_url: str | None = option(
        None,
        "Send a GET request to this URL when every required scope is complete: a dead-man's "
        "switch.",
        URL,
        secret=True,
    )
    upgrade: bool = option(True, "Do not create or upgrade the schema.", flag="--no-upgrade")
    dry_run: bool = option(False, "Print what a sync would list, and change nothing.")
    prices: bool = True

    def __post_init__(self) -> None:
        for name in ("since", "created_after", "created_before"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, datetime) and value.tzinfo):
                raise TypeError(f"{name} must be an aware datetime, not {value!r}")

    @property
    def is_filtered(self) -> bool:
        """Whether this sync is a one-off."""
        return any(getattr(self, name) is not None for name in FILTERS)


@dataclass(frozen=True)
class Discount:
    """A percentage off every price that is not imported, a `[[discount]]` of the file."""

    percent: Decimal = option(text="From 0 to 100.", kind=PERCENT)
    account: str | None = option(None, "The account that gets it. Default: every account.", ACCOUNT)
    component: str | None = option(
        None, "A component of the table prices. Default: every component.", COMPONENT
    )
    source: str | None = option(
        None, "The name of a [[source]], for the accounts that it leads to.", TEXT
    )


@dataclass(frozen=True)
class Configuration:
    """The part of the configuration that reports see.

    Attributes:
        rules: Families and teams.
        accounts: Account ID -> name.
        discounts: If several fit an account and a component, the last one counts.
        local_storage_families: Instance families not charged for storage; None = as shipped.
    """

    rules: LabelRules = field(default_factory=LabelRules)
    accounts: Mapping[str, str] = field(default_factory=dict)
    discounts: Sequence[Discount] = ()
    local_storage_families: Sequence[str] | None = None
