"""Prices by account and currency, and a record of each import of prices.

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


def upgrade() -> None:
    """Add the columns and tables of this schema."""
    for statement in (*_IMPORTS, *_PRICES):
        op.execute(statement)
