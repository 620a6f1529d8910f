"""What passes between the front and a back end: a call in, an answer or an error out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood: which operation, for whom, with which parameters.

    Attributes:
        service: The service's name in botocore, such as ``sagemaker``.
        operation: The operation's name, such as ``ListTrainingJobs``.
        params: The parameters by the names of the model; times are aware UTC datetimes.
        access_key: The access key id of the SigV4 credential; the signature itself is
            not verified, since a stand-in holds nobody's secrets.
        region: The region of the SigV4 credential scope.
        session_token: ``X-Amz-Security-Token``, None without one.
        headers: All request headers, their names in lower case.
        request_id: What the answer will carry as ``x-amzn-RequestId``.
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
    """An error as the service reports it.

    Attributes:
        code: The error's name, such as ``ThrottlingException``.
        message: The sentence for the caller.
        status: The HTTP status, 400 unless told otherwise.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """Keep the three parts; ``str()`` gives the code and the message."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Body:
    """An answer that the back end has already written in the protocol's own bytes.

    A page of 100 rows is joined from fragments that were checked against the model when
    their jobs changed; checking them again for each page would cost more than the rest.

    Attributes:
        content: The whole response body.
        rows: How many records it holds, for the ledger of calls.
    """

    content: bytes
    rows: int = 0


Answer = Mapping[str, Any] | Body
"""What a back end gives: a mapping by the model's names, or finished bytes."""

Outcome = Answer | ApiError
"""What became of a call."""


class Backend(Protocol):
    """Who answers behind the front."""

    @property
    def operations(self) -> Mapping[str, frozenset[str]]:
        """The operations that are served, by service; all others are refused by name."""
        ...

    def answer(self, call: Call) -> Answer:
        """Answer one validated call.

        Raises:
            ApiError: What the caller is told instead. Anything else that is raised
                reaches the caller as a 500 InternalFailure.
        """
        ...
