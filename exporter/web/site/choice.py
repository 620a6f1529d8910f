"""What an address asks for: its parameters as a choice of jobs. Pure: `now` is an argument."""

from __future__ import annotations

import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlencode

from exporter.errors import UsageError
from exporter.text import did_you_mean
from exporter.times import EXPECTED_TIME, parse_time
from exporter.web.site.columns import GROUPS, SORTS
from exporter.web.site.table import Wanted

#: Stands in an address for jobs without a team, a family or another value.
NONE: Final = "(none)"
#: Jobs on a page, and the most that an address can ask for.
PAGE: Final = 50
MOST_ON_A_PAGE: Final = 500
_TAGS: Final = 5
_LONGEST: Final = 500
_LARGEST: Final = 10**12

#: Parameter -> column and operator.
_TIMES: Final = {
    "created_after": ("creation_time", ">"),
    "created_before": ("creation_time", "<"),
    "modified_after": ("last_modified_time", ">"),
    "modified_before": ("last_modified_time", "<"),
}
_COSTS: Final = {"min_cost": ("cost_usd", ">="), "max_cost": ("cost_usd", "<=")}
_OTHERS: Final = (
    "name_contains",
    "training_plan_arn",
    "tag",
    "sort_by",
    "sort_order",
    "max_results",
    "next_token",
)
NAMES: Final = (*GROUPS, *_TIMES, *_COSTS, *_OTHERS)

Pairs = Sequence[tuple[str, str]]


def wanted(pairs: Pairs, now: datetime) -> Wanted:
    """Return the jobs that an address asks for; a parameter without a value counts as missing.

    Args:
        pairs: Names and values, in order.
        now: The current time, for ages such as 30d.

    Raises:
        UsageError: A parameter is unknown, repeated, or not what it must be.
    """
    found, groups, tags = _read(pairs)
    sort_by = _one_of(found, "sort_by", list(SORTS), "CreationTime")
    order = _one_of(found, "sort_order", ["Ascending", "Descending"], "Descending")
    most = found.get("max_results")
    if most is not None and not (most.isdecimal() and most.isascii() and 0 < int(most[:9]) < 10**8):
        raise wrong("max_results", most, "a whole number of at least 1")
    return Wanted(
        groups={
            name: [None if value == NONE else value for value in dict.fromkeys(several)]
            for name, several in groups.items()
        },
        name_contains=found.get("name_contains", ""),
        tags=[_tag(text) for text in tags],
        bounds=list(_bounds(found, now)),
        training_plan_arn=found.get("training_plan_arn"),
        sort_by=sort_by,
        descending=order == "Descending",
        after=_place(found, sort_by),
        most=None if most is None else int(most),
    )


def _read(pairs: Pairs) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    """Return single values, the values of each group, and tags."""
    check_names((name for name, _ in pairs), NAMES)
    groups: dict[str, list[str]] = defaultdict(list)
    tags: list[str] = []
    others: list[tuple[str, str]] = []
    for name, value in pairs:
        if len(value) > _LONGEST and name != "next_token":
            raise UsageError(f"{name} is longer than {_LONGEST} characters.")
        if value and name == "tag":
            tags.append(value)
        elif value and name in GROUPS:
            groups[name].append(value)
        else:
            others.append((name, value))
    if len(tags) > _TAGS:
        raise _too_often("tag")
    return single(others, NAMES), groups, tags


def check_names(names: Iterable[str], known: Sequence[str]) -> None:
    """Check that all parameters are known.

    Raises:
        UsageError: One is not.
    """
    for name in names:
        if name not in known:
            raise UsageError(
                f"There is no parameter {name!r}.{did_you_mean(name, known)}",
                f"Known: {', '.join(known)}.",
            )


