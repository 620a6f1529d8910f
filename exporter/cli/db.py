"""`db`: upgrade, check, back up, restore or prune the database file, and retire scopes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exporter.cli.app import App, pass_app
from exporter.cli.options import Value, options
from exporter.cli.results import Json, print_json
from exporter.cli.root import Command, Group
from exporter.config.kinds import PATH, SCOPE
from exporter.config.model import lock_timeout
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
FORGET_EPILOG = """\b
Examples:
  sagemaker-exporter db forget 111122223333/eu-west-1
"""


@dataclass(frozen=True)
class FileOptions:
    """The options of every command that works on the file."""

    lock_timeout: float = lock_timeout("a sync, or for a reader of the file")


@click.group(cls=Group)
def db() -> None:
    """Upgrade, check, back up, restore or prune the database file, and retire scopes.

    It is the only record of the jobs that AWS has deleted, so back it up.
    """


@db.command(cls=Command)
@options(wanted=FileOptions, output=Json)
@pass_app
def upgrade(app: App, wanted: FileOptions, output: Json) -> None:
    """Create the file, or upgrade it to this program's schema.

    `sync` does this by itself. The file with the older schema is kept as FILE.before-REVISION
    until the next upgrade. To go back to the older program, put that copy back.
    """
    from exporter.store.migrate import upgrade_locked

    done = upgrade_locked(app.database(lock_timeout=wanted.lock_timeout), notify=app.notify)
    if done.before is None:
        summary = f"created with schema {done.after}"
    elif done.before == done.after:
        summary = f"the schema, {done.after}, is the newest"
    else:
        summary = f"from schema {done.before} to {done.after}; the old file is kept as {done.copy}"
    answer = {"before": done.before, "after": done.after, "copy": done.copy}
    _report(app, output, answer, f"upgrade: {summary}")


@db.command(cls=Command, epilog=CHECK_EPILOG)
@options(wanted=FileOptions, output=Json)
@pass_app
def check(app: App, wanted: FileOptions, output: Json) -> None:
    """Check schema, keys, ledger and views, and read every row. Exit 8 if there is a fault.

    It changes nothing, and others can read the file meanwhile.
    """
    from exporter.store.check import check as check_database

    database = app.database(lock_timeout=wanted.lock_timeout)
    found = check_database(database)
    if output.wanted:
        print_json({"database": database.path, **_checked(found)})
    else:
        for table, rows in found.tables.items():
            click.echo(f"{table}: {counted(rows, 'row')}")
        for remark in found.remarks:
            app.notify(remark)
    if found.faults:
        raise DatabaseError(
            "\n".join([f"{database.path} has faults:", *(f"  {each}" for each in found.faults)]),
            "\nRestore a backup with `sagemaker-exporter db restore FILE`.",
        )
    if not output.wanted:
        app.notify(
            f"db check: no fault; schema {found.schema}, "
            f"{counted(sum(found.tables.values()), 'row')}, "
            f"{counted(found.views, 'view')}, {counted(found.size, 'byte')}"
        )


@db.command(cls=Command, epilog=BACKUP_EPILOG)
@click.argument("file", type=Value(PATH), metavar="FILE")
@options(wanted=FileOptions, output=Json)
@pass_app
def backup(app: App, file: Path, wanted: FileOptions, output: Json) -> None:
    """Copy the database to FILE and check the copy, while others read.

    The copy replaces FILE in one step, when it is complete and checked. Only its owner can read
    it.
    """
    from exporter.store.backup import backup as backup_database

    found = backup_database(app.database(lock_timeout=wanted.lock_timeout), file)
    _warn(app, found)
    rows = counted(sum(found.tables.values()), "row")
    summary = f"backup: {rows}, {counted(found.size, 'byte')} in {file}"
    _report(app, output, {"file": file, **_checked(found)}, summary)


@db.command(cls=Command, epilog=RESTORE_EPILOG)
@click.argument("file", type=Value(PATH), metavar="FILE")
@options(wanted=FileOptions, output=Json)
@pass_app
def restore(app: App, file: Path, wanted: FileOptions, output: Json) -> None:
    """Check FILE and put a copy of it in the place of the database.

    The database that it replaces is kept in the same folder, under another name.
    """
    from exporter.store.backup import restore as restore_database

    database = app.database(lock_timeout=wanted.lock_timeout)
    done = restore_database(database, file, notify=app.notify)
    _warn(app, done.checked)
    kept = f"; the replaced database is kept as {done.kept}" if done.kept else ""
    rows = counted(sum(done.checked.tables.values()), "row")
    answer = {"kept": done.kept, **_checked(done.checked)}
    _report(app, output, answer, f"restore: {rows} from {file}{kept}")


@db.command(cls=Command, short_help="Remove old runs that found nothing.")
@options(wanted=FileOptions, output=Json)
@pass_app
def prune(app: App, wanted: FileOptions, output: Json) -> None:
    """Remove runs that found nothing and are older than 90 days from the ledger.

    The last run of each scope stays, and every run that history refers to. Jobs and their history
    are never removed.
    """
    from exporter.store.prune import prune as prune_ledger

    done = prune_ledger(app.database(lock_timeout=wanted.lock_timeout), notify=app.notify)
    answer = {"removed": done.removed, "kept": done.kept, "since": done.since}
    summary = (
        f"prune: removed {counted(done.removed, 'run')} that found nothing before "
        f"{format_time(done.since)[:10]}, kept {done.kept:,}"
    )
    _report(app, output, answer, summary)


@db.command(
    cls=Command, epilog=FORGET_EPILOG, short_help="Retire an account and region; jobs stay."
)
@click.argument("scope", type=Value(SCOPE), metavar="ACCOUNT/REGION")
@options(wanted=FileOptions, output=Json)
@pass_app
def forget(app: App, scope: str, wanted: FileOptions, output: Json) -> None:
    """Retire an account and region: their jobs stay, but no freshness is expected of them.

    `status`, `--max-age`, "Data as of" and the metrics leave the scope out. A later sync of the
    scope brings it back and goes on from its watermark.
    """
    from exporter.store.forget import forget as forget_scope
    from exporter.store.scopes import ScopeKey

    database = app.database(lock_timeout=wanted.lock_timeout)
    done = forget_scope(database, ScopeKey(*scope.split("/")), notify=app.notify)
    answer = {"scope": str(done.scope), "retired_at": done.retired_at, "jobs": done.jobs}
    summary = f"forget: {done.scope} is retired; its {counted(done.jobs, 'job')} stay"
    _report(app, output, answer, summary)


def _report(app: App, output: Json, answer: dict[str, Any], summary: str) -> None:
    if output.wanted:
        print_json(answer)
    else:
        app.notify(f"db {summary}")


def _warn(app: App, found: Checked) -> None:
    """Name the faults of a copy, which is complete with all of them."""
    for fault in found.faults:
        app.notify(f"The copy has a fault: {fault}", level=logging.WARNING)


def _checked(found: Checked) -> dict[str, Any]:
    return {
        "schema": found.schema,
        "bytes": found.size,
        "tables": found.tables,
        "views": found.views,
        "faults": list(found.faults),
        "remarks": list(found.remarks),
    }
