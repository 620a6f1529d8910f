"""Runs the SQL of reports on a Spark Connect server, over the tables of a lake.

A `Remote` stands where a report has a connection to DuckDB: it takes the same text and parameters,
and its answers have the same names, types and values.
"""

from __future__ import annotations

import logging
import re
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Context, Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from exporter.errors import ServiceError, UsageError
from exporter.extras import extra
from exporter.publish import layout
from exporter.publish.spark import constructs
from exporter.publish.spark.planner import Columns
from exporter.publish.spark.rewriting import Rewritten, rewrite, tables_of
from exporter.store.connections import BOUND, Connection, Rows


@contextmanager
def _is_a_program() -> Iterator[None]:
    """Let the client be imported where the main module has no file, as under `python -c`.

    It would take that for a run of its own doctests, and end the process if Spark is not there
    (pyspark 4.2, check_dependencies in pyspark/sql/connect/utils.py).
    """
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        yield
        return
    main.__file__ = "-c"
    try:
        yield
    finally:
        del main.__file__


with extra("spark", "--remote"), warnings.catch_warnings(), _is_a_program():
    # The client warns about new versions of its own dependencies.
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    import grpc
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession
    from pyspark.sql.dataframe import DataFrame
    from pyspark.storagelevel import StorageLevel
    from sqlglot import exp

if TYPE_CHECKING:
    from exporter.publish.reading import Lake

#: What makes Spark compute as DuckDB does.
_SETTINGS: Final = {
    "spark.sql.session.timeZone": "UTC",
    # An overflow is an error, not NULL.
    "spark.sql.ansi.enabled": "true",
    # A product of decimals keeps its places.
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    # An account of only digits is no number.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    # Spark 4.2 takes the plan of job-history for an invalid one, and runs it if it does not look.
    "spark.sql.lightweightPlanChangeValidation": "false",
}
_ADDRESS: Final = re.compile(r"sc://(?P<host>\[[^\]]+\]|[^:/;]+)(?::(?P<port>\d+))?(?:/(?:;.*)?)?")
_PORT: Final = 15002
_PATIENCE: Final = 10.0
#: Some 20 seconds in all: the reader waits.
_RETRIES: Final = 5


