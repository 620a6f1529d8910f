"""Reads a database for a lake: what may have changed, and the rows of what has.

Fingerprints of the jobs cost a second for a million of them. They tell the months whose costs may
have changed. Only these are computed, a month at a time, and compared by their rows: the memory is
that of one month.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from exporter.publish import layout, plan
from exporter.publish.layout import Owner, Table, month_of, within
from exporter.publish.plan import PRICES, UNKNOWN, Change, Content, Known, Partition, Scope, Span
from exporter.sql import literal
from exporter.store import view_files
from exporter.store.batches import Stream, fetch_stream
from exporter.store.connections import Connection

#: DuckDB writes more than this to disk, but not all: the recursion of pools keeps a part of each
#: job in memory, and the days of a month a part of each of its jobs.
_MEMORY_BYTES: Final = 512_000_000
_MEMORY_BYTES_OF_A_JOB: Final = 128
_MEMORY_BYTES_OF_A_JOB_OF_THE_MONTH: Final = 2_000
#: Jobs whose days are computed at a time, if a month does not have more.
_JOBS_AT_A_TIME: Final = 50_000
_MARK: Final = "count(*), sum(CAST(hash({0}) AS HUGEINT)), bit_xor(hash({0}))"
_USAGE: Final = ("usage_days", "daily_costs")
_OF_JOBS: Final = ("training_job_costs", "warm_pool_costs")
_SOURCES: Final = ("training_jobs", "training_job_details", "training_job_changes")

#: One row per scope and month of creation: fingerprints of its jobs and details, and of the moments
#: up to which open jobs and pools count. The rows are hashed before the join, which then is narrow.
_JOBS_SQL: Final = f"""
WITH
job AS (
    SELECT
        account_id, region, creation_time,
        {month_of("each.creation_time")} AS month,
        hash(training_job_arn) AS arn_hash,
        hash(each) AS mark,
        CASE
            WHEN
                training_end_time IS NULL
                OR warm_pool_status NOT IN ('Reused', 'Terminated')
                OR (warm_pool_status IS NULL AND warm_pool_retained_seconds > 0)
                THEN {{
                    'verified_at': verified_at, 'updated_at': updated_at, 'deleted_at': deleted_at
                }}
        END AS open
    FROM training_jobs AS each
),

detail AS (
    SELECT creation_time, hash(training_job_arn) AS arn_hash, hash(each) AS mark
    FROM training_job_details AS each
)

SELECT
    job.account_id, job.region, job.month,
    count(*), sum(CAST(job.mark AS HUGEINT)), bit_xor(job.mark),
    count(detail.mark), sum(CAST(detail.mark AS HUGEINT)), bit_xor(detail.mark),
    sum(
        CAST(
            epoch_us(
                least(
                    coalesce(
                        greatest(job.open.verified_at, scope.watermark), job.open.updated_at
                    ),
                    job.open.deleted_at
                )
            ) AS HUGEINT
        )
    ) FILTER (WHERE job.open IS NOT NULL)
FROM job
LEFT JOIN detail ON job.creation_time = detail.creation_time AND job.arn_hash = detail.arn_hash
LEFT JOIN sync_scopes AS scope
    ON job.account_id = scope.account_id AND job.region = scope.region
GROUP BY job.account_id, job.region, job.month
"""  # noqa: S608 - our own names

_CHANGES_SQL: Final = f"""
WITH
change AS (
    SELECT creation_time, hash(training_job_arn) AS arn_hash, hash(each) AS mark
    FROM training_job_changes AS each
)

SELECT
    job.account_id, job.region, {month_of("job.creation_time")} AS month,
    count(*), sum(CAST(change.mark AS HUGEINT)), bit_xor(change.mark)
FROM change
INNER JOIN training_jobs AS job
    ON
        job.creation_time = change.creation_time
        AND hash(job.training_job_arn) = change.arn_hash
GROUP BY job.account_id, job.region, month
"""  # noqa: S608 - our own names

#: One row per scope and month of creation: the days on which its jobs can have usage.
_SPANS_SQL: Final = f"""
SELECT
    account_id, region, {month_of("day.creation_time")} AS month,
    strftime(min(usage_date), '%Y-%m'),
    strftime(max(latest_date), '%Y-%m')
