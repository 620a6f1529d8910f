"""A script that calls every function has types that mypy accepts, and runs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import exporter
from exporter.simulator import Clock, Simulator, World
from tests.api import script
from tests.conftest import ACCOUNT, REGION
from tests.support import bills


@pytest.fixture
def world() -> World:
    """A world of now, because `status` compares with the clock of this machine."""
    return World(Clock(datetime.now(UTC)), seed=7)


def test_a_script_with_every_function_runs(
    tmp_path: Path, world: World, simulator: Simulator
) -> None:
    del simulator
    scope = world.scope(ACCOUNT, REGION)
    scope.finish(scope.start(scope.create_job("nightly-1")))
    bill = bills.cur(
        tmp_path / "cur.csv",
        [bills.Charge(scope.clock.now(), "Training", "ml.m5.xlarge", Decimal(1), Decimal(1))],
    )
    total, names = script.main(tmp_path / "jobs.duckdb", bill, str(tmp_path / "page.html"))
    assert isinstance(total, Decimal)
    assert names[0] == "nightly-1"
    text = Path(script.__file__).read_text("utf-8")
    assert all(f"{name}(" in text for name in exporter.__all__)


def test_the_package_says_that_it_has_types() -> None:
    assert Path(exporter.__file__).with_name("py.typed").is_file()
