-- title: What each keep-alive period would cost and save a month, for one family
-- description: Replays the jobs of each specification of a family with a grid of
--   KeepAlivePeriodInSeconds. The other families keep their current settings. keep-alive-advice
--   says which period to set and how the replay works. --sql prints the jobs by specification,
--   which the program then replays.
-- period: default
-- prices: yes
-- replay: draw
-- argument: family
-- param: family family: Family of the jobs
-- param: minute_usd number = 1.00: What a minute that nobody has to wait is worth, in USD
-- param: top integer = 5: Number of specifications to show, most jobs first
-- limit: idle_usd
-- column: family key aside: Family of the jobs
-- column: specification key aside: What a job must match to take the pools
-- column: instance_type wide: Instance type
-- column: keep_alive_seconds seconds key: The keep-alive period
-- column: mark: current = the period that most of these jobs use; suggested = see keep-alive-advice
-- column: ends count wide: Ends of jobs that could have left a pool, in the period
-- column: reuses count wide: Ends whose pool another job would take
-- column: idle_usd money: Cost of the idle time a month in USD; NULL = there is no price
-- column: saved_minutes count: Minutes of starting that the reuses would save a month
-- column: usd_per_minute money: Cost of one more saved minute, compared with the shorter period
-- column: net_usd money: saved_minutes × minute_usd − idle_usd
-- column: unpriced_jobs count wide: Pools with a part of the cost unknown
-- column: gain_usd money: On the suggested row: net_usd compared with the current period, a month
-- example: resnet
-- example: --param family=bert-ft --param minute_usd=0.50
WITH
-- One row: the family of the report.
asked AS (
    SELECT CAST(:family AS VARCHAR) AS asked_family
),

/*part pool_histories*/;
