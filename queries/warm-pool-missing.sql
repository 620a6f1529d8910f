-- title: Warm pools that jobs asked for and did not get, and the quota that they need
-- description: Jobs that set a keep-alive period, ended in a way that keeps a pool, and got none, by
--   account, region and instance type. A pool is kept only if the warm pool quota of the type, 0 by
--   default, has room at the end of the job. sufficient_quota is the smallest quota with which all of
--   them would have been kept. The other side is there too - waiting pools count toward the training
--   quota, so while it is full they can keep other jobs from starting.
--   --sql prints the jobs by instance type, which the program then replays.
-- period: default
-- replay: missing
-- param: jobs text = : yes = one row per job without a pool, instead of one per instance type
-- param: top integer = 50: Number of rows to show, most missing pools first; the total covers all
-- bar: missing_jobs
-- column: account_id key aside: AWS account
-- column: region key aside: AWS region
-- column: instance_type key: Instance type
-- column: job key aside: With jobs=yes, the job that got no pool
-- column: ended_at time wide: With jobs=yes, when it ended; else the moment of running_then
-- column: asked_jobs count wide: Jobs that asked for a pool and ended in a way that keeps one
-- column: missing_jobs count: Those that got none
-- column: running_then count wide: Training instances when a pool was missing, at the worst moment
-- column: waiting_then count wide: Instances of waiting pools at that moment
-- column: peak_instances count: Most instances that ran or waited at a time in the period
-- column: peak_waiting count wide: Most instances of waiting pools at a time
-- column: training_quota count: Quota of training instances now; NULL = not known
-- column: pool_quota count: Quota of warm pool instances now; NULL = not known
-- column: sufficient_quota count: Smallest warm pool quota that would have kept all; NULL = no change
-- column: unexplained_jobs count wide: Missing pools that the quota of now had room for
-- column: held_seconds seconds: How long pools waited while the training quota was full
-- column: delayed_jobs count: Jobs that waited for their instances during that time
-- column: delayed_seconds seconds wide: How long these jobs waited then, added up
-- column: delayed_names wide: Names of up to ten of them, longest wait first
-- column: quota_read_at time wide: When the quotas were read
-- column: request_command command: The command that requests the sufficient quota; printed, never run
-- example: --month 2026-10
-- example: --param jobs=yes --format csv

-- How it works. SageMaker keeps a pool after a job that completed, was stopped after its launch, or
-- failed by its own algorithm or a client error. Spot jobs, instance groups, training plans and
-- serverless jobs have no pools. A job got none if its pool is Terminated without seconds, or if no
-- status came within an hour of its end. (A status InUse from the time of the training remains.)
--
-- sufficient_quota replays the ends and creations of all jobs of the type as if every pool were
-- kept, and counts the instances that wait at each end. Which of several waiting pools a job takes
-- is not documented. If the observed reuses agree on the newest or the oldest pool, the replay takes
-- that one; otherwise the one that leaves most instances waiting.
--
-- A job counts as running from TrainingStartTime to TrainingEndTime. A job is delayed from its
-- creation to the start of its training, unless it took a pool. A job that SageMaker refused because
-- of a quota (ResourceLimitExceeded) never existed, so no report can count it.
WITH
-- One row: the period up to the last observation.
bounds AS (
    SELECT
        CAST(:since_at AS TIMESTAMPTZ) AS since_at,
        least(
            CAST(:until_at AS TIMESTAMPTZ),
            coalesce((SELECT max(data_as_of) FROM data_as_of), CAST(:until_at AS TIMESTAMPTZ))
        ) AS until_at
),

-- One row per job of the period and of the 60 days before it: no job runs, and no pool is idle,
-- for longer than that.
pool_job AS NOT MATERIALIZED (
    SELECT rowid AS job_id, *
    FROM training_jobs
    WHERE creation_time >= CAST(:since_at AS TIMESTAMPTZ) - INTERVAL 60 DAY
),

/*part pool_links*/,

