"""Read every message that ends a command, warns, or stands under a report, from the sources.

A template is a message with `…` in the place of each value that the program fills in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from exporter import errors
from tests.docs.pages import ROOT

#: Functions whose first argument becomes a warning.
_WARNERS = {"notify", "_notify"}
#: Folders whose warnings a user of `sync` can see. Other notices report what a command did.
_WARNING = ("syncing", "store", "config/stored", "unattended")
#: The file with the lines that stand under every report.
_NOTES = "reports/notes.py"
#: Functions that return a message for somebody else to raise: alone, or as the first of a tuple.
_RETURNING = {"_credential_fault", "breach"}


class Template(NamedTuple):
    """A message in the sources.

    Attributes:
        module: The file that has it, relative to `exporter/`.
        text: The message with `…` for each value; empty if the sources compute all of it.
        code: The expression; for messages that are computed.
    """

    module: str
    text: str
    code: str


@cache
def templates() -> list[Template]:
    """Return every message, in the order of the files."""
    trees = {
        path.relative_to(ROOT / "exporter").as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted((ROOT / "exporter").rglob("*.py"))
        if "simulator" not in path.parts
    }
    names = set(_error_names(trees))
    # A class with an __init__ of its own makes its message there; its callers give the parts.
    names -= {each.name for tree in trees.values() for each in _with_own_message(tree, names)}
    found = []
    for module, tree in trees.items():
        for node in _messages(module, tree, names):
            found.append(Template(module, _text(node), ast.unparse(node)))
    return found


def _error_names(trees: Mapping[str, ast.Module]) -> Iterator[str]:
    """Yield the name of every class of errors, wherever it is defined."""
    names = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ExporterError)
    }
    yield from names
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(base, ast.Name) and base.id in names for base in node.bases
            ):
                names.add(node.name)
                yield node.name


def _messages(module: str, tree: ast.Module, names: set[str]) -> Iterator[ast.expr]:
    called = {*names, "common_class", "error_class"}
    if module.startswith(_WARNING):
        called |= _WARNERS
    for each in _with_own_message(tree, set(_error_names({module: tree}))):
        yield from _given_to_base(each)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function, args=[first, *_]) if _called(function) in called:
                if not _passes_on(first):
                    yield first
            case ast.Call(func=ast.Name("_complain"), args=[_, message]) if _text(message):
                yield message
            case ast.Call(func=ast.Name("Note"), args=[_, note, *_]) if module == _NOTES:
                yield note
            case ast.Tuple(elts=[ast.Name(name), message, *_]) if name in names and _text(message):
                yield message  # a table: the class, then its message
            case ast.FunctionDef(name=name) if name in _RETURNING:
                yield from _returned(node)


def _with_own_message(tree: ast.Module, names: set[str]) -> Iterator[ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in names and any(_given_to_base(node)):
            yield node


def _given_to_base(error: ast.ClassDef) -> Iterator[ast.expr]:
    """Yield the first argument of `super().__init__` if it is a message, not a parameter."""
    for node in ast.walk(error):
        match node:
            case ast.Call(func=ast.Attribute(attr="__init__"), args=[first, *_]) if _text(first):
                yield first


def _returned(function: ast.FunctionDef) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        match node:
            case ast.Return(value=ast.Tuple(elts=[first, *_])) if _text(first):
                yield first
            case ast.Return(value=ast.JoinedStr() as text):
                yield text


def _called(function: ast.expr) -> str:
    """Return the last name of what is called; of `common_class(…)(…)` the first one's."""
    if isinstance(function, ast.Call):
        return _called(function.func)
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _passes_on(node: ast.expr) -> bool:
    """Return whether an argument is the message of another error, or a class or a list of them."""
    code = ast.unparse(node)
    return code in {"message", "text", "errors", "str(other)", "problem"} or code.endswith(
        (".message", ".format(**words)")
    )


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts
            )
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
        case ast.Call(func=ast.Attribute(value=text, attr="rstrip")):
            return _text(text).rstrip(".")
        case ast.Call(func=ast.Attribute(attr="join"), args=[ast.List(elts=[first, *_])]):
            return _text(first)  # of several lines, the first one says what happened
    return ""
