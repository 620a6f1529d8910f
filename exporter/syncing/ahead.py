"""Requests the next page of a listing while its reader works on the page before.

A page of the listing, its details by Search and a commit each take a part of a second. At a pace of
two listing calls a second, they fit into it only if they overlap.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context

from exporter.sagemaker.service import ListRequest, Page

#: Runs a function, now or in the background. The function raises nothing.
Spawn = Callable[[Callable[[], None]], None]


def in_background(work: Callable[[], None]) -> None:
    """Run a function in a daemon thread: a call that hangs must not keep the process alive."""
    threading.Thread(target=copy_context().run, args=(work,), daemon=True).start()


class Ahead:
    """At most one request whose answer nobody has taken yet.

    Args:
        fetch: Returns the page of a request.
        spawn: Runs the request.
    """

    def __init__(self, fetch: Callable[[ListRequest], Page], spawn: Spawn) -> None:
        self._fetch = fetch
        self._spawn = spawn
        self._requested: tuple[ListRequest, Future[Page]] | None = None

    def begin(self, request: ListRequest) -> None:
        """Send a request; `take` returns its page, or raises what it raised."""
        answer: Future[Page] = Future()
        self._requested = request, answer

        def work() -> None:
            try:
                answer.set_result(self._fetch(request))
            except BaseException as error:  # also Interrupted, which is not an Exception
                answer.set_exception(error)

        self._spawn(work)

    def take(self, request: ListRequest) -> Page:
        """Return the page of a request, which `begin` may have sent.

        Raises:
            ExporterError: The service failed past all retries.
            Interrupted: The run has to stop.
        """
        requested, self._requested = self._requested, None
        if requested is None or requested[0] != request:
            return self._fetch(request)
        return requested[1].result()
