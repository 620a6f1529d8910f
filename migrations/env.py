"""Runs the migrations on the connection that exporter.store.migrate hands over.

Migrations are written by hand: duckdb-engine cannot reflect, so Alembic's autogenerate and
`check` are of no use here; `db check` compares DuckDB's own catalogue with the metadata instead.
"""

from __future__ import annotations

from alembic import context
from alembic.ddl.impl import DefaultImpl


class DuckDBImpl(DefaultImpl):
    """What Alembic has to know of DuckDB: its DDL is transactional."""

    __dialect__ = "duckdb"
    transactional_ddl = True


context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
