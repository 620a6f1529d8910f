"""Syncs are killed at drawn moments of backfills and increments; the next one loses nothing."""

from __future__ import annotations

import os
from pathlib import Path

from exporter.simulator import Simulator
from tests.reliability.ordeal import STOPS_WITHIN, Ordeal
from tests.support.processes import Zygotes

#: The long run: EXPORTER_KILLS=200 pytest -s tests/reliability -k killed
KILLS = int(os.environ.get("EXPORTER_KILLS", "10"))
SEED = int(os.environ.get("EXPORTER_SEED", "1"))


def test_the_sync_after_any_kill_ends_equal_to_the_service(
    simulator: Simulator, zygotes: Zygotes, tmp_path: Path
) -> None:
    ordeal = Ordeal(simulator, zygotes, tmp_path, SEED)
    while ordeal.tally.kills.total() < KILLS:
        # Two kills, then a clean sync; every second time, a new account and file.
        ordeal.round(2)
        if ordeal.tally.clean % 2 == 0:
            ordeal.renew()
    print(ordeal.tally)
    assert ordeal.tally.slowest_stop < STOPS_WITHIN
