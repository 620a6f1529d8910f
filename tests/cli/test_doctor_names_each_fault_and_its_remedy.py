"""`doctor` checks what a sync needs; each check is seen to fail, with its remedy and exit code."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.cli.app import App
from exporter.doctor import files
from exporter.doctor.findings import FAILED, OK, WARNING, Finding, exit_code, missing_policy
from exporter.simulator import Behaviour, Scope, Simulator
from exporter.store.database import Database
from tests.conftest import ACCOUNT, NOON, REGION
from tests.docs.pages import blocks

if TYPE_CHECKING:
    from tests.cli.conftest import Command

SCOPE = f"{ACCOUNT}/{REGION}"


@pytest.fixture(autouse=True)
def service(simulator: Simulator, scope: Scope) -> Simulator:
    scope.create_job("a-1")
    return simulator


@dataclass
class Clocked(App):
    """A run whose machine has another clock."""

    at: datetime = NOON

    @property
    def now(self) -> datetime:
        return self.at


def findings(
    command: Command, *args: str, at: datetime = NOON
) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Return the exit code, the findings and the whole answer."""
    answer = command("doctor", "--json", *args, app=Clocked(at=at))
    document = json.loads(answer.out)
    assert document["version"] == 1
    assert document["exit_code"] == answer.code
    return answer.code, document["findings"], document


def verdicts(found: list[dict[str, Any]]) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in found}


def test_a_healthy_environment_has_no_complaint(command: Command) -> None:
    code, found, document = findings(command)
    assert (code, document["missing_policy"]) == (0, None)
    assert verdicts(found) == dict.fromkeys(
        [
            "configuration",
            "folder",
            "space",
            "database",
            "credentials",
            "region",
            "endpoint",
            "ListTrainingJobs",
            "clock",
            "Search",
            "DescribeTrainingJob",
            "ListTags",
            "pricing:GetProducts",
            "servicequotas:ListServiceQuotas",
        ],
        OK,
    )
    words = {each["check"]: each["message"] for each in found}
    assert words["ListTrainingJobs"] == f"{SCOPE}: allowed; the newest job is a-1"
    assert words["credentials"].startswith(f"default: account {ACCOUNT}, arn:aws:")
    assert words["region"] == f"default: {REGION} (from AWS_REGION)"
    assert list(command.directory.iterdir()) == []


def test_the_policy_of_the_readme_is_what_is_checked(command: Command) -> None:
    (policy,) = [one.text for one in blocks("README.md") if one.language == "json"]
    granted = {action for each in json.loads(policy)["Statement"] for action in each["Action"]}
    _, found, _ = findings(command)
    checked = {each["check"] for each in found if each["check"][0].isupper()}
    services = {each["check"] for each in found if ":" in each["check"]}
    assert {f"sagemaker:{name}" for name in checked} | services == granted


@dataclass(frozen=True)
class Case:
    """A fault: what is set up, the exit code, and the finding that names it."""

    name: str
    code: int
    finding: tuple[str, str, str, str]
    denied: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


