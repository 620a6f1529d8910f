"""Publishes a database to a lake: replaces the partitions that differ, and nothing else.

The steps, each of which a kill may end:

1. Copy the database, and read what the lake says of the collector.
2. Claim the scopes that are new, in one commit: nobody else may write to them from then on.
3. Replace what differs, table by table, month by month, each in one commit.
4. Write the fingerprints. Until then, the commits of step 3 say what they have replaced, and the
   next publish trusts none of these partitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from exporter import files
from exporter.errors import BusyError, UsageError
from exporter.publish import identity, layout, plan, storage
from exporter.publish.delta import PUBLISHED, Lake, Writer
from exporter.publish.facts import Facts, Step
from exporter.publish.layout import LAYOUT, Owner, Table
from exporter.publish.plan import (
    PRICES,
    Change,
    Claim,
    Entry,
    Known,
    Partition,
    Scope,
)
from exporter.publish.storage import Place
from exporter.store import copies, install, migrate
from exporter.store.database import Database
from exporter.store.locks import sync_lock
from exporter.store.revision import read_revision
from exporter.text import counted

#: Rows in a commit, unless one partition has more.
ROWS: Final = 250_000


@dataclass(frozen=True)
class Options:
    """How to publish.

    Attributes:
        collector: Name of the collector; None = the one that the database keeps, or a new one.
        owns_prices: Own the tables that one collector writes for all.
        take_over: Own also what another collector owns, and publish from an older copy.
        retention: How long to keep files that only older versions need.
        dry_run: Only say what would be replaced.
    """

    collector: str | None = None
    owns_prices: bool = False
    take_over: bool = False
    retention: timedelta = timedelta(days=1)
    dry_run: bool = False


@dataclass
class Published:
    """The result for one table.

    Attributes:
        name: Name of the table.
        rows: Number of rows in the partitions that were replaced.
        replaced: Number of partitions that were replaced.
        removed: Number of partitions that were removed.
        partitions: Number of the collector's partitions now.
    """

    name: str
    rows: int = 0
    replaced: int = 0
    removed: int = 0
    partitions: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything changed."""
        return bool(self.replaced or self.removed)


@dataclass
class Result:
    """The result of a publish.

    Attributes:
        uri: Where the lake is.
        collector: Who published.
        sequence: Number of the publish; if nothing changed, that of the last one.
        owns_prices: Whether the collector owns the prices.
        scopes: The accounts and regions.
        tables: One result per table.
        files_removed: Number of files removed, of older versions and of killed runs.
    """

    uri: str
    collector: str
    sequence: int
    owns_prices: bool
    scopes: tuple[Scope, ...]
    tables: tuple[Published, ...] = ()
    files_removed: int = 0


@dataclass
class _Publish:
    """A publish while it runs."""

    database: Database
    lake: Lake
    options: Options
    collector: str
    sequence: int
    notify: Callable[[str], None]
    id: str
    known: Known = field(default_factory=Known)
    claims: dict[Scope, Claim] = field(default_factory=dict)
    new: set[Scope] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    left: Mapping[Scope, int] = field(default_factory=dict)
    writer: Writer | None = None
    written: set[tuple[str, Scope]] = field(default_factory=set)
    done: dict[str, Published] = field(default_factory=dict)


def publish(
    database: Database,
    where: Place,
    options: Options,
    *,
    notify: Callable[[str], None] = lambda _: None,
    lake: Lake | None = None,
    now: Callable[[], float] = time.time,
    new_name: Callable[[], str] = identity.new_name,
) -> Result:
    """Bring a lake up to date with a database, as of one moment.

    Args:
        database: The source; open only while its file is copied and its number goes up.
        where: The lake.
        options: How to publish.
        notify: Called with a line for each step.
        lake: Writes the lake.
        now: Returns the Unix time.
        new_name: Returns a name for a collector that has none.

    Raises:
        UsageError: Another collector owns a scope, or the place holds other files.
        BusyError: A writer kept the database or the lake, or another copy of the database
            publishes.
        CredentialsError, ServiceError: The bucket cannot be used.
        DatabaseError: The database cannot be read, or the folder cannot be written.
        SchemaNewerError: The database or the lake is newer than this program.
    """
    tables = layout.tables()
    storage.check_folder(where, frozenset({PUBLISHED, *(table.name for table in tables)}))
    with database.reading() as connection:
        kept = identity.read(connection)
    if options.collector is None and kept.collector is None:
        kept = replace(kept, collector=new_name())
    lake = lake or Lake(where, storage.Options(where))
    with (
        sync_lock(database.path, database.lock_timeout, what="publish", notify=notify),
        files.temporary(near=_near(where)) as folder,
    ):
        run = _Publish(
            database,
            lake,
            options,
            identity.check_name(options.collector or kept.collector or ""),
            kept.sequence,
            notify,
            kept.database,
        )
        _check(run)
        with _facts(database, folder) as facts:
            _claims(run, facts.scopes)
            _distrust(run)
            for step in facts.steps(run.known):
                _take(run, step, facts)
            _fence(run, facts)
            removed = _clear(run, now())
            _finish(run, facts, now())
    return Result(
        where.uri,
        run.collector,
        run.sequence,
        PRICES in run.claims,
        tuple(sorted(facts.scopes)),
        tuple(run.done.values()),
        removed,
    )


