"""`--metrics-file`: the official parser reads it, however the sync ended."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import exporter
from exporter import metrics
from exporter.reports.status import Scope as ScopeFigures
from exporter.reports.status import Status
from exporter.simulator import Fault
from tests.support.files import mode
from tests.unattended.conftest import Sync

DOCS = Path(__file__).parents[2] / "docs"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SCOPE = {"account": "111122223333", "region": "eu-west-1"}

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def read(text: str) -> Samples:
    """Name -> labels -> value, as the official client reads it."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge", family.name
        assert family.documentation, family.name
        for sample in family.samples:
            assert sample.labels.pop("database").endswith("/jobs.duckdb"), sample
            labels = tuple(sorted(sample.labels.items()))
            values = found.setdefault(sample.name, {})
            assert labels not in values, sample
            values[labels] = sample.value
    return found


def one(found: Samples, name: str, **labels: str) -> float:
    return found[f"sagemaker_exporter_{name}"][tuple(sorted(labels.items()))]


def test_a_complete_sync_writes_its_counts_and_its_scopes(sync: Sync, tmp_path: Path) -> None:
    path = tmp_path / "exporter.prom"
    assert sync("--metrics-file", str(path))[0] == 0
    found = read(path.read_text())
    assert one(found, "last_sync_exit_code") == 0
    assert one(found, "last_sync_jobs_inserted") == 1
    assert one(found, "last_sync_calls", operation="ListTrainingJobs") == 1
    assert one(found, "last_sync_scopes", outcome="complete") == 1
    assert one(found, "last_sync_scopes", outcome="failed") == 0
    assert one(found, "scope_jobs", **SCOPE) == 1
    assert one(found, "scope_open_jobs", **SCOPE) == 1
    assert one(found, "scope_failing_runs", **SCOPE) == 0
    # The watermark is the server's clock, which is the simulator's.
    assert one(found, "scope_data_as_of_timestamp_seconds", **SCOPE) == pytest.approx(
        NOW.timestamp(), abs=5
    )
    assert "sagemaker_exporter_scope_last_error_info" not in found
    assert one(found, "last_sync_duration_seconds") > 0


def test_a_sync_from_python_writes_them_as_well(sync: Sync, tmp_path: Path) -> None:
    path = tmp_path / "exporter.prom"
    exporter.sync(sync.directory / "jobs.duckdb", max_rps=0, metrics_file=str(path))
    assert one(read(path.read_text()), "last_sync_jobs_inserted") == 1


def test_a_failed_sync_names_its_error_and_keeps_the_watermark(sync: Sync, tmp_path: Path) -> None:
    path = tmp_path / "exporter.prom"
    sync("--metrics-file", str(path))
    before = read(path.read_text())
    sync.simulator.inject(Fault("no_list", "ListTrainingJobs", times=None))
    assert sync("--metrics-file", str(path))[0] == 7
    found = read(path.read_text())
    assert one(found, "last_sync_exit_code") == 7
    assert one(found, "last_sync_scopes", outcome="failed") == 1
    assert one(found, "scope_failing_runs", **SCOPE) == 1
    name = "sagemaker_exporter_scope_data_as_of_timestamp_seconds"
    assert found[name] == before[name]
    ((labels, value),) = found["sagemaker_exporter_scope_last_error_info"].items()
    assert value == 1
    assert dict(labels)["error"]


def test_a_sync_that_cannot_open_the_database_keeps_the_scope_metrics(
    sync: Sync, tmp_path: Path
) -> None:
    path = tmp_path / "exporter.prom"
    sync("--metrics-file", str(path))
    before = read(path.read_text())
    database = tmp_path / "jobs.duckdb"
    database.rename(tmp_path / "away.duckdb")
    database.write_text("not a database")
    assert sync("--metrics-file", str(path))[0] == 8
    found = read(path.read_text())
    assert one(found, "last_sync_exit_code") == 8
    assert "sagemaker_exporter_last_sync_calls" not in found
    scopes = {name for name in before if name.startswith("sagemaker_exporter_scope_")}
    assert len(scopes) > 5
    assert {name: found[name] for name in scopes} == {name: before[name] for name in scopes}


def test_one_offs_and_dry_runs_do_not_write_the_file(sync: Sync, tmp_path: Path) -> None:
    path = tmp_path / "exporter.prom"
    code, err = sync("--metrics-file", str(path), "--status", "Failed")
    assert code == 0
    assert "one-off" in err
    code, _ = sync("--metrics-file", str(path), "--dry-run")
    assert code == 0
    assert not path.exists()


def test_a_missing_directory_is_refused_before_the_first_call(sync: Sync, tmp_path: Path) -> None:
    (tmp_path / "jobs.duckdb").unlink()
    code, err = sync("--metrics-file", str(tmp_path / "nowhere" / "exporter.prom"))
    assert code == 2
    assert "--metrics-file" in err
    assert not (tmp_path / "jobs.duckdb").exists()


def test_the_file_is_replaced_in_one_step(sync: Sync, tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    path = folder / "exporter.prom"
    path.write_text("something old\n")
    before = path.stat().st_ino
    sync("--metrics-file", str(path))
    assert path.stat().st_ino != before
    assert [entry.name for entry in folder.iterdir()] == ["exporter.prom"]


def test_the_collector_can_read_the_file_unless_a_mode_is_given(sync: Sync, tmp_path: Path) -> None:
    path = tmp_path / "exporter.prom"
    before = os.umask(0o077)
    try:
        assert sync("--metrics-file", str(path))[0] == 0
        assert mode(path) == 0o644
        assert sync("--metrics-file", str(path), "--metrics-mode", "0640")[0] == 0
        assert mode(path) == 0o640
    finally:
        os.umask(before)


def test_two_databases_give_different_series(sync: Sync, tmp_path: Path) -> None:
    series = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.prom"
        exporter.sync(tmp_path / f"{name}.duckdb", max_rps=0, metrics_file=str(path))
        lines = path.read_text().splitlines()
        series.append({line.rpartition(" ")[0] for line in lines if not line.startswith("#")})
    assert all(f'{{database="{tmp_path}/one.duckdb"' in each for each in series[0])
    assert not series[0] & series[1]


def figures(**more: Any) -> ScopeFigures:
    given: dict[str, Any] = dict.fromkeys(ScopeFigures.__dataclass_fields__)
    counts = dict.fromkeys(
        (
            "failing_runs",
            "jobs",
            "open_jobs",
            "open_pools",
            "deleted_jobs",
            "jobs_without_details",
            "jobs_without_price",
        ),
        0,
    )
    return ScopeFigures(**{**given, **counts, **more})


def test_quotes_and_backslashes_survive_the_format() -> None:
    error = 'a "quoted" path C:\\temp\nand a second line {} # é'
    status = Status(NOW, (figures(account_id="1", region="r", last_error=error),), ())
    sync = metrics.Sync(Path("/data/jobs.duckdb"), NOW, NOW + timedelta(seconds=1.5), 3, "1.0")
    found = read(metrics.render(sync, status))
    ((labels, _),) = found["sagemaker_exporter_scope_last_error_info"].items()
    assert dict(labels)["error"] == 'a "quoted" path C:\\temp'
    assert one(found, "last_sync_duration_seconds") == 1.5
    # Never complete is absent, not zero.
    assert "sagemaker_exporter_scope_data_as_of_timestamp_seconds" not in found


def test_every_metric_is_documented() -> None:
    text = (DOCS / "running.md").read_text()
    for metric in metrics.documented():
        assert f"`{metrics.PREFIX}{metric.name}" in text, metric.name
