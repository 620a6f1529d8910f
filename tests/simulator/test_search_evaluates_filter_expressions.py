"""Search evaluates every operator, combines filters, sorts, and has pages and limits."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.simulator import Behaviour, Clock, Scope, World

SERVERLESS = {
    "BaseModelArn": "arn:aws:sagemaker:eu-west-1:aws:hub-content/SageMakerPublicHub/Model/m/1.0.0",
    "JobType": "FineTuning",
}


@pytest.fixture(autouse=True)
def jobs(scope: Scope, clock: Clock) -> None:
    """Six jobs a minute apart, from 12:01 on; job-2 fails, then job-4 completes."""
    for number in range(6):
        clock.advance(60)
        tags = {"team": "vision"} if number % 2 else {"team": "language", "eu": ""}
        scope.create_job(f"job-{number}", instance_count=1 + number, tags=tags)
    clock.advance(60)
    scope.finish(scope.job("job-2"), "Failed")
    clock.advance(60)
    scope.finish(scope.start(scope.job("job-4")), "Completed", billable_seconds=90)


def found(sagemaker: Any, *filters: dict[str, str], **more: Any) -> str:
    """Return the numbers of the found jobs in order."""
    operator = more.pop("Operator", "And")
    expression: dict[str, Any] = {"Operator": operator}
    if filters:
        expression["Filters"] = list(filters)
    expression |= more.pop("SearchExpression", {})
    more = {"SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100, **more}
    answer = sagemaker.search(Resource="TrainingJob", SearchExpression=expression, **more)
    return "".join(row["TrainingJob"]["TrainingJobName"][-1] for row in answer["Results"])


def by(name: str, operator: str, value: str | None = None) -> dict[str, str]:
    made = {"Name": name, "Operator": operator}
    return made if value is None else {**made, "Value": value}


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("TrainingJobName", "Equals", "job-3", "3"),
        ("TrainingJobName", "NotEquals", "job-3", "01245"),
        ("TrainingJobName", "In", "job-5,job-1,job-9", "15"),
        ("TrainingJobName", "Contains", "-4", "4"),
        (
            "TrainingJobArn",
            "Equals",
            "arn:aws:sagemaker:eu-west-1:111122223333:training-job/job-0",
            "0",
        ),
        ("TrainingJobStatus", "Equals", "Failed", "2"),
        ("TrainingJobStatus", "In", "Failed,Completed", "24"),
        ("TrainingJobStatus", "NotEquals", "InProgress", "24"),
        ("CreationTime", "GreaterThan", "2026-11-02T12:05:00", "5"),
        ("CreationTime", "GreaterThanOrEqualTo", "2026-11-02T12:05:00", "45"),
        ("CreationTime", "LessThan", "2026-11-02T12:03:00", "01"),
        ("CreationTime", "LessThanOrEqualTo", "2026-11-02T12:03:00", "012"),
        ("CreationTime", "Equals", "2026-11-02T12:03:00", "2"),
        ("LastModifiedTime", "GreaterThan", "2026-11-02T12:07:00", "4"),
        ("LastModifiedTime", "GreaterThanOrEqualTo", "2026-11-02T12:07:00", "24"),
        ("Tags.team", "Equals", "vision", "135"),
        ("Tags.team", "Contains", "lang", "024"),
        ("Tags.eu", "Exists", None, "024"),
        ("Tags.eu", "NotExists", None, "135"),
        ("BillableTimeInSeconds", "Exists", None, "4"),
        ("BillableTimeInSeconds", "GreaterThan", "89", "4"),
        ("ResourceConfig.InstanceCount", "GreaterThanOrEqualTo", "5", "45"),
        ("ResourceConfig.InstanceType", "Equals", "ml.m5.xlarge", "012345"),
        ("EnableManagedSpotTraining", "Equals", "true", ""),
        ("NoSuchProperty", "Equals", "x", ""),
    ],
)
def test_each_operator_selects_its_jobs(
    sagemaker: Any, name: str, operator: str, value: str | None, expected: str
) -> None:
    assert found(sagemaker, by(name, operator, value)) == expected


def test_filters_are_combined_with_and_or_with_or(sagemaker: Any) -> None:
    two = by("TrainingJobStatus", "Equals", "InProgress"), by("Tags.team", "Equals", "vision")
    assert found(sagemaker, *two) == "135"
    assert found(sagemaker, *two, Operator="Or") == "0135"


def test_expressions_may_be_nested(sagemaker: Any) -> None:
    expression = {
        "Filters": [by("Tags.team", "Equals", "vision")],
        "SubExpressions": [
            {
                "Filters": [
                    by("TrainingJobName", "Equals", "job-1"),
                    by("TrainingJobName", "In", "job-2,job-3"),
                ],
                "Operator": "Or",
            }
        ],
    }
    assert found(sagemaker, SearchExpression=expression) == "13"


def test_one_element_must_meet_all_nested_filters(sagemaker: Any) -> None:
    steps = {
        "NestedPropertyName": "SecondaryStatusTransitions",
        "Filters": [by("SecondaryStatusTransitions.Status", "Equals", "Completed")],
    }
    assert found(sagemaker, SearchExpression={"NestedFilters": [steps]}) == "4"


def test_a_search_finds_a_hundred_jobs_by_name(sagemaker: Any, scope: Scope) -> None:
    names = [f"{number:03d}-" + "x" * 58 for number in range(101)]
    for name in names:
        scope.create_job(name)
    filters = [
        by("TrainingJobName", "In", ",".join(names[first : first + 16]))
        for first in range(0, 100, 16)
    ]
    assert len(filters[0]["Value"]) <= 1024
    assert len(found(sagemaker, *filters, Operator="Or")) == 100


def test_a_search_without_an_expression_finds_everything(sagemaker: Any) -> None:
    assert len(sagemaker.search(Resource="TrainingJob")["Results"]) == 6


def test_search_sorts_by_modification_time_by_default(sagemaker: Any) -> None:
    results = sagemaker.search(Resource="TrainingJob")["Results"]
    names = "".join(row["TrainingJob"]["TrainingJobName"][-1] for row in results)
    assert names == "425310"


@pytest.mark.parametrize(
    ("sort_by", "expected"),
    [
        ("TrainingJobName", "543210"),
        ("TrainingJobStatus", "531024"),
        ("BillableTimeInSeconds", "4"),
    ],
)
def test_search_sorts_by_any_property(sagemaker: Any, sort_by: str, expected: str) -> None:
    order = found(sagemaker, SortBy=sort_by, SortOrder="Descending")
    assert order.startswith(expected[0])
    assert sorted(order) == list("012345")


@pytest.mark.parametrize("sort_by", ["CreationTime", "TrainingJobName"])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_joined_pages_of_a_search_are_complete(
    sagemaker: Any, sort_by: str, order: str, size: int
) -> None:
    pages = sagemaker.get_paginator("search").paginate(
        Resource="TrainingJob", SortBy=sort_by, SortOrder=order, MaxResults=size
    )
    joined = [row["TrainingJob"]["TrainingJobName"] for page in pages for row in page["Results"]]
    assert joined == sorted((f"job-{n}" for n in range(6)), reverse=order == "Descending")


@pytest.mark.parametrize(
    "filters",
    [
        [by("CreationTime", "GreaterThan", "yesterday")],
        [by("CreationTime", "GreaterThan", "2026-13-01T00:00:00")],
        [by("TrainingJobName", "GreaterThan", "job")],
        [by("TrainingJobName", "Equals")],
        [by("CreationTime", "Contains", "2026")],
        [by("ResourceConfig.InstanceCount", "GreaterThan", "many")],
        [by("Tags.team", "Contains", "a"), by("TrainingJobName", "Contains", "b")],
        [by("TrainingJobName", "In", "x" * 1025)],
        [by("TrainingJobName", "Equals", "x")] * 21,
    ],
)
def test_search_refuses_invalid_filters(sagemaker: Any, filters: list[dict[str, str]]) -> None:
    with pytest.raises(ClientError) as error:
        found(sagemaker, *filters)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_a_new_behaviour_applies_at_once(sagemaker: Any, world: World, scope: Scope) -> None:
    job = scope.start(scope.create_job("pooled", keep_alive_seconds=600))
    scope.finish(job)
    pooled = by("WarmPoolStatus.Status", "Equals", "Available")
    assert found(sagemaker, pooled) == "d"
    world.behaviour = Behaviour(pool_status_late_seconds=60)
    assert found(sagemaker, pooled) == ""


def test_the_limit_of_filters_may_be_lower(sagemaker: Any, world: World) -> None:
    two = by("TrainingJobName", "In", "job-1,job-2"), by("TrainingJobName", "In", "job-3")
    assert found(sagemaker, *two, Operator="Or") == "123"
    world.behaviour = Behaviour(search_max_filters=1)
    with pytest.raises(ClientError, match="at most 1"):
        found(sagemaker, *two, Operator="Or")


def test_only_training_jobs_are_searched(sagemaker: Any) -> None:
    with pytest.raises(ClientError, match="TrainingJob"):
        sagemaker.search(Resource="Endpoint")


def test_search_hides_that_a_job_is_serverless(sagemaker: Any, scope: Scope) -> None:
    job = scope.create_job("serverless", serverless_job_config=SERVERLESS)
    assert "ServerlessJobConfig" in sagemaker.describe_training_job(TrainingJobName=job.name)
    filters = [by("TrainingJobName", "Equals", job.name)]
    answer = sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": filters})
    record = answer["Results"][0]["TrainingJob"]
    assert "ServerlessJobConfig" not in record
    assert "ResourceConfig" not in record


def test_bounds_of_a_creation_range_are_exact(scope: Scope, sagemaker: Any) -> None:
    first = scope.job("job-1").creation_time
    bounds = [
        by("CreationTime", "GreaterThanOrEqualTo", f"{first:%Y-%m-%dT%H:%M:%S}"),
        by("CreationTime", "LessThan", f"{first + timedelta(minutes=2):%Y-%m-%dT%H:%M:%S}"),
    ]
    assert found(sagemaker, *bounds) == "12"
    assert found(sagemaker, *bounds, SortBy="TrainingJobName") == "12"
