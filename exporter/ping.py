"""`--ping-url`: tell a dead-man's switch that all is well, by a GET; its silence is the alarm."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

_log = logging.getLogger(__name__)

TRIES: Final = 3
TIMEOUT: Final = 10.0
#: Answers that another try may better: too early, too many, and the server's own trouble.
_PASSING: Final = frozenset({408, 425, 429, *range(500, 600)})


def check(url: str) -> None:
    """Refuse what cannot be pinged.

    Raises:
        ValueError: It is not an http or https URL with a host.
    """
    parts = urlsplit(url)  # itself raises ValueError for a malformed one
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https URL")
    _ = parts.port


def shown(url: str) -> str:
    """The URL for people: its path and query are the secret of such services."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/…"


def send(
    url: str,
    *,
    tries: int = TRIES,
    timeout: float = TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """GET the URL until it answers with success, a few times.

    Args:
        url: An http or https URL.
        tries: How often at most; the second comes after one second, the third after two more.
        timeout: Seconds to wait for an answer.
        sleep: Waits that many seconds.

    Returns:
        None when it was heard, else what went wrong, without the secret part of the URL.
    """
    request = Request(url, headers={"User-Agent": "sagemaker-exporter"})  # noqa: S310 - checked by check()
    problem = ""
    for number in range(tries):
        if number:
            sleep(float(number))
        try:
            with urlopen(request, timeout=timeout) as answer:  # noqa: S310 - checked by check()
                _log.info("ping", extra={"to": shown(url), "status": answer.status})
                return None
        except HTTPError as error:
            error.close()
            problem = f"it answered HTTP {error.code}"
            if error.code not in _PASSING:
                break
        # Their own texts may quote the URL.
        except TimeoutError:
            problem = f"no answer in {timeout:g} s"
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None)
            cause = reason if isinstance(reason, OSError) else error
            text = getattr(cause, "strerror", None) or type(cause).__name__
            problem = f"no answer in {timeout:g} s" if isinstance(cause, TimeoutError) else text
    return f"The ping to {shown(url)} failed: {problem}."
