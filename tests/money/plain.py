"""The costs in plain Python: the reference for the views.

It follows the rules, one job at a time, with fractions. It shares nothing with the SQL.
"""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

from exporter.prices.rows import Price

Row = Mapping[str, Any]
ORDER = (
    "settled",
    "accruing",
    "estimated",
    "other currency",
    "no price",
    "unknown seconds",
    "no details",
    "training plan",
    "serverless",
)


class Daily(NamedTuple):
    """A row of daily_costs, without the columns of the job."""

    name: str
    created: datetime
    usage_date: date
    component: str
    instance_type: str | None
    quantity: Decimal | None
    usd_per_unit: Decimal | None
    cost_usd: Decimal | None
    cost_basis: str
    currency: str | None
    cost: Decimal | None


class Total(NamedTuple):
    """The costs in a row of warm_pool_costs or training_job_costs."""

    name: str
    created: datetime
    component: str
    instance_type: str | None
    seconds: int | None
    compute: Decimal | None
    storage: Decimal | None
    cost: Decimal | None
    bases: tuple[str, str, str]


@dataclass
class Usage:
    """The seconds of a job on one instance type, and their span."""

    job: Row
    component: str
    instance_type: str | None
    count: int | None
    volume: int | None
    seconds: int | None
    start: datetime
    end: datetime
    basis: str
    unknown_day: date
    last_day: date = field(default=date.max)


@dataclass(frozen=True)
class Books:
    """Everything but the jobs: prices, discounts (account, component: per cent), …"""

    prices: Sequence[Price]
    discounts: Mapping[tuple[str, str], Decimal]
    local_families: frozenset[str]
    watermarks: Mapping[tuple[str, str], datetime]


def half_up(value: Fraction) -> Decimal:
    """Round half-up to 12 places; nothing here is negative."""
    whole = (value * 10**12 * 2 + 1).__floor__() // 2
    with localcontext() as context:
        context.prec = 60
        return Decimal(whole).scaleb(-12)


def weaker(*bases: str) -> str:
    return max(bases, key=ORDER.index)


def costs(
    jobs: Sequence[Row], details: Mapping[tuple[str, datetime], Row], books: Books
) -> tuple[list[Daily], list[Total]]:
    """Return the rows of daily_costs and of the two views per job, each sorted."""
    daily: list[Daily] = []
    totals: list[Total] = []
    for job in jobs:
        detail = details.get((job["training_job_arn"], job["creation_time"]))
        for usage in [*_training(job, detail, books), *_pool(job, detail, books)]:
            rows, total = _money(usage, books)
            daily.extend(rows)
            totals.append(total)
    return sorted(daily, key=repr), sorted(totals, key=repr)


def _of(detail: Row | None, name: str) -> Any:
    return None if detail is None else detail[name]


def _not_negative(seconds: int | None) -> int | None:
    return None if seconds is None or seconds < 0 else seconds


def _observed(job: Row, books: Books) -> datetime:
    seen = [job["verified_at"], books.watermarks.get((job["account_id"], job["region"]))]
    known = [moment for moment in seen if moment is not None]
    last: datetime = max(known, default=job["updated_at"])
    return min(last, job["deleted_at"]) if job["deleted_at"] else last


def _basis(job: Row, detail: Row | None, known: bool, seconds: int | None, settled: bool) -> str:
    if _of(detail, "serverless"):
        return "serverless"
    if job["training_plan_arn"]:
        return "training plan"
    if settled and seconds == 0:
        return "settled"
    if not known:
        return "no details"
    if seconds is None:
        return "unknown seconds"
    return "settled" if settled else "accruing"


