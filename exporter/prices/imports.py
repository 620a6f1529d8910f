"""Imports the user's own prices from a CSV file. They beat every public price."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from exporter.errors import UsageError
from exporter.prices import rows
from exporter.prices.effects import ChangedMonth, changed_months, costs_of_past_months
from exporter.prices.rows import API_SOURCE, COLUMNS, LIMIT, SHIPPED_PREFIX, UNITS, Price
from exporter.sagemaker.price_list import CURRENCIES
from exporter.store import rates
from exporter.store.connections import Connection
from exporter.text import did_you_mean

_OPTIONAL: Final = ("source", "account_id", "currency")
_REQUIRED: Final = tuple(name for name in COLUMNS if name not in _OPTIONAL)
_KNOWN: Final = (*_REQUIRED, *_OPTIONAL)
_ACCOUNT: Final = re.compile(r"\d{12}")
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")
_TYPE: Final = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DECIMAL: Final = re.compile(r"\d{1,7}(\.\d{1,12})?|\.\d{1,12}")


@dataclass(frozen=True)
class ImportResult:
    """The result of an import.

    Attributes:
        file: The file.
        prices: The number of prices in the file.
        new: The number of prices for an account, item and day without an imported price before.
        changed: The number of prices that take the place of a different imported price.
        import_id: The ID of the import, for `remove`.
        changed_months: The past months whose cost the import changed.
    """

    file: str
    prices: int
    new: int
    changed: int
    import_id: int
    changed_months: tuple[ChangedMonth, ...]

    @property
    def unchanged(self) -> int:
        """The number of prices that an earlier import already stored."""
        return self.prices - self.new - self.changed


@dataclass(frozen=True)
class Import:
    """An import whose prices are in the database.

    Attributes:
        import_id: Its ID; a later import has a higher one.
        file: The name of the file.
        imported_at: The time of the import; None = schema 0001 did not record it.
        prices: The number of its prices.
    """

    import_id: int
    file: str
    imported_at: datetime | None
    prices: int


@dataclass(frozen=True)
class Removal:
    """The result of a removal.

    Attributes:
        removed: The import that was removed.
        changed_months: The past months whose cost the removal changed.
    """

    removed: Import
    changed_months: tuple[ChangedMonth, ...]


def import_csv(connection: Connection, path: Path, now: datetime) -> ImportResult:
    """Import the prices of a CSV file: all of them, or none.

    Of several imported prices for the same account, item and first day, the one of the last import
    is in force. `remove` brings the earlier one back. Columns: region, component, instance_type
    (empty for storage), usd_per_unit, unit (Hrs or GB-Mo), effective_from (YYYY-MM-DD), and
    optionally source, account_id (empty = all accounts) and currency (USD, CNY or EUR).

    Args:
        connection: A connection in a transaction that the caller commits.
        path: A CSV file in UTF-8 with a header line.
        now: The time by this machine's clock.

    Raises:
        UsageError: The file cannot be read, or a line is wrong; the message names the first one.
    """
    prices = {_key(price): price for price in _read(path)}
    stored = _imported(connection)
    new = sum(key not in stored for key in prices)
    same = sum(stored.get(key) == _terms(price) for key, price in prices.items())
    before = costs_of_past_months(connection, now)
    import_id = record_import(connection, path.name, now)
    rows.write(connection, prices.values(), import_id=import_id)
    months = changed_months(before, costs_of_past_months(connection, now))
    return ImportResult(str(path), len(prices), new, len(prices) - new - same, import_id, months)


def record_import(connection: Connection, file: str, now: datetime) -> int:
    """Add an import to the table `price_imports` and return its ID, which is never used again."""
    highest = connection.execute("SELECT max(import_id) FROM price_imports").scalars()
    import_id = int(highest[0] or 0) + 1
    connection.execute(
        "INSERT INTO price_imports (import_id, file, imported_at) VALUES (:id, :file, :now)",
        {"id": import_id, "file": file, "now": now},
    )
    return import_id


def imports(connection: Connection) -> list[Import]:
    """Return the imports whose prices are in the database, oldest first."""
    found = connection.execute(
        """
            SELECT
                import_id, any_value(file) AS file, any_value(imported_at) AS imported_at,
                count(prices.import_id) AS prices
            FROM price_imports
            LEFT JOIN prices USING (import_id)
            WHERE removed_at IS NULL
            GROUP BY import_id
            ORDER BY import_id
        """
    )
    return [Import(**row) for row in found.mappings()]


def remove(connection: Connection, import_id: int, now: datetime) -> Removal:
    """Remove the prices of an import. The prices that it replaced are in force again.

    Args:
        connection: A connection in a transaction that the caller commits.
        import_id: The ID of the import.
        now: The time by this machine's clock.

    Raises:
        UsageError: There is no such import, or it was removed before.
    """
    found = {each.import_id: each for each in imports(connection)}
    if import_id not in found:
        raise UsageError(f"There is no import {import_id}.", "`prices imports` lists them.")
    before = costs_of_past_months(connection, now)
    connection.execute("DELETE FROM prices WHERE import_id = :import_id", {"import_id": import_id})
    connection.execute(
        "UPDATE price_imports SET removed_at = :now WHERE import_id = :import_id",
        {"import_id": import_id, "now": now},
    )
    rates.refresh(connection)
    months = changed_months(before, costs_of_past_months(connection, now))
    return Removal(found[import_id], months)


def _imported(connection: Connection) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return the terms that the last import stored for each account, item and day."""
    result = connection.execute(
        f"""
            SELECT
                account_id, region, component, instance_type, effective_from,
                arg_max(usd_per_unit, import_id) AS usd_per_unit,
                arg_max(currency, import_id) AS currency,
                arg_max(source, import_id) AS source
            FROM prices
            WHERE {rows.IS_IMPORT}
            GROUP BY ALL
        """  # noqa: S608 - our condition
    )
    return {tuple(row[:5]): tuple(row[5:]) for row in result}


def _key(price: Price) -> tuple[Any, ...]:
    return price.account_id, *price.item, price.effective_from


def _terms(price: Price) -> tuple[Any, ...]:
    return price.usd_per_unit, price.currency, price.source


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
            if _terms(other)[:2] != _terms(price)[:2]:
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
    account = values.get("account_id", "")
    if account and not _ACCOUNT.fullmatch(account):
        raise ValueError(f"account_id {account!r} is not an account of 12 digits")
    if (currency := values.get("currency") or "USD") not in CURRENCIES:
        raise ValueError(f"currency {currency!r} is not one of {', '.join(CURRENCIES)}")
    source = values.get("source") or f"import: {path.name}"
    if source == API_SOURCE or source.startswith(SHIPPED_PREFIX):
        raise ValueError(f"source {source!r} is reserved for prices that are not imported")
    _check_usd(values["usd_per_unit"])
    _check_day(values["effective_from"])
    return rows.from_line({**values, "source": source, "currency": currency})


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
