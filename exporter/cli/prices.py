"""`prices`: the dated prices that the costs are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import Value, options
from exporter.cli.results import Json, Output, print_json, printing
from exporter.cli.root import Command, Group
from exporter.config.kinds import PATH, STRING, TIME, whole
from exporter.config.options import option
from exporter.text import counted

if TYPE_CHECKING:
    from exporter.prices.effects import ChangedMonth
    from exporter.prices.listing import InForce
    from exporter.reports.result import Result
    from exporter.store.database import Database

IMPORT_EPILOG = """\b
Examples:
  sagemaker-exporter prices import our-rates.csv
  sagemaker-exporter prices import our-rates.csv --json | jq .changed

\b
A file with these columns; instance_type is empty for storage. The last three
columns are optional; account_id is empty for all accounts:
  region,component,instance_type,usd_per_unit,unit,effective_from,source,account_id,currency
  eu-west-1,Training,ml.g5.xlarge,1.334,Hrs,2026-01-01,our contract,,USD
  eu-west-1,Training,ml.g5.xlarge,1.1,Hrs,2026-01-01,team,111122223333,USD
  eu-west-1,Training ML storage,,0.131,GB-Mo,2026-01-01,our contract,,USD
"""
IMPORTS_EPILOG = """\b
Examples:
  sagemaker-exporter prices imports
  sagemaker-exporter prices imports --format csv
"""
REMOVE_EPILOG = """\b
Examples:
  sagemaker-exporter prices remove 3
  sagemaker-exporter prices remove 3 --json | jq .changed_months
"""
REFRESH_EPILOG = """\b
Examples:
  sagemaker-exporter prices refresh
  sagemaker-exporter prices refresh --profile billing
"""
LIST_EPILOG = """\b
Examples:
  sagemaker-exporter prices list
  sagemaker-exporter prices list --on 2026-01-31 --format csv
