"""Merges answers into what is known of a job. Pure: rows in, rows out.

These rules decide, in this order:

1. An answer that is older than the stored row changes nothing. LastModifiedTime decides which one
   is older. If the times are equal or one is missing, an answer of Search is older if its index
   may show a state from before the stored answer. In the same case, an answer of List or
   Describe is not older, because the sync lock keeps these calls in order.
2. A settled pool stays settled, and a missing pool status erases nothing: AWS may report the
   status some seconds after the end of a job, and the index of Search lags.
3. Search alone never turns an ended job back into a running one.

A job is *open* while it can still change in a way that a listing by creation time would miss.
`open_reason` says why. Every reason ends at some point.
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

_ENDED: Final = frozenset({"Completed", "Failed", "Stopped"})
#: The other statuses of the model. AWS may add more of either kind.
_NOT_ENDED: Final = frozenset({"InProgress", "Stopping", "Deleting"})
#: Secondary statuses that the documentation of SecondaryStatus calls the end of a job.
_ENDED_SECONDARY: Final = frozenset(
    {"Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"}
)
SETTLED: Final = frozenset({"Reused", "Terminated"})
#: The job itself uses the pool. An ended job keeps this status until AWS reports the next one.
IN_USE: Final = "InUse"

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
    """One answer about one job.

    Attributes:
        job: The job in the answer of List, Describe or Search.
        as_of: Server time of the state that the answer shows. For Search, this is the time of the
            answer minus the lag of its index.
        details: The fields that Describe and Search add; None from List.
        authoritative: False for Search.
    """

    job: JobRow
    as_of: datetime
    details: DetailRow | None = None
    authoritative: bool = True

    @property
    def at(self) -> datetime:
        """Server time at which AWS gave the answer."""
        return self.as_of if self.authoritative else self.as_of + SEARCH_LAG


@dataclass(frozen=True, slots=True)
class Deleted:
    """An answer that a job no longer exists; a newer job may have its name."""

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
        is_deleted: An answer of the batch says that the job no longer exists.
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
        verify: Move `verified_at` even if nothing changed. A backfill or full listing does so: jobs
            that it does not show keep an earlier `verified_at`.
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
    """Return one `Merged` per job for the replies of lookups; deletions are applied last.

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
        changed=before is not None and _reported(now) != _reported(before),
        write_job=before is None or replace(now, details=None) != replace(before, details=None),
        write_details=now.details is not None and (before is None or now.details != before.details),
    )


def merge(before: Stored | None, answer: Observed, policy: MergePolicy) -> Stored:
    """Return what is known of a job after one more answer about it."""
    if before is None:
        return _new_job(answer, policy)
    accepted = not _is_older(answer, before)
    # A job keeps its training plan, so even an answer that is out of date can name it.
    job = (
        _merge_rows(before.job, answer.job)
        if accepted
        else replace(
            before.job,
            training_plan_arn=before.job.training_plan_arn or answer.job.training_plan_arn,
        )
    )
    authoritative = accepted and answer.authoritative
    reappeared = authoritative and before.deleted_at and answer.as_of > before.deleted_at
    deleted_at = None if reappeared else before.deleted_at
    changed = job != before.job or deleted_at != before.deleted_at
    verifies = policy.verify or changed or before.open_reason in WAITING
    now = replace(
        before,
        job=job,
        deleted_at=deleted_at,
        # Never earlier: a Date may be wrong, and the store keeps the row with the later time.
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


def has_ended(job: JobRow) -> bool:
    """Return whether a job has ended, also with a status that is newer than this program.

    A status that is unknown is final if the job has a TrainingEndTime, which "is set only if the
    training job has one of the terminal statuses" (API_TrainingJobSummary), or a final secondary
    status. A job that never started may have only the latter.
    """
    if job.training_job_status in _ENDED or job.training_job_status in _NOT_ENDED:
        return job.training_job_status in _ENDED
    return job.training_end_time is not None or job.secondary_status in _ENDED_SECONDARY


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
    goes_back = has_ended(stored.job) and not has_ended(answer.job)
    return older or (goes_back and not answer.authoritative)


def _merge_rows(old: JobRow, new: JobRow) -> JobRow:
    keeps_pool = new.warm_pool_status is None or (
        old.warm_pool_status in SETTLED and new.warm_pool_status not in SETTLED
    )
    seconds = new.warm_pool_retained_seconds
    if seconds is None and old.warm_pool_status in SETTLED:
        seconds = old.warm_pool_retained_seconds
    if seconds and new.warm_pool_status not in SETTLED:
        # The seconds of an open pool only grow, so fewer seconds come from an index that lags.
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

    Details are final if they were read after the job closed and are complete.

    Args:
        now: The job with the rows of the answer already merged.
        answer: The answer.
        policy: How to merge.
        stale: The stored details may show an older state than the job.
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

    AWS may never report billable seconds of a failed job; after `GRACE`, nothing waits for them.
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
