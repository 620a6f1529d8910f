"""A database with jobs, for the client, the command line and the server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from exporter.replica.server import Replica
from exporter.store.database import Database
from tests.replica.support import ACCOUNT, PLAN, REGION, put, put_scope, row

#: One for all tests, because making a session and loading the model takes longest.
_session = boto3.Session()


@pytest.fixture(scope="session")
def filled_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of `filled`, made once and copied for each test."""
    database = Database(tmp_path_factory.mktemp("template") / "filled.duckdb")
    shutil.copyfile(migrated_file, database.path)
    pools: list[dict[str, Any]] = [
        {},
        {"warm_pool_status": "Available"},
        {"warm_pool_status": "Terminated", "warm_pool_retained_seconds": 600},
        {
            "warm_pool_status": "Reused",
            "warm_pool_retained_seconds": 60,
            "warm_pool_reused_by_job": "job-09",
        },
    ]
    put_scope(database)
    put(
        database,
        (
            row(
                f"job-{number:02}",
                number + number / 1000,
                training_job_status=("Completed", "Failed", "InProgress")[number % 3],
                secondary_status=None if number == 5 else "Training",
                last_modified_time=None
                if number == 6
                else row("", number + 0.5)["last_modified_time"],
                training_end_time=row("", number + 1)["creation_time"] if number % 3 < 2 else None,
                training_plan_arn=PLAN if number == 7 else None,
                **pools[number % 4],
            )
            for number in range(12)
        ),
    )
    return database.path


@pytest.fixture
def filled(filled_file: Path, tmp_path: Path) -> Database:
    """Twelve jobs of one scope, a second apart; each member of a summary is present and absent."""
    path = tmp_path / "jobs.duckdb"
    shutil.copyfile(filled_file, path)
    return Database(path, lock_timeout=5)


@pytest.fixture
def replica(filled: Database) -> Iterator[Replica]:
    """A server of the database of `filled`, on the loopback."""
    with Replica(filled.path, lock_timeout=5) as running:
        yield running


@pytest.fixture
def sdk() -> Callable[..., Any]:
    """Make boto3 clients without retries, which would hide an answer."""

    def client(url: str, key: str = ACCOUNT, secret: str = "any", region: str = REGION) -> Any:
        return _session.client(
            "sagemaker",
            region_name=region,
            endpoint_url=url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )

    return client
