"""The time that a terminal shows is right within 30 % from the first minute on.

The jobs grow in number over two years, most of them in bursts, so that the creation time that the
listing has reached says nothing about how many jobs are ahead.
"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from exporter.simulator import Behaviour, Scope, Simulator, World
from exporter.store.database import Database
from exporter.store.scopes import ScopeKey
from exporter.syncing.progress import Doing, Quiet
from exporter.syncing.sizes import Sizes
from tests.support.syncing import KeptDatabase, Stopwatch, Syncer

JOBS, PAGE = 900, 10
YEARS = timedelta(days=730)


class Watcher(Quiet):
    """Keeps what is shown, with the second in which it is shown."""

    is_watched = True

    def __init__(self, stopwatch: Stopwatch) -> None:
        self.stopwatch = stopwatch
        self.shown: list[tuple[float, Doing]] = []

    def show(self, scope: ScopeKey, doing: Doing) -> None:
        self.shown.append((self.stopwatch.seconds, doing))


@pytest.fixture
def syncer(world: World, scope: Scope, simulator: Simulator, database: Database) -> Syncer:
    chance = random.Random(3)
    times: list[float] = []
    while len(times) < JOBS:
        burst = min(int(10 * chance.paretovariate(1.1)), 200)
        begin = chance.random() ** 0.25
        times += [begin + chance.random() / 1460 for _ in range(burst)]
    first = world.clock.now()
    for number, share in enumerate(sorted(times[:JOBS])):
        world.clock.advance(max(first + share * YEARS - world.clock.now(), timedelta()))
        job = scope.create_job(f"job-{chance.getrandbits(32):08x}-{number}", lives=False)
        scope.finish(job)
    world.clock.advance(timedelta(days=1))
    kept = KeptDatabase(database.path)
    return Syncer(kept, scope, simulator, Sizes(page=PAGE), stopwatch=Stopwatch())


@pytest.mark.parametrize("counts_to", [None, 250])
def test_the_time_left_holds_from_the_first_minute_on(
    syncer: Syncer, world: World, counts_to: int | None
) -> None:
    """Search counts all jobs, or only up to a number, so that windows are counted."""
    world.behaviour = Behaviour(search_counts_to=counts_to)
    assert syncer.stopwatch is not None
    watcher = syncer.progress = Watcher(syncer.stopwatch)
    syncer.sync(max_rps=1)
    end = syncer.stopwatch.seconds
    assert end > 90
    wrong = [
        (second, doing)
        for second, doing in watcher.shown
        if second >= 60
        and (
            doing.seconds_left is None
            # The last seconds are the calls after the listing, and the commit.
            or abs(doing.seconds_left - (end - second)) > max(0.3 * (end - second), 6)
        )
    ]
    assert wrong == []
    works = list(dict.fromkeys(doing.work for _, doing in watcher.shown))
    assert works == ["jobs and details", "details"]
    shares = [doing.share for _, doing in watcher.shown if doing.share is not None]
    assert shares[-1] > 0.95


def test_without_search_the_time_left_is_known_after_the_listing(
    syncer: Syncer, world: World
) -> None:
    world.behaviour = Behaviour(denied=frozenset({(None, None, "Search")}))
    assert syncer.stopwatch is not None
    watcher = syncer.progress = Watcher(syncer.stopwatch)
    syncer.sizes = Sizes(page=PAGE, details_per_run=150)
    syncer.sync(max_rps=1)
    end = syncer.stopwatch.seconds
    listing = [doing for _, doing in watcher.shown if doing.work == "jobs"]
    assert {(doing.total, doing.seconds_left) for doing in listing} == {(None, None)}
    lookups = [(second, doing) for second, doing in watcher.shown if doing.work == "details"]
    assert [(doing.done, doing.total) for _, doing in lookups] == [
        (number, 150) for number in range(1, 151)
    ]
    for second, doing in lookups[5:]:
        assert doing.seconds_left == pytest.approx(end - second, rel=0.3, abs=2)