-- One row per job whose training or pool can reach into the period.
known_job AS MATERIALIZED (
    SELECT
        pool_job.job_id, pool_job.account_id, pool_job.region, pool_job.training_job_name,
        pool_job.creation_time,
        coalesce(
            pool_job.training_end_time,
            CASE WHEN /*part has_ended*/ THEN pool_job.last_modified_time END,
            pool_job.deleted_at
        ) AS stopped_at,
        pool_job.training_end_time AS ended_at,
        detail.instance_type, detail.instance_groups,
        CASE WHEN detail.instance_count BETWEEN 1 AND 1000000 THEN detail.instance_count END
            AS instance_count,
        detail.training_start_time AS started_at,
        /*part training_began_at*/ AS began_at,
        -- Negative periods and seconds are not known. No absurd one may fail the report.
        least(greatest(coalesce(detail.keep_alive_seconds, 0), 0), 1000000000)
            AS keep_alive_seconds,
        coalesce(/*part retained_seconds*/, 0) AS retained_seconds,
        pool_job.warm_pool_status, pool_job.warm_pool_reused_by_job IS NOT NULL AS is_reused,
        pool_job.training_plan_arn IS NULL
        AND detail.managed_spot IS NOT TRUE
        AND detail.serverless IS NOT TRUE AS is_on_demand,
        CASE
            WHEN pool_job.training_plan_arn IS NULL
                THEN /*part specification*/
        END AS specification,
        /*part had_pool*/ AS is_kept,
        coalesce(is_kept, FALSE) AS had_pool,
        /*part keeps_pool*/ AS keeps_a_pool
    FROM pool_job
    INNER JOIN training_job_details AS detail USING (training_job_arn, creation_time)
    CROSS JOIN bounds
    WHERE
        pool_job.creation_time < bounds.until_at
        AND (
            pool_job.training_end_time IS NULL
            OR pool_job.training_end_time >= bounds.since_at - INTERVAL 6 HOUR
        )
),

-- The same rows, with what became of the pool.
job AS MATERIALIZED (
    SELECT
        known_job.*,
        specification IS NOT NULL
        AND keep_alive_seconds > 0
        AND ended_at IS NOT NULL
        AND (had_pool OR keeps_a_pool) AS is_asked,
        is_asked
        AND ended_at >= bounds.since_at
        AND ended_at < bounds.until_at AS is_asked_here,
        is_asked_here AND is_kept IS FALSE AS is_missing
    FROM known_job
    CROSS JOIN bounds
),

-- One row per account, region and instance type, with its quotas.
quota AS (
    SELECT
        account_id, region, instance_type,
        max(instances) FILTER (WHERE kind = 'training') AS training_quota,
        max(instances) FILTER (WHERE kind = 'warm pool') AS pool_quota,
        max(quota_code) FILTER (WHERE kind = 'warm pool') AS quota_code,
        max(read_at) AS quota_read_at
    FROM quotas
    GROUP BY account_id, region, instance_type
),

-- One row per account, region and instance type that this report can say something about.
concerned AS MATERIALIZED (
    SELECT
        job.account_id, job.region, job.instance_type,
        any_value(quota.training_quota) AS training_quota,
        any_value(quota.pool_quota) AS pool_quota,
        any_value(quota.quota_code) AS quota_code,
        any_value(quota.quota_read_at) AS quota_read_at,
        count(*) FILTER (WHERE job.is_asked_here) AS asked_jobs,
        count(*) FILTER (WHERE job.is_missing) AS missing_jobs
    FROM job
    LEFT JOIN quota USING (account_id, region, instance_type)
    WHERE job.is_asked
    GROUP BY job.account_id, job.region, job.instance_type
    HAVING missing_jobs > 0 OR any_value(quota.training_quota) IS NOT NULL
),

-- One row per time during which a job, or a group of its instances, runs.
running AS (
    SELECT
        account_id, region, instance_type,
        instance_count AS instances,
        started_at AS begins_at,
        stopped_at AS ends_at
    FROM job
    WHERE is_on_demand AND instance_type IS NOT NULL
    UNION ALL
    SELECT
        account_id, region,
        member.InstanceType AS instance_type,
        CASE WHEN member.InstanceCount BETWEEN 1 AND 1000000 THEN member.InstanceCount END
            AS instances,
        started_at, stopped_at
    FROM (
        SELECT
            *,
            unnest(
                from_json(
                    instance_groups, '[{"InstanceType": "VARCHAR", "InstanceCount": "BIGINT"}]'
                )
            ) AS member
        FROM job
        WHERE is_on_demand AND instance_type IS NULL AND instance_groups IS NOT NULL
    )
),

