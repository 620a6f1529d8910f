"""The same with dlt, as its documentation shows: `with_dlt.py DATABASE`.

An incremental resource with a merge by primary key: the state of the pipeline is the watermark.
It stands next to the database.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import dlt  # type: ignore[import-not-found] # is in the peers' own environment

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import TrainingJobSummaryTypeDef

BEGINNING = datetime(2017, 11, 1, tzinfo=UTC)


@dlt.resource(  # type: ignore[untyped-decorator] # see the import
    primary_key=("TrainingJobArn", "CreationTime"), write_disposition="merge"
)
def training_jobs(
    modified: dlt.sources.incremental[datetime] = dlt.sources.incremental(  # noqa: B008 - how dlt declares it
        "LastModifiedTime", initial_value=BEGINNING
    ),
) -> Iterator[list[TrainingJobSummaryTypeDef]]:
    """Yield the pages of the jobs that changed since the last run."""
    pages = boto3.client("sagemaker").get_paginator("list_training_jobs")
    for page in pages.paginate(
        LastModifiedTimeAfter=modified.last_value, PaginationConfig={"PageSize": 100}
    ):
        yield page["TrainingJobSummaries"]


def main() -> None:
    """Run the pipeline once."""
    database = Path(sys.argv[1])
    pipeline = dlt.pipeline(
        "training_jobs",
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="sagemaker",
        pipelines_dir=str(database.parent / "pipelines"),
    )
    pipeline.run(training_jobs())


if __name__ == "__main__":
    main()
