"""Measures every report over a big lake: `python -m benchmarks.lake --keep FOLDER [--copies 60]`.

The benchmark publishes the file of `benchmarks.reports`, a year of jobs, and multiplies the lake:
each copy has accounts of its own. In the newest months it has ARNs and identities of its own as
well, so that it joins and counts as real jobs do. Older months are copied as they are, because few
reports of a default period open them: a join of both would multiply their jobs. The daily costs
have `--copies` copies, the other tables `--others`, so that the disk is enough. Then it runs each
report with its default period by `--lake` in a process of its own. It prints the seconds of the
call and its CPU seconds, the peak memory of the process, the files that it opened, and the
megabytes that it read.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from benchmarks import reports as of_file
from exporter.publish import layout, reading, run, storage
from exporter.publish.delta import PUBLISHED
from exporter.publish.layout import Table
from exporter.reports import periods, running
from exporter.reports.catalogue import catalogue, find
from exporter.store.connections import SESSION
from exporter.store.database import Database

COMMAND = (sys.executable, "-m", "benchmarks.lake")
MEASURED = "daily_costs"
#: Months that are written anew in each copy: what default periods read, and the months before.
RECENT = 4
_ACCOUNT = re.compile(r"account_id=\d{12}\b")
#: Columns that name a job, with what they are in a copy.
_RENAMED = {
    "job_id": "unhex(md5(hex(job_id) || '{copy}'))",
    "chain": "unhex(md5(hex(chain) || '{copy}'))",
    "training_job_arn": "replace(training_job_arn, account_id, {account})",
    "chain_id": "replace(chain_id, account_id, {account})",
    "account_id": "{account}",
}


def main() -> None:
    """Build what is missing, and run the reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lake", description=__doc__)
    parser.add_argument("--keep", type=Path, required=True, help="folder for the file and the lake")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="jobs in the file")
    parser.add_argument("--copies", type=int, default=60, help="copies of the daily costs")
    parser.add_argument("--others", type=int, default=5, help="copies of the other tables")
    parser.add_argument("reports", nargs="*", help="run only these reports")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    file, lake = options.keep / "jobs.duckdb", options.keep / "lake"
    if options.measure:
        measure(lake, options.reports[0])
        return
    if not lake.exists():
        options.keep.mkdir(parents=True, exist_ok=True)
        build(file, lake, options.jobs, options.copies, options.others)
    show_size(lake)
    for name in options.reports or catalogue():
        command = [*COMMAND, "--keep", str(options.keep), "--measure", name]
        print(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout, end="")


def build(
    file: Path, lake: Path, jobs: int, copies: int, others: int, recent: int | None = RECENT
) -> None:
    """Publish the file, and multiply the lake.

    Args:
        file: The database; written if it does not exist.
        lake: The folder of the lake.
        jobs: Jobs in the file.
        copies: Copies of the daily costs, with the original.
        others: Copies of the other tables.
        recent: Months in which each copy has identities of its own; None = all.
    """
    if not file.exists():
        of_file.build(file, jobs)
    began = time.perf_counter()
    run.publish(Database(file), storage.place(str(lake)), run.Options(collector="benchmark"))
    print(f"published {jobs:,} jobs in {time.perf_counter() - began:.0f} s", flush=True)
    began = time.perf_counter()
    scoped = [table for table in layout.tables() if table.partitions]
    for table in scoped:
        number = copies if table.name == MEASURED else others
        multiply(lake / table.name, table.partitions, number, recent)
    multiply(lake / PUBLISHED, ("account_id", "region"), copies, recent)
    print(f"multiplied in {time.perf_counter() - began:.0f} s", flush=True)


