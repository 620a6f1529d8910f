"""Verify that a request was signed with a secret, by AWS Signature Version 4.

Every AWS SDK can prove in this way who calls, and the secret itself never travels. botocore
computes the signature that the request should have.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from exporter.wire import ApiError, Request

SKEW: Final = timedelta(minutes=15)
"""The largest difference between the two clocks. A captured request can be replayed for so long."""

_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<day>\d{8})/"
    r"(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
#: A signature that leaves one of these out would also be valid for another request.
_COVERED: Final = frozenset({"host", "x-amz-date", "x-amz-target"})


def verify(request: Request, secret: str, now: datetime) -> None:
    """Check that a request was signed with the secret.

    Args:
        request: The request as received.
        secret: The secret access key that the caller must have.
        now: The current time, aware.

    Raises:
        ApiError: 403 in the words of the service. It does not say which part was wrong.
    """
    found = _HEADER.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    stamp = request.headers.get("x-amz-date", "")
    if not _is_current(stamp, found["day"], now):
        raise _refused("Signature expired, or from the future: is the clock right?")
    covered = set(found["headers"].split(";")) >= _COVERED and _hashes_its_body(request)
    if not covered or not hmac.compare_digest(
        _signature(request, found, stamp, secret), found["signature"]
    ):
        raise _refused("The request signature we calculated does not match the one you provided.")


class _AsReceived(SigV4Auth):
    """Signs the headers that the caller signed; botocore would choose them itself."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers


def _signature(request: Request, found: re.Match[str], stamp: str, secret: str) -> str:
    signed = {name: request.headers.get(name, "") for name in found["headers"].split(";")}
    # The host in the URL has no effect: the signed Host header counts.
    url = f"http://host/{request.target.removeprefix('/')}"
    copy = AWSRequest(request.method, url, signed, request.body)
    copy.context["timestamp"] = stamp
    auth = _AsReceived(Credentials(found["key"], secret), found["service"], found["region"])
    return auth.signature(auth.string_to_sign(copy, auth.canonical_request(copy)), copy)


def _hashes_its_body(request: Request) -> bool:
    """Return whether the hash that the caller names, if any, is that of the body.

    botocore would put a hash from this header into the signature unread, and any body would pass.
    """
    actual = hashlib.sha256(request.body).hexdigest()
    return request.headers.get("x-amz-content-sha256", actual) == actual


def _is_current(stamp: str, day: str, now: datetime) -> bool:
    try:
        when = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return stamp.startswith(day) and abs(now - when) <= SKEW


def _refused(message: str) -> ApiError:
    return ApiError("InvalidSignatureException", message, 403)
