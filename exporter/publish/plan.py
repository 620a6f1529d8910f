"""Decides what a publish replaces, and what it must not touch; no I/O.

The lake's table `_published` says for each scope, an account and region, which collector owns it,
and for each partition the fingerprint of its rows. The prices are one more scope, `PRICES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from exporter.errors import BusyError, SchemaNewerError, UsageError
from exporter.text import counted

#: Not a table: the row that says who owns a scope.
OWNER: Final = "_owner"
#: Not a table: what else the facts of a scope depend on, such as its prices.
INPUTS: Final = "_inputs"
#: Not a table: the jobs of a month, with the months in which their usage falls.
JOBS: Final = "_jobs"
#: Not a table: when the owner of the prices removed old files last, as Unix time in `rows`.
CLEARED: Final = "_cleared"
#: Not a table: the publish that a collector began last, with the id of its database. It is in a
#: partition of its own, so of two copies of a database that begin at once, one is refused.
BEGUN: Final = "_begun"
_NO_TABLES: Final = frozenset({OWNER, INPUTS, JOBS, CLEARED, BEGUN})
#: The fingerprint of a claim before its first publish has ended.
_CLAIMED: Final = "claimed"


class Scope(NamedTuple):
    """An account and region."""

    account_id: str
    region: str

    def __str__(self) -> str:
        return "the prices" if self == PRICES else f"{self.account_id}/{self.region}"


def begun_in(collector: str) -> Scope:
    """Return what stands in the place of account and region in the row BEGUN of a collector."""
    return Scope("collector", collector)


#: Stands for the tables that the owner of the prices writes.
PRICES: Final = Scope("all", "all")


class Partition(NamedTuple):
    """One partition of a table; `month` is empty in tables without months."""

    scope: Scope
    month: str = ""


@dataclass(frozen=True)
class Entry:
    """A row of `_published`.

    Attributes:
        collector: Who wrote it.
        sequence: Number of the publish that wrote it; a later publish has a higher one.
        epoch: How often the scope has changed hands.
        layout: Version of the layout of the program that wrote it.
        table: A table, or one of OWNER, INPUTS, JOBS, CLEARED and BEGUN.
        partition: The partition.
        rows: Number of its rows.
        fingerprint: Changes when a row changes.
        first: For JOBS: the first month with usage.
        last: For JOBS: the last month with usage.
        published_at: For OWNER: when the publish ended, as Unix time; None = none has.
        usual_seconds: For OWNER: seconds between the collector's publishes, as a rule; None = not
            known.
    """

    collector: str
    sequence: int
    epoch: int
    layout: int
    table: str
    partition: Partition
    rows: int = 0
    fingerprint: str = ""
    first: str = ""
    last: str = ""
    published_at: int | None = None
    usual_seconds: int | None = None


@dataclass(frozen=True)
class Content:
    """What a partition holds: the number of its rows and their fingerprint."""

    rows: int
    fingerprint: str


@dataclass(frozen=True)
class Span:
    """The jobs of a month: a fingerprint, and the first and last month of their usage."""

    fingerprint: str
    first: str
    last: str


@dataclass(frozen=True)
class Claim:
    """Who owns a scope.

    Attributes:
        collector: The owner.
        epoch: How often the scope has changed hands; a commit with an older one is refused.
    """

    collector: str
    epoch: int


@dataclass
class Known:
    """What a collector has published, by the lake.

    Attributes:
        sequence: The number of its last whole publish; 0 = none.
        begun: The number of the publish that it began last, and the id of the database; None =
            none.
        published: The number of the last whole publish of each collector.
        claims: The owner of every scope of the lake.
        contents: What its partitions hold, by table; without those that cannot be trusted.
        inputs: The fingerprint of what else its facts depend on, by scope.
        jobs: Its jobs, by month of creation.
        unfinished: Its scopes that no publish has completed since they were claimed.
        cleared: When it removed old files last, as Unix time.
        published_at: When its last publish ended, as Unix time; None = none has.
        usual_seconds: Seconds between its publishes, as a rule; None = not known.
    """

    sequence: int = 0
    begun: tuple[int, str] | None = None
    published: dict[str, int] = field(default_factory=dict)
    claims: dict[Scope, Claim] = field(default_factory=dict)
    contents: dict[str, dict[Partition, Content]] = field(default_factory=dict)
    inputs: dict[Scope, str] = field(default_factory=dict)
    jobs: dict[Partition, Span] = field(default_factory=dict)
    unfinished: set[Scope] = field(default_factory=set)
    cleared: int = 0
    published_at: int | None = None
    usual_seconds: int | None = None

    def of(self, table: str) -> dict[Partition, Content]:
        """Return what the partitions of a table hold."""
        return self.contents.setdefault(table, {})

    def scopes(self, collector: str) -> set[Scope]:
        """Return the accounts and regions of a collector."""
        return {
            scope
            for scope, claim in self.claims.items()
            if claim.collector == collector and scope != PRICES
        }

    def distrust(self, scope: Scope) -> None:
        """Forget what the scope held: its partitions are replaced, whatever they hold."""
        for contents in self.contents.values():
            for partition in [each for each in contents if each.scope == scope]:
                contents[partition] = UNKNOWN
        self.inputs.pop(scope, None)


#: A partition that exists, and may hold anything.
UNKNOWN: Final = Content(0, "")


def known(entries: Iterable[Entry], collector: str, layout: int) -> Known:
    """Return what the lake says of a collector.

    Raises:
        SchemaNewerError: A newer program has written to the lake.
    """
    found = Known()
    for entry in entries:
        if entry.layout > layout:
            raise SchemaNewerError(
                f"The lake has layout {entry.layout}, and this program writes layout {layout}.",
                "Nothing was changed. Upgrade this program.",
            )
        scope = entry.partition.scope
        if entry.table == OWNER:
            found.claims[scope] = Claim(entry.collector, entry.epoch)
            last = found.published.get(entry.collector, 0)
            found.published[entry.collector] = max(last, entry.sequence)
        if entry.collector == collector and entry.table == BEGUN:
            found.begun = (entry.sequence, entry.fingerprint)
        elif entry.collector == collector:
            _add(found, entry)
    return found


def _add(found: Known, entry: Entry) -> None:
    """Add a row of a publish of the collector."""
    scope = entry.partition.scope
    found.sequence = max(found.sequence, entry.sequence)
    if entry.table == OWNER and entry.fingerprint == _CLAIMED:
        found.unfinished.add(scope)
    elif entry.table == OWNER:
        found.published_at = entry.published_at
        found.usual_seconds = entry.usual_seconds
    elif entry.table == CLEARED:
        found.cleared = entry.rows
    elif entry.table == INPUTS:
        found.inputs[scope] = entry.fingerprint
    elif entry.table == JOBS:
        found.jobs[entry.partition] = Span(entry.fingerprint, entry.first, entry.last)
    elif entry.table not in _NO_TABLES:
        found.of(entry.table)[entry.partition] = Content(entry.rows, entry.fingerprint)


def check_sequence(
    found: Known, sequence: int, database: str, collector: str, *, take_over: bool
) -> None:
    """Raise if the lake has a later publish than the database knows of.

    Args:
        found: What the lake says.
        sequence: The number of the database's publishes.
        database: The id of the database; empty = it has never published.
        collector: Its collector.
        take_over: Never raise.

    Raises:
        UsageError: Another database publishes under the name.
        BusyError: The database is an older copy, or another copy publishes as well.
    """
    if take_over:
        return
    last, publisher = found.begun or (found.sequence, database)
    if publisher != database:
        raise UsageError(
            f"Another database publishes to this lake as the collector {collector}.",
            "Nothing was changed. Use another name with --collector. If this database replaces the "
            "other one, use --take-over.",
        )
    if last > sequence:
        raise BusyError(
            f"The lake has publish {last} of the collector {collector}, and this "
            f"database has made {sequence} only.",
            "Nothing was changed. Publish from one copy of the database. If this is the one, "
            "use --take-over.",
        )


def check_alone(before: Known, now: Known, collector: str) -> None:
    """Raise if another publish of the collector has begun in the meantime.

    Raises:
        BusyError: A copy of the database publishes as well.
    """
    if now.begun != before.begun:
        raise BusyError(
            f"Another copy of the database publishes as the collector {collector}.",
            "Nothing was changed. Publish from one copy of the database.",
        )


def claims(
    found: Known,
    scopes: Iterable[Scope],
    collector: str,
    *,
    owns_prices: bool,
    take_over: bool,
    left: Mapping[Scope, int] | None = None,
) -> dict[Scope, Claim]:
    """Return the claims of a publish: every scope that it may write to, with its epoch.

    The first collector of a lake owns the prices.

    Args:
        found: What the lake says.
        scopes: The scopes of the database.
        collector: Who publishes.
        owns_prices: Claim the prices.
        take_over: Claim also what another collector owns.
        left: The epochs that the tables have of scopes that nobody owns: somebody has removed
            `_published`.

    Raises:
        UsageError: Another collector owns a scope.
    """
    wanted = set(scopes)
    owner = found.claims.get(PRICES)
    if owner is None or owner.collector == collector or owns_prices:
        wanted.add(PRICES)
    foreign = sorted(
        scope for scope in wanted & set(found.claims) if found.claims[scope].collector != collector
    )
    if foreign and not take_over:
        first = foreign[0]
        more = f" and {counted(len(foreign) - 1, 'more scope')}" if len(foreign) > 1 else ""
        raise UsageError(
            f"The collector {found.claims[first].collector} owns {first}{more} in this lake, "
            f"and not {collector}.",
            "Nothing was changed. To make this collector the owner, use --take-over.",
        )
    return {
        scope: _claim(
            found.claims.get(scope), collector, (left or {}).get(scope, 0), anew=take_over
        )
        for scope in wanted
    }


def _claim(before: Claim | None, collector: str, left: int, *, anew: bool) -> Claim:
    if before is None:
        return Claim(collector, left + 1)
    changes_hands = anew or before.collector != collector
    return Claim(collector, before.epoch + changes_hands)


def new_claims(found: Known, wanted: Mapping[Scope, Claim]) -> dict[Scope, Claim]:
    """Return the claims that the lake does not have yet."""
    return {
        scope: claim for scope, claim in sorted(wanted.items()) if found.claims.get(scope) != claim
    }


def changed_jobs(
    found: Known, inputs: Mapping[Scope, str], now: Mapping[Partition, str]
) -> set[Partition]:
    """Return the months of creation whose jobs, or what their costs depend on, may have changed.

    Args:
        found: What the lake holds.
        inputs: The fingerprint of what else the facts of each scope depend on.
        now: The fingerprint of the jobs of each month.
    """
    before = {partition: span.fingerprint for partition, span in found.jobs.items()}
    return {
        partition
        for partition in set(before) | set(now)
        if before.get(partition) != now.get(partition)
        or found.inputs.get(partition.scope) != inputs.get(partition.scope)
    }


def usage_months(
    found: Known, now: Mapping[Partition, Span], changed: Iterable[Partition]
) -> set[Partition]:
    """Return the months whose usage may have changed: where changed jobs have, or had, usage."""
    months: set[Partition] = set()
    for partition in changed:
        for span in (found.jobs.get(partition), now.get(partition)):
            if span is not None:
                months |= {
                    Partition(partition.scope, month) for month in _months(span.first, span.last)
                }
    return months


def following(month: str) -> str:
    """Return the month after a month, both YYYY-MM."""
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def _months(first: str, last: str) -> Iterator[str]:
    """Yield every month from the first to the last, both YYYY-MM."""
    (year, month), end = (tuple(map(int, each.split("-"))) for each in (first, last))
    while (year, month) <= end:
        yield f"{year:04}-{month:02}"
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def runs(partitions: Iterable[Partition]) -> Iterator[tuple[list[Scope], str, str]]:
    """Yield scopes with the first and last of their months, for months that follow each other.

    Usage may reach over hundreds of years, if a creation time is odd. One condition for all of
    them costs what one for a month does.
    """
    months = sorted(by_month(partitions).items())
    begin = 0
    for place, (month, scopes) in enumerate(months, start=1):
        if place == len(months) or months[place] != (following(month), scopes):
            yield scopes, months[begin][0], month
            begin = place


def by_month(partitions: Iterable[Partition]) -> dict[str, list[Scope]]:
    """Return the scopes of partitions by month, in order."""
    months: dict[str, list[Scope]] = {}
    for each in sorted(partitions):
        months.setdefault(each.month, []).append(each.scope)
    return months


@dataclass(frozen=True)
class Change:
    """What a publish changes in one table.

    Attributes:
        replaced: What the partitions to replace will hold.
        removed: The partitions to remove.
    """

    replaced: Mapping[Partition, Content]
    removed: frozenset[Partition]

    def __bool__(self) -> bool:
        return bool(self.replaced or self.removed)

    @property
    def partitions(self) -> list[Partition]:
        """All partitions that change, in order."""
        return sorted({*self.replaced, *self.removed})

    def of(self, partitions: Iterable[Partition]) -> Change:
        """Return the part of the change in these partitions."""
        wanted = set(partitions)
        return Change(
            {each: content for each, content in self.replaced.items() if each in wanted},
            self.removed & wanted,
        )


def change(
    before: Mapping[Partition, Content],
    now: Mapping[Partition, Content],
    examined: Iterable[Partition] | None = None,
) -> Change:
    """Return what differs.

    Args:
        before: What the lake holds.
        now: What it must hold.
        examined: The partitions that `now` is about; None = all.
    """
    within = set(before) | set(now) if examined is None else set(examined)
    return Change(
        {
            partition: content
            for partition, content in now.items()
            if partition in within and before.get(partition) != content
        },
        frozenset(each for each in before if each in within and each not in now),
    )


def commits(change: Change, limit: int) -> Iterator[Change]:
    """Split a change into commits of few enough rows: a writer keeps open files in memory.

    Args:
        change: What to commit.
        limit: Rows in a commit; a partition with more has a commit of its own.
    """
    batch: list[Partition] = []
    rows = 0
    for partition in change.partitions:
        more = change.replaced[partition].rows if partition in change.replaced else 0
        if batch and rows + more > limit:
            yield change.of(batch)
            batch, rows = [], 0
        batch.append(partition)
        rows += more
    if batch:
        yield change.of(batch)


def claimed(scope: Scope, claim: Claim, found: Known, layout: int) -> Entry:
    """Return the row of `_published` that claims a scope, before anything of it is written.

    It has the number of the collector's last whole publish, which knows nothing of the scope.
    """
    common = (claim.collector, found.sequence, claim.epoch, layout)
    return Entry(
        *common,
        OWNER,
        Partition(scope),
        0,
        _CLAIMED,
        published_at=found.published_at,
        usual_seconds=found.usual_seconds,
    )


def begun(collector: str, sequence: int, database: str, layout: int) -> Entry:
    """Return the row of `_published` that says which publish of a collector began last."""
    return Entry(collector, sequence, 1, layout, BEGUN, Partition(begun_in(collector)), 0, database)


def must_clear(found: Known, now: float, retention: float) -> bool:
    """Return whether to remove old files, once in a retention; also after a clock was ahead."""
    return not 0 <= now - found.cleared < retention


def usual_seconds(found: Known, now: int) -> int | None:
    """Return the usual time between publishes, of which this one is the last; None = not known."""
    if found.published_at is None:
        return None
    seconds = max(now - found.published_at, 0)
    return seconds if found.usual_seconds is None else (3 * found.usual_seconds + seconds) // 4


def entries(
    scope: Scope, claim: Claim, found: Known, sequence: int, layout: int
) -> Iterator[Entry]:
    """Yield the rows of `_published` of a scope: its owner and all of its fingerprints."""
    common = (claim.collector, sequence, claim.epoch, layout)
    yield Entry(
        *common,
        OWNER,
        Partition(scope),
        published_at=found.published_at,
        usual_seconds=found.usual_seconds,
    )
    if scope == PRICES and found.cleared:
        yield Entry(*common, CLEARED, Partition(scope), found.cleared)
    if scope in found.inputs:
        yield Entry(*common, INPUTS, Partition(scope), 0, found.inputs[scope])
    for partition, span in sorted(found.jobs.items()):
        if partition.scope == scope:
            yield Entry(*common, JOBS, partition, 0, span.fingerprint, span.first, span.last)
    for table, contents in sorted(found.contents.items()):
        for partition, content in sorted(contents.items()):
            if partition.scope == scope and content != UNKNOWN:
                yield Entry(*common, table, partition, content.rows, content.fingerprint)


def batches(
    partitions: Iterable[Partition], jobs: Mapping[Partition, Content], limit: int
) -> Iterator[list[Partition]]:
    """Yield partitions of whole months, in order, with few enough jobs to compute at a time.

    Args:
        partitions: What to compute.
        jobs: The number of jobs by month of creation.
        limit: Jobs in a batch; a month with more is a batch of its own.
    """
    batch: list[Partition] = []
    size = 0
    for month, scopes in sorted(by_month(partitions).items()):
        found = [Partition(scope, month) for scope in scopes]
        more = sum(jobs[each].rows for each in found if each in jobs)
        if batch and size + more > limit:
            yield batch
            batch, size = [], 0
        batch += found
        size += more
    if batch:
        yield batch
