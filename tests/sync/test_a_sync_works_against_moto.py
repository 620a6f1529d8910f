"""A sync works against moto, an independent server that omits fields and pages differently."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from exporter.config.model import Source, SyncOptions
from exporter.store.database import Database
from exporter.syncing.run import run_sync
from tests.support.truth import COLUMNS


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    yield boto3.client("sagemaker", region_name="us-east-1")
    server.stop()


def create(client: Any, name: str) -> None:
    client.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::123456789012:role/trainer",
        OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
        Tags=[{"Key": "team", "Value": "vision"}],
    )


def served(client: Any) -> list[tuple[object, ...]]:
    pages = client.get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 100})
    return sorted(
        (
            summary["TrainingJobArn"],
            summary["CreationTime"],
            summary["TrainingJobName"],
            summary["TrainingJobStatus"],
            # The List of moto leaves it out; the sync gets it from Describe with the details.
            client.describe_training_job(TrainingJobName=summary["TrainingJobName"])[
                "SecondaryStatus"
            ],
            summary.get("TrainingEndTime"),
            summary.get("LastModifiedTime"),
        )
        for page in pages
        for summary in page["TrainingJobSummaries"]
    )


def stored(path: Path) -> list[tuple[object, ...]]:
    with Database(path).reading() as connection:
        rows = connection.execute(f"SELECT {COLUMNS} FROM training_jobs").all()
    return sorted(tuple(row)[:7] for row in rows)


def test_a_backfill_an_increment_and_a_sync_without_news(moto: Any, tmp_path: Path) -> None:
    path = tmp_path / "jobs.duckdb"
    for number in range(130):
        create(moto, f"nightly-{number}")
    options = SyncOptions(max_rps=0)
    report = run_sync(Database(path), [Source()], options)
    assert report.error is None
    assert report.total("jobs_inserted") == 130
    assert stored(path) == served(moto)

    create(moto, "weekly-1")
    assert run_sync(Database(path), [Source()], options).total("jobs_inserted") == 1
    assert stored(path) == served(moto)

    again = run_sync(Database(path), [Source()], options)
    assert (again.error, again.total("jobs_inserted"), again.total("jobs_changed")) == (None, 0, 0)
    assert stored(path) == served(moto)

    with Database(path).reading() as connection:
        [details] = connection.execute(
            "SELECT instance_type, instance_count, volume_size_gb, tags->>'team', "
            "typeof(training_start_time) FROM training_job_details "
            "JOIN training_jobs USING (training_job_arn, creation_time) "
            "WHERE training_job_name = 'weekly-1'"
        ).all()
    assert tuple(details)[:4] == ("ml.m5.xlarge", 2, 30, "vision")
    assert isinstance(stored(path)[0][1], datetime)
