"""A copy in memory of what listings read, brought up to the file by what differs.

A process that answers all day cannot keep the file open (no sync could write any more), nor open
it for each answer (15 ms and more, and the sync has to wait each time). It opens the file once
after each commit, to compare the fingerprints of its parts with those of the copy, and reads the
parts that differ. Fingerprints, because no column says in which commit a row was written: times
of observation come from the service's clock, and several scopes commit in turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from exporter.store.batches import Batch, fetch
from exporter.store.connections import in_memory
from exporter.store.listing import COLUMNS, Mark, read_mark
from exporter.store.schema import training_jobs
from exporter.store.scopes import ScopeKey

if TYPE_CHECKING:
    import sqlalchemy as sa

#: Rows of a part: two of DuckDB's vectors, so that a part is read without its neighbours.
_PART: Final = 4_096
#: Parts read at once: one of DuckDB's row groups, some 50 MB on their way.
_AT_ONCE: Final = 30
_FRESH: Final = "fresh_rows"
#: Not in the fingerprint: a row of the file keeps them, and its number, for good. What tells one
#: row from another all the same, should the file be another, are its times.
_FIXED: Final = frozenset({"training_job_name", "training_job_arn", "account_id", "region"})

_Part = tuple[int, int]


class Mirror:
    """Rows of training_jobs in memory; for one thread at a time.

    Attributes:
        scopes: The accounts and regions in the file.
        mark: The end of the history of statuses.
    """

    def __init__(self) -> None:
        self._memory = in_memory()
        self.clear()

    def clear(self) -> None:
        """Forget everything: the file has become another."""
        columns = ", ".join(f"{name} {_type(name)}" for name in COLUMNS)
        self._memory.execute(
            f"CREATE OR REPLACE TABLE training_jobs (number BIGINT, print UBIGINT, {columns})"
        )
        self._parts: dict[int, _Part] = {}
        self.scopes: list[ScopeKey] = []
        self.mark = Mark(0, "")

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Run a statement over the copy; gives all rows."""
        return self._memory.execute(statement, dict(parameters)).fetchall()

    def refresh(self, connection: sa.Connection) -> bool:
        """Take over what differs in the file; says whether anything did.

        Args:
            connection: The file, open for reading.
        """
        file: Any = connection.connection.driver_connection

        def ask(statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
            found: Sequence[Sequence[Any]] = file.execute(statement, dict(parameters)).fetchall()
            return found

        before = self.scopes, self.mark
        parts = {part: (count, print_) for part, count, print_ in ask(_PARTS, {})}
        stale = {part for part in parts if self._parts.get(part) != parts[part]}
        stale |= self._parts.keys() - parts.keys()
        # What is not known to be taken over whole is taken over again next time.
        self._parts = {part: parts[part] for part in parts.keys() - stale}
        # The newest first: a listing from the newest on then passes over the rest at a glance.
        for first, last in reversed(list(_ranges(stale))):
            bounds = {"first": first * _PART, "last": (last + 1) * _PART - 1}
            self._take(fetch(file.sql(_FRESH_ROWS.format(**bounds))), bounds)
        self._parts = parts
        scopes = set(self.scopes) | {ScopeKey(*row) for row in ask(_SYNCED, {})}
        self.scopes, self.mark = sorted(scopes), read_mark(ask)
        return bool(stale) or before != (self.scopes, self.mark)

    def _take(self, fresh: Batch, bounds: Mapping[str, int]) -> None:
        """Update in place, then add: rows deleted and added anew would pile up in memory."""
        memory = self._memory
        memory.begin()
        try:
            for statement in (_UPDATE, _ADD, _REMOVE):
                memory.register(_FRESH, fresh)  # each time: DuckDB 1.4 reads a batch once
                memory.execute(statement.format(**bounds))
            memory.register(_FRESH, fresh)
            found = memory.execute(f"SELECT DISTINCT account_id, region FROM {_FRESH}").fetchall()  # noqa: S608 - a name of ours
        except BaseException:
            memory.rollback()
            raise
        finally:
            memory.unregister(_FRESH)
        memory.commit()
        self.scopes = sorted(set(self.scopes) | {ScopeKey(*row) for row in found})


def _ranges(parts: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Neighbours together, as their first and last, but not too many."""
    first = last = None
    for part in sorted(parts):
        if first is None or last is None:
            first = last = part
        elif part == last + 1 and part - first < _AT_ONCE:
            last = part
        else:
            yield first, last
            first = last = part
    if first is not None and last is not None:
        yield first, last


def _type(name: str) -> str:
    kind = str(training_jobs.c[name].type)
    return "TIMESTAMPTZ" if kind.startswith("TIMESTAMP") else kind


def _numbered() -> str:
    names = ("rowid", *(name for name in COLUMNS if name not in _FIXED), "updated_at")
    return f"rowid AS number, hash({', '.join(names)}) AS print"


# Names of ours, and whole numbers: nothing of a user's is in these statements.
_PARTS: Final = f"""
SELECT number // {_PART} AS part, count(*), bit_xor(print)
FROM (SELECT {_numbered()} FROM training_jobs)
GROUP BY part
"""  # noqa: S608
_FRESH_ROWS: Final = f"""
SELECT {_numbered()}, {", ".join(COLUMNS)}
FROM training_jobs
WHERE rowid BETWEEN {{first}} AND {{last}}
"""  # noqa: S608
_UPDATE: Final = f"""
UPDATE training_jobs SET {", ".join(f"{name} = f.{name}" for name in ("print", *COLUMNS))}
FROM {_FRESH} AS f
WHERE training_jobs.number BETWEEN {{first}} AND {{last}}
    AND training_jobs.number = f.number AND training_jobs.print <> f.print
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
