"""Sorts the exceptions of boto3 by what to do next: retry, give up, or ask somebody."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from botocore import exceptions as boto

from exporter.errors import CredentialsError, ExporterError, ServiceError, UsageError
from exporter.redaction import redact_foreign
from exporter.spelling import named

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
_TRANSIENT: Final = frozenset(
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
#: Answers of an endpoint that lacks the operation: a stand-in, or a private endpoint.
_NOT_OFFERED: Final = frozenset(
    {"UnknownOperation", "UnknownOperationException", "InvalidAction", "404", "405"}
)
#: Answers of a region that is not enabled. Wrong keys get the same answer from every region.
_UNKNOWN_CLIENT: Final = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidClientTokenIdException"}
)
_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
)
_SIGNATURE: Final = frozenset(
    {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "AuthFailure"}
)
#: Codes, and words of the message, that mean that the clocks differ.
_CLOCK_CODES: Final = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
_CLOCK_WORDS: Final = ("signature expired", "signature not yet current")


class Kind(Enum):
    """A kind of error, by what to do about it."""

    THROTTLE = "throttle"
    TRANSIENT = "transient"
    DENIED = "denied"
    DENIED_BY_POLICY = "denied by policy"
    NOT_OFFERED = "not offered"
    NOT_ENABLED = "not enabled"
    CREDENTIALS = "credentials"
    CLOCK = "clock"
    NOT_FOUND = "not found"
    INVALID = "invalid"
    PERMANENT = "permanent"


class AccessDenied(CredentialsError):
    """The identity may not call one operation; others may still be allowed."""


class DeniedByPolicy(AccessDenied):
    """A service control policy of the organization denies the operation, often for a region."""


class NotOffered(ServiceError):
    """The endpoint lacks one operation; it may have others."""


class RegionNotEnabled(CredentialsError):
    """The region rejects the credentials: it is not enabled, or the keys are wrong."""


class NotFound(ServiceError):
    """The service has no such job."""


class InvalidRequest(ServiceError):
    """The service rejects a parameter, such as a NextToken that has expired."""


class EndlessAnswer(ServiceError):
    """The NextToken of an operation comes again and again, so its pages never end."""

    def __init__(self, operation: str, scope: str = "") -> None:
        super().__init__(
            f"{operation} repeats a NextToken.",
            "Nothing is lost; the next run continues from here.",
            scope=scope,
        )


#: Errors after which a caller goes on without the operation, if it is optional.
UNAVAILABLE: Final = (AccessDenied, NotOffered, EndlessAnswer)


class BrokenAnswer(Exception):
    """An answer lacks the member that its operation promises; a retry may help."""

    def __init__(self, member: str) -> None:
        super().__init__(f"the answer has no {member} (cut short, or not SageMaker's)")


def error_code(error: BaseException) -> str:
    """Return the code of the service, such as ThrottlingException; empty if there is none."""
    if isinstance(error, boto.ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def kind_of(error: BaseException) -> Kind:
    """Return what to do about an error that a boto3 client raised."""
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
        return Kind.TRANSIENT
    # A truncated body, or the page of a proxy, cannot be parsed; a retry may help.
    if type(error).__module__ == "botocore.parsers":
        return Kind.TRANSIENT
    return Kind.PERMANENT


def _kind_of_answer(error: boto.ClientError) -> Kind:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = str(error.response.get("Error", {}).get("Message", ""))
    if code in _THROTTLES or status == 429:
        return Kind.THROTTLE
    if code in _DENIED:
        by_policy = "service control policy" in text.lower()
        return Kind.DENIED_BY_POLICY if by_policy else Kind.DENIED
    if _is_about_the_clock(code, text):
        return Kind.CLOCK
    if code in _UNKNOWN_CLIENT:
        return Kind.NOT_ENABLED
    if code in _EXPIRED or code in _SIGNATURE:
        return Kind.CREDENTIALS
    if code in _NOT_OFFERED or status == 501:
        return Kind.NOT_OFFERED
    # The documentation says ResourceNotFound; the service sends ValidationException.
    if code == "ResourceNotFound" or "requested resource not found" in text.lower():
        return Kind.NOT_FOUND
    if code in ("ValidationException", "ValidationError"):
        return Kind.INVALID
    return Kind.TRANSIENT if _is_transient(code, status) else Kind.PERMANENT


def _is_about_the_clock(code: str, text: str) -> bool:
    return code in _CLOCK_CODES or any(words in text.lower() for words in _CLOCK_WORDS)


def _is_transient(code: str, status: int) -> bool:
    # In a truncated error, or the page of a proxy, botocore finds no code and uses the status.
    return code in _TRANSIENT or status >= 500 or code.isdigit()


def explain(error: BaseException, operation: str, scope: str) -> ExporterError:
    """Return the error for a person; it repeats nothing of the request, so it holds no secret.

    Args:
        error: What a boto3 client raised.
        operation: Operation that failed, such as `Search` or `sts:AssumeRole`.
        scope: `account/region`, or whatever else was asked.
    """
    if isinstance(error, ExporterError):
        return error
    if isinstance(error, boto.NoRegionError):
        return no_region()
    if isinstance(error, boto.ConfigParseError | boto.ConfigNotFound):
        return UsageError(_sentence(error), "Correct the AWS configuration file.")
    if isinstance(error, _CREDENTIAL_FAULTS) or _is_of_the_system(error):
        return explain_credentials(error, scope)
    kind = kind_of(error)
    code = f"({error_code(error) or type(error).__name__})"
    if kind in _EXPLAINED:
        error_class, message, guidance = _EXPLAINED[kind]
        words = {"operation": operation, "code": code, "action": _action(operation)} | _options()
        return error_class(message.format(**words), guidance.format(**words), scope=scope)
    if kind is Kind.INVALID:
        return InvalidRequest(
            f"{operation} rejected the request {code}: {_message(error)}", scope=scope
        )
    if kind is Kind.TRANSIENT:
        return ServiceError(
            f"{operation} failed past all retries {code}: {_sentence(error)}", _LATER, scope=scope
        )
    if not isinstance(error, boto.ClientError | boto.BotoCoreError):
        service = "STS" if operation.startswith("sts:") else "SageMaker"
        return ServiceError(
            f"The answer of {operation} is unreadable {code}{_timestamp(error)}.",
            f"The whole answer was rejected and none of it was stored. Is the endpoint {service}?",
            scope=scope,
        )
    return ServiceError(f"{operation} failed {code}: {_sentence(error)}", scope=scope)


def no_region() -> UsageError:
    """Return the error of a profile without a region."""
    return UsageError(
        "No region is set.", f"Use {named('regions', flag='--region')}, AWS_REGION or the profile."
    )


def _options() -> dict[str, str]:
    """Return the options that the texts below name."""
    return {
        "exclude_regions": named("exclude_regions", flag="--exclude-region"),
        "profile": named("profile"),
        "max_rps": named("max_rps"),
    }


#: What a helper or a file of the AWS configuration raises while credentials are resolved.
_CREDENTIAL_FAULTS: Final = (
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.InvalidConfigError,
)


def explain_credentials(error: BaseException, scope: str) -> ExporterError:
    """Return the error of credentials that could not be resolved.

    It quotes no output of a helper and no content of a file, because both can hold a secret.

    Args:
        error: What botocore raised; helpers and files fail with exceptions of any class.
        scope: The profile, and the role if there is one.
    """
    if isinstance(error, ExporterError):
        return type(error)(error.message, error.guidance, scope=error.scope or scope)
    message, guidance = _credential_fault(error)
    if not message:
        return explain(error, "The credential provider", scope)
    return CredentialsError(message, f"Nothing is lost. {guidance}", scope=scope)


def _is_of_the_system(error: BaseException) -> bool:
    """Return whether the operating system refused a file or program; not a network error."""
    return isinstance(error, OSError) and not isinstance(error, boto.BotoCoreError)


def _credential_fault(error: BaseException) -> tuple[str, str]:
    """Return the cause and the remedy; both are empty if the error names its cause itself."""
    if isinstance(error, boto.NoCredentialsError):
        return (
            "No AWS credentials are set.",
            f"Choose a profile ({named('profile')}, AWS_PROFILE), set keys, or run "
            "`aws sso login`.",
        )
    if isinstance(error, OSError) and _is_of_the_system(error):
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        return (
            f"A file that the AWS configuration names cannot be used: {reason}.",
            "Correct credential_process, web_identity_token_file or the file itself.",
        )
    if isinstance(error, boto.PartialCredentialsError):
        return (
            f"The key pair is incomplete: {error.kwargs['cred_var']} is missing "
            f"({error.kwargs['provider']}).",
            "Set both the access key id and the secret access key.",
        )
    if isinstance(error, boto.SSOError | boto.TokenRetrievalError):
        return (
            f"There is no valid SSO token ({type(error).__name__}).",
            "Run `aws sso login` for this profile.",
        )
    if isinstance(error, boto.CredentialRetrievalError):
        provider = error.kwargs["provider"]
        return (
            f"The credential provider failed ({provider}).",
            "Run the credential_process of the profile by hand to see why.",
        )
    if isinstance(error, boto.InvalidConfigError):
        return (
            f"The AWS configuration is wrong: {_sentence(error)}".rstrip(".") + ".",
            "Correct the AWS configuration file.",
        )
    if isinstance(error, RuntimeError):
        return (
            "The credential provider returned expired credentials.",
            "Renew them where the credential_process of the profile reads them.",
        )
    if isinstance(error, boto.BotoCoreError | boto.ClientError):
        return "", ""
    return (
        f"The output of the credential provider is not as documented ({type(error).__name__}).",
        "Check credential_process or web_identity_token_file of the profile.",
    )


#: Characters of a foreign message that are read at all; 300 of them are shown.
_READ: Final = 8_192
_LATER: Final = "Nothing is lost; the next run continues from here."
#: Class, message and guidance of the kinds whose text needs nothing else of the error.
_EXPLAINED: Final[Mapping[Kind, tuple[type[ExporterError], str, str]]] = {
    Kind.DENIED: (
        AccessDenied,
        "{operation} is denied {code}.",
        "Allow {action} for this identity (README, IAM policy).",
    ),
    Kind.DENIED_BY_POLICY: (
        DeniedByPolicy,
        "A service control policy denies {operation} {code}.",
        "No IAM statement helps. Ask who manages the organization, or use {exclude_regions}.",
    ),
    Kind.CLOCK: (
        CredentialsError,
        "{operation} was rejected {code}: the clock of this machine is wrong.",
        "Nothing is lost. Set the clock, for example with NTP.",
    ),
    Kind.NOT_OFFERED: (
        NotOffered,
        "This endpoint does not offer {operation} {code}.",
        "Check AWS_ENDPOINT_URL and the profile.",
    ),
    Kind.NOT_ENABLED: (
        RegionNotEnabled,
        "The region does not accept these credentials {code}.",
        "Enable the region for the account, or leave it out with {exclude_regions}.",
    ),
    Kind.CREDENTIALS: (
        CredentialsError,
        "{operation} found no usable AWS credentials {code}.",
        "Nothing is lost. Set or renew them (AWS_PROFILE, {profile}, `aws sso login`).",
    ),
    Kind.NOT_FOUND: (NotFound, "{operation} found no such job {code}.", ""),
    Kind.THROTTLE: (
        ServiceError,
        "{operation} was throttled past all retries {code}.",
        f"{_LATER} If this persists, lower {{max_rps}}.",
    ),
}


def _action(operation: str) -> str:
    """Return the IAM action of an operation; other services than SageMaker are named in it."""
    if operation == "ListServiceQuotas":
        return f"servicequotas:{operation}"
    return operation if ":" in operation else f"sagemaker:{operation}"


def _sentence(error: BaseException) -> str:
    text = _message(error)
    return text if text.endswith((".", "…")) else f"{text}."


def _timestamp(error: BaseException) -> str:
    """Return the words about a time of the answer; other libraries' words can quote a token."""
    text = _message(error).rstrip(".")
    return f": {text}" if text.startswith("Invalid timestamp ") else ""


def _message(error: BaseException) -> str:
    """Return one line of at most 300 characters: the words of the service, or of the error."""
    text = str(error)
    if isinstance(error, boto.ClientError):
        # The text of botocore counts its own retries, which are off here.
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        text = str(error.response.get("Error", {}).get("Message") or f"HTTP status {status}")
    elif type(error) is boto.HTTPClientError:
        # An error of another library, which can quote a header and so a token.
        text = type(error.kwargs.get("error")).__name__
    return " ".join(redact_foreign(text[:_READ]).split())[:300]