-- One row per time during which a pool waits. A pool that has not settled waits for its keep-alive
-- period at most.
waiting AS (
    SELECT
        account_id, region, instance_type,
        instance_count AS instances,
        ended_at AS begins_at,
        ended_at + to_seconds(
            CASE
                WHEN warm_pool_status IN ('Reused', 'Terminated') THEN retained_seconds
                ELSE greatest(retained_seconds, keep_alive_seconds)
            END
        ) AS ends_at
    FROM job
    WHERE had_pool AND ended_at IS NOT NULL
),

-- Two rows per job that did not take a pool: both ends of its wait, as far as they lie in the period.
wait AS MATERIALIZED (
    SELECT
        job.job_id, job.account_id, job.region, job.instance_type, job.training_job_name,
        waited.is_end,
        greatest(
            CASE
                WHEN waited.is_end
                    THEN least(
                        coalesce(job.began_at, job.stopped_at, bounds.until_at), bounds.until_at
                    )
            END,
            job.creation_time,
            bounds.since_at
        ) AS happens_at
    FROM job
    INNER JOIN concerned USING (account_id, region, instance_type)
    ANTI JOIN pool_link ON job.job_id = pool_link.next_id
    CROSS JOIN bounds
    CROSS JOIN (VALUES (FALSE), (TRUE)) AS waited (is_end)
    WHERE job.is_on_demand AND concerned.training_quota IS NOT NULL
),

-- One row per beginning and end of these times, per end of a job without its pool, and per end of a
-- wait. One more for the beginning of the period, so that what runs or waits then counts for the
-- peak.
event AS (
    SELECT
        account_id, region, instance_type,
        begins_at AS happens_at,
        instances AS running,
        0 AS waiting
    FROM running
    WHERE ends_at > begins_at OR ends_at IS NULL
    UNION ALL
    SELECT account_id, region, instance_type, ends_at, -instances, 0
    FROM running
    WHERE ends_at > begins_at
    UNION ALL
    SELECT account_id, region, instance_type, begins_at, 0, instances
    FROM waiting
    WHERE ends_at > begins_at
    UNION ALL
    SELECT account_id, region, instance_type, ends_at, 0, -instances
    FROM waiting
    WHERE ends_at > begins_at
    UNION ALL
    SELECT account_id, region, instance_type, ended_at, 0, 0
    FROM job
    WHERE is_missing
    UNION ALL
    SELECT account_id, region, instance_type, happens_at, 0, 0
    FROM wait
    UNION ALL
    SELECT concerned.account_id, concerned.region, concerned.instance_type, since_at, 0, 0
    FROM concerned
    CROSS JOIN bounds
),

-- One row per type and moment, with the instances from then on.
moment AS MATERIALIZED (
    SELECT
        event.account_id, event.region, event.instance_type, event.happens_at,
        CAST(sum(sum(event.running)) OVER by_time AS BIGINT) AS running,
        CAST(sum(sum(event.waiting)) OVER by_time AS BIGINT) AS waiting,
        lead(event.happens_at) OVER by_time AS next_at
    FROM event
    SEMI JOIN concerned USING (account_id, region, instance_type)
    CROSS JOIN bounds
    WHERE event.happens_at <= bounds.until_at
    GROUP BY event.account_id, event.region, event.instance_type, event.happens_at
    WINDOW by_time AS (
        PARTITION BY event.account_id, event.region, event.instance_type ORDER BY event.happens_at
    )
),

-- The same rows, with the seconds until the next moment that lie in the period and in which pools
-- wait while the training quota is full.
held AS (
    SELECT
        moment.*,
        coalesce(
            moment.waiting > 0
            AND moment.running + moment.waiting >= concerned.training_quota,
            FALSE
        ) AS is_full,
        -- Whole microseconds add up to the same in any order.
        greatest(epoch_us(moment.happens_at), epoch_us(bounds.since_at)) AS from_us,
        CASE
            WHEN is_full
                THEN greatest(0, epoch_us(coalesce(moment.next_at, bounds.until_at)) - from_us)
            ELSE 0
        END AS held_us
    FROM moment
    INNER JOIN concerned USING (account_id, region, instance_type)
    CROSS JOIN bounds
),

-- The same rows, with the sum of these seconds up to the moment.
held_before AS MATERIALIZED (
    SELECT
        *,
        sum(held_us) OVER (
            PARTITION BY account_id, region, instance_type ORDER BY happens_at
        ) - held_us AS before_us
    FROM held
),

