"""The jobs of one scope between two commits.

Every answer of a sync is merged here, and every commit takes its jobs from here. So an answer
always starts from what the one before it left, and a commit has one row per job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from exporter.sagemaker.rows import JobKey
from exporter.store.scopes import ScopeKey
from exporter.syncing.merge import (
    Merged,
    MergePolicy,
    Missing,
    Observed,
    Reply,
    Stored,
    miss,
    observe,
)
from exporter.syncing.records import Records

#: Creation times of one job are at most this far apart (see `JobKey.is_same`).
_SECOND: Final = timedelta(seconds=1)


@dataclass(eq=False)
class Uncommitted:
    """What is known of the jobs of one scope: the file, and what was merged since the last commit.

    Attributes:
        scope: The scope.
        records: The database.
        newest: Creation time of the newest job in the file, which is not read for later ones;
            None = the file has no job of the scope.
    """

    scope: ScopeKey
    records: Records
    newest: datetime | None = None
    _jobs: dict[str, list[Merged]] = field(default_factory=dict)
    _doubted: set[JobKey] = field(default_factory=set)

    def merge(self, replies: Iterable[Reply], policy: MergePolicy) -> list[Stored]:
        """Merge replies in the order of their calls, and return each job once, as it is now.

        A reply that a job is missing needs the job to be known.
        """
        replies = list(replies)
        self._read(_key(reply) for reply in replies)
        touched: dict[JobKey, Stored] = {}
        for reply in replies:
            if isinstance(reply, Observed):
                merged = self._observe(reply, policy)
            else:
                merged = self._miss(reply)
            self._put(merged)
            touched[merged.stored.job.key] = merged.stored
        return list(touched.values())

    def known(self, key: JobKey) -> Stored | None:
        """Return what is known of a job, whichever way its key is spelled."""
        self._read([key])
        found = self._find(key)
        return found.stored if found else None

    def pending(self, *, details: bool) -> list[Stored]:
        """Return jobs that are open, and with `details` those whose details are due."""
        rows = self.records.pending(self.scope, details=details)
        jobs = {job.job.key: job for job in self._overlay(rows)}
        for merged in self._merged():
            jobs[merged.stored.job.key] = merged.stored
        found = [
            job for job in jobs.values() if job.pending and (details or job.open_reason is not None)
        ]
        return sorted(found, key=lambda job: (job.job.creation_time, job.job.training_job_arn))

    def unseen(self, began_at: datetime, until: datetime, first: datetime | None) -> list[Stored]:
        """Return jobs created from `first` to `began_at` and not verified from then to `until`.

        Args:
            began_at: When a full listing began.
            until: Now. An answer with a Date ahead of it verified the job at some earlier time.
            first: The earliest creation time; None = any.
        """
        rows = self.records.unseen(self.scope, began_at, until, first)
        return [
            job
            for job in self._overlay(rows)
            if job.deleted_at is None
            and (job.verified_at is None or not began_at <= job.verified_at <= until)
        ]

    def take(self) -> list[Merged]:
        """Return what a commit has to write, and begin anew: the commit has to be made now."""
        merged = list(self._merged())
        self._jobs.clear()
        times = (job.stored.job.creation_time for job in merged if job.is_new)
        self.newest = max((*times, *([self.newest] if self.newest else [])), default=None)
        return [job for job in merged if job.writes]

    def _merged(self) -> Iterator[Merged]:
        return (merged for jobs in self._jobs.values() for merged in jobs)

    def _observe(self, answer: Observed, policy: MergePolicy) -> Merged:
        found = self._find(answer.job.key)
        return observe(found, _as_known(answer, found), policy)

    def _miss(self, reply: Missing) -> Merged:
        found = self._find(reply.key)
        if found is None:
            raise ValueError(f"an unknown job is missing: {reply.key}")
        key = found.stored.job.key
        stored = miss(found.stored, reply, doubted_now=key in self._doubted)
        self._doubted.add(key)
        return replace(found, stored=stored)

    def _overlay(self, rows: Sequence[Stored]) -> Iterator[Stored]:
        """Yield jobs of the file as they are now."""
        for row in rows:
            found = self._find(row.job.key)
            yield found.stored if found else row

    def _read(self, keys: Iterable[JobKey]) -> None:
        """Read jobs from the file that are not here yet."""
        newest = self.newest
        wanted = [
            key
            for key in keys
            if newest is not None
            and key.creation_time - newest <= _SECOND
            and self._find(key) is None
        ]
        for stored in self.records.known(wanted):
            self._put(Merged(stored, stored))

    def _find(self, key: JobKey) -> Merged | None:
        """Return a job; of several that a key may mean, the one spelled so, else the first."""
        found = [
            job for job in self._jobs.get(key.folded_arn, ()) if key.is_same(job.stored.job.key)
        ]
        return min(
            found,
            key=lambda job: (job.stored.job.key != key, job.stored.first_synced_at),
            default=None,
        )

    def _put(self, merged: Merged) -> None:
        key = merged.stored.job.key
        jobs = self._jobs.setdefault(key.folded_arn, [])
        jobs[:] = [*(job for job in jobs if job.stored.job.key != key), merged]


def _key(reply: Reply) -> JobKey:
    return reply.job.key if isinstance(reply, Observed) else reply.key


def _as_known(answer: Observed, found: Merged | None) -> Observed:
    """Return an answer with the job's own key and name, as they were first seen."""
    if found is None:
        return answer
    job = found.stored.job
    if answer.job.key == job.key and answer.job.training_job_name == job.training_job_name:
        return answer
    arn, created = job.key
    return replace(
        answer,
        job=replace(
            answer.job,
            training_job_arn=arn,
            creation_time=created,
            training_job_name=job.training_job_name,
        ),
        details=answer.details
        and replace(answer.details, training_job_arn=arn, creation_time=created),
    )
