"""The tables of configuration.md, from the declared options and models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING
from typing import TYPE_CHECKING, Final

import click

from exporter.cli.options import ENV_PREFIX, declaration_of
from exporter.cli.root import commands, own_options, root
from exporter.config.kinds import FLAG
from exporter.config.labels import FamilyRule, TeamRule
from exporter.config.model import Discount, Source
from exporter.config.options import Option, declared

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MODELS: Final = {"source": Source, "family": FamilyRule, "team": TeamRule, "discount": Discount}
_MARK: Final = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
#: Keys of the file that are no options.
_TOP: Final = (
    (
        "`team_tag`",
        "a string",
        "",
        "–",
        "The tag that names the team of a job, if no rule matches.",
    ),
    (
        "`local_storage_families`",
        "a list of strings",
        "as shipped",
        "–",
        "Instance families that pay no ML storage.",
    ),
)


def fill(page: str) -> str:
    """Return configuration.md with its tables of keys as the program has them now."""
    return _MARK.sub(lambda mark: f"{mark[1]}\n{_table_of(mark[2])}\n\n{mark[3]}", page)


def _table_of(name: str) -> str:
    if name == "global":
        rows = [*_rows(root, []), *_TOP]
        return _markdown(("key", "value", "default", "environment", "meaning"), rows)
    if name == "commands":
        return "\n\n".join(_tables_of_commands())
    columns = ("key", "value", "default", "meaning")
    return _markdown(columns, list(_model_rows(_MODELS[name])))


def _model_rows(model: type[DataclassInstance]) -> Iterator[tuple[str, ...]]:
    for field, option in declared(model):
        if field.default is MISSING:
            default = "required"
        elif field.default in (None, ()):
            default = ""
        else:
            default = _literal(field.default)
        yield f"`{field.name}`", _value(option), default, option.text


def _tables_of_commands() -> Iterator[str]:
    for name, command in commands(click.Context(root)).items():
        rows = list(_rows(command, name.split("-")))
        if rows:
            columns = ("key", "value", "default", "environment", "meaning")
            yield f"### `[{name}]`\n\n{_markdown(columns, rows)}"


def _rows(command: click.Command, words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for key, item in own_options(command).items():
        option = declaration_of(item)
        # A file cannot name itself.
        name = "–" if command is root and key == "config" else f"`{key}`"
        default = item.default if isinstance(item.default, str | int | float) else None
        if option.kind is FLAG and not default:
            default = False
        shown = "" if default is None else _literal(default)
        variable = "_".join([ENV_PREFIX, *words, key]).upper()
        yield name, _value(option), shown, f"`{variable}`", option.text


def _value(option: Option) -> str:
    expected = option.kind.expected
    return f"a list, each {expected}" if option.repeatable else expected


def _literal(value: object) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines: list[Sequence[str]] = [columns, ["---"] * len(columns)]
    lines += rows
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
