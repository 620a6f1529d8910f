"""Compares sync with what people use instead: `python -m benchmarks.peers [--jobs 100000]`.

`make .venv-peers/installed` first: the peers have an environment of their own. Each program reads
the listings of the same service into a new DuckDB file, then once more when nothing is new. The
first line is the floor, a loop that only fetches. A ratio compares wall time with the floor's.
Sync runs without details, because the peers read none, and without a limit on calls.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks.closed import account_ids, region_names
from benchmarks.processes import Usage, aws_environment, run, service

PEERS = Path(__file__).parent
PYTHON = Path(".venv-peers/bin/python")
#: The table that each program fills.
TABLES = {
    "sync": "training_jobs",
    "boto3 + executemany": "training_jobs",
    "dlt": "sagemaker.training_jobs",
}


def main() -> int:
    """Print a line for each program and run; return 1 if one has not all jobs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs in the service")
    options = parser.parse_args()
    if not PYTHON.exists():
        parser.error("make .venv-peers/installed first")
    complete = True
    with service(options.jobs) as url, tempfile.TemporaryDirectory() as folder:
        environment = aws_environment(url, *account_ids(1), *region_names(1))
        floor = run([str(PYTHON), str(PEERS / "fetch_only.py")], environment)
        print(f"{options.jobs:,} jobs")
        show("fetching only", floor, floor)
        for name, table in TABLES.items():
            path = Path(folder) / f"{name}.duckdb"
            for title in ("first run", "nothing new"):
                show(f"{name}, {title}", run(_command(name, path), environment), floor)
            kept = _rows(path, table)
            print(f"{name + ', kept':34} {kept:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
            complete = complete and kept == options.jobs
    return int(not complete)


def show(title: str, usage: Usage, floor: Usage) -> None:
    """Print a line."""
    print(
        f"{title:34} {usage.wall:7.2f} s {usage.cpu:7.2f} s CPU {usage.megabytes:6.0f} MB "
        f"{usage.wall / floor.wall:6.2f} × the floor",
        flush=True,
    )


def _command(name: str, path: Path) -> list[str]:
    if name == "sync":
        options = ("-q", "sync", "--no-details", "--max-rps", "0")
        return [sys.executable, "-m", "exporter", "--db", str(path), *options]
    script = {"dlt": "with_dlt.py", "boto3 + executemany": "with_boto3.py"}[name]
    return [str(PYTHON), str(PEERS / script), str(path)]


def _rows(path: Path, table: str) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)  # noqa: S608 - our own names
        return int(rows)


if __name__ == "__main__":
    sys.exit(main())
