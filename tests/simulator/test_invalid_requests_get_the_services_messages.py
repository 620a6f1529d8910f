"""botocore's model decides which requests are valid, and the service which words refuse them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from exporter.wire.constraints import Constraints
from exporter.wire.model import shape_at

Post = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"MaxResults": 101},
            "1 validation error detected: Value '101' at 'maxResults' failed to satisfy "
            "constraint: Member must have value less than or equal to 100",
        ),
        (
            {"NameContains": "a_b"},
            "1 validation error detected: Value 'a_b' at 'nameContains' failed to satisfy "
            r"constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9\-]+",
        ),
        (
            {"SortBy": "Age", "NameContains": "x" * 64},
            "2 validation errors detected: Value 'Age' at 'sortBy' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Name, CreationTime, Status]; "
            f"Value '{'x' * 64}' at 'nameContains' failed to satisfy constraint: "
            "Member must have length less than or equal to 63",
        ),
    ],
)
def test_a_refusal_names_the_constraint(
    sagemaker: Any, request_: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError) as error:
        sagemaker.list_training_jobs(**request_)
    assert error.value.response["Error"] == {"Code": "ValidationException", "Message": message}
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("operation", "body", "code", "part"),
    [
        ("ListTrainingJobs", {"MaxResults": "5"}, "SerializationException", "STRING_VALUE"),
        ("ListTrainingJobs", {"CreationTimeAfter": "today"}, "SerializationException", "Timestamp"),
        ("ListTrainingJobs", {"MaxResults": True}, "SerializationException", "BOOLEAN_VALUE"),
        ("ListTrainingJobs", {"MaxResults": 0}, "ValidationException", "greater than or equal"),
        ("ListTrainingJobs", {"Since": 1}, "ValidationException", "Unknown member 'Since'"),
        ("ListTrainingJobs", b"not json", "SerializationException", "not a JSON object"),
        ("ListTrainingJobs", [], "SerializationException", "not a JSON object"),
        ("DescribeTrainingJob", {}, "ValidationException", "Value null at 'trainingJobName'"),
        (
            "Search",
            {"Resource": "TrainingJob", "SearchExpression": {"Filters": [{"Name": ""}]}},
            "ValidationException",
            "'searchExpression.filters.1.member.name'",
        ),
        ("CreateTrainingJob", {}, "UnknownOperationException", "SageMaker.CreateTrainingJob"),
        ("No Such Thing", {}, "UnknownOperationException", "No Such Thing"),
    ],
)
def test_requests_that_boto3_would_not_send_are_refused(
    post: Post, operation: str, body: object, code: str, part: str
) -> None:
    status, _, content = post(operation, body)
    answer = json.loads(content)
    assert (status, answer["__type"]) == (400, code)
    assert part in answer["message"]


def test_null_equals_a_missing_member(post: Post) -> None:
    assert post("ListTrainingJobs", {"MaxResults": None})[0] == 200


def test_a_refusal_names_the_unknown_service(post: Post) -> None:
    status, _, content = post("ListTables", {}, target="DynamoDB_20120810")
    assert status == 400
    assert "DynamoDB_20120810.ListTables" in json.loads(content)["message"]


def test_a_request_without_credentials_is_refused(post: Post) -> None:
    status, _, content = post("ListTrainingJobs", {}, headers={"Authorization": ""})
    assert (status, json.loads(content)["__type"]) == (403, "MissingAuthenticationTokenException")


def test_times_may_have_fractions_of_a_second(post: Post) -> None:
    assert post("ListTrainingJobs", {"CreationTimeAfter": 1790000000.123})[0] == 200
    assert post("ListTrainingJobs", {"CreationTimeAfter": 1e30})[0] == 400


SHAPE = shape_at("sagemaker", "ListTrainingJobs", "input")
words = st.text("aN1-_ ", max_size=3)
scalars = st.none() | st.booleans() | st.integers(-3, 120) | words | st.floats()
anything = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(words, scalars))
names = ["NextToken", "MaxResults", "NameContains", "StatusEquals", "SortBy", "Other"]
members = st.sampled_from(names)


@given(st.dictionaries(members, anything, max_size=4))
def test_nothing_passes_that_botocore_would_refuse(params: dict[str, Any]) -> None:
    # Without times: botocore accepts text for a time, the wire does not.
    ours = Constraints().check(SHAPE)(params)
    if ParamValidator().validate(params, SHAPE).has_errors():
        assert ours
