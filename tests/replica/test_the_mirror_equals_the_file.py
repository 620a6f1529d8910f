"""The copy in memory equals the file after each commit, and opens it only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import BusyError
from exporter.replica.sources import FileSource, MirrorSource
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.listing import Listing, Mark, Rows, rows
from exporter.store.mirror import Mirror
from exporter.store.scopes import ScopeKey
from tests.replica.support import (
    SCOPE,
    START,
    Row,
    held_open_for_writing,
    put,
    put_scope,
    row,
)

EVERYTHING = Listing(deleted=True, sort_by="Name", descending=False)

#: Commits: the rows to upsert by number, each with its new status.
commits = st.lists(
    st.dictionaries(
        st.integers(0, 30), st.sampled_from(["InProgress", "Failed", None]), max_size=8
    ),
    min_size=1,
    max_size=5,
)


def small_mirror() -> Mirror:
    """Return a mirror with parts of four rows, two at once, so thirty rows have all borders."""
    return Mirror(part=4, at_once=2)


def change(number: int, seen: int, value: str | None) -> Row:
    scope = ScopeKey(SCOPE.account_id, ("eu-west-1", "us-east-1")[number % 2])
    return row(
        f"job-{number}",
        number,
        scope,
        training_job_status=value or "Completed",
        warm_pool_status=value,
        warm_pool_retained_seconds=None if value is None else seen,
        deleted_at=START if value == "Failed" else None,
        # Two commits may have the same time: the service's clock shows whole seconds.
        updated_at=START + timedelta(seconds=seen // 2),
    )


def test_the_mirror_equals_the_file_after_any_commits(database: Database) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(steps=commits, begins=st.booleans())
    def property_holds(steps: list[dict[int, str | None]], begins: bool) -> None:
        # Either a mirror that has seen earlier examples, or a new one.
        mirror = small_mirror() if begins else old
        for seen, step in enumerate(steps):
            put(database, [change(number, seen, value) for number, value in step.items()])
            with database.reading() as connection:
                mirror.refresh(connection)
                assert mirror.refresh(connection) is False
            assert in_memory(mirror) == in_file(database)

    old = small_mirror()
    property_holds()


def test_changes_that_no_column_shows_are_copied(database: Database) -> None:
    """Changes without a new updated_at, missing rows, and scopes without jobs."""
    put(database, [change(number, 0, None) for number in range(20)])
    mirror = small_mirror()
    statements = (
        "UPDATE training_jobs SET secondary_status = 'Odd' WHERE training_job_name = 'job-9'",
        "UPDATE training_jobs SET deleted_at = now() WHERE training_job_name = 'job-3'",
        "DELETE FROM training_jobs WHERE training_job_name IN ('job-1', 'job-18', 'job-19')",
    )
    for statement in statements:
        with database.writing() as connection:
            connection.execute(statement)
        with database.reading() as connection:
            assert mirror.refresh(connection)
        assert in_memory(mirror) == in_file(database)
    put_scope(database, ScopeKey("999999999999", "eu-west-1"))
    with database.reading() as connection:
        assert mirror.refresh(connection)
    assert mirror.scopes == [
        ScopeKey("111122223333", "eu-west-1"),
        ScopeKey("111122223333", "us-east-1"),
        ScopeKey("999999999999", "eu-west-1"),
    ]


class FailingFile:
    """A file whose second read returns rows without a column, and so breaks the copy."""

    def __init__(self, connection: Connection) -> None:
        self.raw = self
        self._file = connection.raw
        self._reads = 0

    def execute(self, *arguments: Any) -> Any:
        return self._file.execute(*arguments)

    def sql(self, statement: str) -> Any:
        self._reads += 1
        rows = self._file.sql(statement)
        return rows if self._reads < 2 else rows.select("* EXCLUDE (region)")


def test_a_failed_copy_is_completed_by_the_next_refresh(database: Database) -> None:
    put(database, [change(number, 0, None) for number in range(20)])
    mirror = small_mirror()
    with database.reading() as connection, pytest.raises(duckdb.Error, match="region"):
        mirror.refresh(cast(Connection, FailingFile(connection)))
    with database.reading() as connection:
        assert mirror.refresh(connection)
    assert in_memory(mirror) == in_file(database)


class CountingDatabase(Database):
    """Counts how often it is opened for reading."""

    opened = 0

    @contextmanager
    def reading(self, **options: Any) -> Iterator[Connection]:
        type(self).opened += 1
        with super().reading(**options) as connection:
            yield connection


def test_the_file_is_opened_only_after_a_commit(database: Database) -> None:
    put(database, [row("a")])
    source = MirrorSource(database.path, lock_timeout=5, database=CountingDatabase)
    for number in range(3):
        put(database, [row(f"b-{number}", number)])
        for _ in range(4):
            assert len(source.rows(EVERYTHING, None, None).jobs) == number + 2
        assert CountingDatabase.opened == number + 1
    # A commit that changes nothing in listings keeps the version, so kept pages stay valid.
    version = source.refresh()
    with database.writing() as connection:
        connection.execute("INSERT INTO settings VALUES ('a', 'b')")
    assert source.refresh() == version
    put(database, [row("c", 9)])
    assert source.refresh() > version


def test_no_answer_is_older_than_the_newest_commit(database: Database) -> None:
    """If a changed file cannot be read, there is no answer instead of an old one."""
    put(database, [row("a")])
    source = MirrorSource(database.path, lock_timeout=0.1)
    assert len(source.rows(EVERYTHING, None, None).jobs) == 1
    put(database, [row("b")])
    with held_open_for_writing(database), pytest.raises(BusyError, match="is kept open by"):
        source.rows(EVERYTHING, None, None)
    assert len(source.rows(EVERYTHING, None, None).jobs) == 2


def in_memory(mirror: Mirror) -> Rows:
    return rows(mirror.execute, EVERYTHING, None, None, mirror.mark)


def in_file(database: Database) -> Rows:
    return FileSource(database).rows(EVERYTHING, None, None)


def test_an_empty_mirror_has_the_mark_of_an_empty_history() -> None:
    assert Mirror().mark == Mark(0, "")