-- One row per job that waited while pools held the quota.
delayed AS (
    SELECT
        wait.account_id, wait.region, wait.instance_type, wait.training_job_name,
        sum(CASE WHEN wait.is_end THEN before_us ELSE -before_us END) AS delayed_us
    FROM wait
    INNER JOIN held_before USING (account_id, region, instance_type, happens_at)
    GROUP BY
        wait.account_id, wait.region, wait.instance_type, wait.job_id, wait.training_job_name
    HAVING delayed_us > 0
),
delayed_type AS (
    SELECT
        account_id, region, instance_type,
        count(*) AS delayed_jobs,
        CAST(round(sum(delayed_us) / 1000000) AS BIGINT) AS delayed_seconds,
        array_to_string(
            list_slice(list(training_job_name ORDER BY delayed_us DESC, training_job_name), 1, 10),
            ', '
        ) AS delayed_names
    FROM delayed
    GROUP BY account_id, region, instance_type
),
held_type AS (
    SELECT
        account_id, region, instance_type,
        CAST(round(sum(held_us) / 1000000) AS BIGINT) AS held_seconds
    FROM held_before
    GROUP BY account_id, region, instance_type
),
peak AS (
    SELECT
        account_id, region, instance_type,
        max(running + waiting) AS peak_instances,
        max(waiting) AS peak_waiting
    FROM moment
    CROSS JOIN bounds
    WHERE happens_at >= bounds.since_at AND happens_at < bounds.until_at
    GROUP BY account_id, region, instance_type
),

-- One row per type, with a list entry per job without its pool.
missing AS (
    SELECT
        job.account_id, job.region, job.instance_type,
        list(job.training_job_name) AS jobs,
        list(job.ended_at) AS ended_at,
        list(moment.running) AS running,
        list(moment.waiting) AS waiting,
        list(job.instance_count) AS instances
    FROM job
    INNER JOIN moment
        ON
            job.account_id = moment.account_id
            AND job.region = moment.region
            AND job.instance_type = moment.instance_type
            AND job.ended_at = moment.happens_at
    WHERE job.is_missing
    GROUP BY job.account_id, job.region, job.instance_type
),

-- One row per type with missing pools, with a list entry per job that can leave or take a pool. A
-- pool that ended without a reuse waits in the replay for as long as it did.
replayed AS (
    SELECT
        job.account_id, job.region, job.instance_type,
        list(job.job_id) AS ids,
        list(job.specification) AS specifications,
        -- A job that took a pool took it after its end, even if it was created a moment before.
        list(epoch(greatest(job.creation_time, previous.ended_at))) AS taken_from,
        list(CASE WHEN job.is_asked THEN epoch(job.ended_at) END) AS pool_from,
        list(
            CASE
                WHEN job.had_pool AND job.warm_pool_status = 'Terminated' THEN job.retained_seconds
                ELSE job.keep_alive_seconds
            END
        ) AS keep_alive,
        list(job.instance_count) AS counts,
        list(job.had_pool) AS had_pool,
        list(next_link.next_id) AS taken_by
    FROM job
    INNER JOIN concerned USING (account_id, region, instance_type)
    LEFT JOIN pool_link ON job.job_id = pool_link.next_id
    LEFT JOIN job AS previous ON pool_link.job_id = previous.job_id
    LEFT JOIN pool_link AS next_link ON job.job_id = next_link.job_id
    WHERE job.specification IS NOT NULL AND concerned.missing_jobs > 0
    GROUP BY job.account_id, job.region, job.instance_type
)

SELECT
    concerned.*,
    epoch(bounds.since_at) AS since_seconds,
    epoch(bounds.until_at) AS until_seconds,
    peak.* EXCLUDE (account_id, region, instance_type),
    held_type.held_seconds,
    delayed_type.* EXCLUDE (account_id, region, instance_type),
    missing.* EXCLUDE (account_id, region, instance_type),
    replayed.* EXCLUDE (account_id, region, instance_type)
FROM concerned
CROSS JOIN bounds
LEFT JOIN peak USING (account_id, region, instance_type)
LEFT JOIN held_type USING (account_id, region, instance_type)
LEFT JOIN delayed_type USING (account_id, region, instance_type)
LEFT JOIN missing USING (account_id, region, instance_type)
LEFT JOIN replayed USING (account_id, region, instance_type)
WHERE concerned.missing_jobs > 0 OR held_type.held_seconds > 0;
