"""A world, one scope and the simulator, for unmodified boto3 clients."""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from exporter.simulator import Clock, Scope, Simulator, World

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ACCOUNT = "111122223333"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock, seed=7)


@pytest.fixture
def scope(world: World) -> Scope:
    return world.scope(ACCOUNT, "eu-west-1")


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    with Simulator(world) as running:
        yield running


@pytest.fixture(scope="session")
def connect() -> Callable[..., Any]:
    """Make boto3 clients without retries, which would hide an answer."""
    session = boto3.session.Session()

    def client(
        simulator: Simulator,
        service: str = "sagemaker",
        account: str = ACCOUNT,
        region: str = "eu-west-1",
        read_timeout: float = 20,
        **more: str,
    ) -> Any:
        keys = {
            "aws_access_key_id": f"AKIA{account}",
            "aws_secret_access_key": "stand-in-secret",
            **more,
        }
        return session.client(  # type: ignore[call-overload]  # the service is a variable
            service,
            region_name=region,
            endpoint_url=simulator.url,
            config=Config(
                retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=read_timeout
            ),
            **keys,
        )

    return client


@pytest.fixture
def sagemaker(simulator: Simulator, connect: Callable[..., Any]) -> Any:
    return connect(simulator)


@pytest.fixture
def post(simulator: Simulator) -> Callable[..., tuple[int, Mapping[str, str], bytes]]:
    """Send raw requests, including those that boto3 would refuse to send."""

    def send(
        operation: str,
        body: object,
        target: str = "SageMaker",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        where = urlsplit(simulator.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        scope = "20261102/eu-west-1/sagemaker/aws4_request"
        credential = f"Credential=AKIA{ACCOUNT}/{scope}"
        sent = {
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0",
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"{target}.{operation}",
            **(headers or {}),
        }
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        connection.request("POST", "/", content, {k: v for k, v in sent.items() if v})
        response = connection.getresponse()
        answer = response.status, dict(response.getheaders()), response.read()
        connection.close()
        return answer

    return send
