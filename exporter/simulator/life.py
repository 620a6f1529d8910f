"""The life of a job, from its creation to the end of its warm pool: every rule about it.

Pure. A test moves a job by hand, a change at a time: `started`, `finished`, `settled`. A
generated history plans each `Life` as a whole and takes its state at any moment: `state_at`.
Both make their states of the same changes.

Sources: AWS documents the states and rules of warm pools with `KeepAlivePeriodInSeconds` and
`WarmPoolStatus` [D]. Which changes move LastModifiedTime is not documented, so the behaviour
decides [I].
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.job import FINAL_STATUSES, JobSpec, JobState, Transition

Changes = dict[str, Any]
"""New values for fields of `JobState`."""

_SECOND = timedelta(seconds=1)
_DOWNLOAD = timedelta(seconds=25)
_UPLOAD = timedelta(seconds=15)
_STOP = timedelta(seconds=20)
_LONG_ENOUGH = timedelta(seconds=120)
_LONGEST_CHAIN = timedelta(days=28)

_FAILURE = "AlgorithmError: , exit code: 1"

_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading the training image",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
}


def can_use_pools(spec: JobSpec) -> bool:
    """Return whether a job can leave or take a pool at all [D]."""
    return (
        spec.instance_type is not None
        and spec.training_plan_arn is None
        and not (spec.instance_groups or spec.managed_spot)
    )


def gets_pool(spec: JobSpec, behaviour: Behaviour) -> bool:
    """Return whether a job requested a pool that an otherwise empty quota allows [D]."""
    quota = behaviour.pool_quota(spec.instance_type)
    return (
        bool(spec.keep_alive_seconds)
        and can_use_pools(spec)
        and (quota is None or (spec.instance_count or 0) <= quota)
    )


def keeps_pool(status: str, began: datetime | None, failure_reason: str | None) -> bool:
    """Return whether SageMaker keeps the instances after such an end of a job [D].

    It does if the job completed, was stopped after its launch, or failed by its own fault.
    """
    if status == "Failed":
        return (failure_reason or _FAILURE).startswith(("AlgorithmError", "ClientError"))
    return status == "Completed" or (status == "Stopped" and began is not None)


def started(when: datetime, pool: bool, behaviour: Behaviour) -> Changes:
    """Return the changes when training begins; a job that gets a pool may show InUse."""
    changes: Changes = {"secondary_status": "Training", "training_start_time": when}
    if pool and behaviour.pool_in_use_while_running:
        changes["warm_pool_status"] = "InUse"
    return changes


def finished(
    began: datetime | None,
    when: datetime,
    status: str,
    pool: bool,
    behaviour: Behaviour,
    billable_seconds: int | None,
    failure_reason: str | None,
) -> Changes:
    """Return the changes when a job ends; its pool, if it gets one, becomes Available.

    Without `billable_seconds`, the seconds since training `began` count, at least 1. A Failed
    job without a `failure_reason` gets a common one.
    """
    changes: Changes = {
        "training_job_status": status,
        "secondary_status": status,
        "training_end_time": when,
        "warm_pool_status": "Available" if pool else None,
        "failure_reason": failure_reason,
    }
    if status == "Failed" and failure_reason is None:
        changes["failure_reason"] = _FAILURE
    without = status == "Failed" and behaviour.failed_without_seconds
    if not without and (began is not None or billable_seconds is not None):
        ran = max(1, (when - (began or when)) // _SECOND)
        changes["training_seconds"] = max(ran, billable_seconds or 0)
        changes["billable_seconds"] = billable_seconds or ran
    return changes


def settled(
    ended: datetime, when: datetime, status: str, seconds: int | None, reused_by: str | None
) -> Changes:
    """Return the changes when a waiting pool ends, Reused or Terminated.

    Without `seconds`, those since the job `ended` count.
    """
    changes: Changes = {
        "warm_pool_status": status,
        "warm_pool_retained_seconds": (when - ended) // _SECOND if seconds is None else seconds,
    }
    if reused_by is not None:
        changes["warm_pool_reused_by_job"] = reused_by
    return changes


def with_transition(
    known: tuple[Transition, ...], status: str, when: datetime
) -> tuple[Transition, ...]:
    """Return the transitions of a job after its secondary status changes; unchanged if equal."""
    if known and known[-1].status == status:
        return known
    if known and known[-1].end is None:
        known = (*known[:-1], replace(known[-1], end=when))
    # The final status of a job has no duration.
    end = when if status in FINAL_STATUSES else None
    return (*known, Transition(status, when, end, _MESSAGES.get(status, status)))


def transitions(created: datetime, state: JobState) -> tuple[Transition, ...]:
    """Return the secondary statuses up to now, derived from the times if none were kept."""
    if state.transitions is not None:
        return state.transitions
    made = with_transition((), "Starting", created)
    if state.training_start_time is not None:
        made = with_transition(made, "Downloading", state.training_start_time)
        made = with_transition(made, "Training", state.training_start_time)
    if state.training_end_time is not None and state.secondary_status in FINAL_STATUSES:
        made = with_transition(made, state.secondary_status, state.training_end_time)
    return made


class PoolEnd(NamedTuple):
    """The end of a warm pool.

    Attributes:
        when: When it ends.
        status: Reused or Terminated.
        reused_by: The name of the job that takes it.
        was_kept: False = the quota was full: it ends, Terminated, as soon as its job does.
    """

    when: datetime
    status: str = "Terminated"
    reused_by: str | None = None
    was_kept: bool = True


class Life(NamedTuple):
    """A planned job.

    Attributes:
        name: Its name.
        spec: What was requested.
        tags: Its tags.
        created: When it was created.
        started: When its instances began to run and to be billed; None for never.
        ended: When it ended.
        status: Completed, Failed or Stopped.
        failure_reason: Why it failed.
        billed: The billed share of the training time; below 1 for spot.
        pool: The end of its pool; None without a pool.
        chain_began: When its instances began to run for the first of the jobs that had them.
    """

    name: str
    spec: JobSpec
    tags: Mapping[str, str]
    created: datetime
    started: datetime | None
    ended: datetime
    status: str
    failure_reason: str | None = None
    billed: float = 1.0
    pool: PoolEnd | None = None
    chain_began: datetime | None = None

    @property
    def expiry(self) -> datetime:
        """When its pool ends if no job takes it; a chain lasts 28 days at most [D]."""
        kept = self.ended + timedelta(seconds=self.spec.keep_alive_seconds or 0)
        return min(kept, (self.chain_began or self.created) + _LONGEST_CHAIN)

    @property
    def over(self) -> datetime:
        """When it changes for the last time."""
        return self.pool.when if self.pool else self.ended


class Step(NamedTuple):
    """The primary and the secondary status from a moment on."""

    when: datetime
    status: str
    secondary: str


def steps(life: Life, behaviour: Behaviour) -> list[Step]:
    """Return the moments when a life changes, from the creation on, in order."""
    made = [Step(life.created, "InProgress", "Starting")]
    begun, ended = life.started, life.ended
    if begun is not None:
        if ended - begun > _LONG_ENOUGH:
            made.append(Step(begun, "InProgress", "Downloading"))
            if behaviour.new_statuses:
                made.append(Step(begun + _DOWNLOAD / 2, "InProgress", behaviour.new_statuses[0]))
            made.append(Step(begun + _DOWNLOAD, "InProgress", "Training"))
            if life.status == "Completed":
                made.append(Step(ended - _UPLOAD, "InProgress", "Uploading"))
        else:
            made.append(Step(begun, "InProgress", "Training"))
        if life.status == "Stopped" and ended - begun > _STOP:
            made.append(Step(ended - _STOP, "Stopping", "Stopping"))
    made.append(Step(ended, life.status, life.status))
    if life.pool is not None:
        made.append(Step(life.pool.when, life.status, life.status))
    return sorted(made, key=lambda step: step.when)


def state_at(life: Life, when: datetime, behaviour: Behaviour) -> JobState:
    """Return what is true of a life at a moment, not before its creation.

    A life that is over carries no transitions: those of a million jobs would fill the memory.
    """
    if when >= life.over:
        return _state_after_end(life, when, None, behaviour)
    passed = [step for step in steps(life, behaviour) if step.when <= when]
    known: tuple[Transition, ...] = ()
    for step in passed:
        known = with_transition(known, step.secondary, step.when)
    if when >= life.ended:
        return _state_after_end(life, when, known, behaviour)
    changes: Changes = {}
    if life.started is not None and when >= life.started:
        changes = started(life.started, life.pool is not None, behaviour)
        if "warm_pool_status" in changes:
            changes["warm_pool_changed_at"] = life.started
    changes |= {
        "training_job_status": passed[-1].status,
        "secondary_status": passed[-1].secondary,
        "last_modified_time": _last_modified(passed, behaviour),
    }
    return JobState(tags=life.tags, transitions=known, **changes)


def _state_after_end(
    life: Life, when: datetime, known: tuple[Transition, ...] | None, behaviour: Behaviour
) -> JobState:
    began, ended, pool = life.started, life.ended, life.pool
    billable = None
    if began is not None:
        billable = max(1, int(life.billed * max(1, (ended - began) // _SECOND)))
    reason, has_pool = life.failure_reason, pool is not None and pool.was_kept
    changes: Changes = {"training_start_time": began, "last_modified_time": ended}
    changes |= finished(began, ended, life.status, has_pool, behaviour, billable, reason)
    if pool is not None:
        changes["warm_pool_changed_at"] = ended
    if pool is not None and not pool.was_kept:
        changes["warm_pool_status"] = pool.status
    elif pool is not None and when >= pool.when:
        changes |= settled(ended, pool.when, pool.status, None, pool.reused_by)
        changes["warm_pool_changed_at"] = pool.when
        if behaviour.pool_moves_last_modified:
            changes["last_modified_time"] = pool.when
    return JobState(tags=life.tags, transitions=known, **changes)


def _last_modified(passed: list[Step], behaviour: Behaviour) -> datetime:
    """Return when the primary status last changed, or any status if the behaviour says so."""
    modified, status = passed[0].when, passed[0].status
    for step in passed[1:]:
        if step.status != status or behaviour.secondary_moves_last_modified:
            modified, status = step.when, step.status
    return modified
