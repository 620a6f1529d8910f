"""The lake has every relation and column that a report reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from exporter.publish import layout
from exporter.reports import running
from exporter.reports.catalogue import Report, catalogue
from exporter.reports.dimensions import DIMENSIONS
from exporter.reports.periods import Period
from exporter.store.connections import in_memory
from exporter.text import short_hash

REPORTS = list(catalogue().values())
#: Change this with LAYOUT.
COLUMNS_OF = {1: "745567305402ee3f"}


def statements(report: Report) -> Iterator[str]:
    """Yield the SQL of a report with its default and with every --by."""
    for by in [(), *[(name,) for name in (*DIMENSIONS, "tag:project")]] if report.by else [()]:
        request = running.Request(
            period=Period(date(2026, 10, 1), date(2026, 11, 1)) if report.period else None,
            argument="a-1" if report.argument else None,
            by=by,
        )
        yield running.statement(report, request, with_notes=True).with_literals()


@pytest.fixture(scope="module")
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an empty lake, with the relations that reports read from it."""
    with in_memory() as connection:
        connection.execute("CREATE SCHEMA lake; CREATE SCHEMA internal")
        for table in layout.tables():
            columns = ", ".join(f"{each.name} {each.type}" for each in layout.columns(table.name))
            connection.execute(f"CREATE TABLE lake.{table.name} ({columns})")
        for name, sql in layout.relations().items():
            connection.execute(f"CREATE VIEW {name} AS {sql}")
        yield connection


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_every_relation_and_column_of_a_report_is_in_the_lake(
    report: Report, lake: duckdb.DuckDBPyConnection
) -> None:
    for sql in statements(report):
        lake.execute(f"EXPLAIN {sql}")


def test_relations_read_tables_of_the_lake_alone() -> None:
    tables = {f"lake.{table.name}" for table in layout.tables()}
    for relation, sql in layout.relations().items():
        read = set(re.findall(r"(?:FROM|JOIN) ([\w.]+)", sql)) - {"usage_days"}
        assert read, relation
        assert read <= tables, relation


def test_a_change_of_columns_is_a_new_layout() -> None:
    columns = [
        (table.name, table.partitions, layout.columns(table.name)) for table in layout.tables()
    ]
    kinds = [
        (name, keys, [(each.name, each.type) for each in all_]) for name, keys, all_ in columns
    ]
    assert short_hash(repr(kinds)) == COLUMNS_OF[layout.LAYOUT]


def test_every_table_and_column_has_a_comment() -> None:
    for table in layout.tables():
        assert table.comment
        assert all(each.comment for each in layout.columns(table.name))


def test_partition_columns_stand_at_the_end() -> None:
    for table in layout.tables():
        names = [each.name for each in layout.columns(table.name)]
        assert tuple(names[len(names) - len(table.partitions) :]) == table.partitions
        assert len(names) == len(set(names))
