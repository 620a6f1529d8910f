"""Queries that find contradictions in the database, and states worth a remark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from exporter.store.connections import Connection
from exporter.store.schema import KEY, TABLES, training_job_changes, training_jobs

#: A query, and a template that turns each of its rows into a sentence.
_Finding = tuple[str, str]


def contradictions(connection: Connection, now: datetime) -> list[str]:
    """Return one sentence for each contradiction.

    Args:
        connection: The database.
        now: The time by this machine's clock.
    """
    return [
        *_sentences(connection, _CONTRADICTIONS),
        *_sentences(connection, [_FUTURE], {"latest": now + _AHEAD}),
    ]


def remarks(connection: Connection) -> list[str]:
    """Return one sentence for each state that is worth a remark, but is not a fault."""
    return list(_sentences(connection, _REMARKS))


def stale_rates(connection: Connection) -> list[str]:
    """Return a sentence if the table `rates` is not what its view computes."""
    return list(_sentences(connection, _STALE_RATES))


def _sentences(
    connection: Connection,
    findings: Iterable[_Finding],
    parameters: dict[str, datetime] | None = None,
) -> Iterator[str]:
    for statement, template in findings:
        for row in connection.execute(statement, parameters or {}).all():
            yield template.format(*row)


#: How far this machine's clock may be behind that of the service.
_AHEAD: Final = timedelta(hours=1)
_FUTURE: Final[_Finding] = (
    """
    SELECT account_id, region, column_name, moment
    FROM sync_scopes
    CROSS JOIN LATERAL (
        VALUES ('watermark', watermark), ('discovered_to', discovered_to)
    ) AS moments (column_name, moment)
    WHERE moment > :latest
    """,
    "The scope {}/{} has the {} {}, which is in the future: syncs may miss jobs until then. "
    "Run `sagemaker-exporter sync --full`.",
)
#: The columns of training_job_changes that training_jobs has as well: the state of a job.
_STATE: Final = ", ".join(
    column.name
    for column in training_job_changes.columns
    if column.name in training_jobs.names and column.name not in KEY
)
#: The history in the order in which it was written: two states can come from one answer.
_HISTORY: Final = f"PARTITION BY {', '.join(KEY)} ORDER BY observed_at, rowid"


_PRIMARY_KEYS: Final = {table.name: list(table.key) for table in TABLES.values()}

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
        f"""
        SELECT training_job_arn, creation_time, observed_at
        FROM training_job_changes
        QUALIFY row({_STATE}) IS NOT DISTINCT FROM lag(row({_STATE})) OVER ({_HISTORY})
        LIMIT 5
        """,  # noqa: S608 - names of our schema
        "The history of {}, created {}, has the state of {} twice.",
    ),
    (
        f"""
        SELECT training_job_arn, creation_time
        FROM (
            SELECT {", ".join(KEY)}, row({_STATE}) AS state
            FROM training_job_changes
            QUALIFY lead(rowid) OVER ({_HISTORY}) IS NULL
        ) AS last_change
        JOIN (SELECT {", ".join(KEY)}, row({_STATE}) AS state FROM training_jobs) AS job
            USING ({", ".join(KEY)})
        WHERE last_change.state IS DISTINCT FROM job.state
        LIMIT 5
        """,  # noqa: S608 - names of our schema
        "The row of {}, created {}, differs from its last row in training_job_changes.",
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
        # Not the latest watermark: a Date that was ahead is taken back. And not the latest time of
        # this machine, whose clock may have gone back.
        """
        SELECT account_id, region, watermark, last_watermark
        FROM sync_scopes
        JOIN (
            SELECT account_id, region, arg_max(watermark_after, rowid) AS last_watermark
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
            (FROM rates EXCEPT ALL FROM internal.rates_from_prices)
            UNION ALL
            (FROM internal.rates_from_prices EXCEPT ALL FROM rates)
        )
        HAVING count(*) > 0
        """,
        "The costs do not use the prices and discounts as they are: {} rates differ. "
        "The next `prices import` computes all rates again.",
    ),
]
