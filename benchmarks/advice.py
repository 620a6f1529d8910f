"""Follow the keep-alive advice and judge it: `python -m benchmarks.advice [--short] [WORLD …]`.

Each world has a year of work. The first half is what the advice is chosen on, the second half
judges it:

1. The stand-in runs the first half. The command syncs from it over HTTP, and prints
   `report keep-alive-advice --format json`.
2. The benchmark sets each suggested period in the stand-in, which runs the second half. The command
   syncs again.
3. A plain simulation of the same work, which shares no code with the replay of the program or with
   the stand-in, tries every combination of periods on the second half.

The value of a plan is what it saves against having no pools: minutes not waited × minute_usd −
cost of the idle time. The goals: the value of the suggestions is at least 95 % of the best plan's;
the saving that the followed half realised, compared with unchanged periods, is within 10 % of the
promised net_usd; and where only demand falls, nothing is promised.
"""

from __future__ import annotations

import argparse
import calendar
import heapq
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from benchmarks import MISSED
from exporter.simulator import Behaviour, Clock, JobSpec, Simulator, World
from exporter.simulator.families import Family, Habits, Naming
from exporter.simulator.sessions import Session, Task, never_starts

BEGIN = datetime(2025, 11, 1, tzinfo=UTC)
#: Runs a command: from its arguments, its folder and more variables to its output.
Run = Callable[[Sequence[str], Path, Mapping[str, str]], str]
#: Between the halves nobody works, so no pool of one half serves the other.
BREAK = timedelta(days=3)
ACCOUNT, REGION = "111122223333", "eu-west-1"
#: USD an hour, for training and for pools, and USD for a GB and month.
RATES = {
    "ml.c5.2xlarge": 0.47,
    "ml.g5.xlarge": 1.57,
    "ml.m5.xlarge": 0.257,
    "ml.p3.2xlarge": 4.131,
    "ml.p4d.24xlarge": 27.28,
}
GB_MONTH = 0.154
#: Types with local storage, whose volumes cost nothing.
LOCAL_STORAGE = ("ml.g5", "ml.p4d")
#: Periods to try in hindsight: for families that share pools, and for one alone.
PERIODS = (0, 60, 120, 180, 240, 300, 450, 600, 900, 1200, 1800, 2700, 3600)
FINE_PERIODS = range(0, 3601, 30)
LEAST_VALUE, MOST_ERROR = 0.95, 0.10
MONTH = timedelta(days=365.25 / 12)

_WAITED = """
SELECT sum(epoch(training_start_time) - epoch(creation_time)) / 60 AS minutes
FROM training_job_details
WHERE creation_time >= TIMESTAMPTZ '$since'
"""

Plan = Mapping[str, int]
Draw = Callable[[Random, datetime, int], Iterator[Session]]


@dataclass(frozen=True)
class Setting:
    """A world of the benchmark.

    Attributes:
        name: Its name.
        minute_usd: What a minute is worth in it.
        current: The keep-alive period of each family now.
        draw: Draws the work of some days from a first day on.
        later: How much of the work is left in the second half.
        taken: Which of several waiting pools a job takes.
    """

    name: str
    minute_usd: float
    current: Plan
    draw: Draw
    later: float = 1.0
    taken: Any = "expires last"


