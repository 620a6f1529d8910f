/*part pool_jobs*/,

-- One row per family of a specification, and whether it has a row of its own: the most expensive
-- ones do, and the one that is asked for. To try periods for tens of thousands would take minutes.
ranked_family AS (
    SELECT
        account_id, region, specification, family,
        row_number() OVER (
            ORDER BY sum(usd) DESC NULLS LAST, count(*) DESC, account_id, region, specification, family
        ) <= 2000
        OR bool_or(family IS NOT DISTINCT FROM asked.asked_family) AS is_named
    FROM priced_job
    CROSS JOIN asked
    GROUP BY account_id, region, specification, family
),
known_family AS (
    SELECT
        *,
        bool_or(is_named) OVER (PARTITION BY account_id, region, specification) AS has_replay
    FROM ranked_family
),

-- The jobs, with the family and specification of their row: the others of a team and an instance
-- type count together.
named_job AS (
    SELECT
        job.* EXCLUDE (family),
        known_family.is_named, known_family.has_replay,
        CASE
            WHEN known_family.is_named THEN job.family
            ELSE 'other families' || coalesce(' of ' || job.team, ' without a team')
        END AS family,
        CASE
            WHEN known_family.is_named THEN job.specification
            ELSE coalesce(job.instance_type, 'unknown type') || ' · other settings'
        END AS row_specification
    FROM priced_job AS job
    INNER JOIN known_family
        ON
            job.account_id = known_family.account_id
            AND job.region = known_family.region
            AND job.family = known_family.family
            AND job.specification IS NOT DISTINCT FROM known_family.specification
),

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
    FROM named_job AS job
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

-- One row per keep-alive period of a family and team of a specification: what was observed.
observed AS (
    SELECT
        account_id, region, row_specification AS specification, family, team,
        keep_alive_seconds,
        count(*) FILTER (WHERE is_ended_here) AS jobs,
        count(*) FILTER (WHERE is_ended_here AND had_pool) AS pools,
        count(*) FILTER (WHERE is_ended_here AND had_pool AND warm_pool_status = 'Reused')
            AS reused,
        count(*) FILTER (WHERE is_ended_here AND keep_alive_seconds > 0 AND had_pool IS FALSE)
            AS denied,
        count(*) FILTER (WHERE is_ended_here AND pool_from IS NOT NULL) AS ends,
        count(*) FILTER (WHERE is_ended_here AND pool_from IS NOT NULL AND counts)
            AS replayed_ends,
        -- A pool without seconds was probably never kept. It must not stop a suggestion.
        count(*) FILTER (WHERE usd IS NOT NULL OR (is_unpriced AND had_pool)) AS kept,
        sum(usd) AS usd,
        count(*) FILTER (
            WHERE warm_pool_status = 'Terminated'
            AND (usd IS NOT NULL OR (is_unpriced AND had_pool))
        ) AS wasted,
        sum(usd) FILTER (WHERE warm_pool_status = 'Terminated') AS wasted_usd,
        count(*) FILTER (WHERE is_unpriced) AS unpriced,
        count(*) FILTER (WHERE usd IS NULL AND is_unpriced AND had_pool) AS unpriced_pools
    FROM replayed_job
    WHERE is_ended_here OR usd IS NOT NULL OR is_unpriced
    GROUP BY account_id, region, row_specification, family, team, keep_alive_seconds
),

-- One row per family of a specification, and one per specification with a list of its families.
family AS (
    SELECT
        account_id, region, specification,
        family AS name,
        CAST(sum(jobs) AS BIGINT) AS jobs,
        CAST(sum(pools) AS BIGINT) AS pools,
        CAST(sum(reused) AS BIGINT) AS reused,
        CAST(sum(denied) AS BIGINT) AS denied,
        CAST(sum(ends) AS BIGINT) AS ends,
        CAST(sum(replayed_ends) AS BIGINT) AS replayed_ends,
        list({'seconds': keep_alive_seconds, 'jobs': jobs, 'team': team}) AS keep_alive,
        CAST(sum(kept) AS BIGINT) AS kept,
        sum(usd) AS usd,
        CAST(sum(wasted) AS BIGINT) AS wasted,
        sum(wasted_usd) AS wasted_usd,
        CAST(sum(unpriced) AS BIGINT) AS unpriced,
        CAST(sum(unpriced_pools) AS BIGINT) AS unpriced_pools
    FROM observed
    GROUP BY account_id, region, specification, family
),
family_list AS (
    SELECT
        account_id, region, specification,
        list(
            {
                'name': name,
                'jobs': jobs,
                'pools': pools,
                'reused': reused,
                'denied': denied,
                'ends': ends,
                'replayed_ends': replayed_ends,
                'keep_alive': keep_alive,
                'kept': kept,
                'usd': usd,
                'wasted': wasted,
                'wasted_usd': wasted_usd,
                'unpriced': unpriced,
                'unpriced_pools': unpriced_pools
            }
            ORDER BY name
        ) AS families
    FROM family
    GROUP BY account_id, region, specification
),

-- One row per specification, with a list entry per replayed job. The others have rows without any.
history AS (
    SELECT
        account_id, region, specification,
        any_value(instance_type) AS instance_type,
        any_value(partition_name) AS partition_name,
        bool_and(is_other) AS is_other,
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
            AND (replayed_creation IS NOT NULL OR replayed_end IS NOT NULL) AS is_replayed,
            FALSE AS is_other
        FROM replayed_job
        WHERE has_replay
        UNION ALL
        SELECT
            * REPLACE (row_specification AS specification),
            FALSE AS is_replayed,
            TRUE AS is_other
        FROM replayed_job
        WHERE NOT is_named
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
