"""Runs the stand-in service alone: ``python -m exporter.simulator --jobs 5000 --port 0``."""

import argparse
import gc
import signal
import sys
import threading
from datetime import timedelta

from exporter.simulator import Behaviour, Clock, Simulator, World


def main(arguments: list[str] | None = None) -> int:
    """Serve a seeded world on the loopback until interrupted; the URL is the first line."""
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
    # The history stays for good: without it the garbage collector has little to walk.
    gc.freeze()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with Simulator(world, port=options.port, record=False) as simulator:
        print(simulator.url, flush=True)
        for name, value in simulator.environment().items():
            print(f"export {name}={value}", flush=True)
        while not done.wait(1.0):
            # The clock follows the wall by itself; only what goes beyond is added.
            world.advance(options.speed - 1)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m exporter.simulator", description=main.__doc__)
    parser.add_argument("--jobs", type=int, default=5000, help="how many jobs of history")
    parser.add_argument("--days", type=float, default=365, help="how many days of history")
    parser.add_argument("--port", type=int, default=0, help="the port, 0 for any")
    parser.add_argument("--seed", type=int, default=7, help="the same seed, the same jobs")
    parser.add_argument("--rate", type=float, help="list calls a second; none without it")
    parser.add_argument("--search-lag", type=float, default=0, help="seconds Search lags behind")
    parser.add_argument(
        "--filter-before-cut", action="store_true", help="fill pages instead of cutting first"
    )
    parser.add_argument("--account", action="append", help="twelve digits, repeatable")
    parser.add_argument("--region", action="append", help="repeatable")
    parser.add_argument(
        "--speed", type=_speed, default=1.0, help="how fast the world lives, at least 1"
    )
    return parser


def _speed(text: str) -> float:
    speed = float(text)
    if speed < 1:
        raise argparse.ArgumentTypeError("a world lives at speed 1 or faster")
    return speed


if __name__ == "__main__":
    sys.exit(main())
