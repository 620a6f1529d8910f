"""Every record is valid in botocore's model and equals the job that it shows."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from exporter.simulator import Behaviour, Clock, Scope, World
from exporter.wire.model import shape_at


def answer(response: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in response.items() if name != "ResponseMetadata"}


@pytest.fixture
def history(world: World, scope: Scope) -> Scope:
    world.generate(jobs=400, scopes=[scope])
    return scope


def test_summaries_equal_their_jobs(sagemaker: Any, history: Scope) -> None:
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        MaxResults=100, SortBy="CreationTime", SortOrder="Ascending"
    )
    rows = [row for page in pages for row in page["TrainingJobSummaries"]]
    assert rows == [history.summary(job) for job in history.jobs()]


def test_descriptions_equal_their_jobs(sagemaker: Any, history: Scope) -> None:
    for job in history.jobs()[::20]:
        described = answer(sagemaker.describe_training_job(TrainingJobName=job.name))
        assert described == history.describe(job)


def test_search_records_are_descriptions_with_tags(sagemaker: Any, history: Scope) -> None:
    found = sagemaker.search(Resource="TrainingJob", MaxResults=100, SortBy="CreationTime")
    expected = []
    for job in history.jobs()[:-101:-1]:
        tags = [{"Key": key, "Value": value} for key, value in job.state.tags.items()]
        expected.append({"TrainingJob": {**history.describe(job), "Tags": tags}})
    assert found["Results"] == expected


def test_tags_equal_their_jobs(sagemaker: Any, history: Scope) -> None:
    for job in history.jobs()[::50]:
        tags = sagemaker.list_tags(ResourceArn=job.arn)["Tags"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == dict(job.state.tags)


def test_many_tags_need_several_pages(sagemaker: Any, scope: Scope) -> None:
    job = scope.create_job("tagged", tags={f"key-{number}": "" for number in range(120)})
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=job.arn)
    sizes = [len(page["Tags"]) for page in pages]
    assert sizes == [50, 50, 20]


def test_botocore_accepts_every_job_of_a_history(history: Scope) -> None:
    check = ParamValidator().validate
    summary = shape_at("sagemaker", "ListTrainingJobs", "output", "TrainingJobSummaries", "[]")
    description = shape_at("sagemaker", "DescribeTrainingJob", "output")
    for job in history.jobs():
        assert not check(history.summary(job), summary).has_errors()
        assert not check(history.describe(job), description).has_errors()


def test_the_model_rejects_impossible_jobs(scope: Scope) -> None:
    with pytest.raises(ValueError, match="trainingJobName"):
        scope.create_job("not_a_name")
    assert scope.jobs() == []
    job = scope.create_job("a-name")
    with pytest.raises(ValueError, match="enum value set"):
        scope.update(job, secondary_status="Dreaming")
    assert job.state.secondary_status == "Starting"
    with pytest.raises(TypeError, match="no colour"):
        scope.create_job("other", colour="red")


def test_statuses_beyond_the_model_can_be_played(
    world: World,
    scope: Scope,
    sagemaker: Any,
) -> None:
    world.behaviour = Behaviour(new_statuses=("Dreaming",))
    job = scope.create_job("a-name", lives=False)
    scope.update(job, training_job_status="Dreaming", secondary_status="Dreaming")
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == [scope.summary(job)]
    scope.create_job("that-lives")
    seen = set()
    for _ in range(120):
        world.advance(10)
        seen.add(scope.job("that-lives").state.secondary_status)
    assert "Dreaming" in seen


def test_times_keep_their_milliseconds(sagemaker: Any, scope: Scope, clock: Clock) -> None:
    clock.advance(timedelta(milliseconds=1, microseconds=999))
    scope.create_job("job")
    row = sagemaker.list_training_jobs()["TrainingJobSummaries"][0]
    assert row["CreationTime"].astimezone(UTC).isoformat() == "2026-11-02T12:00:00.001000+00:00"


def test_the_date_header_shows_the_worlds_time(sagemaker: Any, clock: Clock) -> None:
    clock.advance(timedelta(days=400))
    headers = sagemaker.list_training_jobs()["ResponseMetadata"]["HTTPHeaders"]
    assert headers["date"] == "Tue, 07 Dec 2027 12:00:00 GMT"
    assert headers["x-amzn-requestid"]


@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFound"])
def test_a_missing_job_gets_either_error(
    world: World,
    sagemaker: Any,
    code: str,
) -> None:
    world.behaviour = Behaviour(missing_job_error=code)  # type: ignore[arg-type]
    with pytest.raises(ClientError) as error:
        sagemaker.describe_training_job(TrainingJobName="nobody")
    expected = {"Code": code, "Message": "Requested resource not found."}
    assert error.value.response["Error"] == expected
