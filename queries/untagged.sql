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
        hash(training_job_arn, creation_time) AS job,
        team IS NULL AS is_untagged,
        job_family = training_job_name AS is_bare,
        training_job_arn,
        creation_time,
        cost_usd AS any_cost_usd,
        CASE WHEN team IS NULL THEN cost_usd END AS cost_usd,
        CASE WHEN team IS NULL THEN cost_basis END AS cost_basis,
        price_source
    FROM daily_costs
    WHERE
        usage_date >= CAST(:since AS DATE)
        AND usage_date < CAST(:until AS DATE)
),

every AS (
    SELECT sum(any_cost_usd) AS all_usd FROM costs
)

SELECT
    /*names*/ account, account_name, family /*end*/,
    grouping(/*names*/ account, account_name, family /*end*/) > 0 AS is_total,
    count(DISTINCT job) AS jobs,
    count(DISTINCT CASE WHEN is_bare THEN job END) AS bare_jobs,
    sum(cost_usd) AS cost_usd,
    CAST(sum(cost_usd) AS DOUBLE) / nullif(CAST(any_value(every.all_usd) AS DOUBLE), 0)
        AS share,
    CASE
        WHEN NOT is_total
            THEN list_sort(
                list(DISTINCT regexp_replace(detail.role_arn, '^.*/', ''))
                    FILTER (WHERE detail.role_arn IS NOT NULL)
            )
    END AS roles,
    count(DISTINCT CASE WHEN cost_usd IS NULL THEN job END) AS unpriced_jobs
    /*notes*/ /*end*/
FROM costs
CROSS JOIN every
LEFT JOIN training_job_details AS detail
    ON
        costs.training_job_arn = detail.training_job_arn
        AND costs.creation_time = detail.creation_time
WHERE costs.is_untagged
GROUP BY GROUPING SETS ((/*names*/ account, account_name, family /*end*/), ())
ORDER BY
    is_total,
    /*order*/ is_total /*end*/,
    cost_usd DESC NULLS LAST,
    /*names*/ account, account_name, family /*end*/;
