"""Measure commands that read the database, as whole processes, against DuckDB alone.

    python -m benchmarks.cold [--jobs 1000000] [--runs 5] [--keep FILE]

The floor is a fresh process that imports duckdb, opens the same file and counts its jobs. The file
is that of `python -m benchmarks.reports`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks import MISSED
from benchmarks.processes import compare, run

GOAL = 0.6

_FLOOR = """
import sys
import duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    connection.execute("SELECT count(*) FROM training_jobs").fetchall()
"""
_POOL = """
SELECT training_job_name FROM training_jobs
WHERE warm_pool_reused_by_job IS NOT NULL
ORDER BY creation_time DESC LIMIT 1
"""


def main() -> int:
    """Print one line per command.

    Returns:
        Exit code: 3 if a command misses the goal, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="jobs in the file")
    parser.add_argument("--runs", type=int, default=5, help="runs of each command")
    parser.add_argument("--keep", type=Path, help="keep the file here, and use it if it exists")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "jobs.duckdb"
        if not path.exists():
            build = ["-m", "benchmarks.reports", "--build", "--jobs", str(options.jobs)]
            run([sys.executable, *build, "--keep", str(path)])
        missed = [
            name for name, words in _commands(path) if not _show(path, name, words, options.runs)
        ]
    print(f"goal: at most {GOAL} s of CPU each; missed by {', '.join(missed) or 'none'}")
    return MISSED if missed else 0


def _commands(path: Path) -> list[tuple[str, list[str]]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(_POOL).fetchone()
    job = str(found[0]) if found else ""
    return [
        ("report", ["report", "warm-pool-cost"]),
        ("status", ["status"]),
        ("job", ["job", job]),
        ("jobs", ["jobs", "--max-results", "20"]),
        ("query", ["query", "SELECT count(*) FROM training_jobs"]),
    ]


def _show(path: Path, name: str, words: list[str], runs: int) -> bool:
    """Run a command and the floor in turn, print medians, and return whether it met the goal."""
    command = [sys.executable, "-m", "exporter", "--db", str(path), *words]
    found = compare(command, [sys.executable, "-c", _FLOOR, str(path)], pairs=runs)
    met = found.ours.cpu <= GOAL
    print(
        f"{name:7} {found.ours.cpu:6.2f} s of CPU {found.ours.wall:6.2f} s by the clock "
        f"{found.ours.megabytes:5.0f} MB; DuckDB alone {found.floor.cpu:5.2f} s of CPU; "
        f"ratio {found.cpu:5.2f}  {'met' if met else 'missed'}",
        flush=True,
    )
    return met


if __name__ == "__main__":
    sys.exit(main())
