"""Random filters: how many, and from which seed.

A long run: `EXPORTER_WEB_FILTERS=100 EXPORTER_WEB_SEED=7 pytest tests/web -k filters`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

#: Filters of each page.
FILTERS = int(os.environ.get("EXPORTER_WEB_FILTERS", "2"))
SEED = int(os.environ.get("EXPORTER_WEB_SEED", "2051"))


def chance(name: str) -> Iterator[random.Random]:
    """Yield a source of random numbers for each filter; print its seed, which a failure shows."""
    for number in range(FILTERS):
        seed = f"{SEED} {name} {number}"
        print("seed:", seed)
        yield random.Random(seed)
