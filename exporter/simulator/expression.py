"""The language of Search: compile an expression into one test of a record.

Source: the API reference of `Filter` and `SearchExpression` has the operators for each kind
of property, the form of times, and the limits on values and filters.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from operator import ge, gt, le, lt
from typing import Any

from exporter.wire.calls import ApiError

Record = Mapping[str, Any]
Test = Callable[[Record], bool]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": gt,
    "GreaterThanOrEqualTo": ge,
    "LessThan": lt,
    "LessThanOrEqualTo": le,
}


def compiled(expression: Mapping[str, Any]) -> Test:
    """Return the test that an expression applies to a record.

    Raises:
        ApiError: ValidationException: the service would reject a filter.
    """
    tests = [_filter(each) for each in expression.get("Filters", ())]
    tests += [_nested(each) for each in expression.get("NestedFilters", ())]
    tests += [compiled(each) for each in expression.get("SubExpressions", ())]
    if expression.get("Operator", "And") == "Or":
        return lambda record: any(test(record) for test in tests)
    return lambda record: all(test(record) for test in tests)


def check_limits(expression: Mapping[str, Any], most: int) -> None:
    """Check the limits that the model does not hold.

    Raises:
        ApiError: ValidationException: more than one Contains [D], or too many filters.
    """
    filters = all_filters(expression)
    if len(filters) > most:
        raise ApiError("ValidationException", f"An expression holds at most {most} filters.")
    if sum(each.get("Operator") == "Contains" for each in filters) > 1:
        raise ApiError("ValidationException", "'CONTAINS' operator usage limit of 1 exceeded.")


def all_filters(expression: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the filters of an expression and of all its sub-expressions."""
    found = list(expression.get("Filters", ()))
    for nested in expression.get("NestedFilters", ()):
        found.extend(nested["Filters"])
    for below in expression.get("SubExpressions", ()):
        found.extend(all_filters(below))
    return found


def read_time(text: str) -> datetime:
    """Return the time of a filter: whole seconds, GMT.

    Raises:
        ApiError: ValidationException: the time has the wrong form.
    """
    if not _TIME.fullmatch(text.removesuffix("Z")):
        raise ApiError("ValidationException", f"'{text}' is not a time as YYYY-mm-dd'T'HH:MM:SS")
    try:
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
    except ValueError:
        raise ApiError("ValidationException", f"'{text}' is not a time") from None


def property_of(record: Record, name: str) -> Any:  # noqa: ANN401 - any value of a record
    """Return a property by its dotted name, `Tags.team` for a tag; None if absent."""
    head, _, rest = name.partition(".")
    if head == "Tags":
        return next((each["Value"] for each in record.get("Tags", ()) if each["Key"] == rest), None)
    value = record.get(head)
    if rest and isinstance(value, Mapping):
        return property_of(value, rest)
    return None if rest else value


def _nested(nested: Mapping[str, Any]) -> Test:
    """Return a test that one element of a list property meets all filters."""
    name = nested["NestedPropertyName"]
    prefix = f"{name}."
    tests = [
        _filter({**each, "Name": each["Name"].removeprefix(prefix)}) for each in nested["Filters"]
    ]

    def test(record: Record) -> bool:
        elements = property_of(record, name) or ()
        return any(all(test(element) for test in tests) for element in elements)

    return test


def _filter(wanted: Mapping[str, Any]) -> Test:
    name, operator = wanted["Name"], wanted.get("Operator", "Equals")
    if operator == "Exists":
        return lambda record: property_of(record, name) is not None
    if operator == "NotExists":
        return lambda record: property_of(record, name) is None
    if "Value" not in wanted:
        raise ApiError("ValidationException", f"The filter {operator} on {name} needs a Value")
    text = wanted["Value"]
    if operator == "Contains":
        return lambda record: text in _text(property_of(record, name), name, operator)
    if operator == "In":
        members = frozenset(text.split(","))
        return lambda record: _text(property_of(record, name), name, operator) in members
    if operator == "Equals":
        return lambda record: _equal(property_of(record, name), text)
    if operator == "NotEquals":
        # A record without the property matches. [I]
        return lambda record: not _equal(property_of(record, name), text)
    compare = _ORDERS[operator]

    def ordered(record: Record) -> bool:
        found = property_of(record, name)
        return found is not None and compare(found, _comparable(found, text, name, operator))

    return ordered


def _equal(found: Any, text: str) -> bool:  # noqa: ANN401 - any value of a record
    if found is None:
        return False
    if isinstance(found, str):
        return found == text
    if isinstance(found, bool):
        return text.lower() == str(found).lower()
    if isinstance(found, datetime):
        # The time of a filter has no fraction of a second.
        return found.replace(microsecond=0) == read_time(text)
    return bool(found == _comparable(found, text, "", "Equals"))


def _comparable(found: Any, text: str, name: str, operator: str) -> Any:  # noqa: ANN401
    if isinstance(found, datetime):
        return read_time(text)
    if isinstance(found, int | float) and not isinstance(found, bool):
        try:
            return float(text)
        except ValueError:
            raise ApiError("ValidationException", f"'{text}' is not a number") from None
    raise ApiError("ValidationException", f"The operator {operator} does not apply to {name}")


def _text(found: Any, name: str, operator: str) -> str:  # noqa: ANN401 - any value of a record
    if found is None:
        return ""
    if not isinstance(found, str):
        raise ApiError(
            "ValidationException", f"The operator {operator} applies to text, not {name}"
        )
    return found
