"""Merges answers into what is known of a job. Pure: rows in, rows out.

These rules decide, in this order:

1. An answer that is older than the stored row changes nothing. Its LastModifiedTime decides. If
   the two are equal or one is missing, an answer of Search is older if it may stand for a moment
   before the stored answer. List and Describe are called one after the other under the sync lock,
   so their later answer is the newer one.
2. A settled pool stays settled, and a missing pool status erases nothing: the status may be
   missing shortly after the end of a job, and Search lags.
3. Search alone never turns an ended job back into a running one.

A job is *open* while something about it can still change that a listing by creation time would
miss (`open_reason`). Every reason to be open ends at some point.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from exporter.config.labels import Labelled, LabelRules, Labels, label
from exporter.sagemaker.rows import DetailRow, JobKey, JobRow
from exporter.sagemaker.service import SEARCH_LAG, may_be_serverless

ENDED: Final = frozenset({"Completed", "Failed", "Stopped"})
SETTLED: Final = frozenset({"Reused", "Terminated"})
#: The pool serves the job itself. If the job has ended, the status of its pool is yet to come.
IN_USE: Final = "InUse"

#: The status and seconds of a pool, and billable seconds, may be this late.
GRACE: Final = timedelta(hours=1)

RUNNING: Final = "running"
POOL_OPEN: Final = "pool open"
POOL_LATE: Final = "pool status late"
POOL_SECONDS_LATE: Final = "pool seconds late"
KEEP_ALIVE_UNKNOWN: Final = "keep-alive unknown"
#: Reasons that an authoritative answer ends once `GRACE` is over.
WAITING: Final = frozenset({POOL_LATE, POOL_SECONDS_LATE, KEEP_ALIVE_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Observed:
    """One answer about one job.

    Attributes:
        job: The job in the answer of List, Describe or Search.
        as_of: Server time that the answer stands for; for Search, minus the lag of its index.
        details: The fields that Describe and Search add; None from List.
        authoritative: False for Search.
    """

    job: JobRow
    as_of: datetime
    details: DetailRow | None = None
    authoritative: bool = True

    @property
    def at(self) -> datetime:
        """Server time at which the answer was given, whatever moment it stands for."""
        return self.as_of if self.authoritative else self.as_of + SEARCH_LAG


@dataclass(frozen=True, slots=True)
class Deleted:
    """An answer that a job does not exist any more, or that its name is another job's now."""

    key: JobKey
    at: datetime


Reply = Observed | Deleted


