"""One database file and its service: random commands, changes, faults and kills, then a comparison.

The service is the truth. `Witness` remembers what it has shown, so that the file may hold nothing
else, and must hold what a sync that ended with 0 was shown.
"""

from __future__ import annotations

import itertools
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import duckdb

from exporter.simulator import Behaviour, Clock, Fault, RecordedCall, Scope, World
from tests.model import kinds as trouble
from tests.model.witness import Witness
from tests.support.files import content
from tests.support.processes import Ended, Running, Zygotes
from tests.support.syncing import CHANGES, FUTURE, Life
from tests.support.truth import Identity, Row, Truth, identity

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
#: The most rounds of trouble in a session, each with a comparison at its end.
ROUNDS: Final = 6
#: How long an answer of Search may show an older state, and how long AWS may be late.
INDEX_LAG: Final = timedelta(minutes=2, seconds=5)
LATE: Final = timedelta(minutes=15)
#: The service's clock stands still during a sync; the program adds the seconds that pass.
SYNC_TAKES: Final = timedelta(minutes=2)
LONG_AGO: Final = "2020-01-01"
REGIONS: Final = ("eu-west-1", "us-east-1", "ap-south-1")
#: With these, some dozens of jobs take many pages and several commits.
SIZES: Final = {"page": 10, "batch_rows": 25, "lookup_rows": 10}
#: A sync that shows the file to others may find it busy this many seconds.
PATIENCE: Final = "20"


#: What makes a sync a one-off, or no sync at all.
ONE_OFFS: Final = frozenset(
    {
        "--dry-run",
        "--name-contains",
        "--status",
        "--warm-pool-status",
        "--created-after",
        "--created-before",
    }
)
#: How a sync may end that meets trouble, and a reader that finds the file busy or not there yet.
TROUBLED: Final = frozenset({0, 3, 5, 7})
READING: Final = frozenset({0, 4})
NOT_THERE: Final = frozenset({2, 8})


