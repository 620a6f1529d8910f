"""A session of work: the jobs of a person or a pipeline in turn, or those of a tuner at once."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from exporter.simulator.behaviour import Behaviour
from exporter.simulator.families import FAILURES, NEVER_STARTED, Family, Naming, tuning_name
from exporter.simulator.job import JobSpec, Place
from exporter.simulator.life import Life, PoolEnd, gets_pool

_COLD_START = (130.0, 420.0)
_WARM_START = (6.0, 25.0)
_TUNER_AT_ONCE = 4
_LONGEST = 5 * 86_400.0


def session(
    family: Family,
    place: Place,
    begins: datetime,
    chance: Random,
    behaviour: Behaviour,
) -> Iterator[Life]:
    """Yield the jobs of one session in the order of their creation.

    Args:
        family: The family that works.
        place: The account and region.
        begins: When the first job is created.
        chance: The source of randomness.
        behaviour: How the service behaves; decides who gets a pool.
    """
    spec = chance.choice(family.specs)
    count = chance.randint(1, family.habits.jobs)
    key = f"{chance.getrandbits(60):x}"
    if family.named is tuning_name:
        arn = place.arn(f"hyper-parameter-tuning-job/{family.base}-{key[:8]}")
        spec = replace(spec, tuning_job_arn=arn)
    if family.habits.parallel:
        yield from _at_once(family, spec, key, count, begins, chance)
    else:
        yield from _in_turn(family, spec, key, count, begins, chance, behaviour)


def after(when: datetime, seconds: float) -> datetime:
    """Return the time some seconds later, cut to the millisecond if `when` is."""
    return when + timedelta(milliseconds=int(1000 * seconds))


def length(minutes: float, chance: Random) -> float:
    """Draw the length of a job in seconds, around a median in minutes."""
    return min(_LONGEST, max(20.0, 60 * minutes * chance.lognormvariate(0, 0.5)))


def _at_once(
    family: Family, spec: JobSpec, key: str, count: int, begins: datetime, chance: Random
) -> Iterator[Life]:
    created = begins
    free = [begins] * _TUNER_AT_ONCE
    for number in range(1, count + 1):
        # A tuner starts the next job when a running one has ended.
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
    pools = gets_pool(spec, behaviour)
    keep = spec.keep_alive_seconds or 0
    life = _life(family, spec, key, 1, begins, chance, _COLD_START)
    for number in range(2, count + 2):
        pause = 60 * family.habits.pause * chance.lognormvariate(0, 0.7)
        created = after(life.ended, pause)
        has_pool = pools and life.status == "Completed"
        warm = has_pool and pause < keep
        end = PoolEnd(after(life.ended, keep), "Terminated")
        following = None
        if number <= count:
            start = _WARM_START if warm else _COLD_START
            following = _life(family, spec, key, number, created, chance, start)
            if warm:
                end = PoolEnd(after(created, 2), "Reused", following.name)
        yield life._replace(pool=end) if has_pool else life
        if following is not None:
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
    name = family.named(Naming(family.base, created, key, number, chance))
    started: datetime | None = after(created, chance.uniform(*start))
    seconds = length(family.habits.minutes, chance)
    status, reason = "Completed", None
    if chance.random() < family.habits.failing:
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
