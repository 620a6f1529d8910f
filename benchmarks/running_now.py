"""Judges running-now by what came: `python -m benchmarks.running_now [--jobs 10000]`.

The benchmark draws accounts, each with five families of its own, lets their jobs run, and stores
what a sync had seen at one moment: ended jobs, running jobs and waiting pools. It runs the report
over the real file, then compares each row with what the job and its pool cost in the end, and each
account with what all of it cost by the end of the month. An account is a month of its own: the
moment is drawn by `--day`.

No cost may be above "at most". The likely range leaves out 20 %, so 75 to 85 % of the accounts have
to be inside it.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from benchmarks import MISSED
from exporter.prices import shipped
from exporter.reports import running
from exporter.reports.catalogue import find
from exporter.store import migrate
from exporter.store.connections import Connection
from exporter.store.database import Database

REGION = "eu-west-1"
#: USD an hour; the second type is charged for storage.
PRICES = {"ml.g5.xlarge": 1.57, "ml.m5.xlarge": 0.257}
GB_MONTH_USD = 0.154
STORAGE = {"ml.g5.xlarge": False, "ml.m5.xlarge": True}
FAMILIES = 5
#: Ended jobs of a family at least.
HISTORY = 150
_HOUR = 3600.0


@dataclass(frozen=True)
class Family:
    """How the jobs of a family are: `median` and limit in seconds, `spread` of the logarithm."""

    name: str
    instance_type: str
    count: int
    volume: int
    median: float
    spread: float
    limit: int
    keep_alive: int


@dataclass
class Judged:
    """What the report was judged by.

    Attributes:
        rows: Rows of jobs and pools.
        broken: Names of rows with a cost above "at most", and why.
        inside: Accounts whose cost is inside the likely range.
        accounts: Accounts with a range.
        seconds: Duration of the report.
    """

    rows: int = 0
    broken: list[str] = field(default_factory=list)
    inside: int = 0
    accounts: int = 0
    seconds: float = 0.0


class Lived(NamedTuple):
    """A job as it really was; times in seconds since 1970."""

    family: Family
    created: float
    start: float
    end: float
    idle: float


def _family(random: Random, name: str) -> Family:
    median, spread = random.uniform(0.3, 8) * _HOUR, random.uniform(0.2, 0.9)
    return Family(
        name,
        random.choice(tuple(PRICES)),
        random.choice((1, 1, 2, 8)),
        random.choice((30, 500)),
        median,
        spread,
        int(median * random.choice((2, 4, 10))),
        random.choice((0, 0, 600, 3600)),
    )


def _lives(random: Random, family: Family, seen: float, running_jobs: float) -> Iterator[Lived]:
    """Yield jobs created before `seen`, in order; about so many of them run then."""
    apart = family.median / running_jobs
    at = seen - max(HISTORY * apart, 30 * family.median)
    while (at := at + random.expovariate(1 / apart)) < seen:
        start = at + random.uniform(0, 600)
        runs = family.median * random.lognormvariate(0, family.spread)
        if runs > family.limit:
            runs = family.limit + random.uniform(0, 120)
        idle = 0.0
        if family.keep_alive:
            # Half of the pools are taken by a next job.
            idle = family.keep_alive * min(1.0, random.uniform(0, 2))
        yield Lived(family, at, start, start + runs, idle)


def _usd(family: Family, since: float, until: float) -> float:
    """Return the cost of the instances from one time to another, month by month."""
    usd = 0.0
    while since < until:
        first = datetime.fromtimestamp(since, UTC).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        following = (first + timedelta(days=32)).replace(day=1)
        end = min(until, following.timestamp())
        rate = PRICES[family.instance_type] / _HOUR
        if STORAGE[family.instance_type]:
            rate += family.volume * GB_MONTH_USD / (following - first).total_seconds()
        usd += (end - since) * family.count * rate
        since = end
    return usd


def _spent(life: Lived, until: float) -> float:
    """Return what a job and its pool cost by a time."""
    trained = _usd(life.family, life.start, max(life.start, min(life.end, until)))
    waits_until = min(life.end + life.idle, until)
    return trained + _usd(life.family, life.end, max(life.end, waits_until))


def judge(path: Path, *, jobs: int, accounts: int, day: int, seed: int) -> Judged:
    """Build a file, run the report over it, and compare.

    Args:
        path: The file to make.
        jobs: About how many jobs run.
        accounts: The accounts, each with as many of the jobs.
        day: Day of October 2026 on which the report runs.
        seed: Draws the jobs.
    """
    now = datetime(2026, 10, day, 15, 30, tzinfo=UTC)
    month_end = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    random = Random(seed)  # noqa: S311 - no secret
    lives: dict[tuple[str, str], Lived] = {}
    job_rows, detail_rows, scope_rows = [], [], []
    for number in range(accounts):
        account = f"{number:012}"
        seen = now - timedelta(minutes=random.choice((0, 5, 30)))
        scope_rows.append({"account_id": account, "region": REGION, "watermark": seen.isoformat()})
        for place in range(FAMILIES):
            family = _family(random, f"family{place}")
            mine = list(_lives(random, family, seen.timestamp(), jobs / accounts / FAMILIES))
            for index, life in enumerate(mine):
                is_open = life.end + life.idle > seen.timestamp()
                name = f"{family.name}-{index}"
                job_row, detail_row = _stored(account, name, life, seen)
                job_rows.append(job_row)
                detail_rows.append(detail_row)
                if is_open:
                    lives[account, name] = life
    database = Database(path)
    migrate.upgrade(database)
    with database.writing() as connection:
        shipped.load_shipped(connection)
        _put_prices(connection)
        with tempfile.TemporaryDirectory() as folder:
            for table, rows in (
                ("training_jobs", job_rows),
                ("training_job_details", detail_rows),
                ("sync_scopes", scope_rows),
            ):
                _load(connection, Path(folder) / f"{table}.csv", table, rows)
    return _judged(database, now, month_end, lives)


def _judged(
    database: Database, now: datetime, month_end: float, lives: dict[tuple[str, str], Lived]
) -> Judged:
    report = find("running-now")
    request = running.Request(params={"top": "1000000"}, now=now)
    began = time.perf_counter()
    with database.reading() as connection:
        result = running.run(connection, report, request)
    judged = Judged(seconds=time.perf_counter() - began)
    names = [column.name for column in result.columns]
    spent: dict[str, float] = {}
    for row in (dict(zip(names, values, strict=True)) for values in result.rows):
        if row["kind"] == "account":
            judged.accounts += 1
            cost = spent[row["account_id"]]
            judged.inside += row["likely_low_usd"] <= cost <= row["likely_high_usd"]
            continue
        judged.rows += 1
        life = lives[row["account_id"], row["job"]]
        before = _spent(life, life.end) if row["kind"] == "pool" else 0.0
        final = _spent(life, life.end + life.idle) - before
        by_month_end = _spent(life, month_end) - before
        account = row["account_id"]
        spent[account] = spent.get(account, 0.0) + by_month_end
        for column, cost in (("at_most_usd", final), ("month_end_usd", by_month_end)):
            if row[column] is None or float(row[column]) < cost - 1e-5:
                judged.broken.append(f"{account}/{row['job']}: {column} {row[column]} < {cost}")
    return judged


def _stored(
    account: str, name: str, life: Lived, seen: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rows of a job as they are stored when it is seen."""

    def text(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).isoformat()

    at, family = seen.timestamp(), life.family
    ended, waits = life.end <= at, life.end <= at < life.end + life.idle
    key = {
        "training_job_arn": f"arn:aws:sagemaker:{REGION}:{account}:training-job/{name}",
        "creation_time": text(life.created),
    }
    pool = ("Available" if waits else "Terminated") if ended and family.keep_alive else None
    job = key | {
        "account_id": account,
        "region": REGION,
        "training_job_name": name,
        "training_job_status": "Completed" if ended else "InProgress",
        "training_end_time": text(life.end) if ended else None,
        "warm_pool_status": pool,
        "warm_pool_retained_seconds": int(life.idle) if pool == "Terminated" else None,
        "first_synced_at": text(life.created),
        "updated_at": text(at),
        "verified_at": text(at),
        "details_due": False,
        "open_reason": None if ended and not waits else "open",
        "job_family": family.name,
        "family_rule": "number",
    }
    detail = key | {
        "instance_type": family.instance_type,
        "instance_count": family.count,
        "volume_size_gb": family.volume,
        "keep_alive_seconds": family.keep_alive,
        "role_arn": f"arn:aws:iam::{account}:role/train",
        "training_start_time": text(life.start) if life.start <= at else None,
        "billable_seconds": int(life.end - life.start) if ended else None,
        "max_runtime_seconds": family.limit,
        "fetched_at": text(at),
        "final": ended and not waits,
    }
    return job, detail