class Difference(AssertionError):
    """The program broke its promise; one readable line per fault."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass
class Count:
    """What the sessions did."""

    sessions: int = 0
    commands: int = 0
    kills: int = 0
    compared: int = 0
    rows: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)


@dataclass
class Known:
    """What the file has to hold from now on; a backup keeps a copy of its own.

    Attributes:
        jobs: Jobs that were in the file.
        detailed: Jobs whose details a good sync was shown.
        limited: A backfill was limited, and nothing has listed the rest yet.
    """

    jobs: set[Identity] = field(default_factory=set)
    detailed: set[Identity] = field(default_factory=set)
    limited: bool = False

    def copy(self) -> Known:
        """Return a copy of its own."""
        return replace(self, jobs=set(self.jobs), detailed=set(self.detailed))


@dataclass(frozen=True)
class Plan:
    """A sync to run: its options, the faults it meets, and what of it is unusual."""

    options: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    behaviour: dict[str, Any] = field(default_factory=dict)
    moving: bool = False

    @property
    def one_off(self) -> bool:
        """Whether it is a one-off, or no sync at all."""
        return any(each.split("=")[0] in ONE_OFFS for each in self.options)

    @property
    def is_calm(self) -> bool:
        """Whether nothing keeps it from being complete."""
        return not (self.faults or self.behaviour or self.one_off)


class Session:
    """One file, one account, and the trouble that a seed draws.

    Args:
        zygotes: Starts the processes.
        folder: Where the file and its copies are.
        seed: Draws everything except the moments that depend on the machine.
        allowed: The kinds of trouble to choose from.
        count: Adds up what happens.
    """

    def __init__(
        self, zygotes: Zygotes, folder: Path, seed: int, allowed: Collection[str], count: Count
    ) -> None:
        self._chance = chance = Random(seed)
        self._zygotes, self._folder, self._count = zygotes, folder, count
        self.kinds = trouble.drawn(chance, allowed)
        self.trail: list[str] = []
        self.world = World(Clock(START), seed, trouble.habits(chance, self.kinds))
        self.habits = self.world.behaviour
        several = chance.randint(2, 3)
        several = several if "regions" in self.kinds else 1
        self.account = f"{seed % 10**12:012}"
        self.scopes = [self.world.scope(self.account, region) for region in REGIONS[:several]]
        self.world.generate(chance.randint(5, 60) * several, self.scopes)
        self.lives = [Life(scope, self.world.clock) for scope in self.scopes]
        self.database = folder / f"model-{seed}.duckdb"
        self.snapshot = folder / f"model-{seed}.snapshot"
        self.known = Known()
        self.backups: list[tuple[Path, Known]] = []
        self.odd: set[str] = set()
        self.ever_odd: set[str] = set()
        self.lied = self.dates_were_wrong = self.tagged = False
        self._tags = itertools.count()
        self._copy: duckdb.DuckDBPyConnection | None = None
        self.service = Witness(self.world, record=False)

    def run(self, enough: Callable[[], bool]) -> None:
        """Run the session.

        Raises:
            Difference: The program broke its promise.
        """
        self._count.kinds.update(self.kinds)
        with self.service:
            try:
                for _ in range(self._chance.randint(1, ROUNDS)):
                    self._round(enough)
                    if enough():
                        break
            finally:
                self._forget_copy()

    def _round(self, enough: Callable[[], bool]) -> None:
        """Cause trouble, then compare; `enough` cuts the trouble short."""
        for _ in range(self._chance.randint(2, 7)):
            if not enough():
                self._change()
                self._act()
        self._compare()

    def account_of_failure(self) -> str:
        """Return what a person needs to understand a failure."""
        usual = Behaviour()
        unusual = {
            each.name: getattr(self.habits, each.name)
            for each in fields(Behaviour)
            if getattr(self.habits, each.name) != getattr(usual, each.name)
        }
        return "\n".join(
            [
                f"kinds: {', '.join(self.kinds)}",
                f"the service: {unusual}",
                "what happened last:",
                *(f"  {line}" for line in self.trail[-20:]),
            ]
        )

    # What happens at the service.

    def _change(self) -> None:
        chance = self._chance
        seconds = chance.choice([5, 60, 60, 900, 1_800, 3_600, 7_200, 40_000])
        # Not `World.advance`, which would create jobs afterwards, dated back into a rest.
        self.world.clock.advance(seconds + chance.choice([0.0, 0.457]))
        self._happen(chance, chance.randint(0, 12))
        self.trail.append(f"{self.world.clock.now():%m-%d %H:%M:%S} after {seconds} s")

    def _happen(self, chance: Random, changes: int) -> None:
        with self.world.lock:
            for _ in range(changes):
                life = chance.choice(self.lives)
                what = chance.choice([*CHANGES, FUTURE] if "future" in self.kinds else CHANGES)
                life.happen(what, chance.randint(0, 10_000))
            jobs = chance.choice(self.scopes).jobs()
            if "tags" in self.kinds and jobs and changes:
                job = chance.choice(jobs)
                tags = {**job.state.tags, "owner": f"team-{next(self._tags)}"}
                job.state = replace(job.state, tags=tags)
                self.tagged = True

    # What the user does.

    def _act(self) -> None:
        chance = self._chance
        acts = [self._sync, self._sync]
        acts += [self._kill] * 2 if {"kill", "stop"} & {*self.kinds} else []
        acts += [self._with_readers] if "readers" in self.kinds else []
        acts += [self._care, self._care] if "files" in self.kinds else []
        chance.choice(acts)()

    def _sync(self) -> None:
        plan = self._plan()
        with self._trouble(plan):
            before = self._jobs_of_service()
            ended = self._start(plan).wait()
        self._judge(plan, ended, before)

    def _plan(self) -> Plan:
        chance, options, faults = self._chance, list[str](), list[Fault]()
        behaviour: dict[str, Any] = {}
        if "options" in self.kinds:
            options += self._options()
        if "since" in self.kinds and chance.random() < 0.4:
            options += ["--since", self._time(chance.choice([3_600, 90_000, 900_000]))]
        region = chance.choice(self.scopes).region if len(self.scopes) > 1 else None
        for kind in ("transient", "permanent", "shape", "date", "describe", "nothing"):
            if kind not in self.kinds or chance.random() < 0.5:
                continue
            if kind in ("describe", "nothing"):
                if self.lied:
                    continue
                self.lied = True
            if kind == "nothing":
                behaviour["search_lag_seconds"] = 1e9
            self.dates_were_wrong |= kind == "date"
            faults += trouble.faults(chance, kind, region)
        if "denied" in self.kinds and chance.random() < 0.5:
            behaviour["denied"] = trouble.denied(chance)
            self.tagged = True  # a plain sync does not read the tags of closed jobs again
        if "odd" in self.kinds and chance.random() < 0.6:
            jobs = [job.name for scope in self.scopes for job in scope.jobs()]
            name, kind = chance.choice(jobs or ["none"]), chance.choice(trouble.ODD_RECORDS)
            behaviour["odd_records"] = {name: kind}
            self.odd.add(name)
            self.ever_odd.add(name)
        moving = "moving" in self.kinds and chance.random() < 0.7
        return Plan(options, faults, behaviour, moving)

    def _options(self) -> list[str]:
        chance = self._chance
        words = chance.choice(
            [
                [],
                ["--full"],
                ["--full"],
                ["--overlap", chance.choice(["0", "30", "3600"])],
                ["--no-details"],
                ["--refresh-tags"],
                ["--dry-run"],
                ["--name-contains", chance.choice(["job", "train", "zz"])],
                ["--status", chance.choice(["InProgress", "Completed", "Failed", "Stopped"])],
                ["--warm-pool-status", chance.choice(["Available", "InUse", "Reused"])],
                ["--created-after", self._time(chance.choice([3_600, 400_000]))],
                ["--created-before", self._time(chance.choice([3_600, 400_000]))],
            ]
        )
        return [*words]

    def _time(self, seconds: float) -> str:
        return f"{self.world.clock.now() - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"

    @contextmanager
    def _trouble(self, plan: Plan) -> Iterator[None]:
        """Let the service behave as planned during a sync."""
        self.service.shown.forget()
        self.known.limited |= "--since" in plan.options
        self.world.behaviour = replace(self.habits, **plan.behaviour)
        for fault in plan.faults:
            self.service.inject(fault)
        chance = Random(self._chance.random())
        lock = threading.Lock()

        def answered(call: RecordedCall) -> None:
            with lock:
                if plan.moving and chance.random() < 0.3:
                    self._happen(chance, 1)
                if "lags" in self.kinds and call.operation == "Search":
                    lag = chance.choice([0.0, 5.0, 60.0])
                    if "search_lag_seconds" not in plan.behaviour:
                        self.world.behaviour = replace(self.world.behaviour, search_lag_seconds=lag)

        self.service.on_answer = answered
        try:
            yield
        finally:
            self.service.on_answer = None
            self.service.clear_faults()
            self.world.behaviour = self.habits

    def _start(self, plan: Plan) -> Running:
        regions = [word for scope in self.scopes for word in ("--region", scope.region)]
        given = ["sync", "--max-rps", "0", "--lock-timeout", PATIENCE, *regions, *plan.options]
        if "snapshot" in self.kinds:
            given += ["--snapshot", str(self.snapshot)]
        unusual = [f"{each.kind} {each.operation or ''} skip {each.skip} times {each.times}"
                   for each in plan.faults]  # fmt: skip
        moving = " moving" if plan.moving else ""
        self.trail.append(f"sync {' '.join(plan.options)} {unusual} {plan.behaviour}{moving}")
        return self._command(given, quiet=True)

    def _command(self, words: list[str], *, quiet: bool = False) -> Running:
        self._count.commands += 1
        self._forget_copy()
        if not quiet:
            self.trail.append(" ".join(words))
        environment = self.service.environment(self.account, self.scopes[0].region)
        return self._zygotes.start(["--db", str(self.database), *words], environment, **SIZES)

    def _kill(self) -> None:
        chance, plan = self._chance, self._plan()
        numbers = [signal.SIGKILL] * 3 if "kill" in self.kinds else []
        numbers += [signal.SIGTERM, signal.SIGINT] if "stop" in self.kinds else []
        number = chance.choice(numbers)
        after, left = chance.uniform(0, 0.6), chance.randint(0, 25)
        by_answers = chance.random() < 0.6
        with self._trouble(plan):
            before = self._jobs_of_service()
            happen, answers = self.service.on_answer, itertools.count()
            reached = threading.Event()

            def answered(call: RecordedCall) -> None:
                if happen is not None:
                    happen(call)
                if next(answers) == left:
                    reached.set()

            self.service.on_answer = answered
            running = self._start(plan)
            deadline = time.monotonic() + after
            while not running.has_ended():
                if reached.is_set() if by_answers else time.monotonic() >= deadline:
                    running.send(number)
                    self._count.kills += 1
                    break
                time.sleep(0.001)
            ended = running.wait()
        self.trail.append(f"  {number.name}: {ended.code}")
        codes = {signal.SIGKILL: {-9}, signal.SIGTERM: {143, -15}, signal.SIGINT: {130, -2}}
        if ended.code in codes[number]:
            self._contract(ended, {ended.code})
            self._nothing_is_lost()
        else:
            self._judge(plan, ended, before)

    def _with_readers(self) -> None:
        chance, plan = self._chance, self._plan()
        with self._trouble(plan):
            before = self._jobs_of_service()
            running = self._start(plan)
            others = []
            for _ in range(chance.randint(1, 3)):
                time.sleep(chance.uniform(0, 0.3))
                words = chance.choice(
                    [
                        ["query", "SELECT count(*) FROM training_jobs"],
                        ["status"],
                        ["jobs", "--max-results", "3"],
                        ["db", "check"],
                        ["sync", "--region", self.scopes[0].region, "--max-rps", "0"],
                    ]
                )
                others.append((words, self._command(words)))
            ended = running.wait()
            codes = [(words, other.wait()) for words, other in others]
        for words, other in codes:
            allowed = TROUBLED | READING if words[0] == "sync" else READING
            self._contract(other, allowed | (set() if self.known.jobs else NOT_THERE))
        self._judge(plan, ended, before, busy=True)

    def _care(self) -> None:
        if not self.known.jobs:
            return  # a sync that was killed early may have left a file without tables
        chance = self._chance
        act = chance.choice(["check", "backup", "backup", "restore", "prune", "status"])
        if act == "check":
            self._contract(self._command(["db", "check"]).wait(), {0})
        elif act == "status":
            self._contract(self._command(["status"]).wait(), {0})
        elif act == "prune":
            self._contract(self._command(["db", "prune"]).wait(), {0})
        elif act == "backup":
            path = self._folder / f"{self.database.name}.backup-{len(self.backups)}"
            self._contract(self._command(["db", "backup", str(path)]).wait(), {0})
            self.backups.append((path, self.known.copy()))
        elif self.backups:
            path, known = chance.choice(self.backups)
            self._contract(self._command(["db", "restore", str(path)]).wait(), {0})
            self.known = known.copy()
            # Tags that were read since are unknown again, and false answers before it count again.
            self.tagged = self.lied = True
        self._nothing_is_lost()

    # What has to be true.

    def _judge(
        self, plan: Plan, ended: Ended, before: dict[Identity, str], *, busy: bool = False
    ) -> None:
        """Check a sync that was not stopped."""
        self.trail.append(f"  ended with {ended.code}")
        allowed = TROUBLED if plan.faults or plan.behaviour else frozenset({0})
        if set(plan.behaviour) == {"odd_records"} and not plan.faults:
            allowed = frozenset({0, 3})  # one bad record never ends another
        self._contract(ended, allowed | (READING if busy else set()))
        self._nothing_is_lost()
        if ended.code != 0 or plan.one_off:
            return
        if not self.known.limited:
            self._knows(before)
        if "--no-details" not in plan.options:
            self._has_details(plan)
        patient = {"date", "describe", "nothing", "lag", "lags", "odd", "late", "since", "readers"}
        if plan.is_calm and not plan.moving and not patient & {*self.kinds}:
            self._is_prompt()

    def _contract(self, ended: Ended, codes: Collection[int]) -> None:
        """Check an exit code, and that nobody reads of a bug."""
        self._count.codes[ended.code] += 1
        lines = []
        if ended.code not in codes:
            last = (ended.err.strip().splitlines() or [""])[-1]
            lines.append(f"exit code {ended.code}, not one of {sorted(codes)}: {last}")
        lines += [
            f"the output says {words!r}: {ended.err[-2_000:]}"
            for words in ("Traceback", "This is a bug")
            if words in ended.err or words in ended.out
        ]
        _raise(lines)

    def _nothing_is_lost(self) -> None:
        """Check that what was in the file still is."""
        here = self._identities()
        _raise([f"{key} was in the file, and is not any more" for key in self.known.jobs - here])
        self.known.jobs |= here

    def _knows(self, before: dict[Identity, str]) -> None:
        """Check that the file has every job that the service had before and still has."""
        after = self._jobs_of_service()
        here = self._identities()
        _raise(
            [
                f"{key} existed when the sync began, and is not stored"
                for key, name in before.items()
                if key in after and key not in here and name not in self.odd
            ]
        )

    def _has_details(self, plan: Plan) -> None:
        """Check that shown details are kept, also those of jobs that were deleted then."""
        if plan.is_calm and not plan.moving:
            self.known.detailed |= {
                key for key in self.service.shown.detailed if key in self.known.jobs
            }
        here = self._keys("training_job_details")
        names = {f":training-job/{name}".lower() for name in self.odd}
        _raise(
            [
                f"the details of {key} were shown, and are not stored"
                for key in self.known.detailed - here
                if not key[0].endswith(tuple(names or {"\n"}))
            ]
        )

    def _is_prompt(self) -> None:
        """Compare the rows right after a sync that nothing kept from seeing the latest."""
        lines = []
        for scope in self.scopes:
            truth = self._truth(scope)
            lines += [
                line
                # A listing does not show a new secondary status, and a deletion takes two syncs.
                for line in truth.jobs(but={"secondary_status", "last_modified_time"})
                if "but not marked" not in line
            ]
        _raise([f"right after the sync, {line}" for line in lines])

    def _compare(self) -> None:
        """Let the service come to rest, sync as usual, and compare everything."""
        self.world.clock.advance(LATE + INDEX_LAG)
        self.trail.append("rest")
        plain = Plan(["--since", LONG_AGO])
        self._good(plain)
        # A deletion takes two witnesses, and Describe may be the only one in a sync.
        self.world.clock.advance(INDEX_LAG)
        self._good(plain)
        self.known.limited = False
        self._equal(full=False)
        if self._chance.random() < 0.6:
            self._good(Plan(["--full"]))
            self.odd.clear()
            self.tagged = False
            self._equal(full=True)
        self.lied = False

    def _good(self, plan: Plan) -> None:
        with self._trouble(plan):
            ended = self._start(plan).wait()
        self.trail.append(f"  ended with {ended.code}")
        self._contract(ended, {0})

    def _equal(self, *, full: bool) -> None:
        lines: list[str] = []
        for scope in self.scopes:
            truth = self._truth(scope)
            lines += truth.jobs(full=full)
            lines += truth.details(all_jobs=full, tags=full or not self.tagged)
            lines += truth.ledger(lies=bool({"describe", "nothing"} & {*self.kinds}))
            lines += truth.history()
            lines += self.service.shown.never(truth.histories(), cut=truth.cut)
            if not self.dates_were_wrong:
                lines += truth.deletions(SYNC_TAKES)
                lines += self._ahead(scope)
        lines += [
            f"the run {run} is {outcome}"
            for run, outcome in self._query(
                "SELECT run_id, outcome FROM sync_runs "
                "WHERE outcome NOT IN ('complete', 'failed', 'interrupted')"
            )
        ]
        _raise(lines)
        self._contract(self._command(["db", "check"], quiet=True).wait(), {0})
        if "snapshot" in self.kinds and content(self.snapshot) != content(self.database):
            raise Difference(["the snapshot differs from the database"])
        self._nothing_is_lost()
        self._count.compared += 1
        self._count.rows += len(self.known.jobs)

    def _ahead(self, scope: Scope) -> list[str]:
        """Check that no bookmark passes the server's time."""
        now = scope.clock.now() + SYNC_TAKES
        return [
            f"{name} of {scope.region} is {value}, at {now}"
            for row in self._query(
                "SELECT watermark, discovered_to, last_complete_at FROM sync_scopes "
                f"WHERE region = '{scope.region}'"
            )
            for name, value in zip(("watermark", "discovered_to", "last_complete_at"), row)  # noqa: B905
            if value is not None and value > now
        ]

    def _truth(self, scope: Scope) -> Truth:
        # Growing seconds may come from an index that lags, and from the answer before the rest.
        grows = self.habits.pool_seconds_while_available == "growing"
        lags = {"lag", "lags"} & {*self.kinds}
        return Truth(
            scope,
            self._query,
            lag=61 if grows and lags else 0,
            cut=bool(self.habits.whole_seconds),
            unknowable=frozenset(self.odd),
            once_odd=frozenset(self.ever_odd),
        )

    def _jobs_of_service(self) -> dict[Identity, str]:
        return {
            identity(job.arn, job.creation_time): job.name
            for scope in self.scopes
            for job in scope.jobs()
        }

    def _identities(self) -> set[Identity]:
        return self._keys("training_jobs")

    def _keys(self, table: str) -> set[Identity]:
        rows = self._query(f"SELECT training_job_arn, creation_time FROM {table}")
        return {identity(arn, created) for arn, created in rows}

    def _query(self, statement: str) -> list[Row]:
        """Read a copy, so that a killed process's log is left for the program to handle."""
        if not self.database.exists():
            return []
        if self._copy is None:
            try:
                self._copy = self._copied()
            except duckdb.Error as error:
                # A kill may leave a file that only the program opens, and repairs.
                self.trail.append(f"  DuckDB alone says {str(error)[:100]}")
                self._contract(self._command(["status"]).wait(), {0})
                self._copy = self._copied()
        try:
            return [tuple(row) for row in self._copy.execute(statement).fetchall()]
        except duckdb.CatalogException:
            return []  # killed before the schema was there

    def _copied(self) -> duckdb.DuckDBPyConnection:
        copy = self._folder / f"{self.database.name}.read"
        for suffix in ("", ".wal"):
            source = Path(f"{self.database}{suffix}")
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
            if source.exists():
                shutil.copyfile(source, f"{copy}{suffix}")
        connection = duckdb.connect(str(copy))
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def _forget_copy(self) -> None:
        if self._copy is not None:
            self._copy.close()
            self._copy = None


def _raise(lines: list[str]) -> None:
    if lines:
        raise Difference(lines)
