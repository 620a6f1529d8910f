"""A session of work: the jobs of a person or a pipeline in turn, or those of a tuner at once.

A session says what its jobs do, not when: a job begins after the end of an earlier one, and that
end depends on the warm pools that it finds. `exporter.simulator.work` runs sessions.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from exporter.simulator.families import FAILURES, NEVER_STARTED, Family, tuning_name
from exporter.simulator.job import JobSpec, Place

_COLD_START = (130.0, 420.0)
_WARM_START = (6.0, 25.0)
_TUNER_AT_ONCE = 4
_LONGEST = 5 * 86_400.0


class Task(NamedTuple):
    """A job of a session, before it is known when it is created; times are seconds.

    Attributes:
        pause: From the end of the job before it, or from the begin of the session.
        cold: From its creation to its start on new instances.
        warm: The same on the instances of a warm pool.
        runs: From its start to its end; from its creation if it never starts.
        status: Completed, Failed or Stopped.
        failure_reason: Why it fails.
        billed: The billed share of the training time; below 1 for spot.
    """

    pause: float
    cold: float
    warm: float
    runs: float
    status: str = "Completed"
    failure_reason: str | None = None
    billed: float = 1.0


class Session(NamedTuple):
    """Some jobs of a family.

    Attributes:
        family: The family that works.
        spec: What all jobs request.
        key: A hexadecimal id.
        begins: When it begins.
        tasks: The jobs in order.
        at_once: The number of jobs that run at once. Each of the others follows the job so many
            places before it.
    """

    family: Family
    spec: JobSpec
    key: str
    begins: datetime
    tasks: tuple[Task, ...]
    at_once: int = 1


def session(family: Family, place: Place, begins: datetime, chance: Random) -> Session:
    """Draw one session of a family.

    Args:
        family: The family that works.
        place: The account and region.
        begins: When it begins.
        chance: The source of randomness.
    """
    habits = family.habits
    spec = chance.choice(family.specs)
    count = chance.randint(1, habits.jobs)
    key = f"{chance.getrandbits(60):x}"
    if family.named is tuning_name:
        arn = place.arn(f"hyper-parameter-tuning-job/{family.base}-{key[:8]}")
        spec = replace(spec, tuning_job_arn=arn)
    tasks = []
    for number in range(count):
        pause = 60 * habits.pause * chance.lognormvariate(0, 0.7) if number else 0.0
        if habits.parallel:  # a tuner needs seconds, and starts one job after the other
            pause = chance.uniform(1, 4) * (1 if number >= _TUNER_AT_ONCE else number + 1)
        tasks.append(_task(family, spec, pause, chance))
    at_once = _TUNER_AT_ONCE if habits.parallel else 1
    return Session(family, spec, key, begins, tuple(tasks), at_once)


def after(when: datetime, seconds: float) -> datetime:
    """Return the time some seconds later, cut to the millisecond if `when` is."""
    return when + timedelta(milliseconds=int(1000 * seconds))


def length(minutes: float, chance: Random) -> float:
    """Draw the length of a job in seconds, around a median in minutes."""
    return min(_LONGEST, max(20.0, 60 * minutes * chance.lognormvariate(0, 0.5)))


def _task(family: Family, spec: JobSpec, pause: float, chance: Random) -> Task:
    cold, warm = chance.uniform(*_COLD_START), chance.uniform(*_WARM_START)
    runs = length(family.habits.minutes, chance)
    status, reason = "Completed", None
    if chance.random() < family.habits.failing:
        reasons, weights = zip(*FAILURES, strict=True)
        status, reason = "Failed", chance.choices(reasons, weights)[0]
        runs = max(5.0, runs * chance.random())
    elif chance.random() < 0.02:
        status = "Stopped"
        runs = max(30.0, runs * chance.random())
    billed = chance.uniform(0.28, 0.45) if spec.managed_spot else 1.0
    return Task(pause, cold, warm, runs, status, reason, billed)


def never_starts(task: Task) -> bool:
    """Return whether a job ends before it gets instances."""
    return task.failure_reason == NEVER_STARTED
