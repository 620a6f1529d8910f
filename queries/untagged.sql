-- title: Jobs without a team, by cost
-- description: Jobs that no [[team]] rule of the configuration matched and that lack the tag named
--   by team_tag. The most expensive groups deserve a rule first.
-- period: default
-- by: account, family
-- bar: cost_usd
-- limit: cost_usd
-- column: jobs count: Jobs without a team
-- column: bare_jobs count wide: Jobs whose family is their own name, as no pattern matched it
-- column: cost_usd money: Known cost of training and pools in USD
-- column: share percent: Share of the cost of all jobs in the period
-- column: roles wide: Roles that the jobs ran with
-- column: unpriced_jobs count wide: Jobs with a part of the cost unknown
-- example: --by region --by family
WITH
-- One row per cost line of the period, with the cost only if the job has no team.
costs AS (
    SELECT
        /*by*/ account_id AS account, account_name, job_family AS family /*end*/,
        job_id AS job,
        team IS NULL AS is_untagged,
        job_family = training_job_name AS is_bare,
        CASE WHEN team IS NULL THEN regexp_replace(role_arn, '^.*/', '') END AS role,
        cost_usd AS any_cost_usd,
        CASE WHEN team IS NULL THEN cost_usd END AS cost_usd,
        CASE WHEN team IS NULL THEN cost_basis END AS cost_basis,
        price_source
    FROM internal.cost_lines
    WHERE usage_date >= CAST(:since AS DATE) AND usage_date < CAST(:until AS DATE)
),

-- One row per group, and one for the total.
grouped AS (
    SELECT
        /*names*/ account, account_name, family /*end*/,
        grouping(/*names*/ account, account_name, family /*end*/) > 0 AS is_total,
        count(DISTINCT CASE WHEN is_untagged THEN job END) AS jobs,
        count(DISTINCT CASE WHEN is_untagged AND is_bare THEN job END) AS bare_jobs,
        sum(cost_usd) AS cost_usd,
        NULL::DOUBLE AS share,
        list_sort(list(DISTINCT role) FILTER (WHERE role IS NOT NULL)) AS roles,
        count(DISTINCT CASE WHEN is_untagged AND cost_usd IS NULL THEN job END) AS unpriced_jobs,
        sum(any_cost_usd) AS any_cost_usd
        /*notes*/ /*end*/
    FROM costs
    GROUP BY GROUPING SETS ((/*names*/ account, account_name, family /*end*/), ())
)

SELECT grouped.* EXCLUDE (any_cost_usd) REPLACE (
    round(
        CAST(cost_usd AS DOUBLE)
        / nullif(CAST(max(any_cost_usd) FILTER (WHERE is_total) OVER () AS DOUBLE), 0),
        9
    ) AS share,
    CASE WHEN NOT is_total THEN roles END AS roles
)
FROM grouped
WHERE is_total OR jobs > 0
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    cost_usd DESC NULLS LAST,
    /*names*/ account, account_name, family /*end*/;
