"""The whole life of a job, planned at its birth, and what is true of it at any moment.

Pure. The history that :meth:`World.generate` makes and the days that
:meth:`World.advance` lets pass are the same lives, looked at once or step by step.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.job import JobSpec, JobState, Transition

_SECOND = timedelta(seconds=1)
_DOWNLOAD = timedelta(seconds=25)
_UPLOAD = timedelta(seconds=15)
_STOP = timedelta(seconds=20)
_LONG_ENOUGH = timedelta(seconds=120)

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


class PoolFate(NamedTuple):
    """How a warm pool ends: when, as Reused or Terminated, and by whose reuse."""

    settled_at: datetime
    status: str
    reused_by: str | None = None


class Life(NamedTuple):
    """A job from its creation to the end of its pool.

    Attributes:
        name: Its name.
        spec: What was asked for.
        tags: Its tags.
        created: When it was created.
        started: When its instances began to run, and to be billed; None for never.
        ended: When it ended.
        status: How: Completed, Failed or Stopped.
        failure_reason: Why it failed.
        billed: The share of the time that is billed; below 1 for spot.
        pool: What becomes of its pool, None without one.
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
    pool: PoolFate | None = None

    @property
    def over(self) -> datetime:
        """When nothing will happen to it any more."""
        return self.pool.settled_at if self.pool else self.ended


class Step(NamedTuple):
    """A moment of a life: the primary and the secondary status from then on."""

    when: datetime
    status: str
    secondary: str


def steps(life: Life, behaviour: Behaviour) -> list[Step]:
    """Give the moments at which something changes, from the creation on, in order."""
    made = [Step(life.created, "InProgress", "Starting")]
    started, ended = life.started, life.ended
    if started is not None:
        if ended - started > _LONG_ENOUGH:
            made.append(Step(started, "InProgress", "Downloading"))
            if behaviour.new_statuses:
                new = behaviour.new_statuses[0]
                made.append(Step(started + _DOWNLOAD / 2, "InProgress", new))
            made.append(Step(started + _DOWNLOAD, "InProgress", "Training"))
            if life.status == "Completed":
                made.append(Step(ended - _UPLOAD, "InProgress", "Uploading"))
        else:
            made.append(Step(started, "InProgress", "Training"))
        if life.status == "Stopped" and ended - started > _STOP:
            made.append(Step(ended - _STOP, "Stopping", "Stopping"))
    made.append(Step(ended, life.status, life.status))
    if life.pool is not None:
        made.append(Step(life.pool.settled_at, life.status, life.status))
    return sorted(made, key=lambda step: step.when)


def state_at(life: Life, when: datetime, behaviour: Behaviour) -> JobState:
    """Give what is true of a life at a moment, not before its creation.

    A life that is over carries no transitions: the views work them out from its times,
    and a million jobs' worth of them would fill the memory.
    """
    if when >= life.over:
        return _after_end(life, behaviour, settled=life.pool is not None, transitions=None)
    passed = [step for step in steps(life, behaviour) if step.when <= when]
    shown = _transitions(passed)
    if when >= life.ended:
        return _after_end(life, behaviour, settled=False, transitions=shown)
    now = passed[-1]
    started = life.started if life.started is not None and when >= life.started else None
    in_use = started is not None and behaviour.pool_in_use_while_running and life.pool is not None
    return JobState(
        now.status,
        now.secondary,
        _modified(passed, behaviour),
        training_start_time=started,
        warm_pool_status="InUse" if in_use else None,
        warm_pool_changed_at=started if in_use else None,
        tags=life.tags,
        transitions=shown,
    )


def _after_end(
    life: Life,
    behaviour: Behaviour,
    *,
    settled: bool,
    transitions: tuple[Transition, ...] | None,
) -> JobState:
    pool = life.pool
    started = life.started
    if life.status == "Failed" and behaviour.failed_without_times:
        started = None
    seconds = max(1, (life.ended - started) // _SECOND) if started is not None else None
    modified = life.ended
    status = retained = changed = None
    if pool is not None:
        status, changed = ("Available", life.ended)
        if settled:
            status, changed = pool.status, pool.settled_at
            retained = (pool.settled_at - life.ended) // _SECOND
            if behaviour.pool_moves_last_modified:
                modified = pool.settled_at
    return JobState(
        life.status,
        life.status,
        modified,
        started,
        life.ended,
        status,
        retained,
        pool.reused_by if pool is not None and settled else None,
        changed,
        max(1, int(seconds * life.billed)) if seconds is not None else None,
        seconds,
        life.failure_reason,
        life.tags,
        transitions,
    )


def _modified(passed: list[Step], behaviour: Behaviour) -> datetime:
    """Give when the status last changed, secondary ones as the behaviour has it."""
    modified, status = passed[0].when, passed[0].status
    for step in passed[1:]:
        if step.status != status or behaviour.secondary_moves_last_modified:
            modified, status = step.when, step.status
    return modified


def _transitions(passed: list[Step]) -> tuple[Transition, ...]:
    made: list[Transition] = []
    for step in passed:
        if made and made[-1].status == step.secondary:
            continue
        if made:
            last = made[-1]
            made[-1] = Transition(last.status, last.start, step.when, last.message)
        end = step.when if step.status in ("Completed", "Failed", "Stopped") else None
        message = _MESSAGES.get(step.secondary, step.secondary)
        made.append(Transition(step.secondary, step.when, end, message))
    return tuple(made)
