"""The options of the configuration file, checked against the commands that take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from exporter.cli.options import SECRETS, from_file
from exporter.config import file as files
from exporter.config.file import Settings
from exporter.errors import UsageError
from exporter.text import did_you_mean


def check(
    settings: Settings, root: click.Context
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The global options, and the options of each command by the name of its table.

    Raises:
        UsageError: A key that no command has, or a value of the wrong kind; the message names
            the file, the key, the value, what was expected, and the nearest known key.
    """
    globals_ = own_options(root.command)
    globals_.pop("config", None)  # a file cannot name itself
    options = {}
    for key, value in settings.options.items():
        if key not in globals_:
            raise _unknown(settings, key, "", [*globals_, *files.TABLES, *commands(root)])
        options[key] = _checked(settings, key, globals_[key], value)
    if not settings.commands:
        return options, {}
    known = commands(root)
    tables = {}
    for name, values in settings.commands.items():
        if name not in known:
            raise UsageError(
                f"{settings.path}: unknown table [{name}].{did_you_mean(name, known)}",
                f"Known: {', '.join(known)}.",
            )
        mine = own_options(known[name])
        tables[name] = {
            key: _checked(settings, f"[{name}] {key}", mine[key], value)
            if key in mine
            else _refuse(settings, key, name, mine, globals_)
            for key, value in values.items()
        }
    return options, tables


def table_name(parent: click.Context, name: str | None) -> str:
    """The table of a command in the file: its words joined by `-`, such as `db-prune`.

    `[db.prune]` could not stand beside the global option `db = "…"`.
    """
    words = [name or ""]
    while parent.parent is not None:
        words.insert(0, parent.info_name or "")
        parent = parent.parent
    return "-".join(words)


def commands(root: click.Context) -> dict[str, click.Command]:
    """Every command that does something, by the name of its table."""
    found: dict[str, click.Command] = {}

    def walk(group: click.Group, prefix: str) -> None:
        for name in group.list_commands(root):
            command = group.get_command(root, name)
            if isinstance(command, click.Group):
                walk(command, f"{prefix}{name}-")
            elif command is not None:
                found[f"{prefix}{name}"] = command

    if isinstance(root.command, click.Group):
        walk(root.command, "")
    return found


def own_options(command: click.Command) -> dict[str, click.Option]:
    """A command's options that may come from the file, by key."""
    return {
        str(param.name): param
        for param in command.params
        if isinstance(param, click.Option) and param.expose_value
    }


def _checked(settings: Settings, key: str, option: click.Option, value: object) -> object:
    try:
        return from_file(option, value)
    except ValueError as error:
        shown = "…" if option.name in SECRETS else repr(value)
        end = "" if str(error).endswith("?") else "."
        raise UsageError(f"{settings.path}: {key} = {shown}: {error}{end}") from None


def _unknown(settings: Settings, key: str, where: str, known: Iterable[str]) -> UsageError:
    names = list(known)
    return UsageError(
        f"{settings.path}: unknown key {key!r}{where}.{did_you_mean(key, names)}",
        f"Known: {', '.join(names)}.",
    )


def _refuse(
    settings: Settings,
    key: str,
    table: str,
    known: Mapping[str, click.Option],
    globals_: Mapping[str, click.Option],
) -> object:
    if key in globals_:
        raise UsageError(
            f"{settings.path}: {key!r} in [{table}] is a global option.",
            "Put it above the first table.",
        )
    raise _unknown(settings, key, f" in [{table}]", known)
