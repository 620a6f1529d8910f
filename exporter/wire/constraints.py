"""What a botocore shape allows, compiled once into checks that run fast.

`botocore.validate` checks types, required and unknown members and lower bounds. The service
also checks upper bounds, patterns and enumerations, and has its own words for all of them.
These checks come from the same model; a test compares them with `botocore.validate`.

A check returns None or the problems that it found. A valid value, such as each row of each
page, costs no allocation.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from botocore.model import ListShape, MapShape, Shape, StructureShape


class Problem(NamedTuple):
    """One violation.

    Attributes:
        path: The place as the service writes it: `searchExpression.filters.1.member.value`.
        value: The value found there; None if it is missing.
        constraint: The rule in the words of the service; for a wrong type, the right one.
        kind: `constraint`, `type` or `unknown` (a member that the model does not have).
    """

    path: str
    value: Any
    constraint: str
    kind: str = "constraint"


Check = Callable[[Any], list[Problem] | None]

# The word of the service for a type, and the Python types that it accepts.
_SCALARS: Mapping[str, tuple[str, tuple[type[Any], ...]]] = {
    "integer": ("an Integer", (int,)),
    "long": ("an Integer", (int,)),
    "float": ("a Double", (int, float)),
    "double": ("a Double", (int, float)),
    "boolean": ("a Boolean", (bool,)),
    "timestamp": ("a Timestamp", (datetime,)),
    "blob": ("a Blob", (bytes, str)),
}


class Constraints:
    """Compiles the shapes of one service into checks, each shape once.

    Args:
        open_enums: Do not check enumerations. For answers: they may have statuses that the
            installed model does not know yet.
    """

    def __init__(self, *, open_enums: bool = False) -> None:
        self._open_enums = open_enums
        self._compiled: dict[str, Check] = {}

    def check(self, shape: Shape) -> Check:
        """Return the check of a shape; a shape may contain itself (SearchExpression)."""
        known = self._compiled.get(shape.name)
        if known is not None:
            return known
        # A reference back to this shape finds this while the shape is being compiled.
        self._compiled[shape.name] = lambda value: self._compiled[shape.name](value)
        made = self._made(shape)
        self._compiled[shape.name] = made
        return made

    def _made(self, shape: Shape) -> Check:
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        if shape.type_name == "string":
            return _string(shape, self._open_enums)
        return _scalar(shape, *_SCALARS[shape.type_name])

    def _structure(self, shape: StructureShape) -> Check:
        members = {name: (_camel(name), self.check(each)) for name, each in shape.members.items()}
        required = [(name, _camel(name)) for name in shape.metadata.get("required", ())]

        def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
            # dict first: a check for the abstract Mapping takes as long as all the rest.
            if not isinstance(value, dict) and not isinstance(value, Mapping):
                return [_wrong(value, "a structure")]
            found: list[Problem] | None = None
            for name, camel in required:
                if name not in value:
                    found = [*(found or ()), Problem(camel, None, "Member must not be null")]
            for name, each in value.items():
                member = members.get(name)
                if member is None:
                    found = [*(found or ()), Problem(str(name), each, "", "unknown")]
                    continue
                problems = member[1](each)
                if problems:
                    found = [*(found or ()), *_below(member[0], problems)]
            return found

        return check

    def _list(self, shape: ListShape) -> Check:
        size = _bounds(shape, "length")
        member = self.check(shape.member)

        def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
            if not isinstance(value, list | tuple):
                return [_wrong(value, "a list")]
            found = [Problem("", value, text) for text in size(len(value))]
            for position, each in enumerate(value, 1):
                found += _below(f"{position}.member", member(each) or [])
            return found or None

        return check

    def _map(self, shape: MapShape) -> Check:
        size = _bounds(shape, "length")
        key_check, value_check = self.check(shape.key), self.check(shape.value)

        def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
            if not isinstance(value, Mapping):
                return [_wrong(value, "a map")]
            found = [Problem("", value, text) for text in size(len(value))]
            for key, each in value.items():
                found += _below(f"{key}.key", key_check(key) or [])
                found += _below(f"{key}.value", value_check(each) or [])
            return found or None

        return check


def java_pattern(pattern: str) -> re.Pattern[str] | None:
    r"""Return a pattern of the model as a Python pattern; None if Python has no equivalent.

    The models use Java's dialect. Its Unicode classes become the nearest ones of Python, which
    match a little more: `\w` for letters, digits and marks, `\s` for separators, and every
    printable character for symbols and punctuation.
    """
    classes = {"Alnum": "a-zA-Z0-9", "L": r"\w", "N": r"\w", "M": r"\w", "Z": r"\s"}
    text = re.sub(r"\\p\{(Alnum|L|N|M|Z)\}", lambda found: classes[found[1]], pattern)
    # Nobody reads the groups, and matching is a third faster without capturing them.
    text = re.sub(r"(\\.|\[(?:\\.|[^\]\\])*\])|\((?!\?)", lambda found: found[1] or "(?:", text)
    text = re.sub(r"\\p\{[SP]\}", r"!-/:-@\[-`{-~\\u00a1-\\u2fff\\u3001-\\U0010ffff", text)
    try:
        return re.compile(text)
    except re.error:
        return None


def _string(shape: Shape, open_enums: bool) -> Check:
    size = _bounds(shape, "length")
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", float("inf"))
    text = shape.metadata.get("pattern", ".*")
    compiled = None if text == ".*" else java_pattern(text)
    matches = compiled.fullmatch if compiled else None
    names: list[str] = shape.metadata.get("enum", [])
    allowed = frozenset(names) if names and not open_enums else None

    def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
        if not isinstance(value, str):
            return [_wrong(value, "a String")]
        matched = matches is None or bool(matches(value))
        named = allowed is None or value in allowed
        if low <= len(value) <= high and matched and named:
            return None
        rules = size(len(value))
        if not matched:
            rules.append(f"Member must satisfy regular expression pattern: {text}")
        if not named:
            rules.append(f"Member must satisfy enum value set: [{', '.join(names)}]")
        return [Problem("", value, rule) for rule in rules]

    return check


def _scalar(shape: Shape, wanted: str, types: tuple[type[Any], ...]) -> Check:
    size = _bounds(shape, "value")
    bounded = shape.type_name in ("integer", "long", "float", "double")

    def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
        # bool is an int in Python, but not in JSON.
        if not isinstance(value, types) or (bounded and isinstance(value, bool)):
            return [_wrong(value, wanted)]
        return [Problem("", value, rule) for rule in size(value)] or None if bounded else None

    return check


def _bounds(shape: Shape, measure: str) -> Callable[[float], list[str]]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def check(size: float) -> list[str]:
        found = []
        if low is not None and size < low:
            found.append(f"Member must have {measure} greater than or equal to {low}")
        if high is not None and size > high:
            found.append(f"Member must have {measure} less than or equal to {high}")
        return found

    return check


def _wrong(value: object, wanted: str) -> Problem:
    return Problem("", value, wanted, "type")


def _below(prefix: str, problems: list[Problem]) -> list[Problem]:
    return [
        each._replace(path=f"{prefix}.{each.path}" if each.path else prefix) for each in problems
    ]


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
