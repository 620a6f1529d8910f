-- title: What a change of a keep-alive period did
-- description: Where the keep-alive period of a family changed for good (three jobs in a row at
--   least), what its pools cost and saved before and after. Figures before and after are for each
--   job. saved_usd compares the jobs after the change with themselves - what the old period would
--   have cost for them, minus what the new one did. So fewer jobs are no saving. The prediction is
--   what the jobs before the change promised, for as many jobs as came after it. --sql prints the
--   jobs by specification, which the program then replays.
-- period: default
-- prices: yes
-- replay: results
-- param: minute_usd number = 1.00: What a minute that nobody has to wait is worth, in USD
-- param: top integer = 50: Number of changes to show, the latest first; the total covers all
-- column: family key: Family of the jobs
-- column: specification key aside: What a job must match to take the pools
-- column: account_id key aside: AWS account
-- column: region key aside: AWS region
-- column: instance_type wide: Instance type
-- column: changed_at time key aside: Creation of the first job with the new period
-- column: old_keep_alive: Keep-alive period before
-- column: new_keep_alive: Keep-alive period since then
-- column: old_seconds seconds wide: Keep-alive period before
-- column: new_seconds seconds wide: Keep-alive period since then
-- column: ends_before count wide: Jobs that ended with the old period, since the change before it
-- column: ends_after count wide: Jobs that ended since the change, up to the next one
-- column: idle_usd_before money wide: Cost of the pool of a job before, on average, in USD
-- column: idle_usd_after money wide: The same after
-- column: reuse_before percent wide: Share of these jobs whose pool was reused
-- column: reuse_after percent wide: The same after
-- column: waited_minutes_before count wide: Minutes from creation to training before, on average
-- column: waited_minutes_after count wide: The same after
-- column: idle_usd money wide: Cost of the pools after, in USD
-- column: saved_usd money: What the old period would have cost for the same jobs, minus the new one
-- column: gained_minutes count wide: Minutes of starting that the change saved; below 0 = lost
-- column: net_usd money: saved_usd + gained_minutes × minute_usd
-- column: predicted_saved_usd money wide: saved_usd as the jobs before the change promised it
-- column: predicted_net_usd money: net_usd as the jobs before the change promised it
-- column: explained percent wide: Observed reuse after the change that the replay explains
-- column: reason aside: Why nothing is said of the savings
-- example: --since 90d
-- example: --since 90d --param minute_usd=0.50

-- How it works. As in keep-alive-advice, a replay of all jobs of the specification tells what a
-- period does, also to other families with which this one shares pools. Savings are differences of
-- two replays of the same jobs: a mistake that both make cancels out. Where the replay of what was
-- set explains less than 90 % of the observed reuse, nothing is said.
WITH
/*part pool_jobs*/,

-- One row per specification in which a family has several periods; most have not.
changed AS (
    SELECT DISTINCT account_id, region, specification
    FROM (
        SELECT account_id, region, specification
        FROM job
        WHERE specification IS NOT NULL
        GROUP BY account_id, region, specification, family
        HAVING min(keep_alive_seconds) < max(keep_alive_seconds)
    )
),

-- One row per job of these, with the time that it waited for its start.
started_job AS (
    SELECT
        priced_job.* EXCLUDE (start_seconds),
        epoch(/*part training_began_at*/) - priced_job.created AS start_seconds
    FROM priced_job
    INNER JOIN pool_job ON priced_job.job_id = pool_job.job_id
    SEMI JOIN changed
        ON
            priced_job.account_id = changed.account_id
            AND priced_job.region = changed.region
            AND priced_job.specification = changed.specification
    LEFT JOIN training_job_details AS detail USING (training_job_arn, creation_time)
)

-- One row per specification, with a list entry per job in the order of creation.
SELECT
    job.account_id, job.region, job.specification,
    any_value(job.instance_type) AS instance_type,
    max(job.keep_alive_seconds) AS longest_keep_alive,
    coalesce(
        bool_and(job.usd_per_second IS NOT NULL) FILTER (WHERE job.pool_from IS NOT NULL), TRUE
    ) AS is_priced,
    any_value(saving.saved_seconds) AS saved_seconds,
    any_value(epoch(bounds.since_at)) AS since_seconds,
    any_value(epoch(bounds.until_at)) AS until_seconds,
    list(
        {
            'family': job.family,
            'taken_from': job.taken_from,
            'pool_from': job.pool_from,
            'keep_alive': job.keep_alive_seconds,
            'usd_per_second': coalesce(job.usd_per_second, 0),
            'created': job.created,
            'ended': job.ended,
            -- A start before the creation is a mistake of the clock: not known.
            'start_seconds': CASE WHEN job.start_seconds >= 0 THEN job.start_seconds END,
            'pool_usd': job.usd,
            'is_unpriced': job.is_unpriced,
            'had_pool': coalesce(job.had_pool, FALSE),
            'was_reused': coalesce(job.warm_pool_status = 'Reused', FALSE)
        }
    ) AS jobs
FROM started_job AS job
CROSS JOIN bounds
LEFT JOIN saving ON job.instance_type = saving.instance_type
GROUP BY job.account_id, job.region, job.specification;
