"""One job, whole: what it is, what happened to it, its pool, what it cost, what is not known."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal
from typing import Any, Final

from exporter.reports import running
from exporter.reports.catalogue import find
from exporter.reports.nearest import no_such_job
from exporter.reports.periods import of_month
from exporter.reports.result import Column, Note, Result
from exporter.reports.values import heading, shown
from exporter.store.connections import Connection
from exporter.store.view_files import compose
from exporter.times import format_time

#: One row per job of a name or ARN, the newest first.
_JOBS: Final = """
SELECT
    job.rowid AS job_id,
    job.training_job_name, job.training_job_status, job.secondary_status, job.account_id,
    accounts.account_name, job.region, job.training_job_arn, job.creation_time,
    detail.training_start_time, job.training_end_time, job.last_modified_time, job.job_family,
    job.team, job.warm_pool_status, job.warm_pool_retained_seconds, job.warm_pool_reused_by_job,
    job.training_plan_arn, detail.instance_type, detail.instance_count, detail.instance_groups,
    detail.volume_size_gb, detail.keep_alive_seconds, detail.billable_seconds,
    detail.training_seconds, detail.managed_spot, detail.serverless, detail.tuning_job_arn,
    detail.role_arn, detail.failure_reason, detail.tags, detail.fetched_at, job.open_reason,
    job.deleted_at, job.verified_at, job.first_synced_at, fresh.data_as_of
FROM training_jobs AS job
LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
LEFT JOIN accounts ON job.account_id = accounts.account_id
LEFT JOIN data_as_of AS fresh
    ON job.account_id = fresh.account_id AND job.region = fresh.region
WHERE
    {condition}
    AND (CAST(:account AS VARCHAR) IS NULL OR job.account_id = :account)
    AND (CAST(:region AS VARCHAR) IS NULL OR job.region = :region)
ORDER BY job.creation_time DESC, job.account_id, job.region
"""

_HAS_NAME: Final = "job.training_job_name = :name"
_HAS_ARN: Final = "lower(job.training_job_arn) = lower(:name)"

#: One row: the specification of a job.
_SPECIFICATION: Final = """
SELECT specification
FROM internal.job_specifications
WHERE training_job_arn = :arn AND creation_time = :created
"""

#: One row per component, instance type, price and basis of a job.
_COSTS: Final = """
SELECT
    component, instance_type,
    sum(instance_hours) AS instance_hours,
    sum(gb_months) AS gb_months,
    usd_per_unit, price_source,
    sum(cost_usd) AS cost_usd,
    cost_basis
FROM daily_costs
WHERE training_job_arn = :arn AND creation_time = :created
GROUP BY ALL
ORDER BY component, instance_type, min(usage_date), usd_per_unit
"""

#: One row per job that ran on the pool of a job, in order; no row if it ran on none.
_MEMBERS: Final = """
WITH RECURSIVE
-- One row per job that can be in the chain: a chain lasts 28 days at most, and no job waits for
-- longer before it starts.
pool_job AS NOT MATERIALIZED (
    SELECT rowid AS job_id, *, TRUE AS may_be_first
    FROM training_jobs
    WHERE
        account_id = :account_id
        AND region = :region
        AND creation_time BETWEEN CAST(:created AS TIMESTAMPTZ) - INTERVAL 60 DAY
        AND CAST(:created AS TIMESTAMPTZ) + INTERVAL 60 DAY
),

/*part pool_links*/,

/*part pool_members*/

SELECT member.job_id, member.position, pool_job.creation_time
FROM pool_member AS member
INNER JOIN pool_job ON member.job_id = pool_job.job_id
SEMI JOIN (SELECT chain FROM pool_member WHERE job_id = :job_id) AS mine
    ON member.chain = mine.chain
ORDER BY member.position
"""

#: One row per job of a chain, in order of creation.
_CHAIN: Final = """
WITH
-- One row per job: its known costs.
cost AS (
    SELECT
        job_id,
        sum(cost_usd) FILTER (WHERE NOT is_pool) AS training_usd,
        sum(cost_usd) FILTER (WHERE is_pool) AS idle_usd
    FROM internal.cost_lines
    -- DuckDB skips rows by their times, and not by their numbers.
    WHERE job_id IN ({jobs}) AND creation_time BETWEEN :first AND :last
    GROUP BY job_id
)

SELECT
    job.training_job_name AS job,
    coalesce(detail.training_start_time, job.creation_time) AS started_at,
    job.training_end_time AS ended_at,
    detail.billable_seconds AS training_seconds,
    cost.training_usd,
    CASE WHEN job.warm_pool_retained_seconds >= 0 THEN job.warm_pool_retained_seconds END
        AS idle_seconds,
    cost.idle_usd,
    job.warm_pool_status AS pool,
    job.rowid = :job_id AS is_this_job
