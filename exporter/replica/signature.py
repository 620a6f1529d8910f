"""Whether a request was signed with a secret: Signature Version 4, checked.

It is the one way in which every AWS SDK can prove who calls, and the secret itself never travels.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from exporter.wire import ApiError, Request

SKEW: Final = timedelta(minutes=15)
"""How far the caller's clock may be off; a request seen on the wire is good for so long."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<scope>(?P<day>\d{8})/"
    r"(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request),\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
#: What a signature must cover, lest it be good for another request.
_COVERED: Final = frozenset({"host", "x-amz-date", "x-amz-target"})


def verify(request: Request, secret: str, now: datetime) -> None:
    """Pass over a request that was signed with the secret.

    Args:
        request: As it came.
        secret: What the caller has as its secret access key.
        now: The time, aware.

    Raises:
        ApiError: 403, in the service's words; which part was wrong is not told.
    """
    found = _HEADER.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    names = found["headers"].split(";")
    stamp = request.headers.get("x-amz-date", "")
    if not _is_now(stamp, found["day"], now):
        raise _refused("Signature expired, or from the future: is the clock right?")
    signed = set(names) >= _COVERED and hmac.compare_digest(
        _signature(request, names, stamp, found, secret), found["signature"]
    )
    if not signed:
        raise _refused("The request signature we calculated does not match the one you provided.")


def _signature(
    request: Request, names: list[str], stamp: str, found: re.Match[str], secret: str
) -> str:
    path, _, query = request.target.partition("?")
    canonical = "\n".join(
        (
            request.method,
            path,
            query,
            *(f"{name}:{_value(request.headers, name)}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{stamp}\n{found['scope']}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (found["day"], found["region"], found["service"], "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _value(headers: Mapping[str, str], name: str) -> str:
    return " ".join(headers.get(name, "").split())


def _is_now(stamp: str, day: str, now: datetime) -> bool:
    try:
        when = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return stamp.startswith(day) and abs(now - when) <= SKEW


def _refused(message: str) -> ApiError:
    return ApiError("InvalidSignatureException", message, 403)
