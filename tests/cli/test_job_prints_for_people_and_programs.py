"""`job NAME` prints a job as tables, as Markdown and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter.store.database import Database
from tests.support.rows import put_job

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture
def database_option(filled: Database) -> tuple[str, str]:
    with filled.writing() as connection:
        put_job(connection, "a|1", hours=1, pool=None)
    return ("--db", str(filled.path))


@pytest.mark.parametrize("style", ["table", "markdown"])
def test_every_section_is_printed_with_its_title(
    command: Command, database_option: tuple[str, str], style: str
) -> None:
    answer = command("job", "bert-1", "--format", style, *database_option)
    assert (answer.code, answer.err) == (0, "")
    mark = "## " if style == "markdown" else ""
    lines = answer.out.splitlines()
    for title in ("bert-1", "What it cost", "The pool: jobs on the same instances, in order"):
        assert mark + title in lines


def test_markdown_escapes_what_a_name_contains(
    command: Command, database_option: tuple[str, str]
) -> None:
    assert "## a\\|1" in command("job", "a|1", "--format", "markdown", *database_option).out


def test_json_has_a_version_and_every_job_of_the_name(
    command: Command, database_option: tuple[str, str]
) -> None:
    answer = json.loads(command("job", "bert-1", "--json", *database_option).out)
    assert answer["version"] == 1
    assert [found["training_job_name"] for found in answer["jobs"]] == ["bert-1"]
    assert answer["jobs"][0]["chain"][0]["is_this_job"] is True


def test_a_job_that_is_not_there_is_a_usage_error(
    command: Command, database_option: tuple[str, str]
) -> None:
    answer = command("job", "nosuch", *database_option)
    assert (answer.code, answer.out) == (2, "")
    assert "The database has no job 'nosuch'." in answer.err
    assert "Nearest: " in answer.err
