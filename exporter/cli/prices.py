"""`prices`: the dated prices that the costs rest on."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import Time
from exporter.cli.results import printing, result_options, style_of
from exporter.cli.root import Command, Group
from exporter.text import counted

if TYPE_CHECKING:
    from exporter.prices.listing import InForce
    from exporter.reports.result import Result

IMPORT_EPILOG = """\b
Examples:
  sagemaker-exporter prices import our-rates.csv
  sagemaker-exporter prices import our-rates.csv --json | jq .changed

\b
A file with these columns; instance_type is empty for storage:
  region,component,instance_type,usd_per_unit,unit,effective_from,source
  eu-west-1,Training,ml.g5.xlarge,1.334,Hrs,2026-01-01,our contract
  eu-west-1,Training ML storage,,0.131,GB-Mo,2026-01-01,our contract
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
    """See, import or refresh the dated prices.

    An imported price beats the Price List API, and that beats the public prices that are shipped
    with the program, whatever their dates. Within one kind the price in force on the day counts.
    """


@prices.command("import", cls=Command, epilog=IMPORT_EPILOG)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--json", is_flag=True, help="The outcome as one JSON object.")
@pass_app
def import_(app: App, *, file: Path, json: bool) -> None:
    """Import your own prices from a CSV file: all of it, or nothing.

    A price that was imported before for the same thing and first day is replaced.
    """
    from exporter.prices.imports import import_csv
    from exporter.store import migrate
    from exporter.store.locks import sync_lock

    # Prices may be there before the first sync: the file is made if need be.
    database = app.database()
    with sync_lock(database.path, database.lock_timeout, notify=app.say):
        migrate.upgrade(database, notify=app.say)
        with database.writing() as connection:
            result = import_csv(connection, file)
    if json:
        from exporter.reports.values import to_json

        click.echo(to_json({"version": 1, **asdict(result), "unchanged": result.unchanged}))
        return
    app.say(
        f"prices import: {counted(result.prices, 'price')}, {result.new:,} new, "
        f"{result.changed:,} changed, "
        f"{result.unchanged:,} as before"
    )


@prices.command("refresh", cls=Command, epilog=REFRESH_EPILOG)
@click.option("--profile", metavar="NAME", help="Profile of your AWS configuration.")
@click.option("--json", is_flag=True, help="The outcome as one JSON object.")
@pass_app
def refresh_(app: App, *, profile: str | None, json: bool) -> None:
    """Ask the Price List API for the prices of what the database uses.

    `sync` does it by itself, at most once a day, where pricing:GetProducts is allowed.
    """
    from exporter.prices.refresh import refresh
    from exporter.sagemaker.sessions import Sessions
    from exporter.store import migrate
    from exporter.store.locks import sync_lock

    database = app.database()
    with sync_lock(database.path, database.lock_timeout, notify=app.say):
        migrate.upgrade(database, notify=app.say)
        access = Sessions().access(profile, None, None)
        done = refresh(database, access.price_list, app.now)
    if json:
        from exporter.reports.values import to_json

        click.echo(to_json({"version": 1, **done._asdict()}))
        return
    app.say(
        f"prices refresh: {counted(done.regions, 'region')} asked, "
        f"{counted(done.changed, 'price')} new or changed"
    )


@prices.command("list", cls=Command, epilog=LIST_EPILOG)
@click.option("--on", type=Time(), metavar="DAY", help="In force on this UTC day. Default: today.")
@click.option("--all", "every", is_flag=True, help="Also prices of types that no job uses.")
@result_options
@pass_app
def list_(
    app: App, *, on: datetime | None, every: bool, format: str, json: bool, output: Path | None
) -> None:
    """List the prices in force: since when, from where, and what is used without one."""
    from exporter.prices.listing import in_force

    day = (on or app.now).date()
    with printing(app, style_of(format, json=json), output) as show:
        with app.database().reading() as connection:
            found = in_force(connection, day)
        show(_result(found, every=every))


def _result(found: InForce, *, every: bool) -> Result:
    from exporter.reports.result import Column, Note, Result

    shown = [price for price in found.prices if price.in_use or every]
    hidden = len(found.prices) - len(shown)
    unpriced = [
        f"{missing.instance_type or missing.component} in {missing.region} "
        f"({counted(missing.jobs, 'job')})"
        for missing in found.unpriced
    ]
    notes = [Note("unpriced", f"Used without a price: {', '.join(unpriced)}.")] if unpriced else []
    if hidden:
        notes.append(Note("unused", f"{hidden} more are of no job: --all shows them."))
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
        )
        for price in shown
    ]
    columns = (
        Column("region"),
        Column("component"),
        Column("instance_type"),
        Column("usd_per_unit", "DECIMAL(38,12)", "rate", note="USD, after the discount"),
        Column("unit"),
        Column("effective_from", "DATE", note="its first day; later than --on in an estimate"),
        Column("source"),
        Column("estimated", "BOOLEAN", wide=True, note="--on lies before the first day known"),
        Column("account", wide=True, note="whose discount is in it; NULL = every other account"),
        Column("discount_percent", "DECIMAL(9,6)", wide=True),
    )
    title = f"Prices in force on {found.on}"
    return Result(columns, rows, notes=tuple(notes), report="prices", title=title)