def _near(where: Place) -> Path | None:
    """Return where a copy can be if the system has no temporary folder."""
    if where.folder is None or where.folder.is_dir():
        return where.folder
    return where.folder.parent


@contextmanager
def _facts(database: Database, folder: Path) -> Iterator[Facts]:
    """Read a copy of the database, so that syncs may run while it is published."""
    path = folder / "copy.duckdb"
    copies.copy_to_temporary(database, path)
    copied = Database(path)
    with copied.reading(check_schema=False) as connection:
        current = read_revision(connection) == copied.revision and install.is_installed(connection)
        if current:
            yield Facts(connection, folder)
    if not current:
        migrate.upgrade(copied)  # installs this version's views
        with copied.reading() as connection:
            yield Facts(connection, folder)


def _check(run: _Publish) -> None:
    """Read what the lake says, and raise if this publish must not go on."""
    entries = run.lake.entries(run.collector)
    run.known = plan.known(entries, run.collector, LAYOUT)
    if not entries:
        run.lake.check(layout.tables())
    plan.check_sequence(
        run.known, run.sequence, run.id, run.collector, take_over=run.options.take_over
    )


def _claims(run: _Publish, scopes: Iterable[Scope]) -> None:
    # What it owned and no longer has is removed from the lake.
    wanted = {*scopes, *run.known.scopes(run.collector)}
    if nobodys := {*wanted, PRICES} - set(run.known.claims):
        run.left = run.lake.epochs(layout.tables(), nobodys)
    run.claims = plan.claims(
        run.known,
        wanted,
        run.collector,
        owns_prices=run.options.owns_prices,
        take_over=run.options.take_over,
        left=run.left,
    )
    run.new = set(plan.new_claims(run.known, run.claims))


def _distrust(run: _Publish) -> None:
    """Forget what cannot be trusted: what a killed publish wrote, and what is newly owned."""
    unlisted = run.new | (run.known.unfinished & set(run.claims))
    for table in layout.tables():
        unknown = _unknown(run, table, unlisted)
        run.known.of(table.name).update(
            {each: plan.UNKNOWN for each in unknown if each.scope in run.claims}
        )
    for scope in unlisted:
        run.known.distrust(scope)


def _unknown(run: _Publish, table: Table, unlisted: set[Scope]) -> set[Partition]:
    """Return the partitions of a table of which `_published` may not tell the truth."""
    contents = run.known.of(table.name)
    last = run.lake.last_sequence(table, run.collector)
    if not last and contents:
        # Somebody has removed the table. All of it is computed again.
        contents.clear()
        run.known.inputs.clear()
        unlisted = set(run.claims)
    if last is None:
        run.missing.add(table.name)
        return set()
    unknown = run.lake.partitions(table, unlisted) if unlisted else set()
    if last > run.known.sequence:
        written = run.lake.written_since(table, run.collector, run.known.sequence)
        unknown |= run.lake.partitions(table, run.claims) if written is None else written
    return unknown


def _take(run: _Publish, step: Step, facts: Facts) -> None:
    """Write what differs in a part of a table."""
    table = step.table
    if table.owner is Owner.PRICES and PRICES not in run.claims:
        return
    done = run.done.setdefault(table.name, Published(table.name))
    contents = run.known.of(table.name)
    change = plan.change(contents, step.now, step.examined)
    for commit in plan.commits(change, ROWS):
        _commit(run, step, commit, facts)
        done.rows += sum(content.rows for content in commit.replaced.values())
        done.replaced += len(commit.replaced)
        done.removed += len(commit.removed)
        for partition in commit.removed:
            del contents[partition]
        contents.update(commit.replaced)
        run.written |= {(table.name, each.scope) for each in commit.partitions}
    done.partitions = len(contents)


