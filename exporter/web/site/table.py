"""Finds jobs: one table with a row per job and its cost, kept up to date with the commits.

The costs of 1,000,000 jobs take seconds to add up, and a page may take 100 ms. So each job's row is
computed once, when it changes: a refresh compares a hash of every job with the one in the table,
and computes the rows that differ. Open jobs are computed each time, because their costs grow. All
rows are computed again if prices, discounts or the version of the views have changed.

A row has a hash of all values by which readers filter most. There are few such groups, so one pass
over the jobs counts them, and the choices of every filter come from these counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb

from exporter.store.batches import fetch_stream
from exporter.store.connections import OFFLINE, SESSION, Connection

#: Changed jobs that are computed by name. For more, all are.
_FEW: Final = 20_000
#: Jobs that one statement computes; more would take more memory.
_AT_ONCE: Final = 200_000
#: The memory of the table; the rest of it stays on the disk.
_MEMORY: Final = "512MB"
#: The choices that a filter offers.
MOST_CHOICES: Final = 200

#: Filter -> the column of a group that it chooses.
GROUPS: Final = {
    "account": "account_id",
    "region": "region",
    "status": "training_job_status",
    "family": "job_family",
    "team": "team",
    "instance_type": "instance_type",
    "warm_pool_status": "warm_pool_status",
    "specification": "specification",
    "deleted": "deleted",
}
#: Sort key -> its expression.
SORTS: Final = {
    "CreationTime": "creation_time",
    "Name": "training_job_name",
    "Status": "training_job_status",
    "Family": "job_family",
    "Team": "team",
    "InstanceType": "instance_type",
    "Cost": "cost_usd",
    "PoolCost": "pool_usd",
    "IdleSeconds": "warm_pool_retained_seconds",
}
#: Column -> type and unit (exporter.reports.result.Column).
COLUMNS: Final = {
    "training_job_name": ("VARCHAR", ""),
    "training_job_status": ("VARCHAR", ""),
    "secondary_status": ("VARCHAR", ""),
    "creation_time": ("TIMESTAMP WITH TIME ZONE", "time"),
    "training_end_time": ("TIMESTAMP WITH TIME ZONE", "time"),
    "last_modified_time": ("TIMESTAMP WITH TIME ZONE", "time"),
    "warm_pool_status": ("VARCHAR", ""),
    "warm_pool_retained_seconds": ("BIGINT", "seconds"),
    "warm_pool_reused_by_job": ("VARCHAR", ""),
    "training_plan_arn": ("VARCHAR", ""),
    "account_id": ("VARCHAR", ""),
    "region": ("VARCHAR", ""),
    "training_job_arn": ("VARCHAR", ""),
    "deleted_at": ("TIMESTAMP WITH TIME ZONE", "time"),
    "job_family": ("VARCHAR", ""),
    "team": ("VARCHAR", ""),
    "instance_type": ("VARCHAR", ""),
    "instance_count": ("BIGINT", ""),
    "specification": ("VARCHAR", ""),
    "keep_alive_seconds": ("BIGINT", "seconds"),
    "billable_seconds": ("BIGINT", "seconds"),
    "tags": ("VARCHAR", ""),
    "training_usd": ("DECIMAL(38,12)", "money"),
    "pool_usd": ("DECIMAL(38,12)", "money"),
    "cost_usd": ("DECIMAL(38,12)", "money"),
    "cost_is_complete": ("BOOLEAN", ""),
}
_STORED: Final = {
    "number": "BIGINT",
    "fingerprint": "UBIGINT",
    "place": "UBIGINT",
    "deleted": "VARCHAR",
    "search_name": "VARCHAR",
} | {name: kind for name, (kind, _) in COLUMNS.items()}

#: One row per job: its number and a hash of all that is known of it.
_FINGERPRINTS: Final = """
CREATE OR REPLACE TEMP VIEW web_fingerprints AS
SELECT job.rowid AS number, hash(job, detail) AS fingerprint, job.open_reason IS NOT NULL AS is_open
FROM training_jobs AS job
LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
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
    WHERE job_id {condition}
    GROUP BY job_id
),

