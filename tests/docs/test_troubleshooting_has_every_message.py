"""docs/troubleshooting.md has every message of the sources, with a remedy, and no other message."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from exporter import errors
from exporter.cli import main
from tests.docs.messages import Template, templates
from tests.docs.pages import read

PAGE = "docs/troubleshooting.md"
_MESSAGE = re.compile(r"^- `(.+)`$", re.MULTILINE)
#: Templates with so few words of their own that they would match anything, and what the page says.
_COMPUTED = {
    ("commands/report.py", "reason"): "NAME is N USD, over the limit of N USD.",
    ("config/file.py", "…: … …."): "FILE: TABLE REASON.",
    ("bills/parts.py", "…: …."): "FILE: REASON.",
    ("sagemaker/failures.py", "_sentence(error)"): "REASON.",
    ("sagemaker/sessions.py", "…."): "REASON.",
    ("web/site/statement.py", "found.stderr.decode(errors='replace').strip()"): "REASON.",
    ("syncing/lookup.py", "…: … …"): "ACCOUNT: MESSAGE WHAT-HAPPENS-INSTEAD",
    ("syncing/outcome.py", "… …"): "N scopes complete, N failed: LIST",
}
#: Messages of click, and a command line that ends with each.
_OF_CLICK = {
    "No such option '--OPTION'.": ["report", "--option"],
    "Missing argument 'NAME'.": ["job"],
    "Option '--OPTION' requires an argument.": ["jobs", "--region"],
    "Got unexpected extra argument (TEXT)": ["config", "check", "TEXT"],
    "Invalid value for '--OPTION': 'TEXT' is not WHAT.": ["jobs", "--status", "TEXT"],
    "Invalid value for VARIABLE: 'TEXT' is not WHAT.": ["jobs"],
}
_FEW = 3


def documented() -> list[str]:
    return _MESSAGE.findall(read(PAGE))


def plain(template: Template) -> str:
    """Return the text in one line, without backticks, and with `…` for each value."""
    text = re.sub(r"\{\w+\}", "…", template.text.replace("`", ""))
    return " ".join(text.split()) or template.code


def own_words(template: Template) -> bool:
    return len(re.findall(r"[a-zA-Z]", plain(template))) >= _FEW if template.text else False


def pattern(template: Template) -> re.Pattern[str]:
    parts = re.split("…+", plain(template))
    return re.compile(".*".join(map(re.escape, parts)))


def test_every_message_of_the_sources_is_on_the_page() -> None:
    found = templates()
    assert len(found) > 150
    shown = documented()
    missing = [
        f"{each.module}: {plain(each)}"
        for each in found
        if own_words(each) and not any(pattern(each).fullmatch(message) for message in shown)
    ]
    assert not missing, f"add these to {PAGE}"
    computed = {(each.module, plain(each)) for each in found if not own_words(each)}
    assert computed == set(_COMPUTED)
    assert set(_COMPUTED.values()) <= set(shown)


def test_every_message_on_the_page_is_in_the_sources() -> None:
    known = [pattern(each) for each in templates() if own_words(each)]
    for message in set(documented()) - set(_COMPUTED.values()) - _OF_CLICK.keys():
        assert any(each.fullmatch(message) for each in known), message


@pytest.mark.parametrize("message", _OF_CLICK)
def test_a_message_of_click_is_as_on_the_page(
    message: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message in documented()
    if "VARIABLE" in message:
        monkeypatch.setenv("SAGEMAKER_EXPORTER_JOBS_STATUS", "TEXT")
    assert main(_OF_CLICK[message]) == 2
    words = re.split(r"OPTION|NAME|TEXT|VARIABLE|WHAT", message.rstrip("."))
    assert re.match(
        "sagemaker-exporter: " + ".+".join(map(re.escape, words)), capfd.readouterr().err
    )


def test_no_message_is_on_the_page_twice() -> None:
    shown = documented()
    assert len(set(shown)) == len(shown)


def test_every_group_of_messages_has_a_remedy() -> None:
    for part in re.split(r"^#+ ", read(PAGE), flags=re.MULTILINE):
        if _MESSAGE.search(part):
            assert "**Remedy.**" in part, part.splitlines()[0]


def test_every_exit_code_of_an_error_is_explained() -> None:
    codes = {each.exit_code for each in _classes(errors.ExporterError)}
    named = set(map(int, re.findall(r"(?:[Ee]xit|the) code (?:is |is the )?(\d)", read(PAGE))))
    assert named >= codes


def _classes(base: type[errors.ExporterError]) -> Iterator[type[errors.ExporterError]]:
    yield base
    for each in base.__subclasses__():
        yield from _classes(each)
