"""Damages a database at random: `python -m tests.reliability.damage [--damages 1000] [--seed 1]`.

Half of the databases have a write-ahead log with three commits, as a killed process leaves it. Each
damage changes the file or the log in one place: a bit, some bytes, a page of zeros or of noise, a
page of another place, or the end is missing. Then `db check` and a reader meet the files, in a
process of their own. Each must end in one of these ways:

- `named`: exit code 8 and one line that says what is wrong.
- `last commit lost`: the same for a log that ends with the commit before the last one.
- `harmless`: every row is as it was, and `db check` finds no fault. DuckDB never reads some bytes.
- `announced`: the log is cut off, and a line says that it ends within a commit. The rows are those
  of the commits before. A process that was killed in the middle of that commit leaves the same.

Anything else is printed with its number and ends the run with exit code 1: other rows (`wrong`),
other rows that `db check` calls sound, a traceback, an exit code of a bug, a crash, a hang. A crash
inside DuckDB is counted, and printed too: no Python code can turn it into an exit code.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from exporter.cli import main as command
from exporter.errors import ExporterError
from exporter.simulator import Clock, Simulator, World
from exporter.store import migrate
from exporter.store.database import Database
from tests.support.processes import ROOT, environment
from tests.support.syncing import Syncer

START: Final = datetime(2026, 11, 1, tzinfo=UTC)
PAGE: Final = 4096
#: Seconds after which a process counts as hanging.
PATIENCE: Final = 120
#: The commits in the log. Each changes rows of several tables.
COMMITS: Final = tuple(
    f"""
    BEGIN;
    INSERT OR REPLACE INTO settings VALUES ('mark', '{number}');
    UPDATE training_jobs SET team = 'Marked {number}'
    WHERE training_job_name = 'job-{number}';
    UPDATE training_job_details SET fetched_at = fetched_at + INTERVAL 1 SECOND;
    COMMIT
    """
    for number in range(3)
)
GOOD: Final = ("named", "harmless", "announced", "last commit lost")


@dataclass(frozen=True)
class Original:
    """A sound database.

    Attributes:
        path: The file; its log, if any, is beside it.
        states: Fingerprints of the rows: before the first commit of the log, and after each.
    """

    path: Path
    states: Sequence[str]


@dataclass(frozen=True)
class Seen:
    """What the program did with a damaged database.

    Attributes:
        code: Exit code of `db check`; negative = killed by that signal.
        err: Its standard error.
        fingerprint: The rows that a reader saw; empty if the reader was refused.
        error: Why the reader was refused, or a traceback.
    """

    code: int
    err: str
    fingerprint: str = ""
    error: str = ""

    def verdict(self, states: Sequence[str]) -> str:
        """Return how this ended, in a word or two."""
        if self.code < 0:
            return f"crash {signal.Signals(-self.code).name}"
        if "Traceback" in self.err + self.error:
            return "traceback"
        if self.code not in (0, 8):
            return f"exit code {self.code}"
        if self.code == 8 and len(self.err.strip()) == 0:
            return "exit code 8 without a word"
        if not self.fingerprint:
            return "named" if self.code == 8 else "called sound, but not readable"
        if self.fingerprint == states[-1]:
            return "harmless" if self.code == 0 else "named"
        if self.code == 8:
            return "named"
        if self.fingerprint in states and "ends within a commit" in self.err:
            return "announced"
        if self.fingerprint in states[-2:-1]:
            return "last commit lost"
        return "several commits lost" if self.fingerprint in states else "wrong, and called sound"


class Judge:
    """A process that forks one child per database; a context manager.

    The children need no second to import the program, and a crash of DuckDB ends only one.
    """

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.damage", "--judge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment({}),
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def see(self, path: Path) -> Seen:
        """Return what the program does with a database."""
        if self._process.stdin is None or self._process.stdout is None:  # both are pipes
            raise AssertionError
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        return Seen(**json.loads(self._process.stdout.readline()))


def originals(folder: Path, judge: Judge) -> list[Original]:
    """Make a database of two weeks without a log, and the same one with a log."""
    plain = folder / "plain" / "jobs.duckdb"
    plain.parent.mkdir()
    with Simulator(World(Clock(START), seed=5)) as simulator:
        scope = simulator.world.scope("111122223333", "eu-west-1")
        database = Database(plain)
        migrate.upgrade(database)
        syncer = Syncer(database, scope, simulator)
        for number in range(200):
            scope.create_job(f"job-{number}", tags={"n": "x" * 50})
        for _ in range(4):
            simulator.world.advance(3_600)
            syncer.sync()
    killed = folder / "killed" / "jobs.duckdb"
    killed.parent.mkdir()
    shutil.copyfile(plain, killed)
    _die_after(killed, COMMITS)
    states = [_sound(judge, plain)]
    for number in range(1, len(COMMITS)):
        earlier = folder / f"earlier-{number}" / "jobs.duckdb"
        earlier.parent.mkdir()
        shutil.copyfile(plain, earlier)
        _die_after(earlier, COMMITS[:number])
        states.append(_sound(judge, earlier))
    copy = folder / "copy" / "jobs.duckdb"
    shutil.copytree(killed.parent, copy.parent)
    states.append(_sound(judge, copy))
    return [Original(plain, states[:1]), Original(killed, states)]


def _sound(judge: Judge, path: Path) -> str:
    seen = judge.see(path)
    if seen.code != 0 or not seen.fingerprint:
        raise AssertionError(seen)
    return seen.fingerprint


def _die_after(path: Path, statements: Sequence[str]) -> None:
    """Commit in another process, and kill that process before it closes the file."""
    code = (
        "import duckdb, os, signal, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "for statement in sys.argv[2:]:\n"
        "    connection.execute(statement)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path), *statements], check=False)


Change = Callable[[bytearray, random.Random], None]


def _place(content: bytearray, chance: random.Random) -> int:
    """Return an offset: anywhere, or in one of the first pages, which say where the rest is."""
    early = min(len(content), 80 * PAGE)
    return chance.randrange(early if chance.random() < 0.3 else len(content))


def _bit(content: bytearray, chance: random.Random) -> None:
    content[_place(content, chance)] ^= 1 << chance.randrange(8)


def _some_bytes(content: bytearray, chance: random.Random) -> None:
    start = _place(content, chance)
    noise = chance.randbytes(chance.randint(1, 64))
    content[start : start + len(noise)] = noise[: len(content) - start]


def _page(fill: Callable[[bytearray, random.Random], bytes]) -> Change:
    def change(content: bytearray, chance: random.Random) -> None:
        start = _place(content, chance) // PAGE * PAGE
        page = fill(content, chance)
        content[start : start + PAGE] = page[: len(content) - start]

    return change


def _other_page(content: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(content)) // PAGE * PAGE
    return bytes(content[start : start + PAGE])


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


CHANGES: Final[dict[str, Change]] = {
    "a bit": _bit,
    "some bytes": _some_bytes,
    "a page of zeros": _page(lambda content, chance: bytes(PAGE)),
    "a page of noise": _page(lambda content, chance: chance.randbytes(PAGE)),
    "a page of another place": _page(_other_page),
    "a missing end": _cut,
}


def damage(original: Original, folder: Path, number: int, seed: int) -> tuple[Path, str]:
    """Copy a database, damage it, and return its path and what was damaged."""
    chance = random.Random(f"{seed}/{number}")
    path = folder / str(number) / original.path.name
    shutil.copytree(original.path.parent, path.parent)
    log = Path(f"{path}.wal")
    target = log if log.exists() and chance.random() < 0.5 else path
    kind = chance.choice(list(CHANGES))
    content = bytearray(target.read_bytes())
    before = bytes(content)
    CHANGES[kind](content, chance)
    first = next(
        (at for at, (old, new) in enumerate(zip(before, content, strict=False)) if old != new),
        min(len(before), len(content)),
    )
    stamps = target.stat()
    target.write_bytes(content)
    os.utime(target, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    beside = " beside a log" if log.exists() and target is path else ""
    return path, f"{kind} of the {'log' if target is log else 'file'}{beside}, from byte {first}"


def run(damages: int, seed: int, show: Callable[[str], None]) -> Counter[str]:
    """Damage databases, and count how each ended."""
    count: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, Judge() as judge:
        folder = Path(name)
        known = originals(folder, judge)
        for number in range(damages):
            original = known[number % len(known)]
            path, what = damage(original, folder, number, seed)
            seen = judge.see(path)
            verdict = seen.verdict(original.states)
            count[verdict] += 1
            if verdict not in GOOD:
                show(f"{number}: {verdict}: {what}\n{seen}")
            shutil.rmtree(path.parent)
    return count


def _judge() -> None:
    """Read paths from standard input, and print what a child saw of each."""
    import exporter.cli.db
    import exporter.store.check  # noqa: F401 - likewise

    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as answer:
            child = os.fork()
            if child == 0:
                _look(Path(line.rstrip("\n")), answer)
            _, status = os.waitpid(child, 0)
            answer.seek(0)
            text = answer.read()
        ended = os.waitstatus_to_exitcode(status)
        if ended != 0 or not text:
            text = json.dumps({"code": ended or -signal.SIGKILL, "err": ""})
        print(text, flush=True)


def _look(path: Path, answer: Any) -> None:
    """Run `db check` and read every row; never return."""
    signal.alarm(PATIENCE)
    with _redirected() as err:
        code = command(["--db", str(path), "db", "check"])
    found = {"code": code, "err": err()}
    try:
        found["fingerprint"] = _fingerprint(Database(path))
    except ExporterError as error:
        found["error"] = str(error)
    except Exception:
        found["error"] = traceback.format_exc()
    json.dump(found, answer)
    answer.flush()
    os._exit(0)


@contextmanager
def _redirected() -> Iterator[Callable[[], str]]:
    """Collect standard error, and drop standard output."""
    from io import StringIO

    err = StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(StringIO()):
        yield err.getvalue


def _fingerprint(database: Database) -> str:
    with database.reading() as connection:
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL"
        ).all()
        rows = [
            (name, connection.execute(f"SELECT * FROM {name} ORDER BY ALL").all())
            for (name,) in names
        ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--damages", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.judge:
        _judge()
        return 0
    count = run(wanted.damages, wanted.seed, print)
    print(f"{wanted.damages} damages, seed {wanted.seed}: {summary(count)}.")
    return int(any(verdict not in GOOD for verdict in count))


def summary(count: Counter[str]) -> str:
    """Return the counts as a phrase."""
    return ", ".join(f"{number} {verdict}" for verdict, number in count.most_common())


if __name__ == "__main__":
    sys.exit(main())
