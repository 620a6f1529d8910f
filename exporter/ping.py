"""`--ping-url`: a GET request after each complete sync, for a dead-man's switch.

The switch raises the alarm when the pings stop.
"""

from __future__ import annotations

import logging
import time
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPException
from typing import Final, NamedTuple
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

import tenacity

_log = logging.getLogger(__name__)

TRIES: Final = 3
TIMEOUT: Final = 10.0
#: HTTP statuses that may pass: request timeout, too early, too many requests, server errors.
_TRANSIENT: Final = frozenset({408, 425, 429, *range(500, 600)})


class _Failure(NamedTuple):
    """Why a ping failed, without the secret part of its URL."""

    text: str
    transient: bool


def shown(url: str) -> str:
    """Return the URL for people: its login, path and query are the secret of such services."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/…"


def _request(url: str) -> Request:
    """Return the request; a user and password in the URL become its header, as curl sends them."""
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    request = Request(  # noqa: S310 - kinds.URL checked it
        parts._replace(netloc=host, fragment="").geturl(),
        headers={"User-Agent": "sagemaker-exporter"},
    )
    if login:
        user, _, password = login.partition(":")
        pair = f"{unquote(user)}:{unquote(password)}".encode()
        # Not for the host that an answer redirects to.
        request.add_unredirected_header("Authorization", f"Basic {b64encode(pair).decode()}")
    return request


def send(
    url: str,
    *,
    tries: int = TRIES,
    timeout: float = TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """GET the URL, and again after a transient failure.

    Args:
        url: An http or https URL.
        tries: The number of tries; the second follows after one second, the third after two more.
        timeout: Seconds to wait for an answer.
        sleep: Waits that many seconds.

    Returns:
        None after success, else what went wrong, without the secret part of the URL.
    """
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(tries),
        wait=tenacity.wait_incrementing(start=1, increment=1),
        retry=tenacity.retry_if_result(lambda failure: failure is not None and failure.transient),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        sleep=sleep,
    )
    failure = retrying(_get, url, timeout)
    return None if failure is None else f"The ping to {shown(url)} failed: {failure.text}."


def _get(url: str, timeout: float) -> _Failure | None:
    try:
        with urlopen(_request(url), timeout=timeout) as answer:  # noqa: S310 - likewise
            _log.info("ping", extra={"to": shown(url), "status": answer.status})
            return None
    except HTTPError as error:
        error.close()
        return _Failure(f"it answered HTTP {error.code}", error.code in _TRANSIENT)
    # The texts of these errors may quote the URL, so they are not repeated.
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None)
        cause = reason if isinstance(reason, OSError) else error
        if isinstance(cause, TimeoutError):
            return _Failure(f"no answer in {timeout:g} s", transient=True)
        return _Failure(getattr(cause, "strerror", None) or type(cause).__name__, transient=True)
