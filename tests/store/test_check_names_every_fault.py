"""`db check` compares the schema, reads every row, and finds contradictions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from exporter.errors import DatabaseError, SchemaNewerError
from exporter.store import migrate
from exporter.store.check import Checked, check
from exporter.store.check_content import contradictions
from exporter.store.database import Database
from exporter.store.migrate import upgrade_locked
from exporter.store.revision import SCHEMA_REVISION
from exporter.store.view_files import views

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def change(database: Database, *statements: str) -> None:
    with duckdb.connect(str(database.path)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_sound_file_has_no_faults(filled: Database) -> None:
    checked = check(filled)
    assert checked == Checked(
        schema=SCHEMA_REVISION,
        size=filled.path.stat().st_size,
        tables={
            "accounts": 0,
            "alembic_version": 1,
            "discounts": 0,
            "local_storage_families": 0,
            "price_imports": 0,
            "prices": 0,
            "quotas": 0,
            "rates": 0,
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
        damage=[],
    )


def test_prices_that_the_costs_do_not_use_are_worth_a_remark(filled: Database) -> None:
    change(
        filled,
        "INSERT INTO prices (region, component, instance_type, usd_per_unit, unit, "
        "effective_from, source) VALUES ('eu-west-1', 'Training', 'ml.m5.xlarge', 1, 'Hrs', "
        "'2026-01-01', 'import')",
    )
    checked = check(filled)
    # Training and the pools that borrow its price, each from its first day on and as an estimate.
    assert (checked.faults, checked.remarks) == (
        [],
        [
            "The costs do not use the prices and discounts as they are: 4 rates differ. "
            "The next `prices import` computes all rates again."
        ],
    )


def test_the_users_own_tables_are_counted_and_allowed(filled: Database) -> None:
    change(
        filled,
        'CREATE TABLE "my ""notes"" table" AS FROM range(3)',
        "CREATE VIEW mine AS SELECT * FROM training_jobs",
        "CREATE SCHEMA budget",
        "CREATE TABLE budget.prices AS FROM range(5)",
    )
    checked = check(filled)
    assert checked.tables['my "notes" table'] == 3
    assert (checked.tables["prices"], checked.tables["budget.prices"]) == (0, 5)
    assert (checked.faults, checked.remarks) == ([], [])


def test_each_difference_from_the_schema_is_named(filled: Database) -> None:
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
    faults = check(filled).faults
    unreadable = [each for each in faults if "cannot be read" in each]
    assert [each for each in faults if each not in unreadable] == [
        "The comment of training_jobs.team differs from the schema.",
        "The column training_job_details.serverless is missing.",
        "The column prices.unit is VARCHAR, not VARCHAR NOT NULL.",
        "The column sync_scopes.failing_runs is INTEGER, not BIGINT.",
        "The comment of accounts differs from the schema.",
        "The table discounts is missing.",
        "The column training_jobs.mine is not in the schema.",
        "The view warm_pool_chains is missing.",
    ]
    # So is every view that needs a missing table.
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
                "Rows of training_job_details without a row in training_jobs: 1.",
                "Jobs without a row in training_job_changes: 1.",
                "Rows of training_job_changes without a row in sync_runs: 1.",
                "The run run-0002 has the outcome done and the end time ",
                "The watermark of 111122223333/eu-west-1 is 2026-11-01 13:1",
            ],
        ),
        (
            [
                "UPDATE sync_runs SET jobs_inserted = 0, ended_at = NULL WHERE run_id = 'run-0001'",
                "UPDATE sync_scopes SET watermark = watermark - INTERVAL 1 DAY",
            ],
            [
                "The run run-0001 has the outcome complete and the end time None.",
                "111122223333/eu-west-1 has 6 jobs, but its runs inserted 0.",
                "The watermark of 111122223333/eu-west-1 is 2026-10-31 ",
            ],
        ),
    ],
)
def test_each_contradiction_is_named(
    filled: Database, statements: list[str], faults: list[str]
) -> None:
    change(filled, *statements)
    found = check(filled).faults
    assert [each[: len(want)] for each, want in zip(found, faults, strict=True)] == faults


def test_history_that_is_doubled_or_differs_from_its_job_is_named(filled: Database) -> None:
    change(
        filled,
        "INSERT INTO training_job_changes SELECT * FROM training_job_changes "
        "WHERE training_job_arn LIKE '%job-3'",
        "UPDATE training_jobs SET secondary_status = 'Other' WHERE training_job_arn LIKE '%job-4'",
    )
    doubled, different = check(filled).faults
    assert re.fullmatch(
        r"The history of arn:\S+/job-3, created 2026-11-01 12:04:00\+00:00, "
        r"has the state of 2026-11-01 12:0\S+ twice\.",
        doubled,
    )
    assert different.endswith(
        "/job-4, created 2026-11-01 12:05:00+00:00, "
        "differs from its last row in training_job_changes."
    )


@pytest.mark.parametrize("column", ["watermark", "discovered_to"])
def test_a_scope_that_is_ahead_of_the_clock_is_named(filled: Database, column: str) -> None:
    change(filled, f"UPDATE sync_scopes SET {column} = '2026-11-05 12:00:00Z'")
    (fault,) = [
        each for each in check(filled, now=lambda: NOW).faults if "in the future" in each
    ]  # fmt: skip
    assert fault == (
        f"The scope 111122223333/eu-west-1 has the {column} 2026-11-05 12:00:00+00:00, "
        "which is in the future: syncs may miss jobs until then. "
        "Run `sagemaker-exporter sync --full`."
    )
    assert not any(
        "in the future" in each
        for each in check(filled, now=lambda: NOW + timedelta(days=3, hours=11)).faults
    )


def test_a_watermark_that_a_later_run_took_back_is_no_fault(filled: Database) -> None:
    """A Date was ahead in one run, and the clock of this machine went back before the next."""
    change(
        filled,
        "UPDATE sync_runs SET watermark_after = '2036-11-01 12:00:00Z' WHERE mode = 'backfill'",
        "UPDATE sync_runs SET started_at = '2001-01-01 00:00:00Z' WHERE mode = 'incremental'",
        "UPDATE sync_runs SET ended_at = '2001-01-01 00:00:00Z' WHERE mode = 'incremental'",
    )
    assert check(filled).faults == []


def test_a_file_without_its_revision_is_refused(filled: Database) -> None:
    change(filled, "DROP TABLE settings")
    assert "The table settings is missing." in check(filled).faults
    change(filled, "DELETE FROM alembic_version")
    for action in (check, upgrade_locked, migrate.upgrade):
        with pytest.raises(DatabaseError, match="its table alembic_version is empty"):
            action(filled)


def test_a_missing_primary_key_and_duplicate_rows_are_faults(filled: Database) -> None:
    change(
        filled,
        "CREATE TABLE copy AS FROM accounts",
        "DROP TABLE accounts CASCADE",
        "ALTER TABLE copy RENAME TO accounts",
        "INSERT INTO accounts VALUES ('111122223333', 'one'), ('111122223333', 'two')",
    )
    key = "The primary key of accounts is [], not ['account_id']."
    assert key in check(filled).faults
    with filled.reading() as connection:
        assert contradictions(connection, NOW) == ["accounts has the key (111122223333) 2 times."]


def test_a_damaged_block_is_found_because_every_row_is_read(filled: Database) -> None:
    """DuckDB opens such a file and counts its rows; only a query that needs the block fails."""
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
    (fault,) = check(filled).faults
    assert fault.startswith("mine cannot be read: ")
    assert "Corrupt database file" in fault


def test_a_killed_run_gives_a_remark(filled: Database) -> None:
    change(filled, "UPDATE sync_runs SET outcome = 'running', ended_at = NULL "
           "WHERE run_id = 'run-0002'")  # fmt: skip
    change(filled, "UPDATE sync_scopes SET watermark = (SELECT max(watermark_before) "
           "FROM sync_runs)")  # fmt: skip
    checked = check(filled)
    assert checked.remarks == [
        "A run of 111122223333/eu-west-1 is marked as running. "
        "If it was killed, the next sync corrects this."
    ]


def test_views_of_another_version_give_a_remark(filled: Database) -> None:
    change(filled, "UPDATE settings SET value = 'older' WHERE name = 'views'")
    change(filled, "DROP VIEW data_as_of")
    checked = check(filled)
    assert checked.faults == []
    assert checked.remarks[0].startswith("Another version installed the views and comments.")
    upgrade_locked(filled)
    assert check(filled).remarks == []


def test_newer_and_older_schemas_are_refused(filled: Database) -> None:
    change(filled, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaNewerError, match="schema 9999"):
        check(filled)
    change(filled, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(DatabaseError, match="Run `sagemaker-exporter db upgrade`"):
        check(filled)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database"):
        check(Database(tmp_path / "none.duckdb"))
