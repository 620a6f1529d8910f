"""The configuration file `sagemaker-exporter.toml`: where it is, and what it may say.

Options of the command line (top-level keys, `[sync]`, `[report]`, …) pass through as they are:
the command line knows their types. The tables that only the file has – `[[source]]`,
`[accounts]`, `[[family]]`, `[[team]]`, `[[discount]]` – are checked here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter.errors import UsageError
from exporter.text import did_you_mean

if TYPE_CHECKING:  # importing these pulls the whole of syncing in: too slow for --help
    from exporter.config.labels import LabelRules
    from exporter.config.model import Configuration, Discount, Source

FILE_NAME: Final = "sagemaker-exporter.toml"

#: What `discount.component` may be: the components of the table `prices`.
COMPONENTS: Final = (
    "Training",
    "Training Warm Pool",
    "Training ML storage",
    "Training Warm Pool ML storage",
)
#: Keys of the file that are no option of a command: name -> what it must be.
TABLES: Final = {
    "source": "an array of tables, [[source]]",
    "accounts": "a table, [accounts], of account ids and names",
    "family": "an array of tables, [[family]]",
    "team": "an array of tables, [[team]]",
    "team_tag": "the key of a tag, a string",
    "discount": "an array of tables, [[discount]]",
    "local_storage_families": "a list of instance families such as g5",
}


@dataclass(frozen=True)
class Settings:
    """What a configuration file says; all empty without one.

    Attributes:
        path: The file; None = there is none.
        options: Global options, as written.
        commands: Command (its words joined by `-`) -> its options, as written.
        accounts: Account id -> name.
        discounts: In the order of the file.
        team_tag: Tag that names the team where no `[[team]]` does.
        local_storage_families: Instance families not charged for storage; None = as shipped.
    """

    path: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    commands: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    discounts: tuple[Discount, ...] = ()
    team_tag: str | None = None
    local_storage_families: tuple[str, ...] | None = None
    _sources: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    _families: tuple[Mapping[str, Any], ...] = ()
    _teams: tuple[Mapping[str, Any], ...] = ()

    def sources(self) -> tuple[Source, ...]:
        """The `[[source]]` tables, in order."""
        from exporter.config.model import Source

        return tuple(Source(**values) for values in self._sources)

    def configuration(self) -> Configuration:
        """What of it reports see; the next sync puts it into the database."""
        from exporter.config.model import Configuration

        return Configuration(
            self.rules(), self.accounts, self.discounts, self.local_storage_families
        )

    def rules(self) -> LabelRules:
        """The `[[family]]` and `[[team]]` tables and `team_tag`."""
        from exporter.config.labels import FamilyRule, LabelRules, TeamRule

        return LabelRules(
            families=tuple(FamilyRule(**values) for values in self._families),
            teams=tuple(TeamRule(**values) for values in self._teams),
            team_tag=self.team_tag,
        )


def find(cwd: Path, user_directory: Path) -> Path | None:
    """The file in use where none is named: the working directory's, else the user's."""
    for directory in (cwd, user_directory):
        # A home that is somebody else's (`sudo -u`, a container's user) has nothing for us.
        with suppress(PermissionError):
            if (path := directory / FILE_NAME).is_file():
                return path
    return None


def read(path: Path) -> Settings:
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


def parse(data: Mapping[str, Any], path: Path) -> Settings:
    """The settings in parsed TOML.

    Raises:
        UsageError: One of the file's own tables is wrong.

    """
    check = _Check(path)
    own = {key: value for key, value in data.items() if key in TABLES}
    rest = {key: value for key, value in data.items() if key not in TABLES}
    settings = Settings(
        path=path,
        options={_name(key): value for key, value in rest.items() if not _is_table(value)},
        commands={
            key.replace("_", "-"): {_name(name): value for name, value in table.items()}
            for key, table in rest.items()
            if isinstance(table, Mapping)
        },
        accounts=check.accounts(own.get("accounts", {})),
        discounts=tuple(
            _discount(values) for values in check.tables("discount", own.get("discount", []))
        ),
        team_tag=check.text("team_tag", own["team_tag"]) if "team_tag" in own else None,
        local_storage_families=check.texts("local_storage_families", own["local_storage_families"])
        if "local_storage_families" in own
        else None,
        _sources=check.tables("source", own.get("source", [])),
        _families=check.tables("family", own.get("family", [])),
        _teams=check.tables("team", own.get("team", [])),
    )
    check.sources_by_name(settings._sources, settings.discounts)
    return settings


def _discount(values: Mapping[str, Any]) -> Discount:
    from exporter.config.model import Discount

    return Discount(**values)


def _name(key: str) -> str:
    return key.replace("-", "_")


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


class _Check:
    """Turns values of the file into values of ours, or says what is wrong with which key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wrong(self, key: str, value: object, expected: str, hint: str = "") -> UsageError:
        shown = "…" if key.endswith("external_id") else repr(value)
        return UsageError(f"{self._path}: {key} = {shown}: expected {expected}.{hint}")

    def text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise self.wrong(key, value, "a string that is not empty")
        return value

    def flag(self, key: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.wrong(key, value, "true or false")
        return value

    def texts(self, key: str, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if not isinstance(value, list):
            raise self.wrong(key, value, "a list of strings")
        return tuple(self.text(key, item) for item in value)

    def pattern(self, key: str, value: object) -> re.Pattern[str]:
        try:
            return re.compile(self.text(key, value))
        except re.error as error:
            raise self.wrong(key, value, f"a regular expression ({error})") from None

    def family(self, key: str, value: object) -> re.Pattern[str]:
        pattern = self.pattern(key, value)
        if "family" not in pattern.groupindex:
            raise self.wrong(key, value, "a regular expression with a group (?P<family>…)")
        return pattern

    def percent(self, key: str, value: object) -> Decimal:
        expected = "a number of per cent from 0 to 100"
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self.wrong(key, value, expected)
        try:
            percent = Decimal(str(value))
        except InvalidOperation:
            raise self.wrong(key, value, expected) from None
        if not percent.is_finite() or not 0 <= percent <= 100:
            raise self.wrong(key, value, expected)
        return percent

    def account(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"\d{12}", value, re.ASCII):
            raise self.wrong(key, value, "an account id, a string of 12 digits")
        return value

    def component(self, key: str, value: object) -> str:
        if value not in COMPONENTS:
            hint = did_you_mean(str(value), COMPONENTS)
            raise self.wrong(key, value, "one of " + ", ".join(COMPONENTS), hint)
        return str(value)

    def accounts(self, value: object) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise self.wrong("accounts", value, TABLES["accounts"])
        return {
            self.account("[accounts] id", key): self.text(f"[accounts] {key}", name)
            for key, name in value.items()
        }

    def tables(self, kind: str, value: object) -> tuple[dict[str, Any], ...]:
        if not isinstance(value, list) or not all(map(_is_table, value)):
            raise self.wrong(kind, value, TABLES[kind])
        return tuple(self._table(kind, number, item) for number, item in enumerate(value, 1))

    def _table(self, kind: str, number: int, table: Mapping[str, Any]) -> dict[str, Any]:
        where = f"[[{kind}]] {number}"
        kinds = _KEYS[kind]
        values: dict[str, Any] = {"name": f"source {number}"} if kind == "source" else {}
        for key, value in table.items():
            if _name(key) not in kinds:
                known = ", ".join(kinds)
                raise UsageError(
                    f"{self._path}: unknown key {key!r} in {where}.{did_you_mean(key, kinds)}",
                    f"Known: {known}.",
                )
            values[_name(key)] = kinds[_name(key)](self, f"{where} {key}", value)
        for choice in _NEEDS[kind]:
            if not any(key in values for key in choice):
                raise UsageError(f"{self._path}: {where} needs {' or '.join(choice)}.")
        if kind == "family" and len(values) > 1:
            raise UsageError(f"{self._path}: {where} takes pattern or tag, not both.")
        if "value" in values and "tag" not in values:
            raise UsageError(f"{self._path}: {where} value needs tag, whose value it matches.")
        return values

    def sources_by_name(
        self, sources: Sequence[Mapping[str, Any]], discounts: Sequence[Discount]
    ) -> None:
        names = [source["name"] for source in sources]
        for name in names:
            if names.count(name) > 1:
                raise self.wrong("[[source]] name", name, "a name for each source alone")
        for discount in discounts:
            if discount.source is not None and discount.source not in names:
                hint = did_you_mean(discount.source, names)
                raise self.wrong(
                    "[[discount]] source", discount.source, "the name of a [[source]]", hint
                )


_KEYS: Final = {
    "source": {
        "name": _Check.text,
        "profile": _Check.text,
        "role_arn": _Check.text,
        "external_id": _Check.text,
        "regions": _Check.texts,
        "exclude_regions": _Check.texts,
        "optional": _Check.flag,
    },
    "family": {"pattern": _Check.family, "tag": _Check.text},
    "team": {
        "team": _Check.text,
        "tag": _Check.text,
        "value": _Check.pattern,
        "name": _Check.pattern,
        "role": _Check.pattern,
        "account": _Check.pattern,
    },
    "discount": {
        "percent": _Check.percent,
        "account": _Check.account,
        "component": _Check.component,
        "source": _Check.text,
    },
}
#: For each kind of table, groups of keys of which one must be there.
_NEEDS: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "source": [],
    "family": [["pattern", "tag"]],
    "team": [["team"], ["tag", "name", "role", "account"]],
    "discount": [["percent"]],
}
