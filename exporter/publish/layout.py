"""Describes every table of the lake once: its rows, columns, partitions and owner.

A lake holds what the reports of many databases need, computed by the collector that has the facts.
An engine then only filters, joins and adds decimals. Everything here is text: `delta` writes it,
and readers build the names that the reports know from it (`RELATIONS`).

Row numbers mean nothing outside one file. In a lake, `job_id` is a digest of ARN and creation time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final

from exporter.publish.plan import following
from exporter.store.connections import connect
from exporter.store.schema import JSON, TABLES
from exporter.store.view_files import INTERNAL, View, compose, create_views, views

#: Version of this layout; readers and writers refuse a lake with a higher one. Raise it with each
#: change of a table, a column or a type: `tests/publish/test_layout.py` asks for it.
LAYOUT: Final = 1

_ID: Final = "16-byte digest of ARN and creation time: identifies a job in a lake"
_MONTH: Final = "Partition: UTC month, YYYY-MM, of {}"


class Owner(Enum):
    """Who writes a table."""

    SCOPE = "scope"  #: Each collector, for its own accounts and regions.
    PRICES = "prices"  #: One collector for all of them.


@dataclass(frozen=True)
class Column:
    """A column of a lake table.

    Attributes:
        name: Its name.
        type: Its DuckDB type; JSON is text in a lake, because not every engine has a JSON type.
        comment: Its comment.
    """

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A table of the lake.

    Attributes:
        name: Its name, and the name of its folder.
        comment: What one row is.
        source: The relation of the database file with its rows, called `row` in the expressions.
        fields: Pairs of column and SQL expression, with the partition columns at the end.
        joins: SQL that joins more relations to the source.
        comments: Comments of columns that no relation of the file has.
        partitions: The partition columns.
        dated_by: SQL of the moment or day that decides a row's month; empty = no months.
        owner: Who writes it.
        needs: Views of the file that stand between its source and `usage_days`, in order.
    """

    name: str
    comment: str
    source: str
    fields: tuple[tuple[str, str], ...]
    partitions: tuple[str, ...]
    joins: str = ""
    comments: tuple[tuple[str, str], ...] = ()
    dated_by: str = ""
    owner: Owner = Owner.SCOPE
    needs: tuple[str, ...] = ()

    @property
    def by_month(self) -> bool:
        """Whether the table has a partition for each month."""
        return "month" in self.partitions

    def expression(self, column: str) -> str:
        """Return the SQL of a column."""
        return dict(self.fields)[column]

    @property
    def sql(self) -> str:
        """The query for all rows over the database file."""
        return self.select()

    def select(self, where: str = "") -> str:
        """Return the query for the rows that a condition selects.

        Args:
            where: SQL over `row` and the joined relations; empty = all rows.
        """
        listed = ",\n    ".join(f"{expression} AS {name}" for name, expression in self.fields)
        parts = [f"SELECT\n    {listed}\nFROM {self.source} AS row"]
        parts += [self.joins] if self.joins else []
        parts += [f"WHERE {where}"] if where else []
        return "\n".join(parts)


def digest(alias: str) -> str:
    """Return SQL for a job's identity in a lake."""
    return (
        f"unhex(md5({alias}.training_job_arn || '@' || "
        f"CAST(epoch_us({alias}.creation_time) AS VARCHAR)))"
    )


def month_of(moment: str) -> str:
    """Return SQL for the UTC month of a date, or of a time with a time zone."""
    if moment.endswith("_date"):
        return f"strftime({moment}, '%Y-%m')"
    return f"strftime(make_timestamp(epoch_us({moment})), '%Y-%m')"


def tables() -> tuple[Table, ...]:
    """Return every table of the lake, in the order in which a publish writes them.

    What says how fresh a scope is comes last, so that it never promises facts that are not there.
    """
    return _TABLES


def table(name: str) -> Table:
    """Return a table by its name."""
    return next(each for each in _TABLES if each.name == name)


def columns(name: str) -> tuple[Column, ...]:
    """Return the columns of a table, in order, with their types and comments.

    The types are those that DuckDB gives the query over an empty database.
    """
    return _columns()[name]


def comments(found: Table) -> list[str]:
    """Return the comments of a table's columns, in order."""
    known = _comments(found.source) | dict(found.comments)
    return [known[name] for name, _ in found.fields]


def over(name: str, batch: Mapping[str, str], where: str = "") -> str:
    """Return the query of a table over rows of its sources that are at hand.

    Computing the days of usage is the expensive step, and several tables need the same ones.

    Args:
        name: The table.
        batch: SQL of rows by the name of the view that has them, such as `usage_days`.
        where: SQL over `row` and the joined relations; empty = all rows.
    """
    found = table(name)
    steps = dict(batch) | {view: _views()[view].sql for view in found.needs}
    ctes = ",\n\n".join(f"{_local(view)} AS (\n{sql}\n)" for view, sql in steps.items())
    return _locally(f"WITH\n{ctes}\n\n{found.select(where)}", steps)