FROM internal.job_days AS day
WHERE {{among}}
GROUP BY account_id, region, month
"""  # noqa: S608 - our own names

#: One row per job that ran on a pool, with what its chain is published by.
_MEMBERS_SQL: Final = f"""
CREATE OR REPLACE TEMP TABLE lake_members AS
SELECT
    member.chain, member.job_id, member.position,
    first_job.account_id, first_job.region,
    {month_of("first_job.creation_time")} AS month,
    job.creation_time,
    {month_of("job.creation_time")} AS job_month,
    hash(
        first_job.training_job_arn, first_job.creation_time, job.training_job_arn,
        job.creation_time, member.position
    ) AS mark
FROM internal.pool_members AS member
INNER JOIN training_jobs AS job ON member.job_id = job.rowid
INNER JOIN training_jobs AS first_job ON member.chain = first_job.rowid
"""  # noqa: S608 - our own names

#: Opens the rows of partitions.
Opened = Callable[[], AbstractContextManager[Stream]]


@dataclass(frozen=True)
class Step:
    """A part of a table to compare with the lake.

    Attributes:
        table: The table.
        examined: The partitions of this step; None = all.
        now: What they must hold; those that are missing must be removed.
        rows: Returns the rows of some of these partitions; valid until the next step.
    """

    table: Table
    examined: frozenset[Partition] | None
    now: Mapping[Partition, Content]
    rows: Callable[[Change], Opened]


class Facts:
    """The facts of a database.

    Args:
        connection: Reads a copy of the database that has this program's views.
        spill: A folder for what does not fit into memory.

    Attributes:
        scopes: The accounts and regions of the database.
        inputs: The fingerprint of what the costs of a scope depend on, apart from its jobs.
        jobs: The jobs, by month of creation; complete once `steps` has begun.
    """

    def __init__(self, connection: Connection, spill: Path) -> None:
        raw = connection.raw
        self._raw: duckdb.DuckDBPyConnection = raw
        self._raw.execute(f"SET memory_limit = '{self._memory_bytes()}B'")
        self._raw.execute(f"SET temp_directory = {literal(str(spill))}")
        # The order of rows means nothing in a lake.
        self._raw.execute("SET preserve_insertion_order = false")
        self.scopes = frozenset(Scope(*row) for row in self._all(f"FROM {layout.SCOPES}"))
        self._contents = {name: dict[Partition, Content]() for name in _SOURCES}
        self._marks = self._read_jobs()
        self.jobs: dict[Partition, Span] = {}
        self._small = {
            table.name: self._content(table.sql, table)
            for table in layout.tables()
            if not table.by_month
        }
        self.inputs = self._inputs()

    def empty(self, table: Table) -> Opened:
        """Return a stream without rows, with the columns of a table."""
        return self._opened(table, f"SELECT * FROM ({table.sql}) LIMIT 0")  # noqa: S608 - our own names

    def steps(self, known: Known) -> Iterator[Step]:
        """Yield what may differ from the lake, in the order in which it is to be written.

        Args:
            known: What the lake holds; updated by the caller between steps.
        """
        changed = plan.changed_jobs(known, self.inputs, self._marks)
        # The rest have the usage that they had: their jobs and inputs are the same.
        self.jobs = {each: span for each, span in known.jobs.items() if each not in changed}
        self.jobs.update(self._read_spans(changed))
        for name in _SOURCES:
            yield self._of_source(layout.table(name))
        yield from self._of_usage(known, changed)
        yield from self._of_jobs(known, changed)
        yield from self._of_chains(known, changed)
        for table in layout.tables():
            if not table.by_month:
                yield Step(table, None, self._small[table.name], self._all_rows(table))

    def _of_source(self, table: Table) -> Step:
        def rows(change: Change) -> Opened:
            return self._opened(table, table.select(_of(table, change.replaced)))

        return Step(table, None, self._contents[table.name], rows)

    def _of_usage(self, known: Known, changed: Iterable[Partition]) -> Iterator[Step]:
        """Yield the tables that are dated by usage."""
        months = plan.usage_months(known, self.jobs, changed) | _unknown(known, _USAGE)
        for batch in self._batches(months):
            self._compute_days(_among("day.account_id", "day.region", "day.usage_date", batch))
            yield from self._of_days(_USAGE, batch)

    def _of_jobs(self, known: Known, changed: Iterable[Partition]) -> Iterator[Step]:
        """Yield the costs of whole jobs."""
        for batch in self._batches(set(changed) | _unknown(known, _OF_JOBS)):
            self._compute_days(_among("day.account_id", "day.region", "day.creation_time", batch))
            yield from self._of_days(_OF_JOBS, batch)

    def _batches(self, partitions: set[Partition]) -> Iterator[list[Partition]]:
        return plan.batches(partitions, self._contents["training_jobs"], _JOBS_AT_A_TIME)

    def _of_days(
        self,
        names: Sequence[str],
        examined: Iterable[Partition],
        sources: Mapping[str, str] | None = None,
    ) -> Iterator[Step]:
        """Yield tables over the days that are computed."""
        over = {"internal.usage_days": "SELECT * FROM lake_days"} | dict(sources or {})
        for name in names:
            table = layout.table(name)

            def rows(change: Change, table: Table = table) -> Opened:
                where = _of(table, change.replaced)
                return self._opened(table, layout.over(table.name, over, where))

            now = self._content(layout.over(name, over), table)
            yield Step(table, frozenset(examined), now, rows)

    def _of_chains(self, known: Known, changed: set[Partition]) -> Iterator[Step]:
        """Yield pools and their chains, which reach over months."""
        members, chains = layout.table("pool_members"), layout.table("warm_pool_chains")
        unknown = _unknown(known, (members.name, chains.name))
        if not changed and not unknown:
            return
        self._raw.execute(_MEMBERS_SQL)
        now = _contents(
            self._all(
                "SELECT account_id, region, month, count(*), "
                "sum(CAST(mark AS HUGEINT)), bit_xor(mark) "
                "FROM lake_members GROUP BY account_id, region, month"
            )
        )
        differs = plan.change(known.of(members.name), now)
        touched = {*differs.partitions, *unknown, *self._chains_of(changed)}
        for batch in self._batches(touched):
            listed = ", ".join(
                f"({literal(scope.account_id)}, {literal(scope.region)}, {literal(month)})"
                for scope, month in batch
            )
            chosen = f"FROM lake_members WHERE (account_id, region, month) IN ({listed})"
            sources = {"internal.pool_members": f"SELECT chain, job_id, position {chosen}"}

            def rows(change: Change, sources: Mapping[str, str] = sources) -> Opened:
                where = _of(members, change.replaced)
                return self._opened(members, layout.over(members.name, sources, where))

            held = {each: now[each] for each in batch if each in now}
            yield Step(members, frozenset(batch), held, rows)
            # As literals, so that they get into the scan.
            ((first, last),) = self._all(
                f"SELECT min(creation_time)::VARCHAR, max(creation_time)::VARCHAR {chosen}"
            )
            self._compute_days(
                f"day.job_id IN (SELECT job_id {chosen}) "
                f"AND day.creation_time >= TIMESTAMPTZ {literal(first)} "
                f"AND day.creation_time <= TIMESTAMPTZ {literal(last)}"
                if first
                else "FALSE"
            )
            yield from self._of_days([chains.name], batch, sources)

    def _chains_of(self, changed: Iterable[Partition]) -> Iterator[Partition]:
        """Yield the months of the chains that have jobs of these months."""
        listed = ", ".join(
            f"({literal(scope.account_id)}, {literal(scope.region)}, {literal(month)})"
            for scope, month in changed
        )
        if listed:
            for account, region, month in self._all(
                "SELECT DISTINCT account_id, region, month FROM lake_members "  # noqa: S608 - quoted
                f"WHERE (account_id, region, job_month) IN ({listed})"
            ):
                yield Partition(Scope(account, region), month)

    def _compute_days(self, where: str) -> None:
        query = f"SELECT day.* FROM internal.usage_days AS day WHERE {where}"  # noqa: S608 - our own names
        self._raw.execute(f"CREATE OR REPLACE TEMP TABLE lake_days AS {query}")

    def _memory_bytes(self) -> int:
        """Return how much DuckDB may keep in memory, by all jobs and those of the largest month."""
        ((jobs, of_month),) = self._all(
            "SELECT coalesce(sum(jobs), 0), coalesce(max(jobs), 0) FROM (SELECT count(*) AS jobs "
            "FROM training_jobs GROUP BY date_trunc('month', creation_time))"
        )
        grows = jobs * _MEMORY_BYTES_OF_A_JOB + of_month * _MEMORY_BYTES_OF_A_JOB_OF_THE_MONTH
        return max(_MEMORY_BYTES, int(grows))

    def _read_jobs(self) -> dict[Partition, str]:
        """Read the fingerprints of jobs, details and changes; return those of the jobs' costs."""
        details = layout.table("training_job_details").sql + repr(
            _view("internal.job_specifications")
        )
        found = {}
        for account, region, month, *marks, until in self._all(_JOBS_SQL):
            partition = Partition(Scope(account, region), month)
            job, detail = marks[:3], marks[3:]
            self._contents["training_jobs"][partition] = Content(job[0], _text(job))
            if detail[0]:
                self._contents["training_job_details"][partition] = Content(
                    detail[0], _text((details, detail))
                )
            found[partition] = _text((job, detail, until))
        self._contents["training_job_changes"] = _contents(self._all(_CHANGES_SQL))
        return found

    def _read_spans(self, changed: Collection[Partition]) -> dict[Partition, Span]:
        """Return the months in which the jobs of changed months have usage."""
        marks = {each: self._marks[each] for each in changed if each in self._marks}
        if not marks:
            return {}
        among = _among("day.account_id", "day.region", "day.creation_time", marks)
        spans = {
            Partition(Scope(account, region), month): (first, last)
            for account, region, month, first, last in self._all(_SPANS_SQL.format(among=among))
        }
        return {
            partition: Span(mark, *spans.get(partition, (partition.month, partition.month)))
            for partition, mark in marks.items()
        }

    def _inputs(self) -> dict[Scope, str]:
        """Return fingerprints of what the costs of a scope depend on, apart from its jobs."""
        common = [
            layout.LAYOUT,
            view_files.fingerprint(),
            self._small["local_storage_families"],
            self._all(
                f"SELECT {_MARK.format('price')} FROM prices AS price WHERE training_job_arn <> ''"  # noqa: S608 - our own names
            ),
        ]
        return {
            scope: _text(
                (
                    common,
                    self._small["rates"].get(Partition(scope)),
                    self._small["accounts"].get(Partition(scope)),
                )
            )
            for scope in self.scopes
        }

    def _all_rows(self, table: Table) -> Callable[[Change], Opened]:
        def rows(change: Change) -> Opened:
            where = "" if table.owner is Owner.PRICES else _of(table, change.replaced)
            return self._opened(table, table.select(where))

        return rows

    def _content(self, sql: str, table: Table) -> dict[Partition, Content]:
        keys = "".join(f"{key}, " for key in table.partitions)
        found = self._all(
            f"SELECT {keys}{_MARK.format('each')} FROM ({sql}) AS each GROUP BY ALL"  # noqa: S608 - our own names
        )
        if table.partitions:
            return _contents(found)
        return {Partition(PRICES): Content(row[0], _text(row)) for row in found if row[0]}

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._raw.execute(sql).fetchall()
        return rows

    def _opened(self, table: Table, sql: str) -> Opened:
        return lambda: fetch_stream(self._raw.sql(sql), layout.comments(table))


