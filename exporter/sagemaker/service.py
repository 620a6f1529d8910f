"""The calls that a sync makes in one scope; typed answers come out, nothing is decided here.

A record that cannot be read is skipped and counted, and the rest of its page is kept: one odd job
must not hide the others. A page on which no record can be read is refused as a whole, because
then the service has changed, not a job.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from exporter.errors import ServiceError
from exporter.sagemaker.api import Answer, Api
from exporter.sagemaker.failures import EndlessAnswer, InvalidRequest, NotFound
from exporter.sagemaker.rows import DetailRow, JobRow, Record, Unreadable, fill, tags_json

_Read = TypeVar("_Read")

#: Jobs per page of ListTrainingJobs and Search; the most that the API allows.
PAGE: Final = 100
#: How far the Search index may lag. Reports say seconds to a minute; this is cautious.
SEARCH_LAG: Final = timedelta(minutes=2)
#: Limits of the model: FilterValue 1,024 characters, FilterList 20 filters.
_VALUE_LENGTH, _FILTERS = 1024, 20
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A page of at least so many records, none of which can be read, is not of this API. Fewer may all
#: be odd jobs, and refusing them would stop the scope.
_TOO_MANY_UNREADABLE: Final = 10


@dataclass(frozen=True)
class Page:
    """One page of ListTrainingJobs.

    Attributes:
        rows: Its jobs, in the order of the answer.
        next_token: None only at the end of the listing.
        as_of: Server time of the request; None if the server gave none.
        date: HTTP Date of the answer.
        now: Server time of the answer; without a Date, the best estimate of it.
    """

    rows: Sequence[JobRow]
    next_token: str | None
    as_of: datetime | None
    date: datetime | None
    now: datetime

    @property
    def seen_at(self) -> datetime:
        """Server time that the answer stands for: too early rather than too late."""
        return self.as_of or _seen_by(self.rows, self.now)


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
    answer = api.call("ListTrainingJobs", **parameters)
    rows = _each(api, answer.operation, answer.items, _job)
    return Page(rows, answer.next_token, answer.as_of, answer.date, api.time())


def describe(api: Api, name: str) -> Found | None:
    """Return the job of that name without its tags; None if the service has no such job.

    Raises:
        Unreadable: The answer does not say which job it is about; this has been counted.
        ExporterError: Any failure (see `failures`).
    """
    operation = "DescribeTrainingJob"
    try:
        answer = api.call(operation, TrainingJobName=name)
    except NotFound:
        return None
    for job, details in _each(api, operation, [answer.data], _job_and_details):
        # A job that waits for a late field is described to close it. So without a Date, the time
        # of this machine counts here, or no job would ever close.
        return Found(job, details, answer.as_of or api.time(), authoritative=True)
    raise Unreadable(operation)


def with_tags(api: Api, found: Found) -> Found:
    """Return the job with its tags from ListTags; unchanged if it has been deleted meanwhile.

    Raises:
        EndlessAnswer: The NextToken does not move.
        ExporterError: Any other failure (see `failures`).
    """
    operation = "ListTags"
    items: list[object] = []
    try:
        for answer in pages(api, operation, ResourceArn=found.job.training_job_arn):
            items.extend(answer.items)
    except (NotFound, InvalidRequest):
        return found
    record = Record({"Tags": items}, operation)
    tags = tags_json(record.each("Tags"))
    api.counts.odd("repaired", operation, record.odd)
    return replace(found, details=replace(found.details, tags=tags))


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
        for results in _search(api, {"Filters": filters, "Operator": "Or"}, size):
            yield from results.found


def search_created(api: Api, first: datetime, last: datetime, size: int = PAGE) -> Iterator[Found]:
    """Yield jobs created from `first` to `last`; the filter takes whole seconds.

    If the service does not show all results of a window, each half of the window is searched, and
    so on; some jobs then come more than once.

    Raises:
        InvalidRequest: The service rejects the search, even of one second.
        ExporterError: Any other failure (see `failures`).
    """
    windows = [(first.replace(microsecond=0), _whole_second_up(last))]
    while windows:
        low, high = windows.pop()
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        try:
            capped = yield from _search_window(api, low, high, size)
        except InvalidRequest:
            if middle == low:
                raise
            capped = True
        if capped and middle > low:
            windows += [(middle, high), (low, middle)]


def _search_window(
    api: Api, low: datetime, high: datetime, size: int
) -> Generator[Found, None, bool]:
    """Yield jobs of a window; return whether the service has more than it showed."""
    filters = _created((("GreaterThanOrEqualTo", low), ("LessThanOrEqualTo", high)))
    shown = total = 0
    for results in _search(api, {"Filters": filters, "Operator": "And"}, size):
        yield from results.found
        shown, total = shown + results.shown, max(total, results.total)
    # A total is only believed after a full page: it may count other jobs as well.
    return total > shown >= size


@dataclass(frozen=True, slots=True)
class Total:
    """A number of jobs: all that there are, or a lower bound."""

    jobs: int
    is_exact: bool


def count_created(api: Api, first: datetime, last: datetime) -> Total | None:
    """Return how many jobs were created from `first` to `last`, by the index of Search.

    The filter takes whole seconds. None = the answer has no total.

    Raises:
        ExporterError: Any failure (see `failures`).
    """
    bounds = (
        ("GreaterThanOrEqualTo", first.replace(microsecond=0)),
        ("LessThanOrEqualTo", _whole_second_up(last)),
    )
    answer = api.call(
        "Search",
        Resource="TrainingJob",
        SearchExpression={"Filters": _created(bounds), "Operator": "And"},
        SortBy="CreationTime",
        SortOrder="Ascending",
        MaxResults=1,
    )
    hits = Record(answer.data, answer.operation).within("TotalHits")
    jobs: int | None = hits.get("Value", int)
    return None if jobs is None else Total(jobs, hits.get("Relation", str) == "EqualTo")


def _created(bounds: Iterable[tuple[str, datetime]]) -> list[dict[str, str]]:
    """Return filters of Search on the creation time, by operator and bound."""
    return [
        {
            "Name": "CreationTime",
            "Operator": operator,
            "Value": f"{bound.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
        }
        for operator, bound in bounds
    ]


def may_be_serverless(details: DetailRow) -> bool:
    """Return whether only Describe shows how a job is billed: Search lacks ServerlessJobConfig."""
    return (
        details.serverless is None
        and details.instance_type is None
        and details.instance_groups is None
    )


@dataclass(frozen=True)
class _Results:
    """A page of Search: its jobs, its number of results, and the number that the service has."""

    found: Sequence[Found]
    shown: int
    total: int


def _search(api: Api, expression: dict[str, Any], size: int) -> Iterator[_Results]:
    answers = pages(
        api,
        "Search",
        Resource="TrainingJob",
        SearchExpression=expression,
        SortBy="CreationTime",
        SortOrder="Ascending",
        MaxResults=size,
    )
    for answer in answers:
        records = map(_training_job, answer.items)
        jobs = _each(api, answer.operation, records, _job_and_details)
        # The index shows the state of some moment after this one.
        as_of = answer.as_of or _seen_by([job for job, _ in jobs], api.time())
        as_of -= SEARCH_LAG
        found = [Found(job, details, as_of, authoritative=False) for job, details in jobs]
        yield _Results(found, len(answer.items), _total_hits(answer))


def _training_job(result: object) -> object:
    """Return the record in a result of Search, with its tags."""
    record = result.get("TrainingJob") if isinstance(result, Mapping) else None
    # Search omits the member if a job has no tags, so its tags are known to be none.
    return {"Tags": [], **record} if isinstance(record, Mapping) else record


def _total_hits(answer: Answer) -> int:
    """Return the number of results that the service has, or has at least."""
    hits = Record(answer.data, answer.operation).within("TotalHits")
    more: bool = hits.get("Relation", str) == "GreaterThanOrEqualTo"
    value: int | None = hits.get("Value", int)
    return (value or 0) + more


def pages(api: Api, operation: str, **parameters: Any) -> Iterator[Answer]:  # noqa: ANN401 - as boto3 takes
    """Yield the answers of an operation, page after page.

    Raises:
        EndlessAnswer: A NextToken came before.
        ExporterError: Any other failure (see `failures`).
    """
    tokens: set[str] = set()
    while True:
        answer = api.call(operation, **parameters)
        yield answer
        token = answer.next_token
        if token is None:
            return
        if token in tokens:
            raise EndlessAnswer(operation, api.scope)
        tokens.add(token)
        parameters["NextToken"] = token


def _each(
    api: Api, operation: str, items: Iterable[object], read: Callable[[Record], _Read]
) -> list[_Read]:
    """Return what is read of each record; count what is odd and skip what cannot be read.

    Raises:
        ServiceError: Of many records, none can be read.
    """
    found = []
    number = 0
    for number, item in enumerate(items, 1):  # noqa: B007 - the last number is the length
        try:
            record = Record(item, operation)
            found.append(read(record))
        except Unreadable as error:
            api.counts.odd("skipped", operation, [error.member])
        else:
            if record.odd:
                api.counts.odd("repaired", operation, record.odd)
    if number >= _TOO_MANY_UNREADABLE and not found:
        raise ServiceError(
            f"{operation} returned {number} records, and none of them is one of its API.",
            "The whole answer was rejected and none of it was stored. Is the endpoint SageMaker?",
        )
    return found


def _job(record: Record) -> JobRow:
    return fill(JobRow, record)


def _job_and_details(record: Record) -> tuple[JobRow, DetailRow]:
    return fill(JobRow, record), fill(DetailRow, record)


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


def _seen_by(rows: Sequence[JobRow], now: datetime) -> datetime:
    """Return the latest time in the rows of an answer without a Date, but none after `now`."""
    times = (
        moment
        for row in rows
        for moment in (row.creation_time, row.last_modified_time, row.training_end_time)
    )
    return min(max((moment for moment in times if moment is not None), default=_LONG_AGO), now)


def _whole_second_up(value: datetime) -> datetime:
    return datetime.fromtimestamp(math.ceil(value.timestamp()), UTC)
