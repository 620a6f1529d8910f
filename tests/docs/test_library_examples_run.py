"""docs/library.md: every example runs, in order, against the stand-in service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exporter.simulator import Scope, Simulator
from tests.docs.pages import blocks

PAGE = "docs/library.md"


def test_the_examples_run_one_after_the_other(
    simulator: Simulator,
    scope: Scope,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    scope.finish(scope.start(scope.create_job("nightly-1")))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    examples = blocks(PAGE)
    assert [one.name for one in examples] == [
        *("import", "sync", "errors", "report", "connect", "client")
    ]
    for example in examples:
        exec(example.text, names)  # noqa: S102 - our own page
    out = capfd.readouterr().out
    assert "111122223333/eu-west-1 complete [1]" in out
    assert "nightly-1 Completed" in out
    assert len(names["answer"]["TrainingJobSummaries"]) == 1
