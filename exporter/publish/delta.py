"""Reads and replaces partitions of Delta Lake tables; the only module that knows the library.

A commit is one new file in a table's log, which only one writer can create: readers see all of it
or nothing. The library retries a commit that another one of other partitions has overtaken, and
refuses one whose partitions have changed since. It does not refuse a commit with an older sequence
number, so this module does.

The library's threads do not survive a fork: start processes by spawn.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from exporter.errors import (
    BusyError,
    CredentialsError,
    DatabaseError,
    ExporterError,
    ServiceError,
    UsageError,
)
from exporter.extras import extra
from exporter.publish.layout import LAYOUT, Table
from exporter.publish.plan import OWNER, PRICES, Claim, Entry, Partition, Scope
from exporter.publish.quiet import quiet
from exporter.publish.storage import Place, in_one_line, is_denied
from exporter.sql import literal
from exporter.store.batches import Batch, Stream, collected, stream

with extra("lake", "publish"):
    from deltalake import (
        CommitProperties,
        DeltaTable,
        QueryBuilder,
        Transaction,
        WriterProperties,
        write_deltalake,
    )
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

#: The table that says what is published.
PUBLISHED: Final = "_published"
#: The name in the metadata of tables that this program may replace.
_OURS: Final = "sagemaker_exporter.{}"
#: Commits that other partitions overtake are tried again by the library.
_OVERTAKEN: Final = 100
#: Attempts after a conflict, each over a new reading of the table.
_ATTEMPTS: Final = 5
_PAUSE: Final = 0.2
#: The writer keeps a row group in memory until it is full.
_ROW_GROUP: Final = 100_000
_COMMITS_READ: Final = 200
#: No minima and maxima in the log. The library writes those of decimals as doubles, so a reader
#: could skip a file that contains the amount it looks for. The Parquet files have exact ones.
_CONFIGURATION: Final = {"delta.dataSkippingNumIndexedCols": "0"}
#: Key of our facts in a commit.
_COMMIT: Final = "sagemaker_exporter"
_ENTRY: Final = {
    "collector": "VARCHAR",
    "sequence": "BIGINT",
    "epoch": "BIGINT",
    "layout": "BIGINT",
    "table_name": "VARCHAR",
    "month": "VARCHAR",
    "rows": "BIGINT",
    "fingerprint": "VARCHAR",
    "first_month": "VARCHAR",
    "last_month": "VARCHAR",
    "published_at": "TIMESTAMP WITH TIME ZONE",
    "usual_seconds": "BIGINT",
    "account_id": "VARCHAR",
    "region": "VARCHAR",
}
#: Opens the rows to write; called again for another attempt.
Rows = Callable[[], AbstractContextManager[Stream]]


@dataclass(frozen=True)
class Writer:
    """Who writes.

    Attributes:
        collector: The collector.
        sequence: Number of the publish.
        claims: The scopes that it may write to.
    """

    collector: str
    sequence: int
    claims: Mapping[Scope, Claim]


class Lake:
    """The tables of a lake.

    Args:
        where: The place.
        options: Returns the storage options, with valid credentials.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self,
        where: Place,
        options: Callable[[], dict[str, str]],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.where = where
        self._options = options
        self._sleep = sleep

    def entries(self, collector: str) -> list[Entry]:
        """Return the rows of `_published` of a collector, and who owns every other scope.

        None if there is no lake yet.
        """
        with self._translated(PUBLISHED):
            return _entries(self._opened(PUBLISHED), collector)

    def check(self, tables: Iterable[Table]) -> None:
        """Raise unless each table is missing or ours.

        Raises:
            UsageError: The tables have the layout of an earlier version, or are not ours.
        """
        for each in tables:
            with self._translated(each.name):
                table = self._opened(each.name)
            if table is None:
                continue
            uri = self.where.table(each.name)
            if table.metadata().name != _OURS.format(each.name):
                raise UsageError(
                    f"{uri} is a Delta table of another program.",
                    "Nothing was changed. Name another place.",
                )
            if tuple(table.metadata().partition_columns) != each.partitions:
                raise UsageError(
                    f"{uri} has the layout of an earlier version of sagemaker-exporter.",
                    "Nothing was changed. Publish to a new place, let its readers move there, "
                    "and remove the old tables.",
                )

    def last_sequence(self, table: Table, collector: str) -> int | None:
        """Return the sequence of a collector's last commit to a table; 0 = none.

        None if there is no such table.
        """
        with self._translated(table.name):
            opened = self._opened(table.name)
            return None if opened is None else opened.transaction_version(collector) or 0

    def epochs(self, tables: Iterable[Table], scopes: Collection[Scope]) -> dict[Scope, int]:
        """Return how often scopes have changed hands, by the tables; 0 = never written."""
        found = dict.fromkeys(scopes, 0)
        for table in tables:
            with self._translated(table.name):
                opened = self._opened(table.name)
            if opened is not None:
                for scope in scopes:
                    epoch = opened.transaction_version(_fence(scope)) or 0
                    found[scope] = max(found[scope], epoch)
        return found

    def partitions(self, table: Table, scopes: Iterable[Scope]) -> set[Partition]:
        """Return the partitions of scopes that exist in a table, by its log."""
        with self._translated(table.name):
            opened = self._opened(table.name)
            if opened is None:
                return set()
            if not table.partitions:
                return {Partition(PRICES)} if opened.file_uris() else set()
            found = opened.partitions()
        wanted = set(scopes)
        parts = {
            Partition(Scope(each["account_id"], each["region"]), each.get("month", ""))
            for each in found
        }
        return {each for each in parts if each.scope in wanted}

    def written_since(self, table: Table, collector: str, sequence: int) -> set[Partition] | None:
        """Return the partitions that a collector wrote after a publish.

        A killed publish leaves commits that `_published` does not know. None if these are so old
        that the log has lost them.
        """
        found: set[Partition] = set()
        with self._translated(table.name):
            opened = self._opened(table.name)
            if opened is None or (opened.transaction_version(collector) or 0) <= sequence:
                return found
            for commit in opened.history(None):
                ours = facts(commit)
                if ours.get("collector") == collector:
                    if ours["sequence"] <= sequence:
                        return found
                    found |= {_partition(each) for each in ours["partitions"]}
                if commit["version"] == 0:
                    return found
        return None

    def create(self, tables: Iterable[tuple[Table, Rows]]) -> None:
        """Create the tables that are missing, empty: readers find every table."""
        for table, rows in tables:
            with self._translated(table.name):
                if self._opened(table.name) is None:
                    with rows() as empty:
                        self._create(table.name, table.comment, table.partitions, empty.schema)

    def replace(
        self, table: Table, partitions: Iterable[Partition], rows: Rows, writer: Writer
    ) -> None:
        """Replace partitions of a table in one commit.

        Args:
            table: The table; created if it is missing.
            partitions: The partitions to replace; those without rows are removed.
            rows: Opens the new rows.
            writer: Who writes.

        Raises:
            BusyError: A later publish of the collector, or a new owner of a scope, was here first;
                or other writers stayed ahead.
            UsageError: A row is in no partition of these.
            DatabaseError, ServiceError, CredentialsError: The table cannot be written.
        """
        changed = sorted(partitions)
        for attempt in range(1, _ATTEMPTS + 1):
            with self._translated(table.name), rows() as opened:
                found = self._opened(table.name)
                if found is None:
                    found = self._create(table.name, table.comment, table.partitions, opened.schema)
                try:
                    self._write(found, table.partitions, opened, changed, writer)
                except CommitFailedError:
                    if attempt == _ATTEMPTS:
                        raise
                else:
                    return
            self._sleep(_PAUSE * attempt)

    def claim(
        self,
        collector: str,
        decide: Callable[[list[Entry]], tuple[Writer, Mapping[Scope, Iterable[Entry]]]],
    ) -> None:
        """Write who owns scopes, if nobody was faster.

        Args:
            collector: Who claims.
            decide: Takes the rows of `_published`, and returns the writer and the new rows of the
                scopes to claim. Called again if another collector was faster.

        Raises:
            BusyError: Other collectors were faster all the time.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            with self._translated(PUBLISHED):
                table = self._opened(PUBLISHED)
                writer, entries = decide(_entries(table, collector))
                if not entries:
                    return
                try:
                    self._write_entries(table, entries, writer)
                except CommitFailedError:
                    if attempt == _ATTEMPTS:
                        raise
                else:
                    return
            self._sleep(_PAUSE * attempt)

    def publish(self, entries: Mapping[Scope, Iterable[Entry]], writer: Writer) -> None:
        """Replace the rows of `_published` of scopes: the last commit of a publish.

        Raises:
            BusyError, UsageError: As `replace`.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            with self._translated(PUBLISHED):
                try:
                    self._write_entries(self._opened(PUBLISHED), entries, writer)
                except CommitFailedError:
                    if attempt == _ATTEMPTS:
                        raise
                else:
                    return
            self._sleep(_PAUSE * attempt)

    def _write_entries(
        self, table: DeltaTable | None, entries: Mapping[Scope, Iterable[Entry]], writer: Writer
    ) -> None:
        values = [_values(entry) for scope in sorted(entries) for entry in entries[scope]]
        # In memory: the library reads with the GIL, and a stream of Python would wait for it if
        # another thread publishes as well.
        rows = collected(stream(_ENTRY, [{name: [row[name] for row in values] for name in _ENTRY}]))
        keys = ("account_id", "region")
        if table is None:
            comment = "What each collector has published; written by the program alone"
            table = self._create(PUBLISHED, comment, keys, rows.schema)
        self._write(table, keys, rows, [Partition(scope) for scope in sorted(entries)], writer)

    def clear(self, name: str, retention: timedelta, published: Mapping[str, int]) -> int:
        """Remove a table's files of older versions and of killed runs; return their number.

        Args:
            name: The table.
            retention: How long the files of older versions stay.
            published: The number of the last whole publish of each collector. While a later one is
                not finished, readers need the files of the version before it.
        """
        with self._translated(name):
            opened = self._opened(name)
            if opened is None:
                return 0
            removed = opened.vacuum(
                math.ceil(retention / timedelta(hours=1)),
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
                keep_versions=sorted(_needed(opened, published)),
            )
            return len(removed)

    def _write(
        self,
        table: DeltaTable,
        keys: tuple[str, ...],
        rows: Stream | Batch,
        changed: list[Partition],
        writer: Writer,
    ) -> None:
        """Commit once.

        Raises:
            CommitFailedError: A commit since the table was read conflicts with this one.
        """
        fences = {_fence(each.scope): writer.claims[each.scope].epoch for each in changed}
        self._check_writer(table, writer, fences)
        facts = {
            "collector": writer.collector,
            "sequence": writer.sequence,
            "partitions": [[*each.scope, each.month] for each in changed],
        }
        known = {field.name for field in table.schema().fields}
        commit = CommitProperties(
            custom_metadata={_COMMIT: json.dumps(facts)},
            max_commit_retries=_OVERTAKEN,
            app_transactions=[
                Transaction(writer.collector, writer.sequence),
                *(Transaction(scope, epoch) for scope, epoch in fences.items()),
            ],
        )
        with quiet():
            write_deltalake(
                table,
                rows,
                mode="overwrite",
                predicate=_predicate(keys, changed),
                # Only for new columns: a change of columns conflicts with every other commit.
                schema_mode=None if known.issuperset(rows.schema.names) else "merge",
                writer_properties=WriterProperties(
                    compression="ZSTD", max_row_group_size=_ROW_GROUP
                ),
                commit_properties=commit,
            )

    def _check_writer(self, table: DeltaTable, writer: Writer, fences: Mapping[str, int]) -> None:
        if (table.transaction_version(writer.collector) or 0) > writer.sequence:
            raise BusyError(
                f"A later publish of the collector {writer.collector} has written to "
                f"{self.where.uri}.",
                "Its data stays. Publish from one copy of the database, one at a time.",
            )
        for scope, epoch in fences.items():
            if (table.transaction_version(scope) or 0) > epoch:
                raise UsageError(
                    f"Another collector has taken over {scope} in {self.where.uri}.",
                    "Its data stays. To make this collector the owner, use --take-over.",
                )

    def _opened(self, name: str) -> DeltaTable | None:
        try:
            return DeltaTable(self.where.table(name), storage_options=self._options() or None)
        except TableNotFoundError:
            return None

    def _create(
        self,
        name: str,
        comment: str,
        keys: tuple[str, ...],
        schema: Any,  # noqa: ANN401 - Arrow
    ) -> DeltaTable:
        try:
            return DeltaTable.create(
                self.where.table(name),
                schema,
                partition_by=list(keys),
                name=_OURS.format(name),
                description=comment,
                configuration=_CONFIGURATION,
                storage_options=self._options() or None,
            )
        except DeltaError:
            # Another collector was first.
            for _ in range(_ATTEMPTS):
                if (table := self._opened(name)) is not None:
                    return table
                self._sleep(_PAUSE)
            raise

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        uri = self.where.table(name)
        try:
            yield
        except CommitFailedError as error:
            raise BusyError(
                f"Other programs write to {uri} all the time.",
                "Their data stays; the next run publishes what is missing.",
            ) from error
        except ExporterError:
            raise
        except (DeltaError, OSError) as error:
            raise self._failure(uri, error) from error

    def _failure(self, uri: str, error: Exception) -> ExporterError:
        text = str(error)
        if "failed validation check" in text:
            return UsageError(
                f"Rows for {uri} belong to no partition that this publish may replace.",
                "Nothing was changed. Please report this.",
            )
        safe = "Readers still see the previous version."
        reason = in_one_line(error)
        if self.where.folder is not None:
            return DatabaseError(f"Cannot publish to {uri}: {reason}.", safe)
        if is_denied(error):
            return CredentialsError(f"Cannot publish to {uri}: {reason}.", safe)
        return ServiceError(f"Cannot publish to {uri}: {reason}.", safe)


