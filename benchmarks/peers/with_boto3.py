"""What most people write first: boto3 and `executemany`: `with_boto3.py DATABASE`.

It lists everything at each run, because a listing without a watermark has no other way, and writes
each page with an upsert. A page is a transaction.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import boto3
import duckdb

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import TrainingJobSummaryTypeDef

UPSERT = """
    INSERT OR REPLACE INTO training_jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def main() -> None:
    """List all jobs, and write them."""
    with duckdb.connect(sys.argv[1]) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS training_jobs (arn VARCHAR, creation_time TIMESTAMPTZ,"
            " name VARCHAR, status VARCHAR, secondary_status VARCHAR, end_time TIMESTAMPTZ,"
            " last_modified_time TIMESTAMPTZ, warm_pool_status VARCHAR, retained_seconds INTEGER,"
            " PRIMARY KEY (arn, creation_time))"
        )
        pages = boto3.client("sagemaker").get_paginator("list_training_jobs")
        for page in pages.paginate(PaginationConfig={"PageSize": 100}):
            rows = [row(job) for job in page["TrainingJobSummaries"]]
            if rows:
                connection.executemany(UPSERT, rows)


def row(job: TrainingJobSummaryTypeDef) -> tuple[object, ...]:
    """Return the columns of a job."""
    pool = job.get("WarmPoolStatus")
    return (
        job["TrainingJobArn"],
        job["CreationTime"],
        job["TrainingJobName"],
        job["TrainingJobStatus"],
        job.get("SecondaryStatus"),
        job.get("TrainingEndTime"),
        job["LastModifiedTime"],
        pool and pool["Status"],
        pool and pool.get("ResourceRetainedBillableTimeInSeconds"),
    )


if __name__ == "__main__":
    main()
