"""Queries that find contradictions in the database, and states worth a remark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import sqlalchemy as sa

from exporter.store.schema import KEY, metadata

#: A query, and a template that turns each of its rows into a sentence.
_Finding = tuple[str, str]


def contradictions(connection: sa.Connection) -> list[str]:
    """Return one sentence for each contradiction."""
    return list(_sentences(connection, _CONTRADICTIONS))


def remarks(connection: sa.Connection) -> list[str]:
    """Return one sentence for each state that is worth a remark, but is not a fault."""
    return list(_sentences(connection, _REMARKS))


def stale_rates(connection: sa.Connection) -> list[str]:
    """Return a sentence if the table `rates` is not what its view computes."""
    return list(_sentences(connection, _STALE_RATES))


def _sentences(connection: sa.Connection, findings: Iterable[_Finding]) -> Iterator[str]:
    for statement, template in findings:
        for row in connection.exec_driver_sql(statement).all():
            yield template.format(*row)


_PRIMARY_KEYS: Final = {
    table.name: [column.name for column in table.primary_key] for table in metadata.tables.values()
}

_DUPLICATES: Final[list[_Finding]] = [
    (
        # Group the rows: a lookup by key would read the index, which holds each key once.
        f"SELECT {', '.join(key)}, count(*) FROM {table} GROUP BY {', '.join(key)} "  # noqa: S608
        "HAVING count(*) > 1 LIMIT 5",
        f"{table} has the key ({', '.join(['{}'] * len(key))}) {{}} times.",
    )
    for table, key in _PRIMARY_KEYS.items()
    if key
]

_CONTRADICTIONS: Final[list[_Finding]] = [
    *_DUPLICATES,
    *(
        (
            f"SELECT count(*) FROM {table} ANTI JOIN training_jobs USING ({', '.join(KEY)}) "  # noqa: S608
            "HAVING count(*) > 0",
            f"Rows of {table} without a row in training_jobs: {{}}.",
        )
        for table in ("training_job_details", "training_job_changes")
    ),
    (
        f"SELECT count(*) FROM training_jobs ANTI JOIN training_job_changes "  # noqa: S608
        f"USING ({', '.join(KEY)}) HAVING count(*) > 0",
        "Jobs without a row in training_job_changes: {}.",
    ),
    (
        "SELECT count(*) FROM training_job_changes ANTI JOIN sync_runs USING (run_id) "
        "HAVING count(*) > 0",
        "Rows of training_job_changes without a row in sync_runs: {}.",
    ),
    (
        """
        SELECT run_id, outcome, ended_at FROM sync_runs
        WHERE outcome NOT IN ('running', 'complete', 'failed', 'interrupted')
            OR (outcome = 'running') <> (ended_at IS NULL)
        LIMIT 5
        """,
        "The run {} has the outcome {} and the end time {}.",
    ),
    (
        """
        SELECT account_id, region, coalesce(jobs, 0), coalesce(inserted, 0)
        FROM (
            SELECT account_id, region, count(*) AS jobs FROM training_jobs GROUP BY ALL
        )
        FULL JOIN (
            SELECT account_id, region, sum(jobs_inserted) AS inserted FROM sync_runs GROUP BY ALL
        ) USING (account_id, region)
        WHERE coalesce(jobs, 0) <> coalesce(inserted, 0)
        """,
        "{}/{} has {} jobs, but its runs inserted {}.",
    ),
    (
        """
        SELECT account_id, region, watermark, last_watermark
        FROM sync_scopes
        JOIN (
            SELECT account_id, region, max(watermark_after) AS last_watermark
            FROM sync_runs WHERE outcome = 'complete' GROUP BY ALL
        ) USING (account_id, region)
        WHERE watermark IS DISTINCT FROM last_watermark
        """,
        "The watermark of {}/{} is {}, but its last complete run set it to {}.",
    ),
]

_REMARKS: Final[list[_Finding]] = [
    (
        "SELECT account_id, region FROM sync_runs WHERE outcome = 'running'",
        "A run of {}/{} is marked as running. If it was killed, the next sync corrects this.",
    ),
]

# Not a fault: somebody changed `prices` or `discounts` by hand, and nothing is lost.
_STALE_RATES: Final[list[_Finding]] = [
    (
        """
        SELECT count(*)
        FROM (
            (FROM rates EXCEPT ALL FROM rates_from_prices)
            UNION ALL
            (FROM rates_from_prices EXCEPT ALL FROM rates)
        )
        HAVING count(*) > 0
        """,
        "The costs do not use the prices and discounts as they are: {} rates differ. "
        "The next `prices import` computes all rates again.",
    ),
]
