"""All callers share two calls a second for an account and region."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.simulator import Behaviour, Scope, Simulator, World


class Watch:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def simulator(world: World, watch: Watch) -> Iterator[Simulator]:
    world.behaviour = Behaviour(list_rps=2, search_rps=1, describe_rps=1, list_tags_rps=1)
    with Simulator(world, monotonic=watch) as running:
        yield running


def test_the_third_call_of_a_second_is_throttled(sagemaker: Any, watch: Watch) -> None:
    sagemaker.list_training_jobs()
    sagemaker.list_training_jobs()
    with pytest.raises(ClientError) as error:
        sagemaker.list_training_jobs()
    expected = {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    assert error.value.response["Error"] == expected
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    watch.seconds += 0.5
    sagemaker.list_training_jobs()
    with pytest.raises(ClientError, match="Rate exceeded"):
        sagemaker.list_training_jobs()


def test_other_callers_use_up_the_same_rate(
    sagemaker: Any, simulator: Simulator, connect: Callable[..., Any]
) -> None:
    other = connect(simulator)
    other.list_training_jobs()
    sagemaker.list_training_jobs()
    with pytest.raises(ClientError, match="Rate exceeded"):
        other.list_training_jobs()


def test_each_account_and_region_has_its_own_rate(
    sagemaker: Any, simulator: Simulator, connect: Callable[..., Any]
) -> None:
    for client in (
        sagemaker,
        connect(simulator, region="us-east-1"),
        connect(simulator, account="999900001111"),
    ):
        client.list_training_jobs()
        client.list_training_jobs()
        with pytest.raises(ClientError, match="Rate exceeded"):
            client.list_training_jobs()


def test_each_operation_has_its_own_rate(
    sagemaker: Any, scope: Scope, simulator: Simulator
) -> None:
    job = scope.create_job("job")
    sagemaker.list_training_jobs()
    sagemaker.list_training_jobs()
    calls: list[Callable[[], Any]] = [
        lambda: sagemaker.search(Resource="TrainingJob"),
        lambda: sagemaker.describe_training_job(TrainingJobName="job"),
        lambda: sagemaker.list_tags(ResourceArn=job.arn),
    ]
    for call in calls:
        call()
        with pytest.raises(ClientError, match="Rate exceeded"):
            call()
    assert sum(each.error == "ThrottlingException" for each in simulator.calls) == 3
