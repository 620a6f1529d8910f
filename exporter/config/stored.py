"""The part of the configuration that the database keeps, for views and other tools.

It holds account names, discounts, instance families with local storage, and the labels of every
job. The next sync writes it in one transaction if it has changed.
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

#: The accounts that each source led to, by the name of the source.
Reached = Mapping[str, Sequence[str]]

_SETTING: Final = "configuration"
_SOURCES: Final = "accounts of sources"
_BATCH: Final = 50_000


def fingerprint(configuration: Configuration, reached: Reached) -> str:
    """Return a short hash of the whole, to see whether the database is up to date."""
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
    """Return percentages by account and component; an empty string stands for every one."""
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
    """Write the configuration into the database if it differs. The caller holds the sync lock.

    Args:
        database: The file.
        configuration: What the database is to hold.
        reached: The accounts of this run; the database keeps those of earlier runs.

    Returns:
        Whether it differed.

    Raises:
        BusyError, DatabaseError: As `Database.writing`.
    """
    with database.reading() as connection:
        stored = {row.name: row.value for row in connection.execute(sa.select(settings)).all()}
        reached = json.loads(stored.get(_SOURCES, "{}")) | {
            name: sorted(accounts) for name, accounts in reached.items()
        }
        target = {
            _SETTING: fingerprint(configuration, reached),
            _SOURCES: json.dumps(reached, sort_keys=True),
        }
        if all(stored.get(name) == value for name, value in target.items()):
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
        connection.execute(sa.delete(settings).where(settings.c.name.in_(target)))
        rows = [{"name": name, "value": value} for name, value in target.items()]
        connection.execute(sa.insert(settings), rows)
    return True


def _replace(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(sa.delete(table))
    if rows:
        connection.execute(sa.insert(table), [dict(row) for row in rows])


def _relabelled(connection: sa.Connection, rules: LabelRules) -> list[dict[str, object]]:
    """Return the keys and the new labels of the jobs whose labels change."""
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