def _local(view: str) -> str:
    """Return a view's name without its schema, which a CTE cannot have."""
    return view.removeprefix(f"{INTERNAL}.")


def _locally(sql: str, names: Iterable[str]) -> str:
    """Return SQL that reads CTEs in place of views."""
    for name in names:
        sql = re.sub(rf"\b{re.escape(name)}\b(?!\.)", _local(name), sql)
    return sql


def within(moment: str, first: str, last: str) -> str:
    """Return SQL that says whether a date or time lies in UTC months, for filters in a scan.

    Args:
        moment: SQL of a DATE or TIMESTAMPTZ.
        first: The first month, YYYY-MM.
        last: The last month, YYYY-MM.
    """
    kind, rest = ("DATE", "") if moment.endswith("_date") else ("TIMESTAMPTZ", " 00:00:00+00")
    begin, end = (f"{kind} '{month}-01{rest}'" for month in (first, following(last)))
    return f"{moment} >= {begin} AND {moment} < {end}"


@cache
def _columns() -> dict[str, tuple[Column, ...]]:
    connection = connect()
    for table in TABLES.values():
        connection.execute(table.ddl)
    create_views(connection)
    described = {each.name: connection.execute(f"DESCRIBE {each.sql}").all() for each in _TABLES}
    connection.close()
    return {
        each.name: tuple(
            Column(row[0], row[1], comment)
            for row, comment in zip(described[each.name], comments(each), strict=True)
        )
        for each in _TABLES
    }


@cache
def _views() -> dict[str, View]:
    return {each.name: each for each in views()}


def _comments(relation: str) -> dict[str, str]:
    if relation in TABLES:
        return {each.name: str(each.comment) for each in TABLES[relation].columns}
    return dict(_views()[relation].columns)


def _comment(relation: str) -> str:
    if relation in TABLES:
        return str(TABLES[relation].comment)
    return _views()[relation].comment


def _names(relation: str) -> tuple[str, ...]:
    return tuple(_comments(relation))


def _fields(
    names: Iterable[str],
    changed: dict[str, str] | None = None,
    *,
    before: Sequence[tuple[str, str]] = (),
    after: Sequence[tuple[str, str]] = (),
) -> tuple[tuple[str, str], ...]:
    """Return the fields of a source's columns, with the partition columns at the end.

    Args:
        names: Columns of the source.
        changed: SQL of columns that are not taken as they are.
        before: Fields that come first.
        after: Fields that come last.
    """
    special = {name: f"CAST(row.{name} AS VARCHAR)" for name in _JSON} | (changed or {})
    own = [(name, special.get(name, f"row.{name}")) for name in names]
    # Every column stands once; one that is given again moves to the place where it is given.
    given = {name for name, _ in (*before, *after)}
    return (*before, *(each for each in own if each[0] not in given), *after)


#: The instance types of each account and region, from the jobs' ARNs. The ARNs of all jobs are
#: divided once, and the few beginnings that they have once more.
_USED_TYPES: Final = """(
        SELECT DISTINCT split_part(begin, ':', 5), split_part(begin, ':', 4), instance_type
        FROM (
            SELECT DISTINCT split_part(training_job_arn, '/', 1) AS begin, instance_type
            FROM training_job_details
            WHERE instance_type IS NOT NULL
            UNION
            SELECT
                split_part(training_job_arn, '/', 1),
                unnest(instance_groups->>'$[*].InstanceType')
            FROM training_job_details
            WHERE
                instance_type IS NULL
                AND instance_groups IS NOT NULL
                AND json_type(instance_groups) = 'ARRAY'
        )
    )"""
#: Columns of type JSON, in tables and views.
_JSON: Final = frozenset(
    column.name for each in TABLES.values() for column in each.columns if column.type == JSON
)
_BY_MONTH: Final = ("account_id", "region", "month")
_BY_SCOPE: Final = ("account_id", "region")
_JOB: Final = "INNER JOIN training_jobs AS job USING (training_job_arn, creation_time)"


def _scope(alias: str) -> list[tuple[str, str]]:
    return [("account_id", f"{alias}.account_id"), ("region", f"{alias}.region")]


