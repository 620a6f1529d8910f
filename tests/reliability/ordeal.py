"""Kills syncs again and again, and compares the database with the service after a clean one.

`EXPORTER_KILLS=200 pytest -s tests/reliability -k killed` is the long run.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

from exporter.sagemaker.service import SEARCH_LAG
from exporter.simulator import Scope, Simulator
from exporter.store.database import Database
from tests.support import truth
from tests.support.processes import Ended, Running, Zygotes
from tests.support.truth import COLUMNS, Row, Truth

#: With these, a hundred jobs take a dozen pages and half a dozen commits.
SIZES = {"page": 10, "batch_rows": 25, "lookup_rows": 10}
#: A process has to end within this many seconds after a signal to stop: well before the hangs of
#: 60 seconds that tests place, and long enough for a busy machine.
STOPS_WITHIN = 20.0

Key = tuple[str, datetime]
_accounts = count(1)


def stored(database: Database, where: str = "deleted_at IS NULL") -> dict[Key, Row]:
    """Return rows of training_jobs by key."""
    rows = query(database, f"SELECT {COLUMNS} FROM training_jobs WHERE {where}")
    return {(row[0], row[1]): row for row in rows}


def query(database: Database, statement: str) -> list[Row]:
    """Return the rows of a statement."""
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(statement).all()]


def differences(database: Database, scope: Scope) -> list[str]:
    """Compare training_jobs with the service as it is now; see `Truth.jobs`."""
    return truth.differences(partial(query, database), scope)


@dataclass
class Tally:
    """The result of an ordeal."""

    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    recovered: int = 0
    clean: int = 0
    rows: int = 0
    slowest_stop: float = 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.kills.items()))
        return (
            f"{self.kills.total()} kills ({kinds}; {self.missed} were too late), "
            f"{self.recovered} files recovered, {self.clean} clean syncs after them, "
            f"{self.rows:,} rows compared, 0 differences, "
            f"slowest stop {self.slowest_stop:.2f} s"
        )


class Ordeal:
    """Syncs one account into one database file at a time, and kills syncs at drawn moments."""

    def __init__(self, simulator: Simulator, zygotes: Zygotes, folder: Path, seed: int = 1) -> None:
        self.tally = Tally()
        self._simulator = simulator
        self._zygotes = zygotes
        self._folder = folder
        self._chance = random.Random(seed)
        self._took = 1.0
        self.renew()

    def renew(self) -> None:
        """Continue with an account that was never synced and a file that does not exist yet."""
        number = next(_accounts)
        world = self._simulator.world
        self.scope = world.scope(f"{number:012}", "eu-west-1")
        world.generate(self._chance.randint(60, 160), [self.scope])
        world.jobs_per_day = 60
        self.database = Database(self._folder / f"ordeal-{number}.duckdb", lock_timeout=10)
        self._seen: set[Key] = set()

    def round(self, kills: int) -> None:
        """Kill that many syncs, then run a clean one and compare."""
        for _ in range(kills):
            self._change()
            self._kill()
            self._nothing_is_lost()
        self._change()
        # A sync later than the lag of Search finds everything.
        self._simulator.world.advance(SEARCH_LAG + timedelta(seconds=1))
        self._sync_and_compare()

    def _change(self) -> None:
        world = self._simulator.world
        world.advance(self._chance.choice([60, 3_600, 40_000]))
        jobs = self.scope.jobs()
        for job in self._chance.sample(jobs, min(2, len(jobs))):
            name = job.name
            self.scope.delete_job(name)
            if self._chance.random() < 0.5:
                world.clock.advance(2)
                self.scope.create_job(name)

    def _kill(self) -> None:
        number = self._chance.choice([signal.SIGKILL] * 4 + [signal.SIGTERM, signal.SIGINT])
        place = self._chance.choice(["time", "answer", "log"])
        arguments = ["sync", "--max-rps", "0"]
        if self._chance.random() < 0.3:
            arguments.append("--full")
        dead = self._running()
        began = time.monotonic()
        with self._moment(place) as process:
            process.append(self._start(arguments))
            sent = self._strike(process[0], number, place)
        ended = process[0].wait()
        if sent is None:
            self.tally.missed += 1
            assert ended.code == 0, ended
            self._took = time.monotonic() - began
            return
        self.tally.kills[f"{number.name} by {place}"] += 1
        if number is signal.SIGKILL:
            assert ended.code in (-9, 0), ended
            return
        self.tally.slowest_stop = max(self.tally.slowest_stop, time.monotonic() - sent)
        # 0: the sync was already complete. -number: Python had not begun, or was about to exit.
        code = {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
        assert ended.code in (code, 0, -number), ended
        assert "Traceback" not in ended.err, ended.err
        # It closed its own ledger; the next sync closes those of killed runs.
        assert self._running() <= dead

    def _start(self, arguments: list[str]) -> Running:
        return self._zygotes.start(
            ["--db", str(self.database.path), *arguments],
            self._simulator.environment(self.scope.account_id),
            **SIZES,
        )

    @contextmanager
    def _moment(self, place: str) -> Iterator[list[Running]]:
        """Set `_reached` once the simulator has given a drawn number of answers."""
        self._reached = threading.Event()
        process: list[Running] = []
        if place == "answer":
            left = [self._chance.randint(1, 30)]

            def answered(_: object) -> None:
                left[0] -= 1
                if left[0] == 0:
                    self._reached.set()
                    # Time for the kill, so that nobody receives the answer.
                    time.sleep(0.01)

            self._simulator.on_answer = answered
        try:
            yield process
        finally:
            self._simulator.on_answer = None

    def _strike(self, process: Running, number: signal.Signals, place: str) -> float | None:
        """Send the signal at its moment; return the time of that, or None if it was too late."""
        deadline = time.monotonic() + self._took * self._chance.uniform(0, 1.1)
        log = Path(f"{self.database.path}.wal")
        commit = self._chance.randint(1, 8)
        there = False
        while not process.has_ended():
            if place == "log":
                before, there = there, log.exists()
                commit -= there and not before
                if commit == 0:
                    time.sleep(self._chance.uniform(0, 0.02))
                    break
            elif place == "answer":
                if self._reached.wait(0.001):
                    break
                continue
            elif time.monotonic() >= deadline:
                break
            time.sleep(0.0003)
        else:
            return None
        process.send(number)
        return time.monotonic()

    def _running(self) -> set[Row]:
        if not self.database.exists():
            return set()
        return set(query(self.database, "SELECT run_id FROM sync_runs WHERE outcome = 'running'"))

    def _has_begun_full(self) -> bool:
        if not self.database.exists():
            return False
        return bool(query(self.database, "FROM sync_scopes WHERE listing_mode = 'full'"))

    def _nothing_is_lost(self) -> None:
        """Check that every committed job is still there."""
        notices: list[str] = []
        looking = Database(self.database.path, notify=notices.append)
        if not looking.exists():
            assert not self._seen
            return
        keys = stored(looking, "true").keys()
        assert keys >= self._seen
        self._seen |= keys
        self.tally.recovered += len(notices)

    def _sync_and_compare(self) -> None:
        full = self._chance.random() < 0.5
        # A --full that goes on from its position does not see what was deleted before it.
        anew = full and not self._has_begun_full()
        ended = self._sync(full=full)
        assert ended.code == 0, ended
        self._compare(full=anew)
        outcomes = query(self.database, "SELECT DISTINCT outcome FROM sync_runs ORDER BY ALL")
        assert outcomes in ([("complete",)], [("complete",), ("interrupted",)])

    def _sync(self, *, full: bool) -> Ended:
        began = time.monotonic()
        ended = self._start(["sync", "--max-rps", "0", *(["--full"] if full else [])]).wait()
        self._took = time.monotonic() - began
        return ended

    def _compare(self, *, full: bool) -> None:
        """Compare every row with the service; with `full`, the set of jobs as well."""
        here = stored(self.database)
        lag = self.scope.behaviour.search_lag_seconds
        there = Truth(self.scope, partial(query, self.database), lag)
        wrong = [*there.jobs(full=full), *there.details(all_jobs=False, tags=True)]
        assert not wrong, "\n".join(wrong)
        assert stored(self.database, "true").keys() >= self._seen
        self.tally.clean += 1
        self.tally.rows += len(here)
