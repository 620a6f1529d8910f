"""What a botocore shape allows, compiled once into checks that are cheap to run.

botocore's own ``validate`` knows types, required members, unknown members and lower
bounds; the service also enforces upper bounds, patterns and enumerations, and names them
in its own words. Both are here, from the same model, so that neither can drift from it;
a test compares the first half with ``botocore.validate``.

A check takes a value and gives None, or the problems found, so that a value without
problems – each row of each page – costs no allocation.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from botocore.model import ListShape, MapShape, Shape, StructureShape


class Problem(NamedTuple):
    """One violation.

    Attributes:
        path: Where, as the service writes it: ``searchExpression.filters.1.member.value``.
        value: The value found, None when it is missing.
        constraint: The rule in the service's words; for a wrong type, the type wanted.
        kind: ``constraint``, ``type`` or ``unknown`` (a member the model does not have).
    """

    path: str
    value: Any
    constraint: str
    kind: str = "constraint"


Check = Callable[[Any], list[Problem] | None]


class Constraints:
    """Compiles the shapes of one service into checks, each shape once.

    Args:
        open_enums: Leave enumerations unchecked. For answers: a status that the model
            does not know yet is not a malformed answer ("subject to change").
    """

    def __init__(self, *, open_enums: bool = False) -> None:
        """Start with nothing compiled."""
        self._open_enums = open_enums
        self._compiled: dict[str, Check] = {}

    def check(self, shape: Shape) -> Check:
        """Give the check of a shape; shapes may contain themselves (SearchExpression)."""
        known = self._compiled.get(shape.name)
        if known is not None:
            return known
        # Found by whatever refers back to this shape while it is being compiled.
        self._compiled[shape.name] = lambda value: self._compiled[shape.name](value)
        made = self._make(shape)
        self._compiled[shape.name] = made
        return made

    def _make(self, shape: Shape) -> Check:
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        if shape.type_name == "string":
            return _string(shape, self._open_enums)
        if shape.type_name in ("integer", "long"):
            return _number(shape, (int,), "an Integer")
        if shape.type_name in ("float", "double"):
            return _number(shape, (int, float), "a Double")
        if shape.type_name == "boolean":
            return lambda value: None if isinstance(value, bool) else [_wrong(value, "a Boolean")]
        if shape.type_name == "timestamp":
            return lambda v: None if isinstance(v, datetime) else [_wrong(v, "a Timestamp")]
        if shape.type_name == "blob":
            return lambda v: None if isinstance(v, bytes | str) else [_wrong(v, "a Blob")]
        raise NotImplementedError(f"no check for {shape.type_name}, the type of {shape.name}")

    def _structure(self, shape: StructureShape) -> Check:
        members = {name: (_camel(name), self.check(each)) for name, each in shape.members.items()}
        required = [(name, _camel(name)) for name in shape.metadata.get("required", ())]

        def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
            # dict first: asking for the abstract Mapping costs as much as all the rest.
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
                problems = member(each)
                if problems:
                    found.extend(_below(f"{position}.member", problems))
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
                found.extend(_below(f"{key}.key", key_check(key) or []))
                found.extend(_below(f"{key}.value", value_check(each) or []))
            return found or None

        return check


def java_pattern(pattern: str) -> re.Pattern[str] | None:
    r"""Compile a pattern of the model, None where Python has no equal for it.

    The models hold Java's dialect. Its Unicode classes become the nearest of Python's,
    which let a little more through: ``\\w`` for letters, digits and marks, ``\\s`` for
    separators, and everything printable for symbols and punctuation.
    """
    classes = {"Alnum": "a-zA-Z0-9", "L": r"\w", "N": r"\w", "M": r"\w", "Z": r"\s"}
    text = re.sub(r"\\p\{(Alnum|L|N|M|Z)\}", lambda found: classes[found[1]], pattern)
    # Nobody asks what a group caught, and a group that need not remember is a third faster.
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
        if (
            low <= len(value) <= high
            and (matches is None or matches(value))
            and (allowed is None or value in allowed)
        ):
            return None
        found = [Problem("", value, each) for each in size(len(value))]
        if matches is not None and not matches(value):
            rule = f"Member must satisfy regular expression pattern: {text}"
            found.append(Problem("", value, rule))
        if allowed is not None and value not in allowed:
            rule = f"Member must satisfy enum value set: [{', '.join(names)}]"
            found.append(Problem("", value, rule))
        return found

    return check


def _number(shape: Shape, types: tuple[type[int | float], ...], wanted: str) -> Check:
    size = _bounds(shape, "value")

    def check(value: Any) -> list[Problem] | None:  # noqa: ANN401 - any JSON value
        # bool is an int to Python, not to the service.
        if isinstance(value, bool) or not isinstance(value, types):
            return [_wrong(value, wanted)]
        return [Problem("", value, text) for text in size(value)] or None

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
