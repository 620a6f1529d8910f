"""The first schema: jobs, their history and details, prices, scopes and the ledger of runs.

Comments and views are data: the program installs them after every migration.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE training_jobs (
        training_job_arn VARCHAR NOT NULL,
        creation_time TIMESTAMPTZ NOT NULL,
        account_id VARCHAR NOT NULL,
        region VARCHAR NOT NULL,
        training_job_name VARCHAR NOT NULL,
        training_job_status VARCHAR,
        secondary_status VARCHAR,
        training_end_time TIMESTAMPTZ,
        last_modified_time TIMESTAMPTZ,
        warm_pool_status VARCHAR,
        warm_pool_retained_seconds BIGINT,
        warm_pool_reused_by_job VARCHAR,
        training_plan_arn VARCHAR,
        first_synced_at TIMESTAMPTZ NOT NULL,
        updated_at TIMESTAMPTZ NOT NULL,
        verified_at TIMESTAMPTZ,
        deleted_at TIMESTAMPTZ,
        open_reason VARCHAR,
        details_due BOOLEAN,
        job_family VARCHAR,
        family_rule VARCHAR,
        team VARCHAR,
        team_rule VARCHAR,
        PRIMARY KEY (training_job_arn, creation_time)
    )
    """,
    """
    CREATE TABLE training_job_changes (
        training_job_arn VARCHAR NOT NULL,
        creation_time TIMESTAMPTZ NOT NULL,
        observed_at TIMESTAMPTZ NOT NULL,
        run_id VARCHAR NOT NULL,
        training_job_status VARCHAR,
        secondary_status VARCHAR,
        warm_pool_status VARCHAR,
        warm_pool_retained_seconds BIGINT,
        warm_pool_reused_by_job VARCHAR,
        last_modified_time TIMESTAMPTZ
    )
    """,
    """
    CREATE TABLE training_job_details (
        training_job_arn VARCHAR NOT NULL,
        creation_time TIMESTAMPTZ NOT NULL,
        instance_type VARCHAR,
        instance_count BIGINT,
        instance_groups JSON,
        volume_size_gb BIGINT,
        keep_alive_seconds BIGINT,
        training_start_time TIMESTAMPTZ,
        billable_seconds BIGINT,
        training_seconds BIGINT,
        managed_spot BOOLEAN,
        tuning_job_arn VARCHAR,
        role_arn VARCHAR,
        failure_reason VARCHAR,
        tags JSON,
        status_transitions JSON,
        volume_kms_key_id VARCHAR,
        subnets JSON,
        security_group_ids JSON,
        encrypt_traffic BOOLEAN,
        network_isolation BOOLEAN,
        fetched_at TIMESTAMPTZ NOT NULL,
        final BOOLEAN NOT NULL,
        serverless BOOLEAN,
        PRIMARY KEY (training_job_arn, creation_time)
    )
    """,
    """
    CREATE TABLE prices (
        region VARCHAR NOT NULL,
        component VARCHAR NOT NULL,
        instance_type VARCHAR NOT NULL,
        usd_per_unit NUMERIC(38, 12) NOT NULL,
        unit VARCHAR NOT NULL,
        effective_from DATE NOT NULL,
        source VARCHAR NOT NULL,
        PRIMARY KEY (region, component, instance_type, effective_from, source)
    )
    """,
    """
    CREATE TABLE sync_scopes (
        account_id VARCHAR NOT NULL,
        region VARCHAR NOT NULL,
        watermark TIMESTAMPTZ,
        discovered_to TIMESTAMPTZ,
        discovered_from TIMESTAMPTZ,
        last_complete_at TIMESTAMPTZ,
        listing_mode VARCHAR,
        listing_created_after TIMESTAMPTZ,
        listing_created_before TIMESTAMPTZ,
        listing_modified_after TIMESTAMPTZ,
        listing_began_at TIMESTAMPTZ,
        listing_position TIMESTAMPTZ,
        last_error VARCHAR,
        failing_runs BIGINT,
        PRIMARY KEY (account_id, region)
    )
    """,
    """
    CREATE TABLE sync_runs (
        run_id VARCHAR NOT NULL,
        account_id VARCHAR NOT NULL,
        region VARCHAR NOT NULL,
        mode VARCHAR NOT NULL,
        started_at TIMESTAMPTZ NOT NULL,
        ended_at TIMESTAMPTZ,
        outcome VARCHAR NOT NULL,
        calls JSON,
        pages BIGINT,
        empty_pages BIGINT,
        throttles BIGINT,
        jobs_seen BIGINT,
        jobs_inserted BIGINT,
        jobs_changed BIGINT,
        jobs_deleted BIGINT,
        watermark_before TIMESTAMPTZ,
        watermark_after TIMESTAMPTZ,
        plan VARCHAR,
        error VARCHAR,
        PRIMARY KEY (run_id)
    )
    """,
    """
    CREATE TABLE accounts (
        account_id VARCHAR NOT NULL,
        account_name VARCHAR NOT NULL,
        PRIMARY KEY (account_id)
    )
    """,
    """
    CREATE TABLE discounts (
        account_id VARCHAR NOT NULL,
        component VARCHAR NOT NULL,
        percent NUMERIC(9, 6) NOT NULL,
        PRIMARY KEY (account_id, component)
    )
    """,
    """
    CREATE TABLE local_storage_families (
        family VARCHAR NOT NULL,
        PRIMARY KEY (family)
    )
    """,
    """
    CREATE TABLE settings (
        name VARCHAR NOT NULL,
        value VARCHAR NOT NULL,
        PRIMARY KEY (name)
    )
    """,
)


def upgrade() -> None:
    """Create every table."""
    for statement in _TABLES:
        op.execute(statement)
