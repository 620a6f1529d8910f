"""The soak for a few simulated days; `python -m tests.reliability.soak` is the long one."""

from __future__ import annotations

import os
from pathlib import Path

from tests.reliability.soak import soak, told
from tests.support.processes import Zygotes

SYNCS = 12
SEED = int(os.environ.get("EXPORTER_SEED", "7"))


def test_syncs_of_every_kind_in_a_row(zygotes: Zygotes, tmp_path: Path) -> None:
    count, tally = soak(tmp_path, zygotes, SEED, lambda count: count.syncs >= SYNCS)
    print(told(count, tally, SEED))
    assert count.syncs >= SYNCS
    assert tally.clean > 0 < tally.rows
    assert count.failed + tally.kills.total() + count.faults > 0
    assert count.checks > 0
