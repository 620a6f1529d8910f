"""A reader sees one whole publish of each collector, whatever is under way."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.publish import delta, layout, reading, run, storage
from exporter.publish.delta import Writer
from exporter.publish.layout import Table
from exporter.publish.plan import Partition
from exporter.reports import running
from exporter.reports.catalogue import find
from exporter.reports.periods import Period
from exporter.store.database import Database
from tests.support import lakes
from tests.support.published import NOW, OTHER, Published, publish

Rows = dict[str, list[str]]
#: What a publish changes: a job that costs more, and one that is not there any more.
CHANGES = (
    "UPDATE training_job_details SET billable_seconds = billable_seconds + 600 "
    "WHERE training_job_arn LIKE '%:training-job/nightly-9'",
    "DELETE FROM training_job_details WHERE training_job_arn LIKE '%:training-job/nightly-10'",
    "DELETE FROM training_jobs WHERE training_job_arn LIKE '%:training-job/nightly-10'",
    "UPDATE sync_scopes SET watermark = watermark + INTERVAL 1 HOUR",
)


class Stopped(Exception):
    """Stands for a SIGKILL."""


class Stopping(delta.Lake):
    """Writes a lake, and is stopped after some commits."""

    def __init__(self, where: storage.Place, commits: int) -> None:
        super().__init__(where, storage.Options(where))
        self.left = commits

    def replace(
        self, table: Table, partitions: Iterable[Partition], rows: Any, writer: Writer
    ) -> None:
        super().replace(table, partitions, rows, writer)
        self.left -= 1
        if not self.left:
            raise Stopped


class Watched(delta.Lake):
    """Writes a lake, of which a reader sees nothing new after each third commit."""

    def __init__(self, where: storage.Place, before: Rows) -> None:
        super().__init__(where, storage.Options(where))
        self._before = before
        self.commits = 0

    def replace(self, *arguments: Any) -> None:
        super().replace(*arguments)
        self.commits += 1
        if self.commits % 3 == 0:
            assert content(Path(self.where.uri)) == self._before, f"after {self.commits} commits"


class Overtaken(reading.Lake):
    """Reads a lake while somebody publishes, right after it has read what is published."""

    def __init__(self, lake: Path, database: Database) -> None:
        where = storage.place(str(lake))
        super().__init__(where, storage.Options(where))
        self._database = database

    def _owners(self, *known: Any) -> reading.Owners:
        found = super()._owners(*known)
        publish(self._database, Path(self.where.uri), "one")
        return found


@pytest.fixture
def lake(published: Published, tmp_path: Path) -> Path:
    """A copy of the lake."""
    return Path(shutil.copytree(published.lake, tmp_path / "lake"))


@pytest.fixture
def changed(published: Published, tmp_path: Path) -> Database:
    """The file of the first collector, which has changed since its publish."""
    path = tmp_path / "one.duckdb"
    shutil.copyfile(published.parts["one"].path, path)
    database = Database(path)
    with database.writing() as connection:
        for statement in CHANGES:
            connection.execute(statement)
    return database


def content(lake: Path | reading.Lake) -> Rows:
    """Return the rows of every table of a lake, in any one order."""
    opened = lake if isinstance(lake, reading.Lake) else reading.lake(str(lake))
    with opened.reading() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(f"FROM lake.{table.name}")))
            for table in layout.tables()
        }


def test_a_killed_publish_is_not_seen_and_the_next_one_is(lake: Path, changed: Database) -> None:
    before = content(lake)
    where = storage.place(str(lake))
    with pytest.raises(Stopped):
        publish(changed, lake, "one", lake=Stopping(where, 4))
    assert content(lake) == before
    watched = Watched(where, before)
    publish(changed, lake, "one", lake=watched)
    assert watched.commits > 6
    after = content(lake)
    assert after != before
    assert content(Path(shutil.copytree(lake, lake.parent / "again"))) == after


def test_a_publish_between_two_tables_is_not_seen(lake: Path, changed: Database) -> None:
    before = content(lake)
    assert content(Overtaken(lake, changed)) == before
    assert content(lake) != before


def test_a_new_collector_is_seen_after_its_first_publish(
    published: Published, tmp_path: Path
) -> None:
    lake = Path(shutil.copytree(published.of_one, tmp_path / "lake"))
    other = Database(Path(shutil.copy(published.parts["other"].path, tmp_path / "other.duckdb")))
    before = content(lake)
    with pytest.raises(Stopped):
        publish(other, lake, "other", lake=Stopping(storage.place(str(lake)), 4))
    assert content(lake) == before
    publish(other, lake, "other")
    assert content(lake) == content(published.lake)


def test_after_another_publish_the_reports_are_those_of_the_changed_file(
    lake: Path, changed: Database, whole_file: Path, tmp_path: Path
) -> None:
    file = Database(Path(shutil.copyfile(whole_file, tmp_path / "whole.duckdb")))
    of_one = f" AND training_job_arn NOT LIKE '%:{OTHER}:%'"
    with file.writing() as connection:
        for statement in CHANGES:
            where = of_one if "training_job_arn" in statement else f" WHERE account_id <> '{OTHER}'"
            connection.execute(statement + where)
    publish(changed, lake, "one")
    with file.reading() as before, reading.lake(str(lake)).reading() as after:
        for name in ("training-cost", "warm-pool-chains", "running-now", "keep-alive-results"):
            report = find(name)
            period = Period(date(2026, 10, 1), date(2026, 12, 1)) if report.period else None
            request = running.Request(period=period, now=NOW)
            expected, found = (running.run(each, report, request) for each in (before, after))
            assert list(found.rows) == list(expected.rows), name
            assert replace(found, rows=()) == replace(expected, rows=())
            assert len(list(expected.rows)) > 0


def test_files_that_a_killed_publish_has_replaced_outlive_the_retention(
    published: Published, lake: Path, changed: Database, tmp_path: Path
) -> None:
    """Its collector does not come back, and the owner of the prices removes old files."""
    other = Database(Path(shutil.copy(published.parts["other"].path, tmp_path / "other.duckdb")))
    with other.writing() as connection:
        connection.execute("UPDATE training_jobs SET team = 'later'")
    with suppress(Stopped):
        publish(other, lake, "other", lake=Stopping(storage.place(str(lake)), 3))
    of_other = re.compile(OTHER)
    before = {name: list(filter(of_other.search, rows)) for name, rows in content(lake).items()}
    lakes.age(lake)
    options = run.Options("one", retention=timedelta(hours=1))
    where = storage.place(str(lake))
    assert run.publish(changed, where, options, now=lambda: time.time() + 86_400).files_removed
    after = {name: list(filter(of_other.search, rows)) for name, rows in content(lake).items()}
    assert after == before
    publish(other, lake, "other")
    lakes.age(lake)
    with changed.writing() as connection:
        connection.execute("UPDATE training_jobs SET team = 'latest'")
    done = run.publish(changed, where, options, now=lambda: time.time() + 2 * 86_400)
    assert done.files_removed
    assert content(lake)
