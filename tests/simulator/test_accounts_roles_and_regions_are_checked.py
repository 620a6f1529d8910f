"""Access keys name accounts, roles lead to other accounts, and some actions are denied."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.simulator import Behaviour, Scope, Simulator, World

ROLE = "arn:aws:iam::222233334444:role/path/exporter"


def keys(answer: dict[str, Any]) -> dict[str, str]:
    given = answer["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def refused(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call()
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def sts(simulator: Simulator, connect: Callable[..., Any]) -> Any:
    return connect(simulator, "sts")


def test_an_access_key_identifies_its_account(sts: Any) -> None:
    identity = sts.get_caller_identity()
    assert identity["Account"] == "111122223333"
    assert identity["Arn"] == "arn:aws:iam::111122223333:user/stand-in"


def test_an_assumed_role_calls_for_its_account(
    world: World, simulator: Simulator, connect: Callable[..., Any], sts: Any
) -> None:
    world.scope("222233334444", "eu-west-1").create_job("theirs")
    given = keys(sts.assume_role(RoleArn=ROLE, RoleSessionName="a-session"))
    arn = "arn:aws:sts::222233334444:assumed-role/exporter/a-session"
    assert connect(simulator, "sts", **given).get_caller_identity()["Arn"] == arn
    rows = connect(simulator, **given).list_training_jobs()["TrainingJobSummaries"]
    assert [row["TrainingJobName"] for row in rows] == ["theirs"]


def test_a_role_session_expires(
    world: World, simulator: Simulator, connect: Callable[..., Any], sts: Any
) -> None:
    world.behaviour = Behaviour(role_session_seconds=0)
    client = connect(simulator, **keys(sts.assume_role(RoleArn=ROLE, RoleSessionName="session")))
    assert refused(client.list_training_jobs) == ("ExpiredTokenException", 400)


def test_a_chained_role_lasts_one_hour_at_most(
    simulator: Simulator, connect: Callable[..., Any], sts: Any
) -> None:
    wanted = {"RoleArn": ROLE, "RoleSessionName": "session", "DurationSeconds": 7200}
    chained = connect(simulator, "sts", **keys(sts.assume_role(**wanted)))
    assert refused(lambda: chained.assume_role(**wanted)) == ("ValidationError", 400)


def test_an_unassumable_role_is_refused(world: World, sts: Any) -> None:
    world.behaviour = Behaviour(unassumable_roles=frozenset({ROLE}))
    call = lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="session")  # noqa: E731
    assert refused(call) == ("AccessDenied", 403)


def test_a_role_may_require_an_external_id(world: World, sts: Any) -> None:
    world.behaviour = Behaviour(external_ids={ROLE: "a-secret"})
    wanted = {"RoleArn": ROLE, "RoleSessionName": "session"}
    assert refused(lambda: sts.assume_role(**wanted)) == ("AccessDenied", 403)
    assert sts.assume_role(**wanted, ExternalId="a-secret")["Credentials"]


def test_the_model_checks_a_session_name(sts: Any) -> None:
    call = lambda: sts.assume_role(RoleArn=ROLE, RoleSessionName="no spaces")  # noqa: E731
    assert refused(call)[0] == "ValidationException"


@pytest.mark.parametrize("key", ["AKIANOBODYSKEY00", "ASIA22223333444400000099"])
def test_unknown_keys_are_rejected(
    simulator: Simulator, connect: Callable[..., Any], key: str
) -> None:
    client = connect(simulator, aws_access_key_id=key)
    assert refused(client.list_training_jobs) == ("UnrecognizedClientException", 400)


def test_a_disabled_region_rejects_the_caller(
    world: World, simulator: Simulator, connect: Callable[..., Any], sagemaker: Any
) -> None:
    world.behaviour = Behaviour(disabled_regions=frozenset({(None, "me-south-1")}))
    client = connect(simulator, region="me-south-1")
    assert refused(client.list_training_jobs) == ("UnrecognizedClientException", 400)
    assert sagemaker.list_training_jobs()


@pytest.mark.parametrize(
    "denied",
    [
        ("111122223333", "eu-west-1", "Search"),
        (None, "eu-west-1", "Search"),
        (None, None, "Search"),
    ],
)
def test_a_denial_affects_one_action_only(world: World, sagemaker: Any, denied: Any) -> None:
    world.behaviour = Behaviour(denied=frozenset({denied}))
    call = lambda: sagemaker.search(Resource="TrainingJob")  # noqa: E731
    assert refused(call) == ("AccessDeniedException", 400)
    assert sagemaker.list_training_jobs()


def test_a_denial_does_not_affect_other_places(world: World, sagemaker: Any) -> None:
    world.behaviour = Behaviour(
        denied=frozenset({("111122223333", "us-east-1", "Search"), ("9" * 12, None, "Search")})
    )
    assert sagemaker.search(Resource="TrainingJob")


def test_boto3_needs_only_the_environment(simulator: Simulator, scope: Scope) -> None:
    scope.create_job("job")
    script = (
        "import boto3\n"
        "pages = boto3.client('sagemaker').get_paginator('list_training_jobs').paginate()\n"
        "print([row['TrainingJobName'] for page in pages for row in page['TrainingJobSummaries']])"
    )
    environment = {**os.environ, **simulator.environment()}
    environment.pop("AWS_PROFILE", None)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['job']"


def test_the_environment_may_be_that_of_another_account(simulator: Simulator, scope: Scope) -> None:
    assert scope.account_id == "111122223333"
    other = simulator.environment("222233334444", "us-east-1")
    assert other["AWS_ACCESS_KEY_ID"] == "AKIA222233334444"
    assert other["AWS_REGION"] == "us-east-1"
