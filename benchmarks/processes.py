"""What a whole process takes, and pairs of processes compared with each other.

The load of the machine changes within seconds, so the two of a pair run one after the other, and
the median of the ratios counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple


class Usage(NamedTuple):
    """What a process took.

    Attributes:
        cpu: Seconds of CPU, user and system, of the process and its children.
        wall: Seconds by the clock.
        megabytes: Peak memory in MB.
        output: What it wrote to standard output and standard error.
    """

    cpu: float
    wall: float
    megabytes: float
    output: str


class Compared(NamedTuple):
    """Pairs of processes: medians of one side, of the other, and of the ratios.

    Attributes:
        ours: The usage of this program.
        floor: The usage of what it is compared with.
        cpu: `ours` ÷ `floor` in CPU seconds.
        wall: `ours` ÷ `floor` by the clock.
    """

    ours: Usage
    floor: Usage
    cpu: float
    wall: float


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command and return what it took.

    Raises:
        CalledProcessError: It failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, text)
    # macOS counts bytes, Linux kilobytes.
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Usage(usage.ru_utime + usage.ru_stime, wall, peak, text)


def compare(
    ours: Sequence[str],
    floor: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    pairs: int,
) -> Compared:
    """Run two commands in turn, and return their medians.

    Both run once without counting. That run compiles the modules, as an installation does.
    """
    with tempfile.TemporaryDirectory() as folder:
        compiled = {**(environment or os.environ), "PYTHONPYCACHEPREFIX": folder}
        compiled.pop("PYTHONDONTWRITEBYTECODE", None)
        run(ours, compiled), run(floor, compiled)
        found = [(run(ours, compiled), run(floor, compiled)) for _ in range(pairs)]
    return Compared(
        _medians([our for our, _ in found]),
        _medians([other for _, other in found]),
        median(our.cpu / other.cpu for our, other in found),
        median(our.wall / other.wall for our, other in found),
    )


def _medians(found: Sequence[Usage]) -> Usage:
    return Usage(
        median(each.cpu for each in found),
        median(each.wall for each in found),
        median(each.megabytes for each in found),
        found[-1].output,
    )


@contextmanager
def service(jobs: int, accounts: int = 1, regions: int = 1) -> Iterator[str]:
    """Serve jobs that ended long ago from a process of its own, and yield its URL.

    Args:
        jobs: The jobs in each account and region.
        accounts: The number of accounts.
        regions: The number of regions.
    """
    numbers = {"--jobs": jobs, "--accounts": accounts, "--regions": regions}
    options = [word for name, number in numbers.items() for word in (name, str(number))]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.closed", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the service has no output")
        yield process.stdout.readline().strip()
    finally:
        process.communicate()  # closes its standard input, which ends it


def aws_environment(url: str, account: str, region: str) -> dict[str, str]:
    """Return the environment of a process that calls the stand-in service."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": f"AKIA{account}",
        "AWS_SECRET_ACCESS_KEY": "stand-in",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
