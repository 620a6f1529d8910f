"""Reads and writes jobs as sets: Arrow in, one statement per table.

Other modules decide what a row becomes, before the file is opened for writing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from exporter.store.batches import Batch, Columns, batch, staged
from exporter.store.connections import Connection
from exporter.store.schema import (
    JSON,
    KEY,
    Table,
    training_job_changes,
    training_job_details,
    training_jobs,
)
from exporter.store.scopes import ScopeKey

Row = Mapping[str, Any]

#: Prefix of the columns of training_job_details in rows that hold both tables.
DETAIL_PREFIX: Final = "detail_"
_STAGED: Final = "staged_rows"
#: Creation times of one job in two answers are at most this far apart.
_SECOND: Final = timedelta(seconds=1)


class Summary(NamedTuple):
    """The jobs of a scope, counted.

    Attributes:
        newest: Creation time of its newest job.
        open: Number of open jobs.
        pending: Number of jobs that are open or lack details.
    """

    newest: datetime
    open: int
    pending: int


def known_jobs(connection: Connection, keys: Collection[tuple[str, datetime]]) -> list[Row]:
    """Return stored jobs by (ARN, creation time), details included (`detail_…`).

    An ARN matches in any case, and a creation time within a second. A job that is a second apart
    may be another one: `JobKey.is_same` decides.
    """
    arns, times = zip(*keys, strict=True)
    folded = {KEY[0]: [arn.lower() for arn in arns], KEY[1]: times}
    bounds = {"first": min(times) - _SECOND, "last": max(times) + _SECOND}
    with staged(connection, _STAGED, batch(training_jobs, folded)):
        found = connection.execute(_MATCHING, bounds).all()
    if not found:
        return []
    # Whole rows by exact keys: DuckDB then skips most of a large table.
    exact = dict(zip(KEY, zip(*found, strict=True), strict=True))
    with staged(connection, _STAGED, batch(training_jobs, exact)):
        return _rows(connection, f"{_JOBS} JOIN {_STAGED} USING (training_job_arn, creation_time)")


def pending_jobs(connection: Connection, key: ScopeKey, *, details: bool) -> list[Row]:
    """Return jobs of a scope that are open, and with `details` those whose details are due."""
    due = " OR j.details_due" if details else ""
    return _rows(
        connection,
        f"{_JOBS} {_OF_SCOPE} AND (j.open_reason IS NOT NULL{due}) {_OLDEST}",
        key._asdict(),
    )


def deleted_jobs(connection: Connection, key: ScopeKey, since: datetime, limit: int) -> list[Row]:
    """Return at most `limit` jobs of a scope that were deleted since then, last ones first."""
    values = {**key._asdict(), "since": since, "limit": limit}
    return _rows(connection, f"{_JOBS} {_DELETED}", values)


def unseen_jobs(
    connection: Connection,
    key: ScopeKey,
    began_at: datetime,
    until: datetime,
    first: datetime | None,
) -> list[Row]:
    """Return jobs created from `first` to `began_at` and not verified from then to `until`."""
    values = {**key._asdict(), "began_at": began_at, "until": until, "first": first}
    return _rows(connection, f"{_JOBS} {_OF_SCOPE} {_UNSEEN} {_OLDEST}", values)


def living_keys(connection: Connection, key: ScopeKey) -> list[tuple[str, datetime]]:
    """Return the keys of all jobs of a scope that AWS has not deleted, oldest first."""
    rows = connection.execute(_LIVING, key._asdict()).all()
    return [(arn, created) for arn, created in rows]


def summaries(connection: Connection) -> dict[ScopeKey, Summary]:
    """Return a summary for each scope that has jobs."""
    rows = connection.execute(_SUMMARIES).all()
    return {ScopeKey(account, region): Summary(*rest) for account, region, *rest in rows}


def open_times(connection: Connection, key: ScopeKey) -> list[tuple[datetime, int]]:
    """Return the creation time of each open job, oldest first, and how many jobs are not older."""
    rows = connection.execute(_OPEN_TIMES, key._asdict()).all()
    return [(created, int(newer)) for created, newer in rows]


def write_jobs(connection: Connection, rows: Batch) -> None:
    """Upsert a batch of training_jobs."""
    _upsert_staged(connection, training_jobs, rows)


def write_details(connection: Connection, rows: Batch) -> None:
    """Upsert a batch of training_job_details."""
    _upsert_staged(connection, training_job_details, rows)


def append_changes(connection: Connection, rows: Batch) -> None:
    """Append a batch to training_job_changes."""
    _upsert_staged(connection, training_job_changes, rows)


def labelled_jobs(connection: Connection) -> Iterator[Row]:
    """Yield every job with its labels and the values that decide them; tags as JSON text."""
    yield from connection.execute(_LABELLED).mappings()


def relabel(connection: Connection, values: Columns) -> None:
    """Set the labels of jobs, by the key: job_family, family_rule, team and team_rule."""
    with staged(connection, _STAGED, batch(training_jobs, values)):
        connection.execute(_RELABEL)


def _upsert_staged(connection: Connection, table: Table, rows: Batch) -> None:
    # Here, because a sync with nothing new needs no SQLAlchemy.
    from exporter.store.upsert import upsert

    with staged(connection, _STAGED, rows):
        upsert(connection, table, _STAGED)


def _rows(connection: Connection, statement: str, parameters: Row | None = None) -> list[Row]:
    result = connection.execute(statement, parameters or {})
    return list(result.mappings())


def _select() -> str:
    jobs = [f"j.{column.name}" for column in training_jobs.columns]
    details = [
        # JSON columns stay texts: this program compares them but never parses them here.
        f"d.{column.name}{'::VARCHAR' if column.type == JSON else ''} "
        f"AS {DETAIL_PREFIX}{column.name}"
        for column in training_job_details.columns
    ]
    return (
        f"SELECT {', '.join(jobs + details)} FROM training_jobs AS j "  # noqa: S608 - names of the schema
        "LEFT JOIN training_job_details AS d USING (training_job_arn, creation_time)"
    )


_JOBS: Final = _select()

# The join compares seconds: they are numbers, and most jobs have one of their own.
_MATCHING: Final = f"""
WITH wanted AS (
    SELECT
        training_job_arn,
        creation_time,
        epoch_us(creation_time) // 1000000 + unnest([-1, 0, 1]) AS second
    FROM {_STAGED}
)

