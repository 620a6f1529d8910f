"""The questions a sync asks of one scope; typed answers come out, nothing is decided here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import InvalidRequest, NotFound
from exporter.sagemaker.rows import DetailRow, JobRow, detail_row, job_row, job_rows, tags_json

PAGE: Final = 100
#: How far behind the Search index may be (reported: seconds to a minute); ours to be careful.
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
        as_of: Server time at which it was asked for; None where the server gave none.
        date: The answer's HTTP Date.
    """

    rows: Sequence[JobRow]
    next_token: str | None
    as_of: datetime | None
    date: datetime | None


@dataclass(frozen=True)
class Found:
    """What Search or Describe say of one job; `sure` is False for Search, whose index lags."""

    job: JobRow
    details: DetailRow
    as_of: datetime
    sure: bool


@dataclass(frozen=True)
class ListRequest:
    """Parameters of ListTrainingJobs beside MaxResults and the order, which are always sent."""

    created_after: datetime | None = None
    created_before: datetime | None = None
    modified_after: datetime | None = None
    token: str | None = None
    filters: dict[str, Any] = field(default_factory=dict)


def list_page(api: Api, request: ListRequest) -> Page:
    """One page, oldest creation first.

    SortBy and SortOrder are always sent: the documentation contradicts itself on the defaults.
    Bounds are sent as whole seconds, as some versions of botocore do in any case.
    """
    parameters: dict[str, Any] = {
        "MaxResults": PAGE,
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
    answer = api.call("ListTrainingJobs", **parameters)
    return Page(
        job_rows(answer.data.get("TrainingJobSummaries")),
        answer.data.get("NextToken") or None,
        answer.as_of,
        answer.date,
    )


def describe(api: Api, name: str) -> Found | None:
    """Everything but the tags of the job of that name; None where the service says it is gone.

    Raises:
        ExporterError: Denied, throttled past patience, and so on (see `failures`).
    """
    operation = "DescribeTrainingJob"
    try:
        answer = api.call(operation, TrainingJobName=name)
    except NotFound:
        return None
    job = job_row(answer.data, operation)
    as_of = known_by(answer.as_of, [job])
    return Found(job, detail_row(answer.data, operation), as_of, sure=True)


def with_tags(api: Api, found: Found) -> Found:
    """The same with its tags from ListTags; unchanged where the job is gone meanwhile."""
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


def search_names(api: Api, names: Sequence[str], *, many: bool) -> Iterator[Found]:
    """Jobs by name, as the index has them: lagging, and perhaps a namesake.

    Args:
        api: The scope's calls.
        names: At most `names_a_call(many)` of them are asked for at once.
        many: Whether one call may Or several filters; the model allows it, nobody has seen it.

    Raises:
        InvalidRequest: With `many`, the service takes only one filter: ask again without.
    """
    for group in _groups(names, many=many):
        filters = [{"Name": "TrainingJobName", "Operator": "In", "Value": value} for value in group]
        yield from _search(api, {"Filters": filters, "Operator": "Or"})


def search_created(api: Api, first: datetime, last: datetime) -> Iterator[Found]:
    """Jobs created from `first` to `last`, oldest first; the filter takes whole seconds."""
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
    yield from _search(api, {"Filters": filters, "Operator": "And"})


def known_by(as_of: datetime | None, rows: Sequence[JobRow]) -> datetime:
    """The server's time of an answer; where it gave none, the latest time its rows tell.

    That is too early rather than too late, so it never closes a job before its time.
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
    """Whether only Describe can tell how the job is billed: Search has no ServerlessJobConfig."""
    return (
        details.serverless is None
        and details.instance_type is None
        and details.instance_groups is None
    )


def calls_by_name(names: Sequence[str], *, many: bool) -> int:
    """How many Search calls `search_names` makes for these names."""
    return sum(1 for _ in _groups(names, many=many))


def _search(api: Api, expression: dict[str, Any]) -> Iterator[Found]:
    token: dict[str, str] = {}
    while True:
        answer = api.call(
            "Search",
            Resource="TrainingJob",
            SearchExpression=expression,
            SortBy="CreationTime",
            SortOrder="Ascending",
            MaxResults=PAGE,
            **token,
        )
        records = [
            # A job without tags has no Tags member here, and that is known too.
            {"Tags": [], **result["TrainingJob"]}
            for result in answer.data.get("Results", [])
            if result.get("TrainingJob")
        ]
        jobs = [job_row(record, "Search") for record in records]
        # The index shows the state of some moment after this one.
        as_of = known_by(answer.as_of, jobs) - SEARCH_LAG
        for job, record in zip(jobs, records, strict=True):
            yield Found(job, detail_row(record, "Search"), as_of, sure=False)
        if not answer.data.get("NextToken"):
            return
        token = {"NextToken": answer.data["NextToken"]}


def _groups(names: Sequence[str], *, many: bool) -> Iterator[list[str]]:
    """Names as values of `In` filters: a call's worth at a time, at most a page of names."""
    group: list[str] = []
    value: list[str] = []
    count = length = 0
    for name in names:
        longer = length + len(name) + 1
        if value and longer > _VALUE_LENGTH + 1:
            group.append(",".join(value))
            value, longer = [], len(name) + 1
            if not many or len(group) == _FILTERS:
                yield group
                group, count = [], 0
        value.append(name)
        count, length = count + 1, longer
        if count == PAGE:
            yield [*group, ",".join(value)]
            group, value, count, length = [], [], 0, 0
    if value:
        yield [*group, ",".join(value)]


def _whole_second_up(value: datetime) -> datetime:
    return datetime.fromtimestamp(math.ceil(value.timestamp()), UTC)