def _put_prices(connection: Connection) -> None:
    for instance_type, usd in PRICES.items():
        _price(connection, "Training", instance_type, usd, "Hrs")
    _price(connection, "Training ML storage", "", GB_MONTH_USD, "GB-Mo")


def _price(connection: Connection, component: str, what: str, usd: float, unit: str) -> None:
    connection.execute(
        "INSERT INTO prices (region, component, instance_type, usd_per_unit, unit, "
        "effective_from, source) "
        "VALUES (:region, :component, :type, :usd, :unit, '2026-01-01', 'import')",
        {"region": REGION, "component": component, "type": what, "usd": usd, "unit": unit},
    )


def _load(connection: Connection, file: Path, table: str, rows: Sequence[dict[str, Any]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    connection.execute(
        f"INSERT INTO {table} BY NAME SELECT * FROM read_csv('{file}', header = true, "  # noqa: S608
        "all_varchar = true)"
    )


def main() -> int:
    """Judge three days of a month; return 3 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.running_now", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="running jobs a day")
    parser.add_argument("--accounts", type=int, default=200, help="simulated months a day")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    total = Judged()
    for day in (3, 17, 31):
        with tempfile.TemporaryDirectory() as folder:
            found = judge(
                Path(folder) / "jobs.duckdb",
                jobs=options.jobs,
                accounts=options.accounts,
                day=day,
                seed=options.seed + day,
            )
        share = found.inside / found.accounts
        print(
            f"October {day:2}: {found.rows:,} rows, {len(found.broken)} above at most, "
            f"{share:.1%} of {found.accounts} months in the likely range, {found.seconds:.2f} s",
            flush=True,
        )
        total.rows += found.rows
        total.broken += found.broken
        total.inside += found.inside
        total.accounts += found.accounts
    share = total.inside / total.accounts
    met = not total.broken and 0.75 <= share <= 0.85
    print(json.dumps(total.broken[:5], indent=1) if total.broken else "nothing above at most")
    print(f"{share:.1%} in the likely range, goal 75 to 85 %: {'met' if met else 'missed'}")
    return 0 if met else MISSED


if __name__ == "__main__":
    sys.exit(main())