SELECT DISTINCT j.training_job_arn, j.creation_time
FROM training_jobs AS j
JOIN wanted AS w ON epoch_us(j.creation_time) // 1000000 = w.second
WHERE j.creation_time BETWEEN :first AND :last
    AND abs(epoch_us(j.creation_time) - epoch_us(w.creation_time)) <= 1000000
    AND lower(j.training_job_arn) = w.training_job_arn
"""  # noqa: S608 - a constant name

_LABELLED: Final = """
SELECT
    j.training_job_arn,
    j.creation_time,
    j.account_id,
    j.training_job_name,
    j.job_family,
    j.family_rule,
    j.team,
    j.team_rule,
    d.tuning_job_arn,
    d.role_arn,
    d.tags::VARCHAR AS tags
FROM training_jobs AS j
LEFT JOIN training_job_details AS d USING (training_job_arn, creation_time)
"""

# Labels do not come from AWS, so updated_at (when an answer changed the row) stays.
_RELABEL: Final = f"""
UPDATE training_jobs AS j
SET
    job_family = s.job_family,
    family_rule = s.family_rule,
    team = s.team,
    team_rule = s.team_rule
FROM {_STAGED} AS s
WHERE j.training_job_arn = s.training_job_arn AND j.creation_time = s.creation_time
"""  # noqa: S608 - a constant name

_OF_SCOPE: Final = (
    "WHERE j.account_id = :account_id AND j.region = :region AND j.deleted_at IS NULL"
)
_OLDEST: Final = "ORDER BY j.creation_time, j.training_job_arn"

_UNSEEN: Final = """
    AND (j.verified_at IS NULL OR j.verified_at NOT BETWEEN :began_at AND :until)
    AND j.creation_time < :began_at
    AND (CAST(:first AS TIMESTAMPTZ) IS NULL OR j.creation_time >= :first)
"""

_DELETED: Final = """
WHERE j.account_id = :account_id AND j.region = :region AND j.deleted_at >= :since
ORDER BY j.deleted_at DESC, j.training_job_arn
LIMIT :limit
"""

_SUMMARIES: Final = """
SELECT
    account_id,
    region,
    max(creation_time) AS newest,
    count(*) FILTER (open_reason IS NOT NULL) AS open_jobs,
    count(*) FILTER (open_reason IS NOT NULL OR details_due) AS pending
FROM training_jobs
GROUP BY account_id, region
"""

_LIVING: Final = """
SELECT training_job_arn, creation_time
FROM training_jobs
WHERE account_id = :account_id AND region = :region AND deleted_at IS NULL
ORDER BY creation_time, training_job_arn
"""

# For each open job, how many jobs a listing of the window from there on would return.
_OPEN_TIMES: Final = """
WITH open_times AS (
    SELECT training_job_arn, creation_time
    FROM training_jobs
    WHERE account_id = :account_id AND region = :region AND open_reason IS NOT NULL
),

-- Only jobs as new as the oldest open one matter.
newer AS (
    SELECT creation_time
    FROM training_jobs
    WHERE account_id = :account_id AND region = :region AND deleted_at IS NULL
        AND creation_time >= (SELECT min(creation_time) FROM open_times)
),

ranked AS (
    SELECT
        creation_time,
        count(*) OVER (ORDER BY creation_time DESC RANGE UNBOUNDED PRECEDING) AS newer
    FROM newer
)

SELECT o.creation_time, min(r.newer) AS newer
FROM open_times AS o
JOIN ranked AS r USING (creation_time)
GROUP BY o.training_job_arn, o.creation_time
ORDER BY o.creation_time
"""