def _monthly(
    name: str,
    source: str,
    dated_by: str,
    changed: dict[str, str] | None = None,
    *,
    names: Iterable[str] = (),
    joins: str = "",
    owner: str = "row",
    extra: Sequence[tuple[str, str, str]] = (),
    job: str = "row",
    comment: str = "",
    dates: str = "",
    needs: tuple[str, ...] = (),
) -> Table:
    """Return a table with a partition for each account, region and month.

    Args:
        name: Name of the table.
        source: Relation of the file.
        dated_by: SQL that dates a row.
        changed: SQL of columns that are not taken as they are.
        names: Columns of the source to take; empty = all.
        joins: SQL that joins more relations.
        owner: Alias of the relation with account and region.
        extra: Columns that the source lacks: name, SQL and comment.
        job: Alias of the relation with ARN and creation time; empty = `changed` has the identity.
        comment: What one row is; empty = as in the source.
        dates: Name of what dates a row; empty = the column of `dated_by`.
        needs: Views between the source and `usage_days`.
    """
    identity = [("job_id", digest(job))] if job else []
    added = [(column, sql) for column, sql, _ in extra]
    fields = _fields(
        names or _names(source),
        changed,
        before=identity,
        after=[*added, *_scope(owner), ("month", month_of(dated_by))],
    )
    return Table(
        name=name,
        comment=comment or _comment(source),
        source=source,
        fields=fields,
        partitions=_BY_MONTH,
        joins=joins,
        comments=(
            ("account_id", "Partition: AWS account, 12 digits"),
            ("region", "Partition: AWS region, such as eu-west-1"),
            ("month", _MONTH.format(dates or dated_by.rpartition(".")[2])),
            ("job_id", _ID),
            *((column, text) for column, _, text in extra),
        ),
        dated_by=dated_by,
        needs=needs,
    )


def _of_scope(
    name: str,
    source: str,
    *,
    changed: dict[str, str] | None = None,
    joins: str = "",
    owner: str = "row",
) -> Table:
    return Table(
        name=name,
        comment=_comment(source),
        source=source,
        fields=_fields(_names(source), changed, after=_scope(owner)),
        partitions=_BY_SCOPE,
        joins=joins,
        comments=(
            ("account_id", "Partition: AWS account, 12 digits"),
            ("region", "Partition: AWS region, such as eu-west-1"),
        ),
    )


def _of_prices(source: str) -> Table:
    return Table(
        name=source.removeprefix(f"{INTERNAL}."),
        comment=_comment(source),
        source=source,
        fields=_fields(_names(source)),
        partitions=(),
        owner=Owner.PRICES,
    )


#: Every account and region of the file, also those that only one-off syncs have read.
SCOPES: Final = """(
    SELECT account_id, region FROM sync_scopes
    UNION
    SELECT account_id, region FROM training_jobs
)"""

#: The rates that apply to an account: its own if it has any, else those for every other account.
_RATES_OF: Final = f"""INNER JOIN {SCOPES} AS scope
    ON
        row.region = scope.region
        AND row.account_id = CASE
            WHEN scope.account_id IN (SELECT account_id FROM rates) THEN scope.account_id
            ELSE ''
        END"""  # noqa: S608 - our own names

_BEGAN: Final = compose("/*part training_began_at*/").replace("detail.", "row.")

#: Columns of usage_days that reports, job_costs and pool_steps read. daily_costs has the others.
_DAYS: Final = (
    "training_job_arn",
    "creation_time",
    "training_job_name",
    "job_family",
    "team",
    "specification",
    "component",
    "instance_type",
    "instance_count",
    "warm_pool_status",
    "reused_by_job",
    "is_deleted",
    "retained_seconds",
    "had_pool",
    "keep_alive_seconds",
    "is_over",
    "from_time",
    "training_end_time",
    "started_at",
    "ended_at",
    "within_a_day",
    "usage_date",
    "seconds",
    "instance_hours",
    "usd_per_hour",
    "compute_currency",
    "compute_source",
    "compute_cost_usd",
    "compute_rank",
    "storage_cost_usd",
    "storage_rank",
    "cost_usd",
)