def _fence(scope: Scope) -> str:
    """Return the name under which a table keeps the epoch of a scope."""
    return f"{scope.account_id}/{scope.region}"


def _predicate(keys: tuple[str, ...], partitions: Iterable[Partition]) -> str | None:
    """Return SQL for partitions; None = the table has none, and is replaced whole."""
    if not keys:
        return None
    months: dict[Scope, list[str]] = {}
    for each in partitions:
        months.setdefault(each.scope, []).append(each.month)
    parts = []
    for scope, found in months.items():
        text = f"account_id = {literal(scope.account_id)} AND region = {literal(scope.region)}"
        if "month" in keys:
            text += f" AND month IN ({', '.join(map(literal, found))})"
        parts.append(f"({text})")
    return " OR ".join(parts)


def _entries(table: DeltaTable | None, collector: str) -> list[Entry]:
    if table is None:
        return []
    listed = ", ".join(_ENTRY)
    query = QueryBuilder().register("published", table)
    where = f"collector = {literal(collector)} OR table_name = {literal(OWNER)}"
    found = query.execute(f"SELECT {listed} FROM published WHERE {where}").read_all()  # noqa: S608 - quoted
    columns = [found.column(name).to_pylist() for name in _ENTRY]
    return [_entry(dict(zip(_ENTRY, row, strict=True))) for row in zip(*columns, strict=True)]


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        row["collector"],
        row["sequence"],
        row["epoch"],
        row["layout"],
        row["table_name"],
        Partition(Scope(row["account_id"], row["region"]), row["month"]),
        row["rows"],
        row["fingerprint"],
        row["first_month"],
        row["last_month"],
        None if row["published_at"] is None else int(row["published_at"].timestamp()),
        row["usual_seconds"],
    )


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "collector": entry.collector,
        "sequence": entry.sequence,
        "epoch": entry.epoch,
        "layout": LAYOUT,
        "table_name": entry.table,
        "month": entry.partition.month,
        "rows": entry.rows,
        "fingerprint": entry.fingerprint,
        "first_month": entry.first,
        "last_month": entry.last,
        "published_at": None
        if entry.published_at is None
        else datetime.fromtimestamp(entry.published_at, UTC),
        "usual_seconds": entry.usual_seconds,
        "account_id": entry.partition.scope.account_id,
        "region": entry.partition.scope.region,
    }


