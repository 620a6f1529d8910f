-- What a figure rests on, from the strongest basis to the weakest. Of two bases the weaker one
-- counts. This list alone says their order.
--
-- rank: 1 is the strongest; a sum has the highest rank among its parts
-- cost_basis: The name in cost_basis, compute_basis and storage_basis
-- meaning: What it says about the figure
SELECT basis.rank, basis.cost_basis, basis.meaning
FROM (
    VALUES
        (1::TINYINT, 'settled', 'The seconds are final and the price was in force that day'),
        (2::TINYINT, 'accruing', 'Still running: the cost up to the last observation'),
        (3::TINYINT, 'estimated', 'The price is from another date: the earliest known, or an old list price'),
        (4::TINYINT, 'other currency', 'Paid in CNY or EUR, see cost in daily_costs: NULL in USD'),
        (5::TINYINT, 'no price', 'No price is known for it: NULL'),
        (6::TINYINT, 'unknown seconds', 'The billable seconds are not known: NULL'),
        (7::TINYINT, 'no details', 'Instance type, count or volume are not known: NULL'),
        (8::TINYINT, 'training plan', 'Paid for by its training plan, not on demand: NULL'),
        (9::TINYINT, 'serverless', 'A serverless job, not priced by the instance: NULL')
) AS basis (rank, cost_basis, meaning)
