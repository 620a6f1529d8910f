"""Computes the rows of the table of jobs from a database or a lake.

The costs of 1,000,000 jobs take seconds to add up, and a page may take 100 ms. So each job's row is
computed once, when it changes: a refresh compares a hash of every job with the one in the table,
and computes the rows that differ. Open jobs are computed each time, because their costs grow. All
rows are computed again if prices, discounts or the version of the views have changed.

Jobs are chosen by their creation time: a file and a lake both have their rows in about that order,
so that only what is needed is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import Final

import duckdb

from exporter.sql import literal
from exporter.store.batches import fetch_stream
from exporter.store.connections import Connection
from exporter.web.site.columns import COLUMNS, GROUPS, STORED

#: Changed jobs that are computed by name. For more, all are.
_FEW: Final = 20_000
#: Jobs that one statement reads; more would take more memory.
_AT_ONCE: Final = 200_000
#: A hash of the identity, which is the same in a file and in a lake.
_NUMBER: Final = "hash(job.training_job_arn, job.creation_time)"

#: One row per job of the condition: its number and a hash of all that is known of it.
_FINGERPRINTS: Final = """
CREATE OR REPLACE TEMP VIEW web_fingerprints AS
WITH
-- The details of these jobs.
detail AS (
    SELECT *
    FROM training_job_details
    WHERE {condition}
)

SELECT
    {number} AS number, job.creation_time, hash(job, detail) AS fingerprint,
    job.open_reason IS NOT NULL AS is_open
FROM training_jobs AS job
LEFT JOIN detail USING (training_job_arn, creation_time)
WHERE {condition}
"""
#: One row per job of the condition: its row in the table.
_ROWS: Final = """
CREATE OR REPLACE TEMP VIEW web_rows AS
WITH
-- One row per job: its known costs.
cost AS (
    SELECT
        job_id,
        sum(cost_usd) FILTER (WHERE NOT is_pool) AS training_usd,
        sum(cost_usd) FILTER (WHERE is_pool) AS pool_usd,
        sum(cost_usd) AS cost_usd,
        count(*) = count(cost_usd) AS cost_is_complete
    FROM internal.cost_lines
    WHERE {condition}
    GROUP BY job_id
),

-- The details and specifications of these jobs.
detail AS (
    SELECT *
    FROM training_job_details
    WHERE {condition}
),
specified AS (
    SELECT *
    FROM internal.job_specifications
    WHERE {condition}
),

-- One row per job.
known AS (
    SELECT
        {number} AS number,
        hash(job, detail) AS fingerprint,
        CASE WHEN job.deleted_at IS NULL THEN 'no' ELSE 'yes' END AS deleted,
        lower(job.training_job_name) AS search_name,
        job.*,
        coalesce(
            detail.instance_type,
            array_to_string(
                list_sort(list_distinct(
                    json_extract_string(detail.instance_groups, '$[*].InstanceType')
                )),
                ', '
            )
        ) AS instance_type,
        detail.instance_count, detail.keep_alive_seconds, detail.billable_seconds,
        CAST(detail.tags AS VARCHAR) AS tags,
        specified.specification,
        CAST(cost.training_usd AS DECIMAL(38, 12)) AS training_usd,
        CAST(cost.pool_usd AS DECIMAL(38, 12)) AS pool_usd,
        CAST(cost.cost_usd AS DECIMAL(38, 12)) AS cost_usd,
        coalesce(cost.cost_is_complete, FALSE) AS cost_is_complete
    FROM training_jobs AS job
    LEFT JOIN detail USING (training_job_arn, creation_time)
    LEFT JOIN specified USING (training_job_arn, creation_time)
    LEFT JOIN cost ON job.rowid = cost.job_id
    WHERE {condition}
)

SELECT number, fingerprint, hash({groups}) AS place, {columns}
FROM known
"""
#: One row: a hash of what the costs of all jobs depend on.
_COMMON: Final = """
SELECT
    (SELECT bit_xor(hash(each)) FROM rates AS each) AS rates,
    (SELECT bit_xor(hash(each)) FROM discounts AS each) AS discounts,
    (SELECT bit_xor(hash(each)) FROM local_storage_families AS each) AS storage
"""
_GROUPS: Final = ", ".join(GROUPS.values())
_CREATE: Final = f"""
CREATE OR REPLACE TABLE job ({", ".join(f"{name} {kind}" for name, kind in STORED.items())});
CREATE OR REPLACE TABLE place AS SELECT place, {_GROUPS} FROM job;
CREATE OR REPLACE TABLE total (
    place UBIGINT, jobs BIGINT, cost_usd DECIMAL(38, 12), pool_usd DECIMAL(38, 12),
    incomplete BIGINT
)
"""  # noqa: S608 - our own names
_NEW_PLACES: Final = f"""
INSERT INTO place BY NAME
SELECT DISTINCT place, {_GROUPS}
FROM job
ANTI JOIN place USING (place)
"""  # noqa: S608 - our own names
#: What one group of jobs adds up to, for a condition.
SUMS: Final = """
SELECT
    place, count(*) AS jobs, sum(cost_usd) AS cost_usd, sum(pool_usd) AS pool_usd,
    count(*) FILTER (WHERE NOT cost_is_complete) AS incomplete
