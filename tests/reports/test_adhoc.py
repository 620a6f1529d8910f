"""Ad-hoc SQL: read only in truth, whatever is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.errors import ExporterError, UsageError
from exporter.reports import adhoc
from exporter.store.database import Database


def ask(database: Database, sql: str) -> list[tuple[object, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in adhoc.run(connection, sql).rows]


def test_one_statement_is_answered_with_names_and_types(database: Database) -> None:
    with database.reading() as connection:
        result = adhoc.run(connection, "SELECT 1 AS a, 'x%y:z' AS b, 1.5::DECIMAL(38,12) AS c;")
        assert [(column.name, column.type) for column in result.columns] == [
            ("a", "INTEGER"),
            ("b", "VARCHAR"),
            ("c", "DECIMAL(38,12)"),
        ]
        assert [str(row[1]) for row in result.rows] == ["x%y:z"]


def test_columns_of_one_name_are_told_apart(database: Database) -> None:
    with database.reading() as connection:
        result = adhoc.run(connection, "SELECT 1 AS a, 2 AS a_1, 3 AS a, 4 AS a")
        names = [column.name for column in result.columns]
        assert (names, list(result.rows)) == (["a", "a_1", "a_2", "a_3"], [(1, 2, 3, 4)])


def test_more_rows_than_one_batch(database: Database) -> None:
    assert len(ask(database, "FROM range(25000)")) == 25_000


def test_views_and_explain_and_pragmas_that_only_look_work(database: Database) -> None:
    assert ask(database, "SELECT count(*) FROM warm_pool_costs") == [(0,)]
    assert ask(database, "EXPLAIN SELECT * FROM daily_costs")
    assert ask(database, "PRAGMA database_list")
    assert ask(database, "SUMMARIZE prices")


#: Attempts to write, to read other files, to load or to change settings. {dir} is a writable
#: directory with a file secret.csv in it.
ATTEMPTS = [
    "INSERT INTO accounts VALUES ('1', 'x')",
    "UPDATE accounts SET account_name = 'x'",
    "DELETE FROM training_jobs",
    "DROP VIEW daily_costs",
    "CREATE TABLE t (a INTEGER)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "ALTER TABLE accounts ADD COLUMN x INTEGER",
    "COMMENT ON TABLE accounts IS 'x'",
    "COPY accounts TO '{dir}/out.csv'",
    "COPY (SELECT 1) TO '{dir}/out.parquet' (FORMAT parquet)",
    "COPY accounts FROM '{dir}/secret.csv'",
    "EXPORT DATABASE '{dir}/out'",
    "IMPORT DATABASE '{dir}'",
    "ATTACH '{dir}/other.duckdb' AS other",
    "ATTACH '{dir}/other.duckdb' AS other (READ_ONLY)",
    "ATTACH ':memory:' AS other",
    "SELECT * FROM read_csv('{dir}/secret.csv')",
    "SELECT * FROM read_text('{dir}/secret.csv')",
    "SELECT * FROM read_blob('{dir}/secret.csv')",
    "SELECT * FROM read_json('{dir}/secret.csv')",
    "SELECT * FROM parquet_scan('{dir}/secret.csv')",
    "SELECT * FROM sniff_csv('{dir}/secret.csv')",
    "SELECT * FROM glob('{dir}/*')",
    "SELECT * FROM '{dir}/secret.csv'",
    "FROM query('SELECT * FROM read_csv(''{dir}/secret.csv'')')",
    "SELECT * FROM read_csv('https://example.com/x.csv')",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{dir}/x.duckdb_extension'",
    "FORCE INSTALL httpfs FROM community",
    "SET enable_external_access = true",
    "SET GLOBAL enable_external_access = true",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "SET threads = 1",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET temp_directory = '{dir}'",
    "SET allowed_directories = ['{dir}']",
    "SET allowed_paths = ['{dir}/secret.csv']",
    "PRAGMA temp_directory = '{dir}'",
    "PRAGMA enable_profiling = 'json'",
    "SET profiling_output = '{dir}/profile.json'",
    "CALL enable_logging(storage = 'file', storage_path = '{dir}')",
    "CREATE SECRET s (TYPE s3)",
    "CREATE PERSISTENT SECRET s (TYPE s3)",
    "SELECT * FROM connection",
    "SELECT * FROM database",
    "SELECT 1; DROP TABLE accounts",
    "SELECT 1; SELECT 2",
    "/* nothing */",
    "",
    "SELEC 1",
    "SELECT $1",
    "SELECT no_such_column FROM accounts",
    "SELECT 1 / 'x'::INTEGER",
    "SELECT getenv('HOME')",
    "CHECKPOINT no_such_database",
]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_way_out(database: Database, tmp_path: Path, attempt: str) -> None:
    directory = tmp_path / "around"
    directory.mkdir()
    secret = directory / "secret.csv"
    secret.write_text("account_id,account_name\n1,hush-hush\n")
    before = database.path.read_bytes()

    with pytest.raises(ExporterError) as caught:
        ask(database, attempt.format(dir=directory))

    # DuckDB 1.4 denies a log its file only when the connection is closed.
    assert isinstance(caught.value, UsageError) or "enable_logging" in attempt
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
    assert [entry.name for entry in directory.iterdir()] == ["secret.csv"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["around", "jobs.duckdb"]
    assert database.path.read_bytes() == before


def test_what_is_allowed_leaves_no_trace(database: Database, tmp_path: Path) -> None:
    before = database.path.read_bytes()
    for harmless in (
        "CREATE TEMP TABLE t AS SELECT 1 AS a",
        "CHECKPOINT",
        "SET VARIABLE a = 1",
        "PREPARE p AS DELETE FROM accounts",
    ):
        ask(database, harmless)
    assert database.path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobs.duckdb"]


def test_an_error_halfway_is_a_usage_error_too(database: Database) -> None:
    with pytest.raises(UsageError, match="SQL: Conversion Error"):
        ask(database, "SELECT CAST(CASE WHEN i = 20000 THEN 'x' ELSE '1' END AS INT) "
                      "FROM range(30000) AS t (i)")  # fmt: skip
