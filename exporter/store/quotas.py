"""Keeps the service quotas of each scope, and when they were last requested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from exporter.store.connections import Connection
from exporter.store.scopes import ScopeKey


def due(connection: Connection, keys: Iterable[ScopeKey], since: datetime) -> set[ScopeKey]:
    """Return the scopes with warm pools whose quotas have not been requested since a time."""
    rows = connection.execute(
        "SELECT name, value FROM settings WHERE starts_with(name, :prefix)",
        {"prefix": _PREFIX},
    )
    fresh = {name for name, value in rows.all() if datetime.fromisoformat(value) > since}
    stale = {key for key in keys if _setting(key) not in fresh}
    if not stale:
        return set()
    found = connection.execute(_KEEPERS).all()
    return stale & {ScopeKey(*row) for row in found}


def note_request(connection: Connection, key: ScopeKey, now: datetime) -> None:
    """Record that the quotas of a scope are requested now, whatever comes of it."""
    connection.execute(
        "INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)",
        {"name": _setting(key), "value": now.isoformat()},
    )


def replace(
    connection: Connection, key: ScopeKey, found: Iterable[Mapping[str, Any]], now: datetime
) -> None:
    """Replace the quotas of a scope.

    Args:
        connection: A connection in a transaction that the caller commits.
        key: The scope.
        found: instance_type, kind, instances and quota_code of each quota.
        now: When they were read.
    """
    connection.execute(_DELETE, key._asdict())
    # Of two values for one quota, the smaller one: nothing is promised that AWS may not keep.
    ordered = sorted(found, key=lambda row: row["instances"], reverse=True)
    rows = {
        (row["instance_type"], row["kind"]): {**key._asdict(), **row, "read_at": now}
        for row in ordered
    }
    connection.execute_each(_INSERT, rows.values())


def _setting(key: ScopeKey) -> str:
    return f"{_PREFIX}{key}"


_PREFIX: Final = "quotas requested "

_DELETE: Final = "DELETE FROM quotas WHERE account_id = :account_id AND region = :region"
_INSERT: Final = """
INSERT INTO quotas (account_id, region, instance_type, kind, instances, quota_code, read_at)
VALUES (:account_id, :region, :instance_type, :kind, :instances, :quota_code, :read_at)
"""

# The ARN names the scope, so this reads one table.
_KEEPERS: Final = """
SELECT DISTINCT
    split_part(training_job_arn, ':', 5) AS account_id,
    split_part(training_job_arn, ':', 4) AS region
FROM training_job_details
WHERE keep_alive_seconds > 0
"""
