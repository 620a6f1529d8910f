"""Random damage of the file or its log is named, or changes no row.

`python -m tests.reliability.damage --damages 1000` is the long run.
"""

from __future__ import annotations

import os

from tests.reliability.damage import GOOD, run, summary

DAMAGES = 16
SEED = int(os.environ.get("EXPORTER_SEED", "4"))


def test_random_damage_is_named_or_changes_no_row() -> None:
    bad: list[str] = []
    count = run(DAMAGES, SEED, bad.append)
    print(summary(count))
    assert bad == []
    assert set(count) <= set(GOOD)
    assert count["named"] > DAMAGES / 4