"""


@click.group(cls=Group)
def prices() -> None:
    """List, import, remove or refresh the dated prices.

    The rate of a kept bill beats an imported price, on the days that the bill covers. An imported
    price beats a price from the Price List API, and that beats a price shipped with the program,
    whatever their dates. Among prices of one source, the one in force on the day counts; an
    account's own price beats a price for all accounts.
    """


@prices.command("import", cls=Command, epilog=IMPORT_EPILOG)
@click.argument("file", type=Value(PATH), metavar="FILE")
@options(output=Json)
@pass_app
def import_(app: App, file: Path, output: Json) -> None:
    """Import your own prices from a CSV file, all of them or none.

    An import takes the place of earlier prices of the same account, item and first day, until you
    remove it. The command says which past months cost something else than before.
    """
    from exporter.prices.imports import import_csv

    with _locked(app) as database, database.writing() as connection:
        result = import_csv(connection, file, app.now)
    if output.wanted:
        from exporter.prices.effects import as_json

        months = as_json(result.changed_months)
        print_json({**asdict(result), "unchanged": result.unchanged, "changed_months": months})
        return
    app.notify(
        f"prices import: {counted(result.prices, 'price')}, {result.new:,} new, "
        f"{result.changed:,} changed, {result.unchanged:,} unchanged"
    )
    notify_of_months(app, "prices import", result.changed_months)
    if result.changed_months:
        app.notify(f"prices import: `prices remove {result.import_id}` undoes this import")


def notify_of_months(app: App, command: str, months: Iterable[ChangedMonth]) -> None:
    """Print a line for each past month whose cost changed."""
    from exporter.reports.values import money

    for month in months:
        sign = "+" if month.difference_usd > 0 else ""
        app.notify(
            f"{command}: the cost of {month.month} changes from {money(month.before_usd)} to "
            f"{money(month.after_usd)} USD ({sign}{money(month.difference_usd)})"
        )


@prices.command("imports", cls=Command, epilog=IMPORTS_EPILOG)
@options(output=Output)
@pass_app
def imports_(app: App, output: Output) -> None:
    """List the imports of prices and the kept bills, oldest first."""
    from exporter.prices.imports import imports
    from exporter.reports.result import Column, Result

    with printing(app, output) as show:
        with app.database().reading() as connection:
            found = imports(connection)
        columns = (
            Column("import_id", "BIGINT", note="for `prices remove`"),
            Column("file"),
            Column(
                "imported_at",
                "TIMESTAMP WITH TIME ZONE",
                "time",
                note="NULL = before imports had a time",
            ),
            Column("prices", "BIGINT"),
        )
        rows = [(each.import_id, each.file, each.imported_at, each.prices) for each in found]
        show(Result(columns, rows, report="prices imports", title="Imports of prices"))


@prices.command("remove", cls=Command, epilog=REMOVE_EPILOG)
@click.argument("import_id", type=Value(whole(1, 2**63 - 1)), metavar="ID")
@options(output=Json)
@pass_app
def remove_(app: App, import_id: int, output: Json) -> None:
    """Remove the prices of one import or kept bill.

    The prices that it replaced are in force again. `prices imports` shows the IDs.
    """
    from exporter.prices.imports import remove

    with _locked(app) as database, database.writing() as connection:
        done = remove(connection, import_id, app.now)
    if output.wanted:
        from exporter.prices.effects import as_json

        print_json({**asdict(done.removed), "changed_months": as_json(done.changed_months)})
        return
    app.notify(
        f"prices remove: removed {counted(done.removed.prices, 'price')} of import {import_id} "
        f"({done.removed.file})"
    )
    notify_of_months(app, "prices remove", done.changed_months)


@contextmanager
def _locked(app: App) -> Iterator[Database]:
    """Give the database under the sync lock, created or upgraded: prices may precede a sync."""
    from exporter.store import migrate

    database = app.database()
    with migrate.locked(database, notify=app.notify):
        yield database


@dataclass(frozen=True)
class RefreshOptions:
    """How to reach the Price List API."""

    profile: str | None = option(None, "Profile of your AWS configuration.", STRING, "NAME")


@prices.command("refresh", cls=Command, epilog=REFRESH_EPILOG)
@options(wanted=RefreshOptions, output=Json)
@pass_app
def refresh_(app: App, wanted: RefreshOptions, output: Json) -> None:
    """Fetch the prices that the database needs from the Price List API.

    `sync` does this by itself, at most once a day, if pricing:GetProducts is allowed.
    """
    from exporter.prices.refresh import refresh
    from exporter.sagemaker.sessions import Sessions

    with _locked(app) as database:
        access = Sessions().access(wanted.profile, None, None)
        done = refresh(database, access.price_list, app.now)
    if output.wanted:
        print_json(done._asdict())
        return
    app.notify(
        f"prices refresh: asked for {counted(done.regions, 'region')}, "
        f"{counted(done.changed, 'price')} new or changed"
    )


@dataclass(frozen=True)
class ListOptions:
    """Which prices to list."""

    on: datetime | None = option(
        None, "Prices in force on this UTC day. Default: today.", TIME, "DAY"
    )
    every: bool = option(
        False, "Include prices of instance types that no job uses.", flag="--all", key="every"
    )


@prices.command("list", cls=Command, epilog=LIST_EPILOG, short_help="List the prices in force.")
@options(wanted=ListOptions, output=Output)
@pass_app
def list_(app: App, wanted: ListOptions, output: Output) -> None:
    """List the prices in force, their first day and source, and what has no price."""
    from exporter.prices.listing import in_force

    day = (wanted.on or app.now).date()
    with printing(app, output) as show:
        with app.database().reading() as connection:
            found = in_force(connection, day)
        show(_result(found, every=wanted.every))


def _result(found: InForce, *, every: bool) -> Result:
    from exporter.reports.result import Column, Note, Result

    shown = [price for price in found.prices if price.in_use or every]
    hidden = len(found.prices) - len(shown)
    unpriced = [
        f"{missing.instance_type or missing.component} in {missing.region} "
        f"({counted(missing.jobs, 'job')})"
        for missing in found.unpriced
    ]
    notes = (
        [Note("unpriced", f"In use without a price: {', '.join(unpriced)}.")] if unpriced else []
    )
    if hidden:
        notes.append(
            Note(
                "unused",
                f"Not shown: {counted(hidden, 'price')} that no job uses; --all shows all.",
            )
        )
    if currencies := sorted({price.currency for price in shown} - {"USD"}):
        notes.append(
            Note(
                "other_currency",
                f"Costs in {' or '.join(currencies)} are never added to those in USD: "
                "`training-cost` and `warm-pool-cost` show them as other_currencies.",
            )
        )
    rows = [
        (
            price.region,
            price.component,
            price.instance_type,
            price.usd_per_unit,
            price.unit,
            price.effective_from,
            price.source,
            price.estimated,
            price.account_id or None,
            price.discount_percent,
            price.currency,
            (found.on - price.effective_from).days,
        )
        for price in shown
    ]
    columns = (
        Column("region", key=True, aside=True),
        Column("component", key=True),
        Column("instance_type", key=True),
        Column("usd_per_unit", "DECIMAL(38,12)", "rate", note="in currency, after the discount"),
        Column("unit"),
        Column(
            "effective_from",
            "DATE",
            wide=True,
            note="first day of the price; after --on if estimated",
        ),
        Column("source", wide=True),
        Column(
            "estimated",
            "BOOLEAN",
            wide=True,
            note="--on is before the first day known, or 180 days after a list price was seen",
        ),
        Column(
            "account",
            note="account with its own price; NULL = all other accounts",
            key=True,
        ),
        Column("discount_percent", "DECIMAL(9,6)", wide=True),
        Column("currency"),
        Column(
            "age_days",
            "BIGINT",
            wide=True,
            note="days from effective_from to --on; negative = later",
        ),
    )
    title = f"Prices in force on {found.on}"
    return Result(columns, rows, notes=tuple(notes), report="prices", title=title)
