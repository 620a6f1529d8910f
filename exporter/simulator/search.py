"""Search over training jobs: the candidates, those that match, and their order.

Finding a hundred of a million jobs by name does not build a million records. The names and
creation times in an expression narrow the candidates first; the expression tests the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from exporter.simulator import expression, views
from exporter.simulator.behaviour import Behaviour
from exporter.simulator.job import Job, JobState
from exporter.simulator.scope import Scope

DEFAULT_PAGE_SIZE = 10
"""MaxResults when it is not sent. [I]"""

Hit = tuple[Job, JobState]

_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)


class Reach(NamedTuple):
    """Bounds outside which no job can match.

    Attributes:
        names: The only possible names; None for any.
        first: The earliest creation time, inclusive.
        last: The latest creation time, inclusive.
        exact: Every job within the bounds matches; no test is needed.
    """

    names: frozenset[str] | None = None
    first: datetime = datetime.min.replace(tzinfo=UTC)
    last: datetime = datetime.max.replace(tzinfo=UTC)
    exact: bool = False


class Hits(NamedTuple):
    """The jobs of a page with the states to show, the position of the next page, and the total."""

    hits: Sequence[Hit]
    position: int | None
    total: int


def seen_at(now: datetime, behaviour: Behaviour) -> datetime:
    """Return the moment that the lagging index shows."""
    return now - timedelta(seconds=behaviour.search_lag_seconds)


def search(scope: Scope, params: Mapping[str, Any], position: int | None, seen: datetime) -> Hits:
    """Return one page of results.

    Args:
        scope: The account and region.
        params: The parameters of the request by the names of the model.
        position: The position that the previous page returned; None for the first page.
        seen: The moment that the index shows.

    Raises:
        ApiError: ValidationException: the service would reject the expression.
    """
    wanted = params.get("SearchExpression", {})
    expression.check_limits(wanted, scope.behaviour.search_max_filters)
    begin = position or 0
    end = begin + int(params.get("MaxResults", DEFAULT_PAGE_SIZE))
    limits = reach(wanted)
    if limits.exact and params.get("SortBy") == "CreationTime" and not _deleted_since(scope, seen):
        # The index has this order, so a page costs the same in a history of any size.
        low, high = scope.index.between(limits.first, min(limits.last, seen), inclusive=True)
        first, last = low + begin, min(low + end, high)
        if _descending(params):
            first, last = max(high - end, low), high - begin
        page = [(job, job.state_at(seen)) for job in scope.index.jobs[first : max(first, last)]]
        following = end if low + end < high else None
        return Hits(page[::-1] if _descending(params) else page, following, high - low)
    key = (scope.index.version, seen, repr({**params, "NextToken": 0, "MaxResults": 0}))
    if scope.last_search is None or scope.last_search[0] != key:
        found = list(_matching(scope, wanted, limits, seen))
        scope.last_search = key, _ordered(found, params, seen, scope.behaviour)
    ordered = scope.last_search[1]
    return Hits(ordered[begin:end], end if end < len(ordered) else None, len(ordered))


def reach(wanted: Mapping[str, Any]) -> Reach:
    """Return the bounds that an expression sets.

    Raises:
        ApiError: ValidationException: a creation time has the wrong form.
    """
    filters, below = wanted.get("Filters", ()), wanted.get("SubExpressions", ())
    plain = not wanted.get("NestedFilters")
    parts = [_of_filter(each) for each in filters] + [reach(each) for each in below]
    names = [each.names for each in parts if each.names is not None]
    if wanted.get("Operator", "And") == "Or" and len(parts) > 1:
        whole = plain and len(names) == len(parts)
        return Reach(frozenset().union(*names)) if whole else Reach()
    return Reach(
        frozenset.intersection(*names) if names else None,
        max(each.first for each in (*parts, Reach())),
        min(each.last for each in (*parts, Reach())),
        plain and all(each.exact for each in parts),
    )


def _of_filter(wanted: Mapping[str, Any]) -> Reach:
    name, operator = wanted["Name"], wanted.get("Operator", "Equals")
    value = wanted.get("Value")
    if value is not None and name == "TrainingJobName" and operator in ("Equals", "In"):
        names = value.split(",") if operator == "In" else [value]
        return Reach(frozenset(names))
    if value is not None and name == "CreationTime":
        when = expression.read_time(value)
        # Filters have whole seconds and jobs milliseconds, so inclusive bounds suffice.
        ranges = {
            "Equals": Reach(first=when, last=when + _SECOND - _MILLISECOND, exact=True),
            "GreaterThan": Reach(first=when + _MILLISECOND, exact=True),
            "GreaterThanOrEqualTo": Reach(first=when, exact=True),
            "LessThan": Reach(last=when - _MILLISECOND, exact=True),
            "LessThanOrEqualTo": Reach(last=when, exact=True),
        }
        return ranges.get(operator, Reach())
    return Reach()


def _matching(
    scope: Scope, wanted: Mapping[str, Any], limits: Reach, seen: datetime
) -> Iterator[Hit]:
    behaviour = scope.behaviour
    test = expression.compiled(wanted)
    for job in _candidates(scope, limits, seen):
        state = job.state_at(seen)
        if limits.exact or test(views.search_record(job, state, seen, behaviour)):
            yield job, state


def _candidates(scope: Scope, limits: Reach, seen: datetime) -> Iterator[Job]:
    """Yield the jobs within the bounds that the index holds at a moment."""
    last = min(limits.last, seen)
    if limits.names is not None:
        named = (scope.find(name) for name in sorted(limits.names))
        yield from (job for job in named if job and limits.first <= job.creation_time <= last)
    else:
        low, high = scope.index.between(limits.first, last, inclusive=True)
        yield from scope.index.jobs[low:high]
    for job in _deleted_since(scope, seen):
        named_so = limits.names is None or job.name in limits.names
        if named_so and limits.first <= job.creation_time <= last:
            yield job


def _deleted_since(scope: Scope, seen: datetime) -> list[Job]:
    """Return the jobs deleted since a moment; the index still shows them."""
    found = []
    for job, when in reversed(scope.deleted):
        if when <= seen:
            break
        found.append(job)
    return found


def _ordered(
    found: list[Hit], params: Mapping[str, Any], seen: datetime, behaviour: Behaviour
) -> list[Hit]:
    by = params.get("SortBy", "LastModifiedTime")

    def value(hit: Hit) -> Any:  # noqa: ANN401 - any value of a record
        job, state = hit
        quick = {
            "LastModifiedTime": state.last_modified_time,
            "CreationTime": job.creation_time,
            "TrainingJobName": job.name,
        }
        if by in quick:
            return quick[by]
        return expression.property_of(views.search_record(job, state, seen, behaviour), by)

    present, absent = [], []
    for hit in found:
        key = value(hit)
        if key is None or isinstance(key, Mapping | list):
            absent.append(hit)
        else:
            present.append(((key, hit[0].number), hit))
    present.sort(key=lambda each: each[0], reverse=_descending(params))
    return [hit for _, hit in present] + absent


def _descending(params: Mapping[str, Any]) -> bool:
    return bool(params.get("SortOrder", "Descending") == "Descending")