def main() -> int:
    """Print one line per world; return 3 if a world misses a goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice", description=__doc__)
    parser.add_argument("worlds", nargs="*", help="only these worlds")
    parser.add_argument("--short", action="store_true", help="halves of 6 weeks")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{'world':26} {'jobs':>6} {'minute':>6}  "
        f"{'periods: now → suggested (best in hindsight)':64}"
        f"{'best':>9} {'advised':>9} {'share':>6} {'promised':>9} {'realised':>9} {'error':>6}"
    )
    missed = []
    for setting in SETTINGS:
        if options.worlds and setting.name not in options.worlds:
            continue
        verdict = judge(setting, days=42 if options.short else 182, seed=options.seed)
        print(verdict.line(), flush=True)
        if verdict.misses():
            missed.append(f"{setting.name} ({', '.join(verdict.misses())})")
    print(f"missed: {'; '.join(missed) or 'none'}")
    return MISSED if missed else 0


@dataclass
class Verdict:
    """What became of the advice in a world; all USD are those of the second half.

    Attributes:
        setting: The world.
        jobs: Jobs of the second half.
        suggested: The periods that were followed, by family.
        best: The periods that are best in hindsight.
        best_usd: The value of the best plan.
        advised_usd: The value of the suggestions.
        promised_usd: The saving that the report promised.
        realised_usd: The saving that the stand-in's jobs show.
        model_error: The difference between the stand-in and the plain simulation in USD.
        rounding_usd: What a second of each pool costs: the service tells whole seconds.
        seconds: How long the judgement took.
    """

    setting: Setting
    jobs: int
    suggested: Plan
    best: Plan
    best_usd: float
    advised_usd: float
    promised_usd: float
    realised_usd: float
    model_error: float
    rounding_usd: float
    seconds: float = field(default=0.0)

    @property
    def share(self) -> float:
        """The value of the suggestions as a share of the best value."""
        if self.best_usd < 0.01:
            return 1.0 if self.advised_usd > -0.01 else 0.0
        return self.advised_usd / self.best_usd

    @property
    def error(self) -> float:
        """The difference between promised and realised as a share of the promise."""
        if abs(self.promised_usd) < 0.01:
            return 0.0
        return (self.realised_usd - self.promised_usd) / self.promised_usd

    def misses(self) -> list[str]:
        """Return the goals that were missed."""
        found = []
        if self.share < LEAST_VALUE:
            found.append(f"{self.share:.1%} of the best value")
        if self.setting.later < 1:
            if self.promised_usd >= 0.01:
                found.append(f"{self.promised_usd:.2f} USD promised for falling demand")
        elif abs(self.error) > MOST_ERROR:
            found.append(f"realised {self.error:+.1%}")
        if abs(self.model_error) > self.rounding_usd + 0.01:
            found.append(f"stand-in and simulation differ by {self.model_error:.2f} USD")
        return found

    def line(self) -> str:
        """Return the line of the table."""
        current = self.setting.current
        periods = ", ".join(
            f"{name} {current[name]} → {self.suggested[name]} ({self.best[name]})"
            for name in current
        )
        return (
            f"{self.setting.name:26} {self.jobs:>6,} {self.setting.minute_usd:>6.2f}  {periods:64}"
            f"{self.best_usd:>9.2f} {self.advised_usd:>9.2f} {self.share:>6.1%} "
            f"{self.promised_usd:>9.2f} {self.realised_usd:>9.2f} {self.error:>+6.1%}"
            f"  {self.seconds:.0f} s{'  MISSED' if self.misses() else ''}"
        )


def judge(setting: Setting, *, days: int, seed: int, run: Run | None = None) -> Verdict:
    """Follow the advice in one world.

    Args:
        setting: The world.
        days: The length of each half.
        seed: The seed of the work.
        run: Runs a command; in a process of its own if None.
    """
    began = time.perf_counter()
    random = Random(seed)  # noqa: S311 - a story, not a secret
    middle = BEGIN + timedelta(days=days) + BREAK
    end = middle + timedelta(days=days) + BREAK
    first = list(setting.draw(random, BEGIN, days))
    second = [
        made for made in setting.draw(random, middle, days) if random.random() < setting.later
    ]
    world = World(Clock(BEGIN), seed, Behaviour(pool_taken=setting.taken))
    scope = world.scope(ACCOUNT, REGION)
    scope.keep_alive.update(setting.current)
    world.schedule(scope, [*first, *second])
    world.advance(middle - BEGIN)
    with Simulator(world, record=False) as service, tempfile.TemporaryDirectory() as folder:
        environment = service.environment(ACCOUNT, REGION)
        command = Command(Path(folder), environment, run or _in_a_process)
        command.import_prices()
        command.sync()
        advice = command.advice(BEGIN, middle, setting.minute_usd)
        suggested = {**setting.current, **advice.periods}
        scope.keep_alive.update(suggested)
        world.advance(end - middle)
        command.sync()
        seen = command.observed(middle, end)

    def cost(plan: Plan) -> float:
        return simulate(second, plan, setting.taken).usd(setting.minute_usd)

    best = best_plan(setting, second)
    nothing = cost(dict.fromkeys(setting.current, 0))
    followed = cost(suggested)
    realised = cost(setting.current) - seen.usd(setting.minute_usd)
    return Verdict(
        setting,
        sum(len(made.tasks) for made in second),
        suggested,
        best,
        nothing - cost(best),
        nothing - followed,
        advice.net_usd * ((middle - BEGIN) / MONTH),
        realised,
        seen.usd(setting.minute_usd) - followed,
        sum(len(made.tasks) * usd_per_second(made.spec, middle) for made in second),
        time.perf_counter() - began,
    )


def best_plan(setting: Setting, sessions: Sequence[Session]) -> dict[str, int]:
    """Return the best periods in hindsight: of all combinations, for each specification."""
    best: dict[str, int] = {}
    for same in dict.fromkeys(resources(made.spec) for made in sessions):
        members = [made for made in sessions if resources(made.spec) == same]
        families = sorted({made.family.base for made in members})
        choices = FINE_PERIODS if len(families) == 1 else PERIODS
        plans = (
            dict(zip(families, periods, strict=True))
            for periods in itertools.product(choices, repeat=len(families))
        )

        costs = [
            (simulate(members, plan, setting.taken).usd(setting.minute_usd), plan) for plan in plans
        ]
        best |= min(costs, key=itemgetter(0))[1]
    return best


class Seen(NamedTuple):
    """What the jobs of a half cost.

    Attributes:
        idle_usd: Cost of the idle time of their pools.
        waited_minutes: From their creations to their starts.
    """

    idle_usd: float
    waited_minutes: float

    def usd(self, minute_usd: float) -> float:
        """Return the cost of the idle time and of the waiting."""
        return self.idle_usd + self.waited_minutes * minute_usd


def simulate(sessions: Sequence[Session], plan: Plan, taken: str) -> Seen:
    """Run sessions with other keep-alive periods, and return what that costs.

    Args:
        sessions: The work.
        plan: The periods by family.
        taken: Which of several waiting pools a job takes.
    """
    events = [
        (made.begins.timestamp() + made.tasks[0].pause, place, 0)
        for place, made in enumerate(sessions)
    ]
    heapq.heapify(events)
    pools: dict[object, list[tuple[float, float]]] = {}  # when a pool begins to wait, and expires
    rates: dict[tuple[object, ...], float] = {}
    idle_usd = waited = 0.0
    while events:
        at, place, number = heapq.heappop(events)
        made = sessions[place]
        task, spec = made.tasks[number], made.spec
        same = resources(spec)
        month = datetime.fromtimestamp(at, UTC)
        rate_key = same, month.year, month.month
        if rate_key not in rates:
            rates[rate_key] = usd_per_second(spec, month)
        waiting = [pool for pool in pools.get(same, ()) if pool[1] >= at]
        ready = [pool for pool in waiting if pool[0] <= at]
        is_warm = bool(ready)
        if is_warm:
            rule = max if taken == "expires last" else min
            chosen = rule(ready, key=lambda pool: (pool[1], pool[0]))
            waiting.remove(chosen)
            idle_usd -= (chosen[1] - at) * rates[rate_key]
        started = at if never_starts(task) else at + (task.warm if is_warm else task.cold)
        waited += 0 if never_starts(task) else started - at
        ended = started + task.runs
        own = task.failure_reason is None or task.failure_reason.startswith(
            ("AlgorithmError", "ClientError")
        )
        keep_alive = plan[made.family.base]
        if keep_alive and own:
            waiting.append((ended, ended + keep_alive))
            idle_usd += keep_alive * rates[rate_key]
        pools[same] = waiting
        if number == 0:
            for other in range(1, min(made.at_once, len(made.tasks))):
                begins = made.begins.timestamp() + made.tasks[other].pause
                heapq.heappush(events, (begins, place, other))
        following = number + made.at_once
        if following < len(made.tasks):
            heapq.heappush(events, (ended + made.tasks[following].pause, place, following))
    return Seen(idle_usd, waited / 60)


def resources(spec: JobSpec) -> tuple[object, ...]:
    """Return what differs between the specifications of the benchmark."""
    return spec.instance_type, spec.instance_count, spec.volume_size_gb


def usd_per_second(spec: JobSpec, at: datetime) -> float:
    """Return what a second of a pool costs."""
    kind = spec.instance_type or ""
    seconds = calendar.monthrange(at.year, at.month)[1] * 86_400
    volume = 0.0 if kind.startswith(LOCAL_STORAGE) else spec.volume_size_gb * GB_MONTH / seconds
    return (RATES[kind] / 3600 + volume) * (spec.instance_count or 0)


class Advice(NamedTuple):
    """What the report says.

    Attributes:
        periods: The suggested periods by family.
        net_usd: The promised gain a month.
    """

    periods: Plan
    net_usd: float


class Command:
    """The installed command, in a folder of its own.

    Args:
        folder: Its working directory.
        environment: Leads it to the stand-in.
        run: Runs it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], run: Run) -> None:
        self._folder = folder
        self._environment = environment
        self._run_in = run

    def _run(self, *arguments: str) -> str:
        return self._run_in(arguments, self._folder, self._environment)

    def sync(self) -> None:
        """Fetch what the stand-in has."""
        self._run("sync", "--max-rps", "0")

    def import_prices(self) -> None:
        """Import the prices of the benchmark."""
        lines = ["region,component,instance_type,usd_per_unit,unit,effective_from,source"]
        for kind, usd in RATES.items():
            for component in ("Training", "Training Warm Pool"):
                lines.append(f"{REGION},{component},{kind},{usd},Hrs,2025-01-01,own")
        for component in ("Training ML storage", "Training Warm Pool ML storage"):
            lines.append(f"{REGION},{component},,{GB_MONTH},GB-Mo,2025-01-01,own")
        (self._folder / "prices.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._run("prices", "import", "prices.csv")

    def advice(self, since: datetime, until: datetime, minute_usd: float) -> Advice:
        """Return the advice on a period."""
        answer = self._report(
            "keep-alive-advice", since, until, "--param", f"minute_usd={minute_usd}"
        )
        periods = {
            row["family"]: int(row["suggested_keep_alive_seconds"])
            for row in answer["rows"]
            if row["suggested_keep_alive_seconds"] is not None
        }
        return Advice(periods, float(answer["totals"]["net_usd"] or 0))

    def observed(self, since: datetime, until: datetime) -> Seen:
        """Return what the jobs of a period cost."""
        idle = self._report("warm-pool-cost", since, until)["totals"]["cost_usd"]
        query = _WAITED.replace("$since", since.isoformat())
        waited = json.loads(self._run("query", "--format", "json", query))
        return Seen(float(idle or 0), float(waited["rows"][0]["minutes"]))

    def _report(self, name: str, since: datetime, until: datetime, *more: str) -> Any:  # noqa: ANN401 - JSON
        days = ["--since", f"{since:%Y-%m-%d}", "--until", f"{until:%Y-%m-%d}"]
        return json.loads(self._run("report", name, *days, *more, "--format", "json"))


def _in_a_process(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        cwd=folder,
        env={**kept, **environment, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments} → {done.returncode}: {done.stderr}")
    return done.stdout


def numbered(name: Naming) -> str:
    """Return a unique name of the family."""
    return f"{name.base}-{name.session}-{name.number}"


def work(
    random: Random,
    base: str,
    spec: JobSpec,
    begins: datetime,
    tasks: Sequence[tuple[float, float]],
    *,
    failing: float = 0.0,
    at_once: int = 1,
) -> Session:
    """Return a session.

    Args:
        random: The source of randomness.
        base: The family.
        spec: What the jobs request.
        begins: When it begins.
        tasks: For each job, the seconds of its pause and of its run.
        failing: The share of jobs that fail by their own fault.
        at_once: The number of jobs that run at once.
    """
    family = Family(base, numbered, (spec,), {}, Habits(1, len(tasks), failing, 1))
    made = []
    for pause, runs in tasks:
        cold, warm = random.uniform(130, 420), random.uniform(6, 25)
        fails = random.random() < failing
        status, reason = ("Failed", "AlgorithmError: exit code 1") if fails else ("Completed", None)
        made.append(Task(pause, cold, warm, runs, status, reason))
    key = f"{random.getrandbits(40):010x}"
    return Session(family, spec, key, begins, tuple(made), at_once)


def spread(random: Random, seconds: float, sigma: float = 0.5) -> float:
    """Draw a duration around a median."""
    return seconds * random.lognormvariate(0, sigma)


def moments(
    random: Random, since: datetime, days: int, a_day: float, *, office: bool = False
) -> Iterator[datetime]:
    """Yield random moments; in an office, only from 8 to 18 on weekdays."""
    for _ in range(round(days * a_day)):
        while True:
            at = since + timedelta(days=random.random() * days)
            if not office or (at.weekday() < 5 and 8 <= at.hour < 18):
                break
        yield at


def shared_families(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """A family prepares, another one trains on the same instances a few minutes later."""
    spec = JobSpec("ml.g5.xlarge")
    for at in moments(random, since, days, 8):
        prepares = spread(random, 900)
        yield work(random, "prep", spec, at, [(0, prepares)])
        later = at + timedelta(seconds=prepares + 300 + spread(random, 240))
        yield work(random, "fit", spec, later, [(0, spread(random, 2400))])


def bursts(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """Three jobs at once, and afterwards three that look at the results."""
    spec = JobSpec("ml.p3.2xlarge", volume_size_gb=100)
    for at in moments(random, since, days, 5, office=True):
        for _ in range(3):
            yield work(random, "burst", spec, at, [(random.uniform(0, 20), spread(random, 1200))])
        later = at + timedelta(seconds=1800 + spread(random, 900))
        tasks = [(spread(random, 600, 0.8), spread(random, 300)) for _ in range(3)]
        yield work(random, "review", spec, later, tasks)


def nights_and_weekdays(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """Each night three jobs in turn; on weekdays people who try things out."""
    spec = JobSpec("ml.m5.xlarge", volume_size_gb=500)
    for day in range(days):
        night = since + timedelta(days=day, hours=2, seconds=random.randint(0, 300))
        steps = [(0, 1800.0), (spread(random, 200), 1200.0), (spread(random, 200), 2400.0)]
        yield work(random, "nightly", spec, night, steps)
    for at in moments(random, since, days, 8, office=True):
        tries = [(spread(random, 1500, 0.9), spread(random, 240)) for _ in range(4)]
        yield work(random, "dev", spec, at, tries)


def retries(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """Jobs fail and are tried again within minutes; afterwards nobody comes for hours."""
    spec = JobSpec("ml.g5.xlarge", 2)
    for at in moments(random, since, days, 10):
        attempts = 1
        while random.random() < 0.45:
            attempts += 1
        tasks = [(spread(random, 150, 0.4), spread(random, 400, 0.8)) for _ in range(attempts)]
        yield work(random, "flaky", spec, at, tasks, failing=0.5)


def hpo(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """Tuners that run four jobs at once, without pools until now."""
    spec = JobSpec("ml.c5.2xlarge")
    for at in moments(random, since, days, 2):
        tasks = [
            (random.uniform(1, 4) * min(number + 1, 4), spread(random, 600))
            for number in range(random.randint(8, 24))
        ]
        yield work(random, "hpo", spec, at, tasks, at_once=4)


def dear(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """One expensive type, where some follow within minutes and some after an hour."""
    spec = JobSpec("ml.p4d.24xlarge", volume_size_gb=500)
    for at in moments(random, since, days, 6):
        tasks = [
            (spread(random, 120 if random.random() < 0.6 else 2400, 0.5), spread(random, 3000))
            for _ in range(4)
        ]
        yield work(random, "bert", spec, at, tasks)


def cheap_and_dear(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """A cheap type and an expensive one, each shared by two families."""
    cheap, dear = JobSpec("ml.m5.xlarge"), JobSpec("ml.p4d.24xlarge", volume_size_gb=500)
    for at in moments(random, since, days, 6):
        etl = [(spread(random, 1200, 1.0), spread(random, 300)) for _ in range(3)]
        yield work(random, "etl", cheap, at, etl)
        later = at + timedelta(seconds=spread(random, 2400, 0.6))
        yield work(
            random, "llm", dear, later, [(0, spread(random, 2000)), (spread(random, 90), 900)]
        )
        yield work(
            random, "eval", dear, later + timedelta(seconds=spread(random, 4000)), [(0, 300)]
        )


def alone(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """A few jobs a week that nobody follows: what looks like reuse is chance."""
    spec = JobSpec("ml.p3.2xlarge")
    for at in moments(random, since, days, 3):
        yield work(random, "solo", spec, at, [(0, spread(random, 3000))])


def settled(random: Random, since: datetime, days: int) -> Iterator[Session]:
    """Jobs whose period is right already."""
    spec = JobSpec("ml.g5.xlarge")
    for at in moments(random, since, days, 8):
        tasks = [(spread(random, 60, 0.3), spread(random, 900)) for _ in range(4)]
        yield work(random, "steady", spec, at, tasks)


SETTINGS: tuple[Setting, ...] = (
    Setting("shared-families", 0.10, {"prep": 1800, "fit": 1800}, shared_families),
    Setting("bursts", 0.30, {"burst": 3600, "review": 600}, bursts),
    Setting("bursts-first", 0.30, {"burst": 3600, "review": 600}, bursts, taken="expires first"),
    Setting("nights-and-weekdays", 0.02, {"nightly": 3600, "dev": 0}, nights_and_weekdays),
    Setting("retries", 0.30, {"flaky": 1800}, retries),
    Setting("hpo", 0.02, {"hpo": 0}, hpo),
    Setting("dear", 1.00, {"bert": 900}, dear),
    Setting("cheap-and-dear", 0.50, {"etl": 600, "llm": 3600, "eval": 3600}, cheap_and_dear),
    Setting("alone", 0.02, {"solo": 3600}, alone),
    Setting("falling-demand", 0.05, {"steady": 120}, settled, later=0.4),
)


if __name__ == "__main__":
    sys.exit(main())