def _contents(found: Iterable[tuple[Any, ...]]) -> dict[Partition, Content]:
    """Return contents from rows of the partition columns, count, sum and xor."""
    return {
        Partition(Scope(row[0], row[1]), *row[2:-3]): Content(row[-3], _text(row[-3:]))
        for row in found
    }


def _text(values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:32]


def _unknown(known: Known, tables: Iterable[str]) -> set[Partition]:
    """Return the partitions of which nobody knows what they hold."""
    return {
        partition
        for name in tables
        for partition, content in known.of(name).items()
        if content == UNKNOWN
    }


def _of(table: Table, partitions: Iterable[Partition]) -> str:
    """Return SQL that selects partitions of a table."""
    account, region = table.expression("account_id"), table.expression("region")
    return _among(account, region, table.dated_by, partitions)


def _among(account: str, region: str, moment: str, partitions: Iterable[Partition]) -> str:
    """Return SQL that selects partitions.

    Args:
        account: SQL of the account.
        region: SQL of the region.
        moment: SQL of what dates a row; empty = no months.
        partitions: The partitions.
    """
    parts = []
    for scopes, first, last in plan.runs(partitions):
        pairs = ", ".join(
            f"({literal(each.account_id)}, {literal(each.region)})" for each in scopes
        )
        dated = f" AND {within(moment, first, last)}" if moment else ""
        parts.append(f"({account}, {region}) IN ({pairs}){dated}")
    # Alone, a condition on the months gets into the scan.
    return parts[0] if len(parts) == 1 else " OR ".join(f"({part})" for part in parts) or "FALSE"


def _view(name: str) -> str:
    return next(each.sql for each in view_files.views() if each.name == name)
