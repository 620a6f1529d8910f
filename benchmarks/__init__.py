"""Benchmarks: `python -m benchmarks` runs them all, `python -m benchmarks.NAME` one of them."""

from typing import Final

#: The exit code of a benchmark that ran, and missed a goal.
MISSED: Final = 3
