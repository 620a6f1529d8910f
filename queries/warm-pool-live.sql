-- title: Warm pools that are idle now
-- description: Pools that had not ended when sync last observed them and whose keep-alive period is
--   not over: what each costs an hour, when it ends at the latest, and the command that would end
--   it. The command is printed, never run.
-- prices: yes
-- bar: usd_per_hour
-- limit: usd_per_hour
-- column: job key: Name of the job before the idle time
-- column: account_id wide: AWS account
-- column: region key aside: Region
-- column: family wide: Family of the job
-- column: team wide: Team of the job; NULL = none
-- column: instance_type: Instance type
-- column: instances count wide: Number of instances
-- column: usd_per_hour rate: Cost of an idle hour in USD, with storage; NULL = no price
-- column: accrued_usd money: Known cost in USD up to the last observation
-- column: waits_since wide: End of the training
-- column: ends_by: End of its keep-alive period; a job may reuse it before
-- column: seen_at wide: Time of the last observation; `sync` makes a newer one
-- column: end_command command: The command that ends it
-- example: --format csv
-- example: --json | jq -r '.rows[].end_command'
WITH
-- One row per pool that has not ended.
live AS (
    SELECT
        pool.training_job_name AS job,
        pool.account_id,
        pool.region,
        pool.job_family AS family,
        pool.team,
        pool.instance_type,
        pool.instance_count AS instances,
        -- An hourly price in CNY or EUR is no price in USD. Storage, as far as its price is known,
        -- costs the same in each hour of a month.
        CASE
            WHEN pool.compute_basis IS DISTINCT FROM 'other currency'
                THEN pool.usd_per_hour * pool.instance_count + coalesce(
                    TRY_CAST(
                        CAST(pool.storage_cost_usd AS DOUBLE) * 3600
                        / nullif(pool.retained_seconds, 0) AS DECIMAL(38, 12)
                    ),
                    0
                )
        END AS usd_per_hour,
        pool.cost_usd AS accrued_usd,
        pool.cost_usd,
        pool.cost_basis,
        NULL::VARCHAR AS price_source,
        pool.pool_started_at AS waits_since,
        -- No absurd period may fail the report.
        pool.pool_started_at + to_seconds(
            CASE WHEN abs(detail.keep_alive_seconds) <= 1000000000 THEN detail.keep_alive_seconds END
        ) AS ends_by,
        coalesce(greatest(job.verified_at, scope.watermark), job.updated_at) AS seen_at,
        'aws sagemaker update-training-job --region ' || pool.region
            || ' --training-job-name ' || pool.training_job_name
            || ' --resource-config KeepAlivePeriodInSeconds=0' AS end_command
    FROM warm_pool_costs AS pool
    INNER JOIN training_jobs AS job USING (training_job_arn, creation_time)
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    LEFT JOIN sync_scopes AS scope
        ON pool.account_id = scope.account_id AND pool.region = scope.region
    WHERE
        pool.warm_pool_status IN ('Available', 'InUse')
        AND job.deleted_at IS NULL
        -- Until the next sync, the database does not know that such a pool has ended.
        AND coalesce(ends_by, 'infinity') > CAST(:now AS TIMESTAMPTZ)
)

SELECT
    FALSE AS is_total,
    live.* EXCLUDE (cost_usd, cost_basis, price_source)
FROM live
UNION ALL BY NAME
SELECT
    TRUE AS is_total,
    count(*) || CASE WHEN count(*) = 1 THEN ' pool' ELSE ' pools' END AS job,
    CAST(sum(instances) AS BIGINT) AS instances,
    sum(usd_per_hour) AS usd_per_hour,
    sum(accrued_usd) AS accrued_usd
    /*notes*/ /*end*/
FROM live
ORDER BY is_total, usd_per_hour DESC NULLS LAST, job, account_id, region;
