"""The calls that a sync makes in one scope; typed answers come out, nothing is decided here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import InvalidRequest, NotFound
from exporter.sagemaker.rows import DetailRow, JobRow, read, tags_json

#: Jobs per page of ListTrainingJobs and Search; the most that the API allows.
PAGE: Final = 100
#: How far the Search index may lag. Reports say seconds to a minute; this is cautious.
SEARCH_LAG: Final = timedelta(minutes=2)
#: Limits of the model: FilterValue 1,024 characters, FilterList 20 filters.
_VALUE_LENGTH, _FILTERS = 1024, 20
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """One page of ListTrainingJobs.

    Attributes:
        rows: Its jobs, in the order of the answer.
        next_token: None only at the end of the listing.
        as_of: Server time of the request; None if the server gave none.
        date: HTTP Date of the answer.
    """

    rows: Sequence[JobRow]
    next_token: str | None
    as_of: datetime | None
    date: datetime | None


@dataclass(frozen=True)
class Found:
    """One job in an answer of Search or Describe.

    Attributes:
        job: The job.
        details: Its details.
        as_of: Server time that the answer stands for.
        authoritative: False for Search, whose index lags.
    """

    job: JobRow
    details: DetailRow
    as_of: datetime
    authoritative: bool


@dataclass(frozen=True)
class ListRequest:
    """Parameters of ListTrainingJobs except MaxResults and the order, which are always sent."""

    created_after: datetime | None = None
    created_before: datetime | None = None
    modified_after: datetime | None = None
    token: str | None = None
    filters: dict[str, Any] = field(default_factory=dict)


def list_page(api: Api, request: ListRequest, size: int = PAGE) -> Page:
    """Return one page of at most `size` jobs, oldest creation time first.

    SortBy and SortOrder are always sent, because the documentation contradicts itself on the
    defaults. Bounds are sent as whole seconds, as some versions of botocore do in any case.

    Raises:
        InvalidRequest: The service rejects a parameter, such as an expired token.
        ExporterError: Any other failure (see `failures`).
    """
    parameters: dict[str, Any] = {
        "MaxResults": size,
        "SortBy": "CreationTime",
        "SortOrder": "Ascending",
        **request.filters,
    }
    if request.created_after is not None:
        parameters["CreationTimeAfter"] = request.created_after.replace(microsecond=0)
    if request.created_before is not None:
        parameters["CreationTimeBefore"] = _whole_second_up(request.created_before)
    if request.modified_after is not None:
        parameters["LastModifiedTimeAfter"] = request.modified_after.replace(microsecond=0)
    if request.token is not None:
        parameters["NextToken"] = request.token
    operation = "ListTrainingJobs"
    answer = api.call(operation, **parameters)
    return Page(
        [read(JobRow, summary, operation) for summary in answer.items("TrainingJobSummaries")],
        answer.data.get("NextToken") or None,
        answer.as_of,
        answer.date,
    )


def describe(api: Api, name: str) -> Found | None:
    """Return the job of that name without its tags; None if the service has no such job.

    Raises:
        ExporterError: Any failure (see `failures`).
    """
    operation = "DescribeTrainingJob"
    try:
        answer = api.call(operation, TrainingJobName=name)
    except NotFound:
        return None
    job = read(JobRow, answer.data, operation)
    details = read(DetailRow, answer.data, operation)
    return Found(job, details, known_by(answer.as_of, [job]), authoritative=True)


def with_tags(api: Api, found: Found) -> Found:
    """Return the job with its tags from ListTags; unchanged if it has been deleted meanwhile."""
    tags: list[dict[str, str]] = []
    token: dict[str, str] = {}
    while True:
        try:
            answer = api.call("ListTags", ResourceArn=found.job.training_job_arn, **token)
        except (NotFound, InvalidRequest):
            return found
        tags.extend(answer.data.get("Tags", []))
        if not answer.data.get("NextToken"):
            return replace(found, details=replace(found.details, tags=tags_json(tags)))
        token = {"NextToken": answer.data["NextToken"]}


def search_names(
    api: Api, names: Sequence[str], *, several_filters: bool, size: int = PAGE
) -> Iterator[Found]:
    """Yield jobs by name as the index has them: it lags, and may show another job of the name.

    Args:
        api: The calls of the scope.
        names: TrainingJobNames; one call takes at most `size` of them.
        several_filters: Whether one call may combine several filters with Or. The model allows
            it; nobody has documented that the service does.
        size: Names per call and jobs per page.

    Raises:
        InvalidRequest: The service rejects several filters; call again without them.
        ExporterError: Any other failure (see `failures`).
    """
    for values in _filter_values(names, size, 1 if not several_filters else _FILTERS):
        filters = [
            {"Name": "TrainingJobName", "Operator": "In", "Value": value} for value in values
        ]
        yield from _search(api, {"Filters": filters, "Operator": "Or"}, size)


def search_created(api: Api, first: datetime, last: datetime, size: int = PAGE) -> Iterator[Found]:
    """Yield jobs created from `first` to `last`, oldest first; the filter takes whole seconds."""
    bounds = (
        ("GreaterThanOrEqualTo", first.replace(microsecond=0)),
        ("LessThanOrEqualTo", _whole_second_up(last)),
    )
    filters = [
        {
            "Name": "CreationTime",
            "Operator": operator,
            "Value": f"{bound.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
        }
        for operator, bound in bounds
    ]
    yield from _search(api, {"Filters": filters, "Operator": "And"}, size)


def known_by(as_of: datetime | None, rows: Sequence[JobRow]) -> datetime:
    """Return the server time of an answer; if it gave none, the latest time in its rows.

    The latter is too early rather than too late, so it never closes a job before its time.
    """
    if as_of is not None:
        return as_of
    times = (
        moment
        for row in rows
        for moment in (row.creation_time, row.last_modified_time, row.training_end_time)
    )
    return max((moment for moment in times if moment is not None), default=_LONG_AGO)


def may_be_serverless(details: DetailRow) -> bool:
    """Return whether only Describe shows how a job is billed: Search lacks ServerlessJobConfig."""
    return (
        details.serverless is None
        and details.instance_type is None
        and details.instance_groups is None
    )


def _search(api: Api, expression: dict[str, Any], size: int) -> Iterator[Found]:
    token: dict[str, str] = {}
    while True:
        answer = api.call(
            "Search",
            Resource="TrainingJob",
            SearchExpression=expression,
            SortBy="CreationTime",
            SortOrder="Ascending",
            MaxResults=size,
            **token,
        )
        records = [
            # Search omits the member if a job has no tags, so its tags are known to be none.
            {"Tags": [], **result["TrainingJob"]}
            for result in answer.data.get("Results", [])
            if result.get("TrainingJob")
        ]
        jobs = [read(JobRow, record, "Search") for record in records]
        # The index shows the state of some moment after this one.
        as_of = known_by(answer.as_of, jobs) - SEARCH_LAG
        for job, record in zip(jobs, records, strict=True):
            yield Found(job, read(DetailRow, record, "Search"), as_of, authoritative=False)
        if not answer.data.get("NextToken"):
            return
        token = {"NextToken": answer.data["NextToken"]}


def _filter_values(names: Sequence[str], size: int, filters: int) -> Iterator[list[str]]:
    """Yield the values of the `In` filters of each call: at most `size` names in all."""
    values: list[str] = []
    value: list[str] = []
    count = length = 0
    for name in names:
        longer = length + len(name) + 1
        if value and longer > _VALUE_LENGTH + 1:
            values.append(",".join(value))
            value, longer = [], len(name) + 1
            if len(values) == filters:
                yield values
                values, count = [], 0
        value.append(name)
        count, length = count + 1, longer
        if count == size:
            yield [*values, ",".join(value)]
            values, value, count, length = [], [], 0, 0
    if value:
        yield [*values, ",".join(value)]


def _whole_second_up(value: datetime) -> datetime:
    return datetime.fromtimestamp(math.ceil(value.timestamp()), UTC)
