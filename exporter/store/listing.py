"""List jobs as ListTrainingJobs does: filtered, then sorted, after a place in that order.

A page begins after the sort key of the previous row. It does not count rows, so the hundredth page
costs as much as the first, and rows that come or go in between move nothing. Creation times and
names never change, so a place in those orders stays valid. Statuses do change. In a listing sorted
by status, each job keeps the place that it had when the listing began; `training_job_changes` has
the status of that time (`Mark`).

The statements run on any connection with these tables: the file, or a copy in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from exporter.store.scopes import ScopeKey

#: Runs a statement with named parameters (`$name`) and returns all its rows.
Execute = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]
SortBy = Literal["Name", "CreationTime", "Status"]


class StaleMark(Exception):
    """A listing began with another history of statuses."""


class Mark(NamedTuple):
    """A point in the append-only history of statuses.

    Attributes:
        changes: How many rows training_job_changes had.
        check: A hash of the last of them; it differs in another history.
    """

    changes: int
    check: str


class Span(NamedTuple):
    """How many jobs there are, and the first and last creation time in microseconds."""

    jobs: int
    first: int
    last: int


class Place(NamedTuple):
    """The end of a page: the sort key of its last row.

    Attributes:
        key: The values of the sort columns; times are microseconds since the epoch.
        mark: The history when the listing began, if it is sorted by status.
    """

    key: tuple[str | int, ...]
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What to list. A filter that is None matches all jobs; time bounds are aware and exclusive.

    Attributes:
        account_id: The account; None lists all.
        region: The region; None lists all.
        sort_by: Ties are sorted by creation time, then by ARN.
        descending: Reverses the whole order, including ties.
        created_after: Lower bound of the creation time.
        created_before: Upper bound of the creation time.
        modified_after: Lower bound of LastModifiedTime; a job without it does not match.
        modified_before: Upper bound of LastModifiedTime; likewise.
        name_contains: A part of the name, case-sensitive.
        status: TrainingJobStatus.
        warm_pool_status: WarmPoolStatus.Status.
        training_plan_arn: TrainingPlanArn.
        deleted: Include jobs that AWS has deleted.
    """

    account_id: str | None = None
    region: str | None = None
    sort_by: SortBy = "CreationTime"
    descending: bool = True
    created_after: datetime | None = None
    created_before: datetime | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    name_contains: str | None = None
    status: str | None = None
    warm_pool_status: str | None = None
    training_plan_arn: str | None = None
    deleted: bool = False

    @property
    def by_status(self) -> bool:
        """Whether jobs can change places: the listing is sorted by status and has several."""
        return self.sort_by == "Status" and self.status is None


class Listed(NamedTuple):
    """A row; times are microseconds since the epoch, UTC.

    `status_then` is the status that sorts it: the current one, or that when the listing began.
    """

    training_job_name: str
    training_job_arn: str
    creation_time: int
    training_end_time: int | None
    last_modified_time: int | None
    training_job_status: str
    secondary_status: str | None
    warm_pool_status: str | None
    warm_pool_retained_seconds: int | None
    warm_pool_reused_by_job: str | None
    training_plan_arn: str | None
    account_id: str
    region: str
    deleted_at: int | None
    status_then: str


class Rows(NamedTuple):
    """Rows in order, and the history when the listing began if it is sorted by status."""

    jobs: list[Listed]
    mark: Mark | None


TIMES: Final = frozenset({"creation_time", "training_end_time", "last_modified_time", "deleted_at"})
#: The columns of training_jobs that a listing needs.
COLUMNS: Final = Listed._fields[:-1]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX: Final = 2**63 - 1
#: A bound is chosen for so many times the jobs of a page, and then for so many times that.
_ROOM, _WIDER = 4, 32

_FILTERS: Final = {
    "account_id": "account_id = $account_id",
    "region": "region = $region",
    "created_after": "creation_time > $created_after",
    "created_before": "creation_time < $created_before",
    "modified_after": "last_modified_time > $modified_after",
    "modified_before": "last_modified_time < $modified_before",
    "name_contains": "contains(training_job_name, $name_contains)",
    "status": "training_job_status = $status",
    "warm_pool_status": "warm_pool_status = $warm_pool_status",
    "training_plan_arn": "training_plan_arn = $training_plan_arn",
}


def rows(
    execute: Execute,
    listing: Listing,
    after: Place | None,
    limit: int | None,
    now: Mark | None = None,
    span: Span | None = None,
) -> Rows:
    """Return at most `limit` jobs after a place.

    Args:
        execute: Runs statements.
        listing: What to list.
        after: The end of the previous page; None begins.
        limit: The largest number of jobs; None returns all.
        now: The current end of the history, if the caller knows it.
        span: The jobs of the table, if the caller knows it; it saves a look at all rows.

    Raises:
        StaleMark: The place belongs to a history that this database does not have.
    """
    if not listing.by_status:
        found: list[Listed] = []
        for narrowed in _narrowed(listing, after, limit, span):
            found = _rows(execute, _Query(narrowed), after, limit)
            if len(found) == limit:
                break
        return Rows(found, None)
    now = now or read_mark(execute)
    begun = now if after is None or after.mark is None else after.mark
    if begun != now:
        _check(execute, begun, now)
        return Rows(_rows(execute, _Query(listing, begun), after, limit), begun)
    return Rows(_by_status(execute, listing, after, limit), begun)