@dataclass(frozen=True, slots=True)
class StoredDetails:
    """A row of training_job_details."""

    row: DetailRow
    fetched_at: datetime
    final: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything known of a job: its rows in training_jobs and training_job_details."""

    job: JobRow
    first_synced_at: datetime
    updated_at: datetime
    verified_at: datetime | None
    labels: Labels
    deleted_at: datetime | None = None
    open_reason: str | None = None
    details_due: bool = True
    details: StoredDetails | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """A job after the answers of one batch.

    Attributes:
        stored: What is known now.
        history: States of the job, each with the server time at which it was seen.
        is_new: The job was not known before.
        changed: The job was known, and AWS reports something new about it.
        write_job: Its row in training_jobs differs from the stored one.
        write_details: Its row in training_job_details differs from the stored one.
        is_deleted: The batch found that the job does not exist any more.
    """

    stored: Stored
    history: tuple[tuple[datetime, JobRow], ...]
    is_new: bool
    changed: bool
    write_job: bool
    write_details: bool
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """How a batch is merged.

    Attributes:
        account_id: Account of the jobs.
        rules: Families and teams.
        verify: Move `verified_at` even if nothing changed. A listing of everything does this, to
            know in the end which jobs it has not seen.
        refresh: Replace details even if they are final (tags may have changed).
    """

    account_id: str
    rules: LabelRules
    verify: bool = False
    refresh: bool = False


def merge_batch(
    known: Mapping[JobKey, Stored], answers: Iterable[Observed], policy: MergePolicy
) -> list[Merged]:
    """Return one `Merged` per job for the answers of a batch, given in order of arrival.

    Authoritative answers are merged first; those of Search then add only what is newer.
    """
    by_key: dict[JobKey, list[Observed]] = {}
    for answer in answers:
        by_key.setdefault(answer.job.key, []).append(answer)
    return [_merge_job(known.get(key), group, policy) for key, group in by_key.items()]


def merge_replies(
    known: Mapping[JobKey, Stored], replies: Sequence[Reply], policy: MergePolicy
) -> list[Merged]:
    """Return one `Merged` per job for the replies of lookups; deletions count last.

    Args:
        known: What is stored of the jobs; every deleted job has to be in it.
        replies: Answers and deletions, in order of arrival.
        policy: How to merge.
    """
    merged = merge_batch(known, [reply for reply in replies if isinstance(reply, Observed)], policy)
    by_key = {item.stored.job.key: item for item in merged}
    for reply in replies:
        if isinstance(reply, Deleted):
            before = by_key.pop(reply.key).stored if reply.key in by_key else known[reply.key]
            by_key[reply.key] = Merged(
                mark_deleted(before, reply.at),
                history=(),
                is_new=False,
                changed=False,
                write_job=True,
                write_details=False,
                is_deleted=True,
            )
    return list(by_key.values())


def _merge_job(before: Stored | None, answers: list[Observed], policy: MergePolicy) -> Merged:
    now = before
    history: list[tuple[datetime, JobRow]] = []
    for answer in sorted(answers, key=lambda answer: not answer.authoritative):
        after = merge(now, answer, policy)
        if now is None or _state(after.job) != _state(now.job):
            history.append((after.updated_at, after.job))
        now = after
    if now is None:
        raise ValueError("a job without an answer")
    return Merged(
        stored=now,
        history=tuple(history),
        is_new=before is None,
        changed=before is not None and _substance(now) != _substance(before),
        write_job=before is None or replace(now, details=None) != replace(before, details=None),
        write_details=now.details is not None and (before is None or now.details != before.details),
    )


def merge(before: Stored | None, answer: Observed, policy: MergePolicy) -> Stored:
    """Return what is known of a job after one more answer about it."""
    if before is None:
        return _first(answer, policy)
    accepted = not _is_older(answer, before)
    job = _merge_rows(before.job, answer.job) if accepted else before.job
    authoritative = accepted and answer.authoritative
    back = authoritative and before.deleted_at and answer.as_of > before.deleted_at
    deleted_at = None if back else before.deleted_at
    changed = job != before.job or deleted_at != before.deleted_at
    verifies = policy.verify or changed or before.open_reason in WAITING
    now = replace(
        before,
        job=job,
        deleted_at=deleted_at,
        # Never back, because the store keeps the later row, and a Date may be wrong.
        updated_at=max(before.updated_at, answer.at) if changed else before.updated_at,
        verified_at=(
            max(before.verified_at or answer.as_of, answer.as_of)
            if authoritative and verifies
            else before.verified_at
        ),
    )
    stale = before.details_due or _state(job) != _state(before.job)
    return _with_details(now, answer, policy, stale=stale)


def mark_deleted(before: Stored, at: datetime) -> Stored:
    """Return a job that AWS has deleted; the state that was last seen stays."""
    return replace(
        before,
        deleted_at=at,
        updated_at=max(before.updated_at, at),
        open_reason=None,
        details_due=False,
    )


def open_reason(stored: Stored) -> str | None:
    """Return why a job is still open; None = closed, it can only be deleted.

    An authoritative answer later than `GRACE` after the end of a job closes it if it requested a
    pool and never got one (quota 0, an internal failure; its stored status may be InUse from when
    it ran), or if its keep-alive is unknown. One later than `GRACE` after a pool was seen settled
    closes a job whose pool seconds are missing. Not earlier: five seconds after the end of a job
    the status of its pool may still be missing.
    """
    job = stored.job
    if stored.deleted_at is not None:
        return None
    if job.training_job_status not in ENDED:
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


def _first(answer: Observed, policy: MergePolicy) -> Stored:
    stored = Stored(
        job=answer.job,
        first_synced_at=answer.at,
        updated_at=answer.at,
        verified_at=answer.as_of if answer.authoritative else None,
        labels=_labels(answer.job, None, policy),
    )
    return _with_details(stored, answer, policy, stale=True)


def _is_older(answer: Observed, stored: Stored) -> bool:
    theirs, ours = answer.job.last_modified_time, stored.job.last_modified_time
    if theirs is not None and ours is not None and theirs != ours:
        older = theirs < ours
    else:
        verified_at = None if answer.authoritative else stored.verified_at
        older = verified_at is not None and answer.as_of < verified_at
    goes_back = _has_ended(stored.job) and not _has_ended(answer.job)
    return older or (goes_back and not answer.authoritative)


def _merge_rows(old: JobRow, new: JobRow) -> JobRow:
    keeps_pool = new.warm_pool_status is None or (
        old.warm_pool_status in SETTLED and new.warm_pool_status not in SETTLED
    )
    seconds = new.warm_pool_retained_seconds
    if seconds is None and old.warm_pool_status in SETTLED:
        seconds = old.warm_pool_retained_seconds
    if seconds and new.warm_pool_status not in SETTLED:
        # The seconds of a waiting pool only grow: fewer come from an index that lags.
        seconds = max(seconds, old.warm_pool_retained_seconds or 0)
    same_status = new.training_job_status == old.training_job_status
    return replace(
        new,
        # List may leave out members that Describe has.
        secondary_status=new.secondary_status or (old.secondary_status if same_status else None),
        training_end_time=new.training_end_time or old.training_end_time,
        last_modified_time=new.last_modified_time or old.last_modified_time,
        warm_pool_status=old.warm_pool_status if keeps_pool else new.warm_pool_status,
        warm_pool_retained_seconds=old.warm_pool_retained_seconds if keeps_pool else seconds,
        warm_pool_reused_by_job=(
            old.warm_pool_reused_by_job
            if keeps_pool
            else new.warm_pool_reused_by_job or old.warm_pool_reused_by_job
        ),
        training_plan_arn=new.training_plan_arn or old.training_plan_arn,
    )


def _with_details(now: Stored, answer: Observed, policy: MergePolicy, *, stale: bool) -> Stored:
    """Merge the details of an answer, if any; then decide what is open and what is due.

    Details are final if they were read after the job closed and nothing of them can still come.
    """
    details, labels = now.details, now.labels
    taken = answer.details is not None and _takes_details(details, answer, policy)
    if taken:
        details = _merge_details(details, answer)
        stale = _state(answer.job) != _state(now.job) or may_be_serverless(details.row)
        labels = _labels(now.job, details.row, policy)
        now = replace(now, details=details, labels=labels)
    reason = open_reason(now)
    final = details is not None and details.final
    if taken and details is not None and reason is None and not stale and not final:
        final = _is_complete(details.row, answer)
        details = replace(details, final=final)
    due = details is None or stale or reason is None
    return replace(
        now,
        details=details,
        open_reason=reason,
        details_due=due and not final and now.deleted_at is None,
    )


def _takes_details(details: StoredDetails | None, answer: Observed, policy: MergePolicy) -> bool:
    if details is None:
        return True
    return answer.as_of >= details.fetched_at and (policy.refresh or not details.final)


def _merge_details(old: StoredDetails | None, answer: Observed) -> StoredDetails:
    row = answer.details
    if row is None:
        raise ValueError("an answer without details")
    if old is None:
        return StoredDetails(row, answer.as_of, final=False)
    row = replace(
        row,
        tags=old.row.tags if row.tags is None else row.tags,
        serverless=old.row.serverless if row.serverless is None else row.serverless,
    )
    # Equal details keep their old time, so that a sync without news writes nothing.
    return old if row == old.row else StoredDetails(row, answer.as_of, old.final)


def _is_complete(details: DetailRow, answer: Observed) -> bool:
    """Return whether the details of a closed job are complete.

    A failed job may never get billable seconds; after `GRACE` they are not waited for.
    """
    return details.billable_seconds is not None or answer.as_of >= ended_at(answer.job) + GRACE


def _labels(job: JobRow, details: DetailRow | None, policy: MergePolicy) -> Labels:
    return label(
        Labelled(
            name=job.training_job_name,
            account_id=policy.account_id,
            tuning_job_arn=details.tuning_job_arn if details else None,
            role_arn=details.role_arn if details else None,
            tags=json.loads(details.tags) if details and details.tags else {},
        ),
        policy.rules,
    )


def _has_ended(job: JobRow) -> bool:
    return job.training_job_status in ENDED


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


def _substance(stored: Stored) -> tuple[object, ...]:
    return (stored.job, stored.deleted_at)
