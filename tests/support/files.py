"""What a database file holds, table by table, and other processes that meddle with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

Content = dict[str, list[tuple[Any, ...]]]


def content(path: Path) -> Content:
    """Every row of every table, through DuckDB alone."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        return {
            name: connection.execute(f'SELECT * FROM "{name}" ORDER BY ALL').fetchall()
            for (name,) in names
        }


def write_and_die(path: Path, statement: str) -> None:
    """Another process commits a statement and is killed before it can close the file."""
    code = (
        "import duckdb, os, signal, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "connection.execute(sys.argv[2])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path), statement], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert Path(f"{path}.wal").exists()


def mode(path: Path) -> int:
    """Permissions of a file."""
    return path.stat().st_mode & 0o777


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())
