"""Log lines: one per event, as text or JSON, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from exporter import logs
from exporter.redaction import redact


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("exporter").level)
    # A command that ran in this process left it on, and pytest has restored its own hook since.
    logging.captureWarnings(capture=False)
    yield io.StringIO()
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    logging.getLogger("exporter").setLevel(before[2])
    logging.captureWarnings(capture=False)


def test_an_event_is_one_line_with_its_figures(stream: io.StringIO) -> None:
    logs.configure(verbose=1, stream=stream)
    log = logging.getLogger("exporter.syncing")
    log.info("page read\nwith \x1b[31mcolour", extra={"scope": "1/eu-west-1", "jobs": 100})
    log.debug("not shown")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("Z INFO page read with \\x1b[31mcolour scope=1/eu-west-1 jobs=100")


def test_in_json_each_line_is_one_object(stream: io.StringIO) -> None:
    logs.configure(verbose=2, style="json", stream=stream)
    logging.getLogger("exporter").debug("page", extra={"jobs": 3, "scope": "a", "late": None})
    try:
        raise ValueError("no\nline")
    except ValueError:
        logging.getLogger("exporter").exception("failed")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {"level": "debug", "event": "page", "jobs": 3, "scope": "a", "late": None}
    assert second["error"] == "ValueError: no\nline"


def test_verbose_and_quiet_choose_the_level(stream: io.StringIO) -> None:
    for verbose, quiet, shown in (
        (0, False, "we"),
        (1, False, "iwe"),
        (2, False, "diwe"),
        (0, True, "e"),
    ):
        stream.seek(0)
        stream.truncate()
        logs.configure(verbose=verbose, quiet=quiet, stream=stream)
        log = logging.getLogger("exporter.x")
        for write, letter in (
            (log.debug, "d"),
            (log.info, "i"),
            (log.warning, "w"),
            (log.error, "e"),
        ):
            write(letter)
        assert "".join(line[-1] for line in stream.getvalue().splitlines()) == shown


def test_other_libraries_never_log_their_details(stream: io.StringIO) -> None:
    logs.configure(verbose=2, stream=stream)
    logging.getLogger("botocore.endpoint").debug("Authorization: …")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("deprecated thing", DeprecationWarning, stacklevel=1)
        logs.configure(stream=stream)
        warnings.warn("another thing", DeprecationWarning, stacklevel=1)
    assert "Authorization" not in stream.getvalue()
    assert "deprecated thing" in stream.getvalue()
    assert "another thing" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"),
        ("aws_secret_access_key=wJalrXUtnFEMI/K7MDENG", "wJalr"),
        ("https://x/?X-Amz-Signature=abcdef&a=1", "abcdef"),
        ("'ExternalId': 'hush-hush'", "hush-hush"),
        ("postgresql://me:pa55@host/db", "pa55"),
        ("token: t0ps3cret", "t0ps3cret"),
    ],
)
def test_secrets_are_redacted(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redact(text)


def test_text_without_a_secret_is_unchanged() -> None:
    text = "NextToken expired for arn:aws:sagemaker:eu-west-1:123456789012:training-job/a-1"
    assert redact(text) == text
