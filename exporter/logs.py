"""Log lines on standard error: one an event, as text or as JSON, never with a secret.

Modules log with `logging.getLogger(__name__)`; figures go into `extra`, as in
`log.info("page", extra={"run_id": …, "scope": …, "jobs": 100})`, and come out as
`key=value` or as keys of the JSON object, whose fixed keys are `time`, `level` and `event`.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from exporter.redaction import redact
from exporter.text import visible
from exporter.times import format_time

#: What makes a log record a record; everything else on it came in by `extra`.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Formatter(logging.Formatter):
    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        found = {
            key: format_time(value) if isinstance(value, datetime) else value
            for key, value in vars(record).items()
            if key not in _OWN
        }
        if record.exc_info and record.exc_info[0] is not None:
            found["error"] = f"{record.exc_info[0].__name__}: {record.exc_info[1]}"
        return found

    def time(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextFormatter(_Formatter):
    """`2026-10-03T12:00:00.000Z INFO page scope=… jobs=100`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        fields = " ".join(
            f"{key}={_word(value)}"
            for key, value in self.fields(record).items()
            if value is not None
        )
        text = f"{self.time(record)} {record.levelname} {record.getMessage()} {fields}"
        return visible(redact(text.rstrip()))


def _word(value: object) -> str:
    """A value that stays one word: in quotes where it has spaces or quotes of its own."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(' "') else text


class JsonFormatter(_Formatter):
    """One JSON object a line: time, level, event, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        event = {
            "time": self.time(record),
            "level": record.levelname.lower(),
            "event": redact(record.getMessage()),
        }
        for key, value in self.fields(record).items():
            plain = value is None or isinstance(value, int | float)
            event.setdefault(key, value if plain else redact(str(value)))
        return json.dumps(event)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at that moment: a progress bar may stand before it."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Ignore what the base class would keep."""


def line(message: str, *, level: int = logging.WARNING, style: str = "text") -> str:
    """A message for people on standard error: as it is, or as a log line of the JSON style."""
    if style == "json":
        return JsonFormatter().format(logging.LogRecord("", level, "", 0, message, None, None))
    return "\n".join(visible(part) for part in redact(message).splitlines())


def configure(
    *, verbose: int = 0, quiet: bool = False, style: str = "text", stream: TextIO | None = None
) -> None:
    """Send this program's log to `stream` (default: standard error).

    Warnings and errors show by default; `verbose` 1 adds information, 2 every detail of this
    program. Quiet leaves errors. Other libraries never log below WARNING here: botocore's
    debug log prints signed requests.
    """
    level = logging.WARNING
    if quiet:
        level = logging.ERROR
    elif verbose:
        level = logging.DEBUG if verbose > 1 else logging.INFO
    handler = logging.StreamHandler(stream) if stream else _Stderr()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        if getattr(old, "_exporter", False):
            root.removeHandler(old)
    handler._exporter = True  # type: ignore[attr-defined]  # marks ours, to replace it only
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("exporter").setLevel(level)
    logging.captureWarnings(capture=True)
    # What botocore warns of before it fails, our own error says in words of its own.
    for name in ("py.warnings", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING if verbose else logging.ERROR)
