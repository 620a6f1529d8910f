"""Sends a message to chat, mail or a webhook with Apprise. Its URLs are secrets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import tenacity

from exporter.errors import ServiceError, UsageError
from exporter.extras import extra

TRIES: Final = 3
#: Libraries that log the URLs of what they send.
_TALKATIVE: Final = ("apprise", "urllib3", "requests", "requests_oauthlib")


def shown(url: str) -> str:
    """Return the URL for people: all but its scheme can be a secret."""
    scheme, sign, _ = url.partition("://")
    return f"{scheme}://…" if sign and scheme.isalnum() else "…"


def check(urls: Sequence[str]) -> None:
    """Raise if a message cannot be sent to one of the URLs; nothing is sent.

    Raises:
        MissingExtra: Apprise is not installed.
        UsageError: Apprise does not know such a URL; the message repeats only its scheme.
    """
    with extra("notify", "report"):
        from apprise import Apprise
    with _silent():
        unknown = [url for url in urls if not Apprise().add(url)]
    if unknown:
        raise UsageError(
            f"--notify {shown(unknown[0])} is not a URL that Apprise can send to.",
            "Its documentation lists the services and their URLs.",
        )


def send(
    urls: Sequence[str],
    title: str,
    markdown: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send a message to every URL, each with up to three tries.

    Args:
        urls: URLs of Apprise, such as `json://host` or `slack://…`.
        title: The subject of a mail, or the first line.
        markdown: The message.
        sleep: Waits that many seconds.

    Raises:
        MissingExtra, UsageError: As `check`.
        ServiceError: One of the URLs failed all tries; the others have got the message.
    """
    check(urls)
    failed = [shown(url) for url in urls if not _send(url, title, markdown, sleep)]
    if failed:
        raise ServiceError(
            f"The message to {', '.join(failed)} could not be sent in {TRIES} tries.",
            "Check the URL and the service, then run the report again.",
        )


def _send(url: str, title: str, markdown: str, sleep: Callable[[float], None]) -> bool:
    """Return whether the URL accepted the message. Apprise does not say why one did not."""
    from apprise import Apprise, NotifyFormat

    def attempt() -> bool:
        target = Apprise()
        target.add(url)
        return bool(target.notify(markdown, title, body_format=NotifyFormat.MARKDOWN))

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_incrementing(start=1, increment=1),
        retry=tenacity.retry_if_result(lambda accepted: not accepted),
        retry_error_callback=lambda _: False,
        sleep=sleep,
    )
    with _silent():
        return bool(retrying(attempt))


@contextmanager
def _silent() -> Iterator[None]:
    """Let no library log in this block: the lines would have parts of the URL."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
