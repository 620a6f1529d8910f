"""After any changes, also those that commands make, a publish leaves what the file has.

The long run is `python -m tests.publish.rounds`.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.publish.rounds import Rounds
from tests.support.lakes import Collectors


def test_a_lake_equals_the_file_after_random_changes(
    three: Collectors, lake: Path, tmp_path: Path
) -> None:
    Rounds(three, lake, tmp_path, random.Random(130)).round()
