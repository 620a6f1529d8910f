"""A NextToken is opaque and valid only for its own request."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.simulator import Clock, Scope, Simulator, World


@pytest.fixture(autouse=True)
def _thirty(scope: Scope, clock: Clock) -> None:
    for number in range(30):
        clock.advance(1)
        scope.create_job(f"job-{number:02d}")


def listed(client: Any, **request: object) -> list[str]:
    rows = client.list_training_jobs(SortOrder="Ascending", **request)["TrainingJobSummaries"]
    return [row["TrainingJobName"] for row in rows]


def token(client: Any, **request: object) -> str:
    return str(client.list_training_jobs(SortOrder="Ascending", **request)["NextToken"])


def refused(client: Any, **request: object) -> str:
    with pytest.raises(ClientError) as error:
        listed(client, **request)
    return str(error.value.response["Error"]["Code"])


def test_a_token_continues_its_own_request(sagemaker: Any) -> None:
    given = token(sagemaker, MaxResults=10)
    assert listed(sagemaker, MaxResults=10, NextToken=given)[0] == "job-10"


def test_the_page_size_may_change_between_pages(sagemaker: Any) -> None:
    given = token(sagemaker, MaxResults=10)
    assert len(listed(sagemaker, MaxResults=3, NextToken=given)) == 3


@pytest.mark.parametrize("other", [{"StatusEquals": "Failed"}, {"SortBy": "Name"}])
def test_another_request_rejects_a_token(sagemaker: Any, other: dict[str, str]) -> None:
    given = token(sagemaker, MaxResults=10)
    assert refused(sagemaker, NextToken=given, **other) == "ValidationException"


def test_another_region_rejects_a_token(
    sagemaker: Any,
    simulator: Simulator,
    connect: Callable[..., Any],
) -> None:
    given = token(sagemaker, MaxResults=10)
    elsewhere = connect(simulator, region="us-east-1")
    assert refused(elsewhere, MaxResults=10, NextToken=given) == "ValidationException"


@pytest.mark.parametrize("made_up", ["x", "bm90IGEgdG9rZW4=", "é" * 40, "A" * 8192])
def test_a_made_up_token_is_refused(sagemaker: Any, made_up: str) -> None:
    assert refused(sagemaker, NextToken=made_up) == "ValidationException"


def test_a_token_may_expire(sagemaker: Any, world: World, clock: Clock) -> None:
    given = token(sagemaker, MaxResults=10)
    clock.advance(3600)
    assert listed(sagemaker, MaxResults=10, NextToken=given)
    world.behaviour = replace(world.behaviour, token_seconds=600)
    assert refused(sagemaker, MaxResults=10, NextToken=given) == "ValidationException"


@pytest.mark.parametrize(
    ("by_offset", "next_page"), [(False, ["job-10", "job-11"]), (True, ["job-11", "job-12"])]
)
def test_a_deletion_may_shift_the_next_page(
    sagemaker: Any,
    world: World,
    scope: Scope,
    by_offset: bool,
    next_page: list[str],
) -> None:
    world.behaviour = replace(world.behaviour, offset_tokens=by_offset)
    given = token(sagemaker, MaxResults=10)
    scope.delete_job("job-05")
    assert listed(sagemaker, MaxResults=2, NextToken=given) == next_page


def test_the_last_job_before_a_token_may_be_deleted(sagemaker: Any, scope: Scope) -> None:
    given = token(sagemaker, MaxResults=10)
    scope.delete_job("job-09")
    assert listed(sagemaker, MaxResults=1, NextToken=given) == ["job-10"]


def test_search_rejects_the_token_of_a_listing(sagemaker: Any) -> None:
    given = token(sagemaker, MaxResults=10)
    with pytest.raises(ClientError, match="NextToken"):
        sagemaker.search(Resource="TrainingJob", NextToken=given)
