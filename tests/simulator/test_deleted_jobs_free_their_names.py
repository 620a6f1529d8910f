"""A deletion takes effect at once or after Deleting, and frees the name and the ARN."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.simulator import Behaviour, Clock, Scope, World


def test_a_deleted_job_disappears_from_every_answer(sagemaker: Any, scope: Scope) -> None:
    job = scope.create_job("job")
    scope.delete_job("job")
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    assert sagemaker.search(Resource="TrainingJob")["Results"] == []
    with pytest.raises(ClientError, match="not found"):
        sagemaker.describe_training_job(TrainingJobName="job")
    with pytest.raises(ClientError, match="not found"):
        sagemaker.list_tags(ResourceArn=job.arn)
    assert [deleted for deleted, _ in scope.deleted] == [job]


def test_a_job_may_be_deleting_for_some_time(
    sagemaker: Any, world: World, scope: Scope, clock: Clock
) -> None:
    world.behaviour = Behaviour(deleting_seconds=30)
    scope.create_job("job")
    scope.delete_job("job")
    rows = sagemaker.list_training_jobs(StatusEquals="Deleting")["TrainingJobSummaries"]
    assert [row["TrainingJobName"] for row in rows] == ["job"]
    with pytest.raises(ValueError, match="ResourceInUse"):
        scope.create_job("job")
    clock.advance(30)
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    assert scope.jobs() == []


def test_a_name_can_be_used_again(sagemaker: Any, scope: Scope, clock: Clock) -> None:
    first = scope.create_job("job")
    with pytest.raises(ValueError, match="ResourceInUse"):
        scope.create_job("job")
    scope.delete_job("job")
    clock.advance(1)
    second = scope.create_job("job")
    assert first.arn == second.arn
    assert first.creation_time != second.creation_time
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == [scope.summary(second)]


def test_only_existing_jobs_can_be_deleted(scope: Scope) -> None:
    with pytest.raises(KeyError):
        scope.delete_job("nobody")
