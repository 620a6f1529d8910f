"""sync as a command, against the stand-in service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter.simulator import Scope, Simulator, World

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture(autouse=True)
def service(simulator: Simulator, world: World, scope: Scope) -> None:
    world.generate(jobs=30, scopes=[scope])


def test_a_sync_says_one_line_and_the_next_finds_nothing_new(command: Command) -> None:
    first = command("sync", "--max-rps", "0")
    assert (first.code, first.out) == (0, "")
    (line,) = first.err.splitlines()
    assert line.startswith("sync: 1 of 1 scopes complete, 30 new, ")
    second = command("sync", "--max-rps", "0", "--quiet")
    assert (second.code, second.out, second.err) == (0, "", "")
    third = command("sync", "--max-rps", "0", "--json")
    found = json.loads(third.out)
    assert (found["version"], found["exit_code"], found["jobs_inserted"]) == (1, 0, 0)
    assert command("status", "--max-age", "520w").code == 0


def test_the_configuration_reaches_the_database(command: Command) -> None:
    (command.directory / "sagemaker-exporter.toml").write_text(
        "[sync]\nmax_rps = 0\n[accounts]\n'111122223333' = 'prod'\n"
        "[[team]]\nteam = 'everybody'\nname = '.'\n"
    )
    assert command("sync").code == 0
    sql = "SELECT DISTINCT account_name, team FROM daily_costs"
    assert command("query", sql, "--format", "csv").out.splitlines()[1:] == ["prod,everybody"]


def test_a_dry_run_writes_nothing(command: Command) -> None:
    answer = command("sync", "--dry-run")
    assert answer.code == 0
    assert answer.out.startswith("111122223333/eu-west-1: backfill")
    assert not list(command.directory.glob("*.duckdb"))


def test_json_log_lines_are_json(command: Command) -> None:
    answer = command("sync", "--max-rps", "0", "--log-format", "json", "-v")
    for line in answer.err.splitlines():
        assert {"time", "level", "event"} <= set(json.loads(line))


def test_no_credentials_are_exit_5(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    answer = command("sync", "--region", "eu-west-1")
    assert answer.code == 5
    assert len(answer.err.splitlines()) == 1


def test_an_unknown_profile_is_one_line(command: Command) -> None:
    answer = command("sync", "--profile", "nobody")
    assert answer.code in (2, 5)
    assert "nobody" in answer.err
    assert len(answer.err.splitlines()) == 1
