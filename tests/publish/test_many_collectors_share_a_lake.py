"""A lake of three collectors equals one file with all of it, whatever changes and whoever dies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exporter.publish import layout, run, storage
from exporter.publish.plan import Partition, Scope
from exporter.store.rates import refresh
from tests.support import lakes
from tests.support.lakes import FIRST, Collectors

DAY = timedelta(days=1)


def replaced(result: run.Result) -> dict[str, tuple[int, int]]:
    """Return the partitions that were replaced and removed, by table."""
    return {table.name: (table.replaced, table.removed) for table in result.tables if table.changed}


def partitions(lake: Path, table: str, version: int) -> set[tuple[str, ...]]:
    """Return the partitions that the commits after a version wrote."""
    commits = lakes.opened(lake, table).history()
    return {
        tuple(each)
        for commit in commits
        if commit["version"] > version
        for each in json.loads(commit["sagemaker_exporter"])["partitions"]
    }


def test_the_lake_of_three_collectors_equals_one_file_with_all(
    three: Collectors, lake: Path
) -> None:
    lakes.check(lake, three.whole)
    assert all(rows for name, (_, rows) in lakes.found(lake).items() if name not in EMPTY)
    lakes.write(three.whole, lake.parent / "other")
    lakes.check(lake.parent / "other", three.whole)


#: No sync of the tests fills these.
EMPTY = {"price_imports", "discounts"}


def test_comments_are_those_of_the_layout(lake: Path) -> None:
    for table in layout.tables():
        found = lakes.opened(lake, table.name)
        assert found.metadata().description == table.comment
        assert tuple(found.metadata().partition_columns) == table.partitions
        assert {field.name: field.metadata["comment"] for field in found.schema().fields} == {
            column.name: column.comment for column in layout.columns(table.name)
        }


def test_nothing_is_committed_if_nothing_has_changed(three: Collectors, lake: Path) -> None:
    before = lakes.versions(lake)
    for name, result in three.publish(lake, ("one", "two")).items():
        assert replaced(result) == {}
        assert (result.collector, result.sequence, result.owns_prices) == (name, 1, name == "one")
    assert lakes.versions(lake) == before


def test_a_changed_row_replaces_its_partitions_alone(three: Collectors, lake: Path) -> None:
    before = lakes.versions(lake)
    three.change(
        "UPDATE training_jobs SET team = 'new' "
        "WHERE creation_time = (SELECT max(creation_time) FROM training_jobs)"
    )
    others = lakes.found(lake)["training_jobs"]
    result = lakes.write(three.one, lake)
    lakes.check(lake, three.one)
    assert [row for row in others[1] if FIRST[0] not in row] == [
        row for row in lakes.found(lake)["training_jobs"][1] if FIRST[0] not in row
    ]
    newest = Partition(Scope(*FIRST), "2026-11")
    for table in ("training_jobs", "daily_costs", "training_job_costs"):
        assert partitions(lake, table, before[table]) == {(*newest.scope, newest.month)}
    assert "training_job_details" not in replaced(result)


def test_rows_jobs_and_whole_partitions_that_vanish_are_gone(three: Collectors, lake: Path) -> None:
    first = "(SELECT min(creation_time) FROM training_jobs)"
    month = f"date_trunc('month', creation_time) = date_trunc('month', {first})"
    three.change(
        # A whole month of every scope, a job, and single rows of the ledger and the history.
        *(f"DELETE FROM {table} WHERE {month}" for table in ("training_job_details",)),
        f"DELETE FROM training_job_changes WHERE {month}",
        f"DELETE FROM training_jobs WHERE {month}",
        "DELETE FROM training_jobs WHERE training_job_name = "
        "(SELECT max(training_job_name) FROM training_jobs)",
        "DELETE FROM training_job_details AS detail WHERE NOT EXISTS ("
        "FROM training_jobs AS job WHERE job.training_job_arn = detail.training_job_arn)",
        "DELETE FROM training_job_changes AS change WHERE NOT EXISTS ("
        "FROM training_jobs AS job WHERE job.training_job_arn = change.training_job_arn)",
        "DELETE FROM sync_runs",
        "DELETE FROM quotas",
        # What `db forget` does.
        "UPDATE sync_scopes SET retired_at = TIMESTAMPTZ '2026-11-02 00:00:00+00'",
    )
    result = lakes.write(three.one, lake)
    lakes.check(lake, three.one)
    assert replaced(result)["training_jobs"] == (1, 1)
    assert replaced(result)["sync_runs"] == replaced(result)["data_as_of"] == (0, 1)


def test_a_price_changes_the_costs_that_it_decides(three: Collectors, lake: Path) -> None:
    three.change("UPDATE prices SET usd_per_unit = usd_per_unit * 2")
    with three.one.writing() as connection:
        refresh(connection)
    result = lakes.write(three.one, lake)
    lakes.check(lake, three.one)
    assert "training_jobs" not in replaced(result)
    assert {"prices", "daily_costs", "training_job_costs"} <= set(replaced(result))


def test_an_open_job_costs_more_at_the_next_observation(three: Collectors, lake: Path) -> None:
    three.change(
        "UPDATE sync_scopes SET watermark = watermark + INTERVAL 40 DAY",
        "UPDATE training_jobs SET verified_at = NULL",
    )
    lakes.write(three.one, lake)
    lakes.check(lake, three.one)


def test_files_of_older_versions_stay_for_the_retention(three: Collectors, lake: Path) -> None:
    def write(now: datetime, team: str) -> run.Result:
        three.change(f"UPDATE training_jobs SET team = '{team}'")
        where = storage.place(str(lake))
        options = run.Options("one", retention=DAY)
        return run.publish(three.one, where, options, now=now.timestamp)

    files = set(lake.rglob("*.parquet"))
    now = datetime.now(UTC)
    assert write(now + DAY / 2, "a").files_removed == 0
    assert files <= set(lake.rglob("*.parquet"))
    three.publish(lake, ("two",))
    assert write(now + DAY * 2, "b").files_removed == 0, "by its own clock they are young"
