"""The part of the configuration that the database keeps, for views and other tools.

It holds account names, discounts, instance families with local storage, the rules for families and
teams, and the labels of every job. The next sync, or `config apply`, writes it in one transaction
if it has changed.

A configuration that lacks one of these parts keeps that part of the database. Otherwise a single
sync without the file would undo discounts and teams. `config clear` removes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from exporter.config import file
from exporter.config.labels import Labelled, LabelRules, Labels, label
from exporter.config.model import Configuration, Discount
from exporter.prices import shipped
from exporter.store import jobs, rates
from exporter.store.connections import Connection
from exporter.store.database import Database
from exporter.store.locks import sync_lock
from exporter.store.schema import Table, accounts, discounts
from exporter.text import short_hash

#: The accounts that each source led to, by the name of the source.
Reached = Mapping[str, Sequence[str]]

_SETTING: Final = "configuration"
_SOURCES: Final = "accounts of sources"
_RULES: Final = "rules of the configuration"
_LABELS: Final = "rules of the labels"
#: What messages call the parts of a configuration.
_PARTS: Final = {
    "rules": "family and team rules",
    "accounts": "account names",
    "discounts": "discounts",
    "local_storage_families": "local_storage_families",
}
_BATCH: Final = 50_000
_VALUE: Final = "SELECT value FROM settings WHERE name = :name"
_KEEP_VALUE: Final = "INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)"


def fingerprint(configuration: Configuration, reached: Reached) -> str:
    """Return a short hash of the whole, to see whether the database is up to date."""
    parts = (
        configuration.rules.fingerprint(),
        shipped.fingerprint(configuration.local_storage_families),
        sorted(configuration.accounts.items()),
        # The database returns 12.500000 for 12.5.
        sorted(
            (key, percent.normalize())
            for key, percent in discounts_by_account(configuration, reached).items()
        ),
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


def read(connection: Connection) -> Configuration:
    """Return the configuration that the database keeps; a discount names its accounts."""
    text = connection.execute(_VALUE, {"name": _RULES}).scalar()
    found = file.parse(json.loads(text or "{}"), Path("the database")).configuration
    names = connection.execute("FROM accounts ORDER BY account_id").all()
    percents = connection.execute("FROM discounts ORDER BY account_id, component").all()
    return replace(
        found,
        accounts={row.account_id: row.account_name for row in names},
        discounts=tuple(
            Discount(row.percent.normalize(), row.account_id or None, row.component or None)
            for row in percents
        ),
    )


def reached_accounts(connection: Connection) -> dict[str, list[str]]:
    """Return the accounts to which each source has led, by the name of the source."""
    text = connection.execute(_VALUE, {"name": _SOURCES}).scalar()
    found: dict[str, list[str]] = json.loads(text or "{}")
    return found


def parts(configuration: Configuration) -> dict[str, Any]:
    """Return the parts that a configuration has, by the name of their field."""
    has = {
        "rules": configuration.rules != LabelRules(),
        "accounts": bool(configuration.accounts),
        "discounts": bool(configuration.discounts),
        "local_storage_families": configuration.local_storage_families is not None,
    }
    return {name: getattr(configuration, name) for name, is_set in has.items() if is_set}


def kept_parts(given: Configuration, stored: Configuration) -> dict[str, Any]:
    """Return the parts that the database has and the given configuration lacks."""
    has = parts(given)
    return {name: value for name, value in parts(stored).items() if name not in has}


def with_kept(
    database: Database, given: Configuration, notify: Callable[[str], None]
) -> Configuration:
    """Return the configuration to apply: the given one, and what it lacks from the database.

    Args:
        database: The file.
        given: The configuration in force.
        notify: Called with one line if parts come from the database.

    Raises:
        BusyError, DatabaseError: As `Database.reading`.
    """
    with database.reading() as connection:
        kept = kept_parts(given, read(connection))
    if kept:
        notify(
            f"The configuration has no {_list(kept)}, so those of the database stay. "
            "To remove them, run `sagemaker-exporter config clear`."
        )
    return replace(given, **kept)


def apply_now(
    database: Database,
    given: Configuration,
    *,
    timeout: float,
    notify: Callable[[str], None],
) -> bool:
    """Write the configuration into the database without a sync, and label every job by it.

    Args:
        database: The file.
        given: The configuration in force.
        timeout: Seconds to wait for a sync.
        notify: Called if it has to wait, and for what the configuration cannot change yet.

    Returns:
        Whether the database differed.

    Raises:
        BusyError, DatabaseError: As `Database.writing`.
    """
    with sync_lock(database.path, timeout, notify=notify):
        with database.reading() as connection:
            reached = reached_accounts(connection)
        for discount in given.discounts:
            if discount.source is not None and discount.source not in reached:
                notify(
                    f"No sync has reached an account of the source {discount.source!r} yet, so its "
                    "discount counts after the next sync."
                )
        return apply(database, with_kept(database, given, notify), {})


def clear(database: Database, *, timeout: float, notify: Callable[[str], None]) -> dict[str, int]:
    """Remove the configuration from the database, and label every job by the built-in rules.

    Args:
        database: The file.
        timeout: Seconds to wait for a sync.
        notify: Called if it has to wait.

    Returns:
        How many entries of each part were removed, by its name.

    Raises:
        BusyError, DatabaseError: As `Database.writing`.
    """
    with sync_lock(database.path, timeout, notify=notify):
        with database.reading() as connection:
            stored = read(connection)
        apply(database, Configuration(), {})
    rules = stored.rules
    return {
        "rules": len(rules.families) + len(rules.teams) + bool(rules.team_tag),
        "accounts": len(stored.accounts),
        "discounts": len(stored.discounts),
        "local_storage_families": len(stored.local_storage_families or ()),
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
        stored = {row.name: row.value for row in connection.execute("FROM settings").all()}
        reached = json.loads(stored.get(_SOURCES, "{}")) | {
            name: sorted(accounts) for name, accounts in reached.items()
        }
        target = {
            _SETTING: fingerprint(configuration, reached),
            _SOURCES: json.dumps(reached, sort_keys=True),
            _RULES: _rules_text(configuration),
            _LABELS: configuration.rules.fingerprint(),
        }
        if all(stored.get(name) == value for name, value in target.items()):
            return False
        relabelled = []
        if stored.get(_LABELS) != target[_LABELS]:
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
        rates.refresh(connection)
        for start in range(0, len(relabelled), _BATCH):
            batch = relabelled[start : start + _BATCH]
            jobs.relabel(connection, {name: [row[name] for row in batch] for name in batch[0]})
        rows = [{"name": name, "value": value} for name, value in target.items()]
        connection.execute_each(_KEEP_VALUE, rows)
    return True


def _rules_text(configuration: Configuration) -> str:
    """Return the rules as JSON, with the keys that they have in the file."""
    rules = configuration.rules
    tables = {
        "family": [_fields(rule) for rule in rules.families],
        "team": [_fields(rule) for rule in rules.teams],
        "team_tag": rules.team_tag,
        "local_storage_families": configuration.local_storage_families,
    }
    return json.dumps({key: value for key, value in tables.items() if value is not None})


def _fields(rule: object) -> dict[str, str]:
    fields = vars(rule).items()
    return {name: getattr(value, "pattern", value) for name, value in fields if value is not None}


def _list(names: Iterable[str]) -> str:
    *first, last = [_PARTS[name] for name in names]
    return f"{', '.join(first)} or {last}" if first else last


def _replace(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    values = ", ".join(f":{name}" for name in table.names)
    connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - a name of the schema
    connection.execute_each(f"INSERT INTO {table.name} VALUES ({values})", rows)  # noqa: S608 - names of the schema


def _relabelled(connection: Connection, rules: LabelRules) -> list[dict[str, object]]:
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
