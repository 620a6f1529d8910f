"""What the benchmarks of `serve` and of the simulator share: raw requests and memory."""

from __future__ import annotations

import http.client
import json
import resource
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_SCOPE = "20261101/eu-west-1/sagemaker/aws4_request"
_HEADERS = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential=AKIA111122223333/{_SCOPE}, "
    "SignedHeaders=host, Signature=0",
    "Content-Type": "application/x-amz-json-1.1",
}


def connection(url: str) -> http.client.HTTPConnection:
    """Return a kept-alive connection."""
    where = urlsplit(url)
    return http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)


def ask(
    to: http.client.HTTPConnection,
    params: Mapping[str, Any],
    operation: str = "ListTrainingJobs",
) -> bytes:
    """Return the body of an answer.

    Raises:
        RuntimeError: The answer is an error.
    """
    headers = {**_HEADERS, "X-Amz-Target": f"SageMaker.{operation}"}
    to.request("POST", "/", json.dumps(params), headers)
    response = to.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(body.decode())
    return body


def token_of(body: bytes) -> str | None:
    """Return the NextToken at the end of a body; parsing 100 rows would measure json instead."""
    head, _, tail = body.rpartition(b'"NextToken":"')
    return tail.partition(b'"')[0].decode() if head else None


def peak_mb(children: bool = False) -> float:
    """Return the peak memory of this process, or of its ended children, in MB."""
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(who).ru_maxrss / unit
