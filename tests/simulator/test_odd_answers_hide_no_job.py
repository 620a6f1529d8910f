"""Habits of a service that AWS does not document: each changes what is shown, never the jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest

from exporter.simulator import Fault, Scope, Simulator
from exporter.simulator.behaviour import OddRecord


def play(simulator: Simulator, **habits: Any) -> None:
    simulator.world.behaviour = replace(simulator.world.behaviour, **habits)


def test_a_listing_in_another_order_has_the_same_jobs(
    simulator: Simulator, scope: Scope, sagemaker: Any
) -> None:
    for name in ("c", "a", "b"):
        scope.clock.advance(1)
        scope.create_job(name)
    play(simulator, listing_order=("Name", "Ascending"))
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        SortBy="CreationTime", SortOrder="Descending", MaxResults=2
    )
    names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
    assert names == ["a", "b", "c"]


def test_a_job_is_found_by_either_spelling_of_its_name(
    simulator: Simulator, scope: Scope, sagemaker: Any
) -> None:
    job = scope.create_job("Nightly-42", tags={"team": "a"})
    play(simulator, other_case=frozenset({"ListTrainingJobs"}))
    (listed,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert listed["TrainingJobArn"] == job.place.arn("training-job/nIGHTLY-42")
    described = sagemaker.describe_training_job(TrainingJobName="nIGHTLY-42")
    assert described["TrainingJobArn"] == job.arn
    tags = sagemaker.list_tags(ResourceArn=listed["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]
    wanted = {"Filters": [{"Name": "TrainingJobName", "Operator": "In", "Value": "x,nightly-42"}]}
    (found,) = sagemaker.search(Resource="TrainingJob", SearchExpression=wanted)["Results"]
    assert found["TrainingJob"]["TrainingJobArn"] == job.arn


def test_chosen_operations_cut_times_to_seconds(
    simulator: Simulator, scope: Scope, sagemaker: Any
) -> None:
    scope.clock.advance(0.789)
    job = scope.create_job("nightly-42")
    play(simulator, whole_seconds=frozenset({"DescribeTrainingJob"}))
    (listed,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    described = sagemaker.describe_training_job(TrainingJobName="nightly-42")
    whole = job.creation_time.replace(microsecond=0)
    assert listed["CreationTime"] == job.creation_time != whole
    assert described["CreationTime"] == described["LastModifiedTime"] == whole
    assert described["SecondaryStatusTransitions"][0]["StartTime"] == whole


@pytest.mark.parametrize("kind", get_args(OddRecord))
def test_an_odd_record_changes_no_other(
    simulator: Simulator,
    scope: Scope,
    post: Callable[..., tuple[int, Mapping[str, str], bytes]],
    kind: OddRecord,
) -> None:
    scope.finish(scope.start(scope.create_job("odd", keep_alive_seconds=60)))
    scope.create_job("usual")
    answers = []
    for records in ({}, {"odd": kind}):
        play(simulator, odd_records=records)
        answers.append(
            [
                post("ListTrainingJobs", {"SortBy": "Name"})[2],
                post("Search", {"Resource": "TrainingJob", "SortBy": "TrainingJobName"})[2],
                post("DescribeTrainingJob", {"TrainingJobName": "odd"})[2],
                post("DescribeTrainingJob", {"TrainingJobName": "usual"})[2],
            ]
        )
    usual, odd = answers
    assert odd[:3] != usual[:3]
    assert odd[3] == usual[3]
    assert (b"\xff" in odd[0]) == (kind == "bad_byte")
    for before, after in zip(usual[:2], odd[:2], strict=True):
        assert _of_usual(after) == _of_usual(before) != []


def test_describe_may_claim_that_a_job_is_gone(
    simulator: Simulator, scope: Scope, sagemaker: Any
) -> None:
    scope.create_job("nightly-42")
    simulator.inject(Fault("not_found", "DescribeTrainingJob"))
    with pytest.raises(sagemaker.exceptions.ClientError, match=r"Requested resource not found\."):
        sagemaker.describe_training_job(TrainingJobName="nightly-42")
    assert sagemaker.describe_training_job(TrainingJobName="nightly-42")


def _of_usual(body: bytes) -> list[Any]:
    answer = json.loads(body.decode(errors="replace"))
    rows = answer.get("TrainingJobSummaries") or [each["TrainingJob"] for each in answer["Results"]]
    return [row for row in rows if row and row.get("TrainingJobName") == "usual"]
