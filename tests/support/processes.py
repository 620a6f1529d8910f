"""The command line in processes of its own, and means to end them at a chosen moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
#: Longer than anything here takes; what takes longer hangs.
PATIENCE = 60.0


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: the signal), and what it said."""

    code: int
    out: str
    err: str


class Zygotes:
    """Starts processes of the command line by forking one that has imported it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment({}),
        )

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], user: int | None = None, **sizes: int
    ) -> Running:
        """Start a process that runs `sagemaker-exporter ARGV…` with these `Sizes` of a sync."""
        name = f"process-{next(self._numbers)}"
        out, err = self._folder / f"{name}.out", self._folder / f"{name}.err"
        answer = self._ask(
            do="start",
            argv=list(argv),
            env=dict(env),
            user=user,
            sizes=sizes,
            out=str(out),
            err=str(err),
        )
        return Running(self, answer["pid"], out, err)

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], user: int | None = None, **sizes: int
    ) -> Ended:
        """Run the same process and wait for its end."""
        return self.start(argv, env, user, **sizes).wait()

    def wait(self, pid: int, seconds: float) -> int | None:
        """The exit code of a child, None where it still runs after that time."""
        code: int | None = self._ask(do="wait", pid=pid, seconds=seconds)["code"]
        return code

    def _ask(self, **request: Any) -> dict[str, Any]:
        asked, told = self._process.stdin, self._process.stdout
        if asked is None or told is None:
            raise RuntimeError("no pipes")
        asked.write(json.dumps(request) + "\n")
        asked.flush()
        answer: dict[str, Any] = json.loads(told.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE)


@dataclass
class Running:
    """A child of the zygote."""

    zygotes: Zygotes
    pid: int
    out: Path
    err: Path
    code: int | None = None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; it is not reaped before `wait`, so the id is no other's."""
        os.kill(self.pid, number)

    def said(self) -> str:
        """What it has written to standard error so far."""
        return self.err.read_text() if self.err.exists() else ""

    def has_ended(self) -> bool:
        """Whether it has ended; only then, or by `wait`, is its id free for others."""
        if self.code is None:
            self.code = self.zygotes.wait(self.pid, 0)
        return self.code is not None

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """How it ended.

        Raises:
            TimeoutError: It still runs after that time; it is killed then.
        """
        if self.code is None:
            self.code = self.zygotes.wait(self.pid, seconds)
        if self.code is None:
            self.send(signal.SIGKILL)
            self.zygotes.wait(self.pid, PATIENCE)
            raise TimeoutError(f"it still ran after {seconds} s: {self.err.read_text()}")
        return Ended(self.code, self.out.read_text(), self.err.read_text())


@contextmanager
def program(
    argv: Sequence[str], env: Mapping[str, str], **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """`python -m exporter ARGV…` itself, from its first import on; gone when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(env),
        **options,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@contextmanager
def holding(
    path: Path, *, read_only: bool, statement: str = "SELECT 1"
) -> Iterator[subprocess.Popen[str]]:
    """Another process, with nothing of ours in it, that keeps a DuckDB file open."""
    code = (
        "import sys, duckdb\n"
        f"c = duckdb.connect({str(path)!r}, read_only={read_only})\n"
        f"c.execute({statement!r})\n"
        "print('open', flush=True)\n"
        "sys.stdin.readline()\n"
        "c.close()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        if process.stdout is None or process.stdout.readline() != "open\n":
            raise RuntimeError(f"{path} could not be opened")
        yield process
    finally:
        process.communicate()


def until(condition: Any, seconds: float = 60.0) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.005)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of its own."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}
