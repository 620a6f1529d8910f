"""Processes that benchmarks compare: the service in one, and each of the measured in its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"


@dataclass(frozen=True)
class Figures:
    """What a process took.

    Attributes:
        wall: Seconds by the clock.
        cpu: Seconds of CPU, of the process and of those that it waited for.
        megabytes: Its peak memory.
    """

    wall: float
    cpu: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.wall:7.2f} s {self.cpu:7.2f} s CPU {self.megabytes:6.0f} MB"


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Figures:
    """Run a command without its output.

    Raises:
        CalledProcessError: The command failed.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Figures(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


@contextmanager
def service(jobs: int) -> Iterator[dict[str, str]]:
    """Serve a history of so many jobs, and yield the environment of its clients."""
    arguments = ("--jobs", str(jobs), "--account", ACCOUNT, "--region", REGION)
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter.simulator", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the service has no output")
        url = process.stdout.readline().strip()
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": f"AKIA{ACCOUNT}",
            "AWS_SECRET_ACCESS_KEY": "stand-in",
            "AWS_DEFAULT_REGION": REGION,
        }
    finally:
        process.terminate()
        process.wait()
