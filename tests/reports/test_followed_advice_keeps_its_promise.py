"""The stand-in follows the advice, as `python -m benchmarks.advice` does in more worlds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import pytest

from benchmarks.advice import SETTINGS, judge
from exporter.cli import main

BY_NAME = {setting.name: setting for setting in SETTINGS}


@pytest.mark.parametrize(
    ("world", "suggested"),
    [
        # Pools of the first family serve the second one, whose own pools serve nobody.
        ("shared-families", {"prep": 1800, "fit": 0}),
        # Less is wasted because less runs. The period was right before.
        ("falling-demand", {"steady": 120}),
    ],
)
def test_followed_advice_saves_what_it_promised(
    world: str, suggested: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
        capfd.readouterr()
        with chdir(folder), patch.dict(os.environ, environment):
            code = main(list(arguments))
        shown = capfd.readouterr()
        assert code == 0, shown.err
        return shown.out

    verdict = judge(BY_NAME[world], days=21, seed=1, run=run)
    assert (verdict.suggested, verdict.misses()) == (suggested, [])