_TABLES: Final = (
    _monthly("training_jobs", "training_jobs", "row.creation_time"),
    _monthly(
        "training_job_details",
        "training_job_details",
        "row.creation_time",
        joins=f"{_JOB}\nLEFT JOIN internal.job_specifications AS specification "
        "USING (training_job_arn, creation_time)",
        owner="job",
        extra=[
            (
                "training_began_at",
                _BEGAN,
                "First start of the status Training (status_transitions), else training_start_time",
            ),
            (
                "is_interrupted",
                "list_contains("
                "json_extract_string(row.status_transitions, '$[*].Status'), 'Interrupted')",
                "True: a spot job was interrupted (status_transitions)",
            ),
            (
                "specification",
                "specification.specification",
                "What a next job must match to take the pool; NULL = the job has no pools",
            ),
        ],
    ),
    _monthly(
        "training_job_changes",
        "training_job_changes",
        "row.creation_time",
        joins=_JOB,
        owner="job",
    ),
    _monthly(
        "usage_days",
        "internal.usage_days",
        "row.usage_date",
        names=_DAYS,
        comment="What was used on each UTC day, compute and storage in one row: the source of "
        "daily_costs, for reports that need the times of the usage",
    ),
    _monthly(
        "daily_costs",
        "internal.cost_lines",
        "row.usage_date",
        comment="What each job cost on each UTC day, one row per job, day, component, instance "
        "type and price. Pools that were reused at once have a row here, which costs nothing: "
        "is_instant is true",
        needs=("internal.cost_lines",),
    ),
    _monthly(
        "training_job_costs",
        "training_job_costs",
        "row.creation_time",
        needs=("internal.job_costs", "training_job_costs"),
    ),
    _monthly(
        "warm_pool_costs",
        "warm_pool_costs",
        "row.creation_time",
        needs=("internal.job_costs", "warm_pool_costs"),
    ),
    _monthly(
        "pool_members",
        "internal.pool_members",
        "first_job.creation_time",
        {"chain": digest("first_job"), "job_id": digest("job")},
        joins="INNER JOIN training_jobs AS job ON row.job_id = job.rowid\n"
        "INNER JOIN training_jobs AS first_job ON row.chain = first_job.rowid",
        owner="first_job",
        job="",
        extra=[
            ("chain", digest("first_job"), "job_id of the first job of the chain"),
            ("job_id", digest("job"), _ID),
        ],
    ),
    _monthly(
        "warm_pool_chains",
        "warm_pool_chains",
        # The name of a chain ends with the creation time of its first job.
        "make_timestamp(CAST(split_part(row.chain_id, '@', -1) AS BIGINT) * 1000)",
        job="",
        needs=("internal.pool_steps", "warm_pool_chains"),
        dates="creation_time of the first job",
    ),
    _of_scope(
        "rate_card",
        "internal.rate_card",
        changed={"hour_quotient": "CAST(row.hour_quotient AS BIGINT)"},
        joins=f"{_RATES_OF}\n"
        # A scope has the prices of its own instance types, whatever other scopes the file has.
        f"SEMI JOIN {_USED_TYPES} AS used (account_id, region, instance_type)\n"
        "    ON\n"
        "        scope.account_id = used.account_id\n"
        "        AND scope.region = used.region\n"
        "        AND row.instance_type = used.instance_type",
        owner="scope",
    ),
    _of_scope("rates", "rates", joins=_RATES_OF, owner="scope"),
    _of_scope(
        "accounts",
        "accounts",
        joins=f"INNER JOIN {SCOPES} AS scope USING (account_id)",
        owner="scope",
    ),
    _of_scope("quotas", "quotas"),
    _of_prices("internal.cost_bases"),
    _of_prices("prices"),
    _of_prices("price_imports"),
    _of_prices("discounts"),
    _of_prices("local_storage_families"),
    _of_scope("sync_runs", "sync_runs"),
    _of_scope("sync_scopes", "sync_scopes"),
    _of_scope("data_as_of", "data_as_of"),
)


def relations() -> dict[str, str]:
    """Return every relation that reports read, as SQL over the lake's tables `lake.NAME`.

    Each has the columns that it has in a file. `rowid` of `training_jobs` is the job's identity, so
    the reports join by it as they do in a file.
    """
    found = {each.source: _as_in_the_file(each) for each in _TABLES}
    return found | {
        # Each scope has the names of its accounts.
        "accounts": "SELECT account_id, max(account_name) AS account_name\n"
        "FROM lake.accounts\nGROUP BY account_id",
        "training_jobs": f"SELECT job_id AS rowid, {', '.join(_names('training_jobs'))}\n"
        "FROM lake.training_jobs",
        "daily_costs": f"SELECT {', '.join(_names('daily_costs'))}\n"
        "FROM lake.daily_costs\nWHERE is_instant IS NOT TRUE",
        "internal.job_specifications": "SELECT training_job_arn, creation_time, specification\n"
        "FROM lake.training_job_details",
        **{name: _over_days(name) for name in ("internal.job_costs", "internal.pool_steps")},
    }


def _over_days(view: str) -> str:
    """Return SQL for a view that needs nothing but the days of usage, from the lake."""
    days = "WITH usage_days AS (SELECT * FROM lake.usage_days)\n"
    return days + _locally(_views()[view].sql, ["internal.usage_days"])


def _as_in_the_file(found: Table) -> str:
    """Return SQL for the source of a table, from the lake."""
    has = {name for name, _ in found.fields}
    listed = ", ".join(name for name in _names(found.source) if name in has)
    return f"SELECT {listed}\nFROM lake.{found.name}"
