"""What a botocore shape allows, compiled once into checks that run fast.

`botocore.validate` checks types, required and unknown members and lower bounds. The service
also checks upper bounds, patterns and enumerations, and has its own words for all of them.
These checks come from the same model; a test compares them with `botocore.validate`.

A check returns None or the problems that it found.
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

Rule = tuple[Callable[[Any], object], str]
"""A test that a value must pass, and the constraint in the words of the service."""

# The word of the service for a type, and the Python types of its values. bool is no int in JSON.
_SCALARS: Mapping[str, tuple[str, frozenset[type]]] = {
    "string": ("a String", frozenset({str})),
    "integer": ("an Integer", frozenset({int})),
    "long": ("an Integer", frozenset({int})),
    "float": ("a Double", frozenset({int, float})),
    "double": ("a Double", frozenset({int, float})),
    "boolean": ("a Boolean", frozenset({bool})),
    "timestamp": ("a Timestamp", frozenset({datetime})),
    "blob": ("a Blob", frozenset({bytes, str})),
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
        return self._scalar(shape)

    def _structure(self, shape: StructureShape) -> Check:
        members = {name: self.check(each) for name, each in shape.members.items()}
        required = shape.metadata.get("required", ())

        def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
            # dict first: a check for the abstract Mapping takes as long as all the rest.
            if not isinstance(value, dict | Mapping):
                return [_wrong(value, "a structure")]
            found = [
                Problem(_camel(name), None, "Member must not be null")
                for name in required
                if name not in value
            ]
            for name, each in value.items():
                if name not in members:
                    found.append(Problem(str(name), each, "", "unknown"))
                elif problems := members[name](each):
                    found += _below(_camel(name), problems)
            return found or None

        return check

    def _list(self, shape: ListShape) -> Check:
        rules = _bounds(shape, "length", len)
        member = self.check(shape.member)

        def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
            if not isinstance(value, list | tuple):
                return [_wrong(value, "a list")]
            found = _broken(rules, value)
            for position, each in enumerate(value, 1):
                found += _below(f"{position}.member", member(each) or [])
            return found or None

        return check

    def _map(self, shape: MapShape) -> Check:
        rules = _bounds(shape, "length", len)
        key_check, value_check = self.check(shape.key), self.check(shape.value)

        def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
            if not isinstance(value, Mapping):
                return [_wrong(value, "a map")]
            found = _broken(rules, value)
            for key, each in value.items():
                found += _below(f"{key}.key", key_check(key) or [])
                found += _below(f"{key}.value", value_check(each) or [])
            return found or None

        return check

    def _scalar(self, shape: Shape) -> Check:
        word, types = _SCALARS[shape.type_name]
        rules: list[Rule] = []
        if shape.type_name == "string":
            rules = _string_rules(shape, self._open_enums)
        elif types & {int, float}:
            rules = _bounds(shape, "value", lambda value: value)

        def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
            if type(value) not in types:
                return [_wrong(value, word)]
            # Most values are valid: this loop builds no list for them.
            for passes, _ in rules:
                if not passes(value):
                    return _broken(rules, value)
            return None

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


def _string_rules(shape: Shape, open_enums: bool) -> list[Rule]:
    rules = _bounds(shape, "length", len)
    text = shape.metadata.get("pattern", ".*")
    compiled = None if text == ".*" else java_pattern(text)
    if compiled is not None:
        rule = f"Member must satisfy regular expression pattern: {text}"
        rules.append((compiled.fullmatch, rule))
    names = shape.metadata.get("enum", ())
    if names and not open_enums:
        rule = f"Member must satisfy enum value set: [{', '.join(names)}]"
        rules.append((frozenset(names).__contains__, rule))
    return rules


def _bounds(shape: Shape, measure: str, size: Callable[[Any], float]) -> list[Rule]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    rules: list[Rule] = []
    # A length is never below 0.
    if low is not None and (low > 0 or measure == "value"):
        rule = f"Member must have {measure} greater than or equal to {low}"
        rules.append((lambda value: size(value) >= low, rule))
    if high is not None:
        rule = f"Member must have {measure} less than or equal to {high}"
        rules.append((lambda value: size(value) <= high, rule))
    return rules


def _broken(rules: list[Rule], value: Any) -> list[Problem]:  # noqa: ANN401 - any JSON value
    return [Problem("", value, rule) for passes, rule in rules if not passes(value)]


def _wrong(value: object, wanted: str) -> Problem:
    return Problem("", value, wanted, "type")


def _below(prefix: str, problems: list[Problem]) -> list[Problem]:
    return [
        each._replace(path=f"{prefix}.{each.path}" if each.path else prefix) for each in problems
    ]


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
