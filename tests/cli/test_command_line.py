"""The frame of the command line: options, sources of values, exit codes, streams."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.errors import (
    BusyError,
    CredentialsError,
    DatabaseError,
    ExporterError,
    PartialError,
    SchemaNewerError,
    ServiceError,
)
from exporter.store.database import Database

if TYPE_CHECKING:
    from tests.cli.conftest import Command

SLOW_SQL = "SELECT count(*) FROM range(100000000000) AS a (x), range(1000)"


def test_help_is_for_newcomers_and_fits_80_columns(command: Command) -> None:
    from exporter.cli.root import COMMANDS

    pages = [command("--help").out] + [command(name, "--help").out for name in COMMANDS]
    for page in pages:
        assert len(page.splitlines()) > 10
        assert max(map(len, page.splitlines())) <= 80
    assert "demo" in pages[0]


def test_help_starts_fast_because_it_imports_little(command: Command) -> None:
    heavy = ("boto3", "sqlalchemy", "alembic", "pyarrow", "rich", "duckdb")
    code = (
        "import sys, exporter.cli as c; c.main(sys.argv[1:]);"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        env=command.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == "[]"


def test_help_works_with_a_broken_configuration(command: Command) -> None:
    (command.directory / "sagemaker-exporter.toml").write_text("db = ")
    assert command("--help").code == 0
    assert command("report", "--help").code == 0
    assert command("report").code == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["reprot"], "No such command 'reprot'. Did you mean 'report'?"),
        (["config", "shwo"], "No such command 'shwo'. Did you mean 'show'?"),
        (["--bd", "x", "report"], "No such option '--bd'. Did you mean '--db'?"),
        (["report", "--format", "tabel"], "'tabel' is not one of table, csv, json, markdown, parquet. Did you mean 'table'?"),  # noqa: E501
        (["report", "--month", "2026-13"], "'2026-13' is not a month such as 2026-10"),
        (["report", "x", "--since", "yesterday"], "'yesterday' is not an ISO 8601 time"),
        (["report", "warm-pool-csot"], "There is no report 'warm-pool-csot'. Did you mean 'warm-pool-cost'?"),  # noqa: E501
        (["report", "warm-pool-cost", "--param", "x"], "expected NAME=VALUE"),
        (["report", "warm-pool-cost", "arg"], "takes no argument: 'arg'"),
        (["report", "warm-pool-cost", "--fail-over", "lots"], "'lots' is not a number"),
        (["--db", "postgresql://u:secret@host/db", "status"], "is not a DuckDB file"),
        (["--log-format", "xml", "status"], "'xml' is not one of text, json"),
        (["--config", "none.toml", "status"], "Cannot read the configuration none.toml"),
        (["status", "--max-age", "soon"], "'soon' is not an age"),
        (["sync", "--status", "Complete"], "Did you mean 'Completed'?"),
        (["sync", "--region", "eu-west-1,us-east-1"], "is not a region such as eu-west-1, or all"),
        (["sync", "--max-rps", "-1"], "'-1' is not a number of at least 0"),
        (["sync", "--max-rps", "nan"], "'nan' is not a number of at least 0"),
        (["sync", "--overlap", "9" * 20], "is not a whole number from 0 to 1000000000"),
        (["jobs", "--max-results", "1.5"], "'1.5' is not a whole number of at least 1"),
        (["report", "--sql"], "--sql goes with the name of a report"),
        (["report", "--fail-over", "1"], "--fail-over goes with the name of a report"),
        (["query", "SELECT '\udcff'"], "The SQL is not valid UTF-8"),
        (["query"], "Missing argument 'SQL'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(
    command: Command, args: list[str], said: str
) -> None:
    answer = command(*args)
    assert answer.code == 2
    assert answer.out == ""
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "secret" not in answer.err


def test_files_that_are_no_database_have_their_exit_code(command: Command, tmp_path: Path) -> None:
    junk = tmp_path / "junk.duckdb"
    junk.write_bytes(b"x" * 5000)
    for path, said in (
        (tmp_path, "is a directory"),
        (junk, "is not a DuckDB database"),
        (tmp_path / "none.duckdb", "There is no database at"),
    ):
        answer = command("--db", str(path), "status")
        assert (answer.code, answer.out) == (8, "")
        assert said in answer.err
        assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PartialError("x"), 3),
        (BusyError("x"), 4),
        (CredentialsError("x"), 5),
        (SchemaNewerError("x"), 6),
        (ServiceError("x"), 7),
        (DatabaseError("x"), 8),
        (ZeroDivisionError("x"), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_every_error_has_its_exit_code_and_no_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("exporter.cli.app.App.database", fail)
    answer = command("status")
    assert answer.code == code
    assert "Traceback" not in answer.err
    assert len(answer.err.splitlines()) == (0 if code == 0 else 1)
    if isinstance(error, ExporterError | ZeroDivisionError):
        assert "Traceback" in command("status", "-v").err


def test_an_error_of_several_lines_keeps_them_and_no_escape_sequence(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PartialError("1 of 2:\n  a/b: \x1b[31mbad AKIAIOSFODNN7EXAMPLE")

    monkeypatch.setattr("exporter.cli.app.App.database", fail)
    err = command("status").err
    assert err == "sagemaker-exporter: 1 of 2:\n  a/b: \\x1b[31mbad [redacted]\n"
    err = command("status", "--log-format", "json").err
    assert json.loads(err)["level"] == "error"


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
    whence = f"file {file}"
    assert in_force()["db"] == ("file.duckdb", whence)
    assert in_force()["sync.max_rps"] == (0.5, whence)
    assert in_force()["sync.region"] == (["eu-west-1"], whence)
    assert in_force()["sync.since"] == ("2026-01-01T00:00:00Z", whence)
    assert in_force()["report.by"] == (["month", "team"], whence)

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


def test_config_show_hides_secrets_and_points_out_slips(
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


def test_config_show_writes_values_as_one_would(
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


def test_config_show_names_a_variable_that_a_command_would_refuse(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_STATUS", "Complete")
    answer = command("config", "show")
    assert (answer.code, answer.out) == (2, "")
    assert (
        "Invalid value for SAGEMAKER_EXPORTER_SYNC_STATUS: 'Complete' is not one of" in answer.err
    )


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
        ("[sync]\nregion = ['mars']", "'mars' is not a region such as eu-west-1, or all."),
        ("[sync]\nsince = 'soon'", "'soon' is not an ISO 8601 time"),
        ("[sync]\nstatus = 'Complete'", "Did you mean 'Completed'?"),
        ("[sync]\nexternal_id = 80415", "[sync] external_id = [redacted]"),
        ("[sync]\ndb = 'x'", "'db' in [sync] is a global option. Put it above the first table."),
        ("verbose = 'very'", "verbose = 'very': expected a whole number"),
        ("log_format = 'xml'", "'xml' is not one of text, json."),
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


def test_a_wrong_variable_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_EXPORTER_SYNC_MAX_RPS", "fast")
    answer = command("sync")
    assert answer.code == 2
    assert "Invalid value for SAGEMAKER_EXPORTER_SYNC_MAX_RPS: 'fast'" in answer.err


def test_streams_of_a_process(command: Command, filled: Database) -> None:
    answer = command.process("query", "-", "--db", str(filled.path), stdin="SELECT 1 AS one")
    assert (answer.code, answer.out, answer.err) == (0, "one\n───\n  1\n", "")
    answer = command.process("query", "SELECT", "--db", str(filled.path))
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("sagemaker-exporter: SQL: Parser Error")


def test_a_reader_that_leaves_is_no_error(command: Command, filled: Database) -> None:
    query = subprocess.Popen(
        [sys.executable, "-m", "exporter", "query", "FROM range(300000)", "--format", "csv",
         "--db", str(filled.path)],
        env=command.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert query.stdout is not None
    assert query.stderr is not None
    query.stdout.readline()
    query.stdout.close()
    assert query.stderr.read() == b""
    query.stderr.close()
    assert query.wait(timeout=30) == 0


def test_a_directory_that_was_removed_is_no_bug(command: Command, filled: Database) -> None:
    command.directory.rmdir()
    assert command("--db", str(filled.path), "status").code == 0
    answer = command("status")
    assert (answer.code, answer.out) == (8, "")
    assert "There is no database at sagemaker.duckdb." in answer.err
    answer = command("db", "upgrade")
    assert (answer.code, answer.out) == (8, "")
    assert len(answer.err.splitlines()) == 1


def test_streams_that_are_closed_are_missed_by_nobody(command: Command, filled: Database) -> None:
    def code_without(streams: str, *args: str) -> int:
        line = shlex.join([sys.executable, "-m", "exporter", "--db", str(filled.path), *args])
        done = subprocess.run(
            ["/bin/sh", "-c", f"{line} {streams}"], env=command.environment(), check=False
        )
        return done.returncode

    before = filled.path.read_bytes()
    assert code_without(">&-", "report", "warm-pool-cost", "--month", "2026-10") == 0
    assert code_without("<&- >&- 2>&-", "status") == 0
    assert code_without("<&- >&- 2>&-", "status", "--max-age", "1s") == 3
    assert code_without("<&-", "query", "-") == 2
    assert filled.path.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk always full")
@pytest.mark.parametrize("args", [("report",), ("status", "--json"), ("--help",)])
def test_output_that_finds_no_room_is_exit_8(
    command: Command, filled: Database, args: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "exporter", "--db", str(filled.path), *args],
            env=command.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        8,
        "sagemaker-exporter: Not all of the output could be written: No space left on device.\n",
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_with_their_code(
    command: Command, filled: Database, number: signal.Signals, code: int
) -> None:
    query = subprocess.Popen(
        [sys.executable, "-m", "exporter", "query", SLOW_SQL, "--db", str(filled.path)],
        env=command.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_it_has_open(query.pid, filled.path)
        query.send_signal(number)
        _, err = query.communicate(timeout=30)
    finally:
        query.kill()  # it would run for days
    assert query.returncode == code
    # DuckDB may keep it from unwinding; then it ends after ten seconds, without a word.
    assert err in ("", "sagemaker-exporter: Interrupted. What was committed is safe.\n")


def wait_until_it_has_open(pid: int, path: Path) -> None:
    descriptors = Path(f"/proc/{pid}/fd")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.2)
        if not descriptors.exists():  # not Linux
            time.sleep(5)
            return
        if any(entry.resolve() == path for entry in descriptors.iterdir()):
            time.sleep(0.3)
            return


def test_a_signal_that_python_drops_is_raised_again(command: Command) -> None:
    code = """
