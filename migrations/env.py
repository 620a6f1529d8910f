"""Runs the migrations on the connection that exporter.store.migrate passes in.

Migrations are written by hand. duckdb-engine cannot reflect, so Alembic's autogenerate and
`check` do not work; `db check` compares DuckDB's own catalogue with the metadata instead.
"""

from __future__ import annotations

from alembic import context
from alembic.ddl.impl import DefaultImpl


class DuckDBImpl(DefaultImpl):
    """Tells Alembic that DuckDB runs DDL in transactions."""

    __dialect__ = "duckdb"
    transactional_ddl = True


context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
