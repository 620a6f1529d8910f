"""Drives the command with random trouble: `python -m tests.model --minutes 60 --seed 1`.

A session is one database file and one simulated account. It draws some kinds of trouble, and runs
the command as a process: syncs with random options, among changes, faults and odd answers, kills,
readers, backups and restores. Then the service rests, and one or two plain syncs have to make the
file equal to it: jobs, details, history, deletions and ledger. No command may end with 1.

Each difference is printed with the command that repeats its session, except for the moments that
depend on the machine; `--shrink` looks for the fewest kinds of trouble that show it. The exit code
is 1 if there was a difference.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from tests.model.kinds import KINDS
from tests.model.session import Count, Difference, Session
from tests.support.processes import Zygotes


@dataclass(frozen=True)
class Failure:
    """A session that found a difference."""

    seed: int
    kinds: tuple[str, ...]
    lines: tuple[str, ...]
    account: str

    def __str__(self) -> str:
        lines = "\n".join(f"  {line}" for line in self.lines[:12])
        more = f"\n  … {len(self.lines) - 12} more" if len(self.lines) > 12 else ""
        only = f"--only {','.join(self.kinds)}"
        again = f"python -m tests.model --seed {self.seed} --sessions 1 {only}"
        return f"DIFFERENCE, seed {self.seed}\n{lines}{more}\n{self.account}\nagain: {again}\n"


def run(
    zygotes: Zygotes,
    folder: Path,
    seed: int,
    allowed: Collection[str],
    enough: Callable[[Count], bool],
    *,
    shrink: bool = False,
    report: Callable[[Failure], None] = lambda _: None,
) -> tuple[Count, list[Failure]]:
    """Run sessions until `enough`; each has the next seed.

    Args:
        zygotes: Starts the processes.
        folder: Where the files are.
        seed: The seed of the first session.
        allowed: The kinds of trouble to choose from.
        enough: Ends the run.
        shrink: Repeat a session that found a difference with fewer kinds of trouble.
        report: Called with each difference.
    """
    count, failures = Count(), list[Failure]()
    while not enough(count):
        failure = play(zygotes, folder, seed, allowed, count, lambda: enough(count))
        if failure is not None:
            if shrink:
                failure = _shrunk(zygotes, folder, failure)
            failures.append(failure)
            report(failure)
        count.sessions += 1
        seed += 1
    return count, failures


def play(
    zygotes: Zygotes,
    folder: Path,
    seed: int,
    allowed: Collection[str],
    count: Count,
    enough: Callable[[], bool],
) -> Failure | None:
    """Run one session; return its difference, if any."""
    session = Session(zygotes, folder, seed, allowed, count)
    try:
        session.run(enough)
    except (Difference, TimeoutError) as found:
        lines = tuple(str(found).splitlines())
        return Failure(seed, tuple(session.kinds), lines, session.account_of_failure())
    finally:
        for path in folder.glob(f"model-{seed}.*"):
            path.unlink()
    return None


def _shrunk(zygotes: Zygotes, folder: Path, failure: Failure) -> Failure:
    """Return the difference of the same session with as few kinds of trouble as it needs."""
    for kind in failure.kinds:
        rest = [each for each in failure.kinds if each != kind]
        found = play(zygotes, folder, failure.seed, rest, Count(), lambda: False) if rest else None
        failure = found or failure
    return failure


def summary(count: Count, failures: Collection[Failure]) -> str:
    """Return the result in one paragraph."""
    codes = ", ".join(f"{number:,} with {code}" for code, number in sorted(count.codes.items()))
    return (
        f"{count.sessions:,} sessions, {count.commands:,} commands, {count.kills:,} kills, "
        f"{count.compared:,} comparisons of {count.rows:,} rows, {len(failures)} differences; "
        f"ended: {codes}"
    )


def main() -> int:
    """Run sessions and print each difference; return 1 if there was one."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="kinds of trouble:\n" + "\n".join(f"  {k:10} {v}" for k, v in KINDS.items()),
    )
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="stop after so many")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first session")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds of trouble to choose from")
    parser.add_argument("--shrink", action="store_true", help="repeat a failure with fewer kinds")
    parser.add_argument("--without", default="", help="kinds of trouble to leave out")
    options = parser.parse_args()
    allowed = [each for each in options.only.split(",") if each not in options.without.split(",")]
    if unknown := set(allowed) - set(KINDS):
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}")
    began = time.monotonic()

    def enough(count: Count) -> bool:
        late = time.monotonic() - began >= 60 * options.minutes
        return late or bool(count.sessions >= options.sessions)

    with tempfile.TemporaryDirectory() as folder, Zygotes(Path(folder)) as zygotes:
        count, failures = run(
            zygotes,
            Path(folder),
            options.seed,
            allowed,
            enough,
            shrink=options.shrink,
            report=lambda failure: print(failure, flush=True),
        )
    print(summary(count, failures))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
