"""The floor of a backfill: a loop that lists all jobs, and keeps nothing."""

import boto3

if __name__ == "__main__":
    client = boto3.client("sagemaker")
    for _ in client.get_paginator("list_training_jobs").paginate(
        PaginationConfig={"PageSize": 100}
    ):
        pass