CASES = (
    Case(
        "list denied",
        5,
        (
            "ListTrainingJobs",
            FAILED,
            f"{SCOPE}: ListTrainingJobs is denied (AccessDeniedException).",
            "Allow sagemaker:ListTrainingJobs for this identity (README, IAM policy).",
        ),
        denied=("ListTrainingJobs",),
    ),
    Case(
        "search denied",
        0,
        (
            "Search",
            WARNING,
            f"{SCOPE}: Search is denied (AccessDeniedException).",
            "Allow sagemaker:Search for this identity (README, IAM policy). Without it, each job "
            "is described with a call of its own, a few hundred per sync.",
        ),
        denied=("Search",),
    ),
    Case(
        "describe denied",
        0,
        (
            "DescribeTrainingJob",
            WARNING,
            f"{SCOPE}: DescribeTrainingJob is denied (AccessDeniedException).",
            "Allow sagemaker:DescribeTrainingJob for this identity (README, IAM policy). Without "
            "it, details come from Search alone.",
        ),
        denied=("DescribeTrainingJob",),
    ),
    Case(
        "tags denied",
        0,
        (
            "ListTags",
            WARNING,
            f"{SCOPE}: ListTags is denied (AccessDeniedException).",
            "Allow sagemaker:ListTags for this identity (README, IAM policy). Without it, tags "
            "come from Search alone.",
        ),
        denied=("ListTags",),
    ),
    Case(
        "prices denied",
        0,
        (
            "pricing:GetProducts",
            WARNING,
            f"{ACCOUNT}/eu-central-1: pricing:GetProducts is denied (AccessDeniedException).",
            "Allow pricing:GetProducts for this identity (README, IAM policy). Without it, prices "
            "come from the shipped list and your imports.",
        ),
        denied=("GetProducts",),
    ),
    Case(
        "quotas denied",
        0,
        (
            "servicequotas:ListServiceQuotas",
            WARNING,
            f"{SCOPE}: servicequotas:ListServiceQuotas is denied (AccessDeniedException).",
            "Allow servicequotas:ListServiceQuotas for this identity (README, IAM policy). Without "
            "it, the quotas of warm pools are not known.",
        ),
        denied=("ListServiceQuotas",),
    ),
    Case(
        "no such region",
        2,
        (
            "region",
            FAILED,
            "There is no SageMaker region 'eu-wst-1' (--region or the configuration). "
            "Did you mean 'eu-west-1'?",
            "If the region is new, upgrade boto3.",
        ),
        args=("--region", "eu-wst-1"),
    ),
    Case(
        "no such profile",
        5,
        ("region", FAILED, "There is no profile 'nobody'.", ""),
        args=("--profile", "nobody"),
    ),
    Case(
        "the proxy has a password",
        0,
        ("proxy", OK, "HTTPS_PROXY=http://[redacted]@proxy.invalid:3128", ""),
        env={"HTTPS_PROXY": "http://me:planted@proxy.invalid:3128"},
    ),
    Case(
        "no database folder",
        8,
        ("folder", FAILED, "There is no folder /nowhere.", "Create it, or change --db."),
        args=("--db", "/nowhere/jobs.duckdb"),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_fault_has_its_finding_and_exit_code(
    command: Command, service: Simulator, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    service.world.behaviour = Behaviour(denied=frozenset((None, None, op) for op in case.denied))
    for name, value in case.env.items():
        monkeypatch.setenv(name, value)
    code, found, document = findings(command, *case.args)
    shown = [
        tuple(each[key] for key in ("check", "verdict", "message", "remedy")) for each in found
    ]
    assert case.finding in shown
    assert code == case.code
    actions = {each["action"] for each in found if each["action"]}
    policy = document["missing_policy"]
    statements = policy["Statement"] if policy else []
    assert actions == {action for each in statements for action in each["Action"]}
    assert bool(policy) is bool(case.denied)
    assert "planted" not in json.dumps(document)


@pytest.mark.parametrize(("hours", "side"), [(2, "ahead of"), (-2, "behind")])
def test_a_clock_that_differs_is_named_with_its_side(
    command: Command, hours: int, side: str
) -> None:
    code, found, _ = findings(command, at=NOON + timedelta(hours=hours))
    (clock,) = [each for each in found if each["check"] == "clock"]
    assert (code, clock["verdict"]) == (0, WARNING)
    assert clock["message"] == f"{SCOPE}: the clock of this machine is 7,200 s {side} AWS."


def test_the_options_of_sync_in_the_file_are_those_that_are_checked(command: Command) -> None:
    (command.directory / "sagemaker-exporter.toml").write_text(
        "[sync]\nregion = ['us-east-1']\nsnapshot = '/nowhere/copy.duckdb'\n"
    )
    code, found, _ = findings(command)
    shown = {each["check"]: each["message"] for each in found}
    assert code == 8
    assert shown["--snapshot"].startswith("Cannot create a file in /nowhere: ")
    assert shown["ListTrainingJobs"] == f"{ACCOUNT}/us-east-1: allowed; it has no job"


def test_a_failing_optional_source_is_a_warning(command: Command) -> None:
    (command.directory / "sagemaker-exporter.toml").write_text(
        '[[source]]\nname = "main"\n[[source]]\nname = "side"\nprofile = "none"\noptional = true\n'
    )
    code, found, _ = findings(command)
    assert code == 0
    (side,) = [each for each in found if each["message"] == "There is no profile 'none'."]
    assert (side["verdict"], side["exit_code"]) == (WARNING, 0)


def test_people_get_lines_and_a_policy_to_paste(command: Command, service: Simulator) -> None:
    service.world.behaviour = Behaviour(
        denied=frozenset({(None, None, "ListTags"), (None, None, "Search")})
    )
    answer = command("doctor")
    assert answer.code == 0
    lines, _, policy = answer.out.partition("\nThis IAM policy grants what is missing:\n")
    assert all(
        line.startswith((*(f"{word:<9}" for word in (OK, WARNING)), " " * 9))
        for line in lines.splitlines()
    )
    assert json.loads(policy) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["sagemaker:Search"], "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": ["sagemaker:ListTags"],
                "Resource": "arn:aws:sagemaker:*:*:training-job/*",
            },
        ],
    }


def test_the_first_failure_gives_the_exit_code() -> None:
    found = [
        Finding("a", OK, ""),
        Finding("b", FAILED, "", exit_code=8),
        Finding("c", FAILED, "", exit_code=5),
    ]
    assert exit_code(found) == 8
    assert exit_code([]) == 0
    assert missing_policy(found) is None


def test_a_database_of_another_program_or_a_newer_one_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    other.write_text("not a database")
    found = {each.check: each for each in files.check(Database(other), {})}
    assert (found["database"].verdict, found["database"].exit_code) == (FAILED, 8)
    assert found["folder"].verdict == OK
    assert {path.name for path in tmp_path.iterdir()} == {"other.duckdb"}


def test_a_newer_schema_is_exit_6(database: Database) -> None:
    with database.writing() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    found = {each.check: each for each in files.check(Database(database.path), {})}
    assert (found["database"].verdict, found["database"].exit_code) == (FAILED, 6)


def test_little_space_is_a_warning(database: Database) -> None:
    found = {each.check: each for each in files.check(database, {}, free_space=lambda _: 10**6)}
    assert found["space"].verdict == WARNING
    assert found["space"].message.startswith(f"{database.path.parent}: 0.0 GB free")


@pytest.mark.parametrize(
    ("where", "name", "step", "verdict", "code"),
    [
        (fcntl, "flock", "lock", FAILED, 8),
        (Path, "replace", "rename", FAILED, 8),
        (Path, "chmod", "make private", WARNING, 0),
        (os, "fsync", "flush", WARNING, 0),
    ],
)
def test_what_a_file_system_refuses_is_named(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    where: object,
    name: str,
    step: str,
    verdict: str,
    code: int,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(where, name, refuse)
    found = {each.check: each for each in files.check(database, {})}["folder"]
    folder = database.path.parent
    assert found == Finding(
        "folder",
        verdict,
        f"{folder}: this file system refuses to {step} (Operation not supported).",
        "Keep the database on a local disk, and publish a copy with --snapshot.",
        code,
    )
    assert {path.name for path in folder.iterdir()} == {"jobs.duckdb"}
