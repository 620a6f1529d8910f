"""What is in force, since when and whence, and what is used without a price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class PriceInForce:
    """One price as the costs use it.

    Attributes:
        account_id: Account whose discount is in it; empty = every other account.
        region, component, instance_type, unit: What it is for; `instance_type` is empty for
            storage, `unit` is Hrs or GB-Mo.
        usd_per_unit: After the discount.
        source: Where it is from, the discount named.
        effective_from: Its first day; in the future of `on` where it is an estimate.
        list_usd_per_unit: Before the discount.
        discount_percent: None = none.
        estimated: The day lies before the first one known.
        priced_as: Component of the price that serves: a pool without one costs what training
            does.
        in_use: There are jobs that this price is for.
    """

    account_id: str
    region: str
    component: str
    instance_type: str
    usd_per_unit: Decimal
    unit: str
    source: str
    effective_from: date
    list_usd_per_unit: Decimal
    discount_percent: Decimal | None
    estimated: bool
    priced_as: str
    in_use: bool


@dataclass(frozen=True)
class Unpriced:
    """Jobs whose training, or training storage, has no price of any date."""

    region: str
    component: str
    instance_type: str
    jobs: int


@dataclass(frozen=True)
class InForce:
    """What `in_force` finds; both lists by region, component and instance type."""

    on: date
    prices: list[PriceInForce]
    unpriced: list[Unpriced]


def in_force(connection: Connection, on: date) -> InForce:
    """The price of each thing on a UTC day, and what is used but has none.

    A pool is priced wherever training is, so `unpriced` speaks of training only.
    """
    used = {(row.region, row.instance_type): row for row in connection.execute(text(_USED))}
    regions = {region for region, _ in used}
    prices = [
        PriceInForce(
            **row,
            in_use=(row["region"], row["instance_type"]) in used
            if row["instance_type"]
            else row["region"] in regions,
        )
        for row in connection.execute(text(_RATES), {"on": on}).mappings()
    ]
    known = {(price.region, price.component, price.instance_type) for price in prices}
    unpriced = [
        Unpriced(region, "Training", kind, row.jobs)
        for (region, kind), row in used.items()
        if (region, "Training", kind) not in known
    ]
    for region in sorted(regions):
        charged = sum(row.charged for (where, _), row in used.items() if where == region)
        if charged and (region, "Training ML storage", "") not in known:
            unpriced.append(Unpriced(region, "Training ML storage", "", charged))
    unpriced.sort(key=lambda row: (row.region, row.component, row.instance_type))
    return InForce(on, prices, unpriced)


_RATES = """
    SELECT
        account_id, region, component, instance_type, usd_per_unit, unit, price_source AS source,
        effective_from, list_usd_per_unit, discount_percent, estimated, priced_as
    FROM rates
    WHERE :on >= valid_from AND :on < valid_to
    ORDER BY region, component, instance_type, account_id
"""

# The region stands in the ARN, so that no join of all jobs is needed. Jobs on a training plan
# are few, and a price that is not used hurts nobody.
_USED = """
    SELECT
        used.region, used.instance_type, count(*) AS jobs,
        CAST(sum((family.family IS NULL)::INTEGER) AS BIGINT) AS charged
    FROM (
        SELECT split_part(training_job_arn, ':', 4) AS region, instance_type
        FROM training_job_details
        WHERE instance_type IS NOT NULL AND serverless IS NOT TRUE
        UNION ALL
        SELECT
            split_part(training_job_arn, ':', 4) AS region,
            unnest(instance_groups->>'$[*].InstanceType') AS instance_type
        FROM training_job_details
        WHERE instance_type IS NULL AND json_array_length(instance_groups) > 0
    ) AS used
    LEFT JOIN local_storage_families AS family
        ON family.family = split_part(used.instance_type, '.', 2)
    WHERE used.instance_type IS NOT NULL
    GROUP BY used.region, used.instance_type
    ORDER BY used.region, used.instance_type
"""
