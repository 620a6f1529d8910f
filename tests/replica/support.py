"""Write jobs into the database as a sync does, and list them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.replica.lister import Lister
from exporter.simulator import Job, Scope
from exporter.store import jobs
from exporter.store.batches import batch
from exporter.store.database import Database
from exporter.store.schema import training_job_changes, training_jobs
from exporter.store.scopes import ScopeKey
from exporter.wire import Answer, Body

START = datetime(2026, 10, 1, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"
SCOPE = ScopeKey(ACCOUNT, REGION)
PLAN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-plan/reserved"

Row = dict[str, Any]


def arn(name: str, scope: ScopeKey = SCOPE) -> str:
    return f"arn:aws:sagemaker:{scope.region}:{scope.account_id}:training-job/{name}"


def row(name: str, after: float = 0, scope: ScopeKey = SCOPE, **values: Any) -> Row:
    """Return a row of training_jobs: a job created some seconds after the start."""
    created = START + timedelta(seconds=after)
    return {
        **dict.fromkeys(training_jobs.names),
        "training_job_arn": arn(name, scope),
        "creation_time": created,
        "account_id": scope.account_id,
        "region": scope.region,
        "training_job_name": name,
        "training_job_status": "Completed",
        "secondary_status": "Completed",
        "last_modified_time": created,
        "first_synced_at": created,
        "updated_at": created,
        "verified_at": created,
        **values,
    }


def row_of(scope: Scope, job: Job) -> Row:
    """Return the row that a sync makes of a job of the simulator."""
    shown = scope.summary(job)
    pool = shown.get("WarmPoolStatus", {})
    return row(
        job.name,
        (shown["CreationTime"] - START).total_seconds(),
        ScopeKey(*scope.place),
        training_job_status=shown["TrainingJobStatus"],
        secondary_status=shown["SecondaryStatus"],
        training_end_time=shown.get("TrainingEndTime"),
        last_modified_time=shown.get("LastModifiedTime"),
        warm_pool_status=pool.get("Status"),
        warm_pool_retained_seconds=pool.get("ResourceRetainedBillableTimeInSeconds"),
        warm_pool_reused_by_job=pool.get("ReusedByJob"),
        training_plan_arn=shown.get("TrainingPlanArn"),
    )


def put(database: Database, rows: Iterable[Row], *, history: bool = True) -> None:
    """Upsert rows and append their changes in one commit."""
    found = list(rows)
    if not found:
        return
    with database.writing() as connection:
        jobs.write_jobs(connection, batch(training_jobs, _columns(found)))
        if history:
            changes = [
                {
                    **{name: each.get(name) for name in training_job_changes.names},
                    "observed_at": each["updated_at"],
                    "run_id": "run",
                }
                for each in found
            ]
            jobs.append_changes(connection, batch(training_job_changes, _columns(changes)))


def put_scope(database: Database, scope: ScopeKey = SCOPE) -> None:
    """Record that a scope was synced."""
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO sync_scopes (account_id, region) VALUES (:account_id, :region)",
            scope._asdict(),
        )


def pages(
    lister: Lister, params: Mapping[str, Any], scope: ScopeKey = SCOPE
) -> Iterator[list[Row]]:
    """Yield the pages of a listing as they are on the wire."""
    request = dict(params)
    while True:
        answer = on_the_wire(lister.page(scope, request))
        yield answer["TrainingJobSummaries"]
        if "NextToken" not in answer:
            return
        request["NextToken"] = answer["NextToken"]


def on_the_wire(answer: Answer) -> Row:
    assert isinstance(answer, Body)
    content: Row = json.loads(answer.content)
    return content


@contextmanager
def held_open_for_writing(database: Database, statement: str = "SELECT 1") -> Iterator[None]:
    """Let another process run a statement and then keep the file open for writing."""
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute(sys.argv[2]); print('ok'); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-uc", code, database.path, statement],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ok\n"
        yield
        process.communicate(b"\n")


def _columns(rows: list[Row]) -> dict[str, list[Any]]:
    return {name: [each[name] for each in rows] for name in rows[0]}