import os, signal, sys, time
from exporter.cli.interrupts import stoppable
class Dropper:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
with stoppable():
    try:
        Dropper()
        time.sleep(30)
    except KeyboardInterrupt as error:
        time.sleep(2.5)  # cleaning up is left alone
        print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=command.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "Terminated\n"
    assert done.stderr == ""  # no traceback of what Python dropped


@pytest.mark.parametrize("no_color", [False, True])
@pytest.mark.parametrize("args", [["report", "warm-pool-cost", "--month", "2026-10"], ["status"]])
def test_at_a_terminal_tables_fit_and_colour_can_be_switched_off(
    command: Command, filled: Database, no_color: bool, args: list[str]
) -> None:
    answer = command.at_terminal(
        *args, "--db", str(filled.path), **({"NO_COLOR": "1"} if no_color else {})
    )
    shown = answer.out
    assert answer.code == 0
    assert ("\x1b[1m" in shown) is not no_color
    if no_color:
        assert "\x1b" not in shown
        assert max(map(len, shown.splitlines())) <= 80
    assert "ml.m5.xlarge" in shown or "eu-west-1" in shown


def test_in_a_pipe_nothing_is_left_out_unless_columns_says_how_wide(
    command: Command, filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ["report", "coverage", "--month", "2026-10", "--db", str(filled.path)]
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = command(*report).out
    monkeypatch.setenv("COLUMNS", "80")
    fitted = command(*report).out

    assert max(map(len, whole.splitlines())) > 80
    assert "instance hours" in whole
    assert max(map(len, fitted.splitlines())) <= 80
    assert "Too narrow for" in fitted


def test_completion_is_offered(command: Command) -> None:
    answer = command.process(_SAGEMAKER_EXPORTER_COMPLETE="bash_source")
    assert answer.code == 0
    assert "_sagemaker_exporter_completion" in answer.out
    answer = command.process(
        _SAGEMAKER_EXPORTER_COMPLETE="bash_complete",
        COMP_WORDS="sagemaker-exporter rep",
        COMP_CWORD="1",
    )
    assert answer.out.strip() == "plain,report"
    answer = command.process(
        _SAGEMAKER_EXPORTER_COMPLETE="bash_complete",
        COMP_WORDS="sagemaker-exporter report training-",
        COMP_CWORD="2",
    )
    assert answer.out.strip() == "plain,training-cost"


def test_version(command: Command) -> None:
    assert command("--version").out.startswith("sagemaker-exporter ")
