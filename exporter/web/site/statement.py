"""Runs the SQL of a user in a process of its own, within limits of time, memory and size.

DuckDB cannot stop every statement, and not all of its memory counts against its limit. The system
can stop a process, so each statement gets one: `python -m exporter.web.site.statement` reads a
request from standard input and writes the result to a file. It opens the database or lake as
`query` does: read-only, without other files, the network and extensions.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from exporter.errors import BusyError, ExporterError, UsageError
from exporter.reports import adhoc, output
from exporter.reports.result import Note, Result
from exporter.store.connections import Connection
from exporter.store.database import Database

#: Seconds that a statement may take, and that its process may take to start on a busy machine.
SECONDS: Final = 30
_START: Final = 60
#: Bytes of the result.
MOST_BYTES: Final = 100 << 20
#: Characters of a statement.
LONGEST: Final = 20_000
_MEMORY: Final = "1GB"
_ADDRESS_SPACE: Final = 4 << 30
_REFUSED: Final = 2


@dataclass(frozen=True)
class Request:
    """A statement and where its result goes.

    Attributes:
        kind: `db` or `lake`.
        place: The database file, which nobody writes to, or the URI of the lake.
        sql: One statement.
        style: A format of `exporter.reports.rendering.FORMATS`.
        rows: The most rows.
        target: The file to write.
    """

    kind: str
    place: str
    sql: str
    style: str
    rows: int
    target: str


def run(request: Request, *, seconds: float = SECONDS) -> None:
    """Run a statement; its result is in the file afterwards.

    Args:
        request: The statement.
        seconds: How long it may take.

    Raises:
        UsageError: DuckDB refuses the statement, or it exceeds a limit.
    """
    if len(request.sql) > LONGEST:
        raise UsageError(f"The statement is longer than {LONGEST:,} characters.")
    try:
        found = subprocess.run(  # noqa: S603 - this program itself
            [sys.executable, "-m", __name__],
            input=json.dumps({"seconds": seconds, **asdict(request)}).encode(),
            capture_output=True,
            timeout=seconds + _START,
            check=False,
        )
        is_late = found.returncode == -signal.SIGALRM
    except subprocess.TimeoutExpired:
        is_late = True
    if is_late:
        raise BusyError(
            f"The statement took longer than {seconds:g} s.",
            "Choose fewer rows, or run it with `sagemaker-exporter query`.",
        )
    if found.returncode == _REFUSED:
        raise UsageError(found.stderr.decode(errors="replace").strip())
    if found.returncode:
        raise UsageError(
            "The statement takes too much time or memory, or its result is too large.",
            "Choose fewer rows or columns, or run it with `sagemaker-exporter query`.",
        )


def main() -> int:
    """Read a request from standard input and answer it; return the exit code."""
    fields = json.loads(sys.stdin.read())
    # The signal ends the process, wherever it is.
    signal.setitimer(signal.ITIMER_REAL, fields.pop("seconds"))
    request = Request(**fields)
    for kind, limit in (
        (resource.RLIMIT_CPU, SECONDS * 2),
        (resource.RLIMIT_FSIZE, MOST_BYTES),
        (resource.RLIMIT_AS, _ADDRESS_SPACE),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS has no limit of the address space
            resource.setrlimit(kind, (limit, limit))
    try:
        with _reading(request) as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute("SET temp_directory = ''")
            with Path(request.target).open("wb") as stream:
                output.write(
                    _first(adhoc.run(connection, request.sql), request), request.style, stream
                )
    except ExporterError as error:
        sys.stderr.write(str(error))
        return _REFUSED
    return 0


def _reading(request: Request) -> AbstractContextManager[Connection]:
    if request.kind == "lake":
        from exporter.publish.reading import lake

        return lake(request.place, row_ids=False).reading()
    return Database(Path(request.place)).reading()


def _first(result: Result, request: Request) -> Result:
    """Return the first rows of a result, with a note if there are more."""
    rows = iter(result.rows)
    first = list(islice(rows, request.rows))
    is_more = next(rows, None) is not None
    note = Note("more", f"Only the first {request.rows:,} rows are here.")
    return replace(result, rows=first, notes=(note,) if is_more else ())


if __name__ == "__main__":
    raise SystemExit(main())
