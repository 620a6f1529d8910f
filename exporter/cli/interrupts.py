"""Ctrl-C and SIGTERM: both unwind the program, and both are sure to."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

#: Seconds after which it is looked whether the program does unwind.
_PATIENCE: Final = 1.0
#: Seconds after which it ends without unwinding: a kill loses nothing that was committed.
_LONGEST: Final = 10.0


class Terminated(KeyboardInterrupt):
    """SIGTERM: unwinds like Ctrl-C, so that whatever cleans up after one does for the other."""

    #: Whether it came, and whether any signal came; libraries may turn an exception into another.
    came = False
    any_came = False


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into exceptions in the main thread while the block runs.

    Python drops an exception that a signal raises inside a callback (seen: an import's), and the
    program would run on. So it is raised again each second until the main thread is seen to
    handle it; what cleans up is never interrupted by that. DuckDB may wait for tasks that take
    their time before it lets the exception through; after ten seconds the process ends without
    it, also where the block was left by then: Python's own end waits for threads. A second
    signal from outside kills.
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
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE, _PATIENCE)
    Terminated.any_came = True
    Terminated.came = number == signal.SIGTERM
    raise Terminated if Terminated.came else KeyboardInterrupt


def _without_interrupts(
    dropped: sys.UnraisableHookArgs, tell: Callable[[sys.UnraisableHookArgs], object]
) -> None:
    """Python would print a traceback of the exception that it dropped; it is raised again."""
    if not isinstance(dropped.exc_value, KeyboardInterrupt):
        tell(dropped)


def _insist(number: int, frame: FrameType | None) -> None:
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return
        error = error.__cause__ or error.__context__
    raise Terminated if Terminated.came else KeyboardInterrupt
