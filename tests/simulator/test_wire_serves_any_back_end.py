"""Any back end can answer behind the front."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from exporter.wire import Answer, ApiError, Call, Front, Server, Tokens
from exporter.wire.constraints import java_pattern

WHEN = datetime(2026, 11, 2, 12, 0, 0, 123000, tzinfo=UTC)
ROW = {
    "TrainingJobName": "job",
    "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/job",
    "CreationTime": WHEN,
    "TrainingJobStatus": "Dreaming",
}


class OneJob:
    """A back end with one job, for callers with the right session token."""

    operations: Mapping[str, frozenset[str]] = {"sagemaker": frozenset({"ListTrainingJobs"})}

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        if call.session_token != "let-me-in":  # noqa: S105 - a test's own
            raise ApiError("AccessDeniedException", "Wrong token", 403)
        if call.params.get("NameContains") == "broken":
            return {"TrainingJobSummaries": [{"TrainingJobName": "not_a_name"}]}
        return {"TrainingJobSummaries": [ROW]}


def client(server: Server, token: str) -> Any:
    return boto3.client(
        "sagemaker",
        region_name="eu-central-1",
        endpoint_url=server.url,
        aws_access_key_id="anybody",
        aws_secret_access_key="any",
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_a_call_carries_what_a_back_end_needs() -> None:
    backend = OneJob()
    with Server(Front(backend).handle) as server:
        sagemaker = client(server, "let-me-in")
        answer = sagemaker.list_training_jobs(CreationTimeAfter=WHEN.replace(microsecond=0))
        assert answer["TrainingJobSummaries"] == [ROW]
        with pytest.raises(ClientError, match="Wrong token"):
            client(server, "open").list_training_jobs()
        with pytest.raises(ClientError, match=r"SageMaker\.Search is not served"):
            sagemaker.search(Resource="TrainingJob")
    call = backend.calls[0]
    assert (call.service, call.operation) == ("sagemaker", "ListTrainingJobs")
    assert (call.region, call.access_key) == ("eu-central-1", "anybody")
    assert call.params == {"CreationTimeAfter": WHEN.replace(microsecond=0)}
    assert call.headers["x-amz-target"] == "SageMaker.ListTrainingJobs"


def test_an_answer_that_the_model_does_not_allow_is_not_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        Server(Front(OneJob()).handle) as server,
        pytest.raises(ClientError, match="InternalFailure"),
    ):
        client(server, "let-me-in").list_training_jobs(NameContains="broken")
    assert "trainingJobArn" in caplog.text


def test_tokens_are_bound_to_a_key() -> None:
    place, now = ("ListTrainingJobs", "eu-west-1"), WHEN
    sealed = Tokens(b"one").seal(place, {}, ["any", {"json": 1}], now)
    assert Tokens(b"one").open(place, {"NextToken": sealed}, now, None) == ["any", {"json": 1}]
    with pytest.raises(ApiError, match="NextToken"):
        Tokens(b"other").open(place, {"NextToken": sealed}, now, None)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "Größe = 5 m:s", "a*b"),
        (r"arn:[\p{Alnum}\-]+:lambda", "arn:aws-cn:lambda", "arn:a_b:lambda"),
        (r"[\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}]*", "a € – »b« ~", "a\x00b"),
    ],
)
def test_java_patterns_are_translated(pattern: str, good: str, bad: str) -> None:
    compiled = java_pattern(pattern)
    assert compiled is not None
    assert compiled.fullmatch(good)
    assert not compiled.fullmatch(bad)


def test_a_pattern_that_python_cannot_compile_is_ignored() -> None:
    assert java_pattern("[") is None
