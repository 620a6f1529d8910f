"""Converts between what the merge knows of a job and the stored rows; the only writer of a sync.

Everything that belongs together is one transaction: jobs, changes, details, the position of the
listing or the watermark, and the ledger. Each commit is read back, because DuckDB silently drops
a whole transaction if an error in it was swallowed somewhere.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple

from exporter.config.labels import Labels
from exporter.errors import DatabaseError
from exporter.sagemaker.quotas import Quota
from exporter.sagemaker.rows import DetailRow, JobKey, JobRow
from exporter.sagemaker.service import SEARCH_LAG
from exporter.store import jobs, quotas, scopes
from exporter.store.batches import Batch, Columns, batch
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.schema import training_job_changes, training_job_details, training_jobs
from exporter.store.scopes import Run, ScopeKey, ScopeState
from exporter.syncing.merge import Merged, Stored, StoredDetails
from exporter.syncing.plan import OpenJob

#: The function that writes a batch of rows, and the batch.
Write = tuple[Callable[[Connection, Batch], None], Batch]

_JOB_FIELDS: Final = tuple(field.name for field in fields(JobRow))
_DETAIL_FIELDS: Final = tuple(field.name for field in fields(DetailRow))
#: Columns of the tables, and how to get their values from a `Merged`.
_JOB_COLUMNS: Final = {
    **{name: attrgetter(f"stored.job.{name}") for name in _JOB_FIELDS},
    **{name: attrgetter(f"stored.labels.{name}") for name in Labels._fields},
    **{
        name: attrgetter(f"stored.{name}")
        for name in (
            "first_synced_at",
            "updated_at",
            "verified_at",
            "seen_until",
            "deleted_at",
            "missing_since",
            "open_reason",
            "details_due",
        )
    },
}
_DETAIL_COLUMNS: Final = {
    **{name: attrgetter(f"stored.details.row.{name}") for name in _DETAIL_FIELDS},
    **{
        name: attrgetter(f"stored.details.{name}") for name in ("fetched_at", "seen_until", "final")
    },
}
_CHANGE_FIELDS: Final = tuple(name for name in _JOB_FIELDS if name in training_job_changes.names)


@dataclass(frozen=True)
class Commit:
    """The content of one transaction.

    Attributes:
        run: The row of the ledger.
        state: The row of the scope; None if it stays as it is.
        merged: Jobs after the answers since the last commit, one row per job.
    """

    run: Run
    state: ScopeState | None
    merged: Sequence[Merged] = ()

    def __post_init__(self) -> None:
        keys = (item.stored.job.key for item in self.merged)
        if len({(key.folded_arn, key.creation_time) for key in keys}) < len(self.merged):
            raise ValueError("a commit with two rows for one job: one of them would be lost")


@dataclass(eq=False)
class _Turn:
    """A commit that waits for the file; `done` once it was tried, with its error if it failed."""

    commit: Commit
    writes: Sequence[Write]
    done: bool = False
    error: BaseException | None = None


class ScopeView(NamedTuple):
    """A scope as it is stored.

    Attributes:
        state: Its row.
        open_jobs: Its open jobs, as far as the plan needs them.
        newest: Creation time of its newest job.
        pending: How many of its jobs are open or lack details.
    """

    state: ScopeState
    open_jobs: list[OpenJob]
    newest: datetime | None
    pending: int


class Records:
    """The reads and writes of one sync: one at a time, from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Even within one process, DuckDB rejects a reader while a writer has the file open.
        self._guard = threading.RLock()
        self._waiting: deque[_Turn] = deque()

    def limit_waiting(self, seconds: float) -> None:
        """From now on, wait at most this long for other programs, because the run is ending."""
        self._database.stop_waiting_after(seconds)

    def close_dead_runs(self, now: datetime) -> None:
        """Mark runs that were killed. Hold the sync lock, so that no such run is alive."""
        with self._guard:
            with self._database.reading() as connection:
                dead = scopes.has_running(connection)
            if dead:
                with self._database.writing() as connection:
                    scopes.close_running(connection, now)

    def run(self, run_id: str) -> Run | None:
        """Return a run as it was committed last; None if it never was."""
        with self._guard, self._database.reading() as connection:
            return scopes.read_run(connection, run_id)

    def scope(self, key: ScopeKey) -> ScopeView:
        """Return how far a scope has been read, and what else a plan needs."""
        return self.scopes([key])[key]

    def scopes(self, keys: Sequence[ScopeKey]) -> dict[ScopeKey, ScopeView]:
        """Return the same for many scopes, opening the file once."""
        with self._guard, self._database.reading() as connection:
            states = scopes.read_scopes(connection)
            found = jobs.summaries(connection)
            views = {}
            for key in keys:
                state = states.get(key, ScopeState(*key))
                summary = found.get(key)
                if summary is None:
                    views[key] = ScopeView(state, [], None, 0)
                    continue
                times = jobs.open_times(connection, key) if summary.open else []
                open_jobs = [OpenJob(created, newer) for created, newer in times]
                views[key] = ScopeView(state, open_jobs, summary.newest, summary.pending)
        return views

    def known(self, keys: Iterable[JobKey]) -> list[Stored]:
        """Return the jobs that are stored under these keys, however they are spelled."""
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return []
        with self._guard, self._database.reading() as connection:
            return [_stored(row) for row in jobs.known_jobs(connection, wanted)]

    def pending(self, key: ScopeKey, *, details: bool) -> list[Stored]:
        """Return jobs that are open, and with `details` those whose details are due."""
        with self._guard, self._database.reading() as connection:
            return [_stored(row) for row in jobs.pending_jobs(connection, key, details=details)]

    def deleted(self, key: ScopeKey, since: datetime, limit: int) -> list[Stored]:
        """Return at most `limit` jobs that were deleted since then, last ones first."""
        with self._guard, self._database.reading() as connection:
            return [_stored(row) for row in jobs.deleted_jobs(connection, key, since, limit)]

    def unseen(
        self, key: ScopeKey, began_at: datetime, until: datetime, first: datetime | None
    ) -> list[Stored]:
        """Return jobs created from `first` to `began_at` and not verified from then to `until`."""
        with self._guard, self._database.reading() as connection:
            rows = jobs.unseen_jobs(connection, key, began_at, until, first)
            return [_stored(row) for row in rows]

    def living(self, key: ScopeKey) -> list[tuple[str, datetime]]:
        """Return the keys of all jobs that AWS has not deleted, oldest first."""
        with self._guard, self._database.reading() as connection:
            return jobs.living_keys(connection, key)

    def quotas_due(self, keys: Sequence[ScopeKey], since: datetime) -> set[ScopeKey]:
        """Return the scopes with warm pools whose quotas have not been requested since a time."""
        with self._guard, self._database.reading() as connection:
            return quotas.due(connection, keys, since)

    def note_quota_request(self, key: ScopeKey, now: datetime) -> None:
        """Record that the quotas of a scope are requested now."""
        with self._guard, self._database.writing() as connection:
            quotas.note_request(connection, key, now)

    def store_quotas(self, key: ScopeKey, found: Iterable[Quota], now: datetime) -> None:
        """Replace the quotas of a scope."""
        rows = [quota._asdict() for quota in found]
        with self._guard, self._database.writing() as connection:
            quotas.replace(connection, key, rows, now)

    def commit(self, commit: Commit) -> None:
        """Write everything or nothing, and read it back.

        The first of several waiting commits opens the file for all of them. Each is a transaction
        of its own, so that one that fails affects no other.

        Raises:
            BusyError: Another process kept the file past the lock timeout.
            DatabaseError: The file or the disk failed, or the commit did not take.
        """
        turn = _Turn(commit, list(_writes(commit)))
        self._waiting.append(turn)
        with self._guard:
            try:
                while not turn.done:
                    self._commit_waiting()
            finally:
                if not turn.done:
                    self._waiting.remove(turn)
        if turn.error is not None:
            raise turn.error

    def _commit_waiting(self) -> None:
        with self._database.transactions() as transaction:
            while self._waiting:
                turn = self._waiting.popleft()
                turn.done = True
                try:
                    with transaction(partial(self._read_back, commit=turn.commit)) as connection:
                        self._write(connection, turn)
                except BaseException as error:
                    turn.error = error
                    return

    @staticmethod
    def _write(connection: Connection, turn: _Turn) -> None:
        for write, rows in turn.writes:
            write(connection, rows)
        if turn.commit.state is not None:
            scopes.write_scope(connection, turn.commit.state)
        scopes.write_run(connection, turn.commit.run)

    @staticmethod
    def _read_back(connection: Connection, commit: Commit) -> None:
        run = commit.run
        stored = scopes.read_run(connection, run.run_id)
        state = commit.state
        if stored != run or (
            state is not None and scopes.read_scope(connection, state.key) != state
        ):
            raise DatabaseError(
                f"A commit of run {run.run_id} is not in the database.",
                "Earlier commits are safe; the next run does it again.",
            )


