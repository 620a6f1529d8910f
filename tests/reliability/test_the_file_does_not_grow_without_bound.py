"""Repeated syncs of the same jobs; `python -m benchmarks.growth` runs longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.growth import fresh_size, grow

#: Times the size of a fresh file. The benchmark's goal is lower, for files of more rows.
BOUND = 1.5
#: What a file without a row takes for its headers, indexes and free blocks.
SMALL = 1_000_000


@pytest.mark.parametrize("changing", [False, True])
def test_the_file_stays_near_the_size_of_a_fresh_one(tmp_path: Path, changing: bool) -> None:
    path = tmp_path / "jobs.duckdb"
    sizes = grow(path, syncs=24, jobs=40, changing=changing)
    assert sizes[-1] < BOUND * fresh_size(path) + SMALL
    # The file reaches its size, and keeps it: sizes go up and down by a block or two.
    assert max(sizes[12:]) <= max(sizes[:12])
