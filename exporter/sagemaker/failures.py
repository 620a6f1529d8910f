"""Sorts what boto3 raises by what to do next: try again, give up, or ask somebody."""

from __future__ import annotations

from enum import Enum
from typing import Final

from botocore import exceptions as boto

from exporter.errors import CredentialsError, ExporterError, ServiceError, UsageError
from exporter.sagemaker.redact import redact

_THROTTLES: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "SlowDown",
    }
)
_PASSING: Final = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "InternalError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)
_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "NotAuthorized",
        "OptInRequired",
    }
)
#: What an endpoint answers that does not have the operation: a stand-in, or a private one.
_NOT_OFFERED: Final = frozenset(
    {"UnknownOperation", "UnknownOperationException", "InvalidAction", "404", "405"}
)
#: What a region that is not enabled answers; wrong keys answer the same, everywhere.
_UNKNOWN_CLIENT: Final = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidClientTokenIdException"}
)
_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_SIGNATURE: Final = frozenset(
    {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "AuthFailure"}
)


class Kind(Enum):
    """What an error calls for."""

    THROTTLE = "throttle"
    PASSING = "passing"
    DENIED = "denied"
    NOT_OFFERED = "not offered"
    NOT_ENABLED = "not enabled"
    CREDENTIALS = "credentials"
    NOT_FOUND = "not found"
    INVALID = "invalid"
    PERMANENT = "permanent"


class AccessDenied(CredentialsError):
    """The identity may not call one operation; others may still be open to it."""


class NotOffered(ServiceError):
    """The endpoint does not have one operation; it may have others."""


class RegionNotEnabled(CredentialsError):
    """The region does not know the credentials: not enabled, or wrong keys everywhere."""


class NotFound(ServiceError):
    """The service says that the job is not there."""


class InvalidRequest(ServiceError):
    """The service refuses a parameter, such as a NextToken that it does not know any more."""


#: What a caller that can do without an operation goes on after.
DO_WITHOUT: Final = (AccessDenied, NotOffered)


class BrokenAnswer(Exception):
    """An answer without the member that its operation promises; it may pass."""

    def __init__(self, member: str) -> None:
        super().__init__(f"the answer has no {member}: cut short, or not SageMaker's")


def error_code(error: BaseException) -> str:
    """The service's own code, such as ThrottlingException; empty where there is none."""
    if isinstance(error, boto.ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def kind_of(error: BaseException) -> Kind:
    """What to do about an error that a boto3 client raised."""
    if isinstance(error, boto.ClientError):
        return _kind_of_answer(error)
    if isinstance(
        error,
        boto.NoCredentialsError
        | boto.PartialCredentialsError
        | boto.CredentialRetrievalError
        | boto.TokenRetrievalError
        | boto.SSOError
        | boto.ProfileNotFound,
    ):
        return Kind.CREDENTIALS
    if isinstance(error, boto.ParamValidationError):
        return Kind.INVALID
    if isinstance(
        error,
        boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError | BrokenAnswer,
    ):
        return Kind.PASSING
    # A body cut short or of somebody else (a proxy's page) cannot be parsed; it may pass.
    if type(error).__module__ == "botocore.parsers":
        return Kind.PASSING
    return Kind.PERMANENT


def _kind_of_answer(error: boto.ClientError) -> Kind:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = str(error.response.get("Error", {}).get("Message", ""))
    if code in _THROTTLES or status == 429:
        return Kind.THROTTLE
    if code in _DENIED:
        return Kind.DENIED
    if code in _UNKNOWN_CLIENT:
        return Kind.NOT_ENABLED
    if code in _EXPIRED or code in _SIGNATURE:
        return Kind.CREDENTIALS
    if code in _NOT_OFFERED or status == 501:
        return Kind.NOT_OFFERED
    # ResourceNotFound by the documentation, ValidationException in practice.
    if code == "ResourceNotFound" or "requested resource not found" in text.lower():
        return Kind.NOT_FOUND
    if code in ("ValidationException", "ValidationError"):
        return Kind.INVALID
    # An error cut short, or a proxy's page: botocore finds no code, and takes the status for one.
    if code in _PASSING or status >= 500 or code.isdigit():
        return Kind.PASSING
    return Kind.PERMANENT


def explain(error: BaseException, operation: str, scope: str) -> ExporterError:
    """The error for a person; nothing of the request is repeated, so no secret can be."""
    kind = kind_of(error)
    code = error_code(error)
    said = f" ({code})" if code else f" ({type(error).__name__})"
    if kind is Kind.DENIED:
        action = operation if ":" in operation else f"sagemaker:{operation}"
        return AccessDenied(
            f"{operation} is denied{said}.",
            f"Allow {action} for this identity (README, IAM policy).",
            scope=scope,
        )
    if kind is Kind.NOT_OFFERED:
        return NotOffered(
            f"{operation} is not offered by this endpoint{said}.",
            "Look at AWS_ENDPOINT_URL and the profile.",
            scope=scope,
        )
    if kind is Kind.NOT_ENABLED:
        return RegionNotEnabled(
            f"The region does not accept these credentials{said}.",
            "Enable the region for the account, or leave it out with --exclude-region.",
            scope=scope,
        )
    if kind is Kind.CREDENTIALS:
        return CredentialsError(
            f"{operation} found no usable AWS credentials{said}.",
            "Nothing is lost. Set or renew them (AWS_PROFILE, --profile, `aws sso login`).",
            scope=scope,
        )
    if kind is Kind.NOT_FOUND:
        return NotFound(f"{operation}: the job is not there{said}.", scope=scope)
    if kind is Kind.INVALID:
        return InvalidRequest(
            f"{operation} refused the request{said}: {_message(error)}", scope=scope
        )
    if kind is Kind.THROTTLE:
        return ServiceError(
            f"{operation} was throttled past all retries{said}.",
            "Nothing is lost; the next run goes on from here. Lower --max-rps if it stays.",
            scope=scope,
        )
    if isinstance(error, boto.NoRegionError):
        return UsageError("No region is set.", "Use --region, AWS_REGION or the profile.")
    if isinstance(error, boto.ConfigParseError | boto.ConfigNotFound | boto.InvalidConfigError):
        return UsageError(_sentence(error), "Mend the AWS configuration file.")
    if kind is Kind.PASSING:
        return ServiceError(
            f"{operation} failed past all retries{said}: {_sentence(error)}",
            "Nothing is lost; the next run goes on from here.",
            scope=scope,
        )
    if not isinstance(error, boto.ClientError | boto.BotoCoreError):
        return ServiceError(
            f"{operation} answered what cannot be read{said}: {_sentence(error)}",
            "The answer was refused whole and nothing of it stored. "
            f"Is the endpoint really {'STS' if operation.startswith('sts:') else 'SageMaker'}?",
            scope=scope,
        )
    return ServiceError(f"{operation} failed{said}: {_sentence(error)}", scope=scope)


def _sentence(error: BaseException) -> str:
    text = _message(error)
    return text if text.endswith((".", "…")) else f"{text}."


def _message(error: BaseException) -> str:
    """One line of an error's own text, of bounded length; of the service's answer its own words."""
    text = str(error)
    if isinstance(error, boto.ClientError):
        # botocore's text speaks of its own retries, of which there are none here.
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        text = str(error.response.get("Error", {}).get("Message") or f"HTTP status {status}")
    return " ".join((redact(text) or "").split())[:300]
