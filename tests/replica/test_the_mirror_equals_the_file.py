"""The copy in memory is the file, after every commit, and the file is opened only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import BusyError
from exporter.replica.sources import FileSource, MirrorSource
from exporter.store import mirror as mirrors
from exporter.store.database import Database
from exporter.store.listing import Listing, Mark, Rows
from exporter.store.mirror import Mirror
from exporter.store.scopes import ScopeKey
from tests.replica.support import SCOPE, START, Row, put, put_scope, row

EVERYTHING = Listing(deleted=True, sort_by="Name", descending=False)

#: Rows upserted by number, each with a value that changes; or all of them changed by hand.
commits = st.lists(
    st.dictionaries(
        st.integers(0, 30), st.sampled_from(["InProgress", "Failed", None]), max_size=8
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of four rows, two at once, so that thirty rows have all the borders."""
    for name in ("_PARTS", "_FRESH_ROWS"):
        text = getattr(mirrors, name)
        monkeypatch.setattr(mirrors, name, text.replace(f"// {mirrors._PART}", "// 4"))
    monkeypatch.setattr(mirrors, "_PART", 4)
    monkeypatch.setattr(mirrors, "_AT_ONCE", 2)


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
        # Two commits may have one time: the service's clock shows whole seconds.
        updated_at=START + timedelta(seconds=seen // 2),
    )


def test_whatever_was_committed(database: Database) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(steps=commits, begins=st.booleans())
    def property_holds(steps: list[dict[int, str | None]], begins: bool) -> None:
        # Either one that has seen the examples before, or one that begins with this.
        mirror = Mirror() if begins else old
        for seen, step in enumerate(steps):
            put(database, [change(number, seen, value) for number, value in step.items()])
            with database.reading() as connection:
                mirror.refresh(connection)
                assert mirror.refresh(connection) is False
            assert in_memory(mirror) == in_file(database)

    old = Mirror()
    property_holds()


def test_what_no_column_tells_is_found_too(database: Database) -> None:
    """A change that keeps updated_at, a row that is gone, a scope without jobs."""
    put(database, [change(number, 0, None) for number in range(20)])
    mirror = Mirror()
    statements = (
        "UPDATE training_jobs SET secondary_status = 'Odd' WHERE training_job_name = 'job-9'",
        "UPDATE training_jobs SET deleted_at = now() WHERE training_job_name = 'job-3'",
        "DELETE FROM training_jobs WHERE training_job_name IN ('job-1', 'job-18', 'job-19')",
    )
    for statement in statements:
        with database.writing() as connection:
            connection.execute(sa.text(statement))
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


def test_a_copy_that_broke_off_is_finished_by_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, [change(number, 0, None) for number in range(20)])
    mirror = Mirror()
    with monkeypatch.context() as patched:
        patched.setattr(mirrors, "_REMOVE", "SELECT error('broken')")
        with database.reading() as connection, pytest.raises(Exception, match="broken"):
            mirror.refresh(connection)
    with database.reading() as connection:
        assert mirror.refresh(connection)
    assert in_memory(mirror) == in_file(database)


def test_the_file_is_opened_after_a_commit_and_only_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    reading = Database.reading

    @contextmanager
    def counted(self: Database, **options: Any) -> Iterator[sa.Connection]:
        opened.append(self.path)
        with reading(self, **options) as connection:
            yield connection

    monkeypatch.setattr(Database, "reading", counted)
    put(database, [row("a")])
    source = MirrorSource(database.path, lock_timeout=5)
    for number in range(3):
        put(database, [row(f"b-{number}", number)])
        opened.clear()
        for _ in range(4):
            assert len(source.rows(EVERYTHING, None, None).jobs) == number + 2
        assert len(opened) == 1
    # A commit that changes nothing that is listed changes no version, so that pages are kept.
    version = source.refresh()
    with database.writing() as connection:
        connection.execute(sa.text("INSERT INTO settings VALUES ('a', 'b')"))
    assert source.refresh() == version
    put(database, [row("c", 9)])
    assert source.refresh() > version


def test_no_answer_from_before_a_commit_is_given(database: Database) -> None:
    """A file that has changed and cannot be read is no reason for an old answer."""
    put(database, [row("a")])
    source = MirrorSource(database.path, lock_timeout=0.1)
    assert len(source.rows(EVERYTHING, None, None).jobs) == 1
    put(database, [row("b")])
    with _held_by_another_process(database), pytest.raises(BusyError, match="is kept open by"):
        source.rows(EVERYTHING, None, None)
    assert len(source.rows(EVERYTHING, None, None).jobs) == 2


@contextmanager
def _held_by_another_process(database: Database) -> Iterator[None]:
    import subprocess
    import sys

    code = f"import duckdb; c = duckdb.connect({str(database.path)!r}); print('ok'); input()"
    with subprocess.Popen(
        [sys.executable, "-uc", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ok\n"
        yield
        process.communicate(b"\n")


def in_memory(mirror: Mirror) -> Rows:
    from exporter.store.listing import rows

    return rows(mirror.execute, EVERYTHING, None, None, mirror.mark)


def in_file(database: Database) -> Rows:
    return FileSource(database).rows(EVERYTHING, None, None)


def test_an_empty_mirror_has_the_mark_of_an_empty_history() -> None:
    assert Mirror().mark == Mark(0, "")
