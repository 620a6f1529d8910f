"""Writes a commented `sagemaker-exporter.toml` that names every key, with an example for each.

The keys and their texts come from the declared options and models. A line that begins with `#`
and no space is a setting that is off: without the `#`, it is valid TOML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from exporter.config.kinds import FLAG
from exporter.config.labels import FamilyRule, TeamRule
from exporter.config.model import FILTERS, Discount, Source
from exporter.config.options import Option, declared

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_WIDTH: Final = 80
#: Keys that a file should not set: they belong to one call of a command.
_OF_ONE_CALL: Final = frozenset({"json", "output", "next_token"})
#: Keys of [sync] that a file should not set. A filter would make every sync a one-off, and
#: [[source]] replaces the other keys.
_OF_ONE_SYNC: Final = frozenset({*FILTERS, "profile", "role_arn", "external_id"})
#: Example values of options without a default, by the word that stands for a value in --help.
_EXAMPLES: Final[Mapping[str | None, object]] = {
    "AGE": "2h",
    "CSV": "rates.csv",
    "DAY": "2026-10-01",
    "DIMENSION": "family",
    "FILE": "sagemaker-exporter.out",
    "ID": "123456789012",
    "N": 20,
    "NAME=VALUE": "top=20",
    "REGION": "eu-west-1",
    "SECRET": "a-long-random-text",
    "TIME": "30d",
    "URL": "https://example.com/ping",
    "USD": 100,
    "YYYY-MM": "2026-10",
}
_HEAD: Final = """\
# Configuration of sagemaker-exporter.
#
# Every setting here is off. To turn one on, remove the # that begins its line, and the # of the
# [table] above it. `sagemaker-exporter config check` validates the file, and
# `sagemaker-exporter config show` prints the values in force.
"""
#: Table of the file -> its model, what it is for, and example tables.
_TABLES: Final[
    Sequence[tuple[str, type[DataclassInstance], str, Sequence[Mapping[str, object]]]]
] = (
    (
        "source",
        Source,
        "A way into accounts: a profile, a role, or both. Repeat it for each one. Without it, sync "
        "uses your default profile.",
        [
            {
                "name": "production",
                "profile": "default",
                "role_arn": "arn:aws:iam::123456789012:role/reader",
                "external_id": "the-id-that-the-role-expects",
                "regions": ["eu-west-1", "us-east-1"],
                "exclude_regions": ["us-west-1"],
                "optional": False,
            }
        ],
    ),
    (
        "family",
        FamilyRule,
        "A rule for job families: pattern or tag. The first one that matches counts; the built-in "
        "rules follow.",
        [{"pattern": "^(?P<family>[a-z]+)-run-"}, {"tag": "Model"}],
    ),
    (
        "team",
        TeamRule,
        "A rule for teams. A job must match every key that is set; the first rule that matches "
        "counts. Then team_tag above counts.",
        [
            {"team": "vision", "tag": "Project", "value": "^vision-"},
            {"team": "language", "name": "^(bert|gpt)-"},
            {"team": "research", "role": "role/research-", "account": "^123456789012$"},
        ],
    ),
    (
        "discount",
        Discount,
        "A discount on list prices. If several fit an account and a component, the last one "
        "counts.",
        [
            {"percent": 12.5},
            {"percent": 20, "account": "123456789012", "component": "Training Warm Pool"},
            {"percent": 15, "source": "production"},
        ],
    ),
)


@dataclass(frozen=True)
class Entry:
    """An option that a file may set.

    Attributes:
        key: Its key.
        option: How it is declared.
        default: Its value if nothing sets it; None = none.
    """

    key: str
    option: Option
    default: object = None


def write(global_options: Iterable[Entry], commands: Mapping[str, Iterable[Entry]]) -> str:
    """Return the text of the file.

    Args:
        global_options: The global options.
        commands: The options of each command, by its table.
    """
    return "\n".join([_HEAD, *_globals(global_options), *_own_tables(), *_command_tables(commands)])


def _globals(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        yield _setting(entry.key, _value(entry), entry.option.text)
    yield _setting("team_tag", "Team", "The tag that names the team of a job, if no rule matches.")
    yield _setting(
        "local_storage_families",
        ["g5", "p4d"],
        "Instance families that pay no ML storage. Default: the list of the program.",
    )


def _own_tables() -> Iterator[str]:
    yield _comment("Names of accounts, for reports.")
    yield '#[accounts]\n#123456789012 = "production"\n'
    for name, model, text, examples in _TABLES:
        keys = [f"{each.name}: {option.text}" for each, option in declared(model)]
        yield "\n".join([_comment(text), *map(_comment, keys)])
        for example in examples:
            lines = [f"#{key} = {_toml(value)}" for key, value in example.items()]
            yield "\n".join([f"#[[{name}]]", *lines, ""])


def _command_tables(commands: Mapping[str, Iterable[Entry]]) -> Iterator[str]:
    for table, entries in commands.items():
        left_out = _OF_ONE_CALL | (_OF_ONE_SYNC if table == "sync" else frozenset())
        kept = [entry for entry in entries if entry.key not in left_out]
        if kept:
            yield f"# Options of `{table.replace('-', ' ', 1)}`.\n#[{table}]\n"
        for entry in kept:
            yield _setting(entry.key, _value(entry), entry.option.text)


def _value(entry: Entry) -> object:
    kind = entry.option.kind
    if entry.default is not None:
        return entry.default
    if kind is FLAG:
        return False
    value = kind.words[0] if kind.words else _EXAMPLES.get(entry.option.metavar, "text")
    return [value] if entry.option.repeatable else value


def _setting(key: str, value: object, text: str) -> str:
    return f"{_comment(text)}\n#{key} = {_toml(value)}\n"


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in wrap(text, _WIDTH - 2, break_on_hyphens=False))


def _toml(value: Any) -> str:  # noqa: ANN401 - any value of TOML
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        # JSON escapes as TOML does.
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
