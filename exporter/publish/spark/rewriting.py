"""Rewrites the SQL of our reports, which is DuckDB's, for Spark.

The statement is taken apart by its CTEs. Each gets its columns qualified and its types from DuckDB
itself, which plans it over empty tables; `constructs` then replaces what Spark writes differently.
Whatever neither module knows is refused by name: an unknown function could mean something else in
Spark. `python -m tests.spark.queries` (in `make lint`) rewrites every query with all its options.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

from exporter.errors import UsageError
from exporter.extras import extra
from exporter.publish.spark import constructs
from exporter.publish.spark.distinct import Unsplittable, in_two_levels
from exporter.publish.spark.planner import Columns, Planner

with extra("spark", "--remote"):
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.annotate_types import annotate_types
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.schema import MappingSchema


#: CTEs that a lake has as a table, because no two engines agree on recursion.
_IN_LAKE: Final = {"pool_member": "pool_members"}


#: A CTE that reads more, each with its own CTEs written out, is computed once.
_MANY_TABLES: Final = 10

#: The prefix of what a statement reads several times.
SHARED: Final = "shared_"


@dataclass(frozen=True)
class Rewritten:
    """A statement for Spark.

    Attributes:
        shared: Name and text of what it reads several times, in order: each reads those before it
            by their names.
        sql: Its text.
        columns: Name and DuckDB's type of each column of the result.
        tables: The relations that it reads.
    """

    shared: tuple[tuple[str, str], ...]
    sql: str
    columns: Columns
    tables: frozenset[str]


def rewrite(sql: str, relations: Mapping[str, Columns]) -> Rewritten:
    """Return a statement of DuckDB, without parameters, as one of Spark.

    Args:
        sql: One SELECT.
        relations: The columns of the relations that it can read.

    Raises:
        UsageError: The statement has a construct that is not known.
    """
    try:
        tree = parse(sql)
        read = {each.name for each in tree.find_all(exp.Table)} | set(_IN_LAKE.values())
        known = {name: relations[name] for name in relations.keys() & read}
        with Planner(known) as planner:
            return _rewritten(tree, planner)
    except constructs.UnknownConstruct as error:
        raise _refused(str(error)) from error
    except (SqlglotError, duckdb.Error) as error:
        raise _refused(str(error).splitlines()[0]) from error


def _rewritten(tree: exp.Expr, planner: Planner) -> Rewritten:
    relations = set(planner.tables)
    columns = planner.columns_of(tree.sql("duckdb"))
    _read_derived(tree)
    ctes = _take_ctes(tree)
    queries = [tree, *(cte.this for cte in ctes)]
    tables = {table.name for query in queries for table in query.find_all(exp.Table)}
    several = _read_several_times(tree, ctes)
    written: list[str] = []
    shared = []
    for cte in ctes:
        found = planner.columns_of(cte.this.sql("duckdb"))
        body = _query(cte.this, planner, found)
        if cte.args.get("materialized") or cte.alias in several:
            name = SHARED + cte.alias
            shared.append((name, _with(written, body)))
            body = f"SELECT * FROM {_name(name)}"  # noqa: S608 - our own names
        written.append(f"{_name(cte.alias)} AS (\n{body}\n)")
        planner.add(cte.alias, found)
    sql = _with(written, _query(tree, planner, columns))
    return Rewritten(tuple(shared), sql, columns, frozenset(tables & relations))


def _read_several_times(tree: exp.Expr, ctes: Collection[exp.CTE]) -> set[str]:
    """Return the CTEs that are read several times, and read many tables themselves."""
    counted: Counter[str] = Counter()
    sizes: dict[str, int] = {}
    for cte in ctes:
        read = [table.name for table in cte.this.find_all(exp.Table)]
        counted.update(read)
        sizes[cte.alias] = sum(sizes.get(name, 1) for name in read)
    counted.update(table.name for table in tree.find_all(exp.Table))
    return {name for name, size in sizes.items() if counted[name] > 1 and size > _MANY_TABLES}


def _with(ctes: Collection[str], sql: str) -> str:
    return "WITH\n" + ",\n".join(ctes) + f"\n{sql}" if ctes else sql


def parse(sql: str) -> exp.Expr:
    """Return the tree of a statement of DuckDB, with each relation under its own name alone."""
    tree = parse_one(sql, read="duckdb")
    for table in tree.find_all(exp.Table):
        if table.db in ("internal", "main"):
            table.set("db", None)
    return tree


def tables_of(sql: str) -> set[str]:
    """Return the names of the relations and CTEs that a statement reads."""
    return {table.name for table in parse(sql).find_all(exp.Table)}


def _read_derived(tree: exp.Expr) -> None:
    """Replace what a lake has as a column by that column."""
    for name, sql in constructs.DERIVED.items():
        derived = parse_one(sql, read="duckdb")
        for node in list(tree.find_all(type(derived))):
            if node == derived:
                node.replace(exp.column(name, table="detail"))


def _refused(construct: str) -> UsageError:
    return UsageError(
        f"This query cannot run on a Spark Connect server: {construct}.",
        "Run it without --remote, and report this: every canned report should run there.",
    )


def _name(text: str) -> str:
    return exp.to_identifier(text, quoted=True).sql("spark")


def _take_ctes(tree: exp.Expr) -> list[exp.CTE]:
    """Remove the CTEs from a statement, and return those that it needs over a lake."""
    found = tree.args.get("with_")
    if found is None:
        return []
    found.pop()
    ctes: list[exp.CTE] = []
    read = {table.name for table in tree.find_all(exp.Table)}
    for cte in reversed(found.expressions):
        if cte.alias in _IN_LAKE:
            table = _IN_LAKE[cte.alias]
            cte.set("this", exp.select("chain", "job_id", "position").from_(table))
        if cte.alias in read:
            tables = {table.name for table in cte.this.find_all(exp.Table)}
            if cte.alias in tables:
                raise constructs.UnknownConstruct(f"the recursion of {cte.alias}")
            read |= tables
            ctes.append(cte)
    return ctes[::-1]


def _query(tree: exp.Expr, planner: Planner, columns: Columns) -> str:
    """Return a query without CTEs as text for Spark, with these columns in this order."""
    if isinstance(tree, exp.Union):
        return _union(tree, planner, columns)
    return _select(tree, planner, columns).sql("spark", pretty=True)


def _select(tree: exp.Expr, planner: Planner, columns: Columns | None = None) -> exp.Select:
    if nested := next((u for u in tree.find_all(exp.SetOperation) if u.args.get("by_name")), None):
        raise constructs.UnknownConstruct(f"UNION BY NAME in a subquery ({nested.sql()[:60]})")
    if not isinstance(tree, exp.Select):
        raise constructs.UnknownConstruct(type(tree).__name__)
    read = {table.name for table in tree.find_all(exp.Table)}
    schema = MappingSchema(
        {name: planner.tables[name] for name in read & planner.tables.keys()}, dialect="duckdb"
    )
    _write_out_asof_joins(tree, planner)
    select = qualify(tree, dialect="duckdb", schema=schema)
    select = annotate_types(select, schema=schema, dialect="duckdb")
    if columns is not None:
        _fix_decimals(select, columns)
    try:
        return constructs.replaced(in_two_levels(select))
    except Unsplittable as error:
        raise constructs.UnknownConstruct(str(error)) from error


def _fix_decimals(select: exp.Select, columns: Columns) -> None:
    """Cast what a select computes in decimals: engines differ in the type of a sum or a CASE."""
    for item, kind in zip(select.selects, columns.values(), strict=True):
        if kind.startswith("DECIMAL") and not isinstance(item.unalias(), exp.Column):
            typed = exp.cast(item.unalias().copy(), kind, dialect="duckdb")
            typed.type = exp.DataType.build(kind, dialect="duckdb")
            item.replace(exp.alias_(typed, item.alias, quoted=True))


def _union(tree: exp.Union, planner: Planner, columns: Columns) -> str:
    """Return a union as text, with the columns of each branch by position and of one type."""
    by_name = bool(tree.args.get("by_name"))
    branches = []
    for branch in _branches(tree):
        found = planner.described(branch.sql("duckdb"))
        select = _select(branch, planner)
        names = [name for name, _ in found] if by_name else list(columns)
        items = [
            exp.alias_(item.unalias(), name, quoted=True)
            for item, name in zip(select.selects, names, strict=True)
        ]
        select.set("expressions", items)
        types = dict(zip(names, (kind for _, kind in found), strict=True))
        wanted = ", ".join(
            _converted(name, types.get(name), kind) for name, kind in columns.items()
        )
        text = select.sql("spark", pretty=True)
        branches.append(f"SELECT {wanted} FROM (\n{text}\n) AS branch")  # noqa: S608 - our own
    united = ("\nUNION\n" if tree.args.get("distinct") else "\nUNION ALL\n").join(branches)
    if (order := tree.args.get("order")) is None:
        return united
    if strange := [each for each in order.expressions if not isinstance(each.this, exp.Column)]:
        raise constructs.UnknownConstruct(f"a union in the order of {strange[0].sql()}")
    return f"SELECT * FROM (\n{united}\n) AS united {order.sql('spark')}"  # noqa: S608 - our own


def _converted(name: str, found: str | None, wanted: str) -> str:
    kind = constructs.spark_type(exp.DataType.build(wanted, dialect="duckdb"))
    if found is None:
        return f"CAST(NULL AS {kind}) AS {_name(name)}"
    if found == wanted:
        return _name(name)
    return f"CAST({_name(name)} AS {kind}) AS {_name(name)}"


def _write_out_asof_joins(tree: exp.Expr, planner: Planner) -> None:
    """Replace `left ASOF JOIN right ON … AND left.time <= right.time` by the first of all later."""
    for join in tree.find_all(exp.Join):
        if join.method != "ASOF":
            continue
        select = join.parent
        if not isinstance(select, exp.Select) or len(select.args["joins"]) != 1:
            raise constructs.UnknownConstruct("an ASOF join among other joins")
        *_, last = join.args["on"].flatten()
        if not isinstance(last, exp.LTE) or join.side:
            raise constructs.UnknownConstruct("an ASOF join that does not end with <=")
        source = select.args["from_"].this
        keys = [
            exp.column(name, table=source.alias_or_name) for name in planner.tables[source.name]
        ]
        window = exp.Window(
            this=exp.RowNumber(),
            partition_by=keys,
            order=exp.Order(expressions=[exp.Ordered(this=last.expression.copy())]),
        )
        join.set("method", None)
        select.set(
            "qualify", exp.Qualify(this=exp.EQ(this=window, expression=exp.Literal.number(1)))
        )


def _branches(tree: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(tree, exp.Union):
        yield from _branches(tree.left)
        yield from _branches(tree.right)
    elif isinstance(tree, exp.Subquery):
        raise constructs.UnknownConstruct("a union of queries in parentheses")
    else:
        yield tree
