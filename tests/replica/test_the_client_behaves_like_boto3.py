"""Code written for boto3 works unchanged with `exporter.client`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from botocore.exceptions import ClientError, ParamValidationError

from exporter import client
from exporter.errors import BusyError, DatabaseError, UsageError
from exporter.replica.sources import FileSource
from exporter.simulator import Scope, Simulator
from exporter.store.database import Database
from exporter.store.listing import Listing
from exporter.store.scopes import ScopeKey
from tests.replica.support import ACCOUNT, PLAN, REGION, START, arn, put, put_scope, row, row_of

OTHER = ScopeKey("444455556666", "us-east-1")


def names(page: dict[str, Any]) -> list[str]:
    return [job["TrainingJobName"] for job in page["TrainingJobSummaries"]]


def test_a_response_has_the_members_and_types_of_the_reference(filled: Database) -> None:
    sagemaker = client(filled.path)
    page = sagemaker.list_training_jobs(SortOrder="Ascending", MaxResults=8)
    assert page["TrainingJobSummaries"][3] == {
        "TrainingJobName": "job-03",
        "TrainingJobArn": arn("job-03"),
        "CreationTime": START + timedelta(seconds=3, milliseconds=3),
        "TrainingEndTime": START + timedelta(seconds=4),
        "LastModifiedTime": START + timedelta(seconds=3.5),
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Training",
        "WarmPoolStatus": {
            "Status": "Reused",
            "ResourceRetainedBillableTimeInSeconds": 60,
            "ReusedByJob": "job-09",
        },
    }
    assert list(page["TrainingJobSummaries"][3]) == [
        "TrainingJobName",
        "TrainingJobArn",
        "CreationTime",
        "TrainingEndTime",
        "LastModifiedTime",
        "TrainingJobStatus",
        "SecondaryStatus",
        "WarmPoolStatus",
    ]
    # Unknown members are absent, not None.
    shown = page["TrainingJobSummaries"]
    assert set(shown[3]) - set(shown[4]) == {"WarmPoolStatus"}
    assert set(shown[3]) - set(shown[5]) == {"SecondaryStatus", "TrainingEndTime"}
    assert set(shown[3]) - set(shown[6]) == {"LastModifiedTime"}
    assert shown[1]["WarmPoolStatus"] == {"Status": "Available"}
    assert shown[7]["TrainingPlanArn"] == PLAN
    assert page["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert page["ResponseMetadata"]["RetryAttempts"] == 0
    assert page["NextToken"]


def test_the_defaults_are_the_newest_ten_first(filled: Database) -> None:
    page = client(filled.path).list_training_jobs()
    assert names(page) == [f"job-{number:02}" for number in range(11, 1, -1)]
    last = client(filled.path).list_training_jobs(NextToken=page["NextToken"])
    assert names(last) == ["job-01", "job-00"]
    assert "NextToken" not in last


def test_the_paginator_is_botocores(filled: Database) -> None:
    paginator = client(filled.path).get_paginator("list_training_jobs")
    pages = list(paginator.paginate(StatusEquals="InProgress", PaginationConfig={"PageSize": 3}))
    assert [names(page) for page in pages] == [["job-11", "job-08", "job-05"], ["job-02"]]
    some = paginator.paginate(PaginationConfig={"MaxItems": 5, "PageSize": 2}).build_full_result()
    rest = paginator.paginate(PaginationConfig={"StartingToken": some["NextToken"]})
    assert len(some["TrainingJobSummaries"]) == 5
    assert names(some)[::-1] + names(rest.build_full_result())[::-1] == [
        *(f"job-{number:02}" for number in range(7, 12)),
        *(f"job-{number:02}" for number in range(7)),
    ]
    found = paginator.paginate().search("TrainingJobSummaries[?TrainingPlanArn].TrainingJobName")
    assert list(found) == ["job-07"]


def test_times_may_have_every_form_of_boto3(filled: Database) -> None:
    sagemaker = client(filled.path)
    bound = START + timedelta(seconds=9)
    for written in (bound, bound.isoformat(), bound.timestamp(), bound.astimezone()):
        assert names(sagemaker.list_training_jobs(CreationTimeAfter=written))[-1] == "job-09"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"MaxResult": 5}, 'Unknown parameter in input: "MaxResult"'),
        ({"MaxResults": "5"}, "Invalid type for parameter MaxResults"),
        ({"MaxResults": 0}, "Invalid value for parameter MaxResults, value: 0"),
        ({"CreationTimeAfter": "yesterday"}, "Invalid type for parameter CreationTimeAfter"),
        ({"StatusEquals": None}, "Invalid type for parameter StatusEquals"),
    ],
)
def test_boto3_refuses_invalid_parameters(
    filled: Database, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamValidationError, match=message):
        client(filled.path).list_training_jobs(**params)


REFUSED_BY_THE_SERVICE: list[dict[str, Any]] = [
    {"MaxResults": 101},
    {"StatusEquals": "Running"},
    {"SortBy": "LastModifiedTime"},
    {"SortOrder": "Up"},
    {"WarmPoolStatusEquals": "Cold"},
    {"NameContains": "a_b"},
    {"NameContains": "a" * 64},
    {"TrainingPlanArnEquals": "a" * 60},
    {"NextToken": "x" * 8193},
    {"MaxResults": 101, "SortBy": "Size"},
]


@pytest.mark.parametrize("params", REFUSED_BY_THE_SERVICE, ids=",".join)
def test_the_client_refuses_requests_in_the_services_words(
    filled: Database, scope: Scope, simulator: Simulator, params: dict[str, Any]
) -> None:
    del scope
    here = client(filled.path)
    with pytest.raises(ClientError) as refused:
        here.list_training_jobs(**params)
    with pytest.raises(ClientError) as there:
        boto3.client("sagemaker").list_training_jobs(**params)
    assert refused.value.response["Error"] == there.value.response["Error"]
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert str(refused.value) == str(there.value)
    assert simulator.calls


def test_other_operations_are_refused_by_name(filled: Database) -> None:
    sagemaker = client(filled.path)
    with pytest.raises(ClientError, match=r"SageMaker\.StopTrainingJob is not served here") as no:
        sagemaker.stop_training_job(TrainingJobName="job-01")
    assert no.value.response["Error"]["Code"] == "UnknownOperationException"
    assert no.value.operation_name == "StopTrainingJob"


def test_the_aws_configuration_of_the_caller_is_ignored(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = {
        "AWS_PROFILE": "no-such-profile",
        "AWS_ENDPOINT_URL_SAGEMAKER": "http://127.0.0.1:1",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_RETRY_MODE": "nonsense",
        "AWS_MAX_ATTEMPTS": "many",
        "AWS_CA_BUNDLE": "/no/such/file",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }
    for name, value in trouble.items():
        monkeypatch.setenv(name, value)
    assert len(names(client(filled.path).list_training_jobs(MaxResults=100))) == 12


def test_each_call_sees_the_newest_commit(filled: Database) -> None:
    sagemaker = client(filled.path)
    for number in range(20, 26):
        put(filled, [row(f"job-{number}", number)])
        assert names(sagemaker.list_training_jobs(MaxResults=1)) == [f"job-{number}"]
    put(filled, [row("job-25", 25, deleted_at=START)])
    assert names(sagemaker.list_training_jobs(MaxResults=1)) == ["job-24"]
    assert names(client(filled.path, deleted=True).list_training_jobs(MaxResults=1)) == ["job-25"]


def test_no_lock_is_held_between_calls(filled: Database) -> None:
    sagemaker = client(filled.path)
    sagemaker.list_training_jobs()
    code = f"import duckdb; duckdb.connect({str(filled.path)!r}).execute('CHECKPOINT')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert len(names(sagemaker.list_training_jobs(MaxResults=100))) == 12


def test_reading_waits_for_a_sync_in_the_same_process(filled: Database) -> None:
    writing, waiting = threading.Event(), threading.Event()

    def write() -> None:
        with filled.writing() as connection:
            connection.execute("UPDATE training_jobs SET training_job_status = 'Failed'")
            writing.set()
            waiting.wait(30)

    def sleep(seconds: float) -> None:
        waiting.set()
        time.sleep(seconds)

    thread = threading.Thread(target=write)
    thread.start()
    writing.wait(30)
    source = FileSource(Database(filled.path, lock_timeout=30), sleep=sleep)
    found = source.rows(Listing(), None, None).jobs
    thread.join()
    assert waiting.is_set()
    assert {job.training_job_status for job in found} == {"Failed"}


def test_a_file_opened_in_another_way_by_this_process_is_reported(filled: Database) -> None:
    source = FileSource(Database(filled.path, lock_timeout=0.1))
    with (
        duckdb.connect(filled.path, read_only=True),
        pytest.raises(BusyError, match="This process has the database"),
    ):
        source.scopes()


def test_a_forked_process_reads_the_file_again(filled: Database) -> None:
    code = f"""