def _commit(run: _Publish, step: Step, commit: Change, facts: Facts) -> None:
    months = {each.month for each in commit.partitions if each.month}
    what = f"{step.table.name}{' ' + min(months) if months else ''}"
    rows = sum(content.rows for content in commit.replaced.values())
    run.notify(f"{what}: {counted(len(commit.partitions), 'partition')}, {counted(rows, 'row')}")
    if not run.options.dry_run:
        writer = _begin(run, facts)
        run.lake.replace(step.table, commit.partitions, step.rows(commit), writer)


def _begin(run: _Publish, facts: Facts) -> Writer:
    """Raise the number of the publish, and claim the scopes, before the first write."""
    if run.writer is not None:
        return run.writer
    storage.prepare(run.lake.where)
    last = max(run.known.sequence, *(run.known.begun or (0,))[:1])
    number = identity.advance(run.database, run.collector, last if run.options.take_over else 0)
    run.sequence = number.sequence

    def decide(entries: list[Entry]) -> tuple[Writer, Mapping[Scope, Iterable[Entry]]]:
        # Again, as another collector may have been faster.
        found = plan.known(entries, run.collector, LAYOUT)
        plan.check_alone(run.known, found, run.collector)
        run.claims = plan.claims(
            found,
            set(run.claims) - {PRICES},
            run.collector,
            owns_prices=run.options.owns_prices,
            take_over=run.options.take_over,
            left=run.left,
        )
        new = plan.new_claims(found, run.claims)
        begun = plan.begun(run.collector, run.sequence, number.database, LAYOUT)
        mine = {begun.partition.scope: Claim(run.collector, begun.epoch)}
        return Writer(run.collector, run.sequence, run.claims | mine), {
            scope: [plan.claimed(scope, claim, found, LAYOUT)] for scope, claim in new.items()
        } | {begun.partition.scope: [begun]}

    try:
        run.lake.claim(run.collector, decide)
    except (BusyError, UsageError):
        identity.withdraw(run.database, number)
        raise
    run.new &= set(run.claims)  # another first collector may own the prices by now
    run.writer = Writer(run.collector, run.sequence, run.claims)
    return run.writer


def _fence(run: _Publish, facts: Facts) -> None:
    """Leave the new owner's mark in every table, so that the former one is refused there."""
    if run.writer is None:
        return
    for table in layout.tables():
        for scope in sorted(run.new):
            is_its = (table.owner is Owner.PRICES) == (scope == PRICES)
            if is_its and run.claims[scope].epoch > 1 and (table.name, scope) not in run.written:
                # Nothing is there, and nothing is to be written.
                run.lake.replace(table, [Partition(scope)], facts.empty(table), run.writer)


def _clear(run: _Publish, now: float) -> int:
    """Remove files of older versions; the owner of the prices does so once in a retention."""
    due = plan.must_clear(run.known, now, run.options.retention.total_seconds())
    if run.writer is None or PRICES not in run.claims or not due:
        return 0
    published = run.known.published
    removed = sum(run.lake.clear(name, run.options.retention, published) for name in _all_names())
    run.known.cleared = int(now)
    return removed


def _all_names() -> Iterator[str]:
    yield from (table.name for table in layout.tables())
    yield PUBLISHED


def _finish(run: _Publish, facts: Facts, now: float) -> None:
    """Write the fingerprints. Every scope gets the number of this publish.

    A reader takes that number for the last whole publish of the collector.
    """
    if run.writer is None:
        return
    # Those with rows are there by now.
    empty = run.missing - {name for name, _ in run.written}
    run.lake.create((table, facts.empty(table)) for table in layout.tables() if table.name in empty)
    known = run.known
    known.inputs, known.jobs = dict(facts.inputs), dict(facts.jobs)
    known.usual_seconds = plan.usual_seconds(known, int(now))
    known.published_at = int(now)
    run.lake.publish(
        {
            scope: list(plan.entries(scope, claim, known, run.sequence, LAYOUT))
            for scope, claim in run.claims.items()
        },
        run.writer,
    )
