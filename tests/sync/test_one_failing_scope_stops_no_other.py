"""Scopes run side by side; one that fails is named and stops no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.config.model import Source, SyncOptions
from exporter.errors import CredentialsError, ExporterError, PartialError
from exporter.sagemaker.api import Retries
from exporter.simulator import Behaviour, Fault, Simulator, World
from exporter.store.database import Database
from exporter.syncing.outcome import SyncReport
from exporter.syncing.run import run_sync

ONE, TWO = "111122223333", "444455556666"
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1")
ROLE = f"arn:aws:iam::{TWO}:role/reader"


@dataclass
class Fleet:
    """Two accounts with three regions each; a role leads to the second one."""

    world: World
    simulator: Simulator
    path: Path

    def sync(self, *sources: Source, **options: object) -> SyncReport:
        given = sources or (
            Source("one", regions=REGIONS),
            Source("two", role_arn=ROLE, regions=REGIONS),
        )
        return run_sync(
            Database(self.path),
            given,
            SyncOptions(**{"max_rps": 0, **options}),  # type: ignore[arg-type] # options of a test
            retries=Retries(throttled=3, failed=3, longest_backoff=0.01),
        )

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with Database(self.path).reading() as connection:
            return [tuple(row) for row in connection.execute(statement).all()]


@pytest.fixture
def fleet(world: World, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    for account in (ONE, TWO):
        for region in REGIONS:
            world.scope(account, region).create_job(f"nightly-{region}")
    with Simulator(world) as simulator:
        for name, value in simulator.environment(ONE, REGIONS[0]).items():
            monkeypatch.setenv(name, value)
        yield Fleet(world, simulator, database.path)


def test_every_scope_is_synced_once(fleet: Fleet) -> None:
    report = fleet.sync()
    assert (report.exit_code, report.error) == (0, None)
    assert [(scope.name, scope.outcome) for scope in report.scopes] == [
        (f"{account}/{region}", "complete") for account in (ONE, TWO) for region in REGIONS
    ]
    assert fleet.query(
        "SELECT account_id, region, training_job_name FROM training_jobs ORDER BY ALL"
    ) == sorted((a, r, f"nightly-{r}") for a in (ONE, TWO) for r in REGIONS)
    assert report.summary().startswith("sync: 6 of 6 scopes complete, 6 new, 0 changed")


def test_one_denied_and_one_throttled_scope_leave_four_complete(fleet: Fleet) -> None:
    fleet.world.behaviour = Behaviour(denied=frozenset({(ONE, "eu-central-1", "ListTrainingJobs")}))
    fleet.simulator.inject(
        Fault(
            "throttle",
            operation="ListTrainingJobs",
            account_id=TWO,
            region="us-east-1",
            times=None,
        )
    )
    report = fleet.sync()
    assert report.exit_code == 3
    assert isinstance(report.error, PartialError)
    first, *failed = str(report.error).splitlines()
    assert first == "4 scopes complete, 2 failed:"
    assert [line.split(" (")[0] for line in failed] == [
        f"  {ONE}/eu-central-1: ListTrainingJobs is denied",
        f"  {TWO}/us-east-1: ListTrainingJobs was throttled past all retries",
    ]
    assert fleet.query("SELECT count(*) FROM training_jobs") == [(4,)]
    assert fleet.query(
        "SELECT account_id, region, failing_runs, watermark, split_part(last_error, ' (', 1) "
        "FROM sync_scopes WHERE last_error IS NOT NULL ORDER BY ALL"
    ) == [
        (ONE, "eu-central-1", 1, None, "ListTrainingJobs is denied"),
        (TWO, "us-east-1", 1, None, "ListTrainingJobs was throttled past all retries"),
    ]
    fleet.simulator.clear_faults()
    fleet.world.behaviour = Behaviour()
    assert fleet.sync().exit_code == 0
    assert fleet.query("SELECT count(*) FROM sync_scopes WHERE last_error IS NOT NULL") == [(0,)]


def test_a_warning_about_a_denied_operation_comes_once_per_account(fleet: Fleet) -> None:
    fleet.world.behaviour = Behaviour(denied=frozenset({(None, None, "Search")}))
    report = fleet.sync(refresh_tags=True, since=fleet.world.clock.now() - timedelta(days=30))
    assert report.exit_code == 0
    assert sorted(warning.split(" (")[0] for warning in report.warnings) == [
        f"{ONE}: Search is denied",
        f"{ONE}: tags cannot be refreshed without Search.",
        f"{TWO}: Search is denied",
        f"{TWO}: tags cannot be refreshed without Search.",
        "Jobs created before 2026-10-02 12:00Z are left out, even if they are still running. An "
        "earlier --since lists them.",
    ]


def test_an_account_reached_twice_is_synced_once(fleet: Fleet) -> None:
    again = Source("again", role_arn=f"arn:aws:iam::{ONE}:role/reader", regions=REGIONS)
    report = fleet.sync(Source("one", regions=REGIONS), again)
    assert [scope.name for scope in report.scopes] == [f"{ONE}/{region}" for region in REGIONS]


def test_an_optional_source_may_fail(fleet: Fleet) -> None:
    fleet.world.behaviour = Behaviour(unassumable_roles=frozenset({ROLE}))
    required = Source("two", role_arn=ROLE, regions=REGIONS)
    optional = Source("two", role_arn=ROLE, regions=REGIONS, optional=True)
    one = Source("one", regions=REGIONS)
    assert fleet.sync(one, required).exit_code == 3
    report = fleet.sync(one, optional)
    assert report.exit_code == 0
    [failed] = [scope for scope in report.scopes if scope.outcome == "failed"]
    assert (failed.name, failed.optional) == ("two", True)
    [warning] = report.warnings
    assert warning.startswith("An optional source failed: two: ")
    assert "AssumeRole" in warning
    assert fleet.sync(optional).exit_code == 0
    with pytest.raises(ExporterError) as error:
        fleet.sync(required)
    assert error.value.exit_code == 5


def test_regions_that_are_not_enabled_are_skipped(fleet: Fleet) -> None:
    fleet.world.behaviour = Behaviour(disabled_regions=frozenset({(None, "us-east-1")}))
    report = fleet.sync()
    assert report.exit_code == 0
    assert [scope.name for scope in report.scopes if scope.outcome == "skipped"] == [
        f"{ONE}/us-east-1",
        f"{TWO}/us-east-1",
    ]
    named = f"2 regions not enabled ({ONE}/us-east-1, {TWO}/us-east-1)"
    assert report.summary().endswith(named)
    # They are no scopes: `status --max-age` would call them stale forever.
    regions = {region for (region,) in fleet.query("SELECT region FROM sync_scopes")}
    assert regions == {scope.name.split("/")[1] for scope in report.scopes} - {"us-east-1"}


def test_an_account_without_an_enabled_region_fails(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    # STS is called in the region of the session, which is another one.
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    disabled = frozenset((TWO, region) for region in REGIONS)
    fleet.world.behaviour = Behaviour(disabled_regions=disabled)
    report = fleet.sync()
    assert report.exit_code == 3
    assert all(isinstance(scope.error, CredentialsError) for scope in report.failed)
    assert len(report.failed) == 3
    only_two = fleet.sync(Source("two", role_arn=ROLE, regions=REGIONS))
    assert only_two.exit_code == 5
    assert isinstance(only_two.error, CredentialsError)


def test_region_all_syncs_every_region_except_the_excluded_ones(fleet: Fleet) -> None:
    report = fleet.sync(Source("one", regions=("all",), exclude_regions=("us-east-1", "eu-west-1")))
    names = {scope.name for scope in report.scopes}
    assert f"{ONE}/eu-central-1" in names
    assert not names & {f"{ONE}/us-east-1", f"{ONE}/eu-west-1"}
    assert len(names) > 15


def test_a_dry_run_lists_no_job_and_writes_nothing(fleet: Fleet) -> None:
    fleet.path.unlink()
    report = fleet.sync(dry_run=True)
    assert not fleet.path.exists()
    assert {(scope.plan or "").partition(";")[0] for scope in report.scopes} == {
        "backfill: first sync"
    }
    assert {call.operation for call in fleet.simulator.calls} <= {
        "GetCallerIdentity", "AssumeRole", "Search"
    }  # fmt: skip
    fleet.sync()
    fleet.world.clock.advance(timedelta(hours=1))
    fleet.simulator.calls.clear()
    plans = [scope.plan for scope in fleet.sync(dry_run=True).scopes]
    assert all(plan and plan.startswith("incremental: new jobs from") for plan in plans)
    assert {call.service for call in fleet.simulator.calls} == {"sts"}


def test_an_object_in_the_place_of_a_list_is_not_an_empty_list(fleet: Fleet) -> None:
    one = Source("one", regions=("eu-west-1",))
    fleet.simulator.inject(Fault("no_list", operation="ListTrainingJobs", times=None))
    report = fleet.sync(one)
    assert report.exit_code == 7
    assert "the answer has no list TrainingJobSummaries" in str(report.error)
    assert fleet.query("SELECT watermark FROM sync_scopes") == [(None,)]
    fleet.simulator.clear_faults()
    assert fleet.sync(one).exit_code == 0
    assert fleet.query("SELECT count(*) FROM training_jobs") == [(1,)]


def test_a_role_session_renews_itself(fleet: Fleet) -> None:
    # botocore renews credentials that expire within ten minutes before it uses them. So every call
    # of these sessions renews them, however fast or slow the machine is.
    fleet.world.behaviour = Behaviour(role_session_seconds=60.0)
    assert fleet.sync().exit_code == 0
    renewed = [call for call in fleet.simulator.calls if call.operation == "AssumeRole"]
    assert len(renewed) > len(REGIONS)
    assert fleet.query("SELECT count(*) FROM training_jobs") == [(2 * len(REGIONS),)]
