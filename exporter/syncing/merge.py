"""Merges answers into what is known of a job. Pure: rows in, rows out.

Answers are merged in the order in which the calls were made. These rules decide:

1. A later answer of List or Describe replaces what is known. The lock of a sync keeps these calls
   in order, so no time in an answer is needed for that, and no wrong time can stop it.
2. An answer of Search is from some moment within the lag of its index. It changes what it proves
   to be older than its own state (exporter.syncing.order).
3. A job counts as deleted after two witnesses: `miss` says which.

A job is *open* while it can still change in a way that a listing by creation time would miss.
`open_reason` says why. Every reason ends at some point.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from exporter.config.labels import Labelled, LabelRules, Labels, label
from exporter.sagemaker.rows import DetailRow, JobKey, JobRow
from exporter.sagemaker.service import SEARCH_LAG, may_be_serverless
from exporter.syncing import order
from exporter.syncing.order import IN_USE, SETTLED, has_ended

#: AWS may report the status and seconds of a pool, and billable seconds, this long after the end.
GRACE: Final = timedelta(hours=1)

RUNNING: Final = "running"
POOL_OPEN: Final = "pool open"
POOL_LATE: Final = "pool status late"
POOL_SECONDS_LATE: Final = "pool seconds late"
KEEP_ALIVE_UNKNOWN: Final = "keep-alive unknown"
#: Reasons that end with the first authoritative answer after `GRACE`.
WAITING: Final = frozenset({POOL_LATE, POOL_SECONDS_LATE, KEEP_ALIVE_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Observed:
    """One answer about one job, with the interval of server time that its state can be from.

    Attributes:
        job: The job in the answer of List, Describe or Search.
        earliest: For List and Describe, when the call was made. For Search, the same minus the
            lag of its index.
        latest: When the answer was there.
        details: The fields that Describe and Search add; None from List.
        authoritative: False for Search.
    """

    job: JobRow
    earliest: datetime
    latest: datetime
    details: DetailRow | None = None
    authoritative: bool = True

    @property
    def at(self) -> datetime:
        """Server time at which AWS gave the answer, rather too early than too late."""
        return self.earliest if self.authoritative else self.earliest + SEARCH_LAG


@dataclass(frozen=True, slots=True)
class Missing:
    """An answer that a job no longer exists.

    Attributes:
        key: The job.
        at: Server time of the answer.
        namesake: A job that has its name now, if Describe showed one.
        confirmed: A second answer of the same sync says the same.
    """

    key: JobKey
    at: datetime
    namesake: JobKey | None = None
    confirmed: bool = False


Reply = Observed | Missing


@dataclass(frozen=True, slots=True)
class StoredDetails:
    """A row of training_job_details.

    Attributes:
        row: The details.
        fetched_at: Earliest server time that they can be from.
        seen_until: Latest server time that they can be from.
        final: They cannot change again.
    """

    row: DetailRow
    fetched_at: datetime
    seen_until: datetime
    final: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything known of a job: its rows in training_jobs and training_job_details.

    `seen_until` is the latest server time that the state can be from. `missing_since` is the time
    of the first answer that the job no longer exists, as long as nothing confirms it.
    """

    job: JobRow
    first_synced_at: datetime
    updated_at: datetime
    verified_at: datetime | None
    seen_until: datetime
    labels: Labels
    deleted_at: datetime | None = None
    missing_since: datetime | None = None
    open_reason: str | None = None
    details_due: bool = True
    details: StoredDetails | None = None

    @property
    def pending(self) -> bool:
        """Whether AWS has the job, and it is open or lacks details."""
        return self.deleted_at is None and (self.open_reason is not None or self.details_due)

    @property
    def lacks_tags(self) -> bool:
        """Whether it is open, and only Describe has shown its details: without its tags."""
        is_open = self.open_reason is not None
        return is_open and self.details is not None and self.details.row.tags is None


