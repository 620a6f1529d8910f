"""Processes of the command line, and ways to end them at a chosen moment."""

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
#: Seconds after which a process counts as hanging.
PATIENCE = 300.0


@dataclass(frozen=True)
class Ended:
    """The exit code of a process (negative: the signal) and its output."""

    code: int
    out: str
    err: str


class Zygotes:
    """Starts processes of the command line by forking one that has imported the program."""

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
        self, argv: Sequence[str], env: Mapping[str, str], *, privileged: int = True, **sizes: int
    ) -> Running:
        """Start `sagemaker-exporter ARGV…`.

        Args:
            argv: The arguments.
            env: More environment variables.
            privileged: False: file permissions apply to the process even if it runs as root.
            sizes: `Sizes` of a sync, smaller than in the program.
        """
        name = f"process-{next(self._numbers)}"
        out, err = self._folder / f"{name}.out", self._folder / f"{name}.err"
        answer = self._ask(
            do="start",
            argv=list(argv),
            env=dict(env),
            privileged=privileged,
            sizes=sizes,
            out=str(out),
            err=str(err),
        )
        return Running(self, answer["pid"], out, err)

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], *, privileged: int = True, **sizes: int
    ) -> Ended:
        """Start a process as `start` does, and wait for its end."""
        return self.start(argv, env, privileged=privileged, **sizes).wait()

    def wait(self, pid: int, seconds: float) -> int | None:
        """Return the exit code of a child; None if it still runs after that time."""
        code: int | None = self._ask(do="wait", pid=pid, seconds=seconds)["code"]
        return code

    def _ask(self, **request: Any) -> dict[str, Any]:
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            raise RuntimeError("no pipes")
        requests.write(json.dumps(request) + "\n")
        requests.flush()
        answer: dict[str, Any] = json.loads(answers.readline())
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
        """Send a signal. The id belongs to this child until `wait` reaps it."""
        os.kill(self.pid, number)

    def stderr(self) -> str:
        """Return what it has written to standard error."""
        return self.err.read_text() if self.err.exists() else ""

    def has_ended(self) -> bool:
        """Return whether it has ended. After that, its id may belong to another process."""
        if self.code is None:
            self.code = self.zygotes.wait(self.pid, 0)
        return self.code is not None

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """Wait for its end, and return how it ended.

        Raises:
            TimeoutError: It still runs after that time, and was killed.
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
    """Run `python -m exporter ARGV…` without a zygote; kill it after the block."""
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
    """Keep a DuckDB file open in another process that uses DuckDB alone."""
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


def until(condition: Any, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not hold within that time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not hold in time")
        time.sleep(0.005)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for another process of the program."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}
