"""Ad-hoc SQL is guaranteed read-only, whatever a statement tries."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.errors import ExporterError, UsageError
from exporter.reports import adhoc
from exporter.store.database import Database


def query(database: Database, sql: str) -> list[tuple[object, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in adhoc.run(connection, sql).rows]


def test_a_result_has_the_names_and_types_of_its_columns(database: Database) -> None:
    with database.reading() as connection:
        result = adhoc.run(connection, "SELECT 1 AS a, 'x%y:z' AS b, 1.5::DECIMAL(38,12) AS c;")
        assert [(column.name, column.type) for column in result.columns] == [
            ("a", "INTEGER"),
            ("b", "VARCHAR"),
            ("c", "DECIMAL(38,12)"),
        ]
        assert [str(row[1]) for row in result.rows] == ["x%y:z"]


def test_columns_with_the_same_name_receive_numbers(database: Database) -> None:
    with database.reading() as connection:
        result = adhoc.run(connection, "SELECT 1 AS a, 2 AS a_1, 3 AS a, 4 AS a")
        names = [column.name for column in result.columns]
        assert (names, list(result.rows)) == (["a", "a_1", "a_2", "a_3"], [(1, 2, 3, 4)])


def test_results_longer_than_one_batch_are_complete(database: Database) -> None:
    assert len(query(database, "FROM range(25000)")) == 25_000


def test_views_explain_and_reading_pragmas_work(database: Database) -> None:
    assert query(database, "SELECT count(*) FROM warm_pool_costs") == [(0,)]
    assert query(database, "EXPLAIN SELECT * FROM daily_costs")
    assert query(database, "PRAGMA database_list")
    assert query(database, "SUMMARIZE prices")


#: Attempts to write, to read other files, to load extensions or to change settings. {dir} is a
#: writable directory with a file secret.csv.
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
    "SELECT '\udc80'",
    "SELECT getenv('HOME')",
    "CHECKPOINT no_such_database",
]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_statement_writes_or_reads_another_file_or_changes_a_setting(
    database: Database, tmp_path: Path, attempt: str
) -> None:
    directory = tmp_path / "around"
    directory.mkdir()
    secret = directory / "secret.csv"
    secret.write_text("account_id,account_name\n1,hush-hush\n")
    before = database.path.read_bytes()

    with pytest.raises(ExporterError) as caught:
        query(database, attempt.format(dir=directory))

    # DuckDB 1.4 refuses the file of a log only when the connection closes.
    assert isinstance(caught.value, UsageError) or "enable_logging" in attempt
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
    assert [entry.name for entry in directory.iterdir()] == ["secret.csv"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["around", "jobs.duckdb"]
    assert database.path.read_bytes() == before


def test_allowed_statements_leave_the_file_unchanged(database: Database, tmp_path: Path) -> None:
    before = database.path.read_bytes()
    for harmless in (
        "CREATE TEMP TABLE t AS SELECT 1 AS a",
        "CHECKPOINT",
        "SET VARIABLE a = 1",
        "PREPARE p AS DELETE FROM accounts",
    ):
        query(database, harmless)
    assert database.path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["jobs.duckdb"]


def test_an_error_while_rows_are_read_is_a_usage_error(database: Database) -> None:
    with pytest.raises(UsageError, match="SQL: Conversion Error"):
        query(database, "SELECT CAST(CASE WHEN i = 20000 THEN 'x' ELSE '1' END AS INT) "
                      "FROM range(30000) AS t (i)")  # fmt: skip
