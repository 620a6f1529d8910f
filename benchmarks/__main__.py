"""Runs every benchmark, one after the other: `python -m benchmarks [--short] [NAME ...]`.

Each line that a benchmark prints is a ratio against a floor or a peer that was measured in the same
run, or a figure with its goal. `--short` takes small sizes, to see that each benchmark still works:
a missed goal is printed, and is no failure. `make benchmark` runs them all in their full size,
which takes hours; keep the machine otherwise idle.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from typing import Final, NamedTuple

from benchmarks import MISSED


class Benchmark(NamedTuple):
    """A module of this package, with its options in both forms.

    Attributes:
        full: The options of `make benchmark`.
        short: The options of `--short`; None = it needs another environment.
        what: What it measures.
    """

    full: str
    short: str | None
    what: str


#: `FOLDER` is a temporary folder.
BENCHMARKS: Final = {
    "simulator": Benchmark("", "--jobs 2000 --pages 20 --repeats 1", "the stand-in service itself"),
    "calls": Benchmark("", "--jobs 1000", "calls of a sync as the history grows"),
    "nothing_new": Benchmark("", "--jobs 20 --pairs 1", "a sync without news against one call"),
    "cold": Benchmark("", "--jobs 2000 --runs 1", "commands that only read, against DuckDB alone"),
    "backfill": Benchmark(
        "", "--jobs 500 --many 1000", "a first sync against a loop that only fetches"
    ),
    "paced": Benchmark("", "--jobs 300", "a paced first sync against its pace alone"),
    "peers": Benchmark("", None, "a first sync against dlt, and boto3 with executemany"),
    "scopes": Benchmark(
        "", "--accounts 2 --regions 2 --jobs 5 --pairs 1", "many scopes with nothing new"
    ),
    "commit": Benchmark("", "--jobs 2000 --batch 100 --repeats 2", "how long a commit locks"),
    "growth": Benchmark("", "--syncs 5 --jobs 100", "the size of the file after many syncs"),
    "reports": Benchmark(
        "", "--jobs 2000 keep-alive-advice warm-pool-cost", "every report: seconds and memory"
    ),
    "replica": Benchmark(
        "", "--jobs 2000 --seconds 1 --repeats 1 --rounds 1", "serve beside a sync"
    ),
    "dashboard": Benchmark("", "--jobs 2000", "the dashboard's CPU, memory and size"),
    "web": Benchmark(
        "", "--jobs 1000 --readers 2 --seconds 1 --pairs 1", "the pages beside a sync"
    ),
    "bills": Benchmark("", "--lines 2000 --jobs 1000", "reconcile with a large bill"),
    "publish": Benchmark("", "--jobs 2000", "publish without news and with few changes"),
    "lake": Benchmark(
        "--keep FOLDER",
        "--keep FOLDER --jobs 2000 --copies 2 --others 2 keep-alive-advice warm-pool-cost",
        "reports over a lake",
    ),
    "remote": Benchmark("--keep FOLDER spark", None, "reports on a Spark Connect server"),
    "advice": Benchmark("", "--short bursts", "what following the advice saves"),
    "projection": Benchmark("", "--months 5", "how often the projected range holds"),
    "running_now": Benchmark("", "--jobs 100 --accounts 2", "how often at most, and likely, hold"),
}


def main() -> int:
    """Run benchmarks, and return 1 if one failed, 3 if one missed a goal in its full size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--short", action="store_true", help="small sizes; goals do not count")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    ended = {
        name: run(name, arguments)
        for name in options.names or BENCHMARKS
        if (arguments := BENCHMARKS[name].short if options.short else BENCHMARKS[name].full)
        is not None
    }
    failed = [name for name, code in ended.items() if code not in (0, MISSED)]
    missed = [name for name, code in ended.items() if code == MISSED]
    print(f"{len(ended)} benchmarks; failed: {', '.join(failed) or 'none'}; ", end="")
    print("goals do not count" if options.short else f"missed: {', '.join(missed) or 'none'}")
    if failed:
        return 1
    return MISSED if missed and not options.short else 0


def run(name: str, arguments: str) -> int:
    """Run a benchmark in a process of its own, and return its exit code."""
    print(f"\n# {name}: {BENCHMARKS[name].what}", flush=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        chosen = arguments.replace("FOLDER", folder).split()
        code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *chosen]).returncode
    print(f"# {name}: {time.perf_counter() - began:.1f} s, exit code {code}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
