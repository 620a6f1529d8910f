"""A fault hits the chosen operation, scope and calls."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)

from exporter.simulator import Clock, Fault, Scope, Simulator

OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "ListTrainingJobs": lambda client: client.list_training_jobs(),
    "DescribeTrainingJob": lambda client: client.describe_training_job(TrainingJobName="job"),
    "Search": lambda client: client.search(Resource="TrainingJob"),
    "ListTags": lambda client: client.list_tags(
        ResourceArn="arn:aws:sagemaker:eu-west-1:111122223333:training-job/job"
    ),
}
ERRORS = {
    "throttle": (400, "ThrottlingException"),
    "internal": (500, "InternalFailure"),
    "unavailable": (503, "ServiceUnavailable"),
    "expired": (400, "ExpiredTokenException"),
    "unrecognized": (400, "UnrecognizedClientException"),
    "denied": (400, "AccessDeniedException"),
}


@pytest.fixture(autouse=True)
def _job(scope: Scope, clock: Clock) -> None:
    scope.create_job("job", tags={"team": "vision"})
    for number in range(30):
        clock.advance(1)
        scope.create_job(f"other-{number:02d}", tags={"n": str(number)})


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ERRORS)
def test_a_fault_replaces_the_answer_by_an_error(
    sagemaker: Any, simulator: Simulator, operation: str, kind: Any
) -> None:
    simulator.inject(Fault(kind, operation=operation))
    with pytest.raises(ClientError) as error:
        OPERATIONS[operation](sagemaker)
    response = error.value.response
    answered = response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]
    assert answered == ERRORS[kind]
    assert OPERATIONS[operation](sagemaker)
    assert [call.fault for call in simulator.calls] == [kind, None]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fault_resets_the_connection(
    sagemaker: Any, simulator: Simulator, operation: str
) -> None:
    simulator.inject(Fault("reset", operation=operation))
    with pytest.raises(ConnectionClosedError):
        OPERATIONS[operation](sagemaker)
    assert OPERATIONS[operation](sagemaker)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ["truncated", "foreign"])
def test_boto3_reads_a_truncated_or_foreign_body_as_an_empty_answer(
    sagemaker: Any, simulator: Simulator, operation: str, kind: Any
) -> None:
    """boto3 raises nothing, and the answer looks like the last page."""
    simulator.inject(Fault(kind, operation=operation))
    assert OPERATIONS[operation](sagemaker).keys() == {"ResponseMetadata"}
    assert len(OPERATIONS[operation](sagemaker)) > 1


def test_a_foreign_body_may_have_its_own_status(sagemaker: Any, simulator: Simulator) -> None:
    simulator.inject(Fault("foreign", status=502))
    with pytest.raises(ClientError) as error:
        sagemaker.list_training_jobs()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502


def test_a_hang_ends_by_the_clients_timeout(
    simulator: Simulator, connect: Callable[..., Any]
) -> None:
    simulator.inject(Fault("hang"))
    with pytest.raises(ReadTimeoutError):
        connect(simulator, read_timeout=0.3).list_training_jobs()
    assert connect(simulator).list_training_jobs()["TrainingJobSummaries"]
    # A request that still hangs does not prevent the stop.
    stopping = threading.Thread(target=simulator.stop, daemon=True)
    stopping.start()
    stopping.join(30)
    assert not stopping.is_alive()


def test_a_hang_may_end_by_itself(sagemaker: Any, simulator: Simulator) -> None:
    simulator.inject(Fault("hang", seconds=0.2))
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert simulator.calls[0].fault == "hang"


def test_a_fault_hits_the_chosen_calls(sagemaker: Any, simulator: Simulator) -> None:
    simulator.inject(Fault("internal", operation="ListTrainingJobs", skip=2, times=2))
    outcomes = []
    for _ in range(6):
        try:
            sagemaker.list_training_jobs()
            outcomes.append("page")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
    assert outcomes == ["page", "page", "InternalFailure", "InternalFailure", "page", "page"]


def test_a_fault_may_last_until_it_is_cleared(sagemaker: Any, simulator: Simulator) -> None:
    simulator.inject(Fault("unavailable", times=None))
    for _ in range(5):
        with pytest.raises(ClientError):
            sagemaker.list_training_jobs()
    simulator.clear_faults()
    assert sagemaker.list_training_jobs()


def test_a_fault_may_hit_by_chance(sagemaker: Any, simulator: Simulator) -> None:
    simulator.inject(Fault("internal", times=None, chance=0.3))
    for _ in range(60):
        with contextlib.suppress(ClientError):
            sagemaker.list_training_jobs(MaxResults=1)
    assert 6 < sum(call.fault is not None for call in simulator.calls) < 30


def test_a_fault_hits_the_chosen_scope(
    sagemaker: Any, simulator: Simulator, connect: Callable[..., Any]
) -> None:
    simulator.inject(Fault("internal", region="us-east-1", times=None))
    simulator.inject(Fault("throttle", account_id="999900001111", times=None))
    assert sagemaker.list_training_jobs()
    with pytest.raises(ClientError, match="InternalFailure"):
        connect(simulator, region="us-east-1").list_training_jobs()
    with pytest.raises(ClientError, match="Rate exceeded"):
        connect(simulator, account="999900001111").list_training_jobs()


def test_a_fault_rejects_a_token_once(sagemaker: Any, simulator: Simulator) -> None:
    simulator.inject(Fault("rejected_token"))
    first = sagemaker.list_training_jobs(MaxResults=5)
    with pytest.raises(ClientError) as error:
        sagemaker.list_training_jobs(MaxResults=5, NextToken=first["NextToken"])
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert sagemaker.list_training_jobs(MaxResults=5, NextToken=first["NextToken"])


def test_a_fault_removes_a_field_of_a_row(sagemaker: Any, simulator: Simulator) -> None:
    simulator.inject(Fault("missing_field", field="TrainingJobArn", row=3))
    rows = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert [number for number, row in enumerate(rows) if "TrainingJobArn" not in row] == [3]


def test_a_fault_changes_the_type_of_a_field(sagemaker: Any, simulator: Simulator) -> None:
    simulator.inject(Fault("wrong_type", field="TrainingJobName"))
    rows = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert not isinstance(rows[0]["TrainingJobName"], str)
    simulator.inject(Fault("wrong_type", operation="Search", field="TrainingJobStatus", row=-1))
    results = sagemaker.search(Resource="TrainingJob")["Results"]
    assert not isinstance(results[-1]["TrainingJob"]["TrainingJobStatus"], str)


def test_a_fault_removes_or_moves_the_date(sagemaker: Any, simulator: Simulator) -> None:
    def date() -> str | None:
        headers = sagemaker.list_training_jobs()["ResponseMetadata"]["HTTPHeaders"]
        value: str | None = headers.get("date")
        return value

    simulator.inject(Fault("no_date"))
    simulator.inject(Fault("wrong_date", skip=1, seconds=-7200))
    dates = [date() for _ in range(3)]
    assert dates == [None, "Mon, 02 Nov 2026 10:00:30 GMT", "Mon, 02 Nov 2026 12:00:30 GMT"]
