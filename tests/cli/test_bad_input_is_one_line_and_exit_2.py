"""Bad flags, variables and files are refused in one line that says what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["reprot"], "No such command 'reprot'. Did you mean 'report'?"),
        (["config", "shwo"], "No such command 'shwo'. Did you mean 'show'?"),
        (["--bd", "x", "report"], "No such option '--bd'. Did you mean '--db'?"),
        (["report", "--format", "tabel"], "'tabel' is not one of table, csv, json, markdown, parquet. Did you mean 'table'?"),  # noqa: E501
        (["report", "--month", "2026-13"], "'2026-13' is not a month such as 2026-10"),
        (["report", "warm-pool-cost", "--since", "soon"], "'soon' is not an ISO 8601 time"),
        (["report", "warm-pool-csot"], "There is no report 'warm-pool-csot'. Did you mean 'warm-pool-cost'?"),  # noqa: E501
        (["report", "warm-pool-cost", "--param", "x"], "expected NAME=VALUE"),
        (["report", "warm-pool-cost", "arg"], "takes no argument: 'arg'"),
        (["report", "warm-pool-cost", "--fail-over", "lots"], "'lots' is not a number"),
        (["--db", "postgresql://u:secret@host/db", "status"], "is not a DuckDB file"),
        (["--db", "Internal.duckdb", "status"], "A database cannot be named Internal.duckdb"),
        (["--log-format", "xml", "status"], "'xml' is not one of text, json"),
        (["--config", "none.toml", "status"], "Cannot read the configuration none.toml"),
        (["status", "--max-age", "soon"], "'soon' is not an age"),
        (["sync", "--status", "Complete"], "Did you mean 'Completed'?"),
        (["sync", "--region", "eu-west-1,us-east-1"], "is not a region such as eu-west-1, or all"),
        (["sync", "--max-rps", "-1"], "'-1' is not a number of at least 0"),
        (["sync", "--max-rps", "nan"], "'nan' is not a number of at least 0"),
        (["sync", "--overlap", "9" * 20], "is not a whole number from 0 to 1000000000"),
        (["jobs", "--max-results", "1.5"], "'1.5' is not a whole number of at least 1"),
        (["report", "--sql"], "--sql needs the name of a report"),
        (["report", "--fail-over", "1"], "--fail-over needs the name of a report"),
        (["query", "SELECT '\udcff'"], "The SQL is not valid UTF-8"),
        (["query"], "Missing argument 'SQL'"),
    ],
)  # fmt: skip
def test_bad_arguments_are_one_line_and_exit_2(
    command: Command, args: list[str], said: str
) -> None:
    answer = command(*args)
    assert answer.code == 2
    assert answer.out == ""
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "secret" not in answer.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bd = 'x'", "unknown key 'bd'. Did you mean 'db'?"),
        ("max_rps = 1", "unknown key 'max_rps'"),
        ("[snyc]\n", "unknown table [snyc]. Did you mean 'sync'?"),
        ("[sync]\nmax_rsp = 1", "unknown key 'max_rsp' in [sync]. Did you mean 'max_rps'?"),
        ("[sync]\nmax_rps = 'fast'", "[sync] max_rps = 'fast': expected a number of at least 0."),
        ("[sync]\nmax_rps = -1", "[sync] max_rps = -1"),
        ("[sync]\nfull = 'yes'", "[sync] full = 'yes': expected true or false."),
        ("[sync]\noverlap = 1.5", "[sync] overlap = 1.5: expected a whole number from 0 to"),
        ("[sync]\nregion = 3", "[sync] region = 3: expected a list, each a region such as"),
        ("[sync]\nregion = ['mars']", "['mars']: expected a region such as eu-west-1, or all."),
        ("[sync]\nsince = 'soon'", "since = 'soon': expected an ISO 8601 time"),
        ("[sync]\nstatus = 'Complete'", "Did you mean 'Completed'?"),
        ("[sync]\nexternal_id = 80415", "[sync] external_id = [redacted]: expected a string."),
        ("[sync]\ndb = 'x'", "'db' in [sync] is a global option. Put it above the first table."),
        ("verbose = 'very'", "verbose = 'very': expected a whole number"),
        ("log_format = 'xml'", "log_format = 'xml': expected one of text, json."),
        ("db = 3", "db = 3: expected a string."),
        ("config = 'x'", "unknown key 'config'"),
    ],
)
def test_a_wrong_file_names_the_key_the_value_and_what_was_expected(
    command: Command, text: str, said: str
) -> None:
    file = command.directory / "sagemaker-exporter.toml"
    file.write_text(text)
    answer = command("report")
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert str(file) in answer.err
    assert "80415" not in answer.err


def test_an_error_names_the_environment_variable(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_MAX_RPS", "fast")
    answer = command("sync")
    assert answer.code == 2
    assert "Invalid value for SAGEMAKER_EXPORTER_SYNC_MAX_RPS: 'fast'" in answer.err
