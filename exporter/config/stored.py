"""What the configuration puts into the database, so that plain views and other tools see it.

Account names, discounts, families with local storage, and the labels of every job by the rules
in force. It is written when it has changed, in one transaction, by the next sync.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from exporter.config.labels import Labelled, LabelRules, Labels, label
from exporter.config.model import Configuration
from exporter.prices import shipped
from exporter.store import jobs
from exporter.store.database import Database
from exporter.store.schema import accounts, discounts, settings
from exporter.text import short_hash

#: Accounts by the source that led to them.
Reached = Mapping[str, Sequence[str]]

_SETTING: Final = "configuration"
_SOURCES: Final = "accounts of sources"
_BATCH: Final = 50_000


def fingerprint(configuration: Configuration, reached: Reached) -> str:
    """Short hash of all of it, to know whether the database is up to date."""
    parts = (
        configuration.rules.fingerprint(),
        shipped.fingerprint(configuration.local_storage_families),
        sorted(configuration.accounts.items()),
        sorted(discounts_by_account(configuration, reached).items()),
    )
    return short_hash(repr(parts))


def discounts_by_account(
    configuration: Configuration, reached: Reached
) -> dict[tuple[str, str], Decimal]:
    """Per cent by account and component; empty stands for every."""
    return {
        (account, discount.component or ""): discount.percent
        for discount in configuration.discounts
        for account in (
            reached.get(discount.source, ())
            if discount.source is not None
            else [discount.account or ""]
        )
    }


def apply(database: Database, configuration: Configuration, reached: Reached) -> bool:
    """Bring the database up to the configuration; says whether it had to.

    Call it with the sync lock held.

    Args:
        database: The file.
        configuration: What it is to be brought up to.
        reached: Accounts that each source led to in this run; those of earlier runs are known.

    Raises:
        BusyError, DatabaseError: As `Database.writing`.
    """
    with database.reading() as connection:
        stored = {row.name: row.value for row in connection.execute(sa.select(settings)).all()}
        reached = json.loads(stored.get(_SOURCES, "{}")) | {
            name: sorted(accounts) for name, accounts in reached.items()
        }
        wanted = {
            _SETTING: fingerprint(configuration, reached),
            _SOURCES: json.dumps(reached, sort_keys=True),
        }
        if all(stored.get(name) == value for name, value in wanted.items()):
            return False
        relabelled = _relabelled(connection, configuration.rules)
    with database.writing() as connection:
        _replace(
            connection,
            accounts,
            [
                {"account_id": account, "account_name": name}
                for account, name in configuration.accounts.items()
            ],
        )
        _replace(
            connection,
            discounts,
            [
                {"account_id": account, "component": component, "percent": percent}
                for (account, component), percent in discounts_by_account(
                    configuration, reached
                ).items()
            ],
        )
        shipped.load_shipped(connection, configuration.local_storage_families)
        for start in range(0, len(relabelled), _BATCH):
            batch = relabelled[start : start + _BATCH]
            jobs.relabel(connection, {name: [row[name] for row in batch] for name in batch[0]})
        connection.execute(sa.delete(settings).where(settings.c.name.in_(wanted)))
        rows = [{"name": name, "value": value} for name, value in wanted.items()]
        connection.execute(sa.insert(settings), rows)
    return True


def _replace(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(sa.delete(table))
    if rows:
        connection.execute(sa.insert(table), [dict(row) for row in rows])


def _relabelled(connection: sa.Connection, rules: LabelRules) -> list[dict[str, object]]:
    """Jobs whose labels change under these rules, with the new ones."""
    changed = []
    for row in jobs.labelled_jobs(connection):
        tags = json.loads(row["tags"]) if row["tags"] else {}
        labels = label(
            Labelled(
                name=row["training_job_name"],
                account_id=row["account_id"],
                tuning_job_arn=row["tuning_job_arn"],
                role_arn=row["role_arn"],
                tags=tags,
            ),
            rules,
        )
        if labels != Labels(*(row[name] for name in Labels._fields)):
            key = {name: row[name] for name in ("training_job_arn", "creation_time")}
            changed.append(key | labels._asdict())
    return changed
