"""`verify` accepts what an SDK signed, and nothing that was changed afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from exporter.replica.signature import SKEW, verify
from exporter.wire import ApiError, Request

SECRET = "a secret/with+signs"  # noqa: S105 - a test's own
BODY = b'{"MaxResults": 5}'
NOW = datetime.now(UTC)


class AnySdk(SigV4Auth):
    """Signs every header; other SDKs sign some that botocore leaves out."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return HTTPHeaders.from_dict({k.lower(): v for k, v in request.headers.items()})


def signed(target: str = "/", **more: str) -> Request:
    headers = {
        "host": "127.0.0.1:8025",
        "x-amz-target": "SageMaker.ListTrainingJobs",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    request = AWSRequest("POST", f"http://127.0.0.1:8025{target}", headers, BODY)
    AnySdk(Credentials("111122223333", SECRET), "sagemaker", "eu-west-1").add_auth(request)
    sent = {name.lower(): value for name, value in request.headers.items()}
    return Request("POST", target, sent, BODY)


def changed(request: Request, **headers: str) -> Request:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request, headers={**request.headers, **more})


@pytest.mark.parametrize(
    "request_",
    [
        signed(),
        signed("/a b?z=1&a=2"),
        signed(user_agent="aws-sdk-go/2.0  (linux)"),
        signed(x_amz_content_sha256=hashlib.sha256(BODY).hexdigest()),
    ],
    ids=["plain", "path and query", "user agent", "hash of the body"],
)
def test_a_signed_request_passes(request_: Request) -> None:
    verify(request_, SECRET, NOW)


ORIGINAL = signed(user_agent="aws-sdk-go/2.0")
HASHED = signed(x_amz_content_sha256=hashlib.sha256(BODY).hexdigest())
AUTHORIZATION = ORIGINAL.headers["authorization"]


@pytest.mark.parametrize(
    "request_",
    [
        replace(ORIGINAL, body=b'{"MaxResults": 6}'),
        replace(ORIGINAL, method="GET"),
        replace(ORIGINAL, target="/other"),
        replace(ORIGINAL, target="/?more=1"),
        replace(ORIGINAL, target="@[::"),
        changed(ORIGINAL, host="other:8025"),
        changed(ORIGINAL, user_agent="another"),
        changed(ORIGINAL, x_amz_target="SageMaker.StopTrainingJob"),
        changed(ORIGINAL, authorization=AUTHORIZATION.replace("eu-west-1", "us-east-1")),
        changed(ORIGINAL, authorization=AUTHORIZATION.replace("/sagemaker/", "/s3/")),
        changed(ORIGINAL, authorization=AUTHORIZATION.replace("host;", "")),
        changed(ORIGINAL, authorization=AUTHORIZATION.replace(";x-amz-target", "")),
        changed(ORIGINAL, authorization=f"{AUTHORIZATION[:-1]}g"),
        changed(ORIGINAL, authorization=AUTHORIZATION[:-64] + "0" * 64),
        changed(ORIGINAL, authorization=""),
        replace(HASHED, body=b'{"MaxResults": 6}'),
        signed(x_amz_content_sha256="UNSIGNED-PAYLOAD"),
    ],
    ids=range(17),
)
def test_a_changed_request_is_refused(request_: Request) -> None:
    with pytest.raises(ApiError) as refused:
        verify(request_, SECRET, NOW)
    assert refused.value.status == 403
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("secret", ["", "another", SECRET + " ", SECRET.upper()])
def test_another_secret_is_refused(secret: str) -> None:
    with pytest.raises(ApiError, match="does not match"):
        verify(ORIGINAL, secret, NOW)


@pytest.mark.parametrize("off", [-SKEW, SKEW])
def test_a_request_of_another_time_is_refused(off: timedelta) -> None:
    verify(ORIGINAL, SECRET, NOW + off * 0.9)
    with pytest.raises(ApiError, match="is the clock right"):
        verify(ORIGINAL, SECRET, NOW + off * 1.1)


def test_the_day_in_the_scope_is_that_of_the_request() -> None:
    day = f"{NOW:%Y%m%d}"
    other = AUTHORIZATION.replace(day, "20200101")
    with pytest.raises(ApiError, match="is the clock right"):
        verify(changed(ORIGINAL, authorization=other), SECRET, NOW)