class Remote:
    """The relations of a lake on a Spark Connect server."""

    def __init__(
        self, session: SparkSession, lake: Lake, connection: Connection, address: str
    ) -> None:
        """Use a session for the tables of a lake.

        Args:
            session: The session.
            lake: The lake.
            connection: DuckDB's connection to it, for what only small tables know.
            address: Host and port of the server, for messages.
        """
        self._session = session
        self._lake = lake
        self._connection = connection
        self._address = address
        self._ready: set[str] = set()
        self._knows_delta: bool | None = None

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Return the rows of a SELECT of DuckDB, all of them fetched.

        Raises:
            UsageError: The statement has a construct that cannot be rewritten.
            ServiceError: The server cannot be reached, or failed.
        """
        text = bound(statement, parameters or {})
        if not tables_of(text) & _large():
            return self._connection.execute(statement, parameters or {})
        written = rewrite(text, relations())
        with failures(self._address), self._interruptible():
            self._prepare(written)
            with self._shared(written):
                frame: Any = self._session.sql(written.sql)
                table, _ = frame._to_table()  # its toArrow() would plan the statement twice
        rows = converted(table.columns, list(written.columns.values()))
        return Rows(list(written.columns.items()), [list(rows)])

    def close(self) -> None:
        """End the session on the server."""
        with suppress(PySparkException, grpc.RpcError):
            self._session.stop()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            # Otherwise the server would compute on. Not every server knows this request.
            with suppress(PySparkException, grpc.RpcError):
                self._session.interruptAll()
            raise

    @contextmanager
    def _shared(self, written: Rewritten) -> Iterator[None]:
        """Compute once on the server what a statement reads several times.

        Spark writes a CTE into each place that reads it, and a cached frame with its whole plan
        too: the plans of plans took minutes. The plan of a checkpoint is a scan.
        """
        kept = []
        try:
            for name, sql in written.shared:
                frame = _checkpoint(self._session.sql(sql))
                frame.createOrReplaceTempView(name)
                kept.append(frame)
            yield
        finally:
            for name, _ in written.shared[: len(kept)]:
                with suppress(PySparkException, grpc.RpcError):
                    self._session.catalog.dropTempView(name)

    def _prepare(self, written: Rewritten) -> None:
        """Create the temporary views that a statement reads."""
        for name in sorted(written.tables - self._ready):
            if name.startswith(_PREFIX):
                self._load(name.removeprefix(_PREFIX)).createOrReplaceTempView(name)
            else:
                view = _views()[name]
                self._prepare(view)
                self._session.sql(view.sql).createOrReplaceTempView(name)
            self._ready.add(name)

    def _load(self, name: str) -> DataFrame:
        """Return a table of the lake: its Delta table, or the Parquet files that a reader sees."""
        snapshot = self._lake.snapshots[name]
        where = self._lake.where
        folder = where.table(name)
        if snapshot.version is not None and self._has_delta(folder):
            reader = self._session.read.format("delta")
            return reader.option("versionAsOf", str(snapshot.version)).load(folder)
        types = {**snapshot.types, **dict.fromkeys(snapshot.table.partitions, "VARCHAR")}
        described = ", ".join(
            f"`{column}` {constructs.spark_type(exp.DataType.build(kind, dialect='duckdb'))}"
            for column, kind in types.items()
        )
        if not snapshot.files:
            return self._session.createDataFrame([], described)
        paths = [_for_spark(where.table(file.path)) for file in snapshot.files]
        # Account, region and month are in the paths.
        reader = self._session.read.schema(described).option("basePath", _for_spark(folder))
        return reader.parquet(*paths)

    def _has_delta(self, folder: str) -> bool:
        if self._knows_delta is None:
            try:
                _ = self._session.read.format("delta").load(folder).schema
                self._knows_delta = True
            except PySparkException:
                self._knows_delta = False
        return self._knows_delta


def _checkpoint(frame: DataFrame) -> DataFrame:
    """Return the rows of a frame, kept on two executors; where that is not possible, the frame."""
    try:
        return frame.localCheckpoint(storageLevel=StorageLevel.MEMORY_AND_DISK_2)
    except PySparkException:
        # Sail needs a setting for it. It plans what a statement reads several times fast enough.
        return frame


def _for_spark(uri: str) -> str:
    # Spark itself reads S3 by this scheme only.
    return re.sub("^s3://", "s3a://", uri)


#: Temporary views of the lake's tables, beside those of the relations that reports read.
_PREFIX: Final = "lake_"
_LAKE_TABLE: Final = re.compile(r"\blake\.(\w+)")


def relations() -> Mapping[str, Columns]:
    """Return the columns of every relation that reports can read."""
    return {name: view.columns for name, view in _views().items()}


@cache
def _views() -> Mapping[str, Rewritten]:
    """Return the relations over the lake's tables, for Spark."""
    tables: dict[str, Columns] = {
        _PREFIX + each.name: {column.name: column.type for column in layout.columns(each.name)}
        for each in layout.tables()
    }
    return {
        name.removeprefix("internal."): rewrite(_LAKE_TABLE.sub(rf"{_PREFIX}\1", sql), tables)
        for name, sql in _relations().items()
    }


@cache
def _large() -> frozenset[str]:
    """Return the relations over tables with a partition for each month."""
    months = {_PREFIX + each.name for each in layout.tables() if each.by_month}
    return frozenset(name for name, view in _views().items() if view.tables & months)


def _relations() -> dict[str, str]:
    found = layout.relations()
    # The lake has what reports derive from the transitions of each job.
    found["training_job_details"] = found["training_job_details"].replace(
        "\nFROM", f", {', '.join(constructs.DERIVED)}\nFROM"
    )
    return found


@contextmanager
def opened(uri: str, lake: Lake) -> Iterator[Remote]:
    """Open a lake on a server.

    Args:
        uri: `sc://HOST:PORT`, with parameters of Spark Connect after `/;`.
        lake: The lake, which the server must be able to read as well.

    Raises:
        UsageError: This is no URI of a Spark Connect server.
        ServiceError: The server cannot be reached.
    """
    address = address_of(uri)
    with lake.reading() as connection:
        with failures(address):
            session = _session(uri, address)
        remote = Remote(session, lake, connection, address)
        try:
            yield remote
        finally:
            remote.close()


