"""A database with two jobs, one of which retained its pool for an hour."""

from __future__ import annotations

import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.store.database import Database
from tests.support.rows import CREATED, insert, put_job


@pytest.fixture(scope="session")
def filled(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, made once: no test may change it."""
    path = tmp_path_factory.mktemp("api") / "filled.duckdb"
    shutil.copyfile(migrated_file, path)
    with Database(path).writing() as connection:
        put_job(connection, "bert-1", hours=2, pool=3600)
        put_job(connection, "resnet-1", hours=3, pool=None)
        for component, usd, unit in (
            ("Training", "1.1", "Hrs"),
            ("Training ML storage", "0.1", "GB-Mo"),
        ):
            insert(
                connection,
                "prices",
                region="eu-west-1",
                component=component,
                instance_type="ml.m5.xlarge" if unit == "Hrs" else "",
                usd_per_unit=Decimal(usd),
                unit=unit,
                effective_from=CREATED.date(),
                source="contract",
            )
        insert(
            connection,
            "sync_scopes",
            account_id="123456789012",
            region="eu-west-1",
            watermark=CREATED + timedelta(days=1),
            last_complete_at=CREATED + timedelta(days=1),
            failing_runs=0,
        )
    return path
