"""The views work in the file alone: columns, comments, another program, another time zone."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from exporter.prices.shipped import load_shipped
from exporter.store import view_files
from exporter.store.connections import connect
from exporter.store.schema import TABLES
from tests.money.conftest import Ledger
from tests.money.december import put_december

KEY = ["training_job_arn", "creation_time"]
MONEY = [
    "usd_per_hour",
    "compute_cost_usd",
    "storage_cost_usd",
    "cost_usd",
    "compute_basis",
    "storage_basis",
    "cost_basis",
]
WHO = ["account_id", "region", "training_job_name", "job_family", "team"]
SIZE = ["instance_type", "instance_count"]
#: What users rely on, in this order.
CONTRACT = {
    "daily_costs": [
        *KEY,
        "usage_date",
        "account_id",
        "account_name",
        "region",
        "training_job_name",
        "job_family",
        "team",
        "tags",
        "component",
        "instance_type",
        "instance_hours",
        "gb_months",
        "usd_per_unit",
        "price_source",
        "cost_usd",
        "cost_basis",
        "specification",
        "currency",
        "cost",
    ],
    "warm_pool_costs": [
        *KEY,
        *WHO,
        *SIZE,
        "retained_seconds",
        "instance_hours",
        *MONEY,
        "warm_pool_status",
        "reused_by_job",
        "pool_started_at",
        "pool_ended_at",
        "specification",
    ],
    "training_job_costs": [
        *KEY,
        *WHO,
        *SIZE,
        "billable_seconds",
        "instance_hours",
        *MONEY,
        "training_started_at",
        "training_ended_at",
        "specification",
    ],
    "warm_pool_chains": [
        "chain_id",
        "account_id",
        "region",
        "job_family",
        *SIZE,
        "jobs",
        "job_names",
        "started_at",
        "ended_at",
        "busy_seconds",
        "idle_seconds",
        "training_cost_usd",
        "idle_cost_usd",
        "ended_by",
        "specification",
    ],
}
TYPES = {
    "usage_date": "DATE",
    "cost_usd": "DECIMAL(38,12)",
    "instance_hours": "DECIMAL(38,12)",
    "gb_months": "DECIMAL(38,12)",
    "pool_started_at": "TIMESTAMP WITH TIME ZONE",
    "training_cost_usd": "DECIMAL(38,12)",
    "idle_cost_usd": "DECIMAL(38,12)",
    "busy_seconds": "BIGINT",
    "idle_seconds": "BIGINT",
    "jobs": "BIGINT",
    "job_names": "VARCHAR[]",
    "cost_basis": "VARCHAR",
    "tags": "JSON",
}


@pytest.mark.parametrize("view", CONTRACT)
def test_columns_have_the_promised_names_order_and_types(ledger: Ledger, view: str) -> None:
    columns = ledger.read(f"DESCRIBE {view}")
    assert [column["column_name"] for column in columns] == CONTRACT[view]
    typed = {column["column_name"]: column["column_type"] for column in columns}
    assert {name: TYPES[name] for name in typed if name in TYPES} == {
        name: kind for name, kind in typed.items() if name in TYPES
    }


def test_every_view_and_every_column_has_its_comment(ledger: Ledger) -> None:
    in_sql = "if(schema_name = 'main', '', schema_name || '.')"
    found = ledger.read(
        f"SELECT {in_sql} || view_name AS view_name, comment FROM duckdb_views() WHERE NOT internal"
    )
    assert {row["view_name"]: row["comment"] for row in found} == {
        view.name: view.comment for view in view_files.views()
    }
    columns = ledger.read(f"""
        SELECT {in_sql} || table_name AS table_name, column_name, comment FROM duckdb_columns()
        WHERE table_name IN (SELECT view_name FROM duckdb_views() WHERE NOT internal)
        ORDER BY table_name, column_index
    """)
    for view in view_files.views():
        here = [
            (row["column_name"], row["comment"])
            for row in columns
            if row["table_name"] == view.name
        ]
        assert here == list(view.columns), view.name


def test_creating_the_views_again_changes_nothing(ledger: Ledger) -> None:
    columns = (
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() ORDER BY ALL"
    )
    before = ledger.read(columns)
    view_files.create_views(ledger.connection)
    assert ledger.read(columns) == before


def test_an_incomplete_header_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs a comment and a list of columns"):
        view_files.parse("x", "-- Only a comment\nSELECT 1 AS a")
    with pytest.raises(ValueError, match="not a column's comment"):
        view_files.parse("x", "-- A comment\n--\n-- a has no colon\nSELECT 1 AS a")
    parsed = view_files.parse(
        "x", "-- A comment\n-- goes on\n--\n-- needs: b, c\n--\n-- a: One\n--   and more\nSELECT 1"
    )
    assert parsed == view_files.View(
        "x", ("b", "c"), "A comment goes on", (("a", "One and more"),), "SELECT 1"
    )


def test_a_rank_is_the_number_in_cost_bases_and_an_unknown_basis_an_error(ledger: Ledger) -> None:
    for basis in ledger.read("SELECT * FROM internal.cost_bases"):
        composed = view_files.compose(f"SELECT rank_of('{basis['cost_basis']}')")
        assert composed == f"SELECT {basis['rank']}"
    with pytest.raises(ValueError, match="has no basis 'free'"):
        view_files.compose("SELECT rank_of('free')")


def test_shared_sql_is_put_in_at_the_indent_of_its_mark() -> None:
    composed = view_files.compose("SELECT\n    /*part training_began_at*/ AS began_at")
    assert composed.startswith("SELECT\n    coalesce(\n        list_min(\n")
    assert composed.endswith("\n    ) AS began_at")
    with pytest.raises(FileNotFoundError):
        view_files.compose("/*part unknown*/")


def test_a_cte_that_is_used_once_is_nested_and_another_stays() -> None:
    view = view_files.parse(
        "x",
        "-- A comment\n--\n-- a: One\nWITH\n-- One row.\none AS (\n    SELECT 1 AS a\n),\n\n"
        "two AS (\n    SELECT a\n    FROM one\n)\n\nSELECT a\nFROM two\nCROSS JOIN two AS b\n",
    )
    assert view.sql == (
        "WITH\n-- One row.\ntwo AS (\n    SELECT a\n    FROM (\n    SELECT 1 AS a\n) AS one\n)\n\n"
        "SELECT a\nFROM two\nCROSS JOIN two AS b"
    )


def test_no_mark_is_left_in_a_view() -> None:
    for view in view_files.views():
        assert "/*part" not in view.sql
        assert "rank_of" not in view.sql
        assert not [text for _, text in view.columns if text.startswith("as in ")]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
def test_another_program_in_another_zone_sees_the_same_rows(
    empty_file: Path, tmp_path: Path, zone: str
) -> None:
    path = tmp_path / "shared.duckdb"
    shutil.copyfile(empty_file, path)
    with closing(connect(path)) as connection:
        ledger = Ledger(connection)
        load_shipped(connection)
        put_december(ledger)
    with duckdb.connect(str(path), read_only=True) as own:
        expected = _all(own, "")
    with duckdb.connect() as other:
        # This database has other tables and views of the same names.
        other.execute("CREATE SCHEMA internal")
        for name in (*expected, *TABLES):
            other.execute(f"CREATE TABLE {name} (other INTEGER)")
        other.execute(f"ATTACH '{path}' AS jobs (READ_ONLY)")
        other.execute(f"SET TimeZone = '{zone}'")
        assert _all(other, "jobs.") == expected
        assert len(expected["daily_costs"]) > 100


def test_no_temporary_view_would_hide_a_table() -> None:
    """Another version's file is read through temporary views, which have no schema."""
    names = [view.short_name for view in view_files.views()]
    assert len({*names, *TABLES}) == len(names) + len(TABLES)


def _all(connection: Any, prefix: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every view, times in UTC because a session shows them in its zone."""
    return {
        view.name: sorted(
            (
                tuple(
                    value.astimezone(UTC) if isinstance(value, datetime) else value for value in row
                )
                for row in connection.execute(f"SELECT * FROM {prefix}{view.name}").fetchall()
            ),
            key=repr,
        )
        for view in view_files.views()
    }