def _training(job: Row, detail: Row | None, books: Books) -> Iterator[Usage]:
    over = job["training_end_time"] or job["training_job_status"] in (
        "Completed",
        "Failed",
        "Stopped",
    )
    last = (
        (job["training_end_time"] or job["last_modified_time"]) if over else _observed(job, books)
    )
    created: datetime = job["creation_time"]
    start = _of(detail, "training_start_time")
    billable = _not_negative(_of(detail, "billable_seconds"))
    seconds: int | None
    if detail is None:
        seconds = None
    elif over and billable is not None:
        seconds = billable
    elif not over and start is None:
        seconds = billable or 0
    elif detail["managed_spot"] or start is None or (over and detail["final"]) or last is None:
        seconds = billable
    else:
        seconds = max(billable or 0, max(last - start, timedelta(0)) // timedelta(seconds=1))
    if start is not None:
        begin = max(start, created)
    elif over and seconds is not None and last is not None:
        begin = max(last - timedelta(seconds=seconds), created)
    else:
        begin = created
    end = last if last and last > begin else begin + timedelta(seconds=seconds or 0)
    day_limit = max((last or created).date(), created.date())
    unknown = min((job["training_end_time"] or begin).date(), day_limit)
    counts: dict[str | None, int | None] = {None: None}
    if detail is not None:
        counts = {detail["instance_type"]: detail["instance_count"]}
        if detail["instance_type"] is None and detail["instance_groups"]:
            grouped: dict[str | None, int | None] = {}
            for group in json.loads(detail["instance_groups"]):
                already = grouped.get(group["InstanceType"]) or 0
                grouped[group["InstanceType"]] = already + group["InstanceCount"]
            counts = grouped
    settled = bool(over) and billable is not None
    for instance_type, count in counts.items():
        known = instance_type is not None and count is not None
        yield Usage(
            job,
            "Training",
            instance_type,
            count,
            _of(detail, "volume_size_gb"),
            seconds,
            begin,
            end,
            _basis(job, detail, known, seconds, settled),
            unknown,
            day_limit,
        )


def _pool(job: Row, detail: Row | None, books: Books) -> Iterator[Usage]:
    status, reported = job["warm_pool_status"], _not_negative(job["warm_pool_retained_seconds"])
    over = job["training_end_time"] or job["training_job_status"] in (
        "Completed",
        "Failed",
        "Stopped",
    )
    settled = status in ("Reused", "Terminated")
    if not (settled or (reported or 0) > 0 or (status is not None and over)):
        return
    begin = job["training_end_time"] or job["last_modified_time"] or job["creation_time"]
    seconds: int | None = reported
    if not settled and job["deleted_at"]:
        seconds = None
    elif not settled and status is not None:
        elapsed = max(_observed(job, books) - begin, timedelta(0)) // timedelta(seconds=1)
        keep_alive = _not_negative(_of(detail, "keep_alive_seconds"))
        elapsed = elapsed if keep_alive is None else min(elapsed, keep_alive)
        seconds = max(reported or 0, elapsed)
    instance_type = _of(detail, "instance_type")
    count = _of(detail, "instance_count")
    known = instance_type is not None and count is not None
    yield Usage(
        job,
        "Training Warm Pool",
        instance_type,
        count,
        _of(detail, "volume_size_gb"),
        seconds,
        begin,
        begin + timedelta(seconds=seconds or 0),
        _basis(job, detail, known, seconds, settled),
        begin.date(),
    )


def _days(usage: Usage) -> Iterator[tuple[date, int | None]]:
    """Yield the seconds of each UTC day: those up to its end minus those up to its start."""
    if usage.seconds is None:
        yield usage.unknown_day, None
        return
    first = min(usage.start.date(), usage.last_day)
    last = min(max(usage.start, usage.end - timedelta(microseconds=1)).date(), usage.last_day)
    tick = timedelta(microseconds=1)
    if usage.end - usage.start >= timedelta(seconds=3_000_000):
        tick = timedelta(seconds=1)
    done, day = 0, first
    while day <= last:
        if day == last:
            upto = usage.seconds
        else:
            midnight = datetime.combine(day + timedelta(days=1), time(), UTC)
            spent = (midnight - usage.start) // tick
            upto = spent * usage.seconds // ((usage.end - usage.start) // tick)
        yield day, upto - done
        done, day = upto, day + timedelta(days=1)


def _money(usage: Usage, books: Books) -> tuple[list[Daily], Total]:
    daily: list[Daily] = []
    kind = usage.instance_type
    charged = kind is None or kind.split(".")[1] not in books.local_families
    computes: list[tuple[Decimal | None, str]] = []
    storages: list[tuple[Decimal | None, str]] = []
    nothing = usage.seconds == 0 and usage.basis == "settled"
    for day, seconds in _days(usage):
        month = monthrange(day.year, day.month)[1] * 86400
        units = None if seconds is None or usage.count is None else seconds * usage.count
        hours = None if units is None else Fraction(units, 3600)
        compute = _line(usage, day, usage.component, kind or "", hours, books)
        computes.append((Decimal(0), "settled") if nothing else compute[1:3])
        gb = (
            None if units is None or usage.volume is None else Fraction(units * usage.volume, month)
        )
        storage = _line(usage, day, f"{usage.component} ML storage", "", gb, books)
        price, cost, basis, currency, amount = storage
        if ORDER.index(usage.basis) < ORDER.index("unknown seconds") and usage.volume is None:
            cost, basis, amount = None, "no details", None
        if nothing or (not charged and ORDER.index(usage.basis) < ORDER.index("training plan")):
            storages.append((Decimal(0), "settled"))
        else:
            storages.append((cost, basis))
        if seconds == 0:
            continue
        key = usage.job["training_job_name"], usage.job["creation_time"], day
        quantity = None if hours is None else half_up(hours)
        rate, usd, known_by, code, paid = compute
        daily.append(Daily(*key, usage.component, kind, quantity, rate, usd, known_by, code, paid))
        if charged and kind is not None:
            name = f"{usage.component} ML storage"
            quantity = None if gb is None else half_up(gb)
            daily.append(Daily(*key, name, kind, quantity, price, cost, basis, currency, amount))
    compute_total, storage_total = _sum(computes), _sum(storages)
    compute_basis = weaker(*[basis for _, basis in computes])
    storage_basis = weaker(*[basis for _, basis in storages])
    known = [cost for cost in (compute_total, storage_total) if cost is not None]
    cost_total = sum(known, Decimal(0)) if compute_total is not None or any(known) else None
    total = Total(
        usage.job["training_job_name"],
        usage.job["creation_time"],
        usage.component,
        kind,
        usage.seconds,
        compute_total,
        storage_total,
        cost_total,
        (compute_basis, storage_basis, weaker(compute_basis, storage_basis)),
    )
    return daily, total


def _sum(parts: Sequence[tuple[Decimal | None, str]]) -> Decimal | None:
    known = [cost for cost, _ in parts if cost is not None]
    return sum(known, Decimal(0)) if known else None


def _line(
    usage: Usage, day: date, component: str, kind: str, units: Fraction | None, books: Books
) -> tuple[Decimal | None, Decimal | None, str, str | None, Decimal | None]:
    """Return price, cost in USD, basis, currency and cost in that currency of these units."""
    if usage.basis in ("training plan", "serverless"):
        return None, None, usage.basis, None, None
    found = _price(usage.job, day, component, kind, books)
    if usage.basis in ("no details", "unknown seconds") or units is None:
        price, currency, _ = found or (None, None, False)
        return price, None, usage.basis, currency, None
    if found is None:
        return None, None, "no price", None, None
    price, currency, estimated = found
    cost = half_up(units * Fraction(price))
    if currency != "USD":
        return price, None, weaker(usage.basis, "other currency"), currency, cost
    basis = weaker(usage.basis, "estimated") if estimated else usage.basis
    return price, cost, basis, currency, cost


def _price(
    job: Row, day: date, component: str, kind: str, books: Books
) -> tuple[Decimal, str, bool] | None:
    """Return the price of a unit on a day, its currency, and whether it is an estimate."""
    as_training = component.replace("Training Warm Pool", "Training")
    offered = [
        price
        for price in books.prices
        if (price.region, price.instance_type) == (job["region"], kind)
        and price.component in (component, as_training)
        and price.account_id in ("", job["account_id"])
    ]
    billed = [
        (price.account_id != "", price.source, price)
        for price in offered
        if _kind(price) == BILL and price.component == component and price.effective_from == day
    ]
    if billed:
        chosen = max(billed)[-1]
        return chosen.usd_per_unit, chosen.currency, False
    dated = sorted(
        (price.effective_from, price.source, price)
        for price in _dated([price for price in offered if _kind(price) != BILL], component)
    )
    if not dated:
        return None
    before = [price for since, _, price in dated if since <= day]
    chosen = (
        before[-1]
        if before
        else next(price for since, _, price in reversed(dated) if since == dated[0][0])
    )
    old = _kind(chosen) == SHIPPED and (day - chosen.effective_from).days > 180
    return _discounted(chosen, job, component, books), chosen.currency, old or not before


SHIPPED, API, IMPORTED, BILL = range(4)


def _kind(price: Price) -> int:
    if price.source.startswith("shipped list: "):
        return SHIPPED
    if price.source == "Price List API":
        return API
    return BILL if price.source.startswith("bill") else IMPORTED


def _dated(offered: Sequence[Price], component: str) -> Iterator[Price]:
    """Yield the prices among which the date decides."""
    kind = max((_kind(price) for price in offered), default=SHIPPED)
    by_owner = {
        is_own: [p for p in offered if _kind(p) == kind and (p.account_id != "") == is_own]
        for is_own in (True, False)
    }
    first = min((price.effective_from for price in by_owner[True]), default=date.max)
    for is_own, found in by_owner.items():
        has_component = any(price.component == component for price in found)
        for price in found:
            if (price.component == component or not has_component) and (
                is_own or price.effective_from < first
            ):
                yield price


def _discounted(price: Price, job: Row, component: str, books: Books) -> Decimal:
    if _kind(price) < IMPORTED:
        for key in [
            (job["account_id"], component),
            (job["account_id"], ""),
            ("", component),
            ("", ""),
        ]:
            if key in books.discounts:
                factor = (100 - Fraction(books.discounts[key])) / 100
                return half_up(Fraction(price.usd_per_unit) * factor)
    return price.usd_per_unit
