"""NextTokens: opaque, and good for the request they were given to, perhaps for a while."""

import base64
import binascii
import hashlib
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
        key: Who has the same key takes the same tokens; others do not. At most 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        """Keep the key."""
        self._key = key

    def seal(
        self, place: tuple[str, ...], params: Mapping[str, Any], position: object, now: datetime
    ) -> str:
        """Give a token for a position in the answer to a request.

        Args:
            place: The operation, account and region.
            params: The request's parameters; all but MaxResults and NextToken bind.
            position: Where the next page begins; any JSON value.
            now: When the token is given.
        """
        content = json.dumps([self._binding(place, params), position, now.timestamp()]).encode()
        return base64.urlsafe_b64encode(self._sign(content) + content).decode()

    def open(
        self,
        place: tuple[str, ...],
        params: Mapping[str, Any],
        now: datetime,
        lifetime: float | None,
    ) -> Any:  # noqa: ANN401 - what seal was given
        """Give the position in a request's NextToken, None if it has none.

        Raises:
            ApiError: ValidationException: not a token, another request's, or too old.
        """
        text = params.get("NextToken")
        if not text:
            return None
        try:
            raw = base64.urlsafe_b64decode(text.encode())
        except (binascii.Error, ValueError):
            raise _invalid() from None
        content = raw[_DIGEST:]
        if raw[:_DIGEST] != self._sign(content):
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
