"""`db prune` removes old runs that found nothing, but never the last run of a scope."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from exporter.store.database import Database
from exporter.store.prune import Pruned, prune
from exporter.store.scopes import Run, write_run

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
FUTURE = NOW + timedelta(days=9_000)
OLD, RECENT = NOW - timedelta(days=91), NOW - timedelta(days=89)

NOTHING = Run("", "111122223333", "eu-west-1", "incremental", OLD, OLD, "complete")
RUNS = {
    "01 found nothing": NOTHING,
    "02 failed, found nothing": replace(NOTHING, outcome="failed"),
    "02b from a clock that was ahead": replace(NOTHING, started_at=FUTURE, ended_at=FUTURE),
    "03 history refers to it": NOTHING,
    "03 inserted": replace(NOTHING, jobs_inserted=1),
    "04 changed": replace(NOTHING, jobs_changed=1),
    "05 deleted": replace(NOTHING, jobs_deleted=1),
    "06 running": replace(NOTHING, ended_at=None, outcome="running"),
    "07 last complete": NOTHING,
    "08 last of all": replace(NOTHING, outcome="interrupted"),
    "09 other scope's only": replace(NOTHING, region="us-east-1"),
    "10 recent": replace(NOTHING, region="us-west-2", started_at=RECENT, ended_at=RECENT),
    "11 recent": replace(NOTHING, region="us-west-2", started_at=RECENT, ended_at=RECENT),
}


def ledger(database: Database) -> list[str]:
    with database.reading() as connection:
        return [
            str(row[0])
            for row in connection.execute("SELECT run_id FROM sync_runs ORDER BY 1").all()
        ]


def test_only_old_runs_that_found_nothing_are_removed(database: Database) -> None:
    with database.writing() as connection:
        for name, run in RUNS.items():
            write_run(connection, replace(run, run_id=name))
        connection.execute(
            "INSERT INTO training_job_changes "
            "(training_job_arn, creation_time, observed_at, run_id) "
            "VALUES ('arn', now(), now(), '03 history refers to it')"
        )
    done = prune(database, now=lambda: NOW)
    assert done == Pruned(removed=3, kept=10, since=NOW - timedelta(days=90))
    assert ledger(database) == list(RUNS)[3:]
    assert prune(database, now=lambda: NOW).removed == 0
