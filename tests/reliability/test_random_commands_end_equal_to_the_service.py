"""A few sessions of the model; `python -m tests.model` is the long run."""

from __future__ import annotations

import os
from pathlib import Path

from tests.model.__main__ import run, summary
from tests.model.kinds import KINDS
from tests.support.processes import Zygotes

COMMANDS = 8
SEED = int(os.environ.get("EXPORTER_SEED", "7"))


def test_random_commands_end_equal_to_the_service(zygotes: Zygotes, tmp_path: Path) -> None:
    count, failures = run(zygotes, tmp_path, SEED, KINDS, lambda count: count.commands >= COMMANDS)
    print(summary(count, failures))
    assert not failures, "\n".join(map(str, failures))
    assert count.commands >= COMMANDS
    assert count.compared > 0 < count.rows
    assert count.codes[1] == 0