-- One row per job.
known AS (
    SELECT
        job.rowid AS number,
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
        specifications.specification,
        CAST(cost.training_usd AS DECIMAL(38, 12)) AS training_usd,
        CAST(cost.pool_usd AS DECIMAL(38, 12)) AS pool_usd,
        CAST(cost.cost_usd AS DECIMAL(38, 12)) AS cost_usd,
        coalesce(cost.cost_is_complete, FALSE) AS cost_is_complete
    FROM training_jobs AS job
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    LEFT JOIN internal.job_specifications AS specifications
        USING (training_job_arn, creation_time)
    LEFT JOIN cost ON job.rowid = cost.job_id
    WHERE job.rowid {condition}
)

SELECT number, fingerprint, hash({groups}) AS place, {columns}
FROM known
"""
#: One row: a hash of what the costs of all jobs depend on.
_COMMON: Final = """
SELECT
    (SELECT bit_xor(hash(each)) FROM rates AS each) AS rates,
    (SELECT bit_xor(hash(each)) FROM discounts AS each) AS discounts,
    (SELECT bit_xor(hash(each)) FROM local_storage_families AS each) AS storage,
    (SELECT bit_xor(hash(each)) FROM settings AS each) AS settings
"""
_GROUPS: Final = ", ".join(GROUPS.values())
_CREATE_JOB: Final = "CREATE OR REPLACE TABLE job (" + (
    ", ".join(f"{column} {kind}" for column, kind in _STORED.items()) + ")"
)
_CREATE_PLACE: Final = f"CREATE OR REPLACE TABLE place AS SELECT place, {_GROUPS} FROM job LIMIT 0"  # noqa: S608 - our own names
_REMOVE: Final = """
DELETE FROM job
WHERE number IN ({numbers}) OR number NOT IN (SELECT number FROM found)
"""
_NEW_PLACES: Final = f"""
INSERT INTO place BY NAME
SELECT DISTINCT place, {_GROUPS}
FROM job
ANTI JOIN place USING (place)
WHERE number {{condition}}
"""  # noqa: S608 - our own names
_CHANGED: Final = """
SELECT found.number
FROM found
LEFT JOIN job USING (number)
WHERE found.is_open OR job.fingerprint IS DISTINCT FROM found.fingerprint
"""


@dataclass(frozen=True)
class Wanted:
    """Which jobs to find.

    Attributes:
        groups: Filter of GROUPS -> value; None = jobs without one.
        name_contains: A part of the name, in any case.
        tags: Pairs of a key and a value; the value None = any.
        bounds: Column, operator and value: times and costs.
        training_plan_arn: TrainingPlanArn; None = any.
        sort_by: A key of SORTS.
        descending: Whether the largest comes first. Jobs without a value come last.
        after: Value and number of the last row before the page; None = the first page.
        most: The rows of a page; None = all.
    """

    groups: Mapping[str, str | None]
    name_contains: str = ""
    tags: Sequence[tuple[str, str | None]] = ()
    bounds: Sequence[tuple[str, str, datetime | Decimal]] = ()
    training_plan_arn: str | None = None
    sort_by: str = "CreationTime"
    descending: bool = True
    after: tuple[Any, int] | None = None
    most: int | None = None


@dataclass(frozen=True)
class Choice:
    """A value of a filter, and how many jobs it would leave."""

    value: str | None
    jobs: int


@dataclass(frozen=True)
class Summary:
    """What the chosen jobs add up to, and the choices of each filter.

    Attributes:
        jobs: How many they are.
        cost_usd: Their known cost; None = nothing is known.
        pool_usd: The part of it for warm pools.
        incomplete: How many have a part without a known cost.
        choices: Filter -> its values, most jobs first. A filter does not narrow its own choices.
    """

    jobs: int
    cost_usd: Decimal | None
    pool_usd: Decimal | None
    incomplete: int
    choices: Mapping[str, Sequence[Choice]]


class JobTable:
    """The table, in a file of its own. Readers never wait for a refresh.

    Args:
        path: The file to create.
    """

    def __init__(self, path: Path) -> None:
        config = {**OFFLINE, "memory_limit": _MEMORY, "temp_directory": f"{path}.tmp"}
        self._root = duckdb.connect(str(path), config=config)
        self._root.execute(SESSION)
        self._root.execute(f"{_CREATE_JOB}; {_CREATE_PLACE}")
        self._common: object = None
        self._refreshing = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        self._root.close()

    def refresh(self, connection: Connection) -> None:
        """Compute the rows of jobs that have changed.

        Args:
            connection: The database, open for reading.
        """
        with self._refreshing, closing(self._root.cursor()) as side:
            common = connection.execute(_COMMON).one()
            connection.execute(_FINGERPRINTS)
            with fetch_stream(_relation(connection, "web_fingerprints"), [""] * 3) as found:
                side.register("arrived", found)
                side.execute("CREATE OR REPLACE TEMP TABLE found AS FROM arrived")
                side.unregister("arrived")
            changed = [row[0] for row in side.execute(_CHANGED).fetchall()]
            if len(changed) > _FEW or common != self._common:
                self._replace(connection, side, None)
            else:
                self._replace(connection, side, changed)
            side.execute("DROP TABLE found")
            self._common = common

    def _replace(
        self, connection: Connection, side: duckdb.DuckDBPyConnection, numbers: list[int] | None
    ) -> None:
        """Compute rows and put them into the table in one transaction; None = all rows."""
        side.begin()
        try:
            if numbers is None:
                side.execute(f"{_CREATE_JOB}; {_CREATE_PLACE}")
                for condition in _ranges(side):
                    _add(connection, side, condition)
            else:
                # Deleted rows first: a row that is back has another place.
                listed = ", ".join(map(str, numbers or [-1]))
                side.execute(_REMOVE.format(numbers=listed))
                if numbers:
                    _add(connection, side, f"IN ({listed})")
        except BaseException:
            side.rollback()
            raise
        side.commit()

    def rows(self, wanted: Wanted) -> Iterator[Sequence[Any]]:
        """Yield number, sort value, and the columns of COLUMNS of each job in order."""
        values: dict[str, Any] = {}
        conditions = _conditions(wanted, values)
        if wanted.groups:
            chosen = " AND ".join(_chosen(wanted, values).values())
            conditions.append(f"place IN (SELECT place FROM place WHERE {chosen})")  # noqa: S608 - our own names
        key = SORTS[wanted.sort_by]
        if wanted.after is not None:
            conditions.append(_after(key, wanted.after, wanted.descending, values))
        where = " AND ".join(conditions)
        order = "DESC" if wanted.descending else "ASC"
        sort = f"ORDER BY {key} {order} NULLS LAST, number {order}"
        if wanted.most is not None:
            # The rows of the page are found by few columns, and read whole afterwards.
            found = f"SELECT rowid FROM job WHERE {where} {sort} LIMIT {wanted.most:d}"  # noqa: S608 - our own names
            where = f"rowid IN ({found})"
        statement = f"SELECT number, {key}, {', '.join(COLUMNS)} FROM job WHERE {where} {sort}"  # noqa: S608 - our own names
        with closing(self._root.cursor()) as side:
            side.execute(SESSION)
            side.execute(statement, values)
            while batch := side.fetchmany(10_000):
                yield from batch

    def summary(self, wanted: Wanted) -> Summary:
        """Return what the jobs add up to, and the choices of each filter."""
        values: dict[str, Any] = {}
        conditions = _conditions(wanted, values)
        chosen = _chosen(wanted, values)
        statement = _SUMMARY.format(
            conditions=" AND ".join(conditions),
            chosen=" AND ".join(["TRUE", *chosen.values()]),
            choices="\nUNION ALL ".join(
                _CHOICES.format(
                    filter=name,
                    column=column,
                    others=" AND ".join(
                        ["TRUE", *(text for other, text in chosen.items() if other != name)]
                    ),
                )
                for name, column in GROUPS.items()
            ),
        )
        with closing(self._root.cursor()) as side:
            found = side.execute(statement, values).fetchall()
        choices: dict[str, list[Choice]] = {name: [] for name in GROUPS}
        total: Sequence[Any] = ()
        for name, value, jobs, *sums in found:
            if name is None:
                total = (jobs, *sums)
            else:
                choices[name].append(Choice(value, int(jobs)))
        jobs, cost, pool, incomplete = total
        return Summary(int(jobs or 0), cost, pool, int(incomplete or 0), choices)


#: The choices of one filter, and how many jobs each would leave.
_CHOICES: Final = f"""
SELECT * FROM (
    SELECT
        '{{filter}}' AS filter, {{column}} AS value, sum(jobs) AS jobs,
        NULL AS cost_usd, NULL AS pool_usd, NULL AS incomplete
    FROM counted
    WHERE {{others}}
    GROUP BY {{column}}
    ORDER BY jobs DESC, value
    LIMIT {MOST_CHOICES}
)
"""  # noqa: S608 - our own names
_SUMMARY: Final = """
WITH
-- One row per group of jobs that the filters outside of groups choose.
counted AS MATERIALIZED (
    SELECT place.*, hit.* EXCLUDE (place)
    FROM (
        SELECT
            place, count(*) AS jobs, sum(cost_usd) AS cost_usd, sum(pool_usd) AS pool_usd,
            count(*) FILTER (WHERE NOT cost_is_complete) AS incomplete
        FROM job
        WHERE {conditions}
        GROUP BY place
    ) AS hit
    INNER JOIN place USING (place)
)

