"""Who may read the pages. Pure: the clock is an argument.

Without a token, the site is on the loopback, and a request must name the loopback: so no page on
the web reaches it by a name of its own (DNS rebinding). With a token, a program sends it as
`Authorization: Bearer`, and a browser gets a cookie for it. The token is in no address.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final

from exporter.replica.server import is_loopback

COOKIE: Final = "sagemaker_exporter_session"
#: Seconds that a session lasts.
SESSION: Final = 12 * 3600


class Access:
    """Checks requests.

    Args:
        token: What readers must know; None = everybody on this machine may read.
        key: Signs sessions. A new one at each start ends all sessions.
    """

    def __init__(self, token: str | None, key: bytes | None = None) -> None:
        self._token = None if token is None else _digest(token)
        self._key = secrets.token_bytes(32) if key is None else key

    @property
    def needs_token(self) -> bool:
        """Whether readers must know a token."""
        return self._token is not None

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token, in a time that does not depend on either."""
        return self._token is not None and hmac.compare_digest(_digest(text), self._token)

    def session(self, now: float) -> str:
        """Return the value of the cookie of a new session; `now` is the Unix time."""
        end = str(int(now) + SESSION)
        return f"{end}.{self._sign(end)}"

    def admits(self, headers: Mapping[str, str], now: float) -> bool:
        """Return whether a request may read; `now` is the Unix time."""
        if self._token is None:
            return True
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.is_token(_utf8(text.strip()))
        end, _, signature = _cookie(headers.get("cookie", "")).partition(".")
        is_signed = hmac.compare_digest(signature.encode(), self._sign(end).encode())
        return is_signed and end.isdecimal() and now < int(end)

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def names_us(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request names the loopback, as it must without a token."""
        if self._token is not None:
            return True
        host = headers.get("host", "").rpartition("@")[2]
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        return is_loopback(name.lower())


def is_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Return whether another site made the browser send a request."""
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def may_come_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Return whether a request from another site is somebody who follows a link."""
    return (
        headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )


def path_after_login(text: str) -> str:
    """Return the page to show after the login: a path of this site, whatever was asked for."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_path else "/"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _utf8(header: str) -> str:
    """Return the text of a header; servers read its bytes as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
