"""keep-alive-advice replays a part of many jobs: totals stay complete, and estimates stay close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import exporter
from benchmarks.reports import build
from exporter.reports.replay import Job, Window, events_of, replay

UNTIL = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
SINCE = UNTIL - timedelta(days=150)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with about 85,000 jobs in the period, so that each third block is replayed."""
    made = tmp_path_factory.mktemp("many") / "jobs.duckdb"
    build(made, 200_000)
    return made


def report(path: Path, name: str, *arguments: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    result = exporter.report(path, name, *arguments, since=SINCE, until=UNTIL)
    assert result.totals is not None
    return result.rows, result.totals


def test_observed_figures_cover_all_jobs(path: Path) -> None:
    _, total = report(path, "keep-alive-advice")
    _, cost = report(path, "warm-pool-cost")
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM training_jobs JOIN training_job_details "
            "USING (training_job_arn, creation_time) "
            "WHERE NOT managed_spot AND training_end_time >= ? AND training_end_time < ?",
            [SINCE, UNTIL],
        ).fetchall()
    assert (total["jobs"], total["idle_usd"]) == (found[0][0], cost["cost_usd"])


def test_of_many_families_the_small_ones_have_rows_together(tmp_path: Path) -> None:
    path = tmp_path / "families.duckdb"
    build(path, 12_000)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE training_jobs SET job_family = training_job_name")
    result = exporter.report(
        path, "keep-alive-advice", since=SINCE, until=UNTIL, params={"top": "100000"}
    )
    others = [row for row in result.rows if row["family"].startswith("other families")]
    assert len(result.rows) - len(others) == 2_000
    assert {row["family"] for row in others} == {
        "other families of vision",
        "other families of speech",
        "other families without a team",
    }
    assert all(row["specification"] == f"{row['instance_type']} · other settings" for row in others)
    assert {row["suggested_keep_alive_seconds"] for row in others} == {None}
    _, cost = report(path, "warm-pool-cost")
    assert result.totals is not None
    assert result.totals["idle_usd"] == cost["cost_usd"]
    assert result.totals["jobs"] > 3_000


def test_estimates_are_close_to_a_replay_of_all_jobs(path: Path) -> None:
    window = Window(SINCE.timestamp(), UNTIL.timestamp())
    exact = estimated = 0.0
    for family in ("family-00", "family-02", "family-04"):
        rows, _ = report(path, "keep-alive-curve", family)
        estimated += sum(row["reuses"] for row in rows if row["keep_alive_seconds"] == 3600)
        for made in specifications(path, family):
            exact += replay(events_of(made), {family: 3600}, window)[family].reuses
    assert exact > 1000
    assert estimated != exact
    assert estimated == pytest.approx(exact, rel=0.15)


def specifications(path: Path, family: str) -> Iterable[list[Job]]:
    """Return the jobs of each specification of a family, whose volume no other family has."""
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(
            "SELECT account_id, region, instance_type, epoch(creation_time), "
            "epoch(training_end_time) "
            "FROM training_jobs JOIN training_job_details USING (training_job_arn, creation_time) "
            "WHERE job_family = ?",
            [family],
        ).fetchall()
    jobs = defaultdict(list)
    for *specification, created, ended in found:
        jobs[tuple(specification)].append(Job(family, created, ended, 0, 0.0))
    return jobs.values()
