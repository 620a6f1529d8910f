"""Environment, profiles and policies of an organization lead to accounts and regions."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config.model import Source, SyncOptions
from exporter.errors import UsageError
from exporter.sagemaker.failures import DeniedByPolicy
from exporter.simulator import Behaviour, Fault, Simulator, World
from exporter.store.database import Database
from exporter.syncing.outcome import SyncReport
from exporter.syncing.run import run_sync

ONE, TWO = "111122223333", "444455556666"


def keys(account: str) -> str:
    """Return the lines of a profile with the keys of an account."""
    return f"aws_access_key_id = AKIA{account}\naws_secret_access_key = s\n"


@pytest.fixture
def profiles(
    simulator: Simulator,
    world: World,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Profiles `a` and `b`, both with a region; no region and no keys in the environment."""
    for region in ("eu-west-1", "eu-central-1", "us-east-1", "cn-north-1"):
        world.scope(ONE, region).create_job(f"nightly-{region}")
    path = tmp_path / "config"
    path.write_text(
        f"[profile a]\n{keys(ONE)}region = eu-west-1\n"
        f"[profile b]\naws_access_key_id = AKIA{ONE}9\naws_secret_access_key = s\n"
        "region = eu-central-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    for name in (
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ):
        monkeypatch.delenv(name)
    simulator.calls.clear()
    return database.path


def sync(path: Path, *sources: Source, dry_run: bool = False) -> SyncReport:
    return run_sync(Database(path), sources, SyncOptions(max_rps=0, dry_run=dry_run))


def test_aws_region_counts_before_the_region_of_the_profile(
    profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def region() -> tuple[str, str | None]:
        [scope] = sync(profiles, Source(profile="a"), dry_run=True).scopes
        return scope.name.split("/")[1], scope.region_origin

    assert region() == ("eu-west-1", "profile a")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert region() == ("us-west-2", "AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert region() == ("us-east-1", "AWS_REGION")
    [scope] = sync(profiles, Source(profile="a", regions=("sa-east-1",)), dry_run=True).scopes
    assert (scope.name, scope.region_origin) == (f"{ONE}/sa-east-1", None)


def test_sts_is_called_in_a_region_that_is_synced(profiles: Path, simulator: Simulator) -> None:
    assert sync(profiles, Source(profile="a", regions=("cn-north-1",))).exit_code == 0
    # Keys are valid in one partition only; the region of the profile is in another one.
    assert {call.region for call in simulator.calls if call.service == "sts"} == {"cn-north-1"}
    simulator.calls.clear()
    role = f"arn:aws-cn:iam::{ONE}:role/reader"
    assert sync(profiles, Source(profile="a", role_arn=role, regions=("all",))).exit_code == 0
    assert {call.region for call in simulator.calls if call.service == "sts"} == {"cn-north-1"}


def test_sts_is_called_once_if_the_first_region_accepts_the_keys(
    profiles: Path, simulator: Simulator
) -> None:
    regions = ("us-east-1", "eu-central-1", "eu-west-1")
    sync(profiles, Source(profile="a", regions=regions), dry_run=True)
    assert [(call.operation, call.region) for call in simulator.calls if call.service == "sts"] == [
        ("GetCallerIdentity", "eu-west-1")
    ]


def test_a_disabled_first_region_does_not_stop_the_others(profiles: Path, world: World) -> None:
    world.behaviour = Behaviour(disabled_regions=frozenset({(None, "eu-west-1")}))
    report = sync(profiles, Source(profile="a", regions=("eu-west-1", "us-east-1")))
    assert [(scope.name, scope.outcome) for scope in report.scopes] == [
        (f"{ONE}/eu-west-1", "skipped"),
        (f"{ONE}/us-east-1", "complete"),
    ]
    assert report.exit_code == 0


def test_a_region_denied_by_policy_is_passed_over_among_all(
    profiles: Path, simulator: Simulator
) -> None:
    policy = Fault("denied_by_policy", "ListTrainingJobs", region="us-east-1", times=None)
    simulator.inject(policy)
    report = sync(profiles, Source(profile="a", regions=("all",)))
    assert report.exit_code == 0
    assert "1 region denied by a service control policy (us-east-1)" in report.summary()
    with Database(profiles).reading() as connection:
        stored = connection.execute("SELECT region FROM sync_scopes").scalars()
    assert "us-east-1" not in stored
    assert "eu-west-1" in stored
    named = sync(profiles, Source(profile="a", regions=("us-east-1",)))
    assert named.exit_code == 5
    assert isinstance(named.error, DeniedByPolicy)


def test_all_regions_denied_by_policy_are_a_failure(profiles: Path, simulator: Simulator) -> None:
    simulator.inject(Fault("denied_by_policy", "ListTrainingJobs", times=None))
    report = sync(profiles, Source(profile="a", regions=("all",)))
    assert report.exit_code == 5
    assert isinstance(report.scopes[0].error, DeniedByPolicy)


def test_an_account_reached_by_two_profiles_survives_one_that_is_denied(
    profiles: Path, simulator: Simulator
) -> None:
    sources = (
        Source("a", profile="a", regions=("eu-west-1",)),
        Source("b", profile="b", regions=("eu-west-1",)),
    )
    simulator.inject(Fault("denied", "ListTrainingJobs", times=1))
    report = sync(profiles, *sources)
    assert [(scope.name, scope.outcome) for scope in report.scopes] == [
        (f"{ONE}/eu-west-1", "complete")
    ]
    assert [run.outcome for run in report.scopes[0].runs] == ["failed", "complete"]
    with Database(profiles).reading() as connection:
        row = connection.execute("SELECT last_error, failing_runs FROM sync_scopes").one()
        jobs = connection.execute("SELECT count(*) FROM training_jobs").scalar()
    assert (tuple(row), jobs) == ((None, 0), 1)
    simulator.inject(Fault("denied", "ListTrainingJobs", times=None))
    assert sync(profiles, *sources).exit_code == 5


def test_an_unknown_region_stops_no_other_source(profiles: Path) -> None:
    good = Source("good", profile="a", regions=("eu-west-1",))
    report = sync(profiles, good, Source("bad", profile="a", regions=("eu-wset-1",)))
    assert report.exit_code == 3
    [failed] = report.failed
    assert isinstance(failed.error, UsageError)
