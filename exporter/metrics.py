"""`--metrics-file`: the outcome of a sync as Prometheus text, for a textfile collector.

Times are Unix times of events, never ages: an age in a file would not grow. A sync that cannot read
the database (it is busy, or the disk is full) keeps the scope metrics of the file. They are times
and remain true, so an alert on them can still fire. docs/running.md describes every metric and the
alerts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from exporter.reports.output import target
from exporter.reports.status import Status
from exporter.syncing.outcome import SyncReport

PREFIX: Final = "sagemaker_exporter_"
_SCOPE: Final = f"{PREFIX}scope_"


@dataclass(frozen=True)
class Metric:
    """A metric: its name without the prefix, its description, and its labels beside `database`."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


_SCOPE_LABELS: Final = ("account", "region")

#: About the last sync, in the order of the file.
RUN: Final = (
    Metric("build_info", "Always 1; the label holds the version.", ("version",)),
    Metric("last_sync_start_timestamp_seconds", "When the last sync began, Unix time."),
    Metric("last_sync_end_timestamp_seconds", "When the last sync ended, Unix time."),
    Metric("last_sync_duration_seconds", "How long the last sync took."),
    Metric(
        "last_sync_exit_code",
        "Exit code of the last sync: 0 done, 3 in part, 4 busy, 5 credentials, 7 service, 8 disk.",
    ),
    Metric("last_sync_scopes", "Scopes of the last sync by outcome.", ("outcome",)),
    Metric("last_sync_calls", "Calls to AWS in the last sync, retries included.", ("operation",)),
    Metric("last_sync_throttles", "Throttled calls in the last sync."),
    Metric("last_sync_pages", "Pages of ListTrainingJobs in the last sync."),
    Metric("last_sync_jobs_seen", "Rows that ListTrainingJobs returned in the last sync."),
    Metric("last_sync_jobs_inserted", "Jobs that were new in the last sync."),
    Metric("last_sync_jobs_changed", "Known jobs that had changed in the last sync."),
    Metric("last_sync_jobs_deleted", "Jobs that the last sync found deleted at AWS."),
)
#: About each account and region, from the database.
SCOPE: Final = (
    Metric(
        "scope_data_as_of_timestamp_seconds",
        "Watermark: server time up to which the data is complete, Unix time; absent = never.",
        _SCOPE_LABELS,
    ),
    Metric(
        "scope_last_complete_timestamp_seconds",
        "Server time at which the last complete sync ended, Unix time; absent = never.",
        _SCOPE_LABELS,
    ),
    Metric("scope_failing_runs", "Number of consecutive failed runs of the scope.", _SCOPE_LABELS),
    Metric("scope_jobs", "Jobs in the database.", _SCOPE_LABELS),
    Metric("scope_open_jobs", "Jobs that can still change.", _SCOPE_LABELS),
    Metric("scope_open_pools", "Warm pools that are idle and billed.", _SCOPE_LABELS),
    Metric("scope_deleted_jobs", "Jobs that AWS has deleted.", _SCOPE_LABELS),
    Metric("scope_jobs_without_details", "Jobs without details.", _SCOPE_LABELS),
    Metric("scope_jobs_without_price", "Jobs whose instance type has no price.", _SCOPE_LABELS),
    Metric(
        "scope_last_error_info",
        "1 if the last run of the scope failed; the label holds the error.",
        (*_SCOPE_LABELS, "error"),
    ),
)

Samples = Sequence[tuple[Mapping[str, str], float]]


@dataclass(frozen=True)
class Sync:
    """A sync that is over, however it ended.

    Attributes:
        database: The database file. Each metric has it as a label: two databases whose files are in
            one directory would otherwise give the same series twice, which the collector refuses.
        started: When it began.
        ended: When it ended.
        exit_code: The exit code of the command.
        version: The version of this program.
        report: The outcome; None if it ended without one.
    """

    database: Path
    started: datetime
    ended: datetime
    exit_code: int
    version: str
    report: SyncReport | None = None


@dataclass
class _Text:
    labels: Mapping[str, str]
    lines: list[str] = field(default_factory=list)

    def add(self, metric: Metric, samples: Samples) -> None:
        name = PREFIX + metric.name
        if not samples:
            return
        self.lines.append(f"# HELP {name} {_escaped(metric.help)}")
        self.lines.append(f"# TYPE {name} gauge")
        self.lines.extend(
            f"{name}{_labels({**self.labels, **labels})} {_number(value)}"
            for labels, value in samples
        )