SELECT
    NULL AS filter, NULL AS value, sum(jobs) AS jobs, sum(cost_usd) AS cost_usd,
    sum(pool_usd) AS pool_usd, sum(incomplete) AS incomplete
FROM counted
WHERE {chosen}
UNION ALL {choices}
"""


def _ranges(side: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield conditions that choose all jobs, some at a time."""
    last = side.execute("SELECT coalesce(max(number), -1) FROM found").fetchall()[0][0]
    for first in range(0, last + 1, _AT_ONCE):
        yield f"BETWEEN {first} AND {first + _AT_ONCE - 1}"


def _add(connection: Connection, side: duckdb.DuckDBPyConnection, condition: str) -> None:
    """Compute the rows of the jobs whose numbers meet a condition, and insert them."""
    names = ", ".join(("deleted", "search_name", *COLUMNS))
    connection.execute(_ROWS.format(condition=condition, groups=_GROUPS, columns=names))
    with fetch_stream(_relation(connection, "web_rows"), [""] * len(_STORED)) as rows:
        side.register("arrived", rows)
        side.execute("INSERT INTO job BY NAME FROM arrived")
        side.unregister("arrived")
    side.execute(_NEW_PLACES.format(condition=condition))


def _relation(connection: Connection, view: str) -> duckdb.DuckDBPyRelation:
    raw = connection.raw
    found: duckdb.DuckDBPyRelation = raw.sql(f"FROM {view}")
    return found


