"""moto, an independent server, answers the same calls with values of the same types."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from exporter.simulator import Scope

SPEC: dict[str, Any] = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::111122223333:role/SageMakerExecutionRole",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
}


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "sagemaker",
        region_name="eu-west-1",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_training_job(**SPEC)
    yield client
    client.close()
    server.stop()


def kinds(value: Any) -> Any:
    """Return the types in a value."""
    if isinstance(value, dict):
        return {name: kinds(each) for name, each in value.items()}
    if isinstance(value, list):
        return [kinds(value[0])] if value else []
    return datetime if isinstance(value, datetime) else type(value)


def common(theirs: Any, ours: Any, path: str = "") -> list[str]:
    """Return the paths where both have a value, but of different types."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        shared = theirs.keys() & ours.keys()
        return [at for name in shared for at in common(theirs[name], ours[name], f"{path}.{name}")]
    if isinstance(theirs, list) and isinstance(ours, list):
        return common(theirs[0], ours[0], f"{path}[]") if theirs and ours else []
    return [] if theirs == ours else [path]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("list_training_jobs", {}),
        ("describe_training_job", {"TrainingJobName": "job"}),
        ("search", {"Resource": "TrainingJob"}),
    ],
)
def test_shared_fields_are_of_the_same_kind(
    moto: Any, sagemaker: Any, scope: Scope, operation: str, request_: dict[str, str]
) -> None:
    job = scope.create_job("job")
    scope.finish(scope.start(job))
    theirs = kinds(getattr(moto, operation)(**request_))
    ours = kinds(getattr(sagemaker, operation)(**request_))
    assert theirs.keys() & ours.keys() > {"ResponseMetadata"}
    assert common(theirs, ours) == []