def render(sync: Sync, status: Status | None, before: str = "") -> str:
    """Return the whole text of the file.

    Args:
        sync: The sync that is over.
        status: The state of the scopes; None if the database could not be read.
        before: The text of the old file, whose scope metrics are kept in that case.
    """
    text = _Text({"database": str(sync.database.absolute())})
    samples = _of_sync(sync)
    for metric in RUN:
        text.add(metric, samples[metric.name])
    if status is None:
        text.lines.extend(_kept(before))
    else:
        of_scopes = _of_scopes(status)
        for metric in SCOPE:
            text.add(metric, of_scopes[metric.name])
    return "\n".join(text.lines) + "\n"


def write(path: Path, sync: Sync, status: Status | None, mode: int) -> None:
    """Replace the file in one step, so that a reader never sees half of it.

    Args:
        path: The file.
        sync: The sync that is over.
        status: The state of the scopes; None if the database could not be read.
        mode: Permissions of the file. The collector is usually another user.

    Raises:
        UsageError: It cannot be written there.
        DatabaseError: The disk is full.
    """
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    with target(path, mode=mode) as stream:
        stream.write(render(sync, status, before).encode())


def _of_sync(sync: Sync) -> dict[str, Samples]:
    report = sync.report
    found: dict[str, Samples] = dict.fromkeys((metric.name for metric in RUN), ())
    found |= {
        "build_info": [({"version": sync.version}, 1)],
        "last_sync_start_timestamp_seconds": _one(sync.started.timestamp()),
        "last_sync_end_timestamp_seconds": _one(sync.ended.timestamp()),
        "last_sync_duration_seconds": _one((sync.ended - sync.started).total_seconds()),
        "last_sync_exit_code": _one(sync.exit_code),
    }
    if report is None:
        return found
    outcomes = dict.fromkeys(("complete", "failed", "skipped"), 0)
    for scope in report.scopes:
        outcomes[scope.outcome] = outcomes.get(scope.outcome, 0) + 1
    found["last_sync_scopes"] = [({"outcome": name}, n) for name, n in outcomes.items()]
    found["last_sync_calls"] = [
        ({"operation": name}, n) for name, n in sorted(report.calls().items())
    ]
    for name in (
        "throttles",
        "pages",
        "jobs_seen",
        "jobs_inserted",
        "jobs_changed",
        "jobs_deleted",
    ):
        found[f"last_sync_{name}"] = _one(report.total(name))
    return found


def _of_scopes(status: Status) -> dict[str, Samples]:
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {metric.name: [] for metric in SCOPE}
    for scope in status.scopes:
        if scope.one_off:  # the metrics are about scheduled syncs
            continue
        labels = {"account": scope.account_id, "region": scope.region}
        values: dict[str, float | None] = {
            "data_as_of_timestamp_seconds": _stamp(scope.watermark),
            "last_complete_timestamp_seconds": _stamp(scope.last_complete_at),
            "failing_runs": scope.failing_runs or 0,
            "jobs": scope.jobs,
            "open_jobs": scope.open_jobs,
            "open_pools": scope.open_pools,
            "deleted_jobs": scope.deleted_jobs,
            "jobs_without_details": scope.jobs_without_details,
            "jobs_without_price": scope.jobs_without_price,
        }
        for name, value in values.items():
            if value is not None:
                found[f"scope_{name}"].append((labels, value))
        if scope.last_error:
            error = scope.last_error.splitlines()[0][:200]
            found["scope_last_error_info"].append(({**labels, "error": error}, 1))
    return dict(found)


def _kept(before: str) -> Iterator[str]:
    """Yield the lines of an old file that are about scopes."""
    ours = re.compile(rf"(?:# (?:HELP|TYPE) )?{_SCOPE}\w")
    return (line for line in before.splitlines() if ours.match(line))


def _one(value: float) -> Samples:
    return [({}, value)]


def _stamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 6))


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def documented() -> Iterable[Metric]:
    """Return every metric, in the order of the file."""
    return (*RUN, *SCOPE)
