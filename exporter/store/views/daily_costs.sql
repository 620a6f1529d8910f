-- The base of every total: what each job cost on each UTC day, one row per job, day, component,
-- instance type and price. If seconds or details are not known, the row has NULL and the day on
-- which the job ended (else started, else was created).
--
-- needs: cost_lines
--
-- training_job_arn: ARN of the job
-- creation_time: When the job was created
-- usage_date: UTC day in which the seconds fall
-- account_id: AWS account that is billed
-- account_name: Name of the account in the configuration; NULL = none
-- region: AWS region
-- training_job_name: Name of the job
-- job_family: Family of the job
-- team: Team of the job; NULL = no rule matched
-- tags: Tags as one JSON object; NULL = never read
-- component: Training, Training Warm Pool, or either with ' ML storage'
-- instance_type: Instance type, also for storage; NULL = not known
-- instance_hours: Instance hours (seconds × count ÷ 3600), to 12 places; NULL for storage
-- gb_months: GB-months (GB × instance hours ÷ hours of the month), to 12 places; else NULL
-- usd_per_unit: Price of an hour or GB-month on that day, after discount; NULL = none
-- price_source: Source of the price; NULL = no price
-- cost_usd: Cost in USD, rounded half-up to 12 places; NULL = not known, see cost_basis
-- cost_basis: Basis of the cost: settled, accruing, estimated, no price, …
SELECT
    line.training_job_arn,
    line.creation_time,
    line.usage_date,
    line.account_id,
    line.account_name,
    line.region,
    line.training_job_name,
    line.job_family,
    line.team,
    line.tags,
    line.component,
    line.instance_type,
    line.instance_hours,
    line.gb_months,
    line.usd_per_unit,
    line.price_source,
    line.cost_usd,
    line.cost_basis
FROM cost_lines AS line
