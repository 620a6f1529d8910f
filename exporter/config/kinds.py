"""The kinds of values that options and keys of the file take, and how each is read and written.

Nothing here knows click: the command line, the configuration file and the Python API all read
their values with these kinds, so all three refuse the same values in the same words.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from exporter.text import did_you_mean
from exporter.times import (
    EXPECTED_AGE,
    EXPECTED_MONTH,
    EXPECTED_TIME,
    parse_age,
    parse_month,
    parse_time,
)

#: The components of the table `prices`.
COMPONENTS: Final = (
    "Training",
    "Training Warm Pool",
    "Training ML storage",
    "Training Warm Pool ML storage",
)


def _refuse(_: object) -> object:
    raise TypeError


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        expected: What a value must be, for messages.
        parse: Turns text into the value; raises ValueError or KeyError where it does not fit.
        write: Turns the value into what a user would type.
        toml: The types that TOML may give; all but booleans are parsed as text.
        words: The words to choose from, for a choice.
        metavar: What stands for a value in `--help`; None = the words.
        python: The types that are parsed as text if Python code gives them.
        convert: Turns any other value that Python code gives into the value; raises TypeError for
            a type that does not fit.
        is_text: Whether the value must be valid text. A path may have any bytes but NUL.
    """

    expected: str
    parse: Callable[[str], Any]
    write: Callable[[Any], object] = lambda value: value
    toml: tuple[type, ...] = (str,)
    words: Sequence[str] = ()
    metavar: str | None = None
    python: tuple[type, ...] = (str,)
    convert: Callable[[Any], Any] = _refuse
    is_text: bool = True

    def read(self, text: str) -> Any:  # noqa: ANN401 - each kind has a type of its own
        """Return the value that a text stands for.

        Raises:
            ValueError: The text does not fit; the message is what was expected.
        """
        try:
            # Neither DuckDB nor a file can hold these.
            if self.is_text and not is_storable(text):
                raise ValueError(text)
            return self.parse(text)
        except (ValueError, KeyError) as error:
            reason = f" ({error.__cause__})" if error.__cause__ else ""
            hint = did_you_mean(text, self.words)
            raise ValueError(f"{self.expected}{reason}.{hint}") from None

    def read_toml(self, value: object) -> Any:  # noqa: ANN401 - each kind has a type of its own
        """Return the value that a value of a TOML file stands for.

        Raises:
            ValueError: It is of another type or does not fit; the message is what was expected.
        """
        if isinstance(value, bool) and bool in self.toml:
            return value
        if isinstance(value, bool) or not isinstance(value, self.toml):
            raise ValueError(f"{self.expected}.")
        return self.read(value.isoformat() if isinstance(value, date) else str(value))

    def read_python(self, value: object) -> Any:  # noqa: ANN401 - each kind has a type of its own
        """Return the value that Python code gives, as text or as the value itself.

        Raises:
            ValueError: A text or a number does not fit; the message is what was expected.
            TypeError: The type does not fit; the message is what was expected.
        """
        if isinstance(value, self.python) and not isinstance(value, bool):
            return self.read(str(value))
        try:
            return self.convert(value)
        except TypeError as error:
            raise TypeError(str(error) or self.expected) from None


def _of_types(*types: type) -> Callable[[Any], Any]:
    """Return a conversion that passes values of these types."""

    def check(value: object) -> object:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError
        return value

    return check


def matching(pattern: str, expected: str, metavar: str) -> Kind:
    """Return the kind of texts that match a pattern as a whole."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(text)
        return text

    return Kind(expected, parse, metavar=metavar)


def one_of(words: Sequence[str], *, any_case: bool = False) -> Kind:
    """Return the kind of a few words."""
    known = {word.casefold() if any_case else word: word for word in words}
    return Kind(
        f"one of {', '.join(words)}",
        lambda text: known[text.casefold() if any_case else text],
        words=words,
    )


def whole(low: int, high: int | None = None) -> Kind:
    """Return the kind of whole numbers from `low` to `high`."""
    return _range("a whole number", int, low, high)


def real(low: float) -> Kind:
    """Return the kind of numbers of at least `low`."""
    return replace(_range("a number", float, low, None), toml=(int, float))


def _range(noun: str, parse: Callable[[str], float], low: float, high: float | None) -> Kind:
    def within(text: str) -> float:
        number = parse(text)
        if math.isnan(number) or number < low or (high is not None and number > high):
            raise ValueError(text)
        return number

    limits = f"of at least {low}" if high is None else f"from {low} to {high}"
    return Kind(f"{noun} {limits}", within, toml=(int,), metavar="N", python=(str, int, float))


def is_storable(text: str) -> bool:
    """Return whether a text has no NUL and no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


#: The limits of Linux and macOS, in bytes.
_LONGEST_NAME, _LONGEST_PATH = 255, 4095


