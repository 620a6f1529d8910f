"""docs/publish.md: the command runs, and the example reads what it wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.store import export
from exporter.store.database import Database
from tests.docs.pages import block, blocks, read

PAGE = "docs/publish.md"


def test_the_examples_run_one_after_the_other(
    demo_database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lake").mkdir()
    command = block(PAGE, "publish").replace("/lake/", f"{tmp_path}/lake/").split()
    assert main(["--db", str(demo_database.path), *command[1:]]) == 0
    capfd.readouterr()
    exec(block(PAGE, "read").replace("/lake/", f"{tmp_path}/lake/"), {})  # noqa: S102 - our own page
    assert "usage_date" in capfd.readouterr().out


def test_the_page_lists_every_published_table() -> None:
    listed = re.search(r"The tables are (.*?)\.\n", read(PAGE), re.DOTALL)
    assert listed
    assert set(re.findall(r"`(\w+)`", listed[1])) == set(export.NAMES)


def test_every_example_is_tested_or_only_shown() -> None:
    only_shown = {"bucket"}  # it needs an AWS account
    assert {one.name for one in blocks(PAGE)} == {"publish", "read"} | only_shown
