"""The Python blocks of docs/list-training-jobs.md run unchanged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from exporter.replica.server import Replica
from exporter.store.database import Database
from tests.replica.support import ACCOUNT, REGION, put, row

PAGE = Path(__file__).parents[2] / "docs" / "list-training-jobs.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_of_the_client_runs(
    filled: Database, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(filled.path.parent)
    filled.path.rename("sagemaker.duckdb")
    exec(blocks()[0], {})  # noqa: S102 - our own page
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["job-11", "job-08", "job-05", "job-02", "0"]


def test_the_example_of_the_dispatcher_runs(filled: Database, replica: Replica) -> None:
    text = blocks()[1]
    assert (ACCOUNT in text, REGION in text) == (True, True)
    names: dict[str, Any] = {}
    exec(text.replace("http://127.0.0.1:8025", replica.url), names)  # noqa: S102 - our own page
    assert names["in_progress"]() == 4
    started: list[int] = []

    def start() -> None:
        started.append(len(started))
        put(filled, [row(f"new-{len(started)}", 50, training_job_status="InProgress")])

    def second(_: float) -> None:
        if len(started) == 6 and names["in_progress"]() == 10:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        names["dispatch"](start, sleep=second)
    assert len(started) == 6
