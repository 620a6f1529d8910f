"""Who calls, and what they may do: accounts, role sessions, regions, denied actions.

An access key id of this world carries its account: ``AKIA`` or ``ASIA`` and twelve
digits, so that nothing has to be registered to call for an account.
"""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.simulator.behaviour import Behaviour
from exporter.wire.types import ApiError, Call

_KEY = re.compile(r"(AKIA|ASIA)(\d{12})(\d*)")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(.+)")
_CHAINED_SECONDS = 3600.0


def access_key_of(account_id: str) -> str:
    """Give the long-lived access key id of an account."""
    return f"AKIA{account_id}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        account_id: Twelve digits.
        arn: The user or the assumed role.
        session: Whether these are the keys of a role.
    """

    account_id: str
    arn: str
    session: bool


@dataclass(frozen=True, slots=True)
class _Session:
    arn: str
    expires: float


class Access:
    """Knows the role sessions that were given out.

    Args:
        wall: Seconds since the epoch, as ``time.time`` gives them.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        """Start without sessions."""
        self._wall = wall
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}

    def caller(self, access_key: str) -> Caller:
        """Give whose key it is.

        Raises:
            ApiError: UnrecognizedClientException: nobody's; ExpiredTokenException: a role's
                whose time is up.
        """
        found = _KEY.fullmatch(access_key)
        if found is None:
            raise unrecognized()
        account = found[2]
        if found[1] == "AKIA":
            return Caller(account, f"arn:aws:iam::{account}:user/stand-in", session=False)
        with self._lock:
            session = self._sessions.get(access_key)
        if session is None:
            raise unrecognized()
        if self._wall() >= session.expires:
            raise expired()
        return Caller(account, session.arn, session=True)

    def admit(self, call: Call, caller: Caller, behaviour: Behaviour) -> None:
        """Let a caller do what is asked, where it is asked.

        Raises:
            ApiError: UnrecognizedClientException where the region is not enabled,
                AccessDeniedException where the action is denied.
        """
        if not behaviour.enables(caller.account_id, call.region):
            raise unrecognized()
        if behaviour.denies(caller.account_id, call.region, call.operation):
            code = "AccessDenied" if call.service == "sts" else "AccessDeniedException"
            status = 403 if call.service == "sts" else 400
            action = f"{call.service}:{call.operation}"
            raise ApiError(
                code,
                f"User: {caller.arn} is not authorized to perform: {action} because no "
                f"identity-based policy allows the {action} action",
                status,
            )

    def identity(self, caller: Caller) -> dict[str, Any]:
        """Answer GetCallerIdentity."""
        return {
            "UserId": f"AIDA{caller.account_id}",
            "Account": caller.account_id,
            "Arn": caller.arn,
        }

    def assume_role(self, call: Call, caller: Caller, behaviour: Behaviour) -> dict[str, Any]:
        """Answer AssumeRole with keys of the role's account.

        Raises:
            ApiError: AccessDenied: the role is refused, or asks for another external id;
                ValidationError: no role's ARN, or a session that is too long.
        """
        role = str(call.params["RoleArn"])
        found = _ROLE.fullmatch(role)
        if found is None:
            raise ApiError("ValidationError", f"{role} is invalid")
        asked_for = behaviour.external_ids.get(role)
        if role in behaviour.unassumable_roles or (
            asked_for is not None and call.params.get("ExternalId") != asked_for
        ):
            raise ApiError(
                "AccessDenied",
                f"User: {caller.arn} is not authorized to perform: sts:AssumeRole "
                f"on resource: {role}",
                403,
            )
        seconds = float(call.params.get("DurationSeconds", 3600))
        if caller.session and seconds > _CHAINED_SECONDS:
            raise ApiError(
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles "
                "assumed by role chaining",
            )
        if behaviour.role_session_seconds is not None:
            seconds = behaviour.role_session_seconds
        account, name = found[1], found[2].rsplit("/", 1)[-1]
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{call.params['RoleSessionName']}"
        expires = self._wall() + seconds
        with self._lock:
            key = f"ASIA{account}{len(self._sessions):08d}"
            self._sessions[key] = _Session(arn, expires)
        return {
            "Credentials": {
                "AccessKeyId": key,
                "SecretAccessKey": f"stand-in-secret-{key}",
                "SessionToken": f"stand-in-token-{key}",
                "Expiration": datetime.fromtimestamp(int(expires), UTC),
            },
            "AssumedRoleUser": {"AssumedRoleId": f"AROA{account}:{name}", "Arn": arn},
        }


def unrecognized() -> ApiError:
    """Give the error for keys nobody knows, also where a region is not enabled."""
    return ApiError(
        "UnrecognizedClientException", "The security token included in the request is invalid."
    )


def expired() -> ApiError:
    """Give the error for keys whose time is up."""
    return ApiError(
        "ExpiredTokenException", "The security token included in the request is expired"
    )
