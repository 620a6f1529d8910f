"""The reference of library.md, from the signatures and docstrings of the functions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import exporter

_MARK: Final = re.compile(r"(<!-- functions -->\n).*?(<!-- end -->)", re.DOTALL)
_SECTIONS: Final = re.compile(r"^(Args|Returns|Raises):\n", re.MULTILINE)
_ITEM: Final = re.compile(r"^    (\S[^:]*): (.*(?:\n {8}.*)*)", re.MULTILINE)
_WIDTH: Final = 88


def fill(page: str) -> str:
    """Return library.md with its reference as the program has it now."""
    parts = "\n".join(_function(name) for name in sorted(exporter.__all__))
    return _MARK.sub(lambda mark: f"{mark[1]}\n{parts}\n{mark[2]}", page)


def _function(name: str) -> str:
    function = getattr(exporter, name)
    text = inspect.getdoc(function) or ""
    first, *rest = _SECTIONS.split(text)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    lines = [f"### {name}()", "", "```text", *_signature(name, function), "```", ""]
    lines += [_flowing(first.strip()), ""]
    lines += ["| argument | meaning |", "| --- | --- |"]
    lines += [f"| `{item}` | {_cell(note)} |" for item, note in _items(sections["Args"])]
    lines.append("")
    if "Returns" in sections:
        lines += [f"**Returns** {_one_line(sections['Returns'])}", ""]
    raised = _items(sections.get("Raises", ""))
    lines += ["**Raises**", ""] if raised else []
    for errors, why in raised:
        lines.append(f"- {', '.join(f'`{each}`' for each in errors.split(', '))}: {why}")
    return "\n".join([*lines, ""])


def _signature(name: str, function: Callable[..., Any]) -> Iterator[str]:
    """Yield the signature on one line, or with a line for each argument."""
    signature = inspect.signature(function)
    whole = f"{name}{signature}".replace("'", "")
    if len(whole) <= _WIDTH:
        yield whole
        return
    yield f"{name}("
    only_keywords = False
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not only_keywords:
            only_keywords = True
            yield "    *,"
        yield f"    {str(each).replace(chr(39), '')},"
    yield f") -> {signature.return_annotation}".replace("'", "")


def _items(text: str) -> list[tuple[str, str]]:
    return [(name, _one_line(note)) for name, note in _ITEM.findall(text)]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _flowing(text: str) -> str:
    """Return paragraphs, each on one line."""
    return "\n\n".join(map(_one_line, re.split(r"\n\s*\n", text)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
