"""Every Python example of the pages runs as written: at the default pace, against the stand-in."""

from __future__ import annotations

import ast
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator import Clock, Simulator, World
from exporter.store.database import Database
from tests.conftest import ACCOUNT, REGION
from tests.docs.pages import PAGES, block, blocks
from tests.support import bills

PAGE = "docs/library.md"
#: The pages whose examples other tests run.
ELSEWHERE = {
    "docs/bi.md": "tests/docs/test_bi_examples_show_the_next_snapshot.py",
    "docs/list-training-jobs.md": "tests/replica/test_examples_of_the_page_run.py",
    "docs/running.md": "tests/docs/test_running_examples_work.py",
    "docs/scaling.md": "tests/docs/test_scaling_examples_work.py",
}
_HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> World:
    """A world of now, because the examples have relative dates."""
    return World(Clock(datetime.now(UTC) - _HOUR), seed=7)


def run(text: str, names: dict[str, Any]) -> object:
    """Run a cell, and return the value of its last line if that is an expression."""
    *before, last = ast.parse(text).body
    if not isinstance(last, ast.Expr):
        exec(text, names)  # noqa: S102 - our own page
        return None
    exec(compile(ast.Module(before, []), PAGE, "exec"), names)  # noqa: S102 - our own page
    return eval(compile(ast.Expression(last.value), PAGE, "eval"), names)  # noqa: S307 - likewise


def test_the_examples_run_one_after_the_other(
    simulator: Simulator,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    del simulator
    scope = world.scope(ACCOUNT, REGION)
    job = scope.start(scope.create_job("nightly-1", keep_alive_seconds=600))
    world.advance(_HOUR)
    scope.finish(job)
    monkeypatch.chdir(tmp_path)
    bills.cur(
        tmp_path / "bill.parquet",
        [
            bills.Charge(
                scope.clock.now(),
                "Training",
                "ml.m5.xlarge",
                Decimal(5),
                Decimal(5),
                account=ACCOUNT,
            )
        ],
    )
    names: dict[str, Any] = {}
    shown = {}
    for one in (each for each in blocks(PAGE) if each.language == "python"):
        assert "max_rps" not in one.text, "examples run at the default pace"
        shown[one.name] = run(one.text, names)
    assert list(shown) == [
        *("import", "sync", "errors", "words", "report", "frames", "stream", "notebook"),
        *("notebook-job", "jobs", "status", "reconcile", "dashboard", "connect", "client"),
    ]
    out = capfd.readouterr().out
    for line in (
        "111122223333/eu-west-1 complete [1]",
        "month= excludes since= and until=. Use one or the other.",
        "Decimal(precision=38, scale=12) float64 1",
        "[(1,)] 1",
        "nightly-1 Completed",
    ):
        assert f"{line}\n" in out
    for name in ("notebook", "notebook-job"):
        assert "</table>" in shown[name]._repr_html_()  # type: ignore[attr-defined]  # as Jupyter
    assert len(names["answer"]["TrainingJobSummaries"]) == 1


def test_the_example_of_the_quick_start_runs(
    demo_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(demo_database.path, "demo.duckdb")
    run(block("docs/quick-start-sql.md", "python"), {})
    assert "eu-west-1" in capfd.readouterr().out


def test_every_page_with_examples_is_run() -> None:
    with_examples = {
        page for page in PAGES if any(one.language == "python" for one in blocks(page))
    }
    assert with_examples == {PAGE, "docs/quick-start-sql.md", *ELSEWHERE}
    assert all(Path(path).exists() for path in ELSEWHERE.values())
