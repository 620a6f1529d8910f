"""Prices by account, imports, retired scopes, odd records, times of states, limits and quotas.

Each block belongs to one table. DuckDB cannot alter a primary key, so `prices` is copied, dropped
and created again. All of it happens in the transaction of the upgrade.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: The table of imports. Schema 0001 did not record imports, so each source of imported prices
#: becomes one import without a time, which can be removed like any other.
_IMPORTS: Final = (
    """
    CREATE TABLE price_imports (
        import_id BIGINT NOT NULL,
        file VARCHAR NOT NULL,
        imported_at TIMESTAMPTZ,
        removed_at TIMESTAMPTZ,
        PRIMARY KEY (import_id)
    )
    """,
    """
    INSERT INTO price_imports (import_id, file)
    SELECT row_number() OVER (ORDER BY source), source
    FROM (
        SELECT DISTINCT source
        FROM prices
        WHERE source <> 'Price List API' AND NOT starts_with(source, 'shipped list: ')
    )
    """,
)

#: Prices name an account, a currency, an end, their import and, in a kept bill, a job.
_PRICES: Final = (
    "CREATE TEMP TABLE copied_prices AS SELECT * FROM prices",
    "DROP TABLE prices",
    """
    CREATE TABLE prices (
        region VARCHAR NOT NULL,
        component VARCHAR NOT NULL,
        instance_type VARCHAR NOT NULL,
        usd_per_unit NUMERIC(38, 12) NOT NULL,
        unit VARCHAR NOT NULL,
        effective_from DATE NOT NULL,
        source VARCHAR NOT NULL,
        account_id VARCHAR DEFAULT '' NOT NULL,
        currency VARCHAR DEFAULT 'USD' NOT NULL,
        effective_until DATE,
        import_id BIGINT DEFAULT 0 NOT NULL,
        training_job_arn VARCHAR DEFAULT '' NOT NULL,
        PRIMARY KEY (
            region, component, instance_type, account_id, effective_from, source, import_id,
            training_job_arn
        )
    )
    """,
    """
    INSERT INTO prices (
        region, component, instance_type, usd_per_unit, unit, effective_from, source, import_id
    )
    SELECT
        copied.region, copied.component, copied.instance_type, copied.usd_per_unit, copied.unit,
        copied.effective_from, copied.source, coalesce(price_imports.import_id, 0)
    FROM copied_prices AS copied
    LEFT JOIN price_imports ON copied.source = price_imports.file
    """,
    "DROP TABLE copied_prices",
)

#: Scopes can be retired.
_SCOPES: Final = ("ALTER TABLE sync_scopes ADD COLUMN retired_at TIMESTAMPTZ",)
#: The ledger says which records of the service were skipped or repaired.
_RUNS: Final = ("ALTER TABLE sync_runs ADD COLUMN odd_records JSON",)
#: Until when a state can have been seen, and since when a job is in doubt (syncing/merge.py).
_SEEN: Final = (
    "ALTER TABLE training_jobs ADD COLUMN seen_until TIMESTAMPTZ",
    "ALTER TABLE training_jobs ADD COLUMN missing_since TIMESTAMPTZ",
    "ALTER TABLE training_job_details ADD COLUMN seen_until TIMESTAMPTZ",
)
#: Earlier versions wrote some states of a job twice in one commit. The second row says nothing new.
_HISTORY: Final = (
    """
    DELETE FROM training_job_changes WHERE rowid IN (
        SELECT rowid
        FROM training_job_changes
        QUALIFY row(
            training_job_status, secondary_status, warm_pool_status, warm_pool_retained_seconds,
            warm_pool_reused_by_job, last_modified_time
        ) IS NOT DISTINCT FROM lag(row(
            training_job_status, secondary_status, warm_pool_status, warm_pool_retained_seconds,
            warm_pool_reused_by_job, last_modified_time
        )) OVER (
            PARTITION BY training_job_arn, creation_time ORDER BY observed_at, rowid
        )
    )
    """,
)
#: Details have the limits of a job. Details that were stored before do not: NULL.
_LIMITS: Final = (
    "ALTER TABLE training_job_details ADD COLUMN max_runtime_seconds BIGINT",
    "ALTER TABLE training_job_details ADD COLUMN max_wait_seconds BIGINT",
)

#: The internal views of schema 0001. Installing the views creates them in the schema internal.
_VIEWS: Final = tuple(
    f"DROP VIEW IF EXISTS {name}"
    for name in (
        "cost_bases",
        "cost_lines",
        "job_costs",
        "job_days",
        "pool_members",
        "pool_steps",
        "rate_card",
        "usage_days",
    )
)
#: Service quotas by account, region and instance type.
_QUOTAS: Final = (
    """
    CREATE TABLE quotas (
        account_id VARCHAR NOT NULL,
        region VARCHAR NOT NULL,
        instance_type VARCHAR NOT NULL,
        kind VARCHAR NOT NULL,
        instances BIGINT NOT NULL,
        quota_code VARCHAR,
        read_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (account_id, region, instance_type, kind)
    )
    """,
)
#: The prices in force. Installing the views fills this table. In schema 0001, a view had its name.
_RATES: Final = (
    "DROP VIEW IF EXISTS rates",
    """
    CREATE TABLE rates (
        account_id VARCHAR NOT NULL,
        region VARCHAR NOT NULL,
        component VARCHAR NOT NULL,
        instance_type VARCHAR NOT NULL,
        is_bill BOOLEAN NOT NULL,
        valid_from DATE NOT NULL,
        valid_to DATE NOT NULL,
        usd_per_unit NUMERIC(38, 12) NOT NULL,
        picousd_per_unit BIGINT NOT NULL,
        unit VARCHAR NOT NULL,
        price_source VARCHAR NOT NULL,
        priced_as VARCHAR NOT NULL,
        list_usd_per_unit NUMERIC(38, 12) NOT NULL,
        discount_percent NUMERIC(9, 6),
        effective_from DATE NOT NULL,
        estimated BOOLEAN NOT NULL,
        currency VARCHAR NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Add the columns and tables of this schema."""
    tables = (*_IMPORTS, *_PRICES, *_RATES, *_SCOPES, *_RUNS, *_SEEN, *_HISTORY, *_LIMITS, *_QUOTAS)
    for statement in (*tables, *_VIEWS):
        op.execute(statement)
