"""A sync refreshes the prices of the types in use once a day, and does without if denied."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from exporter.config.model import Source, SyncOptions
from exporter.simulator import Behaviour, Scope, Simulator, World
from exporter.store.database import Database
from exporter.syncing.outcome import SyncReport
from exporter.syncing.progress import Clock
from exporter.syncing.run import run_sync

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
API = "SELECT DISTINCT instance_type FROM prices WHERE source = 'Price List API' ORDER BY ALL"


def sync(path: Path, now: datetime = NOW) -> SyncReport:
    return run_sync(
        Database(path), [Source()], SyncOptions(max_rps=0), clock=Clock(now=lambda: now)
    )


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    with Database(path).reading() as connection:
        return [tuple(row) for row in connection.execute(statement).all()]


def requests(simulator: Simulator) -> int:
    return sum(call.operation == "GetProducts" for call in simulator.calls)


def test_a_sync_fetches_prices_of_the_types_in_use_once_a_day(
    scope: Scope, simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "jobs.duckdb"
    scope.create_job("one", instance_type="ml.m5.xlarge")
    scope.create_job(
        "two",
        instance_groups=[
            {"InstanceGroupName": "a", "InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1}
        ],
    )
    assert sync(path).error is None
    assert query(path, API) == [("",), ("ml.g4dn.xlarge",), ("ml.m5.xlarge",)]
    before = requests(simulator)
    assert before > 0
    sync(path, NOW + timedelta(hours=23))
    assert requests(simulator) == before
    sync(path, NOW + timedelta(hours=25))
    assert requests(simulator) > before


def test_a_clock_that_was_ahead_does_not_stop_the_refreshes(
    scope: Scope, simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "jobs.duckdb"
    scope.create_job("one", instance_type="ml.m5.xlarge")
    sync(path, NOW + timedelta(days=9_000))
    before = requests(simulator)
    sync(path, NOW)
    assert requests(simulator) > before
    before = requests(simulator)
    sync(path, NOW + timedelta(hours=1))
    assert requests(simulator) == before


def test_a_denied_price_list_is_one_warning_and_retried_after_a_day(
    world: World, scope: Scope, simulator: Simulator, tmp_path: Path
) -> None:
    world.behaviour = Behaviour(denied=frozenset({(None, None, "GetProducts")}))
    path = tmp_path / "jobs.duckdb"
    scope.create_job("one")
    report = sync(path)
    assert report.exit_code == 0
    [warning] = report.warnings
    assert "pricing:GetProducts is denied" in warning
    assert "Prices stay as they are" in warning
    assert query(path, API) == []
    assert sync(path, NOW + timedelta(hours=1)).warnings == []
    assert len(sync(path, NOW + timedelta(hours=25)).warnings) == 1
