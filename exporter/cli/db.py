"""`db`: looking after the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import lock_timeout_option
from exporter.cli.root import Command, Group
from exporter.errors import DatabaseError
from exporter.text import counted
from exporter.times import format_time

if TYPE_CHECKING:
    from exporter.store.check import Checked

CHECK_EPILOG = """\b
Examples:
  sagemaker-exporter db check
  sagemaker-exporter db check --json | jq .faults
"""
BACKUP_EPILOG = """\b
Examples:
  sagemaker-exporter db backup /backups/sagemaker.duckdb
  sagemaker-exporter db backup "/backups/sagemaker-$(date +%a).duckdb"
"""
RESTORE_EPILOG = """\b
Examples:
  sagemaker-exporter db restore /backups/sagemaker.duckdb
  sagemaker-exporter db restore sagemaker.duckdb.before-0002
"""

json_option = click.option("--json", is_flag=True, help="The outcome as one JSON object.")
lock_option = lock_timeout_option("a sync, or for a reader of the file")


@click.group(cls=Group)
def db() -> None:
    """Upgrade, check, back up, restore or prune the database file.

    It is the only record of jobs that AWS has deleted: back it up.
    """


@db.command(cls=Command)
@lock_option
@json_option
@pass_app
def upgrade(app: App, *, lock_timeout: float, json: bool) -> None:
    """Create the file, or bring it to this program's schema.

    `sync` does it by itself. The file of the older schema is kept as FILE.before-REVISION, until
    the next upgrade; going back to the older program means putting that copy back.
    """
    from exporter.store.migrate import upgrade_locked

    done = upgrade_locked(app.database(lock_timeout=lock_timeout), notify=app.say)
    told = {"before": done.before, "after": done.after, "copy": done.copy}
    if done.before is None:
        sentence = f"created with schema {done.after}"
    elif done.before == done.after:
        sentence = f"schema {done.after} is the newest already"
    else:
        sentence = f"from schema {done.before} to {done.after}; what was before is {done.copy}"
    _tell(app, "upgrade", told, sentence, json=json)


@db.command(cls=Command, epilog=CHECK_EPILOG)
@lock_option
@json_option
@pass_app
def check(app: App, *, lock_timeout: float, json: bool) -> None:
    """Check schema, keys, ledger and views, and read every row. Exit 8 when it has a fault.

    Nothing is changed, and others may read meanwhile.
    """
    from exporter.store.check import check as check_database

    database = app.database(lock_timeout=lock_timeout)
    found = check_database(database)
    if json:
        _print({"version": 1, "database": database.path, **_checked(found)})
    else:
        for table, rows in found.tables.items():
            click.echo(f"{table}: {counted(rows, 'row')}")
        for remark in found.remarks:
            app.say(remark)
    if found.faults:
        raise DatabaseError(
            "\n".join([f"{database.path} has faults:", *(f"  {each}" for each in found.faults)]),
            "\nPut a backup back with `sagemaker-exporter db restore FILE`.",
        )
    if not json:
        app.say(
            f"db check: sound; schema {found.schema}, "
            f"{counted(sum(found.tables.values()), 'row')}, "
            f"{counted(found.views, 'view')}, {counted(found.size, 'byte')}"
        )


@db.command(cls=Command, epilog=BACKUP_EPILOG)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@lock_option
@json_option
@pass_app
def backup(app: App, *, file: Path, lock_timeout: float, json: bool) -> None:
    """Copy the database to FILE, checked, while others read.

    FILE is replaced in one step when its successor is complete and checked, and is readable by
    its owner only.
    """
    from exporter.store.backup import backup as backup_database

    found = backup_database(app.database(lock_timeout=lock_timeout), file)
    _tell(
        app,
        "backup",
        {"file": file, **_checked(found)},
        f"{counted(sum(found.tables.values()), 'row')}, {counted(found.size, 'byte')} in {file}",
        json=json,
    )


@db.command(cls=Command, epilog=RESTORE_EPILOG)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@lock_option
@json_option
@pass_app
def restore(app: App, *, file: Path, lock_timeout: float, json: bool) -> None:
    """Put a copy of FILE, checked, in the database's place.

    The database that it replaces is kept beside it, under another name.
    """
    from exporter.store.backup import restore as restore_database

    done = restore_database(app.database(lock_timeout=lock_timeout), file, notify=app.say)
    kept = f"; what it replaced is {done.kept}" if done.kept else ""
    _tell(
        app,
        "restore",
        {"kept": done.kept, **_checked(done.checked)},
        f"{counted(sum(done.checked.tables.values()), 'row')} from {file}{kept}",
        json=json,
    )


@db.command(cls=Command)
@lock_option
@json_option
@pass_app
def prune(app: App, *, lock_timeout: float, json: bool) -> None:
    """Remove runs that found nothing and are older than 90 days from the ledger.

    The last run of each scope stays. Jobs and their history are never removed.
    """
    from exporter.store.prune import prune as prune_ledger

    done = prune_ledger(app.database(lock_timeout=lock_timeout), notify=app.say)
    told = {"removed": done.removed, "kept": done.kept, "since": done.since}
    sentence = (
        f"{counted(done.removed, 'run')} that found nothing before {format_time(done.since)[:10]} "
        f"removed, {done.kept:,} kept"
    )
    _tell(app, "prune", told, sentence, json=json)


def _tell(app: App, command: str, told: dict[str, Any], sentence: str, *, json: bool) -> None:
    if json:
        _print({"version": 1, **told})
    else:
        app.say(f"db {command}: {sentence}")


def _print(told: dict[str, Any]) -> None:
    from exporter.reports.values import to_json

    click.echo(to_json(told))


def _checked(found: Checked) -> dict[str, Any]:
    return {
        "schema": found.schema,
        "bytes": found.size,
        "tables": found.tables,
        "views": found.views,
        "faults": list(found.faults),
        "remarks": list(found.remarks),
    }
