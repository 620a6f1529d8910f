"""Flag, environment, file, default: which value is in force, and where it comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter.store.database import Database

if TYPE_CHECKING:
    from tests.cli.conftest import Command


def test_global_options_stand_before_or_after_the_command(
    command: Command, filled: Database
) -> None:
    path = str(filled.path)
    answers = [
        command("--db", path, "status", "--json"),
        command("status", "--json", "--db", path),
        command("--db", "other.duckdb", "status", "--json", "--db", f"duckdb:///{path}"),
        command("status", "--json", f"--db={path}", "-q", "--log-format", "json"),
    ]
    for answer in answers:
        assert (answer.code, answer.err) == (0, "")
        assert json.loads(answer.out)["scopes"][0]["jobs"] == 2


def test_flag_beats_environment_beats_file_beats_default(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_force() -> dict[str, tuple[object, str]]:
        found = json.loads(command("config", "show", "--json").out)
        return {item["key"]: (item["value"], item["from"]) for item in found["settings"]}

    assert in_force()["db"] == ("sagemaker.duckdb", "default")
    assert in_force()["sync.max_rps"] == (1.0, "default")

    file = command.directory / "sagemaker-exporter.toml"
    file.write_text(
        'db = "file.duckdb"\n[sync]\nmax_rps = 0.5\nregion = ["eu-west-1"]\n'
        "since = 2026-01-01\n[report]\nby = 'month, team'\n"
    )
    origin = f"file {file}"
    assert in_force()["db"] == ("file.duckdb", origin)
    assert in_force()["sync.max_rps"] == (0.5, origin)
    assert in_force()["sync.region"] == (["eu-west-1"], origin)
    assert in_force()["sync.since"] == ("2026-01-01T00:00:00Z", origin)
    assert in_force()["report.by"] == (["month", "team"], origin)

    monkeypatch.setenv("SAGEMAKER_EXPORTER_DB", "env.duckdb")
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_MAX_RPS", "2")
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_REGION", "us-east-1, us-west-2")
    assert in_force()["db"] == ("env.duckdb", "environment SAGEMAKER_EXPORTER_DB")
    assert in_force()["sync.max_rps"] == (2.0, "environment SAGEMAKER_EXPORTER_SYNC_MAX_RPS")
    assert in_force()["sync.region"][0] == ["us-east-1", "us-west-2"]

    answer = command("--db", "flag.duckdb", "config", "show", "--json")
    assert '"key": "db", "value": "flag.duckdb", "from": "flag"' in answer.out
    answer = command("config", "show", "--db", "flag.duckdb", "--json")
    assert '"key": "db", "value": "flag.duckdb", "from": "flag"' in answer.out


def test_secrets_are_hidden_and_unknown_variables_are_named(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command.directory / "c.toml").write_text(
        '[sync]\nexternal_id = "hush"\n[[source]]\nexternal_id = "hush"\n'
    )
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_MAXRPS", "2")
    monkeypatch.setenv("SAGEMAKER_EXPORTER_CONFIG", "c.toml")
    answer = command("config", "show")
    assert answer.code == 0
    assert "hush" not in answer.out + answer.err
    assert answer.out.count("(hidden)") == 2
    assert "SAGEMAKER_EXPORTER_SYNC_MAXRPS belongs to no option" in answer.err


def test_values_are_written_as_a_user_would_write_them(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_EXPORTER_REPORT_MONTH", "2026-10")
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_SNAPSHOT_MODE", "0400")
    monkeypatch.setenv("SAGEMAKER_EXPORTER_STATUS_MAX_AGE", "90m")
    settings = json.loads(command("config", "show", "--json").out)["settings"]
    assert {
        item["key"]: item["value"] for item in settings if item["from"].startswith("environment")
    } == {
        "report.month": "2026-10",
        "sync.snapshot_mode": "0400",
        "status.max_age": "90m",
    }


def test_a_variable_that_a_command_would_refuse_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_STATUS", "Complete")
    answer = command("config", "show")
    assert (answer.code, answer.out) == (2, "")
    assert (
        "Invalid value for SAGEMAKER_EXPORTER_SYNC_STATUS: 'Complete' is not one of" in answer.err
    )
