"""Finds jobs: one table with a row per job and its cost, kept up to date with the commits.

A row has the number of its group: all values by which readers filter most. There are few such
groups, and each has its sums. So the choices of every filter come from the groups, and a filter
that asks for more adds up the jobs in one pass.
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

from exporter.store.connections import OFFLINE, SESSION, Connection
from exporter.web.site import filling
from exporter.web.site.columns import COLUMNS, GROUPS, SORTS

#: The memory of the table; the rest of it stays on the disk.
_MEMORY: Final = "512MB"
#: The choices that a filter offers.
MOST_CHOICES: Final = 200


@dataclass(frozen=True)
class Wanted:
    """Which jobs to find.

    Attributes:
        groups: Filter of GROUPS -> values, of which a job has one; None = jobs without a value.
        name_contains: A part of the name, in any case.
        tags: Pairs of a key and a value; the value None = any.
        bounds: Column, operator and value: times and costs.
        training_plan_arn: TrainingPlanArn; None = any.
        sort_by: A key of SORTS.
        descending: Whether the largest comes first. Jobs without a value come last.
        after: Value and number of the last row before the page; None = the first page.
        most: The rows of a page; None = all.
    """

    groups: Mapping[str, Sequence[str | None]]
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
        filling.create(self._root)
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
            side.execute(SESSION)
            common = filling.common(connection)
            filling.refresh(connection, side, whole=common != self._common)
            self._common = common

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
        where = " AND ".join(conditions) or "TRUE"
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
            hits=filling.SUMS.format(conditions=" AND ".join(conditions))
            if conditions
            else "FROM total",
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
    FROM ({hits}) AS hit
    INNER JOIN place USING (place)
)

SELECT
    NULL AS filter, NULL AS value, sum(jobs) AS jobs, sum(cost_usd) AS cost_usd,
    sum(pool_usd) AS pool_usd, sum(incomplete) AS incomplete
FROM counted
WHERE {chosen}
UNION ALL {choices}
"""


def _chosen(wanted: Wanted, values: dict[str, Any]) -> dict[str, str]:
    """Return the condition of each filter by a group; bind its values."""
    return {
        name: "("
        + " OR ".join(
            f"{GROUPS[name]} IS NOT DISTINCT FROM {_bind(value, values)}" for value in several
        )
        + ")"
        for name, several in wanted.groups.items()
    }


def _conditions(wanted: Wanted, values: dict[str, Any]) -> list[str]:
    """Return the conditions outside of groups; bind their values."""
    found = []
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
