"""Libraries of optional extras, and what to say when one is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from exporter.errors import UsageError


class MissingExtra(UsageError):
    """A command or a function needs a library that is not installed (exit 2)."""


@contextmanager
def extra(name: str, command: str) -> Iterator[None]:
    """Import the libraries of an extra in this block.

    Args:
        name: The extra, as in pyproject.toml.
        command: The command that needs it.

    Raises:
        MissingExtra: One of the libraries is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "exporter":
            raise  # a bug in this program
        raise MissingExtra(
            f"`{command}` needs the extra {name!r}.",
            f"In a checkout: pipx install --force '.[{name}]'. README has other ways.",
        ) from error


def require(library: str, function: str) -> None:
    """Import a library of the caller's own, which is in no extra.

    Args:
        library: Its name, by which it is installed and imported.
        function: The function that needs it.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import_module(library)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"`{function}` needs {library}.", f"Install it: pip install {library}."
        ) from error
