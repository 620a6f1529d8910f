"""Serve a simulated world: `python -m exporter.simulator --jobs 5000 --port 0`."""

import argparse
import gc
import signal
import sys
import threading
from datetime import timedelta

from exporter.simulator import Behaviour, Clock, Fault, Simulator, World


def main(arguments: list[str] | None = None) -> int:
    """Serve a seeded world on the loopback until interrupted; the first line is its URL."""
    options = _parser().parse_args(arguments)
    clock = Clock.real()
    behaviour = Behaviour(
        list_rps=options.rate,
        search_lag_seconds=options.search_lag,
        filter_before_cut=options.filter_before_cut,
    )
    world = World(clock, seed=options.seed, behaviour=behaviour)
    scopes = [
        world.scope(account, region)
        for account in options.account or ["111122223333"]
        for region in options.region or ["eu-west-1"]
    ]
    since = clock.now() - timedelta(days=options.days)
    world.generate(jobs=options.jobs, scopes=scopes, since=since)
    # The history never becomes garbage, so the collector need not scan it.
    gc.freeze()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with Simulator(world, port=options.port, record=False) as simulator:
        print(simulator.url, flush=True)
        if options.latency:
            simulator.inject(Fault("hang", seconds=options.latency, times=None))
        for name, value in simulator.environment().items():
            print(f"export {name}={value}", flush=True)
        while not done.wait(1.0):
            # The clock follows the system clock by itself; add only the difference.
            world.advance(options.speed - 1)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m exporter.simulator", description=main.__doc__)
    parser.add_argument("--jobs", type=int, default=5000, help="jobs in the history")
    parser.add_argument("--days", type=float, default=365, help="days of history")
    parser.add_argument("--port", type=int, default=0, help="the port; 0 picks any free one")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same jobs")
    parser.add_argument("--rate", type=float, help="list calls a second (default: no limit)")
    parser.add_argument("--latency", type=float, default=0, help="seconds that an answer takes")
    parser.add_argument("--search-lag", type=float, default=0, help="the lag of Search in seconds")
    parser.add_argument("--filter-before-cut", action="store_true", help="fill each page")
    parser.add_argument("--account", action="append", help="twelve digits; repeatable")
    parser.add_argument("--region", action="append", help="repeatable")
    parser.add_argument(
        "--speed", type=_speed, default=1.0, help="simulated seconds a second, at least 1"
    )
    return parser


def _speed(text: str) -> float:
    speed = float(text)
    if speed < 1:
        raise argparse.ArgumentTypeError("the speed must be at least 1")
    return speed


if __name__ == "__main__":
    sys.exit(main())
