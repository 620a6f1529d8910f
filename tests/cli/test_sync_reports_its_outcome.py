"""sync against the stand-in service: its line, its JSON, its log, its exit code."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from exporter.cli.progress import Terminal
from exporter.simulator import Behaviour, Scope, Simulator, World
from exporter.store.scopes import ScopeKey
from exporter.syncing.progress import Doing
from tests.support.files import content

if TYPE_CHECKING:
    from tests.cli.conftest import Command


#: Commands that need a database.
READERS = [
    ("status",),
    ("report", "summary"),
    ("jobs",),
    ("job", "a-1"),
    ("query", "SELECT 1"),
    ("prices", "list"),
    ("db", "check"),
    ("db", "prune"),
    ("db", "forget", "111122223333/eu-west-1"),
    ("config", "clear"),
]


@pytest.fixture(autouse=True)
def service(simulator: Simulator, world: World, scope: Scope) -> None:
    world.generate(jobs=30, scopes=[scope])


def test_a_sync_prints_one_line_and_the_next_finds_nothing_new(command: Command) -> None:
    first = command("sync", "--max-rps", "0")
    assert (first.code, first.out) == (0, "")
    (line,) = first.err.splitlines()
    assert line.startswith("sync: 1 of 1 scope complete, 30 new, ")
    second = command("sync", "--max-rps", "0", "--quiet")
    assert (second.code, second.out, second.err) == (0, "", "")
    third = command("sync", "--max-rps", "0", "--json")
    found = json.loads(third.out)
    assert (found["version"], found["exit_code"], found["jobs_inserted"]) == (1, 0, 0)
    assert command("status", "--max-age", "520w").code == 0


@pytest.mark.usefixtures("made")
def test_a_snapshot_follows_every_sync(command: Command) -> None:
    """Also one that finds nothing new: it has written the ledger."""
    snapshot = command.directory / "snapshot.duckdb"
    for options in ([], ["--name-contains", "zz"], []):
        sync = command("sync", "--max-rps", "0", "--snapshot", str(snapshot), *options)
        assert sync.code == 0
        assert content(snapshot) == content(command.directory / "sagemaker.duckdb")


@pytest.mark.usefixtures("made")
def test_the_configuration_reaches_the_database(command: Command) -> None:
    (command.directory / "sagemaker-exporter.toml").write_text(
        "[sync]\nmax_rps = 0\n[accounts]\n'111122223333' = 'prod'\n"
        "[[team]]\nteam = 'everybody'\nname = '.'\n"
    )
    assert command("sync").code == 0
    sql = "SELECT DISTINCT account_name, team FROM daily_costs"
    assert command("query", sql, "--format", "csv").out.splitlines()[1:] == ["prod,everybody"]


def test_a_dry_run_says_what_it_would_list_and_leaves_no_file(
    command: Command, world: World
) -> None:
    answer = command("sync", "--dry-run")
    assert answer.code == 0
    assert answer.out == (
        "111122223333/eu-west-1: backfill: first sync; all jobs; details by Search, 100 jobs per "
        "call; 30 jobs, at least 2 calls, 1s (region from AWS_REGION)\n"
    )
    assert answer.err == (
        "dry run: 1 scope planned, nothing listed, nothing written; a sync creates "
        f"{command.directory / 'sagemaker.duckdb'}\n"
    )
    named = command("sync", "--dry-run", "--region", "us-east-1", "--since", "2026-01-01")
    assert named.out == (
        "111122223333/us-east-1: backfill: first sync since 2026-01-01 00:00Z; all jobs created "
        "from 2026-01-01T00:00:00Z on; details by Search, 100 jobs per call; 0 jobs, at least 1 "
        "call, 1s (region from --region)\n"
    )
    world.behaviour = Behaviour(denied=frozenset({(None, None, "Search")}))
    assert "; details by DescribeTrainingJob, one call per job and 2,000 per sync (Search is " in (
        command("sync", "--dry-run").out
    )
    assert not list(command.directory.iterdir())


def test_no_upgrade_makes_no_file(command: Command) -> None:
    answer = command("sync", "--no-upgrade", "--max-rps", "0")
    assert (answer.code, answer.out) == (8, "")
    assert answer.err.endswith(", and --no-upgrade creates none.\n")
    assert answer.err.count("\n") == 1
    assert not list(command.directory.iterdir())


@pytest.mark.usefixtures("made")
def test_verbose_logs_each_step_with_its_figures(command: Command) -> None:
    command("sync", "--max-rps", "0", "--created-before", "2020-01-01")
    answer = command("sync", "--max-rps", "0", "--log-format", "json", "-v")
    lines = [json.loads(line) for line in answer.err.splitlines()]
    assert all({"time", "level", "event"} <= line.keys() for line in lines)
    events = {line["event"]: line for line in lines}
    assert list(events)[:-1] == [
        "sync",
        "listing",
        "page",
        "committed",
        "looked up",
        "scope done",
        "prices",
    ]
    assert {key: events["listing"][key] for key in ("scope", "mode", "reason")} == {
        "scope": "111122223333/eu-west-1",
        "mode": "backfill",
        "reason": "first sync",
    }
    assert (events["page"]["jobs"], events["page"]["more"]) == (30, False)
    assert (events["looked up"]["jobs"], events["committed"]["inserted"]) == (30, 30)
    assert events["committed"]["outcome"] == events["scope done"]["outcome"] == "complete"
    summary = lines[-1]
    assert summary.pop("seconds") >= 0
    assert {key: summary[key] for key in list(summary)[3:]} == {
        "exit_code": 0,
        "scopes_complete": 1,
        "scopes_failed": 0,
        "scopes_skipped": 0,
        "jobs_inserted": 30,
        "jobs_changed": 0,
        "jobs_deleted": 0,
        "calls": 2,
        "throttles": 0,
    }
    # -vv also logs each answer with its request ID, which AWS support asks for.
    deep = command("sync", "--max-rps", "0", "-vv").err
    assert " DEBUG answer scope=111122223333/eu-west-1 operation=ListTrainingJobs " in deep
    assert " request_id=" in deep


def test_a_terminal_shows_progress_unless_no_color_is_set(command: Command) -> None:
    shown = command.at_terminal("sync", "--max-rps", "0")
    assert (shown.code, "eu-west-1" in shown.out, "\x1b[" in shown.out) == (
        0,
        True,
        True,
    )
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.out))
    assert max(map(len, lines)) <= 80
    plain = command.at_terminal("sync", "--max-rps", "0", NO_COLOR="1")
    assert plain.code == 0
    (line,) = plain.out.splitlines()
    assert line.startswith("sync: 1 of 1 scope complete, 0 new, ")


def test_the_widest_lines_of_progress_fit_80_columns() -> None:
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=80, color_system=None)
    terminal = Terminal(console)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    first, second = (
        ScopeKey(account, "ap-southeast-1") for account in ("111122223333", "444455556666")
    )

    def lines() -> list[str]:
        drawn.truncate(0)
        drawn.seek(0)
        console.print(terminal.renderable)
        return [
            " ".join(re.sub("[━╸╺]+", "━", line).split()) for line in drawn.getvalue().splitlines()
        ]

    terminal.show(first, Doing("jobs and details", 1_234_567, None, at))
    assert lines() == ["ap-southeast-1 ━ jobs and details: 1,234,567, at 2026-03-01"]
    terminal.show(first, Doing("jobs and details", 912_345, 1_234_567, at, 0.8, 47_640))
    assert re.sub(r"13h 1\dm", "TIME", lines()[0]) == (
        "ap-southeast-1 ━ jobs and details: 912,345 of 1,234,567 TIME left"
    )
    terminal.show(second, Doing("details", 500, 2_000, None, 0.9, 90))
    terminal.waiting(second, "throttled", 12)
    assert [re.sub(r"1m \d+s|13h 1\dm", "TIME", line) for line in lines()] == [
        "…3333/ap-southeast-1 ━ jobs and details: 912,345 of 1,234,567 TIME left",
        "…6666/ap-southeast-1 ━ waiting 12 s: throttled TIME left",
    ]
    assert max(map(len, drawn.getvalue().splitlines())) <= 80
    terminal.finished(first)
    assert len(lines()) == 1


@pytest.mark.usefixtures("made")
def test_options_that_contradict_a_sync_are_named(command: Command) -> None:
    one_off = command("sync", "--max-rps", "0", "--status", "Completed", "--full", "--since", "9d")
    assert one_off.code == 0
    assert "A one-off sync ignores --full and --since." in one_off.err.splitlines()[0]
    backwards = command("sync", "--created-after", "1d", "--created-before", "2d")
    assert (backwards.code, backwards.out) == (2, "")
    nowhere = command("sync", "--exclude-region", "eu-west-1")
    assert (nowhere.code, nowhere.out) == (2, "")
    bounded = command("sync", "--max-rps", "0", "--since", "1d")
    assert bounded.code == 0
    assert "are left out, even if they are still running" in bounded.err.splitlines()[0]
    assert len(command("sync", "--max-rps", "0", "--since", "1d").err.splitlines()) == 1


def test_missing_credentials_are_exit_5(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    answer = command("sync", "--region", "eu-west-1")
    assert answer.code == 5
    assert len(answer.err.splitlines()) == 1
    (command.directory / "s.toml").write_text(
        '[[source]]\nname = "a"\nprofile = "no"\n[[source]]\nname = "b"\nprofile = "nor"\n'
    )
    assert command("sync", "--config", "s.toml").code == 5
    (command.directory / "s.toml").unlink()
    monkeypatch.delenv("AWS_REGION")
    assert command("sync").code in (2, 5)
    # Neither a database nor a lock file, nor after any other command that finds no database.
    for words in READERS:
        answer = command(*words)
        assert (answer.code, answer.out) == (8, ""), words
        assert "Run `sagemaker-exporter sync` first" in answer.err
    assert not list(command.directory.iterdir())


def test_an_unknown_profile_is_one_line(command: Command) -> None:
    for answer in (
        command("sync", "--profile", "nobody"),
        command.process("sync", AWS_PROFILE="nobody"),
    ):
        assert (answer.code, answer.out) == (5, "")
        assert answer.err == "sagemaker-exporter: There is no profile 'nobody'.\n"