def _partition(values: list[str]) -> Partition:
    account, region, month = values
    return Partition(Scope(account, region), month)


def facts(commit: Mapping[str, Any]) -> dict[str, Any]:
    """Return what one of our commits says of itself; empty for any other commit."""
    text = commit.get(_COMMIT)
    found: dict[str, Any] = json.loads(text) if isinstance(text, str) else {}
    return found


def undone(
    commits: Iterable[Mapping[str, Any]], collector: str, sequence: int
) -> tuple[int, set[tuple[str, ...]]]:
    """Return what later publishes of a collector have done to a table.

    Args:
        commits: The commits of the table, the newest first.
        collector: The collector.
        sequence: Its last whole publish.

    Returns:
        The version of the first commit of a later publish, and the partitions that those changed.
    """
    first = 0
    changed: set[tuple[str, ...]] = set()
    for commit in commits:
        ours = facts(commit)
        if ours.get("collector") != collector:
            continue
        if ours["sequence"] <= sequence:
            break
        first = commit["version"]
        changed |= {tuple(each) for each in ours["partitions"]}
    return first, changed


def _needed(table: DeltaTable, published: Mapping[str, int]) -> set[int]:
    """Return the versions that readers need, because the publishes after them are not whole."""
    found = set()
    for collector, sequence in published.items():
        if (table.transaction_version(collector) or 0) > sequence:
            first, _ = undone(table.history(), collector, sequence)
            found |= {first - 1} if first > 0 else set()
    return found
