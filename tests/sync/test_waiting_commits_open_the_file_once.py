"""Commits that wait for one another open the file once; each is still a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporter.store import scopes
from exporter.store.connections import Connection
from exporter.store.database import Database, Transaction
from exporter.store.scopes import Run, ScopeState
from exporter.syncing.records import Commit, Records
from tests.support.processes import until

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ACCOUNTS = tuple(f"{number:012}" for number in range(8))
BROKEN = ACCOUNTS[3]


def commit(account: str) -> Commit:
    run = Run(f"run-{account}", account, "eu-west-1", "incremental", NOON, watermark_after=NOON)
    return Commit(run, ScopeState(account, "eu-west-1", watermark=NOON, failing_runs=0))


class Gated(Database):
    """A database that opens for writing once `opened` is set, and counts how often it does."""

    opens = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.opened = threading.Event()

    @contextmanager
    def transactions(self) -> Iterator[Transaction]:
        self.opens += 1
        assert self.opened.wait(60)
        with super().transactions() as transaction:
            yield transaction


class Failing(Records):
    """Records whose commit fails for one account, after everything was written."""

    @staticmethod
    def _write(connection: Connection, turn: Any) -> None:
        Records._write(connection, turn)
        if turn.commit.run.account_id == BROKEN:
            raise ZeroDivisionError


def test_a_commit_that_fails_affects_no_other(database: Database) -> None:
    gated = Gated(database.path)
    records = Failing(gated)
    failed: list[str] = []

    def commit_one(account: str) -> None:
        try:
            records.commit(commit(account))
        except ZeroDivisionError:
            failed.append(account)

    threads = [threading.Thread(target=commit_one, args=(account,)) for account in ACCOUNTS]
    for thread in threads:
        thread.start()
    until(lambda: len(records._waiting) == len(ACCOUNTS))
    gated.opened.set()
    for thread in threads:
        thread.join()

    assert failed == [BROKEN]
    # Once for the commits before the failure, and once for those after it.
    assert gated.opens <= 2
    expected = [commit(account) for account in ACCOUNTS if account != BROKEN]
    with database.reading() as connection:
        states = scopes.read_scopes(connection)
        runs = [scopes.read_run(connection, f"run-{account}") for account in ACCOUNTS]
    assert list(states.values()) == [each.state for each in expected]
    assert [run for run in runs if run] == [each.run for each in expected]
