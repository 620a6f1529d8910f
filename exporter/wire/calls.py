"""What passes between the front and a back end: a call in, an answer or an error out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the front has understood.

    Attributes:
        service: botocore's name of the service, such as `sagemaker`.
        operation: Such as `ListTrainingJobs`.
        params: The parameters by the names of the model; times are aware UTC datetimes.
        access_key: The access key id in the credential scope. The front does not verify the
            signature.
        region: The region in the credential scope.
        session_token: `X-Amz-Security-Token`, or None.
        headers: All request headers, by lower-case name.
        request_id: The `x-amzn-RequestId` of the answer.
    """

    service: str
    operation: str
    params: Mapping[str, Any]
    access_key: str
    region: str
    session_token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""


class ApiError(Exception):
    """An error as the service reports it; `str()` is the code and the message.

    Attributes:
        code: The name of the error, such as `ThrottlingException`.
        message: The sentence for the caller.
        status: The HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Body:
    """An answer that the back end has already written as the protocol's bytes.

    Back ends join a page from rows that were checked against the model when they were
    encoded. Checking the page again would take longer than everything else.

    Attributes:
        content: The complete response body.
        rows: The number of records in it.
    """

    content: bytes
    rows: int = 0


Answer = Mapping[str, Any] | Body
"""The answer of a back end: a mapping by the names of the model, or finished bytes."""

Outcome = Answer | ApiError
"""The result of a call."""


class Backend(Protocol):
    """Answers the calls that the front understands."""

    @property
    def operations(self) -> Mapping[str, frozenset[str]]:
        """The served operations by service; the front refuses all others by name."""
        ...

    def answer(self, call: Call) -> Answer:
        """Answer one validated call.

        Raises:
            ApiError: The error for the caller. Any other exception becomes a 500
                InternalFailure.
        """
        ...