@dataclass(frozen=True, slots=True)
class Merged:
    """A job after all answers since the last commit: what the next commit writes.

    Attributes:
        before: What the file knows of it; None = nothing.
        stored: What is known now.
        history: New states of the job, each with the server time at which it was seen.
    """

    before: Stored | None
    stored: Stored
    history: tuple[tuple[datetime, JobRow], ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether the job was not known before."""
        return self.before is None

    @property
    def changed(self) -> bool:
        """Whether the job was known, and AWS reports something new about it."""
        return self.before is not None and _reported(self.stored) != _reported(self.before)

    @property
    def is_deleted(self) -> bool:
        """Whether AWS has deleted the job since the last commit."""
        had = self.before is None or self.before.deleted_at is None
        return had and self.stored.deleted_at is not None

    @property
    def write_job(self) -> bool:
        """Whether its row in training_jobs has to be written.

        A later `seen_until` alone is not written: a sync without news writes nothing. An earlier
        one is, because the one before was in the future.
        """
        if self.before is None:
            return True
        if self.stored is self.before:
            return False
        if self.stored.seen_until < self.before.seen_until:
            return True
        same = {"details": None, "seen_until": self.before.seen_until}
        return replace(self.stored, **same) != replace(self.before, **same)  # type: ignore[arg-type]

    @property
    def write_details(self) -> bool:
        """Whether its row in training_job_details has to be written."""
        details = self.stored.details
        return details is not None and (self.before is None or details != self.before.details)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return self.write_job or self.write_details or bool(self.history)


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """How answers are merged.

    Attributes:
        account_id: Account of the jobs.
        rules: Families and teams.
        verify: Move `verified_at` even if nothing changed. A backfill or full listing does so: jobs
            that it does not show keep an earlier `verified_at`.
        refresh: Replace details even if they are final (tags may have changed).
    """

    account_id: str
    rules: LabelRules
    verify: bool = False
    refresh: bool = False


def observe(merged: Merged | None, answer: Observed, policy: MergePolicy) -> Merged:
    """Return a job after one more answer about it, with its history; None = it was not known."""
    before = merged.stored if merged else None
    after = merge(before, answer, policy)
    history = merged.history if merged else ()
    if before is None or _state(after.job) != _state(before.job):
        history = (*history, (after.updated_at, after.job))
    return Merged(merged.before if merged else None, after, history)


def merge(before: Stored | None, answer: Observed, policy: MergePolicy) -> Stored:
    """Return what is known of a job after one more answer about it."""
    if before is None:
        return _new_job(answer, policy)
    certain = answer.authoritative
    # Most answers of a backfill are those of Search about a job that was just listed.
    same = answer.job == before.job
    later = answer.earliest > before.seen_until or (
        not same and order.is_further(answer.job, before.job)
    )
    job = before.job
    if not same:
        job = order.merge_jobs(job, answer.job, authoritative=certain, later=later)
    deleted_at = None if _shows_again(answer, before.deleted_at) else before.deleted_at
    changed = job != before.job or deleted_at != before.deleted_at
    verifies = policy.verify or changed or before.open_reason in WAITING
    seen_until = max(before.seen_until, answer.latest) if later else before.seen_until
    now = replace(
        before,
        job=job,
        deleted_at=deleted_at,
        missing_since=(
            None if _shows_again(answer, before.missing_since) else before.missing_since
        ),
        # Never earlier: a Date may be wrong, and history is read in the order of these times.
        updated_at=max(before.updated_at, answer.at) if changed else before.updated_at,
        verified_at=answer.earliest if certain and verifies else before.verified_at,
        seen_until=answer.latest if certain else seen_until,
    )
    stale = before.details_due or _state(job) != _state(before.job)
    return _with_details(now, answer, policy, stale=stale, later=later)


def miss(before: Stored, missing: Missing, *, doubted_now: bool) -> Stored:
    """Return a job after an answer that it no longer exists.

    Two witnesses make it deleted: a complete listing of its window that does not show it, and
    Describe; or one of these in two syncs. An answer that shows it in between ends the doubt.

    Args:
        before: What is known of it.
        missing: The answer.
        doubted_now: The doubt began in this sync.
    """
    if before.deleted_at is not None:
        return before
    doubted_before = before.missing_since is not None and not doubted_now
    if missing.confirmed or doubted_before:
        return mark_deleted(before, missing.at)
    return replace(before, missing_since=before.missing_since or missing.at)


def mark_deleted(before: Stored, at: datetime) -> Stored:
    """Return a job that AWS has deleted; the state that was last seen stays."""
    return replace(
        before,
        deleted_at=at,
        missing_since=None,
        updated_at=max(before.updated_at, at),
        open_reason=None,
        details_due=False,
    )


def open_reason(stored: Stored) -> str | None:
    """Return why a job is still open; None = closed, it can only be deleted.

    An authoritative answer more than `GRACE` after the end of a job closes the job

    - if it requested a pool and never got one, because of a quota of 0 or an internal failure (its
      stored status may still be InUse), or
    - if its keep-alive is unknown.

    If AWS never reports the seconds of a settled pool, such an answer more than `GRACE` after the
    pool was seen settled closes the job. An earlier answer does not: five seconds after the end
    of a job, the status of its pool may still be missing.
    """
    job = stored.job
    if stored.deleted_at is not None:
        return None
    if not has_ended(job):
        return RUNNING
    if job.warm_pool_status in SETTLED:
        if job.warm_pool_retained_seconds is not None or _verified_after(stored, stored.updated_at):
            return None
        return POOL_SECONDS_LATE
    if job.warm_pool_status not in (None, IN_USE):
        return POOL_OPEN
    if stored.details is not None and not stored.details.row.keep_alive_seconds:
        return None
    if _verified_after(stored, ended_at(job)):
        return None
    return KEEP_ALIVE_UNKNOWN if stored.details is None else POOL_LATE


def waits_until(stored: Stored) -> datetime | None:
    """Return when an authoritative answer will close a waiting job; None = it does not wait."""
    if stored.open_reason not in WAITING:
        return None
    late_seconds = stored.open_reason == POOL_SECONDS_LATE
    return (stored.updated_at if late_seconds else ended_at(stored.job)) + GRACE


def ended_at(job: JobRow) -> datetime:
    """Return the best estimate of when a job ended."""
    return job.training_end_time or job.last_modified_time or job.creation_time


def _verified_after(stored: Stored, moment: datetime) -> bool:
    return stored.verified_at is not None and stored.verified_at >= moment + GRACE


def _new_job(answer: Observed, policy: MergePolicy) -> Stored:
    stored = Stored(
        job=answer.job,
        first_synced_at=answer.at,
        updated_at=answer.at,
        verified_at=answer.earliest if answer.authoritative else None,
        seen_until=answer.latest,
        labels=_labels(answer.job, None, policy),
    )
    return _with_details(stored, answer, policy, stale=True, later=True)


def _shows_again(answer: Observed, missing_since: datetime | None) -> bool:
    """Return whether an answer shows a job after others said that it does not exist."""
    return missing_since is not None and (answer.authoritative or answer.earliest > missing_since)


def _with_details(
    now: Stored, answer: Observed, policy: MergePolicy, *, stale: bool, later: bool
) -> Stored:
    """Merge the details of an answer, if any; then decide what is open and what is due.

    Details are final if they were read after the job closed and are complete.

    Args:
        now: The job with the rows of the answer already merged.
        answer: The answer.
        policy: How to merge.
        stale: The stored details may show an older state than the job.
        later: The answer shows a later state than the one before it.
    """
    final = now.details is not None and now.details.final and now.open_reason is None and not stale
    complete = False
    if answer.details is not None and (policy.refresh or not final):
        # A refresh was asked for, so what the index has now is what is wanted.
        newer = later or policy.refresh
        details = _merge_details(now.details, answer, answer.details, later=newer)
        stale = _is_stale(details.row, answer, now.job)
        complete = not stale and _is_complete(details.row, answer)
        now = replace(now, details=details, labels=_labels(now.job, details.row, policy))
    return _decide(now, final=final or complete, stale=stale)


def _decide(now: Stored, *, final: bool, stale: bool) -> Stored:
    """Return a job with the reason why it is open, and with what is due of its details."""
    reason = open_reason(now)
    final = final and reason is None
    details = now.details
    if details is not None and details.final != final:
        details = replace(details, final=final)
    due = (details is None or stale or reason is None) and not final and now.deleted_at is None
    if details is now.details and (reason, due) == (now.open_reason, now.details_due):
        return now
    return replace(now, details=details, open_reason=reason, details_due=due)


def _is_stale(merged: DetailRow, answer: Observed, job: JobRow) -> bool:
    """Return whether details after an answer may still be older than the job.

    Search may show an older state than the job has, or be too early to replace a field.
    """
    if may_be_serverless(merged):
        return True
    if answer.authoritative or answer.details is None:
        return False
    return order.shows_less(answer.job, job) or not order.omits_nothing(merged, answer.details)


def _merge_details(
    old: StoredDetails | None, answer: Observed, shown: DetailRow, *, later: bool
) -> StoredDetails:
    if old is None:
        return StoredDetails(shown, answer.earliest, answer.latest, final=False)
    row = order.merge_details(
        old.row,
        shown,
        authoritative=answer.authoritative,
        later=later or answer.earliest > old.seen_until,
    )
    # Equal details keep their old times, so that a sync without news writes nothing.
    return old if row == old.row else StoredDetails(row, answer.earliest, answer.latest, old.final)


def _is_complete(details: DetailRow, answer: Observed) -> bool:
    """Return whether the details of a closed job are complete.

    AWS may never report billable seconds of a failed job; after `GRACE`, nothing waits for them.
    """
    return details.billable_seconds is not None or answer.earliest >= ended_at(answer.job) + GRACE


def _labels(job: JobRow, details: DetailRow | None, policy: MergePolicy) -> Labels:
    tags = details.tags if details and policy.rules.read_tags else None
    return label(
        Labelled(
            name=job.training_job_name,
            account_id=policy.account_id,
            tuning_job_arn=details.tuning_job_arn if details else None,
            role_arn=details.role_arn if details else None,
            tags=json.loads(tags) if tags else {},
        ),
        policy.rules,
    )


def _state(job: JobRow) -> tuple[object, ...]:
    """Return the columns of training_job_changes that come from the answer."""
    return (
        job.training_job_status,
        job.secondary_status,
        job.warm_pool_status,
        job.warm_pool_retained_seconds,
        job.warm_pool_reused_by_job,
        job.last_modified_time,
    )


def _reported(stored: Stored) -> tuple[object, ...]:
    """Return what List reports of a job, and whether AWS has deleted it."""
    return (stored.job, stored.deleted_at)