def _path(text: str) -> Path:
    path = Path(text)
    encoded = os.fsencode(text)  # raises a ValueError itself for half a surrogate pair
    is_long = len(encoded) > _LONGEST_PATH or any(
        len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts
    )
    if b"\0" in encoded or is_long:
        raise ValueError(text) from ValueError("the name is too long") if is_long else None
    return path


def _text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _time(text: str) -> datetime:
    return parse_time(text, datetime.now(UTC))


def _time_of(value: object) -> datetime:
    """Return a time: aware as it is, a date as its start in UTC, an age before now."""
    if isinstance(value, timedelta):
        return datetime.now(UTC) - value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("an aware datetime")
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise TypeError


def _month_of(value: object) -> date:
    if not isinstance(value, date):
        raise TypeError
    return date(value.year, value.month, 1)


def _write_age(age: timedelta) -> str:
    """Return an age such as 2h, in the largest unit that leaves no remainder."""
    seconds = age.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length:.0f}{unit}"
    return f"{seconds:g}s"


def _month(text: str) -> date:
    return parse_month(text, datetime.now(UTC))


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite():
        raise ValueError(text)
    return number


def _percent(text: str) -> Decimal:
    percent = _decimal(text)
    if not 0 <= percent <= 100:
        raise ValueError(text)
    return percent


def _mode(text: str) -> int:
    mode = int(text, 8)
    if not 0 <= mode <= 0o777:
        raise ValueError(text)
    return mode


def _url(text: str) -> str:
    parts = urlsplit(text)  # raises ValueError itself for a malformed URL
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https URL")
    _ = parts.port  # likewise
    return text


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(_text(text))
    except re.error as error:
        raise ValueError(text) from error  # the message names this cause


def _family(text: str) -> re.Pattern[str]:
    pattern = _pattern(text)
    if "family" not in pattern.groupindex:
        raise ValueError(text)
    return pattern


FLAG: Final = Kind(
    "true or false",
    {"true": True, "false": False}.__getitem__,
    toml=(bool,),
    convert=_of_types(bool),
)
STRING: Final = Kind("a string", str, metavar="TEXT")
TEXT: Final = Kind("a string that is not empty", _text, metavar="TEXT")
PATH: Final = Kind(
    "a path", _path, write=str, metavar="FILE", python=(str, os.PathLike), is_text=False
)
URL: Final = Kind("an http or https URL", _url, metavar="URL")
TIME: Final = Kind(EXPECTED_TIME, _time, toml=(str, date), metavar="TIME", convert=_time_of)
AGE: Final = Kind(
    EXPECTED_AGE, parse_age, write=_write_age, metavar="AGE", convert=_of_types(timedelta)
)
MONTH: Final = Kind(
    EXPECTED_MONTH,
    _month,
    write=lambda value: f"{value:%Y-%m}",
    metavar="YYYY-MM",
    convert=_month_of,
)
NUMBER: Final = Kind(
    "a number",
    _decimal,
    toml=(str, int, float),
    metavar="N",
    python=(str, int, float, Decimal),
)
PERCENT: Final = replace(NUMBER, expected="a percentage from 0 to 100", parse=_percent)
MODE: Final = Kind(
    "a file mode in octal, such as 0444",
    _mode,
    write=lambda mode: f"{mode:04o}",
    metavar="MODE",
    convert=_of_types(int),
)
ACCOUNT: Final = matching(r"\d{12}", "an account ID, a string of 12 digits", "ID")
# A pattern, not a list: AWS adds regions faster than users upgrade this program.
_REGION: Final = r"[a-z]{2,5}(?:-[a-z]+)+-\d+"
REGION: Final = matching(_REGION, "a region such as eu-west-1", "REGION")
REGION_OR_ALL: Final = matching(f"all|{_REGION}", "a region such as eu-west-1, or all", "REGION")
SCOPE: Final = matching(
    rf"\d{{12}}/{_REGION}",
    "an account and a region, such as 111122223333/eu-west-1",
    "ACCOUNT/REGION",
)
ROLE_ARN: Final = matching(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", "the ARN of a role", "ARN")
PLAN_ARN: Final = matching(
    r"arn:aws[a-z-]*:sagemaker:.+:training-plan/.+", "the ARN of a training plan", "ARN"
)
JOB_NAME_PART: Final = matching(
    r"[a-zA-Z0-9-]{1,63}", "up to 63 letters, digits and hyphens", "TEXT"
)
JOB_STATUS: Final = one_of(
    ("InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting"), any_case=True
)
POOL_STATUS: Final = one_of(("Available", "Terminated", "Reused", "InUse"), any_case=True)
COMPONENT: Final = one_of(COMPONENTS)
PATTERN: Final = Kind("a regular expression", _pattern, write=lambda value: value.pattern)
FAMILY_PATTERN: Final = replace(
    PATTERN, expected="a regular expression with a group (?P<family>…)", parse=_family
)
