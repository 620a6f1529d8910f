"""A field of a model, declared once as an option of a command and as a key of the file.

A model is a frozen dataclass; `name: int = option(300, "What it does.", whole(0))` makes one of its
fields an option. The command line builds its flags from these declarations; the configuration file
and the Python API check their values against them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from exporter.config.kinds import FLAG, Kind
from exporter.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Model = TypeVar("Model", bound="DataclassInstance")

#: Keys whose values no message shows.
SECRETS: Final = frozenset({"external_id", "notify", "ping_url", "token"})
_KEY: Final = "option"
_LONGEST_SHOWN: Final = 200


@dataclass(frozen=True)
class Option:
    """How a field is written on a command line and in the file.

    Attributes:
        text: Its description in `--help`.
        kind: What its value must be, or each of its values if it is repeatable.
        metavar: What stands for the value in `--help`; None = what stands for its kind.
        flag: How it is written; empty = the name of the field, with hyphens.
        key: Its key in the file and in environment variables; empty = as the flag.
        repeatable: Whether it takes several values.
    """

    text: str = ""
    kind: Kind = FLAG
    metavar: str | None = None
    flag: str = ""
    key: str = ""
    repeatable: bool = False

    def read_toml(self, value: object) -> Any:  # noqa: ANN401 - each kind has a type of its own
        """Return the value of a key of the file; texts of a list may be joined by commas.

        Raises:
            ValueError: The message is what was expected.
        """
        if not self.repeatable:
            return self.kind.read_toml(value)
        values = split(value) if isinstance(value, str) else value
        if not isinstance(values, list):
            raise ValueError(f"a list, each {self.kind.expected}.")
        return tuple(self.kind.read_toml(each) for each in values)


def option(
    default: Any = MISSING,  # noqa: ANN401 - as dataclasses.field
    text: str = "",
    kind: Kind = FLAG,
    metavar: str | None = None,
    *,
    flag: str = "",
    key: str = "",
    secret: bool = False,
) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Return a dataclass field that is an option; see `Option`.

    An option whose default is a tuple is repeatable. A secret is kept out of `repr()`.
    """
    repeatable = isinstance(default, tuple)
    declaration = Option(text, kind, metavar or kind.metavar, flag, key, repeatable)
    return field(default=default, repr=not secret, metadata={_KEY: declaration})


def declared(model: type[DataclassInstance]) -> Iterator[tuple[Field[Any], Option]]:
    """Yield the fields of a model that are options, in order."""
    for each in fields(model):
        if _KEY in each.metadata:
            yield each, each.metadata[_KEY]


def read_python(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return a model made of values from Python code; each may be text, as on a command line.

    Raises:
        UsageError: A text or a number does not fit its option.
        TypeError: The model has no field of that name, or refuses a value.
    """
    found = dict(values)
    for each, declaration in declared(model):
        value = values.get(each.name)
        if each.name in values and (value is not None or each.default is not None):
            found[each.name] = read_argument(each.name, declaration.kind, value)
    return model(**found)


def read_argument(name: str, kind: Kind, value: object) -> Any:  # noqa: ANN401 - as its kind
    """Return the value of an argument of a Python function; texts are read as by a command.

    Raises:
        UsageError: A text or a number does not fit.
        TypeError: The type does not fit.
    """
    try:
        return kind.read_python(value)
    except ValueError as error:
        raise UsageError(f"{name}={shown(name, value)} is not {error}") from None
    except TypeError as error:
        raise TypeError(f"{name} must be {error}, not {shown(name, value)}") from None


def shown(key: str, value: object) -> str:
    """Return the value of a key for a message, unless it is a secret; a long one is cut."""
    if key in SECRETS:
        return "[redacted]"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def split(text: str) -> list[str]:
    """Return the parts of a list that is written with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
