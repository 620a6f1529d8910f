"""`tables` prints the documented tables, views and columns without a database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter.store.database import Database

if TYPE_CHECKING:
    from tests.cli.conftest import Command


def test_tables_needs_no_database_and_creates_none(command: Command) -> None:
    answer = command("tables", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert found["version"] == 1
    kinds = {row["name"]: row["kind"] for row in found["rows"]}
    assert kinds["daily_costs"] == kinds["data_as_of"] == "view"
    assert kinds["training_jobs"] == "table"
    assert not [name for name in kinds if name.startswith("internal.")]
    assert list(command.directory.iterdir()) == []


def test_every_column_has_the_type_and_the_comment_of_a_real_database(
    command: Command, database: Database
) -> None:
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT if(schema_name = 'main', '', schema_name || '.') || table_name, "
            "column_name, comment, "
            "replace(data_type, 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ') "
            "FROM duckdb_columns() WHERE NOT internal AND table_name <> 'alembic_version' "
            "ORDER BY table_name, column_index"
        ).all()
    expected: dict[str, list[dict[str, str]]] = {}
    for table, column, comment, kind in rows:
        row = {"column": column, "type": kind, "comment": comment}
        expected.setdefault(table, []).append(row)
    for name in ("daily_costs", "training_jobs", "data_as_of", "internal.job_days"):
        assert json.loads(command("tables", name, "--json").out)["rows"] == expected[name]
    listed = {row["name"] for row in json.loads(command("tables", "--json").out)["rows"]}
    assert listed <= expected.keys()


def test_a_table_names_its_primary_key(command: Command) -> None:
    answer = command("tables", "Training_Jobs")
    assert "Primary key: training_job_arn, creation_time." in answer.out


def test_an_internal_view_is_described_with_a_warning(command: Command) -> None:
    answer = command("tables", "INTERNAL.job_days")
    assert answer.out.startswith("internal.job_days (internal view): Step 1 of the costs")
    assert "This view is internal: it can change in any version." in answer.out
    notes = json.loads(command("tables", "internal.job_days", "--json").out)["notes"]
    assert [note["code"] for note in notes] == ["internal"]
    # Without its schema, SQL does not find the view.
    answer = command("tables", "job_days")
    assert (answer.code, answer.out) == (2, "")
    assert "Did you mean 'internal.job_days'?" in answer.err


@pytest.mark.parametrize("style", ["csv", "markdown"])
def test_the_other_formats_print_the_same_rows(command: Command, style: str) -> None:
    answer = command("tables", "accounts", "--format", style)
    assert answer.code == 0
    assert "AWS account, 12 digits" in answer.out


def test_a_wrong_name_names_the_nearest_one(command: Command) -> None:
    answer = command("tables", "training_job")
    assert (answer.code, answer.out) == (2, "")
    assert "There is no table or view 'training_job'. Did you mean 'training_jobs'?" in answer.err
