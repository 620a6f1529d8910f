/*part pool_jobs*/,

-- One row: of many jobs, a part tells as much. The replay takes every n-th block of four hours.
part AS (
    SELECT 1 + count(*) // 30000 AS block_stride
    FROM pool_job
),

-- The same jobs, with the blocks to which they belong.
block_job AS (
    SELECT
        job.*,
        -- Multiples of the golden ratio spread the blocks evenly over the days and their hours. An
        -- hour before and after a block shows what reaches across its ends.
        list_transform(
            [job.ended, job.ended - 3600, job.ended + 3600],
            lambda moment: fmod(floor(moment / 14400) * 0.6180339887498949, 1) * part.block_stride < 1
        ) AS end_in_block,
        list_transform(
            [job.created, job.created - 3600, job.created + 3600],
            lambda moment: fmod(floor(moment / 14400) * 0.6180339887498949, 1) * part.block_stride < 1
        ) AS creation_in_block
    FROM priced_job AS job
    CROSS JOIN part
),

-- The same jobs, with what of them belongs to the replayed part. Most periods have one part.
replayed_job AS (
    SELECT
        *,
        coalesce(end_in_block[1], FALSE) AS counts,
        CASE WHEN list_bool_or(creation_in_block) THEN taken_from END AS replayed_creation,
        CASE WHEN list_bool_or(end_in_block) THEN pool_from END AS replayed_end
    FROM block_job
),

-- One row per family of a specification: what was observed.
family AS (
    SELECT
        account_id, region, specification,
        {
            'name': family,
            'team': string_agg(DISTINCT team, ', ' ORDER BY team),
            'jobs': count(*) FILTER (WHERE is_ended_here),
            'pools': count(*) FILTER (WHERE is_ended_here AND had_pool),
            'reused': count(*) FILTER (
                WHERE is_ended_here AND had_pool AND warm_pool_status = 'Reused'
            ),
            'denied': count(*) FILTER (
                WHERE is_ended_here AND keep_alive_seconds > 0 AND had_pool IS FALSE
            ),
            'ends': count(*) FILTER (WHERE is_ended_here AND pool_from IS NOT NULL),
            'replayed_ends': count(*) FILTER (
                WHERE is_ended_here AND pool_from IS NOT NULL AND counts
            ),
            'keep_alive': histogram(keep_alive_seconds) FILTER (WHERE is_ended_here),
            -- A pool without seconds was probably never kept. It must not stop a suggestion.
            'kept': count(*) FILTER (WHERE usd IS NOT NULL OR (is_unpriced AND had_pool)),
            'usd': sum(usd),
            'wasted': count(*) FILTER (
                WHERE warm_pool_status = 'Terminated'
                AND (usd IS NOT NULL OR (is_unpriced AND had_pool))
            ),
            'wasted_usd': sum(usd) FILTER (WHERE warm_pool_status = 'Terminated'),
            'unpriced': count(*) FILTER (WHERE is_unpriced),
            'unpriced_pools': count(*) FILTER (WHERE usd IS NULL AND is_unpriced AND had_pool)
        } AS observed
    FROM replayed_job
    WHERE is_ended_here OR usd IS NOT NULL OR is_unpriced
    GROUP BY account_id, region, specification, family
),
family_list AS (
    SELECT account_id, region, specification, list(observed ORDER BY observed.name) AS families
    FROM family
    GROUP BY account_id, region, specification
),

-- One row per specification, with a list entry per replayed job.
history AS (
    SELECT
        account_id, region, specification,
        any_value(instance_type) AS instance_type,
        any_value(partition_name) AS partition_name,
        max(keep_alive_seconds) AS longest_keep_alive,
        bool_and(usd_per_second IS NOT NULL) FILTER (WHERE pool_from IS NOT NULL) AS is_priced,
        list(family) FILTER (WHERE is_replayed) AS family,
        list(replayed_creation) FILTER (WHERE is_replayed) AS created,
        list(replayed_end) FILTER (WHERE is_replayed) AS ended,
        list(keep_alive_seconds) FILTER (WHERE is_replayed) AS keep_alive,
        list(coalesce(usd_per_second, 0)) FILTER (WHERE is_replayed) AS usd_per_second,
        list(counts) FILTER (WHERE is_replayed) AS counts
    FROM (
        SELECT
            *,
            specification IS NOT NULL
            AND (replayed_creation IS NOT NULL OR replayed_end IS NOT NULL) AS is_replayed
        FROM replayed_job
    )
    GROUP BY account_id, region, specification
)

SELECT
    history.* EXCLUDE (is_priced),
    greatest(max(history.longest_keep_alive) OVER (PARTITION BY history.account_id), 3600)
        AS longest,
    coalesce(history.is_priced, TRUE) AS is_priced,
    saving.saved_seconds,
    (SELECT count(*) FROM start WHERE is_warm) AS warm_starts,
    coalesce(family_list.families, []) AS families,
    epoch(bounds.since_at) AS since_seconds,
    epoch(bounds.until_at) AS until_seconds
FROM history
CROSS JOIN bounds
LEFT JOIN saving ON history.instance_type = saving.instance_type
LEFT JOIN family_list
    ON
        history.account_id = family_list.account_id
        AND history.region = family_list.region
        AND history.specification IS NOT DISTINCT FROM family_list.specification
