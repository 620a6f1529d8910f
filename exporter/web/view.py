"""What the dashboard says of a selection of its cells: headline, figures, months and groups. Pure.

`dashboard.js` has the same rules for the filters of the page; a test compares the two. Amounts are
whole numbers of 10^-12 USD. Shares are exact fractions, rounded half up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from exporter.reports import periods, values
from exporter.reports.periods import DAY, Period
from exporter.reports.projection import project
from exporter.text import counted
from exporter.web.cells import OTHERS, Cells, Key, Sums, added

PICO: Final = 10**12
#: Rows of a table by family, team and so on; one more row has the rest.
MOST_ROWS: Final = 15
#: Families that the headline names.
_NAMED: Final = 3
#: The dimensions of the filters and of the tables: field of Key, and how to name it.
DIMENSIONS: Final = {
    "account": "account",
    "region": "region",
    "family": "family",
    "team": "team",
    "type": "instance type",
}
_PLURALS: Final = {"family": "families"}


@dataclass(frozen=True)
class Selection:
    """What the filters choose: days from whole buckets, and one value of each dimension at most."""

    period: Period
    values: Mapping[str, str | None] = field(default_factory=dict)

    def has(self, key: Key) -> bool:
        """Return whether a cell is chosen."""
        return all(getattr(key, name) == value for name, value in self.values.items())


class Text(NamedTuple):
    """A part of a sentence; names come from outside."""

    text: str
    is_name: bool = False


@dataclass(frozen=True)
class Tile:
    """A figure: its name, value, exact value, what it is part of, and what the last month did."""

    code: str
    name: str
    value: str
    exact: str
    note: str
    month: str
    heading: str


@dataclass(frozen=True)
class Line:
    """A row of a table: what it is about, and its sums."""

    name: str
    sums: Sums


@dataclass(frozen=True)
class Group:
    """A table by one dimension: the rows that waste most, the rest as one row, and the total."""

    code: str
    lines: Sequence[Line]
    rest: Line | None


@dataclass(frozen=True)
class View:
    """All that the page says of a selection."""

    headline: Sequence[Text]
    tiles: Sequence[Tile]
    months: Sequence[Line]
    groups: Sequence[Group]
    total: Sums


def view(
    cells: Cells,
    selection: Selection,
    page: Period,
    today: date,
    accounts: Mapping[str, str | None] | None = None,
) -> View:
    """Return what the page says of a selection.

    Args:
        cells: All cells of the page.
        selection: What the filters choose.
        page: The days that the page covers.
        today: The UTC day on which the page was made.
        accounts: The names of accounts by id; None = they have none.
    """
    names = {} if accounts is None else accounts
    chosen = {place: sums for place, sums in cells.items() if selection.has(place[0])}
    since, until = selection.period.since, selection.period.until
    total = added(_buckets(chosen), since, until)
    groups = [_group(chosen, selection.period, code, names) for code in DIMENSIONS]
    return View(
        headline=headline(total, _ranked(chosen, selection.period, "family", {})),
        tiles=tiles(chosen, total, selection.period, page, today),
        months=[
            Line(_month_name(month, today), added(_buckets(chosen), month.since, month.until))
            for month in months(selection.period)
        ],
        groups=groups,
        total=total,
    )


def _buckets(cells: Cells) -> list[tuple[date, Sums]]:
    return [(bucket, sums) for (_, bucket), sums in cells.items()]


def months(period: Period) -> Iterator[Period]:
    """Yield the calendar months of a period; the first and the last may be incomplete."""
    since = period.since
    while since < period.until:
        until = min(periods.of_month(since.replace(day=1)).until, period.until)
        yield Period(since, until)
        since = until


def _month_name(month: Period, today: date) -> str:
    is_running = month.since == today.replace(day=1) and today < month.until
    return f"{month.since:%Y-%m}{' to date' if is_running else ''}"


def pools_usd(sums: Sums) -> int:
    """Return the known cost of all pools."""
    return sums.reused + sums.wasted + sums.idle


def named(value: str | None, code: str, accounts: Mapping[str, str | None]) -> str:
    """Return the name of a value of a dimension; accounts have their id in brackets."""
    if value == OTHERS:
        return f"other {_PLURALS.get(code, DIMENSIONS[code] + 's')}"
    name = accounts.get(value or "") if code == "account" else None
    return f"{name} ({value})" if name else value or f"no {DIMENSIONS[code]}"


def _ranked(
    cells: Cells, period: Period, code: str, accounts: Mapping[str, str | None]
) -> list[Line]:
    """Return a row for each value of a dimension, most wasted money first."""
    by_value: dict[str | None, list[tuple[date, Sums]]] = defaultdict(list)
    for (key, bucket), sums in cells.items():
        if period.since <= bucket < period.until:
            by_value[getattr(key, code)].append((bucket, sums))
    lines = [
        Line(named(value, code, accounts), added(found, period.since, period.until))
        for value, found in by_value.items()
    ]
    return sorted(
        lines,
        key=lambda line: (-line.sums.wasted, -pools_usd(line.sums), -line.sums.training, line.name),
    )


def _group(cells: Cells, period: Period, code: str, accounts: Mapping[str, str | None]) -> Group:
    lines = _ranked(cells, period, code, accounts)
    # A rest of one row is that row.
    shown = lines if len(lines) == MOST_ROWS + 1 else lines[:MOST_ROWS]
    rest = Sums()
    for line in lines[len(shown) :]:
        rest = rest.plus(line.sums)
    more = len(lines) - len(shown)
    noun = DIMENSIONS[code]
    name = counted(more, f"more {noun}", f"more {_PLURALS.get(code, noun + 's')}")
    return Group(code, shown, Line(name, rest) if more else None)


def usd(amount: int) -> str:
    """Return an amount for a sentence: whole dollars from 100 USD on, otherwise cents."""
    if amount >= 100 * PICO:
        return f"{_half_up(amount, PICO):,} USD"
    return f"{values.money(Decimal(amount).scaleb(-12))} USD"


def money(amount: int, unknown: int = 0) -> str:
    """Return an amount to the cent; `unknown` if nothing of it is known."""
    if not amount and unknown:
        return "unknown"
    return values.money(Decimal(amount).scaleb(-12))


def exact(amount: int) -> str:
    """Return an amount with all its digits, as in the JSON of the reports."""
    return values.digits(Decimal(amount).scaleb(-12))


def share(part: int, whole: int) -> str:
    """Return a share with one decimal; a dash where there is nothing to share."""
    if not whole:
        return values.MISSING
    tenths = _half_up(part * 1000, whole)
    return f"{tenths // 10}.{tenths % 10} %"


def factor(one: int, other: int) -> str:
    """Return how many times one amount is the other, with two decimals."""
    if not other:
        return values.MISSING
    hundredths = _half_up(one * 100, other)
    return f"{hundredths // 100:,}.{hundredths % 100:02} ×"


def _half_up(number: int, divisor: int) -> int:
    """Return a quotient rounded half up; both are not negative."""
    return (2 * number + divisor) // (2 * divisor)


def headline(total: Sums, families: Sequence[Line]) -> list[Text]:
    """Return the sentence that says who wastes how much.

    Args:
        total: The sums of the selection.
        families: Its families, most wasted money first.
    """
    ended = total.reused + total.wasted
    if not ended:
        return [Text(_without_cost(total))]
    if not total.wasted:
        return [
            Text(f"No money for warm pools was wasted: other jobs reused all {usd(ended)} of it")
        ]
    found = [Text(f"{_part(total)} of {usd(ended)} for warm pools bought nothing")]
    return [*found, *_worst(total, families)] if len(families) > 1 else found


def _part(total: Sums) -> str:
    """Return the wasted share in whole percent; it is 0 or 100 only if that is exact."""
    percent = _half_up(total.wasted * 100, total.reused + total.wasted)
    if percent == 100 and total.reused:
        return "More than 99 %"
    return f"{percent} %" if percent else "Less than 1 %"


def _worst(total: Sums, families: Sequence[Line]) -> Iterator[Text]:
    """Yield the end of the sentence: the families that waste most, and their share."""
    worst = [line for line in families if line.sums.wasted]
    top = worst[:_NAMED]
    yield Text("; ")
    for place, line in enumerate(top):
        yield Text(line.name, is_name=True)
        yield Text(" and " if place == len(top) - 2 else ", " if place < len(top) - 1 else "")
    percent = _half_up(sum(line.sums.wasted for line in top) * 100, total.wasted)
    share_of_it = "all" if len(top) == len(worst) else f"{percent} %"
    yield Text(f" {'are' if len(top) > 1 else 'is'} {share_of_it} of it")


def _without_cost(total: Sums) -> str:
    """Return the headline of a selection in which no ended pool has a known cost."""
    if total.unknown_pools:
        return "What the warm pools cost is not known"
    if total.idle:
        return f"No warm pool has ended yet; those still idle cost {usd(total.idle)}"
    if total.pools:
        return "The warm pools cost nothing: other jobs reused them at once"
    if total.training:
        return f"No job kept a warm pool; training cost {usd(total.training)}"
    return "No job ran in this selection"


class Months(NamedTuple):
    """The last month of a selection and the one before it.

    Attributes:
        now: Its days; if it is running, those up to yesterday.
        before: The days of the month before to compare with; None = not on the page.
        label: Its name.
        label_before: The name of what it is compared with.
        until: The end of the month if it is running: there is something to project.
    """

    now: Period
    before: Period | None
    label: str
    label_before: str
    until: date | None


def last_months(period: Period, page: Period, today: date) -> Months:
    """Return the last month of a selection and the one before it, as `report summary` does."""
    running = (today - DAY).replace(day=1)
    first = min((period.until - DAY).replace(day=1), running)
    whole = periods.of_month(first)
    before = whole.before
    if first < running or whole.until <= today:
        now, compared, until = (
            Period(max(first, page.since), min(whole.until, page.until)),
            before,
            None,
        )
        label, label_before = f"{first:%B %Y}", f"{before.since:%B}"
        is_comparable = now == whole
    else:
        now = Period(max(first, page.since), today)
        compared = Period(before.since, min(first, before.since + (today - first)))
        until = whole.until
        days = f"1–{(today - DAY).day}" if (today - DAY).day > 1 else "1"
        label, label_before = f"{days} {first:%B}", f"the same days of {before.since:%B}"
        is_comparable = now.since == first and today <= page.until
    is_comparable = is_comparable and compared.since >= page.since
    return Months(now, compared if is_comparable else None, label, label_before, until)


def _all_unknown(sums: Sums) -> int:
    return sums.unknown_training + sums.unknown_pools


def unknown_wasted(sums: Sums) -> int:
    """Return a number above 0 if a part of the cost of wasted pools can be not known."""
    return sums.unknown_pools if sums.pools > sums.reused_pools else 0


#: The tiles of amounts: their names, the amount, and the lines of it without a known cost.
_AMOUNTS: Final[Mapping[str, tuple[str, Callable[[Sums], int], Callable[[Sums], int]]]] = {
    "all": ("Training and warm pools", lambda sums: sums.training + pools_usd(sums), _all_unknown),
    "pools": ("Warm pools", pools_usd, lambda sums: sums.unknown_pools),
    "wasted": ("Wasted: never reused", lambda sums: sums.wasted, unknown_wasted),
}


def tiles(cells: Cells, total: Sums, period: Period, page: Period, today: date) -> list[Tile]:
    """Return the four figures of a selection."""
    last = last_months(period, page, today)
    if last.now.since >= last.now.until:
        last = last._replace(before=None, until=None)
    buckets = _buckets(cells)
    now = added(buckets, last.now.since, last.now.until)
    before = None if last.before is None else added(buckets, last.before.since, last.before.until)
    notes = {
        "all": f"{money(total.training, total.unknown_training)} training, "
        f"{money(pools_usd(total), total.unknown_pools)} warm pools",
        "pools": f"{factor(pools_usd(total), total.training)} the cost of training"
        if total.training
        else "no known cost of training to compare with",
        "wasted": f"{share(total.wasted, total.reused + total.wasted)} of the cost of ended pools"
        if total.reused + total.wasted
        else "no pool with a known cost has ended",
    }
    found = []
    for code, (name, amount, unknown) in _AMOUNTS.items():
        value = money(amount(total), unknown(total))
        found.append(
            Tile(
                code,
                name,
                value if value == "unknown" else f"{value} USD",
                exact(amount(total)),
                notes[code],
                _month(
                    last,
                    _known(amount(now), unknown(now)),
                    None if before is None else _known(amount(before), unknown(before)),
                ),
                _heading(buckets, amount, last, _known(amount(now), unknown(now)), today),
            )
        )
    return [*found, _reuse(total, last, now, before)]


def _known(amount: int, unknown: int) -> int | None:
    """Return an amount; None if nothing of it is known."""
    return None if not amount and unknown else amount


def _month(last: Months, now: int | None, before: int | None) -> str:
    """Return what the last month cost, compared with the one before."""
    if now is None:
        return f"{last.label}: unknown"
    text = f"{last.label}: {usd(now)}"
    if before is None:
        return text
    if not before:
        return f"{text}; nothing for {last.label_before}"
    percent = _half_up(abs(now - before) * 100, before)
    if not percent:
        return f"{text}, as much as for {last.label_before}"
    return (
        f"{text}, {percent:,} % {'more' if now > before else 'less'} than for {last.label_before}"
    )


def _heading(
    buckets: Sequence[tuple[date, Sums]],
    amount: Callable[[Sums], int],
    last: Months,
    now: int | None,
    today: date,
) -> str:
    """Return what the running month is heading for; empty = it is over, or its cost is unknown."""
    if last.until is None or now is None:
        return ""
    costs: dict[date, float] = defaultdict(float)
    for bucket, sums in buckets:
        costs[bucket] += amount(sums) / PICO
    found = project(costs, today, last.until)
    if found is None:
        return "too few weeks to project the month"
    middle, low, high = (usd(_cents(now / PICO + part)) for part in found)
    return f"heading for {middle} ({low.removesuffix(' USD')}–{high} in 8 of 10 such months)"


def _cents(amount: float) -> int:
    return round(amount * 100) * (PICO // 100)


def _reuse(total: Sums, last: Months, now: Sums, before: Sums | None) -> Tile:
    """Return the figure of the reuse rate."""
    rate = share(total.reused_pools, total.pools)
    month = f"{last.label}: {share(now.reused_pools, now.pools)}"
    if before is not None and before.pools:
        month += f", after {share(before.reused_pools, before.pools)} in {last.label_before}"
    return Tile(
        "reuse",
        "Pools reused",
        rate if total.pools else "none",
        f"{total.reused_pools}/{total.pools}",
        f"{total.reused_pools:,} of {counted(total.pools, 'ended pool')}"
        if total.pools
        else "no pool has ended",
        month if now.pools else f"{last.label}: no pool has ended",
        "",
    )