def multiply(folder: Path, partitions: tuple[str, ...], copies: int, recent: int | None) -> None:
    """Add copies of a table's rows as further accounts, in one commit."""
    table = DeltaTable(folder)
    names = [field.name for field in table.schema().fields]
    # Prices, and what the collector says of itself, have no account.
    paths = [
        path
        for uri in table.file_uris()
        if _ACCOUNT.search(str(path := Path(uri).relative_to(folder)))
    ]
    months = sorted({part for path in paths for part in path.parts if part.startswith("month=")})
    old = set(months[:-recent] if recent else ())
    rewritten = [path for path in paths if old.isdisjoint(path.parts)]
    for path in paths:
        if not old.isdisjoint(path.parts):
            for copy in range(1, copies):
                duplicate(folder, path, copy)
    if rewritten:
        rewrite(folder, rewritten, names, partitions, copies)
    made = sorted(folder.rglob("copy*.parquet"))
    actions: list[AddAction | RemoveAction] = [added(folder, path) for path in made]
    table.create_write_transaction(actions, "append", table.schema(), list(partitions))


def duplicate(folder: Path, path: Path, copy: int) -> None:
    """Copy a file to a further account."""
    account, *others = path.parts
    number = int(account.removeprefix("account_id=")) + copy
    target = folder.joinpath(f"account_id={number:012}", *others[:-1], f"copy{copy}-{path.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / path, target)


def rewrite(
    folder: Path, paths: list[Path], names: list[str], partitions: tuple[str, ...], copies: int
) -> None:
    """Write the rows of files to further accounts, with identities of their own."""
    files = ", ".join(f"'{folder / path}'" for path in paths)
    kinds = ", ".join(f"{name}: VARCHAR" for name in partitions)
    source = f"read_parquet([{files}], hive_types = {{{kinds}}})"
    with duckdb.connect() as connection:
        connection.execute(SESSION)
        connection.execute("SET preserve_insertion_order = false")
        for copy in range(1, copies):
            account = f"lpad(CAST(CAST(account_id AS BIGINT) + {copy} AS VARCHAR), 12, '0')"
            listed = ", ".join(
                f"{_RENAMED[name].format(copy=copy, account=account)} AS {name}"
                if name in _RENAMED
                else name
                for name in names
            )
            connection.execute(
                f"COPY (SELECT {listed} FROM {source}) TO '{folder}' "  # noqa: S608 - our own names
                f"(FORMAT parquet, COMPRESSION zstd, PARTITION_BY ({', '.join(partitions)}), "
                f"APPEND, FILENAME_PATTERN 'copy{copy}-{{uuid}}', ROW_GROUP_SIZE 100000)"
            )


def added(folder: Path, path: Path) -> AddAction:
    """Return the entry of a new file in the table's log."""
    below = path.relative_to(folder)
    values = dict(part.split("=", 1) for part in below.parts[:-1])
    return AddAction(str(below), path.stat().st_size, values, int(time.time() * 1000), True, "{}")


def show_size(lake: Path) -> None:
    """Print the size of each table."""
    with reading.lake(str(lake)).reading() as connection:
        for table in (layout.table(MEASURED), layout.table("training_jobs")):
            counted = f"SELECT count(*) FROM lake.{table.name}"  # noqa: S608 - our own name
            rows = connection.execute(counted).scalar()
            print(f"{table.name}: {rows:,} rows in {files_of(lake, table):,} files", flush=True)


def files_of(lake: Path, table: Table) -> int:
    """Return the number of files of a table."""
    return len(DeltaTable(lake / table.name).file_uris())


def measure(lake: Path, name: str) -> None:
    """Run a report in this process, and print its figures."""
    now = datetime.now(UTC)
    report = find(name)
    period = None
    if report.period:
        period = periods.choose(
            month=None, since=None, until=None, today=now.date(), kind=report.period
        )
    opened = reading.lake(str(lake))
    wall, cpu = time.perf_counter(), time.process_time()
    with opened.reading() as connection:
        ready = time.perf_counter() - wall
        objects: Any = opened.objects
        before = objects.bytes_read
        request = running.Request(period=period, argument=of_file.argument_of(report), now=now)
        rows = len(list(running.run(connection, report, request).rows))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e6 if sys.platform == "darwin" else 1e3
    )
    print(
        f"{name:20} {wall:7.2f} s ({ready:.2f} to open) {cpu:7.2f} s CPU {peak:6.0f} MB "
        f"{len(objects.opened):6,} files {(objects.bytes_read - before) / 1e6:9,.1f} MB read "
        f"{rows:5,} rows",
        flush=True,
    )


if __name__ == "__main__":
    main()
