"""A session of work: one person's, pipeline's or tuner's jobs, one after another or at once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.families import FAILURES, NEVER_STARTED, Family, tuning_name
from exporter.simulator.job import JobSpec
from exporter.simulator.lives import Life, PoolFate

_COLD_START = (130.0, 420.0)
_WARM_START = (6.0, 25.0)
_TUNER_AT_ONCE = 4
_LONGEST = 5 * 86_400.0


def session(
    family: Family,
    arn_prefix: str,
    begins: datetime,
    chance: Random,
    behaviour: Behaviour,
) -> Iterator[Life]:
    """Give the lives of one session in the order of their creation.

    Args:
        family: Whose session.
        arn_prefix: Of the scope, up to ``:training-job/``, for the tuning job's ARN.
        begins: When the first job is created.
        chance: The source of chance.
        behaviour: For the quota of pools.
    """
    spec = chance.choice(family.specs)
    count = chance.randint(1, family.session)
    key = f"{chance.getrandbits(60):x}"
    if family.naming is tuning_name:
        prefix = arn_prefix.replace(":training-job/", ":hyper-parameter-tuning-job/")
        spec = replace(spec, tuning_job_arn=f"{prefix}{family.base}-{key[:8]}")
    if family.parallel:
        yield from _at_once(family, spec, key, count, begins, chance)
    else:
        yield from _in_turn(family, spec, key, count, begins, chance, behaviour)


def after(when: datetime, seconds: float) -> datetime:
    """Give a time some seconds later, to the millisecond if the first is."""
    # From a time cut to the millisecond to another one, without the detour of cutting it.
    return when + timedelta(milliseconds=int(1000 * seconds))


def length(minutes: float, chance: Random) -> float:
    """Draw how long a job runs, in seconds, about a median in minutes."""
    return min(_LONGEST, max(20.0, 60 * minutes * chance.lognormvariate(0, 0.5)))


def gets_pool(spec: JobSpec, behaviour: Behaviour) -> bool:
    """Say whether a job of this kind leaves a pool behind."""
    return spec.can_have_pool and behaviour.has_pool_quota(spec.instance_type or "")


def _at_once(
    family: Family, spec: JobSpec, key: str, count: int, begins: datetime, chance: Random
) -> Iterator[Life]:
    created = begins
    free = [begins] * _TUNER_AT_ONCE
    for number in range(1, count + 1):
        # A tuner starts the next job when one of the running ones has ended.
        slot = min(range(_TUNER_AT_ONCE), key=free.__getitem__)
        created = after(max(created, free[slot]), chance.uniform(1, 4))
        life = _life(family, spec, key, number, created, chance, _COLD_START)
        free[slot] = life.ended
        yield life


def _in_turn(
    family: Family,
    spec: JobSpec,
    key: str,
    count: int,
    begins: datetime,
    chance: Random,
    behaviour: Behaviour,
) -> Iterator[Life]:
    created = begins
    warm = False
    pools = gets_pool(spec, behaviour)
    life = _life(family, spec, key, 1, created, chance, _COLD_START)
    for number in range(2, count + 2):
        keep = spec.keep_alive_seconds or 0
        pause = 60 * family.pause * chance.lognormvariate(0, 0.7)
        created = after(life.ended, pause)
        warm = pools and life.status == "Completed" and pause < keep
        following = None
        if number <= count:
            start = _WARM_START if warm else _COLD_START
            following = _life(family, spec, key, number, created, chance, start)
        if pools and life.status == "Completed":
            if following is not None and warm:
                life = life._replace(pool=PoolFate(after(created, 2), "Reused", following.name))
            else:
                life = life._replace(pool=PoolFate(after(life.ended, keep), "Terminated"))
        yield life
        if following is None:
            return
        life = following


def _life(
    family: Family,
    spec: JobSpec,
    key: str,
    number: int,
    created: datetime,
    chance: Random,
    start: tuple[float, float],
) -> Life:
    name = family.naming(family.base, chance, created, key, number)
    started: datetime | None = after(created, chance.uniform(*start))
    seconds = length(family.minutes, chance)
    status, reason = "Completed", None
    if chance.random() < family.failing:
        reasons, weights = zip(*FAILURES, strict=True)
        status, reason = "Failed", chance.choices(reasons, weights)[0]
        seconds = max(5.0, seconds * chance.random())
        if reason == NEVER_STARTED:
            started = None
    elif chance.random() < 0.02:
        status = "Stopped"
        seconds = max(30.0, seconds * chance.random())
    billed = chance.uniform(0.28, 0.45) if spec.managed_spot else 1.0
    ended = after(started or created, seconds)
    return Life(name, spec, family.tags, created, started, ended, status, reason, billed)
