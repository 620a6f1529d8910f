"""The configuration file `sagemaker-exporter.toml`: where it is, and what it may say.

The tables that only the file has – `[[source]]`, `[accounts]`, `[[family]]`, `[[team]]`,
`[[discount]]` – are read against their models at once. The options of commands (top-level keys,
`[sync]`, `[report]`, …) are read against the commands that declare them, by `read_options`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from exporter.config.kinds import ACCOUNT, REGION_OR_ALL, TEXT
from exporter.config.labels import FamilyRule, LabelRules, TeamRule
from exporter.config.model import Configuration, Discount, Source
from exporter.config.options import Model, Option, declared, shown
from exporter.errors import UsageError
from exporter.text import did_you_mean

FILE_NAME: Final = "sagemaker-exporter.toml"

#: Keys of the file that are no option of a command: name -> what it must be.
TABLES: Final = {
    "source": "an array of tables, [[source]]",
    "accounts": "a table, [accounts], of account IDs and names",
    "family": "an array of tables, [[family]]",
    "team": "an array of tables, [[team]]",
    "team_tag": "the key of a tag, a string",
    "discount": "an array of tables, [[discount]]",
    "local_storage_families": "a list of instance families such as g5",
}


@dataclass(frozen=True)
class ConfigFile:
    """What a configuration file says; all empty without one.

    Attributes:
        path: The file; None = there is none.
        options: Global options, as written.
        commands: Command (its words joined by `-`) -> its options, as written.
        sources: The `[[source]]` tables, in order.
        configuration: The part that reports see.
    """

    path: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    commands: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    configuration: Configuration = field(default_factory=Configuration)

    def tables(self) -> Iterator[tuple[str, Any]]:
        """Yield each key and value of the tables that only the file has."""
        configuration = self.configuration
        for number, source in enumerate(self.sources, 1):
            yield from _set_fields(f"source {number}", source)
        for account, name in configuration.accounts.items():
            yield f"accounts.{account}", name
        for number, family in enumerate(configuration.rules.families, 1):
            pattern = family.pattern
            yield f"family {number}", pattern.pattern if pattern else f"tag {family.tag}"
        for number, team in enumerate(configuration.rules.teams, 1):
            yield from _set_fields(f"team {number}", team)
        if configuration.rules.team_tag:
            yield "team_tag", configuration.rules.team_tag
        if configuration.local_storage_families is not None:
            yield "local_storage_families", configuration.local_storage_families
        for number, discount in enumerate(configuration.discounts, 1):
            yield from _set_fields(f"discount {number}", discount)


def find(cwd: Path, user_directory: Path) -> Path | None:
    """Return the file in use if none is named: the working directory's, else the user's."""
    for directory in (cwd, user_directory):
        # Under `sudo -u` or in a container, the home may be a folder that this user may not enter.
        with suppress(PermissionError):
            if (path := directory / FILE_NAME).is_file():
                return path
    return None


def read(path: Path) -> ConfigFile:
    """Read and check a configuration file.

    Raises:
        UsageError: It cannot be read, is not TOML, or one of its own tables is wrong; the
            message names the file, the key, the value, and what was expected.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the configuration {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from None
    return parse(data, path)


def parse(data: Mapping[str, Any], path: Path) -> ConfigFile:
    """Return what parsed TOML says.

    Raises:
        UsageError: One of the file's own tables is wrong.
    """
    reader = _Reader(path)
    rest = {key: value for key, value in data.items() if key not in TABLES}
    sources = reader.sources(data.get("source", []))
    return ConfigFile(
        path=path,
        options={
            _name(key): value for key, value in rest.items() if not isinstance(value, Mapping)
        },
        commands={
            key.replace("_", "-"): {_name(name): value for name, value in table.items()}
            for key, table in rest.items()
            if isinstance(table, Mapping)
        },
        sources=sources,
        configuration=Configuration(
            rules=LabelRules(
                families=reader.tables("family", FamilyRule, data.get("family", [])),
                teams=reader.tables("team", TeamRule, data.get("team", [])),
                team_tag=reader.value(Option(kind=TEXT), "team_tag", data.get("team_tag")),
            ),
            accounts=reader.accounts(data.get("accounts", {})),
            discounts=reader.discounts(data.get("discount", []), sources),
            local_storage_families=reader.value(
                Option(kind=TEXT, repeatable=True),
                "local_storage_families",
                data.get("local_storage_families"),
            ),
        ),
    )


def regions_of_sync(file: ConfigFile) -> tuple[str, ...]:
    """Return the `region` of [sync], which applies to sources that name none.

    Raises:
        UsageError: It is not a list of regions.
    """
    wanted = Option(kind=REGION_OR_ALL, repeatable=True)
    given = file.commands.get("sync", {}).get("region", [])
    return _Reader(file.path or Path()).value(wanted, "sync.region", given) or ()


def read_options(
    file: ConfigFile,
    global_options: Mapping[str, Option],
    commands: Mapping[str, Mapping[str, Option]],
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the file's global options, and its options of each command by the command's table.

    Args:
        file: The file.
        global_options: The global options that a file may set, by key.
        commands: The options of each command, by table and key.

    Raises:
        UsageError: No command has a key, or a value is of the wrong kind; the message names the
            file, the key, the value, what was expected, and the nearest known key.
    """
    reader = _Reader(file.path)
    for key in file.options:
        if key not in global_options:
            raise reader.unknown(f"key {key!r}", key, [*global_options, *TABLES, *commands])
    for table, options in file.commands.items():
        if table not in commands:
            raise reader.unknown(f"table [{table}]", table, commands)
        for key in options:
            if key not in commands[table]:
                raise reader.misplaced(key, table, commands[table], global_options)
    values = {
        key: reader.value(global_options[key], key, value) for key, value in file.options.items()
    }
    return values, {
        table: {
            key: reader.value(commands[table][key], f"[{table}] {key}", value)
            for key, value in options.items()
        }
        for table, options in file.commands.items()
    }


def _name(key: str) -> str:
    return key.replace("-", "_")


def _set_fields(table: str, model: object) -> Iterator[tuple[str, Any]]:
    """Yield the fields that a table of the file set."""
    for name, value in vars(model).items():
        if value is not None and value is not False and value != ():
            yield f"{table}.{name}", getattr(value, "pattern", value)


class _Reader:
    """Turns values of a file into values of the models, or says which key is wrong and how."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def value(self, option: Option, key: str, value: object) -> Any:  # noqa: ANN401 - any kind
        """Return the value of a key; None stays None."""
        if value is None:
            return None
        try:
            return option.read_toml(value)
        except ValueError as error:
            raise self._wrong(key, value, str(error)) from None

    def tables(self, name: str, model: type[Model], value: object) -> tuple[Model, ...]:
        """Return the models that an array of tables describes."""
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise self._wrong(name, value, f"{TABLES[name]}.")
        return tuple(
            self._table(f"[[{name}]] {number}", model, item) for number, item in enumerate(value, 1)
        )

    def sources(self, value: object) -> tuple[Source, ...]:
        """Return the sources, each with a name of its own; those without one are numbered."""
        if isinstance(value, list):
            value = [
                {"name": f"source {number}", **each} if isinstance(each, Mapping) else each
                for number, each in enumerate(value, 1)
            ]
        sources = self.tables("source", Source, value)
        names = [source.name for source in sources]
        for name in names:
            if names.count(name) > 1:
                raise self._wrong("[[source]] name", name, "a name that no other source has.")
        return sources

    def discounts(self, value: object, sources: Sequence[Source]) -> tuple[Discount, ...]:
        """Return the discounts; one that names a source names one of these."""
        names = [source.name for source in sources]
        discounts = self.tables("discount", Discount, value)
        for discount in discounts:
            if discount.source is not None and discount.source not in names:
                expected = f"the name of a [[source]].{did_you_mean(discount.source, names)}"
                raise self._wrong("[[discount]] source", discount.source, expected)
        return discounts

    def accounts(self, value: object) -> dict[str, str]:
        """Return the names of accounts by their IDs."""
        if not isinstance(value, Mapping):
            raise self._wrong("accounts", value, f"{TABLES['accounts']}.")
        return {
            self.value(Option(kind=ACCOUNT), "[accounts] id", account): self.value(
                Option(kind=TEXT), f"[accounts] {account}", name
            )
            for account, name in value.items()
        }

    def unknown(self, what: str, word: str, known: Iterable[str]) -> UsageError:
        """Return the error that names an unknown word, the nearest known one, and all of them."""
        return UsageError(
            f"{self._path}: unknown {what}.{did_you_mean(word, known)}",
            f"Known: {', '.join(known)}.",
        )

    def misplaced(
        self, key: str, table: str, known: Iterable[str], global_options: Collection[str]
    ) -> UsageError:
        """Return the error that names a key which the table of a command does not take."""
        if key in global_options:
            return UsageError(
                f"{self._path}: {key!r} in [{table}] is a global option.",
                "Put it above the first table.",
            )
        return self.unknown(f"key {key!r} in [{table}]", key, known)

    def _table(self, where: str, model: type[Model], table: Mapping[str, Any]) -> Model:
        known = {each.name: option for each, option in declared(model)}
        values = {}
        for key, value in table.items():
            if _name(key) not in known:
                raise self.unknown(f"key {key!r} in {where}", key, known)
            values[_name(key)] = self.value(known[_name(key)], f"{where} {key}", value)
        for each in fields(model):
            if each.default is MISSING and each.name not in values:
                raise UsageError(f"{self._path}: {where} needs {each.name}.")
        try:
            return model(**values)
        except ValueError as error:
            raise UsageError(f"{self._path}: {where} {error}.") from None

    def _wrong(self, key: str, value: object, expected: str) -> UsageError:
        value = shown(key.split()[-1], value)
        return UsageError(f"{self._path}: {key} = {value}: expected {expected}")
