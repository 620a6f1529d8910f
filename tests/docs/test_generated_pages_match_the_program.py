"""`make docs` would change nothing, and the generated pages are complete."""

from __future__ import annotations

import re

import pytest

from docs import build
from exporter.cli.root import COMMANDS
from exporter.reports.catalogue import catalogue
from exporter.store import view_files
from exporter.store.database import Database
from exporter.store.schema import TABLES


@pytest.mark.parametrize(
    "name",
    ["cli.md", "configuration.md", "schema.md", "reports.md", "cookbook.md", "library.md"],
)
def test_a_generated_page_is_up_to_date(name: str, demo_database: Database) -> None:
    generated = build.pages(demo_database)[name]()
    assert (build.DOCS / name).read_text("utf-8") == generated, "run `make docs`"


def test_every_command_has_its_help() -> None:
    page = (build.DOCS / "cli.md").read_text("utf-8")
    for name in COMMANDS:
        assert f"\n## sagemaker-exporter {name}\n" in page


def test_every_table_view_and_column_is_described() -> None:
    page = (build.DOCS / "schema.md").read_text("utf-8")
    for table in TABLES.values():
        assert f"\n### {table.name}\n" in page
        assert all(f"| `{column.name}` |" in page for column in table.columns)
    for view in view_files.views():
        assert f"\n### {view.name}\n" in page
    assert "None" not in page


def test_every_report_shows_rows() -> None:
    page = (build.DOCS / "reports.md").read_text("utf-8")
    for name in catalogue():
        part = re.search(rf"\n## {name}\n.*?```console\n(.*?)```", page, re.DOTALL)
        assert part, name
        assert "No rows" not in part[1], name


def test_the_cookbook_answers_fifteen_questions() -> None:
    page = (build.DOCS / "cookbook.md").read_text("utf-8")
    questions = re.findall(r"\n## .*?\?\n", page)
    assert len(questions) >= 15
    answers = re.findall(r"```sql\n.*?```\n\n```text\n(.*?)```", page, re.DOTALL)
    assert len(answers) == len(questions)
    assert not [answer for answer in answers if "No rows" in answer]