import os
from exporter import client
sagemaker = client({str(filled.path)!r})
assert len(sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]) == 12
child = os.fork()
if child == 0:
    found = sagemaker.list_training_jobs(MaxResults=5)["TrainingJobSummaries"]
    os._exit(len(found))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60, env=environment
    )


def test_one_of_several_scopes_must_be_named(filled: Database) -> None:
    put_scope(filled, OTHER)
    put(filled, [row("far", 50, OTHER)])
    with pytest.raises(UsageError) as several:
        client(filled.path)
    assert f"{ACCOUNT}/{REGION}, {OTHER}" in str(several.value)
    assert names(client(filled.path, region="us-east-1").list_training_jobs()) == ["far"]
    assert names(client(filled.path, account=ACCOUNT).list_training_jobs())[0] == "job-11"
    assert client(filled.path, account=ACCOUNT).meta.region_name == REGION
    with pytest.raises(UsageError, match="holds no jobs of 999999999999/us-east-1"):
        client(filled.path, account="999999999999", region="us-east-1")


def test_a_synced_scope_without_jobs_is_an_empty_list(database: Database) -> None:
    with pytest.raises(UsageError, match="Nothing has been synced"):
        client(database.path)
    put_scope(database)
    assert names(client(database.path).list_training_jobs()) == []


