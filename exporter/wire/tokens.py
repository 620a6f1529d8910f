"""NextTokens: opaque, signed, and valid only for the request that they belong to."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from exporter.wire.calls import ApiError
from exporter.wire.times import epoch_seconds

_UNBOUND = frozenset({"NextToken", "MaxResults"})
_DIGEST = 12


class Tokens:
    """Seals positions into tokens and opens them again.

    Args:
        key: Signs the tokens; only the same key opens them. At most 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(
        self, place: tuple[str, ...], params: Mapping[str, Any], position: object, now: datetime
    ) -> str:
        """Return a token for a position in the answer to a request.

        Args:
            place: The operation, account and region.
            params: The parameters of the request. The token is bound to all of them except
                MaxResults and NextToken.
            position: The begin of the next page; any JSON value.
            now: The current time.
        """
        content = json.dumps([self._binding(place, params), position, now.timestamp()]).encode()
        return base64.urlsafe_b64encode(self._sign(content) + content).decode()

    def open(
        self,
        place: tuple[str, ...],
        params: Mapping[str, Any],
        now: datetime,
        lifetime: float | None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the position in the NextToken of a request; None without one.

        Args:
            place: As for `seal`.
            params: As for `seal`.
            now: The current time.
            lifetime: Seconds that a token is valid; None is unlimited.

        Raises:
            ApiError: ValidationException: the token is malformed, expired, or of another request.
        """
        text = params.get("NextToken")
        if not text:
            return None
        try:
            raw = base64.urlsafe_b64decode(text.encode())
        except (binascii.Error, ValueError):
            raise _invalid() from None
        content = raw[_DIGEST:]
        if not hmac.compare_digest(raw[:_DIGEST], self._sign(content)):
            raise _invalid()
        binding, position, issued = json.loads(content)
        if binding != self._binding(place, params):
            raise _invalid()
        if lifetime is not None and now.timestamp() - issued > lifetime:
            raise _invalid()
        return position

    def _binding(self, place: tuple[str, ...], params: Mapping[str, Any]) -> str:
        bound = {name: value for name, value in params.items() if name not in _UNBOUND}
        text = json.dumps([place, bound], sort_keys=True, default=epoch_seconds)
        return self._sign(text.encode()).hex()

    def _sign(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, digest_size=_DIGEST, key=self._key).digest()


def _invalid() -> ApiError:
    return ApiError("ValidationException", "Invalid NextToken: it belongs to no such request.")
