"""`db check`: schema against DuckDB's own catalogue, every row read, no contradictions."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from exporter.errors import DatabaseError, SchemaNewerError
from exporter.store import care, migrate
from exporter.store.database import Database
from exporter.store.view_files import views


def change(database: Database, *statements: str) -> None:
    with duckdb.connect(str(database.path)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_sound_file(filled: Database) -> None:
    checked = care.check(filled)
    assert checked == care.Checked(
        schema="0001",
        size=filled.path.stat().st_size,
        tables={
            "accounts": 0,
            "alembic_version": 1,
            "discounts": 0,
            "local_storage_families": 0,
            "prices": 0,
            "settings": 1,
            "sync_runs": 2,
            "sync_scopes": 1,
            "training_job_changes": 7,
            "training_job_details": 6,
            "training_jobs": 6,
        },
        views=len(views()),
        faults=[],
        remarks=[],
    )


def test_tables_and_views_of_the_user_are_counted_and_left_alone(filled: Database) -> None:
    change(
        filled,
        'CREATE TABLE "my ""notes"" table" AS FROM range(3)',
        "CREATE VIEW mine AS SELECT * FROM training_jobs",
        "CREATE SCHEMA budget",
        "CREATE TABLE budget.prices AS FROM range(5)",
    )
    checked = care.check(filled)
    assert checked.tables['my "notes" table'] == 3
    assert (checked.tables["prices"], checked.tables["budget.prices"]) == (0, 5)
    assert (checked.faults, checked.remarks) == ([], [])


def test_what_differs_from_the_schema_is_named(filled: Database) -> None:
    change(
        filled,
        "ALTER TABLE training_job_details DROP COLUMN serverless",
        "ALTER TABLE sync_scopes ALTER failing_runs TYPE INTEGER",
        "ALTER TABLE prices ALTER unit DROP NOT NULL",
        "ALTER TABLE training_jobs ADD COLUMN mine VARCHAR",
        "COMMENT ON COLUMN training_jobs.team IS 'mine'",
        "COMMENT ON TABLE accounts IS NULL",
        "DROP TABLE discounts CASCADE",
        "DROP VIEW warm_pool_chains",
        "CREATE TABLE fleeting AS SELECT 1 AS nothing",
        "CREATE OR REPLACE VIEW data_as_of AS SELECT nothing FROM fleeting",
        "DROP TABLE fleeting",
    )
    faults = care.check(filled).faults
    unreadable = [each for each in faults if "cannot be read" in each]
    assert [each for each in faults if each not in unreadable] == [
        "The comment of training_jobs.team is not the schema's.",
        "The column training_job_details.serverless is missing.",
        "The column prices.unit is VARCHAR, not VARCHAR NOT NULL.",
        "The column sync_scopes.failing_runs is INTEGER, not BIGINT.",
        "The comment of accounts is not the schema's.",
        "The table discounts is missing.",
        "The column training_jobs.mine is none of the schema's.",
        "The view warm_pool_chains is missing.",
    ]
    # And every view that rests on what is missing.
    assert any(each.startswith("The view data_as_of cannot be read: ") for each in unreadable)


@pytest.mark.parametrize(
    ("statements", "faults"),
    [
        (
            [
                "DELETE FROM training_job_changes WHERE training_job_arn LIKE '%job-3'",
                "UPDATE training_job_changes SET run_id = 'no-run' "
                "WHERE training_job_arn LIKE '%job-5'",
                "UPDATE training_job_details SET training_job_arn = 'arn' "
                "WHERE training_job_arn LIKE '%job-4'",
                "UPDATE sync_runs SET outcome = 'done' WHERE run_id = 'run-0002'",
            ],
            [
                "Rows of training_job_details that are of jobs not in training_jobs: 1.",
                "Jobs without a row in training_job_changes: 1.",
                "Rows of training_job_changes that are of runs not in the ledger: 1.",
                "The run run-0002 is done and ended at ",
                "The watermark of 111122223333/eu-west-1 is 2026-11-01 13:1",
            ],
        ),
        (
            [
                "UPDATE sync_runs SET jobs_inserted = 0, ended_at = NULL WHERE run_id = 'run-0001'",
                "UPDATE sync_scopes SET watermark = watermark - INTERVAL 1 DAY",
            ],
            [
                "The run run-0001 is complete and ended at None.",
                "Jobs of 111122223333/eu-west-1: 6; its runs inserted 0.",
                "The watermark of 111122223333/eu-west-1 is 2026-10-31 ",
            ],
        ),
    ],
)
def test_contradictions_are_named(
    filled: Database, statements: list[str], faults: list[str]
) -> None:
    change(filled, *statements)
    found = care.check(filled).faults
    assert [each[: len(want)] for each, want in zip(found, faults, strict=True)] == faults


def test_a_file_without_what_says_whose_it_is_has_faults(filled: Database) -> None:
    change(filled, "DROP TABLE settings")
    assert "The table settings is missing." in care.check(filled).faults
    change(filled, "DELETE FROM alembic_version")
    for action in (care.check, care.upgrade, migrate.upgrade):
        with pytest.raises(DatabaseError, match="does not say its schema any more"):
            action(filled)


def test_a_table_without_its_key_is_a_fault_and_so_are_two_rows_of_one_key(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(
        filled,
        "CREATE TABLE copy AS FROM accounts",
        "DROP TABLE accounts CASCADE",
        "ALTER TABLE copy RENAME TO accounts",
        "INSERT INTO accounts VALUES ('111122223333', 'one'), ('111122223333', 'two')",
    )
    key = "The primary key of accounts is [], not ['account_id']."
    assert key in care.check(filled).faults
    monkeypatch.setattr(care, "_schema_faults", lambda *_, **__: [])
    assert care.check(filled).faults == ["accounts has the key (111122223333) 2 times."]


def test_every_row_is_read_so_a_damaged_block_shows(filled: Database) -> None:
    """DuckDB opens such a file, counts its rows, and fails at the report that needs the block."""
    mark = "a value that can be found in the file again " * 4
    change(
        filled,
        "PRAGMA force_compression = 'uncompressed'",
        f"CREATE TABLE mine AS SELECT '{mark}' || range AS value FROM range(20000)",
    )
    content = bytearray(filled.path.read_bytes())
    place = content.index(mark.encode(), len(content) // 4)
    content[place : place + 4] = b"\0\0\0\0"
    filled.path.write_bytes(content)
    (fault,) = care.check(filled).faults
    assert fault.startswith("mine cannot be read: ")
    assert "Corrupt database file" in fault


def test_a_run_that_was_killed_is_worth_a_remark(filled: Database) -> None:
    change(filled, "UPDATE sync_runs SET outcome = 'running', ended_at = NULL "
           "WHERE run_id = 'run-0002'")  # fmt: skip
    change(filled, "UPDATE sync_scopes SET watermark = (SELECT max(watermark_before) "
           "FROM sync_runs)")  # fmt: skip
    checked = care.check(filled)
    assert checked.remarks == [
        "A run of 111122223333/eu-west-1 is marked as running: it is, or it was killed and the "
        "next sync says so."
    ]


def test_views_of_another_version_are_worth_a_remark(filled: Database) -> None:
    change(filled, "UPDATE settings SET value = 'older' WHERE name = 'views'")
    change(filled, "DROP VIEW data_as_of")
    checked = care.check(filled)
    assert checked.faults == []
    assert checked.remarks[0].startswith("Views and comments are another version's")
    care.upgrade(filled)
    assert care.check(filled).remarks == []


def test_a_newer_schema_and_an_older_one_are_not_judged(filled: Database) -> None:
    change(filled, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaNewerError, match="schema 9999"):
        care.check(filled)
    change(filled, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(DatabaseError, match="Run `sagemaker-exporter db upgrade`"):
        care.check(filled)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database"):
        care.check(Database(tmp_path / "none.duckdb"))
