"""Runs the command line with absurd values: `python -m tests.cli.fuzz [--runs 2000] [--seed 1]`.

Every option and argument of every command gets every value of a table once, and then random
combinations of them: on the command line, in the environment and in the configuration file. No
run may end in a bug: exit code 1, a traceback, or a code that docs/cli.md does not list.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from unittest.mock import patch

import click

from exporter.cli import main
from exporter.cli.options import ENV_PREFIX
from exporter.cli.root import commands, root
from exporter.store import migrate
from exporter.store.database import Database

#: The exit codes of docs/cli.md, without 1: a bug.
CODES: Final = frozenset({0, 2, 3, 4, 5, 6, 7, 8})
NUMBERS: Final = (
    "1e400", "-1e400", "1" + "0" * 400, "9" * 5_000, "-1", "0", "-0", "nan", "-nan", "inf", "1e308",
    "1e-400", "0x10", "1_000", "٣", "²", "½", "1.5", " 7 ", "9223372036854775807",
    "9223372036854775808", "2147483648", "",
)  # fmt: skip
TIMES: Final = (
    "0001-01-01T00:00:00+14:00", "0001-01-01", "9999-12-31T23:59:59-14:00", "9999-12-31",
    "10000-01-01", "-0001-01-01", "2026-02-30", "999999999d", "999999999.999999w", "0s", "-1d",
    "2026-10-25T02:30+02:00", "2026-W53-7", "2026-01-01T00:00+24:00", "20261003", "0000-01",
    "0001-01", "9999-12",
)  # fmt: skip
TEXTS: Final = (
    "\ud800", "\udcff", "a\nb", "a\0b", "'; DROP TABLE prices; --", '"', "%s %d {0} {}", "\x1b[31m",
    "\u202e", "🦆" * 2_000, "x" * 100_000, "-", "--", "--help", "../..", "/", "/dev/null",
    "/dev/full", ".", "~", "~nobody-of-that-name/x", "file:///etc/passwd",
    "http://[", "http://user:pass@host:99999/", "s3://bucket/x", "a=b=c", "=", "a=", ",", ",,,",
    "(?P<family>", "(a+)+$", "arn:aws:iam::000000000000:role/", "all", "0777", "9999", "None",
)  # fmt: skip
#: Names of databases that mean something to DuckDB.
DATABASES: Final = (
    "pg_catalog.db", "main.db", "temp.duckdb", "system.duckdb", "information_schema.db", "memory",
    "memory.db", 'a"b.duckdb', "a'b.duckdb", "a\nb.duckdb", "a;b.duckdb", "select.duckdb", "ä🦆.db",
    "a b", ".duckdb", "%41.db", "a?b.db", "a#b.db", "a\\b.db",
)  # fmt: skip
VALUES: Final = (*NUMBERS, *TIMES, *TEXTS)
#: These serve until they are stopped, or wait for a person. A bad value still ends them.
ENDLESS: Final = frozenset({"serve", "web"})
#: The demo takes seconds and has one option.
SLOW: Final = frozenset({"demo"})


@dataclass(frozen=True)
class Case:
    """One run: the arguments, the environment, and the lines of the configuration file."""

    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    config: str = ""


@dataclass(frozen=True)
class Outcome:
    """The exit code of a run, and its standard error."""

    code: int
    err: str

    @property
    def is_good(self) -> bool:
        """Whether the run ended in one of the documented ways."""
        return self.code in CODES and "Traceback" not in self.err and "is a bug" not in self.err


def table() -> Iterator[Case]:
    """Yield each option of each command with each value, and each odd name of a database."""
    for path in DATABASES:
        for words in (("status",), ("query", "SELECT 1"), ("db", "check"), ("db", "upgrade")):
            yield Case(("--db", path, *words))
    for name, command in _commands():
        for value in VALUES:
            for option in _options(command):
                yield Case((*name, *_arguments(command, None), f"{_flag(option)}={value}"))
            for argument in command.params:
                if isinstance(argument, click.Argument):
                    yield Case((*name, *_arguments(command, value)))


def randomly(runs: int, chance: random.Random) -> Iterator[Case]:
    """Yield random combinations of options, from all three places."""
    found = list(_commands())
    for _ in range(runs):
        words, command = chance.choice(found)
        options = _options(command)
        taken = chance.sample(options, min(len(options), chance.randint(1, 4)))
        arguments, environment, lines = [], [], []
        for option in taken:
            value = chance.choice(VALUES)
            place = chance.randrange(3)
            if place == 0:
                arguments.append(f"{_flag(option)}={value}")
            elif place == 1:
                name = "_".join((ENV_PREFIX, *words, str(option.name))).replace("-", "_").upper()
                environment.append((name, value))
            else:
                lines.append(f"{option.name} = {_toml(value, chance)}")
        config = "\n".join((f"[{'-'.join(words)}]", *lines)) if lines else ""
        wanted = chance.choice((None, chance.choice(VALUES)))
        yield Case((*words, *_arguments(command, wanted), *arguments), tuple(environment), config)


def _commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(root)
    for name, command in commands(context).items():
        if name not in SLOW:
            first, _, second = name.partition("-")
            yield ((first, second) if second else (first,)), command


def _options(command: click.Command) -> list[click.Option]:
    """Return the options of a command that take a value."""
    return [
        each
        for each in command.params
        if isinstance(each, click.Option) and not each.is_flag and not each.count
    ]


def _flag(option: click.Option) -> str:
    return max(option.opts, key=len)


def _arguments(command: click.Command, value: str | None) -> list[str]:
    """Return a value, or something that fits, for each argument that must be there."""
    fitting = {"sql": "SELECT 1 AS a, 2 AS a", "file": "nothing.csv", "target": "lake"}
    found: list[str] = []
    for each in command.params:
        if isinstance(each, click.Argument) and (each.required or value is not None):
            found.append(fitting.get(str(each.name), "x") if value is None else value)
    return found


def _toml(value: str, chance: random.Random) -> str:
    escaped = "".join(
        f"\\U{ord(each):08X}" if ord(each) < 32 or each in '"\\' else each for each in value
    )
    return chance.choice([f'"{escaped}"', f'["{escaped}"]', value or "0", "true", "1979-05-27"])


class Fuzz:
    """Runs cases in a folder of their own, each with a copy of an empty database."""

    def __init__(self, folder: Path, database: Path) -> None:
        self._folder = folder
        self._database = database

    def run(self, case: Case) -> Outcome:
        """Run a case in this process, in a folder with a fresh database."""
        here = self._folder / "here"
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        shutil.copyfile(self._database, here / "sagemaker.duckdb")
        if case.config:
            text = case.config.encode("utf-8", "surrogatepass")
            (here / "sagemaker-exporter.toml").write_bytes(text)
        variables = {name: value for name, value in case.environment if "\0" not in value}
        with _inside(here), patch.dict(os.environ, variables), _captured() as err:
            arguments = list(case.arguments)
            if arguments[0] in ENDLESS:
                with patch("threading.Event.wait", side_effect=KeyboardInterrupt):
                    code = main(arguments)
            else:
                code = main(arguments)
        return Outcome(0 if arguments[0] in ENDLESS and code == 130 else code, err())


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _captured() -> Iterator[Callable[[], str]]:
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
        yield lambda: err.buffer.getvalue().decode()


def fuzz(runner: Fuzz, cases: Sequence[Case], show: Callable[[str], None]) -> Counter[int]:
    """Run cases, show those that end in a bug, and count the exit codes."""
    count: Counter[int] = Counter()
    for case in cases:
        outcome = runner.run(case)
        count[outcome.code] += 1
        if not outcome.is_good:
            show(f"{outcome.code}: {ascii(case)[:600]}\n    {outcome.err[-600:]!a}")
    return count


def chosen(runs: int, seed: int, share: float = 1.0) -> list[Case]:
    """Return a share of the table, and as many random cases as wanted."""
    chance = random.Random(seed)
    whole = list(table())
    return [
        *chance.sample(whole, round(len(whole) * share)),
        *randomly(runs, chance),
    ]


def command() -> int:
    """Run as a command."""
    from exporter.simulator import Clock, Simulator, World

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="share of the table to run")
    wanted = parser.parse_args()
    bad: list[str] = []
    cases = chosen(wanted.runs, wanted.seed, wanted.share)
    world = World(Clock(datetime(2026, 11, 1, tzinfo=UTC)), seed=1)
    with (
        tempfile.TemporaryDirectory() as name,
        Simulator(world) as simulator,
        patch.dict(os.environ, {**simulator.environment(), "HOME": name}),
    ):
        database = Path(name) / "template.duckdb"
        migrate.upgrade(Database(database))
        count = fuzz(Fuzz(Path(name), database), cases, bad.append)
    print("\n".join(bad))
    codes = ", ".join(f"{number} with {code}" for code, number in sorted(count.items()))
    print(f"{len(cases)} runs, seed {wanted.seed}: {codes}; {len(bad)} bugs.")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(command())
