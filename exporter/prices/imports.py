"""Imports the user's own rates from a CSV; they beat every public price."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from exporter.errors import UsageError
from exporter.prices import rows
from exporter.prices.rows import API_SOURCE, LIMIT, SHIPPED_PREFIX, UNITS, Price

_REQUIRED: Final = (
    "region",
    "component",
    "instance_type",
    "usd_per_unit",
    "unit",
    "effective_from",
)
_KNOWN: Final = (*_REQUIRED, "source", "currency")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
_TYPE: Final = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DECIMAL: Final = re.compile(r"\d{1,7}(\.\d{1,12})?|\.\d{1,12}")


@dataclass(frozen=True)
class ImportResult:
    """What an import did.

    Attributes:
        file: The file.
        prices: Prices in it.
        new: Of these, for a thing and day for which nothing was imported before.
        changed: Of these, in place of an imported price that was different.
    """

    file: str
    prices: int
    new: int
    changed: int

    @property
    def unchanged(self) -> int:
        """Prices that were imported before, just like this."""
        return self.prices - self.new - self.changed


def import_csv(connection: Connection, path: Path) -> ImportResult:
    """Import prices; one imported before for the same thing and first day is replaced.

    Columns: region, component, instance_type (empty for storage), usd_per_unit, unit (Hrs or
    GB-Mo), effective_from (YYYY-MM-DD), and if wanted source and currency (USD). All of the file
    is imported, or nothing of it.

    Args:
        connection: In a transaction that the caller commits.
        path: A CSV file in UTF-8 with a header line.

    Raises:
        UsageError: The file cannot be read, or a line is wrong; the first such line is named.
    """
    prices = _read(path)
    result = connection.execute(
        text(f"""
            SELECT region, component, instance_type, effective_from, max(usd_per_unit) AS usd,
                max(source) AS source
            FROM prices
            WHERE {rows.IS_IMPORT}
            GROUP BY ALL
        """)  # noqa: S608 - our condition
    )
    known = {tuple(row[:4]): (row.usd, row.source) for row in result}
    keys = {_key(price): price for price in prices}
    new = sum(key not in known for key in keys)
    same = sum(known.get(key) == (price.usd_per_unit, price.source) for key, price in keys.items())
    rows.write(connection, keys.values(), replace_imports=True)
    return ImportResult(str(path), len(keys), new, changed=len(keys) - new - same)


def _read(path: Path) -> list[Price]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or ())
            return list(_prices(path, reader))
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not a CSV file in UTF-8: {error}.") from error


def _check_header(path: Path, found: Sequence[str]) -> None:
    names = [name.strip() for name in found]
    for name in names:
        if name not in _KNOWN:
            near = get_close_matches(name, _KNOWN, n=1)
            hint = f" (is it {near[0]}?)" if near else ""
            raise UsageError(
                f"{path}, line 1: unknown column {name!r}{hint}.", f"Columns: {', '.join(_KNOWN)}."
            )
    if missing := [name for name in _REQUIRED if name not in names]:
        raise UsageError(
            f"{path}, line 1: no column {', '.join(missing)}.", f"Columns: {', '.join(_KNOWN)}."
        )
    if len(set(names)) < len(names):
        raise UsageError(f"{path}, line 1: a column stands there twice.")


def _prices(path: Path, reader: csv.DictReader[str]) -> Iterator[Price]:
    seen: dict[tuple[object, ...], tuple[int, Price]] = {}
    for line in reader:
        where = f"{path}, line {reader.line_num}"
        if None in line or None in line.values():
            raise UsageError(f"{where}: has not as many values as the first line has columns.")
        values = {name.strip(): value.strip() for name, value in line.items()}
        try:
            price = _price(path, values)
        except ValueError as error:
            raise UsageError(f"{where}: {error}.", "Nothing was imported.") from error
        before = seen.setdefault(_key(price), (reader.line_num, price))
        if before[1].usd_per_unit != price.usd_per_unit:
            raise UsageError(
                f"{where}: another price than in line {before[0]} for the same thing and day.",
                "Nothing was imported.",
            )
        yield price


def _price(path: Path, values: Mapping[str, str]) -> Price:
    region, component, kind = values["region"], values["component"], values["instance_type"]
    if not _REGION.fullmatch(region):
        raise ValueError(f"region {region!r} is not a region, such as eu-west-1")
    if component not in UNITS:
        raise ValueError(f"component {component!r} is none of {', '.join(UNITS)}")
    if component.endswith("storage"):
        if kind:
            raise ValueError(f"instance_type {kind!r} with storage: it is empty there")
    elif not _TYPE.fullmatch(kind):
        raise ValueError(f"instance_type {kind!r} is none, such as ml.m5.xlarge")
    if values["unit"] != UNITS[component]:
        raise ValueError(f"unit {values['unit']!r} of {component}: it is {UNITS[component]}")
    if (currency := values.get("currency", "")) not in ("", "USD"):
        raise ValueError(f"currency {currency!r}: prices are in USD")
    source = values.get("source") or f"import: {path.name}"
    if source == API_SOURCE or source.startswith(SHIPPED_PREFIX):
        raise ValueError(f"source {source!r} is reserved: an import must be known as one")
    return Price(
        region,
        component,
        kind,
        _usd(values["usd_per_unit"]),
        values["unit"],
        _day(values["effective_from"]),
        source,
    )


def _usd(value: str) -> Decimal:
    if not _DECIMAL.fullmatch(value) or Decimal(value) >= LIMIT:
        raise ValueError(
            f"usd_per_unit {value!r} is not a price below {LIMIT}, such as 0.257, "
            "with at most 12 decimals"
        )
    return Decimal(value)


def _day(value: str) -> date:
    # Python takes other ISO forms as well, such as 20261031: a typo too easily.
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"effective_from {value!r} is not a day, such as 2026-10-31")


def _key(price: Price) -> tuple[str, str, str, date]:
    return price.region, price.component, price.instance_type, price.effective_from
