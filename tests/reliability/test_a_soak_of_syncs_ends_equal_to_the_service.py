"""A soak of a few simulated days; `python -m tests.reliability.soak` is the long one."""

from __future__ import annotations

import os
from pathlib import Path

from tests.reliability.soak import soak, summary
from tests.support.processes import Zygotes

SYNCS = 12
SEED = int(os.environ.get("EXPORTER_SEED", "7"))


def test_a_soak_of_syncs_ends_equal_to_the_service(zygotes: Zygotes, tmp_path: Path) -> None:
    count, tally = soak(tmp_path, zygotes, SEED, lambda count: count.syncs >= SYNCS)
    print(summary(count, tally, SEED))
    assert count.syncs >= SYNCS
    assert tally.clean > 0 < tally.rows
    assert count.failed + tally.kills.total() + count.faults > 0
    assert count.checks > 0