FROM job
WHERE {conditions}
GROUP BY place
"""
_FOUND: Final = """
CREATE OR REPLACE TEMP TABLE found (
    number UBIGINT, creation_time TIMESTAMPTZ, fingerprint UBIGINT, is_open BOOLEAN
)
"""
_CHANGED: Final = """
SELECT found.creation_time
FROM found
LEFT JOIN job USING (number)
WHERE found.is_open OR job.fingerprint IS DISTINCT FROM found.fingerprint
"""
#: Deleted rows first: a row that changes has another place.
_REMOVE: Final = """
DELETE FROM job
WHERE {condition} OR number NOT IN (SELECT number FROM found)
"""


def create(side: duckdb.DuckDBPyConnection) -> None:
    """Create the tables, empty."""
    side.execute(_CREATE)


def common(connection: Connection) -> object:
    """Return what the costs of all jobs depend on."""
    return tuple(connection.execute(_COMMON).one())


def refresh(connection: Connection, side: duckdb.DuckDBPyConnection, *, whole: bool) -> None:
    """Compute the rows of jobs that have changed, and put them into the table in one transaction.

    Args:
        connection: The database or lake, open for reading.
        side: A connection to the table.
        whole: All rows have changed.
    """
    changed = None if whole else _changed(connection, side)
    side.begin()
    try:
        if changed is None:
            create(side)
            for condition in _ranges(connection):
                _add(connection, side, condition)
        else:
            side.execute(_REMOVE.format(condition=changed))
            _add(connection, side, changed)
        side.execute(_NEW_PLACES)
        side.execute(f"DELETE FROM total; INSERT INTO total {SUMS.format(conditions='TRUE')}")  # noqa: S608 - our own names
    except BaseException:
        side.rollback()
        raise
    finally:
        with suppress(duckdb.Error):
            side.execute("DROP TABLE IF EXISTS found")
    side.commit()


def _changed(connection: Connection, side: duckdb.DuckDBPyConnection) -> str | None:
    """Return the condition of the jobs that have changed; None = too many. Fills `found`."""
    side.execute(_FOUND)
    for condition in _ranges(connection):
        connection.execute(_FINGERPRINTS.format(condition=condition, number=_NUMBER))
        _insert(connection, "web_fingerprints", side, "found", 4)
    times = side.execute(f"SELECT DISTINCT creation_time FROM ({_CHANGED}) LIMIT {_FEW + 1}")  # noqa: S608 - our own names
    found: list[datetime] = [row[0] for row in times.fetchall()]
    if len(found) > _FEW:
        return None
    if not found:
        return "FALSE"
    # The bounds let a scan skip what is not between them.
    listed = ", ".join(map(_time, found))
    between = f"creation_time BETWEEN {_time(min(found))} AND {_time(max(found))}"
    return f"({between} AND creation_time IN ({listed}))"


def _ranges(connection: Connection) -> Iterator[str]:
    """Yield conditions that choose all jobs, some at a time."""
    jobs = connection.execute("SELECT count(*) FROM training_jobs").scalar()
    parts = 1 + jobs // _AT_ONCE
    shares = [part / parts for part in range(1, parts)]
    ends: list[datetime] = []
    if shares:
        statement = f"SELECT quantile_disc(creation_time, {shares}) FROM training_jobs"  # noqa: S608 - numbers
        ends = connection.execute(statement).scalar()
    for since, until in pairwise([None, *dict.fromkeys(ends), None]):
        conditions = [
            *([f"creation_time >= {_time(since)}"] if since else []),
            *([f"creation_time < {_time(until)}"] if until else []),
        ]
        yield " AND ".join(conditions) or "TRUE"


def _add(connection: Connection, side: duckdb.DuckDBPyConnection, condition: str) -> None:
    """Compute the rows of the jobs that meet a condition, and insert them."""
    names = ", ".join(("deleted", "search_name", *COLUMNS))
    statement = _ROWS.format(condition=condition, number=_NUMBER, groups=_GROUPS, columns=names)
    connection.execute(statement)
    _insert(connection, "web_rows", side, "job", len(STORED))


def _insert(
    connection: Connection, view: str, side: duckdb.DuckDBPyConnection, table: str, columns: int
) -> None:
    """Insert the rows of a view of the one connection into a table of the other."""
    raw = connection.raw
    with fetch_stream(raw.sql(f"FROM {view}"), [""] * columns) as arrived:
        side.register("arrived", arrived)
        side.execute(f"INSERT INTO {table} BY NAME FROM arrived")
        side.unregister("arrived")


def _time(value: datetime) -> str:
    return f"TIMESTAMPTZ {literal(value.isoformat())}"
