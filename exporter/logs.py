"""Log lines on standard error: one per event, as text or as JSON, never with a secret.

Modules log with `logging.getLogger(__name__)` and pass figures as `extra`:
`log.info("page", extra={"run_id": …, "scope": …, "jobs": 100})`. A line shows them as `key=value`,
or as keys of the JSON object beside the fixed keys `time`, `level` and `event`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

from exporter.redaction import redact
from exporter.text import visible
from exporter.times import format_time

#: The attributes of every log record; all others came in as `extra`.
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

    def timestamp(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextFormatter(_Formatter):
    """`2026-10-03T12:00:00.000Z INFO page scope=… jobs=100`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        fields = " ".join(
            f"{key}={_word(value)}"
            for key, value in self.fields(record).items()
            if value is not None
        )
        text = f"{self.timestamp(record)} {record.levelname} {record.getMessage()} {fields}"
        return visible(redact(text.rstrip()))


def _word(value: object) -> str:
    """Return a value as one word, in quotes if it contains spaces or quotes."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(' "') else text


class JsonFormatter(_Formatter):
    """One JSON object per line: time, level, event, and the fields of the event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        event = {
            "time": self.timestamp(record),
            "level": record.levelname.lower(),
            "event": redact(record.getMessage()),
        }
        for key, value in self.fields(record).items():
            plain = value is None or isinstance(value, int | float)
            event.setdefault(key, value if plain else redact(str(value)))
        return json.dumps(event)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to the current `sys.stderr`, which a progress bar replaces while it is shown."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Ignore the stream that the base class would keep."""


def line(
    message: str,
    *,
    level: int = logging.WARNING,
    style: str = "text",
    fields: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """Return a message for standard error: as it is, or as a log line in the JSON style.

    Args:
        message: The message.
        level: Its level.
        style: `text` or `json`.
        fields: What the message says, as fields of the JSON style.
    """
    if style == "json":
        record = logging.makeLogRecord({**fields, "levelno": level, "msg": message})
        record.levelname = logging.getLevelName(level)
        return JsonFormatter().format(record)
    return "\n".join(visible(part) for part in redact(message).splitlines())


def configure(
    *, verbose: int = 0, quiet: bool = False, style: str = "text", stream: TextIO | None = None
) -> None:
    """Send the log to a stream.

    Other libraries never log below WARNING: botocore's debug log contains signed requests.

    Args:
        verbose: 0 logs warnings and errors, 1 adds information, 2 every detail of this program.
        quiet: Log only errors.
        style: `text` or `json`.
        stream: Where to; None is standard error.
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
    handler._exporter = True  # type: ignore[attr-defined]  # so that the next call replaces this one
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("exporter").setLevel(level)
    logging.captureWarnings(capture=True)
    # When botocore warns and then fails, our own error message says the same.
    for name in ("py.warnings", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING if verbose else logging.ERROR)