def place_of(listing: Listing, job: Listed, mark: Mark | None) -> Place:
    """Return the place after a row."""
    return Place(tuple(getattr(job, name) for name in _sort_columns(listing)), mark)


def read_mark(execute: Execute) -> Mark:
    """Return the current end of the history of statuses."""
    changes = int(execute("SELECT count(*) FROM training_job_changes", {})[0][0])
    return Mark(changes, _check_of(execute, changes))


def count(execute: Execute) -> int:
    """Return the number of jobs, including deleted ones, at no cost."""
    return int(execute("SELECT count(*) FROM training_jobs", {})[0][0])


def read_scopes(execute: Execute) -> list[ScopeKey]:
    """Return every account and region that was synced or has jobs, sorted."""
    found = execute(
        """
        SELECT account_id, region FROM sync_scopes
        UNION
        SELECT account_id, region FROM training_jobs
        ORDER BY account_id, region
        """,
        {},
    )
    return [ScopeKey(*row) for row in found]


def _by_status(
    execute: Execute, listing: Listing, after: Place | None, limit: int | None
) -> list[Listed]:
    """List one status after the other: sorting all jobs by two texts takes five times as long."""
    found: list[Listed] = []
    reached = None if after is None else str(after.key[0])
    included = True
    while limit is None or len(found) < limit:
        status = _next_status(execute, listing, reached, included)
        if status is None:
            break
        here = after if after is not None and after.key[0] == status else None
        left = None if limit is None else limit - len(found)
        found += _rows(execute, _Query(listing, status=status), here, left)
        reached, included = status, False
    return found


def _next_status(
    execute: Execute, listing: Listing, reached: str | None, included: bool
) -> str | None:
    """Return the next status after `reached`, or `reached` itself if it is included."""
    query = _Query(listing)
    function, sign = ("max", "<") if listing.descending else ("min", ">")
    where, parameters = query.where, dict(query.parameters)
    if reached is not None:
        where += f" AND training_job_status {sign}{'=' if included else ''} $reached"
        parameters["reached"] = reached
    statement = f"SELECT {function}(training_job_status) FROM training_jobs WHERE {where}"  # noqa: S608 - our own names
    found: str | None = execute(statement, parameters)[0][0]
    return found


def read_span(execute: Execute) -> Span | None:
    """Return the span of all jobs; None if there are none."""
    jobs, first, last = execute(
        "SELECT count(*), epoch_us(min(creation_time)), epoch_us(max(creation_time)) "
        "FROM training_jobs",
        {},
    )[0]
    return Span(jobs, first, last) if jobs else None


def _narrowed(
    listing: Listing, after: Place | None, limit: int | None, span: Span | None
) -> Iterator[Listing]:
    """Yield the listing with a bound within which a page of it should be, then wider ones.

    DuckDB would compare all rows to find the first hundred; a bound lets it skip most of them. The
    last one is the listing itself, so no page misses a job.
    """
    if span is not None and limit is not None and _is_dense(listing):
        given = listing.created_before if listing.descending else listing.created_after
        edge = _MAX if listing.descending else 0
        if after is not None:
            edge = int(after.key[0])
        elif given is not None:
            edge = (given - _EPOCH) // _MICROSECOND
        edge = min(max(edge, span.first - 1), span.last + 1)
        width = _ROOM * limit * (span.last - span.first) // span.jobs + 1
        for times in (1, _WIDER):
            yield _bounded(listing, edge, width * times)
    yield listing


def _is_dense(listing: Listing) -> bool:
    """Return whether a listing is sorted by creation time, and has all jobs of its window."""
    filters = set(_FILTERS) - {"account_id", "region", "created_after", "created_before"}
    is_filtered = any(getattr(listing, name) is not None for name in filters)
    return listing.sort_by == "CreationTime" and not is_filtered


def _bounded(listing: Listing, edge: int, width: int) -> Listing:
    """Return the listing up to `width` microseconds from a creation time on."""
    if listing.descending:
        bound = _EPOCH + (edge - width) * _MICROSECOND
        return replace(listing, created_after=max(bound, listing.created_after or bound))
    bound = _EPOCH + (edge + width) * _MICROSECOND
    return replace(listing, created_before=min(bound, listing.created_before or bound))


def _rows(execute: Execute, query: _Query, after: Place | None, limit: int | None) -> list[Listed]:
    statement, parameters = query.statement(after, limit)
    return [Listed(*row) for row in execute(statement, parameters)]


