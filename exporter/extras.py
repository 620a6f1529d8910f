"""Libraries of optional extras, and what to say when one is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from exporter.errors import UsageError


class MissingExtra(UsageError):
    """A command needs an extra that is not installed (exit 2)."""


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
