"""Kinds of options and of values that click does not have."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import click

from exporter import times
from exporter.errors import UsageError
from exporter.text import did_you_mean

#: Every option of every command may come from SAGEMAKER_EXPORTER_[COMMAND_]OPTION.
ENV_PREFIX: Final = "SAGEMAKER_EXPORTER"
#: Options whose values are never shown.
SECRETS: Final = frozenset({"external_id", "ping_url", "token"})


class Many(click.Option):
    """A repeatable option; its environment variable is split at commas."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        kwargs["multiple"] = True
        super().__init__(*args, **kwargs)

    def value_from_envvar(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """The parts of the variable; None where it is not set."""
        text = self.resolve_envvar_value(ctx)
        return None if text is None else split(text)


def lock_timeout_option(waits_for: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --lock-timeout of a command that waits for this."""
    return click.option(
        "--lock-timeout",
        type=Real(0),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help=f"How long to wait for {waits_for}.",
    )


def split(text: str) -> list[str]:
    """The parts of a list written with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


class OneOf(click.Choice[str]):
    """One of a few words; a wrong one is answered with the nearest."""

    def __init__(self, words: Sequence[str], *, case_sensitive: bool = True) -> None:
        super().__init__(words, case_sensitive=case_sensitive)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The word as we spell it."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            hint = did_you_mean(str(value), map(str, self.choices))
            self.fail(f"{value!r} is not {expected(self)}.{hint}", param, ctx)


@contextmanager
def _in_our_words(
    kind: click.ParamType[Any],
    value: object,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> Iterator[None]:
    try:
        yield
    except (click.BadParameter, ValueError):
        kind.fail(f"{value!r} is not {expected(kind)}.", param, ctx)


class Whole(click.IntRange):
    """A whole number in a range."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """The number, or a message that says what was expected."""
        with _in_our_words(self, value, param, ctx):
            return super().convert(value, param, ctx)


class Real(click.FloatRange):
    """A number in a range."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """The number, or a message that says what was expected."""
        with _in_our_words(self, value, param, ctx):
            number = super().convert(value, param, ctx)
            if math.isnan(number):  # which no comparison finds out of range
                raise ValueError(value)
            return number


class _Written(click.ParamType[object]):
    """A value that is written as text, and what it must look like."""

    expected: str

    def read(self, text: str) -> object:
        """The value; ValueError where it is not what is expected."""
        raise NotImplementedError

    def written(self, value: Any) -> object:  # noqa: ANN401 - what `read` returns
        """The value as one would write it; the value itself where that is plain from it."""
        return value

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """The value, or a message that says what was expected."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError:
            self.fail(f"{value!r} is not {self.expected}.", param, ctx)


class Time(_Written):
    """A moment, aware and UTC."""

    name = "time"
    expected = times.EXPECTED_TIME

    def read(self, text: str) -> datetime:
        """The moment."""
        return times.parse_time(text, datetime.now(UTC))


class Age(_Written):
    """A length of time."""

    name = "age"
    expected = times.EXPECTED_AGE

    def read(self, text: str) -> timedelta:
        """The length."""
        return times.parse_age(text)

    def written(self, value: timedelta) -> str:
        """Such as 2h, in the largest unit that leaves nothing over."""
        seconds = value.total_seconds()
        for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
            if seconds and seconds % length == 0:
                return f"{seconds // length:.0f}{unit}"
        return f"{seconds:g}s"


class Month(_Written):
    """The first day of a calendar month."""

    name = "month"
    expected = "a month such as 2026-10"

    def read(self, text: str) -> date:
        """The first of the month."""
        if not re.fullmatch(r"\d{4}-\d{2}", text, re.ASCII):
            raise ValueError(text)
        return date.fromisoformat(f"{text}-01")

    def written(self, value: date) -> str:
        """Such as 2026-10."""
        return f"{value:%Y-%m}"


class Number(_Written):
    """An exact decimal number."""

    name = "number"
    expected = "a number"

    def read(self, text: str) -> Decimal:
        """The number."""
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise ValueError(text) from None
        if not number.is_finite():
            raise ValueError(text)
        return number


class Region(_Written):
    """The name of an AWS region, or `all`."""

    name = "region"
    expected = "a region such as eu-west-1"

    def __init__(self, *, all_too: bool = False) -> None:
        self._all_too = all_too
        if all_too:
            self.expected = f"{type(self).expected}, or all"

    def read(self, text: str) -> str:
        """The name."""
        # Not a list of names: regions are added faster than this program is upgraded.
        if re.fullmatch(r"[a-z]{2,5}(-[a-z]+)+-\d+", text, re.ASCII) or (
            self._all_too and text == "all"
        ):
            return text
        raise ValueError(text)


class Matching(_Written):
    """A text of a given form."""

    name = "text"

    def __init__(self, pattern: str, expected: str) -> None:
        self._pattern = re.compile(pattern, re.ASCII)
        self.expected = expected

    def read(self, text: str) -> str:
        """The text."""
        if not self._pattern.fullmatch(text):
            raise ValueError(text)
        return text


class Account(_Written):
    """An AWS account id."""

    name = "account"
    expected = "an account id of 12 digits"

    def read(self, text: str) -> str:
        """The name."""
        if re.fullmatch(r"\d{12}", text, re.ASCII):
            return text
        raise ValueError(text)


class Mode(_Written):
    """The permission bits of a file, in octal."""

    name = "mode"
    expected = "a file mode in octal, such as 0444"

    def read(self, text: str) -> int:
        """The bits."""
        mode = int(text, 8)
        if not 0 <= mode <= 0o777:
            raise ValueError(text)
        return mode

    def written(self, value: int) -> str:
        """Such as 0444."""
        return f"{value:04o}"


def expected(kind: click.ParamType[Any]) -> str:
    """What a value of this kind must be, for messages."""
    if isinstance(kind, click.Choice):
        return "one of " + ", ".join(map(str, kind.choices))
    if isinstance(kind, _Written):
        return kind.expected
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        number = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
        low = getattr(kind, "min", None)
        high = getattr(kind, "max", None)
        if low is not None and high is not None:
            return f"{number} from {low} to {high}"
        return number if low is None else f"{number} of at least {low}"
    if isinstance(kind, click.types.BoolParamType):
        return "true or false"
    return "a string"


def written(kind: click.ParamType[Any], value: object) -> object:
    """The value of an option as one would write it, and as `read` takes it."""
    return value if value is None or not isinstance(kind, _Written) else kind.written(value)


def from_file(param: click.Option, value: object) -> object:
    """The value of an option as a configuration file gives it, in the shape click takes.

    Raises:
        ValueError: It is of another type, or not allowed; the message says what is expected.
    """
    if param.multiple:
        values = split(value) if isinstance(value, str) else value
        if not isinstance(values, list):
            raise ValueError(f"expected a list, each {expected(param.type)}")
        return [_one(param, item) for item in values]
    return _one(param, value)


def _one(param: click.Option, value: object) -> object:
    kind = param.type
    if isinstance(kind, Time) and isinstance(value, date):  # TOML has dates and times of its own
        value = value.isoformat()
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(kind, Number) and number:
        value = str(value)
    if isinstance(kind, click.types.BoolParamType):
        fits = isinstance(value, bool)
    elif isinstance(kind, click.types.IntParamType):
        fits = number and isinstance(value, int)
    elif isinstance(kind, click.types.FloatParamType):
        fits = number
    else:
        fits = isinstance(value, str)
    if not fits:
        raise ValueError(f"expected {expected(kind)}")
    try:
        kind.convert(value, param, None)
    except click.BadParameter as error:
        raise ValueError(error.message.rstrip(".")) from None
    except UsageError as error:
        raise ValueError(error.message.rstrip(".")) from None
    return value
