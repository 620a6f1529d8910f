"""`client`, `connect`, `sync` and `report`: quick to import, and errors as classes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from exporter import client, connect, report, sync
from exporter.errors import BusyError, CredentialsError, DatabaseError, UsageError
from exporter.reports.periods import of_month
from exporter.simulator import Scope, Simulator
from exporter.store.database import Database
from exporter.times import parse_month
from tests.replica.support import put, row


def test_importing_the_package_loads_no_large_library() -> None:
    code = (
        "import sys; from exporter import client, report, sync; "
        "print(sorted({'arro3', 'boto3', 'botocore', 'click', 'duckdb', 'numpy', 'pandas', "
        "'polars', 'rich', 'sqlalchemy'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_connect_is_read_only_uses_utc_and_reaches_no_other_file(
    filled: Database, tmp_path: Path
) -> None:
    with connect(filled.path) as opened:
        found = opened.execute("SELECT max(creation_time) FROM training_jobs").fetchone()
        assert found == (datetime(2026, 10, 1, 0, 0, 11, 11_000, tzinfo=UTC),)
        assert opened.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
        for statement in (
            "DELETE FROM training_jobs",
            f"COPY training_jobs TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/other.duckdb'",
            "SELECT * FROM read_text('/etc/hostname')",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                opened.execute(statement)
        # While it is open, in the same process.
        assert len(client(filled.path).list_training_jobs()["TrainingJobSummaries"]) == 10
        assert report(filled.path, "warm-pool-cost").columns
    put(filled, [row("new", 99)])  # the file is closed again
    with pytest.raises(DatabaseError, match="There is no database at"):
        connect(tmp_path / "none.duckdb")


def test_sync_fills_the_file_that_client_and_report_read(
    tmp_path: Path, scope: Scope, simulator: Simulator
) -> None:
    path = tmp_path / "new.duckdb"
    job = scope.create_job("bert-1", keep_alive_seconds=600)
    scope.clock.advance(60)
    scope.start(job)
    done = sync(path, regions=[scope.region], max_rps=0)
    assert [each.outcome for each in done.scopes] == ["complete"]
    assert done.total("jobs_inserted") == 1
    sagemaker = client(path)
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == [scope.summary(job)]

    scope.clock.advance(600)
    scope.finish(job)
    notices: list[str] = []
    assert sync(str(path), max_rps=0, notify=notices.append).total("jobs_changed") == 1
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == [scope.summary(job)]
    assert len(list(report(f"duckdb:///{path}", "job-history", "bert-1").rows)) >= 2


def test_sync_raises_the_error_behind_the_exit_code(
    tmp_path: Path, scope: Scope, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    del scope, simulator
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobodys")
    with pytest.raises(CredentialsError):
        sync(tmp_path / "new.duckdb", max_rps=0)
    with pytest.raises(TypeError, match="max_rqs"):
        sync(tmp_path / "new.duckdb", max_rqs=0)  # type: ignore[call-arg]  # wrong
    with pytest.raises(TypeError, match="aware"):
        sync(tmp_path / "new.duckdb", since=datetime(2026, 10, 5))


def test_times_and_files_are_read_as_by_the_command(
    tmp_path: Path, scope: Scope, simulator: Simulator
) -> None:
    del simulator
    path, snapshot = tmp_path / "new.duckdb", tmp_path / "snapshot.duckdb"
    scope.create_job("bert-1")
    sync(path, max_rps=0, since="10000d", snapshot=str(snapshot))
    for file in (path, snapshot):
        assert len(client(file).list_training_jobs()["TrainingJobSummaries"]) == 1
    period = report(path, "warm-pool-cost", month="2026-10").period
    assert str(period) == "2026-10-01 to 2026-10-31 (UTC days)"
    period = report(path, "warm-pool-cost", since="2026-10-02", until="2026-10-04").period
    assert str(period) == "2026-10-02 to 2026-10-03 (UTC days)"
    # The clock may pass midnight in between, but hardly into another month.
    last = parse_month("last", datetime.now(UTC))
    assert report(path, "warm-pool-cost", month="last").period == of_month(last)
    with pytest.raises(UsageError, match="'2026-13' is not a month such as 2026-10"):
        report(path, "warm-pool-cost", month="2026-13")
    with pytest.raises(UsageError, match="'soon' is not an ISO 8601 time"):
        sync(path, since="soon")


def test_the_lock_timeout_applies_to_readers_of_the_file(
    tmp_path: Path, scope: Scope, simulator: Simulator
) -> None:
    del scope, simulator
    path = tmp_path / "new.duckdb"
    sync(path, max_rps=0)
    reader = (
        "import sys, duckdb; c = duckdb.connect(sys.argv[1], read_only=True); print(1); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", reader, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(BusyError, match="longer than 0 s"):
            sync(path, max_rps=0, lock_timeout=0)
        process.communicate(b"\n")


def test_report_takes_the_month_and_dimensions_of_the_command(filled: Database) -> None:
    result = report(
        filled.path, "warm-pool-cost", month=datetime(2026, 10, 5, tzinfo=UTC), by=["region"]
    )
    assert str(result.period) == "2026-10-01 to 2026-10-31 (UTC days)"
    assert result.columns[0].name == "region"
    with pytest.raises(UsageError):
        report(filled.path, "no-such-report")
