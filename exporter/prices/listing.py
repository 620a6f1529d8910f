"""The prices in force on a day with their origin, and the jobs that have no price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from exporter.prices.rows import Price
from exporter.store.connections import Connection


@dataclass(frozen=True, kw_only=True)
class PriceInForce(Price):
    """A price as the costs use it.

    `usd_per_unit` includes the discount, and `source` names it. `account_id` is the account with
    a price or discount of its own; empty = every other account. `effective_from` can be later than
    the day asked for if the price is an estimate.

    Attributes:
        list_usd_per_unit: The price before the discount.
        discount_percent: The discount; None = none.
        estimated: Whether the day is before the first price on record, or more than 180 days after
            somebody saw a shipped price.
        priced_as: The component whose price applies: a pool without a price costs the price of
            training.
        in_use: Whether there are jobs that this price applies to.
    """

    list_usd_per_unit: Decimal
    discount_percent: Decimal | None
    estimated: bool
    priced_as: str
    in_use: bool


@dataclass(frozen=True)
class Unpriced:
    """The number of jobs whose training or training storage has no price of any date."""

    region: str
    component: str
    instance_type: str
    jobs: int


@dataclass(frozen=True)
class InForce:
    """The result of `in_force`; both lists by region, component and instance type."""

    on: date
    prices: list[PriceInForce]
    unpriced: list[Unpriced]


class UsedType(NamedTuple):
    """An instance type of jobs in a region.

    Attributes:
        region: The region of the jobs.
        instance_type: The instance type.
        jobs: The number of jobs.
        jobs_with_storage: The number of these jobs that AWS charges for ML storage.
    """

    region: str
    instance_type: str
    jobs: int
    jobs_with_storage: int


def in_force(connection: Connection, on: date) -> InForce:
    """Return the price of each item on a UTC day, and the used items without a price.

    `unpriced` covers training only: a pool has a price wherever training has one.
    """
    used = used_types(connection)
    items = {(each.region, each.instance_type) for each in used}
    items |= {(each.region, "") for each in used}  # storage has no instance type
    prices = [
        PriceInForce(**row, in_use=(row["region"], row["instance_type"]) in items)
        for row in connection.execute(_RATES, {"on": on}).mappings()
    ]
    return InForce(on, prices, _unpriced(used, {price.item for price in prices}))


def used_types(connection: Connection) -> list[UsedType]:
    """Return the instance types of the jobs in the database, by region and type."""
    return [UsedType(*row) for row in connection.execute(_USED)]


def _unpriced(used: list[UsedType], priced: set[tuple[str, str, str]]) -> list[Unpriced]:
    jobs: dict[tuple[str, str, str], int] = {}
    for each in used:
        jobs[each.region, "Training", each.instance_type] = each.jobs
        storage = each.region, "Training ML storage", ""
        jobs[storage] = jobs.get(storage, 0) + each.jobs_with_storage
    return [
        Unpriced(*item, number)
        for item, number in sorted(jobs.items())
        if number and item not in priced
    ]


_RATES: Final = """
    SELECT
        account_id, region, component, instance_type, usd_per_unit, unit, price_source AS source,
        effective_from, currency, list_usd_per_unit, discount_percent, estimated, priced_as
    FROM rates
    WHERE :on >= valid_from AND :on < valid_to
    QUALIFY row_number() OVER (
        PARTITION BY account_id, region, component, instance_type
        ORDER BY is_bill DESC
    ) = 1
    ORDER BY region, component, instance_type, account_id
"""

# The region comes from the ARN, which saves a join with all jobs. Jobs on a training plan are
# included: they are few, and an unused price does no harm.
_USED: Final = """
    WITH used AS (
        -- A job with one instance type.
        SELECT split_part(training_job_arn, ':', 4) AS region, instance_type
        FROM training_job_details
        WHERE instance_type IS NOT NULL AND serverless IS NOT TRUE
        UNION ALL
        -- An instance group of a job.
        SELECT
            split_part(training_job_arn, ':', 4) AS region,
            unnest(instance_groups->>'$[*].InstanceType') AS instance_type
        FROM training_job_details
        WHERE instance_type IS NULL AND json_array_length(instance_groups) > 0
    )

    SELECT
        used.region,
        used.instance_type,
        count(*) AS jobs,
        count(*) FILTER (WHERE family.family IS NULL) AS jobs_with_storage
    FROM used
    LEFT JOIN local_storage_families AS family
        ON family.family = split_part(used.instance_type, '.', 2)
    WHERE used.instance_type IS NOT NULL
    GROUP BY used.region, used.instance_type
    ORDER BY used.region, used.instance_type
"""
