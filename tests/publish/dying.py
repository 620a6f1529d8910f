"""Lets a publish die at a step: in this process, or in one of its own that waits for a kill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from exporter.publish import run, storage
from exporter.store.database import Database
from tests.publish.stops import Stopping
from tests.support.processes import ROOT


class Died(BaseException):
    """Ends a publish where a kill would end it, in this process."""


class Dying(Stopping):
    """A lake whose writer dies at a step."""

    def _stop(self, step: str) -> None:
        if step == self._step:
            raise Died


def die(database: Database, lake: Path, step: str) -> None:
    where = storage.place(str(lake))
    with pytest.raises(Died):
        run.publish(database, where, run.Options("one"), lake=Dying(where, step))


def start(step: str, database: Database, lake: Path | str, name: str) -> subprocess.Popen[str]:
    """Start a publish in a process of its own; a fork would break the library's threads."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.publish.stops", step, str(database.path), str(lake), name],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
