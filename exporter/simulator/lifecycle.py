"""A job's life by hand: start, end, and what becomes of its pool.

Sources: the warm pool's states and rules are AWS's documentation of
``KeepAlivePeriodInSeconds`` and ``WarmPoolStatus``; which of the moves are noted in
LastModifiedTime nobody has said, so the behaviour decides.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from exporter.simulator.job import FINAL_STATUSES, Job, Transition
from exporter.simulator.views import transitions

if TYPE_CHECKING:
    from exporter.simulator.scope import Scope

_SECOND = timedelta(seconds=1)


def moved(job: Job, status: str, when: datetime) -> tuple[Transition, ...]:
    """Give a job's transitions after one more, at a moment."""
    known = transitions(job, job.state)
    if known and known[-1].status == status:
        return known
    if known and known[-1].end is None:
        known = (*known[:-1], replace(known[-1], end=when))
    # The last status of a job has no duration.
    end = when if status in FINAL_STATUSES else None
    return (*known, Transition(status, when, end))


def start(scope: "Scope", job: Job, **changes: Any) -> Job:  # noqa: ANN401 - JobState's fields
    """Let training begin now: secondary status Training, and InUse if it asked for a pool.

    Args:
        scope: The job's scope.
        job: A job that has not started.
        changes: Further changes of its state.
    """
    behaviour = scope.world.behaviour
    changes.setdefault("secondary_status", "Training")
    changes.setdefault("training_start_time", scope.world.clock.now())
    if gets_pool(scope, job) and behaviour.pool_in_use_while_running:
        changes.setdefault("warm_pool_status", "InUse")
    return scope.update(job, silent=not behaviour.secondary_moves_last_modified, **changes)


def finish(
    scope: "Scope",
    job: Job,
    status: str,
    billable_seconds: int | None,
    failure_reason: str | None,
    pool: bool | None,
) -> Job:
    """End a job now; its pool, if it gets one, becomes Available.

    Args:
        scope: The job's scope.
        job: A job that is not at its end.
        status: Completed, Failed or Stopped.
        billable_seconds: ``BillableTimeInSeconds``; the seconds since training began,
            unless told otherwise, and at least 1.
        failure_reason: Why it failed.
        pool: Whether its instances stay; None leaves it to the rules: a completed job's
            that asked for it, and may.
    """
    world = scope.world
    now = world.clock.now()
    begun = job.state.training_start_time
    untimed = status == "Failed" and world.behaviour.failed_without_times
    changes: dict[str, Any] = {
        "training_job_status": status,
        "secondary_status": status,
        "training_end_time": now,
        "failure_reason": failure_reason,
    }
    if status == "Failed" and failure_reason is None:
        changes["failure_reason"] = "AlgorithmError: , exit code: 1"
    if untimed:
        changes["training_start_time"] = None
    elif begun is not None or billable_seconds is not None:
        ran = max(1, (now - (begun or now)) // _SECOND)
        changes["training_seconds"] = max(ran, billable_seconds or 0)
        changes["billable_seconds"] = billable_seconds or ran
    stays = status == "Completed" and gets_pool(scope, job) if pool is None else pool
    changes["warm_pool_status"] = "Available" if stays else None
    return scope.update(job, **changes)


def settle_pool(
    scope: "Scope",
    job: Job,
    status: str,
    seconds: int | None,
    reused_by: "Job | str | None",
    silent: bool | None,
) -> Job:
    """End the waiting of a pool now.

    Args:
        scope: The job's scope.
        job: A job whose pool is Available.
        status: Reused or Terminated.
        seconds: ``ResourceRetainedBillableTimeInSeconds``; the seconds since the job's end
            unless told otherwise.
        reused_by: The next job, or its name, for Reused.
        silent: Whether LastModifiedTime stays; None leaves it to the behaviour.

    Raises:
        ValueError: The job has no pool.
    """
    ended = job.state.training_end_time
    if job.state.warm_pool_status is None or ended is None:
        raise ValueError(f"{job.name} has no pool to settle")
    if silent is None:
        silent = not scope.world.behaviour.pool_moves_last_modified
    if seconds is None:
        seconds = (scope.world.clock.now() - ended) // _SECOND
    changes: dict[str, Any] = {"warm_pool_status": status, "warm_pool_retained_seconds": seconds}
    if reused_by is not None:
        changes["warm_pool_reused_by_job"] = (
            reused_by.name if isinstance(reused_by, Job) else reused_by
        )
    return scope.update(job, silent=silent, **changes)


def gets_pool(scope: "Scope", job: Job) -> bool:
    """Say whether a job's instances will be kept: asked for, possible, and within quota."""
    spec = job.spec
    return (
        spec.can_have_pool
        and spec.instance_type is not None
        and scope.world.behaviour.has_pool_quota(spec.instance_type)
    )