def _session(uri: str, address: str) -> SparkSession:
    # Spark's client would wait for a server for ten minutes.
    host, port = address.rsplit(":", 1)
    socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = SparkSession.builder.remote(uri).create()
    # The client would write each failure to standard error, as JSON with the whole plan.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    session.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES)])
    for name, value in _SETTINGS.items():
        # A server that lacks a setting has no other behaviour to choose.
        with suppress(PySparkException):
            session.conf.set(name, value)
    return session


def address_of(uri: str) -> str:
    """Return host and port of a URI, without its parameters, which can hold a token.

    Raises:
        UsageError: It is none.
    """
    match = _ADDRESS.fullmatch(uri)
    if match is None:
        raise UsageError(
            "--remote takes the URI of a Spark Connect server: sc://HOST:PORT.",
            "Parameters follow a slash: sc://HOST:PORT/;use_ssl=true;token=TOKEN.",
        )
    return f"{match['host']}:{match['port'] or _PORT}"


@contextmanager
def failures(address: str) -> Iterator[None]:
    """Translate what a server and its client raise.

    Raises:
        ServiceError: For each of these.
    """
    try:
        yield
    except OSError as error:
        raise ServiceError(
            f"The Spark Connect server {address} cannot be reached: {error.strerror or error}.",
            "Check the address of --remote. Without --remote, the report runs in DuckDB.",
        ) from error
    except grpc.RpcError as error:
        raise _failed(address, str(error.code().name)) from None
    except PySparkException as error:
        raise _failed(address, _line(error)) from None


def _failed(address: str, why: str) -> ServiceError:
    return ServiceError(
        f"The Spark Connect server {address} failed: {why}.",
        "Run it again. Without --remote, the report runs in DuckDB.",
    )


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:300]


def bound(statement: str, parameters: Mapping[str, Any]) -> str:
    """Return a statement with its parameters as literals of DuckDB."""
    used = {name: parameters[name] for name in BOUND.findall(statement)}
    compiled = (
        sa.text(statement)
        .bindparams(**used)
        .compile(dialect=DefaultDialect(paramstyle="named"), compile_kwargs={"literal_binds": True})
    )
    return str(compiled)


def converted(columns: Sequence[Any], types: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of Arrow columns with the values that DuckDB gives for these types."""
    read = [
        _column(column.to_pylist(), _converter(exp.DataType.build(kind, dialect="duckdb")))
        for column, kind in zip(columns, types, strict=True)
    ]
    return zip(*read, strict=True) if read else iter(())


#: Precise enough for every decimal of DuckDB.
_WIDE: Final = Context(prec=60)
Convert = Callable[[Any], Any]


def _column(values: list[Any], convert: Convert | None) -> list[Any]:
    if convert is None:
        return values
    return [None if value is None else convert(value) for value in values]


def _converter(kind: exp.DataType) -> Convert | None:
    """Return what makes a value of a type that of DuckDB; None = it is one."""
    of = kind.this
    if of in constructs.INTEGERS:
        return int
    if of is exp.DType.DECIMAL:
        scale = Decimal(1).scaleb(-int(kind.expressions[1].name))
        return lambda value: Decimal(value).quantize(scale, context=_WIDE)
    if of in (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ):
        return lambda value: value.astimezone(UTC)
    if of in constructs.TIMESTAMPS:
        return _without_zone
    if of in (exp.DType.ARRAY, exp.DType.LIST):
        item = _converter(kind.expressions[0])
        return None if item is None else lambda values: _column(values, item)
    if of is exp.DType.STRUCT:
        fields = {each.name: _converter(each.args["kind"]) for each in kind.expressions}
        return lambda value: {
            name: _column([value[name]], convert)[0] for name, convert in fields.items()
        }
    return None


def _without_zone(value: datetime) -> datetime:
    return value.astimezone(UTC).replace(tzinfo=None)
