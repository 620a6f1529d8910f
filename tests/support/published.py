"""Months of jobs and prices of every kind in one file, and in the lake of two collectors."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from exporter.config.model import Configuration, Source, SyncOptions
from exporter.prices.rows import UNITS, Price, write
from exporter.publish import delta, run, storage
from exporter.simulator import Behaviour, Clock, Scope, Simulator, World
from exporter.simulator.job import JobSpec, JobState
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.syncing.run import run_sync

NOW: Final = datetime(2026, 11, 20, 15, tzinfo=UTC)
ONE, OTHER = "111122223333", "444455556666"
#: The accounts and regions, by the collector that publishes them.
COLLECTORS: Final = {
    "one": ((ONE, "eu-west-1"), (ONE, "us-east-1")),
    "other": ((OTHER, "eu-west-1"),),
}
#: Tables of a file with an account and a region.
_SCOPED: Final = ("training_jobs", "sync_scopes", "sync_runs", "quotas")
_OF_JOBS: Final = ("training_job_details", "training_job_changes")


@dataclass(frozen=True)
class Published:
    """The same facts twice.

    Attributes:
        file: One file with all accounts and regions.
        lake: The lake of the collectors.
        of_one: The same lake before the second collector published.
        parts: The file of each collector.
    """

    file: Database
    lake: Path
    of_one: Path
    parts: dict[str, Database]


def fill(database: Database) -> None:
    """Sync one account and region, copy parts of it to two others, and add prices of every kind."""
    world = World(Clock(NOW), seed=11, behaviour=Behaviour(pool_quotas={"ml.g4dn.xlarge": 0}))
    scope = world.scope(*COLLECTORS["one"][0])
    world.generate(jobs=240, scopes=[scope], since=NOW - timedelta(days=120))
    _change_a_keep_alive(scope)
    with Simulator(world) as service, pytest.MonkeyPatch.context() as patch:
        for name, value in service.environment().items():
            patch.setenv(name, value)
        done = run_sync(database, [Source()], SyncOptions(max_rps=0), Configuration())
    assert done.exit_code == 0
    with database.writing() as connection:
        _copy(connection, *COLLECTORS["one"][1], keep=3)
        _copy(connection, *COLLECTORS["other"][0], keep=2)
        _change(connection)


def _copy(connection: Connection, account: str, region: str, *, keep: int) -> None:
    """Copy every so many jobs of the first account and region to another one."""
    (first_account, first_region) = COLLECTORS["one"][0]
    of_first = f"account_id = '{first_account}' AND region = '{first_region}'"
    arn = (
        f"replace(training_job_arn, ':{first_region}:{first_account}:', ':{region}:{account}:') "
        "AS training_job_arn"
    )
    place = f"'{account}' AS account_id, '{region}' AS region"
    some = f"hash(training_job_arn) % {keep} = 0"
    by_arn = f"training_job_arn LIKE '%:{first_region}:{first_account}:%' AND {some}"
    for table, changed, where in (
        ("training_jobs", f"{arn}, {place}", f"{of_first} AND {some}"),
        ("training_job_details", arn, by_arn),
        ("training_job_changes", arn, by_arn),
        ("sync_scopes", place, of_first),
        ("quotas", place, of_first),
        ("sync_runs", f"{place}, run_id || '{account}{region}' AS run_id", of_first),
    ):
        connection.execute(
            f"INSERT INTO {table} SELECT * REPLACE ({changed}) FROM {table} WHERE {where}"
        )


def _change_a_keep_alive(scope: Scope) -> None:
    """Add a nightly job whose keep-alive period was shortened after a week."""
    for night in range(12):
        keep_alive = 1800 if night < 7 else 600
        start = NOW - timedelta(days=14 - night, hours=14)
        end = start + timedelta(hours=1)
        state = JobState(
            training_job_status="Completed",
            secondary_status="Completed",
            last_modified_time=end,
            training_start_time=start,
            training_end_time=end,
            warm_pool_status="Terminated",
            warm_pool_retained_seconds=keep_alive,
            warm_pool_changed_at=end + timedelta(seconds=keep_alive),
            billable_seconds=3600,
            training_seconds=3600,
        )
        spec = JobSpec("ml.g5.2xlarge", keep_alive_seconds=keep_alive)
        scope.add(f"nightly-{night + 1}", start - timedelta(minutes=4), spec, state, lives=False)


def _change(connection: Connection) -> None:
    """Delete jobs, give prices of every kind, name an account, and give a discount."""
    for statement in (
        "UPDATE training_jobs SET deleted_at = TIMESTAMPTZ '2026-11-20 12:00:00+00', "
        "open_reason = NULL WHERE hash(training_job_arn) % 17 = 0",
        "INSERT INTO accounts (account_id, account_name) VALUES ('111122223333', 'Research')",
        "INSERT INTO quotas SELECT account_id, region, type, kind, 3, 'L-1', watermark "
        "FROM sync_scopes CROSS JOIN (VALUES ('ml.g5.xlarge'), ('ml.g4dn.xlarge')) AS t (type) "
        "CROSS JOIN (VALUES ('training'), ('warm pool')) AS k (kind)",
        "UPDATE training_jobs SET team = NULL WHERE hash(training_job_arn) % 5 = 0",
        f"INSERT INTO discounts (account_id, component, percent) VALUES ('{OTHER}', '', 12.5)",
        "UPDATE sync_scopes SET last_error = 'ThrottlingException', failing_runs = 2 "
        "WHERE region = 'us-east-1'",
    ):
        connection.execute(statement)
    hours = UNITS["Training"]

    def price(kind: str, usd: str, day: date, **more: str) -> Price:
        region = more.pop("region", "eu-west-1")
        return Price(region, "Training", kind, Decimal(usd), hours, day, "contract", **more)

    write(connection, [price("ml.g5.xlarge", "1.21", date(2026, 10, 5))], import_id=1)
    write(
        connection,
        [price("ml.m5.xlarge", "2.2", date(2026, 1, 1), currency="CNY", region="us-east-1")],
        import_id=2,
    )
    # What a kept bill charged on a day.
    bill = [price("ml.g5.xlarge", "1.07", date(2026, 11, 3), account_id=ONE)]
    write(connection, bill, import_id=3, one_day=True)


def part(whole: Path, path: Path, name: str) -> Database:
    """Return a copy of a file with the accounts and regions of one collector only."""
    shutil.copyfile(whole, path)
    database = Database(path)
    places = ", ".join(f"('{account}', '{region}')" for account, region in COLLECTORS[name])
    arn = "(split_part(training_job_arn, ':', 5), split_part(training_job_arn, ':', 4))"
    with database.writing() as connection:
        for table in _SCOPED:
            connection.execute(f"DELETE FROM {table} WHERE (account_id, region) NOT IN ({places})")
        for table in _OF_JOBS:
            connection.execute(f"DELETE FROM {table} WHERE {arn} NOT IN ({places})")
    return database


def publish(
    database: Database, folder: Path, name: str, lake: delta.Lake | None = None
) -> run.Result:
    """Publish as a collector of that name."""
    options = run.Options(collector=name)
    return run.publish(database, storage.place(str(folder)), options, lake=lake)
