"""A copy in memory of what listings read, updated with the parts of the file that differ.

A process that answers all day cannot keep the file open, or no sync could write. It cannot open
the file for each answer, which takes 15 ms and blocks the sync. So it opens the file once after
each commit, compares the fingerprints of its parts with those of the copy, and reads the parts that
differ. No column says which commit wrote a row: times of observation come from the service's clock,
and several scopes commit in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from exporter.store.batches import Batch, fetch
from exporter.store.connections import Connection, in_memory
from exporter.store.listing import COLUMNS, Mark, Span, read_mark, read_span
from exporter.store.schema import training_jobs
from exporter.store.scopes import ScopeKey

PART: Final = 4_096
"""Rows of a part: two of DuckDB's vectors, so DuckDB reads a part without its neighbours."""

AT_ONCE: Final = 30
"""Parts read at once: one of DuckDB's row groups, some 50 MB in transit."""

_FRESH: Final = "fresh_rows"
#: Not in the fingerprint, because a row keeps them and its number for good. In another file the
#: times of its rows differ.
_FIXED: Final = frozenset({"training_job_name", "training_job_arn", "account_id", "region"})


class Mirror:
    """Rows of training_jobs in memory; for one thread at a time.

    Args:
        part: Rows of a part, the unit of comparison.
        at_once: The most parts to read at once.

    Attributes:
        scopes: The accounts and regions in the file.
        mark: The end of the history of statuses.
        span: The jobs in the copy; None = it has none.
    """

    def __init__(self, part: int = PART, at_once: int = AT_ONCE) -> None:
        self._part = part
        self._at_once = at_once
        self._memory = in_memory()
        self.clear()

    def clear(self) -> None:
        """Forget everything, because the path names another file now."""
        columns = ", ".join(f"{name} {training_jobs.types[name]}" for name in COLUMNS)
        self._memory.execute(
            f"CREATE OR REPLACE TABLE training_jobs (number BIGINT, fingerprint UBIGINT, {columns})"
        )
        self._parts: dict[int, tuple[int, int]] = {}
        self.scopes: list[ScopeKey] = []
        self.mark = Mark(0, "")
        self.span: Span | None = None

    def close(self) -> None:
        """Free the memory."""
        self._memory.close()

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Run a statement on the copy and return all rows."""
        return self._memory.execute(statement, dict(parameters)).fetchall()

    def refresh(self, connection: Connection) -> bool:
        """Copy what differs in the file and return whether anything did.

        Args:
            connection: The file, open for reading.
        """
        file = connection.raw

        def execute(statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
            found: Sequence[Sequence[Any]] = file.execute(statement, dict(parameters)).fetchall()
            return found

        before = self.scopes, self.mark
        found = execute(_PARTS, {"part": self._part})
        parts = {part: (count, fingerprint) for part, count, fingerprint in found}
        stale = {part for part in parts if self._parts.get(part) != parts[part]}
        stale |= self._parts.keys() - parts.keys()
        # If this run fails, the next one copies these parts again.
        self._parts = {part: parts[part] for part in parts.keys() - stale}
        # The newest rows come first, so a listing from the newest on can skip the rest.
        for first, last in reversed(list(_ranges(stale, self._at_once))):
            bounds = {"first": first * self._part, "last": (last + 1) * self._part - 1}
            self._take(fetch(file.sql(_FRESH_ROWS.format(**bounds))), bounds)
        self._parts = parts
        scopes = set(self.scopes) | {ScopeKey(*row) for row in execute(_SYNCED, {})}
        self.scopes, self.mark = sorted(scopes), read_mark(execute)
        self.span = read_span(self.execute)
        return bool(stale) or before != (self.scopes, self.mark)

    def _take(self, fresh: Batch, bounds: Mapping[str, int]) -> None:
        """Update rows in place: rows that are deleted and inserted again would fill the memory."""
        memory = self._memory
        memory.begin()
        try:
            for statement in (_UPDATE, _ADD, _REMOVE):
                memory.register(_FRESH, fresh)  # each time: DuckDB 1.4 reads a batch once
                memory.execute(statement.format(**bounds))
            memory.register(_FRESH, fresh)
            found = memory.execute(f"SELECT DISTINCT account_id, region FROM {_FRESH}").fetchall()  # noqa: S608 - our own names
        except BaseException:
            memory.rollback()
            raise
        finally:
            memory.unregister(_FRESH)
        memory.commit()
        self.scopes = sorted(set(self.scopes) | {ScopeKey(*row) for row in found})


def _ranges(parts: Iterable[int], most: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of adjacent parts, at most `most` together."""
    first = last = None
    for part in sorted(parts):
        if first is None or last is None:
            first = last = part
        elif part == last + 1 and part - first < most:
            last = part
        else:
            yield first, last
            first = last = part
    if first is not None and last is not None:
        yield first, last


def _numbered() -> str:
    names = ("rowid", *(name for name in COLUMNS if name not in _FIXED), "updated_at")
    return f"rowid AS number, hash({', '.join(names)}) AS fingerprint"


# These statements hold our own names and whole numbers only.
_PARTS: Final = f"""
SELECT number // $part AS part, count(*), bit_xor(fingerprint)
FROM (SELECT {_numbered()} FROM training_jobs)
GROUP BY part
"""  # noqa: S608
_FRESH_ROWS: Final = f"""
SELECT {_numbered()}, {", ".join(COLUMNS)}
FROM training_jobs
WHERE rowid BETWEEN {{first}} AND {{last}}
"""  # noqa: S608
_UPDATE: Final = f"""
UPDATE training_jobs SET {", ".join(f"{name} = f.{name}" for name in ("fingerprint", *COLUMNS))}
FROM {_FRESH} AS f
WHERE training_jobs.number BETWEEN {{first}} AND {{last}}
    AND training_jobs.number = f.number AND training_jobs.fingerprint <> f.fingerprint
"""  # noqa: S608
_ADD: Final = f"""
INSERT INTO training_jobs BY NAME
SELECT f.* FROM {_FRESH} AS f
ANTI JOIN (SELECT number FROM training_jobs WHERE number BETWEEN {{first}} AND {{last}}) AS j
    ON j.number = f.number
"""  # noqa: S608
_REMOVE: Final = f"""
DELETE FROM training_jobs
WHERE number BETWEEN {{first}} AND {{last}} AND number NOT IN (SELECT number FROM {_FRESH})
"""  # noqa: S608
_SYNCED: Final = "SELECT account_id, region FROM sync_scopes"