def single(pairs: Pairs, known: Sequence[str]) -> dict[str, str]:
    """Return the values of parameters; those without a value count as missing.

    Raises:
        UsageError: A parameter is unknown or repeated.
    """
    check_names((name for name, _ in pairs), known)
    found: dict[str, str] = {}
    for name, value in pairs:
        if value and name in found:
            raise _too_often(name)
        if value:
            found[name] = value
    return found


def _too_often(name: str) -> UsageError:
    return UsageError(f"The parameter {name} is given too often.")


def time(found: Mapping[str, str], name: str, now: datetime) -> datetime | None:
    """Return the time of a parameter; None = it is missing.

    Raises:
        UsageError: It is no time.
    """
    if name not in found:
        return None
    try:
        return parse_time(found[name], now)
    except ValueError:
        raise wrong(name, found[name], EXPECTED_TIME) from None


def amount(found: Mapping[str, str], name: str) -> Decimal | None:
    """Return the amount of a parameter in USD; None = it is missing.

    Raises:
        UsageError: It is no amount.
    """
    if name not in found:
        return None
    try:
        read = Decimal(found[name])
    except InvalidOperation:
        raise wrong(name, found[name], "an amount in USD") from None
    if not read.is_finite() or abs(read) > _LARGEST:
        raise wrong(name, found[name], "an amount in USD")
    return read


def wrong(name: str, value: str, expected: str) -> UsageError:
    """Return the error of a parameter that is not what it must be."""
    return UsageError(f"{name}={value!r}: expected {expected}.")


def _one_of(found: Mapping[str, str], name: str, known: Sequence[str], default: str) -> str:
    value = found.get(name, default)
    by_case = {each.lower(): each for each in known}
    if value.lower() not in by_case:
        raise wrong(name, value, f"one of {', '.join(known)}")
    return by_case[value.lower()]


def _bounds(
    found: Mapping[str, str], now: datetime
) -> Iterator[tuple[str, str, datetime | Decimal]]:
    for name, (column, operator) in _TIMES.items():
        moment = time(found, name, now)
        if moment is not None:
            yield column, operator, moment
    for name, (column, operator) in _COSTS.items():
        usd = amount(found, name)
        if usd is not None:
            yield column, operator, usd


def _tag(text: str) -> tuple[str, str | None]:
    """Return the key and the value of `key` or `key=value`."""
    key, sign, value = text.partition("=")
    return key, value if sign else None


# Sort values in a token: how each type is written and read.
_WRITE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "CreationTime": lambda value: value.astimezone(UTC).isoformat(),
    "Cost": str,
    "PoolCost": str,
}
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "CreationTime": datetime.fromisoformat,
    "Cost": Decimal,
    "PoolCost": Decimal,
    "IdleSeconds": int,
}


def token(sort_by: str, value: Any, number: int) -> str:  # noqa: ANN401 - a value of any column
    """Return the token of the page after a row; it is opaque to users, and no secret."""
    written = None if value is None else _WRITE.get(sort_by, lambda same: same)(value)
    text = json.dumps([sort_by, written, number], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(found: Mapping[str, str], sort_by: str) -> tuple[Any, int] | None:
    text = found.get("next_token")
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        sorted_by, value, number = json.loads(base64.b64decode(padded, b"-_", validate=True))
        if sorted_by != sort_by or not isinstance(number, int):
            raise ValueError(sorted_by)
        read = _READ.get(sort_by, str)
        return None if value is None else read(value), number
    except (ValueError, TypeError, InvalidOperation, binascii.Error, RecursionError):
        raise UsageError(
            "next_token belongs to another list.", "Begin again without next_token."
        ) from None


def address(path: str, pairs: Pairs, **changes: str | None) -> str:
    """Return the address of a page with some parameters changed; None removes one.

    Without `next_token`, because another list has other pages.
    """
    kept = [
        (name, value)
        for name, value in pairs
        if value and name not in changes and name != "next_token"
    ]
    kept += [(name, value) for name, value in changes.items() if value is not None]
    return f"{path}?{urlencode(kept)}" if kept else path