def _sort_columns(listing: Listing) -> tuple[str, ...]:
    if listing.sort_by == "Name":
        # Within one scope a name and a creation time are one job; the ARN would cost double.
        several = listing.account_id is None or listing.region is None
        return ("training_job_name", "creation_time", *(("training_job_arn",) if several else ()))
    if listing.by_status:
        return ("status_then", "creation_time", "training_job_arn")
    return ("creation_time", "training_job_arn")


class _Query:
    """The statement of a page, and its parameters.

    Args:
        listing: What to list.
        begun: Sort by the statuses at this point of the history.
        status: The only status to list.
    """

    def __init__(
        self, listing: Listing, begun: Mark | None = None, status: str | None = None
    ) -> None:
        self._listing = listing
        self._begun = begun
        values = {name: getattr(listing, name) for name in _FILTERS}
        if status is not None:
            values["status"] = status
        self.parameters = {name: value for name, value in values.items() if value is not None}
        conditions = [_FILTERS[name] for name in self.parameters]
        if not listing.deleted:
            conditions.append("deleted_at IS NULL")
        self.where = " AND ".join(conditions) or "true"

    def statement(self, after: Place | None, limit: int | None) -> tuple[str, dict[str, Any]]:
        parameters = dict(self.parameters)
        where = self.where
        if after is not None:
            beyond, values = self._beyond(after)
            where = f"{where} AND {beyond}"
            parameters |= values
        source, then = "training_jobs", "training_job_status"
        if self._begun is not None:
            source, then = _WITH_STATUSES_THEN, "status_then"
            parameters["changes"] = self._begun.changes
        columns = ", ".join(
            f"epoch_us({name}) AS {name}_us" if name in TIMES else name for name in COLUMNS
        )
        order = self._order(then)
        if limit is not None and self._begun is None:
            # In two steps, only the rows of the page are read in full: five times faster.
            parameters["limit"] = limit
            where = (
                "rowid IN (SELECT rowid FROM training_jobs "  # noqa: S608 - our own names
                f"WHERE {where} ORDER BY {order} LIMIT $limit)"
            )
        statement = f"SELECT {columns}, {then} FROM {source} WHERE {where} ORDER BY {order}"  # noqa: S608 - our own names
        if limit is not None and self._begun is not None:
            parameters["limit"] = limit
            statement += " LIMIT $limit"
        return statement, parameters

    def _order(self, then: str) -> str:
        direction = "DESC" if self._listing.descending else "ASC"
        names = (then if name == "status_then" else name for name in self._columns())
        return ", ".join(f"{name} {direction}" for name in names)

    def _columns(self) -> Iterator[str]:
        for name in _sort_columns(self._listing):
            # All rows of a filter by status have the same one.
            if name != "status_then" or "status" not in self.parameters:
                yield name

    def _beyond(self, after: Place) -> tuple[str, dict[str, Any]]:
        """Return a condition for the rows after a place, and its parameters.

        DuckDB compares (a, b) > (x, y) six times slower than the condition in full. The first
        column with >= lets it skip whole blocks of rows.
        """
        keys = dict(zip(_sort_columns(self._listing), after.key, strict=True))
        names = list(self._columns())
        sign = "<" if self._listing.descending else ">"
        condition = "false"
        for name in reversed(names):
            value = _parameter(name)
            condition = f"({name} {sign} {value} OR ({name} = {value} AND {condition}))"
        condition = f"{names[0]} {sign}= {_parameter(names[0])} AND {condition}"
        return condition, {f"after_{name}": keys[name] for name in names}


def _parameter(name: str) -> str:
    """Return the parameter for a value of a place; a time is a number of microseconds."""
    value = f"$after_{name}"
    return f"make_timestamp({value}) AT TIME ZONE 'UTC'" if name in TIMES else value


#: Jobs with the status that each had when a listing began. Only jobs that have changed since need
#: the history. A job that is newer than the listing has its first known status.
_WITH_STATUSES_THEN: Final = """(
    SELECT j.*, coalesce(t.status_then, j.training_job_status) AS status_then
    FROM training_jobs AS j
    LEFT JOIN (
        SELECT
            training_job_arn,
            creation_time,
            coalesce(
                arg_max(training_job_status, number) FILTER (WHERE number < $changes),
                arg_min(training_job_status, number)
            ) AS status_then
        FROM (SELECT *, rowid AS number FROM training_job_changes)
        WHERE (training_job_arn, creation_time) IN (
            SELECT (training_job_arn, creation_time) FROM training_job_changes
            WHERE rowid >= $changes
        )
        GROUP BY ALL
    ) AS t USING (training_job_arn, creation_time)
)"""


def _check(execute: Execute, begun: Mark, now: Mark) -> None:
    if begun.changes > now.changes or _check_of(execute, begun.changes) != begun.check:
        raise StaleMark("The listing began with another history.")


def _check_of(execute: Execute, changes: int) -> str:
    found = execute(
        """
        SELECT CAST(hash(training_job_arn, creation_time, observed_at) AS VARCHAR)
        FROM training_job_changes WHERE rowid = $last
        """,
        {"last": changes - 1},
    )
    return str(found[0][0]) if found else ""
