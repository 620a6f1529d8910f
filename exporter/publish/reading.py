"""Opens a lake in the place of a database file: one whole publish of each collector.

The tables of a lake are separate, so a publish is a row of commits, and a reader may come between
two of them. It sees whole publishes all the same, without a lock and without another try:

1. Each commit carries the name of its collector and the sequence number of its publish. A publish
   commits `_published` last. So the number there is that of the collector's last whole publish.
2. A reader reads `_published` first, and then each table. If the collector's number in a table is
   not higher, the table is as that publish left it: it is over, and no later one has been here.
3. If the number is higher, a publish is under way, or was killed, or has ended since step 2. The
   reader takes the collector's partitions as they were before it. A commit replaces whole
   partitions, and its files stay for the retention, so the older version is there. The partitions
   of other collectors are not touched, because each partition has one collector.

So all tables show a collector as of one publish. Two collectors are independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final

import duckdb

from exporter import files
from exporter.errors import (
    CredentialsError,
    DatabaseError,
    ExporterError,
    SchemaNewerError,
    ServiceError,
    UsageError,
)
from exporter.extras import extra
from exporter.prices.basis import LIST, NET, compute_at_list_prices
from exporter.publish import layout, relations
from exporter.publish.layout import LAYOUT, Table
from exporter.publish.objects import Objects
from exporter.publish.plan import PRICES
from exporter.publish.relations import SCHEME, File, Snapshot
from exporter.publish.storage import Options, Place, in_one_line, is_denied, place
from exporter.spelling import named
from exporter.sql import literal
from exporter.store.connections import OFFLINE, SESSION, Connection, connect

with extra("lake", named("lake")):
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError
    from deltalake.schema import ArrayType, PrimitiveType
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, ObjectStore, from_url

    # Here, because it needs the same library, and names another command if it is missing.
    from exporter.publish.delta import PUBLISHED, undone

#: Tables whose logs are read at a time.
_AT_A_TIME: Final = 8
#: The first DuckDB that reads Parquet with given columns and partitions at once.
_OLDEST_DUCKDB: Final = (2, 0)
#: Types of a Delta table -> those of DuckDB. Decimals have the same name.
_TYPES: Final = {
    "string": "VARCHAR",
    "long": "BIGINT",
    "integer": "INTEGER",
    "short": "SMALLINT",
    "byte": "TINYINT",
    "double": "DOUBLE",
    "float": "FLOAT",
    "boolean": "BOOLEAN",
    "binary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
}
#: Options of the lake library that the store for reading knows as well.
_OPTIONS: Final = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_region",
        "aws_endpoint_url",
        "aws_virtual_hosted_style_request",
        "aws_request_payer",
        "aws_skip_signature",
    }
)
Owners = Mapping[tuple[str, ...], tuple[str, int]]
#: Opens a connection to a snapshot of the lake.
Opening = Callable[[], AbstractContextManager[Connection]]


def lake(uri: str, *, row_ids: bool = True, costs: str = NET) -> Lake:
    """Return the lake that a user named.

    Raises:
        UsageError: The text names no place where a lake can be.
    """
    where = place(uri)
    return Lake(where, Options(where), row_ids=row_ids, costs=costs)


class Lake:
    """A lake, in the place of a `Database`.

    Args:
        where: The place.
        options: Returns the storage options, with valid credentials.
        row_ids: Show `rowid` in `training_jobs`, by which the program's queries join. Without it,
            every relation has the columns of a file, as users expect them.
        costs: Their basis: NET, as they were published, or LIST. At list prices, the costs
            are computed from the jobs, as over a file, and take as long.

    Attributes:
        objects: The files of the last connection: what was opened, and how many bytes were read.
        snapshots: What this connection sees of each table.
    """

    def __init__(
        self,
        where: Place,
        options: Callable[[], dict[str, str]],
        *,
        row_ids: bool = True,
        costs: str = NET,
    ) -> None:
        self.where = where
        self._options = options
        self._row_ids = row_ids
        self._costs = costs
        self.objects: Objects | None = None
        self.snapshots: dict[str, Snapshot] = {}

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open the lake as it is now; the connection does not see later publishes.

        Raises as `sharing` does.
        """
        with self.sharing() as opening, opening() as connection:
            yield connection

    def version(self) -> int:
        """Return a number that is another one after every publish.

        Raises:
            DatabaseError, CredentialsError, ServiceError: As `sharing`.
        """
        with self._translated():
            return self._newest(self._options()).version()

    @contextmanager
    def sharing(self) -> Iterator[Opening]:
        """Open the lake as it is now; give what opens connections to that snapshot.

        The connections share the files' metadata and one memory. Any thread may open one.

        Raises:
            UsageError: DuckDB is too old to read lakes.
            DatabaseError: There is no lake, or it cannot be read.
            SchemaNewerError: A newer program has written to it.
            CredentialsError: There are no credentials, or they do not allow it.
            ServiceError: The object store failed.
        """
        _check_duckdb()
        with (
            files.temporary() as spill,
            self._translated(),
            closing(_memory(spill)) as root,
        ):
            session = self._create(root)

            @contextmanager
            def opening() -> Iterator[Connection]:
                with self._translated(), closing(Connection(root.raw.cursor())) as connection:
                    for statement in (SESSION, *session):
                        connection.execute(statement)
                    if self._costs == LIST:
                        compute_at_list_prices(connection)
                    yield connection

            yield opening

    def _create(self, connection: Connection) -> list[str]:
        """Create all relations; return the SQL that every connection to them needs."""
        options = self._options()
        published = _files(PUBLISHED, self._newest(options), ("account_id", "region"))
        objects = self.objects = Objects(_store(self.where, options))
        objects.add(published)
        raw = connection.raw
        raw.register_filesystem(objects)
        # These files are all that SQL reaches once a user's query is closed off.
        raw.execute(f"SET allowed_directories = [{literal(SCHEME)}]")
        for statement in relations.schemas():
            raw.execute(statement)
        owners = self._owners(raw, published)
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            tables = pool.map(lambda each: self._snapshot(each, owners, options), layout.tables())
        self.snapshots = {}
        session: list[str] = []
        by_month = self._costs == NET
        for snapshot in tables:
            self.snapshots[snapshot.table.name] = snapshot
            objects.add(snapshot.files)
            variables = list(relations.variables(snapshot, by_month=by_month))
            for statement in (*variables, relations.table(snapshot, by_month=by_month)):
                raw.execute(statement)
            session += variables
        for statement in relations.views(row_ids=self._row_ids):
            raw.execute(statement)
        return session

    def _newest(self, options: Mapping[str, str]) -> DeltaTable:
        """Return the table that says what is published."""
        try:
            return self._table(PUBLISHED, options)
        except TableNotFoundError:
            raise DatabaseError(
                f"There is no lake at {self.where.uri}.",
                f"Run `sagemaker-exporter publish` first, or check {named('lake')}.",
            ) from None

    def _owners(self, raw: duckdb.DuckDBPyConnection, published: Iterable[File]) -> Owners:
        """Create `internal.collectors`; return collector and last whole publish by scope."""
        raw.execute(relations.collectors(published))
        rows = raw.execute(
            "SELECT account_id, region, collector, sequence, layout FROM internal.collectors"
        ).fetchall()
        _check_layout(self.where, [row[-1] for row in rows])
        # The prices are nobody's account and region.
        raw.execute("DELETE FROM internal.collectors WHERE account_id = $1", PRICES[:1])
        last: dict[str, int] = {}
        for _, _, name, number, _ in rows:
            last[name] = max(number, last.get(name, 0))
        # A publish that changes nothing in a scope leaves its number there.
        return {(account, region): (name, last[name]) for account, region, name, _, _ in rows}

    def _snapshot(self, table: Table, owners: Owners, options: Mapping[str, str]) -> Snapshot:
        """Return what each collector's last whole publish left in a table."""
        try:
            newest = self._table(table.name, options)
        except TableNotFoundError:
            # Of an older program.
            types = {each.name: each.type for each in layout.columns(table.name)}
            return Snapshot(table, _without(types, table.partitions), ())
        if newest.protocol().min_reader_version > 1:
            raise DatabaseError(
                f"Another program has changed the table {table.name} of {self.where.uri} in a way "
                "that this one cannot read.",
                "Publish to a new place.",
            )
        types = {each.name: _type(each.type) for each in newest.schema().fields}
        found = everything = _files(table.name, newest, table.partitions)
        for name, number in sorted(set(owners.values())):
            if (newest.transaction_version(name) or 0) > number:
                found = self._as_of(newest, table, name, number, found, options)
        known = [file for file in found if file.scope in owners]
        version = newest.version() if known == everything else None
        return Snapshot(table, _without(types, table.partitions), known, version)

    def _as_of(
        self,
        newest: DeltaTable,
        table: Table,
        collector: str,
        sequence: int,
        found: Iterable[File],
        options: Mapping[str, str],
    ) -> list[File]:
        """Return the files with the partitions of a collector as one of its publishes left them."""
        version, changed = undone(newest.history(), collector, sequence)
        before: list[File] = []
        if version > 0:
            older = self._table(table.name, options, version - 1)
            before = _files(table.name, older, table.partitions)
        kept = [file for file in found if file.key not in changed]
        return kept + [file for file in before if file.key in changed]

    def _table(
        self, name: str, options: Mapping[str, str], version: int | None = None
    ) -> DeltaTable:
        return DeltaTable(
            self.where.table(name), version=version, storage_options=dict(options) or None
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate what the libraries raise when the lake cannot be read."""
        try:
            yield
        except ExporterError:
            raise
        except (DeltaError, OSError, BaseError) as error:
            raise self._failure(error) from error
        except duckdb.Error as error:
            cause = self.objects.failure if self.objects else None
            raise self._failure(cause or error) from error

    def _failure(self, error: BaseException) -> ExporterError:
        if isinstance(error, ExporterError):
            return error
        message = f"Cannot read the lake {self.where.uri}: {in_one_line(error)}."
        if self.where.folder is not None:
            return DatabaseError(message, "Run the command again; if it fails again, run publish.")
        if is_denied(error):
            return CredentialsError(message, "Check the credentials and the policy of the bucket.")
        return ServiceError(message, "Run the command again later.")


def _files(name: str, table: DeltaTable, partitions: Iterable[str]) -> list[File]:
    actions = table.get_add_actions(flatten=True)
    names = ("path", "size_bytes", *(f"partition.{each}" for each in partitions))
    rows = zip(*(actions.column(each).to_pylist() for each in names), strict=True)
    return [File(f"{name}/{path}", size, tuple(values)) for path, size, *values in rows]


def _store(where: Place, options: Mapping[str, str]) -> ObjectStore:
    if where.folder is not None:
        return LocalStore(where.folder)
    config = {name.lower(): value for name, value in options.items()}
    insecure = config.get("aws_allow_http") == "true"
    if where.uri.startswith("s3"):
        config = {name: value for name, value in config.items() if name in _OPTIONS}
    # The type of the options depends on the scheme.
    return from_url(where.uri, config=config, client_options={"allow_http": insecure})  # type: ignore[call-overload, no-any-return]


def _memory(spill: Path) -> Connection:
    """Return an empty database in memory, which writes what does not fit there to a folder."""
    return connect(config={**OFFLINE, "temp_directory": str(spill)})


def _check_duckdb() -> None:
    version = tuple(map(int, duckdb.__version__.split(".")[:2]))
    if version < _OLDEST_DUCKDB:
        raise UsageError(
            f"{named('lake')} needs DuckDB {'.'.join(map(str, _OLDEST_DUCKDB))} or newer; "
            f"this is {duckdb.__version__}."
        )


def _check_layout(where: Place, layouts: Iterable[int]) -> None:
    newest = max(layouts, default=LAYOUT)
    if newest > LAYOUT:
        raise SchemaNewerError(
            f"The lake {where.uri} has layout {newest}, and this program reads layout {LAYOUT}.",
            "Upgrade this program.",
        )
    if newest < LAYOUT:
        raise DatabaseError(
            f"The lake {where.uri} has layout {newest}, and this program reads layout {LAYOUT}.",
            "Run `publish` with this version of the program.",
        )


def _type(kind: object) -> str:
    """Return DuckDB's name of a type in a Delta schema.

    Raises:
        DatabaseError: No publish writes this type.
    """
    if isinstance(kind, ArrayType):
        return f"{_type(kind.element_type)}[]"
    name = kind.type if isinstance(kind, PrimitiveType) else str(kind)
    if name.startswith("decimal"):
        return name.upper()
    if name not in _TYPES:
        raise DatabaseError(f"The lake has a column of the type {name}, which no publish writes.")
    return _TYPES[name]


def _without(types: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: kind for name, kind in types.items() if name not in set(names)}