def test_a_missing_file_is_reported(filled: Database, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database at"):
        client(tmp_path / "none.duckdb")
    with pytest.raises(UsageError, match="is not a DuckDB file"):
        client("postgresql://host/jobs")
    sagemaker = client(f"duckdb:///{filled.path}")
    filled.path.unlink()
    with pytest.raises(DatabaseError, match="There is no database at"):
        sagemaker.list_training_jobs()


def test_a_replaced_file_is_read_again(
    filled: Database, migrated_file: Path, tmp_path: Path
) -> None:
    sagemaker = client(filled.path)
    sagemaker.list_training_jobs()
    other = Database(tmp_path / "other.duckdb")
    other.path.write_bytes(migrated_file.read_bytes())
    put_scope(other)
    put(other, [row("restored", 1)])
    other.path.replace(filled.path)
    assert names(sagemaker.list_training_jobs()) == ["restored"]


def test_the_client_returns_what_boto3_returns(
    database: Database, scope: Scope, simulator: Simulator
) -> None:
    for number in range(5):
        job = scope.create_job(f"job-{number}", keep_alive_seconds=600)
        scope.clock.advance(61.5)
        if number % 2:
            scope.start(job)
            scope.clock.advance(30)
            scope.finish(job)
    put(database, (row_of(scope, job) for job in scope.jobs()))
    here = client(database.path).list_training_jobs(MaxResults=100)
    there = boto3.client("sagemaker").list_training_jobs(MaxResults=100)
    assert here["TrainingJobSummaries"] == there["TrainingJobSummaries"]
    kinds = [type(value) for value in there["TrainingJobSummaries"][0].values()]
    assert [type(value) for value in here["TrainingJobSummaries"][0].values()] == kinds
    zone = here["TrainingJobSummaries"][0]["CreationTime"].tzinfo
    assert type(zone) is type(there["TrainingJobSummaries"][0]["CreationTime"].tzinfo)
    assert set(here["ResponseMetadata"]) == set(there["ResponseMetadata"])
    assert simulator.calls


def test_a_token_is_valid_for_its_listing_only(filled: Database) -> None:
    put_scope(filled, OTHER)
    put(filled, [row(f"far-{number}", number, OTHER) for number in range(3)])
    sagemaker = client(filled.path, account=ACCOUNT)
    params: dict[str, Any] = {"SortBy": "Name", "StatusEquals": "Completed"}
    token = sagemaker.list_training_jobs(**params, MaxResults=1)["NextToken"]
    # MaxResults may change between pages.
    assert len(names(sagemaker.list_training_jobs(**params, MaxResults=3, NextToken=token))) == 3
    others = [
        (sagemaker, {**params, "StatusEquals": "Failed"}, token),
        (sagemaker, {"SortBy": "Name"}, token),
        (sagemaker, {**params, "SortOrder": "Ascending"}, token),
        (client(filled.path, account=OTHER.account_id), params, token),
        (client(filled.path, account=ACCOUNT, deleted=True), params, token),
        (sagemaker, params, token[:-4] + "AAA="),
        (sagemaker, params, "cIws2QhTXUIa8bi8X9uJCyUYOFxrTSeafxt59YT3ptls+oAH/QPv6FWTl1JX1+GEC2q4"),
        (sagemaker, params, "nonsense"),
    ]
    for who, what, foreign in others:
        with pytest.raises(ClientError, match="NextToken") as refused:
            who.list_training_jobs(**what, NextToken=foreign)
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_listing_by_status_does_not_continue_in_another_history(
    filled: Database, migrated_file: Path
) -> None:
    sagemaker = client(filled.path)
    token = sagemaker.list_training_jobs(SortBy="Status", MaxResults=5)["NextToken"]
    filled.path.write_bytes(migrated_file.read_bytes())
    put_scope(filled)
    put(filled, [row(f"other-{number}", number) for number in range(20)])
    with pytest.raises(ClientError, match="Invalid NextToken: the listing began in another"):
        sagemaker.list_training_jobs(SortBy="Status", NextToken=token)


def test_a_status_unknown_to_botocore_is_shown(filled: Database) -> None:
    put(filled, [row("new", 99, training_job_status="Hibernating")])
    page = client(filled.path).list_training_jobs(MaxResults=1)
    assert page["TrainingJobSummaries"][0]["TrainingJobStatus"] == "Hibernating"
    assert page["TrainingJobSummaries"][0]["CreationTime"] == datetime(
        2026, 10, 1, 0, 1, 39, tzinfo=UTC
    )
