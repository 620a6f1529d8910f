"""The order in which AWS changes a job, and which fields of it an answer may change. Pure.

List and Describe answer with the state of their own moment, so a later answer of theirs replaces
an earlier one. Search answers from an index, with the state of some moment within its lag. It may
even answer with a state that is older than the one in its previous answer. An answer of Search
counts as later in two cases: its whole interval is after the stored state, or it is further along
an order in which AWS never goes back:

| part | order |
|---|---|
| status | running, Stopping, Completed or Failed or Stopped, Deleting |
| pool | none, InUse, Available, Reused or Terminated |
| seconds of the pool | they grow |
| ReusedByJob | appears |
| LastModifiedTime of an unchanged status | grows |

An answer of Search that counts as later still takes no part back in that order. So the worst that
a wrong answer of Search can do is to bring a state too early; List or Describe correct it.

What an answer omits erases nothing: AWS may report a pool seconds after the end of a job, List
leaves out members that Describe has, and Search leaves out tags of none.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from exporter.sagemaker.rows import DetailRow, JobRow

_ENDED: Final = frozenset({"Completed", "Failed", "Stopped"})
#: The ranks of the statuses of the model. AWS may add more, final ones or not.
_STATUS_RANKS: Final = {"InProgress": 0, "Stopping": 1, "Deleting": 3} | dict.fromkeys(_ENDED, 2)
#: Secondary statuses that the documentation of SecondaryStatus calls the end of a job.
_ENDED_SECONDARY: Final = frozenset(
    {"Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"}
)
SETTLED: Final = frozenset({"Reused", "Terminated"})
#: The job itself uses the pool. An ended job keeps this status until AWS reports the next one.
IN_USE: Final = "InUse"

_AVAILABLE: Final = 2
#: An unknown pool status is like Available: the pool is there and not settled.
_POOL_RANKS: Final = {None: 0, IN_USE: 1} | dict.fromkeys(SETTLED, 3)

_SECOND: Final = timedelta(seconds=1)
#: Details that AWS adds as a job goes on; it never takes them back.
_APPEARING: Final = frozenset(
    {
        "training_start_time",
        "billable_seconds",
        "training_seconds",
        "failure_reason",
        "tags",
        "status_transitions",
        "serverless",
    }
)
#: Of these, the greater value is the later one.
_GROWING: Final = frozenset({"billable_seconds", "training_seconds"})
_DETAILS: Final = tuple(field.name for field in fields(DetailRow)[2:])
#: Fields of the key, and those of the status and the pool, which change together.
_ORDERED: Final = frozenset(
    {
        "training_job_arn",
        "creation_time",
        "training_job_name",
        "training_job_status",
        "secondary_status",
        "training_end_time",
        "last_modified_time",
        "warm_pool_status",
        "warm_pool_retained_seconds",
        "warm_pool_reused_by_job",
    }
)
#: Other fields, such as a training plan. A new field of `JobRow` is one of them.
_OTHERS: Final = tuple(field.name for field in fields(JobRow) if field.name not in _ORDERED)


def has_ended(job: JobRow) -> bool:
    """Return whether a job has ended, also with a status that is newer than this program.

    A status that is unknown is final if the job has a TrainingEndTime, which "is set only if the
    training job has one of the terminal statuses" (API_TrainingJobSummary), or a final secondary
    status. A job that never started may have only the latter.
    """
    if job.training_job_status in _STATUS_RANKS:
        return job.training_job_status in _ENDED
    return job.training_end_time is not None or job.secondary_status in _ENDED_SECONDARY


def is_further(shown: JobRow, known: JobRow) -> bool:
    """Return whether a state is from later than a known one, by the order of states alone."""
    same_pool = shown.warm_pool_status == known.warm_pool_status
    return (
        _status_rank(shown) > _status_rank(known)
        or _pool_rank(shown) > _pool_rank(known)
        or (
            shown.training_job_status == known.training_job_status
            and _is_later(shown.last_modified_time, known.last_modified_time)
        )
        or (same_pool and _has_more(shown, known))
    )


def is_behind(shown: JobRow, known: JobRow) -> bool:
    """Return whether an answer of Search shows an older status than the known one."""
    return _status_rank(shown) < _status_rank(known) or _is_later(
        known.last_modified_time, shown.last_modified_time
    )


def shows_less(shown: JobRow, known: JobRow) -> bool:
    """Return whether an answer of Search shows an older status or pool than the known ones."""
    if is_behind(shown, known):
        return True
    if _pool_rank(known) < _AVAILABLE:
        return False
    before, after = _pool_rank(known), _pool_rank(shown)
    return after < before or (after == before and _has_more(known, shown))


def merge_jobs(known: JobRow, shown: JobRow, *, authoritative: bool, later: bool) -> JobRow:
    """Return a job after an answer about it.

    Args:
        known: The job before.
        shown: The job in the answer.
        authoritative: List or Describe answered, after everything that is known.
        later: Search shows a state from after the known one; without meaning if authoritative.
    """
    takes_status = authoritative or (later and _moves_status_on(known, shown))
    takes_pool = authoritative or (later and _moves_pool_on(known, shown))
    return replace(
        known,
        **_status_after(known, shown, takes=takes_status),
        **(_pool_after(known, shown, exact=authoritative) if takes_pool else {}),
        **{name: _one_of(known, shown, name, takes=takes_status) for name in _OTHERS},
    )


def merge_details(
    known: DetailRow, shown: DetailRow, *, authoritative: bool, later: bool
) -> DetailRow:
    """Return details after an answer; the arguments are those of `merge_jobs`.

    An answer of Search that may be older adds what is missing, and seconds that have grown.
    """
    values: dict[str, Any] = {}
    for name in _DETAILS:
        before, after = getattr(known, name), getattr(shown, name)
        if before == after or (after is None and name in _APPEARING):
            continue
        grown = name in _GROWING and not authoritative and before is not None
        if before is None or authoritative or (later and not grown):
            values[name] = after
        elif grown:
            values[name] = max(before, after)
    return replace(known, **values) if values else known


def omits_nothing(merged: DetailRow, shown: DetailRow) -> bool:
    """Return whether merged details have all that an answer reports."""
    return all(getattr(shown, name) in (None, getattr(merged, name)) for name in _DETAILS)


def _moves_status_on(known: JobRow, shown: JobRow) -> bool:
    before, after = _status_rank(known), _status_rank(shown)
    same = known.training_job_status == shown.training_job_status
    # A job does not go from Failed to Completed.
    return after > before or (after == before and (same or not has_ended(known)))


def _moves_pool_on(known: JobRow, shown: JobRow) -> bool:
    before, after = _pool_rank(known), _pool_rank(shown)
    same = known.warm_pool_status == shown.warm_pool_status
    return after > before or (after == before and (same or not _is_settled(known)))


def _one_of(known: JobRow, shown: JobRow, name: str, *, takes: bool) -> Any:  # noqa: ANN401 - of the field's type
    """Return a field that is in no order; even an answer that is out of date can fill it."""
    before, after = getattr(known, name), getattr(shown, name)
    return after if before is None or (takes and after is not None) else before


def _status_after(known: JobRow, shown: JobRow, *, takes: bool) -> dict[str, Any]:
    same = known.training_job_status == shown.training_job_status
    if not takes and not same:
        return {}
    newer, older = (shown, known) if takes else (known, shown)
    runs_again = _status_rank(newer) < _status_rank(older)
    modified = newer.last_modified_time or older.last_modified_time
    if same and _are_close(known.last_modified_time, shown.last_modified_time):
        # The first spelling stays. A finer one of the same moment would be a state of its own.
        modified = known.last_modified_time
    return {
        "training_job_status": newer.training_job_status,
        "secondary_status": newer.secondary_status or (older.secondary_status if same else None),
        "training_end_time": _finer(
            newer.training_end_time, None if runs_again else older.training_end_time
        ),
        "last_modified_time": modified,
    }


def _pool_after(known: JobRow, shown: JobRow, *, exact: bool) -> dict[str, Any]:
    if shown.warm_pool_status is None:
        return {}
    same = known.warm_pool_status == shown.warm_pool_status
    # The seconds of a waiting pool do not become its final ones.
    before = known.warm_pool_retained_seconds if same else None
    seconds = shown.warm_pool_retained_seconds
    if before is not None and not (exact and seconds is not None and _is_settled(shown)):
        # The seconds of an open pool only grow. Those of a settled pool are exact, but Search may
        # show them before they are.
        seconds = max(before, seconds or 0)
    return {
        "warm_pool_status": shown.warm_pool_status,
        "warm_pool_retained_seconds": seconds,
        "warm_pool_reused_by_job": shown.warm_pool_reused_by_job
        or (known.warm_pool_reused_by_job if same else None),
    }


def _is_settled(job: JobRow) -> bool:
    return job.warm_pool_status in SETTLED


def _has_more(shown: JobRow, known: JobRow) -> bool:
    """Return whether a pool of the same status has more seconds, or a job that reused it."""
    ours, theirs = known.warm_pool_retained_seconds, shown.warm_pool_retained_seconds
    more = theirs is not None and (ours is None or theirs > ours)
    reused = known.warm_pool_reused_by_job is None and shown.warm_pool_reused_by_job is not None
    return more or reused


def _status_rank(job: JobRow) -> int:
    unknown = 2 if has_ended(job) else 0
    return _STATUS_RANKS.get(job.training_job_status, unknown)


def _pool_rank(job: JobRow) -> int:
    return _POOL_RANKS.get(job.warm_pool_status, _AVAILABLE)


def _is_later(moment: datetime | None, than: datetime | None) -> bool:
    """Return whether a time is later than another, not only rounded differently."""
    if moment is None or than is None:
        return False
    return moment > than and not _are_close(moment, than)


def _finer(moment: datetime | None, before: datetime | None) -> datetime | None:
    """Return a time, or the one before if this one is missing or only rounded."""
    if moment is None or before is None:
        return moment or before
    return before if moment.microsecond == 0 and _are_close(moment, before) else moment


def _are_close(one: datetime | None, other: datetime | None) -> bool:
    """Return whether one of two times may be the other in whole seconds."""
    if one is None or other is None:
        return False
    return abs(one - other) < _SECOND and 0 in (one.microsecond, other.microsecond)
