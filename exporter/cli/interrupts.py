"""Ctrl-C and SIGTERM: both are guaranteed to unwind the program."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

#: Seconds between two checks that the program unwinds.
_CHECK_EVERY: Final = 1.0
#: Seconds after which the process ends without unwinding; a kill loses nothing that is committed.
_LONGEST: Final = 10.0


class Terminated(KeyboardInterrupt):
    """SIGTERM; it unwinds like Ctrl-C, so the same code cleans up after both.

    Attributes:
        exit_code: What the program exits with.
        came: Whether SIGTERM came; libraries may turn an exception into another one.
        any_came: Whether either signal came.
    """

    exit_code = 143
    came = False
    any_came = False


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into exceptions in the main thread while the block runs.

    Python drops an exception that a signal handler raises inside some callbacks (an import's, for
    example), and the program would run on. So the exception is raised again each second until
    the main thread handles it; that never interrupts a cleanup. DuckDB may finish long tasks
    before it lets the exception through. After ten seconds the process ends without it, even if
    the block was left by then: Python's own exit waits for threads. A second signal kills.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    Terminated.came = Terminated.any_came = False
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, _stop) for number in handled}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _insist)
    unraisable = sys.unraisablehook
    sys.unraisablehook = lambda dropped: _without_interrupts(dropped, unraisable)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = unraisable
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end = threading.Timer(_LONGEST, os._exit, [128 + number])
    end.daemon = True
    end.start()
    signal.setitimer(signal.ITIMER_REAL, _CHECK_EVERY, _CHECK_EVERY)
    Terminated.any_came = True
    Terminated.came = number == signal.SIGTERM
    raise Terminated if Terminated.came else KeyboardInterrupt


def _without_interrupts(
    dropped: sys.UnraisableHookArgs, otherwise: Callable[[sys.UnraisableHookArgs], object]
) -> None:
    """Keep Python from printing a traceback of an interrupt that it dropped."""
    if not isinstance(dropped.exc_value, KeyboardInterrupt):
        otherwise(dropped)


def _insist(number: int, frame: FrameType | None) -> None:
    """Raise the interrupt again, unless the main thread is handling it."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return
        error = error.__cause__ or error.__context__
    raise Terminated if Terminated.came else KeyboardInterrupt
