"""Plays weeks of cron in minutes: `python -m tests.reliability.soak [--syncs 2000] [--seed 1]`.

Each sync is a process of the command line. Between two syncs, hours pass at the stand-in service:
jobs are created, start, end, are deleted and come again under their old name, and pools settle,
some of them silently. Some syncs are killed (SIGKILL, SIGTERM, SIGINT), and some meet transient
or permanent faults. From day to day the service denies operations, or its Search index lags.
After each good sync, every row is compared with the service. Every day, the file and the snapshot
are checked as `db check` does.

A file and its world live for two weeks; then the next one begins with a backfill. The first
difference is printed and ends the soak with exit code 1. The seed repeats the drawn numbers, but
the moment that a kill hits depends on the machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from exporter.sagemaker.service import SEARCH_LAG
from exporter.simulator import Behaviour, Clock, Fault, Simulator, World
from exporter.store.check import check
from tests.reliability.ordeal import Ordeal, Tally
from tests.support.files import content
from tests.support.processes import Running, Zygotes
from tests.support.syncing import CHANGES, Life

START: Final = datetime(2026, 11, 1, tzinfo=UTC)
LIFETIME: Final = timedelta(days=14)
LISTING: Final = ("ListTrainingJobs", "Search", "DescribeTrainingJob", "ListTags")
#: Faults that a sync retries; too few in a row to use up its attempts.
TRANSIENT: Final = ("throttle", "internal", "unavailable", "reset", "truncated", "foreign")
#: Faults that end the sync at once, with the exit code.
PERMANENT: Final = {
    "expired": 5,
    "unrecognized": 5,
    "denied": 5,
    "wrong_type": 7,
}
NOTHING: Final[frozenset[tuple[str | None, str | None, str]]] = frozenset()


@dataclass
class Count:
    """The result of a soak."""

    syncs: int = 0
    failed: int = 0
    faults: int = 0
    checks: int = 0
    days: float = 0
    files: int = 0


class Soak(Ordeal):
    """One file and its world during their two weeks."""

    def __init__(
        self, simulator: Simulator, zygotes: Zygotes, folder: Path, seed: int, count: Count
    ) -> None:
        self.count = count
        super().__init__(simulator, zygotes, folder, seed)

    def renew(self) -> None:
        """Continue with a new account, and draw the habits of its service."""
        super().renew()
        chance, world = self._chance, self._simulator.world
        self.life = Life(self.scope, world.clock)
        world.jobs_per_day = 25
        self.snapshot = self.database.path.with_suffix(".snapshot")
        self.habits = Behaviour(
            filter_before_cut=chance.random() < 0.5,
            creation_time_is_range=chance.random() < 0.8,
            inclusive_bounds=chance.random() < 0.5,
            offset_tokens=chance.random() < 0.5,
            last_modified_in_summaries=chance.random() < 0.8,
            pool_moves_last_modified=chance.random() < 0.5,
            secondary_moves_last_modified=chance.random() < 0.5,
            pool_seconds_while_available=chance.choice(["absent", "zero", "growing"]),
            missing_job_error=chance.choice(["ValidationException", "ResourceNotFound"]),
        )
        self.count.files += 1

    def live(self, enough: Callable[[Count], bool]) -> None:
        """Run for two weeks of simulated time, or until `enough`."""
        clock = self._simulator.world.clock
        end, day = clock.now() + LIFETIME, clock.now()
        while clock.now() < end and not enough(self.count):
            if clock.now() >= day:
                day = clock.now() + timedelta(days=1)
                self._another_day()
            before = clock.now()
            self._tick()
            self.count.days += (clock.now() - before) / timedelta(days=1)
        self._unchecked = True
        self._tick(calm=True)

    def _start(self, arguments: list[str]) -> Running:
        self.count.syncs += 1
        return super()._start([*arguments, "--snapshot", str(self.snapshot)])

    def _another_day(self) -> None:
        denied = self._chance.choice(
            [
                NOTHING,
                NOTHING,
                frozenset({(None, None, "Search")}),
                frozenset({(None, None, "ListTags")}),
                frozenset({(None, None, "Search"), (None, None, "ListTags")}),
            ]
        )
        # The growing seconds of a waiting pool always lag as much as the index.
        grow = self.habits.pool_seconds_while_available == "growing"
        lag = 0.0 if grow else self._chance.choice([0.0, 60.0])
        self._simulator.world.behaviour = replace(
            self.habits, denied=denied, search_lag_seconds=lag
        )
        self._unchecked = True

    def _check(self) -> None:
        assert check(self.database).faults == []
        assert content(self.snapshot) == content(self.database.path)
        self.count.checks += 1
        self._unchecked = False

    def _change(self) -> None:
        world = self._simulator.world
        world.advance(self._chance.choice([900, 1_800, 3_600, 3_600, 7_200, 40_000]))
        for _ in range(self._chance.randint(0, 6)):
            self.life.happen(self._chance.choice(CHANGES), self._chance.randint(0, 10_000))

    def _tick(self, *, calm: bool = False) -> None:
        """Run one sync, which may be killed, meet faults, or come within the lag of Search."""
        self._change()
        kind = "good" if calm else self._chance.choice(["good", "good", "kill", "fault", "hasty"])
        if kind == "kill":
            self._kill()
            self._nothing_is_lost()
            return
        if kind == "fault":
            self._meet_a_permanent_fault()
            return
        if kind == "hasty":
            # Search may still hide the latest changes, so nothing is compared yet.
            ended = self._sync(full=False)
            assert ended.code == 0, ended
            self._nothing_is_lost()
        # A sync later than the lag of Search finds everything.
        self._simulator.world.clock.advance(SEARCH_LAG + timedelta(seconds=1))
        if not calm:
            self._inject_transient_faults()
        full = self._chance.random() < 0.2
        ended = self._sync(full=full)
        self._clear()
        assert ended.code == 0, ended
        self._compare(full=full)
        if self._unchecked:
            self._check()

    def _inject_transient_faults(self) -> None:
        for _ in range(self._chance.choice([0, 0, 1, 2])):
            self._simulator.inject(
                Fault(
                    self._chance.choice(TRANSIENT),
                    operation=self._chance.choice(LISTING),
                    account_id=self.scope.account_id,
                    skip=self._chance.randint(0, 4),
                )
            )

    def _meet_a_permanent_fault(self) -> None:
        kind, code = self._chance.choice(list(PERMANENT.items()))
        self._simulator.inject(
            Fault(
                kind,  # type: ignore[arg-type] # the keys are kinds
                operation="ListTrainingJobs",
                account_id=self.scope.account_id,
                skip=self._chance.randint(0, 3),
                times=None,
            )
        )
        ended = self._sync(full=self._chance.random() < 0.2)
        hit = self._clear()
        # If the fault hits no call or finds no row to change, the sync is a good one.
        assert ended.code == code or (ended.code == 0 and (not hit or kind == "wrong_type")), ended
        assert "Traceback" not in ended.err, ended.err
        self.count.failed += ended.code != 0
        self._nothing_is_lost()

    def _clear(self) -> int:
        self._simulator.clear_faults()
        hit = sum(call.fault is not None for call in self._simulator.calls)
        self._simulator.calls.clear()
        self.count.faults += hit
        return hit


def soak(
    folder: Path, zygotes: Zygotes, seed: int, enough: Callable[[Count], bool]
) -> tuple[Count, Tally]:
    """Run syncs until `enough`, in as many files as that takes.

    Raises:
        AssertionError: The database differs from the service, or a sync ended unexpectedly.
    """
    count, tally = Count(), Tally()
    while not enough(count):
        number = seed * 1_000 + count.files
        with Simulator(World(Clock(START), seed=number)) as simulator:
            one = Soak(simulator, zygotes, folder, number, count)
            one.tally = tally
            one.live(enough)
    return count, tally


def summary(count: Count, tally: Tally, seed: int) -> str:
    """Return the result in one line."""
    return (
        f"{count.syncs:,} syncs over {count.days:.0f} days of {count.files} files, "
        f"{count.faults:,} faults survived, {count.failed:,} syncs failed as expected, "
        f"{tally.kills.total():,} kills, {tally.recovered} files recovered, "
        f"{tally.clean:,} good syncs compared, {tally.rows:,} rows compared, "
        f"{count.checks} checks of the file and its snapshot, 0 differences; seed {seed}"
    )


def main() -> int:
    """Run a soak and print its result; return 1 on any difference."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--syncs", type=int, default=2_000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()

    def enough(count: Count) -> bool:
        late = time.monotonic() - began >= 60 * options.minutes
        return late or bool(count.syncs >= options.syncs)

    with tempfile.TemporaryDirectory() as folder, Zygotes(Path(folder)) as zygotes:
        try:
            count, tally = soak(Path(folder), zygotes, options.seed, enough)
        except AssertionError:
            traceback.print_exc()
            print(f"difference found; seed {options.seed}")
            return 1
    print(summary(count, tally, options.seed))
    print(f"{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
