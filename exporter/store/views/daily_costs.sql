-- The base of every total: what each job cost on each UTC day, one row per job, day, component,
-- instance type and price. If seconds or details are not known, the row has NULL and the day on
-- which the job ended (else started, else was created).
--
-- needs: internal.cost_lines
--
-- training_job_arn, creation_time, usage_date, account_id, account_name, region: as in cost_lines
-- training_job_name, job_family, team, tags, component, instance_type: as in cost_lines
-- instance_hours, gb_months, usd_per_unit, price_source, cost_usd, cost_basis: as in cost_lines
-- specification, currency, cost: as in cost_lines
SELECT
    line.training_job_arn, line.creation_time, line.usage_date, line.account_id,
    line.account_name, line.region, line.training_job_name, line.job_family, line.team, line.tags,
    line.component, line.instance_type, line.instance_hours, line.gb_months, line.usd_per_unit,
    line.price_source, line.cost_usd, line.cost_basis, line.specification, line.currency,
    line.cost
FROM internal.cost_lines AS line
WHERE line.is_instant IS NOT TRUE
