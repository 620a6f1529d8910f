"""A year's worth of oddities in three accounts and regions, in one file and in a lake."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from exporter.config.model import Configuration, Source, SyncOptions
from exporter.prices.rows import UNITS, Price, write
from exporter.publish import run, storage
from exporter.simulator import Behaviour, Clock, Simulator, World
from exporter.store.database import Database
from exporter.syncing.run import run_sync
from tests.conftest import ACCOUNT, NOON, REGION
from tests.publish.support import filled
from tests.support import lakes
from tests.support.lakes import Collectors

NOW: Final = datetime(2026, 11, 20, 15, tzinfo=UTC)
ONE, OTHER = "111122223333", "444455556666"
#: The accounts and regions, by the collector that publishes them.
COLLECTORS: Final = {
    "one": ((ONE, "eu-west-1"), (ONE, "us-east-1")),
    "other": ((OTHER, "eu-west-1"),),
}
_LATER: Final = timedelta(hours=6)
#: Tables of a file with an account and a region.
_SCOPED: Final = ("training_jobs", "sync_scopes", "sync_runs", "quotas")
_OF_JOBS: Final = ("training_job_details", "training_job_changes")


@dataclass(frozen=True)
class Published:
    """The same facts twice.

    Attributes:
        file: One file with all accounts and regions.
        lake: The lake of the collectors.
        parts: The file of each collector.
    """

    file: Database
    lake: Path
    parts: dict[str, Database]


@pytest.fixture(scope="session")
def whole_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sync three accounts and regions twice, and add prices of every kind."""
    path = tmp_path_factory.mktemp("whole") / "whole.duckdb"
    world = World(
        Clock(NOW - _LATER), seed=11, behaviour=Behaviour(pool_quotas={"ml.g4dn.xlarge": 0})
    )
    scopes = [world.scope(*scope) for each in COLLECTORS.values() for scope in each]
    world.generate(jobs=420, scopes=scopes, since=NOW - timedelta(days=120))
    configuration = Configuration()
    database = Database(path)
    with Simulator(world) as service, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        for step in (timedelta(), _LATER):
            world.advance(step)
            for account, regions in ((ONE, ("eu-west-1", "us-east-1")), (OTHER, ("eu-west-1",))):
                for name, value in service.environment(account, regions[0]).items():
                    patch.setenv(name, value)
                options = SyncOptions(max_rps=0)
                done = run_sync(database, [Source(regions=regions)], options, configuration)
                assert done.exit_code == 0
    with database.writing() as connection:
        _change(connection)
    return path


def _change(connection: sa.Connection) -> None:
    """Delete jobs, give prices of every kind, name an account, and give a discount."""
    for statement in (
        "UPDATE training_jobs SET deleted_at = TIMESTAMPTZ '2026-11-20 12:00:00+00', "
        "open_reason = NULL WHERE hash(training_job_arn) % 17 = 0",
        "INSERT INTO accounts (account_id, account_name) VALUES ('111122223333', 'Research')",
        "UPDATE training_jobs SET team = NULL WHERE hash(training_job_arn) % 5 = 0",
        f"INSERT INTO discounts (account_id, component, percent) VALUES ('{OTHER}', '', 12.5)",
        "UPDATE sync_scopes SET last_error = 'ThrottlingException', failing_runs = 2 "
        "WHERE region = 'us-east-1'",
    ):
        connection.exec_driver_sql(statement)
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


@pytest.fixture(scope="session")
def published(whole_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """The file, and the lake of two collectors that have a part of it each."""
    folder = tmp_path_factory.mktemp("lake")
    parts = {name: part(whole_file, folder / f"{name}.duckdb", name) for name in COLLECTORS}
    lake = folder / "lake"
    for name, database in parts.items():
        publish(database, lake, name)
    return Published(Database(whole_file), lake, parts)


def part(whole: Path, path: Path, name: str) -> Database:
    """Return a copy of a file with the accounts and regions of one collector only."""
    shutil.copyfile(whole, path)
    database = Database(path)
    places = ", ".join(f"('{account}', '{region}')" for account, region in COLLECTORS[name])
    arn = "(split_part(training_job_arn, ':', 5), split_part(training_job_arn, ':', 4))"
    with database.writing() as connection:
        for table in _SCOPED:
            connection.exec_driver_sql(
                f"DELETE FROM {table} WHERE (account_id, region) NOT IN ({places})"  # noqa: S608
            )
        for table in _OF_JOBS:
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE {arn} NOT IN ({places})")  # noqa: S608
    return database


def publish(database: Database, lake: Path, name: str, **options: object) -> run.Result:
    """Publish as a collector of that name."""
    return run.publish(database, storage.place(str(lake)), run.Options(collector=name, **options))


@pytest.fixture(scope="session")
def made(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Collectors, Path]]:
    """Three collectors after their first publish, and their lake; not to be changed."""
    folder = tmp_path_factory.mktemp("collectors")
    database = Database(Path(shutil.copy(migrated_file, folder / "synced.duckdb")))
    world = World(Clock(NOON), seed=7, behaviour=Behaviour())
    world.scope(ACCOUNT, REGION)
    with Simulator(world) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        filled(database, world)
    three = lakes.collectors(database.path, folder)
    three.publish(folder / "lake")
    yield three, folder / "lake"


@pytest.fixture
def three(made: tuple[Collectors, Path], tmp_path: Path) -> Collectors:
    """Three collectors after their first publish."""
    return made[0].copy(tmp_path)


@pytest.fixture
def lake(made: tuple[Collectors, Path], tmp_path: Path) -> Path:
    """Their lake."""
    return Path(shutil.copytree(made[1], tmp_path / "lake"))
