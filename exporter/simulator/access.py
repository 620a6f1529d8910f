"""Who calls and what they may do: accounts, role sessions, regions, denied actions.

An access key id contains its account: `AKIA` or `ASIA`, then twelve digits. So a test can
call for any account without registering it.
"""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.simulator.behaviour import Behaviour
from exporter.wire.calls import ApiError, Call

_KEY = re.compile(r"(AKIA|ASIA)(\d{12})(\d*)")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(.+)")
_CHAINED_SECONDS = 3600.0


def access_key_of(account_id: str) -> str:
    """Return the long-lived access key id of an account."""
    return f"AKIA{account_id}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        account_id: Twelve digits.
        arn: The user or the assumed role.
        session: Whether the caller uses the keys of a role.
    """

    account_id: str
    arn: str
    session: bool


class Access:
    """Identifies callers, checks their permissions, and hands out role sessions.

    Args:
        wall: Seconds since the epoch, as `time.time` returns them.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[str, float]] = {}

    def caller(self, access_key: str) -> Caller:
        """Return the owner of a key.

        Raises:
            ApiError: UnrecognizedClientException: nobody owns it; ExpiredTokenException: its
                role session has expired.
        """
        found = _KEY.fullmatch(access_key)
        if found is None:
            raise unrecognized()
        account = found[2]
        if found[1] == "AKIA":
            return Caller(account, f"arn:aws:iam::{account}:user/stand-in", session=False)
        with self._lock:
            arn, expires = self._sessions.get(access_key, (None, 0.0))
        if arn is None:
            raise unrecognized()
        if self._wall() >= expires:
            raise expired()
        return Caller(account, arn, session=True)

    def admit(self, call: Call, caller: Caller, behaviour: Behaviour) -> None:
        """Check that a caller may make a call in its region.

        Raises:
            ApiError: UnrecognizedClientException: the region is not enabled;
                AccessDeniedException: the action is denied.
        """
        if not behaviour.enables(caller.account_id, call.region):
            raise unrecognized()
        if behaviour.denies(caller.account_id, call.region, call.operation):
            sts = call.service == "sts"
            code, status = ("AccessDenied", 403) if sts else ("AccessDeniedException", 400)
            action = f"{call.service}:{call.operation}"
            message = (
                f"User: {caller.arn} is not authorized to perform: {action} because no "
                f"identity-based policy allows the {action} action"
            )
            raise ApiError(code, message, status)

    def identity(self, caller: Caller) -> dict[str, Any]:
        """Answer GetCallerIdentity."""
        return {
            "UserId": f"AIDA{caller.account_id}",
            "Account": caller.account_id,
            "Arn": caller.arn,
        }

    def assume_role(self, call: Call, caller: Caller, behaviour: Behaviour) -> dict[str, Any]:
        """Answer AssumeRole with keys for the account of the role.

        Raises:
            ApiError: AccessDenied: the role cannot be assumed, or needs another external id;
                ValidationError: not the ARN of a role, or the session is too long.
        """
        role = str(call.params["RoleArn"])
        found = _ROLE.fullmatch(role)
        if found is None:
            raise ApiError("ValidationError", f"{role} is invalid")
        external_id = behaviour.external_ids.get(role)
        if role in behaviour.unassumable_roles or (
            external_id is not None and call.params.get("ExternalId") != external_id
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
            self._sessions[key] = arn, expires
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
    """Return the error for unknown keys and for regions that are not enabled."""
    return ApiError(
        "UnrecognizedClientException", "The security token included in the request is invalid."
    )


def expired() -> ApiError:
    """Return the error for expired keys."""
    return ApiError(
        "ExpiredTokenException", "The security token included in the request is expired"
    )