def _chosen(wanted: Wanted, values: dict[str, Any]) -> dict[str, str]:
    """Return the condition of each filter by a group; bind its value."""
    return {
        name: f"{GROUPS[name]} IS NOT DISTINCT FROM {_bind(value, values)}"
        for name, value in wanted.groups.items()
    }


def _conditions(wanted: Wanted, values: dict[str, Any]) -> list[str]:
    """Return the conditions outside of groups; bind their values."""
    found = ["TRUE"]
    if wanted.name_contains:
        part = _bind(wanted.name_contains.lower(), values)
        found.append(f"contains(search_name, {part})")
    if wanted.training_plan_arn is not None:
        found.append(f"training_plan_arn = {_bind(wanted.training_plan_arn, values)}")
    for column, operator, value in wanted.bounds:
        found.append(f"{column} {operator} {_bind(value, values)}")
    for key, tag_value in wanted.tags:
        # In JSON Pointer, `~` and `/` of a key are written as `~0` and `~1`.
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        tag = f"json_extract_string(tags, {_bind(pointer, values)})"
        has = "IS NOT NULL" if tag_value is None else f"= {_bind(tag_value, values)}"
        found.append(f"{tag} {has}")
    return found


def _after(key: str, after: tuple[Any, int], descending: bool, values: dict[str, Any]) -> str:
    """Return the condition of rows behind a row in the order."""
    value, number = after
    sign = "<" if descending else ">"
    later = f"number {sign} {_bind(number, values)}"
    if value is None:
        return f"({key} IS NULL AND {later})"
    bound = _bind(value, values)
    return f"({key} {sign} {bound} OR ({key} = {bound} AND {later}) OR {key} IS NULL)"


def _bind(value: object, values: dict[str, Any]) -> str:
    name = f"v{len(values)}"
    values[name] = value
    return f"${name}"
