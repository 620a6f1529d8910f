"""Imports the user's own prices from a CSV file. They beat every public price."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text

from exporter.errors import UsageError
from exporter.prices import rows
from exporter.prices.rows import API_SOURCE, COLUMNS, LIMIT, SHIPPED_PREFIX, UNITS, Price
from exporter.text import did_you_mean

_OPTIONAL: Final = ("source", "currency")
_REQUIRED: Final = tuple(name for name in COLUMNS if name not in _OPTIONAL)
_KNOWN: Final = (*_REQUIRED, *_OPTIONAL)
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
_TYPE: Final = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DECIMAL: Final = re.compile(r"\d{1,7}(\.\d{1,12})?|\.\d{1,12}")


@dataclass(frozen=True)
class ImportResult:
    """The result of an import.

    Attributes:
        file: The file.
        prices: The number of prices in the file.
        new: The number of prices for an item and day that had no imported price before.
        changed: The number of prices that replaced a different imported price.
    """

    file: str
    prices: int
    new: int
    changed: int

    @property
    def unchanged(self) -> int:
        """The number of prices that an earlier import already stored."""
        return self.prices - self.new - self.changed


def import_csv(connection: Connection, path: Path) -> ImportResult:
    """Import the prices of a CSV file: all of them, or none.

    A price replaces an imported one for the same item and first day. Columns: region, component,
    instance_type (empty for storage), usd_per_unit, unit (Hrs or GB-Mo), effective_from
    (YYYY-MM-DD), and optionally source and currency (USD).

    Args:
        connection: A connection in a transaction that the caller commits.
        path: A CSV file in UTF-8 with a header line.

    Raises:
        UsageError: The file cannot be read, or a line is wrong; the message names the first one.
    """
    prices = {_key(price): price for price in _read(path)}
    stored = _imported(connection)
    new = sum(key not in stored for key in prices)
    same = sum(
        stored.get(key) == (price.usd_per_unit, price.source) for key, price in prices.items()
    )
    rows.write(connection, prices.values(), replace_imports=True)
    return ImportResult(str(path), len(prices), new, changed=len(prices) - new - same)


def _imported(connection: Connection) -> dict[tuple[Any, ...], tuple[Decimal, str]]:
    """Return the price and source that earlier imports stored for each item and day."""
    result = connection.execute(
        text(f"""
            SELECT
                region, component, instance_type, effective_from,
                max(usd_per_unit) AS usd_per_unit, max(source) AS source
            FROM prices
            WHERE {rows.IS_IMPORT}
            GROUP BY ALL
        """)  # noqa: S608 - our condition
    )
    return {tuple(row[:4]): (row.usd_per_unit, row.source) for row in result}


def _key(price: Price) -> tuple[Any, ...]:
    return *price.item, price.effective_from


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
    problem = None
    if unknown := [name for name in names if name not in _KNOWN]:
        problem = f"unknown column {unknown[0]!r}.{did_you_mean(unknown[0], _KNOWN)}"
    elif missing := [name for name in _REQUIRED if name not in names]:
        problem = f"missing column {', '.join(missing)}."
    elif len(set(names)) < len(names):
        problem = "a column appears twice."
    if problem:
        raise UsageError(f"{path}, line 1: {problem}", f"Columns: {', '.join(_KNOWN)}.")


def _prices(path: Path, reader: csv.DictReader[str]) -> Iterator[Price]:
    first: dict[tuple[Any, ...], tuple[int, Price]] = {}
    for line in reader:
        try:
            if None in line or None in line.values():
                raise ValueError("this line and line 1 differ in the number of values")
            price = _price(path, {name.strip(): value.strip() for name, value in line.items()})
            number, other = first.setdefault(_key(price), (reader.line_num, price))
            if other.usd_per_unit != price.usd_per_unit:
                raise ValueError(f"line {number} has another price for the same item and day")
        except ValueError as error:
            raise UsageError(
                f"{path}, line {reader.line_num}: {error}.", "Nothing was imported."
            ) from error
        yield price


def _price(path: Path, values: Mapping[str, str]) -> Price:
    region, component, kind = values["region"], values["component"], values["instance_type"]
    if not _REGION.fullmatch(region):
        raise ValueError(f"region {region!r} is not a region such as eu-west-1")
    if component not in UNITS:
        raise ValueError(f"component {component!r} is not one of {', '.join(UNITS)}")
    if component.endswith("storage"):
        if kind:
            raise ValueError(f"instance_type {kind!r} must be empty for storage")
    elif not _TYPE.fullmatch(kind):
        raise ValueError(f"instance_type {kind!r} is not a type such as ml.m5.xlarge")
    if values["unit"] != UNITS[component]:
        raise ValueError(f"unit {values['unit']!r} must be {UNITS[component]} for {component}")
    if (currency := values.get("currency", "")) not in ("", "USD"):
        raise ValueError(f"currency {currency!r} must be USD")
    source = values.get("source") or f"import: {path.name}"
    if source == API_SOURCE or source.startswith(SHIPPED_PREFIX):
        raise ValueError(f"source {source!r} is reserved for prices that are not imported")
    _check_usd(values["usd_per_unit"])
    _check_day(values["effective_from"])
    return rows.from_line({**values, "source": source})


def _check_usd(value: str) -> None:
    if not _DECIMAL.fullmatch(value) or Decimal(value) >= LIMIT:
        raise ValueError(
            f"usd_per_unit {value!r} is not a price below {LIMIT} with at most 12 decimals, "
            "such as 0.257"
        )


def _check_day(value: str) -> None:
    # Python accepts other ISO forms such as 20261031, which are too easily typing errors.
    try:
        valid = bool(_DAY.fullmatch(value) and date.fromisoformat(value))
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"effective_from {value!r} is not a day such as 2026-10-31")