FROM training_jobs AS job
LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
LEFT JOIN cost ON job.rowid = cost.job_id
WHERE job.rowid IN ({jobs}) AND job.creation_time BETWEEN :first AND :last
ORDER BY job.creation_time, job.rowid
"""

_MEANINGS: Final = "SELECT cost_basis, meaning FROM internal.cost_bases"

#: Fact -> its unit (catalogue.UNITS), in the order in which people read them.
_FACTS: Final = {
    "training_job_name": "",
    "training_job_status": "",
    "secondary_status": "",
    "failure_reason": "",
    "account_id": "",
    "account_name": "",
    "region": "",
    "job_family": "",
    "team": "",
    "creation_time": "time",
    "training_start_time": "time",
    "training_end_time": "time",
    "training_seconds": "seconds",
    "billable_seconds": "seconds",
    "specification": "",
    "instance_type": "",
    "instance_count": "",
    "instance_groups": "",
    "volume_size_gb": "",
    "managed_spot": "",
    "serverless": "",
    "training_plan_arn": "",
    "tuning_job_arn": "",
    "role_arn": "",
    "tags": "",
    "keep_alive_seconds": "seconds",
    "warm_pool_status": "",
    "warm_pool_retained_seconds": "seconds",
    "warm_pool_reused_by_job": "",
    "why_not_reused": "",
    "last_modified_time": "time",
    "first_synced_at": "time",
    "verified_at": "time",
    "fetched_at": "time",
    "deleted_at": "time",
    "open_reason": "",
    "data_as_of": "time",
    "training_job_arn": "",
}
_JSON_FACTS: Final = frozenset({"instance_groups", "tags"})
_COST_COLUMNS: Final = {
    "instance_hours": "hours",
    "gb_months": "hours",
    "usd_per_unit": "rate",
    "cost_usd": "money",
}
_CHAIN_COLUMNS: Final = {
    "started_at": "time",
    "ended_at": "time",
    "training_seconds": "seconds",
    "training_usd": "money",
    "idle_seconds": "seconds",
    "idle_usd": "money",
}
#: Columns that narrow terminals hide.
_WIDE: Final = ("price_source", "ended_at", "training_seconds", "is_this_job")


@dataclass(frozen=True)
class JobReport:
    """Everything that the database knows of one job.

    Attributes:
        facts: Fact -> value, in the order of reading; the names are those of the columns. What is
            not known is None.
        history: What happened, as the report job-history shows it.
        costs: One row per component, instance type, price and basis, with the total.
        chain: The jobs that ran on the same pool, in order; no rows if the job ran on none.
        unknown: What is not known, and why, in sentences.
    """

    facts: Mapping[str, Any]
    history: Result
    costs: Result
    chain: Result
    unknown: tuple[str, ...]

    def sections(self) -> Iterator[Result]:
        """Yield the tables for a reader; facts without a value and empty tables are left out."""
        rows = [(name, value) for name, value in self.facts.items() if value is not None]
        yield Result(
            (Column("fact"), Column("value")),
            [(heading(name, _FACTS[name]), _shown(name, value)) for name, value in rows],
            notes=tuple(Note("unknown", text) for text in self.unknown),
            report="job",
            title=str(self.facts["training_job_name"]),
        )
        yield from (part for part in (self.history, self.costs, self.chain) if list(part.rows))

    def to_json(self) -> dict[str, Any]:
        """Return the documented object of one job in `job --format json`."""
        return {
            **self.facts,
            "cost_usd": self.costs.totals[-2] if self.costs.totals else None,
            "history": _objects(self.history),
            "costs": _objects(self.costs),
            "chain": _objects(self.chain),
            "unknown": list(self.unknown),
        }


def read(
    connection: Connection, name: str, *, account: str | None = None, region: str | None = None
) -> list[JobReport]:
    """Return every job of a name or ARN, the newest first.

    A name can belong to several jobs: in other accounts and regions, and after a deletion.

    Args:
        connection: A read-only connection.
        name: The name, or the ARN in any case.
        account: Only jobs of this account.
        region: Only jobs in this region.

    Raises:
        UsageError: There is no such job.
    """
    parameters = {"name": name, "account": account, "region": region}
    # An ARN in any case takes long to find, so no name is looked for among the ARNs.
    condition = _HAS_ARN if name.lower().startswith("arn:") else _HAS_NAME
    found = list(connection.execute(_JOBS.format(condition=condition), parameters).mappings())
    if not found:
        raise no_such_job(connection, name, account or region)
    meanings = {row.cost_basis: row.meaning for row in connection.execute(_MEANINGS)}
    return [_read(connection, row, meanings) for row in found]


def _read(connection: Connection, row: Mapping[Any, Any], meanings: Mapping[str, str]) -> JobReport:
    key = {"arn": row["training_job_arn"], "created": row["creation_time"]}
    specification = connection.execute(_SPECIFICATION, key).scalar()
    why = _why_not_reused(connection, row)
    computed = {"specification": specification, "why_not_reused": why}
    facts = {name: computed[name] if name in computed else row[name] for name in _FACTS}
    costs = _result(connection, _COSTS, key, _COST_COLUMNS, "What it cost")
    known = [line[-2] for line in costs.rows if line[-2] is not None]
    total = sum(known, start=Decimal()) if known else None
    totals = (*[None] * (len(costs.columns) - 2), total, None)
    return JobReport(
        facts=facts,
        history=_history(connection, row),
        costs=replace(costs, totals=totals),
        chain=_chain(connection, row),
        unknown=tuple(_unknown(facts, {line[-1] for line in costs.rows}, meanings)),
    )


def _history(connection: Connection, row: Mapping[Any, Any]) -> Result:
    """Return the rows of the report job-history that belong to this very job."""
    request = running.Request(argument=row["training_job_name"])
    every = running.run(connection, find("job-history"), request)
    names = [column.name for column in every.columns]
    kept = names[: names.index("created_at")]
    key = (row["creation_time"], row["account_id"], row["region"])
    return replace(
        every,
        columns=every.columns[: len(kept)],
        rows=[line[: len(kept)] for line in every.rows if line[len(kept) :] == key],
        title="What happened",
        notes=(),
    )


def _chain(connection: Connection, row: Mapping[Any, Any]) -> Result:
    key = {name: row[name] for name in ("job_id", "account_id", "region")}
    members = connection.execute(compose(_MEMBERS), {**key, "created": row["creation_time"]}).all()
    # One parameter each: DuckDB compares each row with all of a list that is one parameter.
    ids = {f"job_{number}": member.job_id for number, member in enumerate(members)}
    statement = _CHAIN.format(jobs=", ".join(f":{name}" for name in ids) or "NULL")
    times = [member.creation_time for member in members] or [row["creation_time"]]
    values = {"job_id": row["job_id"], "first": min(times), "last": max(times), **ids}
    title = "The pool: jobs on the same instances, in order"
    return _result(connection, statement, values, _CHAIN_COLUMNS, title)


def _why_not_reused(connection: Connection, row: Mapping[Any, Any]) -> str | None:
    """Return why the report why-not-reused says that nobody took the pool over."""
    if row["warm_pool_status"] != "Terminated" or not row["warm_pool_retained_seconds"]:
        return None
    today = row["creation_time"].astimezone(UTC).date()
    request = running.Request(
        period=of_month(today.replace(day=1)), argument=row["training_job_name"]
    )
    answer = running.run(connection, find("why-not-reused"), request)
    names = [column.name for column in answer.columns]
    pools = [dict(zip(names, line, strict=True)) for line in answer.rows]
    if len(pools) != 1:  # several pools of jobs of this name: the report shows all of them
        return None
    nearest = pools[0]
    if nearest["next_job"] is None:
        return str(nearest["why"])
    return f"{nearest['why']} (nearest job: {nearest['next_job']})"


def _unknown(
    facts: Mapping[str, Any], bases: Collection[str], meanings: Mapping[str, str]
) -> Iterator[str]:
    """Yield what is not known of a job, or not final, and why."""
    for basis in meanings:
        if basis in bases and basis != "settled":
            yield f"{basis}: {meanings[basis].removesuffix(': NULL')}."
    if facts["fetched_at"] is None and "no details" not in bases:
        yield "no details: AWS has not been asked for them yet, or did not answer."
    if facts["deleted_at"] is not None:
        yield f"Deleted at AWS: nothing after {format_time(facts['deleted_at'])} can be known."
    elif facts["open_reason"] is not None:
        yield f"Still open ({facts['open_reason']}): the next sync asks again."
    if _lacks_pool(facts):
        yield (
            "The job asked for a warm pool, and AWS reported none: the quota may be 0 or used up, "
            "or the job ended in a way that keeps no pool."
        )


def _shown(name: str, value: Any) -> str:  # noqa: ANN401 - a value of any column
    """Return a fact for a reader. JSON keeps the letters of all languages."""
    if name in _JSON_FACTS:
        found = json.loads(value) if isinstance(value, str) else value
        return shown(json.dumps(found, ensure_ascii=False), "")
    return shown(value, _FACTS[name])


def _lacks_pool(facts: Mapping[str, Any]) -> bool:
    status, seconds = facts["warm_pool_status"], facts["warm_pool_retained_seconds"]
    ended = facts["training_end_time"] is not None and facts["open_reason"] is None
    got_none = status is None or (status == "Terminated" and seconds is None)
    return bool(facts["keep_alive_seconds"]) and ended and got_none


def _result(
    connection: Connection,
    statement: str,
    values: Mapping[str, Any],
    units: Mapping[str, str],
    title: str,
) -> Result:
    """Return the rows of a statement; `units` has the unit of each column that has one."""
    answer = connection.execute(statement, values)
    columns = tuple(
        Column(name, kind, units.get(name, ""), wide=name in _WIDE) for name, kind in answer.columns
    )
    rows = list(answer.tuples())
    return Result(columns, rows, report="job", title=title)


def _objects(result: Result) -> list[dict[str, Any]]:
    names = [column.name for column in result.columns]
    return [dict(zip(names, row, strict=True)) for row in result.rows]
