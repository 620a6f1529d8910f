"""Measures the dashboard: `python -m benchmarks.dashboard [--jobs 1000000]`.

The benchmark builds the file of `benchmarks.reports`, and writes its page with the command line, in
a process of its own. It prints the seconds and CPU seconds of the whole process, with the start of
Python and its imports, its peak memory, and the size of the page.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import MISSED
from benchmarks.reports import COMMAND

#: The goals: CPU seconds, peak memory and size of the page in MB.
CPU_SECONDS = 5.0
MEGABYTES = 500
PAGE_MEGABYTES = 3


def main() -> int:
    """Build, write the page and print; return 3 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="number of jobs in the file")
    parser.add_argument("--keep", type=Path, help="keep the file here, and use it if it exists")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "jobs.duckdb"
        if not path.exists():
            build = [*COMMAND, "--build", "--keep", str(path), "--jobs", str(options.jobs)]
            subprocess.run(build, check=True)
        page = Path(folder) / "page.html"
        began = time.perf_counter()
        command = [sys.executable, "-m", "exporter", "--db", str(path), "dashboard", "--output"]
        done = subprocess.Popen([*command, str(page)])
        _, status, used = os.wait4(done.pid, 0)
        seconds = time.perf_counter() - began
        if status:
            return 1
        cpu = used.ru_utime + used.ru_stime
        memory = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        size = page.stat().st_size / 1e6
    print(
        f"{options.jobs:,} jobs: {seconds:.2f} s, {cpu:.2f} s CPU, {memory:.0f} MB, "
        f"a page of {size:.2f} MB"
    )
    print(f"goals: {CPU_SECONDS} s CPU, {MEGABYTES} MB, a page of {PAGE_MEGABYTES} MB")
    return MISSED if cpu > CPU_SECONDS or memory > MEGABYTES or size > PAGE_MEGABYTES else 0


if __name__ == "__main__":
    sys.exit(main())
