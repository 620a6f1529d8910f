"""Whatever --db names by mistake is named in the message and never overwritten."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from exporter.cli import main
from exporter.simulator import Simulator

Make = Callable[[Path, Path], None]


def text(path: Path, _: Path) -> None:
    path.write_text("Dear reader\n" * 100)


def tables(path: Path, _: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS one")


def revision(path: Path, _: Path) -> None:
    """Another program that uses Alembic."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE alembic_version AS SELECT '0001' AS version_num")
        connection.execute("CREATE TABLE theirs AS SELECT 1 AS one")


def views(path: Path, _: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE VIEW theirs AS SELECT 1 AS one")


def sqlite(path: Path, _: Path) -> None:
    """DuckDB recognises the format, and would need an extension."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (one)")
        connection.commit()


def cut(length: int) -> Make:
    def make(path: Path, good: Path) -> None:
        shutil.copyfile(good, path)
        os.truncate(path, length)

    return make


def scrambled(path: Path, good: Path) -> None:
    content = bytearray(good.read_bytes())
    content[4096 + 8 : 4096 + 64] = os.urandom(56)
    content[8192 + 8 : 8192 + 64] = os.urandom(56)
    path.write_bytes(content)


FILES: dict[str, tuple[Make, str]] = {
    "a text file": (text, "is not a DuckDB database. Nothing was changed."),
    "an empty file": (lambda path, _: path.touch(), "is not a DuckDB database."),
    "a directory": (lambda path, _: path.mkdir(), "is a directory. Name a file with --db."),
    "a pipe": (lambda path, _: os.mkfifo(path), "is not a file. Name a file with --db."),
    "an SQLite database": (sqlite, "is not a DuckDB database. Nothing was changed."),
    "another program's tables": (tables, "belongs to another program: it has 1 table(s) or "
                                         "view(s), such as 'theirs', and no table of "),
    "another program's revision": (revision, "belongs to another program: it has 2 "),
    "another program's views": (views, "belongs to another program: it has 1 table(s) or "),
    "the first header alone": (cut(4_096), "is damaged or truncated: "),
    "the headers alone": (cut(12_288), "is damaged or truncated: "),
    "the first half": (cut(400_000), "is damaged or truncated: "),
    "headers with other bytes": (scrambled, "is damaged or truncated: "),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_each_command_refuses_the_file_and_leaves_it_alone(
    kind: str,
    tmp_path: Path,
    migrated_file: Path,
    simulator: Simulator,
    capfd: pytest.CaptureFixture[str],
) -> None:
    make, words = FILES[kind]
    path = tmp_path / "jobs.duckdb"
    make(path, migrated_file)
    before = path.read_bytes() if path.is_file() else None
    for command in (
        ["sync", "--max-rps", "0"],
        ["status"],
        ["query", "SELECT 1"],
        ["db", "check"],
        ["db", "upgrade"],
        ["db", "backup", str(tmp_path / "backup.duckdb")],
        ["db", "prune"],
    ):
        capfd.readouterr()
        assert main(["--db", str(path), *command]) == 8, command
        out, err = capfd.readouterr()
        assert (out, err.count("\n"), words in err, str(path) in err) == ("", 1, True, True), err
    assert (path.read_bytes() if path.is_file() else None) == before
    assert simulator.calls == []
    assert {each.name for each in tmp_path.iterdir()} <= {"jobs.duckdb", "jobs.duckdb.lock"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no/such/folder/jobs.duckdb", "There is no "),
        ("n" * 300, ": File name too long."),
        ("letter/jobs.duckdb", "There is no "),
    ],
)
@pytest.mark.parametrize("command", ["sync", "status"])
def test_an_impossible_path_is_named(
    name: str,
    words: str,
    command: str,
    tmp_path: Path,
    simulator: Simulator,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "letter").write_text("Dear reader\n")
    before = sorted(tmp_path.iterdir())
    assert main(["--db", str(tmp_path / name), command]) == 8
    out, err = capfd.readouterr()
    assert (out, err.count("\n"), words in err) == ("", 1, True), err
    assert sorted(tmp_path.iterdir()) == before
    assert simulator.calls == []
