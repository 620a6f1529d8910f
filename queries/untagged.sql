-- title: What no team rule caught, by money
-- description: Jobs without a team: no [[team]] of the configuration matched and the tag named by
--   team_tag is missing. The dearest groups are the ones worth a rule.
-- period: default
-- by: account, family
-- bar: cost_usd
-- limit: cost_usd
-- column: jobs count: Jobs without a team
-- column: bare_jobs count wide: Those whose family is only their own name: no pattern matched it
-- column: cost_usd money: Training and pools in USD, as far as known
-- column: share percent: Of what all jobs cost in the period
-- column: roles wide: Roles they ran with
-- column: unpriced_jobs count wide: Jobs of which a part of the cost is not known
-- example: --by region --by family
WITH costs AS (
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
    FROM cost_lines
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
),

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
    CAST(cost_usd AS DOUBLE)
        / nullif(CAST(max(any_cost_usd) FILTER (WHERE is_total) OVER () AS DOUBLE), 0) AS share,
    CASE WHEN NOT is_total THEN roles END AS roles
)
FROM grouped
WHERE is_total OR jobs > 0
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    cost_usd DESC NULLS LAST,
    /*names*/ account, account_name, family /*end*/;
