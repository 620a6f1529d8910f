"""How messages name options: as the flags of a command, or as the arguments of a Python function.

A message is made deep in the program, and is often a part of another one. So its words are chosen
where it is made, as gettext chooses a language: `named("month")` is `--month`, but `month=` while a
function of `exporter.api` runs. A new thread needs a copy of the context of the one that starts it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Final, ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Returned = TypeVar("_Returned")

_IS_PYTHON: Final = ContextVar("is_python", default=False)


def in_python(function: Callable[_Parameters, _Returned]) -> Callable[_Parameters, _Returned]:
    """Let the messages of a function name options as its arguments."""

    @wraps(function)
    def call(*args: _Parameters.args, **values: _Parameters.kwargs) -> _Returned:
        token = _IS_PYTHON.set(True)
        try:
            return function(*args, **values)
        finally:
            _IS_PYTHON.reset(token)

    return call


def is_python() -> bool:
    """Return whether a Python function reads the messages, and no command."""
    return _IS_PYTHON.get()


def named(option: str, value: object = None, *, word: str = "", flag: str = "") -> str:
    """Return an option by name: `--max-rps`, or `max_rps=`.

    Args:
        option: The name of its field in its model, which is its argument in Python.
        value: A value that follows the name; a flag stands alone for True or False; None = none.
        word: A word such as FILE that stands for a value.
        flag: How a command writes it, if not as the field with hyphens.
    """
    text = word or ("" if value is None else repr(value))
    if is_python():
        return f"{option}={text}"
    flag = flag or f"--{option.replace('_', '-')}"
    return flag if isinstance(value, bool) else f"{flag} {text}".rstrip()


def param(name: str, word: str) -> str:
    """Return a parameter of a report with a value: `--param top=5`, or `params={'top': 5}`."""
    if not is_python():
        return f"--param {name}={word}"
    return f"params={{{name if name.isupper() else repr(name)}: {word}}}"


def command(name: str, **words: str) -> str:
    """Return a command that is a Python function, too: `sagemaker-exporter sync`, or `sync()`.

    Args:
        name: The command and function.
        words: Options, each with a word that stands for its value.
    """
    given = [named(option, word=word) for option, word in words.items()]
    if is_python():
        return f"`{name}({', '.join(given)})`"
    return f"`{' '.join(['sagemaker-exporter', name, *given])}`"
