"""The stand-in follows the advice, as `python -m benchmarks.advice` does in more worlds."""

from __future__ import annotations

import pytest

from benchmarks.advice import SETTINGS, judge

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
def test_followed_advice_saves_what_it_promised(world: str, suggested: dict[str, int]) -> None:
    verdict = judge(BY_NAME[world], days=21, seed=1)
    assert (verdict.suggested, verdict.misses()) == (suggested, [])
