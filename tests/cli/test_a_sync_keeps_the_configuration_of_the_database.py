"""A sync without rules, discounts or names keeps those of the database; `config clear` ends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import Scope, Simulator, World

if TYPE_CHECKING:
    from tests.cli.conftest import Command

NAME = "sagemaker-exporter.toml"
TEAMS = """
team_tag = "Owner"
local_storage_families = ["g5"]
[[family]]
pattern = "^(?P<family>[a-z])"
[[team]]
team = "everybody"
name = "."
"""
DISCOUNT = "[[discount]]\npercent = 12.5\ncomponent = 'Training'\n"
ACCOUNTS = "[accounts]\n111122223333 = 'production'\n"
EVERYTHING = TEAMS + DISCOUNT + ACCOUNTS
#: Everything that a configuration changes in the database.
STATE = """
SELECT
    (SELECT list_sort(list(row(account_id, account_name))) FROM accounts) AS accounts,
    (SELECT list_sort(list(row(account_id, component, percent))) FROM discounts) AS discounts,
    (SELECT list_sort(list(family)) FROM local_storage_families) AS storage,
    (
        SELECT list_sort(list(DISTINCT row(team, team_rule, length(job_family))))
        FROM training_jobs
    ) AS labels,
    (SELECT count(*) FROM training_jobs) AS jobs
"""


@pytest.fixture(autouse=True)
def service(simulator: Simulator, world: World, scope: Scope) -> None:
    world.generate(jobs=30, scopes=[scope])


def configure(command: Command, text: str) -> None:
    (command.directory / NAME).write_text(text)


def sync(command: Command) -> str:
    answer = command("sync", "--max-rps", "0")
    assert answer.code == 0
    return answer.err


def state(command: Command) -> dict[str, object]:
    answer = command("query", STATE, "--json")
    assert answer.code == 0, answer.err
    rows: list[dict[str, object]] = json.loads(answer.out)["rows"]
    return rows[0]


def from_database(command: Command) -> dict[str, object]:
    settings = json.loads(command("config", "show", "--json").out)["settings"]
    origin = f"database {Path('sagemaker.duckdb')}"
    return {item["key"]: item["value"] for item in settings if item["from"] == origin}


@pytest.mark.usefixtures("made")
def test_a_sync_without_a_configuration_keeps_all_and_labels_new_jobs(
    command: Command, scope: Scope
) -> None:
    configure(command, EVERYTHING)
    assert "config clear" not in sync(command)
    before = state(command)
    (command.directory / NAME).unlink()
    scope.create_job("nightly-42")
    error = sync(command)
    assert error.count("config clear") == 1
    assert (
        "no family and team rules, account names, discounts or local_storage_families, "
        "so those of the database stay" in error
    )
    after = state(command)
    assert (before.pop("jobs"), after.pop("jobs")) == (30, 31)
    assert after == before


@pytest.mark.usefixtures("made")
def test_a_configuration_replaces_only_the_parts_that_it_has(command: Command) -> None:
    configure(command, EVERYTHING)
    sync(command)
    before = state(command)
    configure(command, "[[discount]]\npercent = 50\n")
    error = sync(command)
    assert "no family and team rules, account names or local_storage_families" in error
    after = state(command)
    assert "50" in str(after.pop("discounts"))
    del before["discounts"]
    assert after == before


def test_show_names_what_comes_from_the_database(command: Command) -> None:
    assert from_database(command) == {}
    configure(command, EVERYTHING)
    sync(command)
    assert from_database(command) == {}
    configure(command, ACCOUNTS)
    assert from_database(command) == {
        "family 1": "^(?P<family>[a-z])",
        "team 1.team": "everybody",
        "team 1.name": ".",
        "team_tag": "Owner",
        "local_storage_families": ["g5"],
        "discount 1.percent": 12.5,
        "discount 1.component": "Training",
    }


def test_show_works_without_a_readable_database(command: Command) -> None:
    (command.directory / "sagemaker.duckdb").write_text("not a database")
    answer = command("config", "show")
    assert answer.code == 0
    assert "Cannot show what the database keeps" in answer.err


@pytest.mark.usefixtures("made")
def test_clear_removes_what_the_database_keeps(command: Command) -> None:
    sync(command)
    before = state(command)
    configure(command, EVERYTHING)
    sync(command)
    assert state(command) != before
    (command.directory / NAME).unlink()
    answer = command("config", "clear", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out)["removed"] == {
        "rules": 3,
        "accounts": 1,
        "discounts": 1,
        "local_storage_families": 1,
    }
    assert state(command) == before
    assert "config clear" not in sync(command)
    assert state(command) == before
    answer = command("config", "clear")
    assert (answer.code, answer.out) == (0, "")
    assert "keeps no rules, discounts or names" in answer.err


@pytest.mark.usefixtures("made")
def test_apply_shows_a_change_without_a_call(command: Command, simulator: Simulator) -> None:
    sync(command)
    calls = len(simulator.calls)
    answer = command("config", "apply")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "config apply: no configuration file; `config init` writes one\n"
    configure(command, EVERYTHING)
    answer = command("config", "apply", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out) == {
        "version": 1,
        "database": "sagemaker.duckdb",
        "file": str(command.directory / NAME),
        "changed": True,
    }
    assert "everybody" in str(state(command)["labels"])
    assert len(simulator.calls) == calls
    applied = state(command)
    sync(command)
    assert state(command) == applied
    configure(command, DISCOUNT)
    answer = command("config", "apply")
    assert answer.code == 0
    assert answer.err.splitlines() == [
        "The configuration has no family and team rules, account names or local_storage_families, "
        "so those of the database stay. To remove them, run `sagemaker-exporter config clear`.",
        "config apply: nothing to change in sagemaker.duckdb",
    ]
    assert state(command) == applied


@pytest.mark.usefixtures("made")
def test_apply_names_the_discount_of_a_source_that_no_sync_has_reached(command: Command) -> None:
    sync(command)
    configure(command, "[[source]]\nname = 'new'\n[[discount]]\npercent = 12.5\nsource = 'new'\n")
    answer = command("config", "apply")
    assert (answer.code, answer.out) == (0, "")
    assert "No sync has reached an account of the source 'new' yet" in answer.err
    assert state(command)["discounts"] is None
    sync(command)
    assert "12.5" in str(state(command)["discounts"])


def test_clear_without_a_database_creates_none(command: Command) -> None:
    answer = command("config", "clear")
    assert (answer.code, answer.out) == (8, "")
    assert not list(command.directory.glob("*.duckdb"))
