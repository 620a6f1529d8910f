"""Scopes that are ready at the same moment: one open of the file, and still each by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from exporter.store import scopes
from exporter.store.database import Database, Transaction
from exporter.store.scopes import Run, ScopeState
from exporter.syncing.records import Commit, Records

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ACCOUNTS = tuple(f"{number:012}" for number in range(8))
BROKEN = ACCOUNTS[3]


def commit(account: str) -> Commit:
    run = Run(f"run-{account}", account, "eu-west-1", "incremental", NOON, watermark_after=NOON)
    return Commit(run, ScopeState(account, "eu-west-1", watermark=NOON, failing_runs=0))


def test_one_that_fails_takes_no_other_with_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records(database)
    all_wait, opens = threading.Event(), 0
    write_scope, transactions = scopes.write_scope, database.transactions

    @contextmanager
    def opened() -> Iterator[Transaction]:
        nonlocal opens
        opens += 1
        all_wait.wait(10)
        with transactions() as transaction:
            yield transaction

    def write(connection: sa.Connection, state: ScopeState) -> None:
        write_scope(connection, state)
        if state.account_id == BROKEN:
            raise ZeroDivisionError

    def one(account: str) -> None:
        try:
            records.commit(commit(account))
        except ZeroDivisionError:
            failed.append(account)

    failed: list[str] = []
    monkeypatch.setattr(scopes, "write_scope", write)
    monkeypatch.setattr(database, "transactions", opened)
    threads = [threading.Thread(target=one, args=(account,)) for account in ACCOUNTS]
    for thread in threads:
        thread.start()
    # Nothing but this tells who waits.
    while len(records._waiting) < len(ACCOUNTS):
        threading.Event().wait(0.01)
    all_wait.set()
    for thread in threads:
        thread.join()

    assert failed == [BROKEN]
    # Once for those before the failure and once for those after it.
    assert opens <= 2
    with database.reading() as connection:
        assert scopes.read_scopes(connection) == {
            state.key: state
            for state in (commit(account).state for account in ACCOUNTS if account != BROKEN)
            if state is not None
        }
        runs = [scopes.read_run(connection, f"run-{account}") for account in ACCOUNTS]
    assert runs == [None if account == BROKEN else commit(account).run for account in ACCOUNTS]