def _writes(commit: Commit) -> Iterator[Write]:
    """Yield what to write of the jobs; all batches are built before the file is opened."""
    run = commit.run
    written = [item for item in commit.merged if item.write_job]
    if written:
        scope = {"account_id": run.account_id, "region": run.region}
        yield jobs.write_jobs, batch(training_jobs, _job_columns(written, scope))
    seen = [moment for item in commit.merged for moment in item.history]
    if seen:
        changes = _change_columns(seen, run.run_id)
        yield jobs.append_changes, batch(training_job_changes, changes)
    detailed = [item for item in commit.merged if item.write_details]
    if detailed:
        yield jobs.write_details, batch(training_job_details, _detail_columns(detailed))


def _stored(row: jobs.Row) -> Stored:
    prefix = jobs.DETAIL_PREFIX
    details = None
    if row[f"{prefix}fetched_at"] is not None:
        details = StoredDetails(
            DetailRow(**{name: row[prefix + name] for name in _DETAIL_FIELDS}),
            fetched_at=row[f"{prefix}fetched_at"],
            # Schema 0001 did not keep it, and a record of Search may be from `SEARCH_LAG` later.
            seen_until=row[f"{prefix}seen_until"] or row[f"{prefix}fetched_at"] + SEARCH_LAG,
            final=row[f"{prefix}final"],
        )
    return Stored(
        job=JobRow(**{name: row[name] for name in _JOB_FIELDS}),
        first_synced_at=row["first_synced_at"],
        updated_at=row["updated_at"],
        verified_at=row["verified_at"],
        seen_until=row["seen_until"] or row["updated_at"],
        labels=Labels(*(row[name] for name in Labels._fields)),
        deleted_at=row["deleted_at"],
        missing_since=row["missing_since"],
        open_reason=row["open_reason"],
        details_due=bool(row["details_due"]),
        details=details,
    )


def _job_columns(merged: Sequence[Merged], scope: Mapping[str, str]) -> Columns:
    return {name: list(map(get, merged)) for name, get in _JOB_COLUMNS.items()} | {
        name: [value] * len(merged) for name, value in scope.items()
    }


def _change_columns(seen: Sequence[tuple[datetime, JobRow]], run_id: str) -> Columns:
    rows = [row for _, row in seen]
    return {name: list(map(attrgetter(name), rows)) for name in _CHANGE_FIELDS} | {
        "observed_at": [seen_at for seen_at, _ in seen],
        "run_id": [run_id] * len(seen),
    }


def _detail_columns(merged: Sequence[Merged]) -> Columns:
    return {name: list(map(get, merged)) for name, get in _DETAIL_COLUMNS.items()}
