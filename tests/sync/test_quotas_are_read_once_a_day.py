"""Service quotas: read at most daily for scopes with warm pools, counted, and never required."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.config.model import Source, SyncOptions
from exporter.simulator import Behaviour, Fault, Simulator, World
from exporter.store.database import Database
from exporter.syncing.outcome import SyncReport
from exporter.syncing.progress import Clock
from exporter.syncing.run import run_sync

ACCOUNT = "111122223333"
REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
POOL = "ml.g5.xlarge for training warm pool usage"


@dataclass
class Fleet:
    world: World
    simulator: Simulator
    path: Path

    def sync(self, now: datetime = NOW, **options: object) -> SyncReport:
        return run_sync(
            Database(self.path),
            [Source("one", regions=REGIONS)],
            SyncOptions(**{"max_rps": 0, "prices": False, **options}),  # type: ignore[arg-type] # options of a test
            clock=Clock(now=lambda: now),
        )

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with Database(self.path).reading() as connection:
            return [tuple(row) for row in connection.execute(statement).all()]

    def requests(self) -> list[str]:
        """Return the regions of the calls of Service Quotas, and forget all calls."""
        regions = [
            call.region for call in self.simulator.calls if call.operation == "ListServiceQuotas"
        ]
        self.simulator.calls.clear()
        return sorted(regions)


@pytest.fixture
def fleet(world: World, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for region in REGIONS:
        scope = world.scope(ACCOUNT, region)
        keep_alive = None if region == "us-east-1" else 600
        scope.create_job("nightly-1", instance_type="ml.g5.xlarge", keep_alive_seconds=keep_alive)
        scope.quotas = {f"ml.x{number}.large for endpoint usage": 1.0 for number in range(150)}
        # Quotas of other things.
        scope.quotas |= {
            "ml.g5.xlarge for spot training job usage": 2.0,
            "ml.g5.xlarge for training job usage in a cluster": 2.0,
            "Total number of instances for training job usage": 20.0,
        }
        scope.quotas |= {POOL: 4.0, "ml.g5.xlarge for training job usage": 8.0}
    with Simulator(world) as simulator:
        for name, value in simulator.environment(ACCOUNT, REGIONS[0]).items():
            monkeypatch.setenv(name, value)
        yield Fleet(world, simulator, database.path)


def test_quotas_are_read_where_jobs_asked_for_pools_and_once_a_day(fleet: Fleet) -> None:
    fleet.sync()  # only now the database knows which scopes have warm pools
    assert fleet.requests() == []

    report = fleet.sync()

    assert (report.exit_code, report.warnings) == (0, [])
    assert fleet.requests() == ["eu-central-1"] * 2 + ["eu-west-1"] * 2
    assert fleet.query(
        "SELECT account_id, region, instance_type, kind, instances, quota_code IS NULL, read_at "
        "FROM quotas ORDER BY ALL"
    ) == [
        (ACCOUNT, region, "ml.g5.xlarge", kind, instances, False, NOW)
        for region in REGIONS[:2]
        for kind, instances in (("training", 8), ("warm pool", 4))
    ]
    calls = fleet.query(
        "SELECT region, CAST(calls AS VARCHAR) FROM sync_runs WHERE mode = 'incremental'"
    )
    counted = {
        str(region): json.loads(str(text)).get("ListServiceQuotas") for region, text in calls
    }
    assert counted == {"eu-central-1": 2, "eu-west-1": 2, "us-east-1": None}

    fleet.world.scope(ACCOUNT, "eu-west-1").quotas = {POOL: 6.0}
    fleet.sync(NOW + timedelta(hours=23))
    assert fleet.requests() == []
    fleet.sync(NOW + timedelta(hours=24))
    assert fleet.requests() == ["eu-central-1"] * 2 + ["eu-west-1"]
    assert fleet.query("SELECT kind, instances FROM quotas WHERE region = 'eu-west-1'") == [
        ("warm pool", 6)
    ]  # AWS shows no other quota any more


def test_a_denial_is_said_once_for_the_account_and_fails_nothing(fleet: Fleet) -> None:
    fleet.sync()
    fleet.world.behaviour = Behaviour(
        denied=frozenset({(ACCOUNT, region, "ListServiceQuotas") for region in REGIONS})
    )
    fleet.requests()

    report = fleet.sync()

    assert report.exit_code == 0
    assert report.warnings == [
        f"{ACCOUNT}: ListServiceQuotas is denied (AccessDeniedException). Allow "
        "servicequotas:ListServiceQuotas for this identity (README, IAM policy). Quotas stay as "
        "they are; the next attempt is in a day."
    ]
    assert fleet.requests() == ["eu-central-1", "eu-west-1"]
    again = fleet.sync(NOW + timedelta(hours=1))
    assert (again.warnings, fleet.requests()) == ([], [])


def test_a_failure_keeps_the_quotas_that_are_stored(fleet: Fleet) -> None:
    fleet.sync()
    fleet.sync()
    stored = "SELECT * FROM quotas WHERE region = 'eu-west-1' ORDER BY ALL"
    before = fleet.query(stored)
    assert len(before) == 2
    faults = (
        Fault("internal", "ListServiceQuotas", times=None),
        Fault("truncated", "ListServiceQuotas", times=None),
        Fault("no_list", "ListServiceQuotas", times=None),
        # The second page.
        Fault("internal", "ListServiceQuotas", region="eu-west-1", skip=1, times=None),
    )
    for day, fault in enumerate(faults, start=1):
        fleet.simulator.clear_faults()
        fleet.simulator.inject(fault)

        report = fleet.sync(NOW + timedelta(days=day))

        assert (fault.kind, report.exit_code, report.warnings) == (
            fault.kind,
            0,
            [
                f"{ACCOUNT}: ListServiceQuotas failed. Quotas stay as they are; the next attempt "
                "is in a day."
            ],
        )
        assert fleet.query(stored) == before


@pytest.mark.parametrize("options", [{"details": False}, {"name_contains": "nightly"}])
def test_syncs_without_details_and_one_offs_read_no_quotas(
    fleet: Fleet, options: dict[str, Any]
) -> None:
    fleet.sync()
    assert fleet.sync(**options).exit_code == 0
    assert fleet.requests() == []
