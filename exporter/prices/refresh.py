"""Brings the prices of what the database uses up to date with the Price List API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from exporter.prices.api import store_api_prices
from exporter.sagemaker.price_list import ListedPrice, endpoint_for, training_prices
from exporter.store.database import Database

#: `sync` asks no more often: prices change a few times a year.
DAILY: Final = timedelta(days=1)
_SETTING: Final = "price list asked"


class Refreshed(NamedTuple):
    """What a refresh did: regions that were asked, and prices that were new or changed."""

    regions: int
    changed: int


def is_due(connection: Connection, now: datetime) -> bool:
    """Whether the Price List API was not asked within the last day, successfully or not."""
    rows = connection.execute(
        text("SELECT value FROM settings WHERE name = :name"), {"name": _SETTING}
    ).all()
    return not rows or datetime.fromisoformat(rows[0].value) + DAILY <= now


def refresh(database: Database, make_client: Callable[[str], Any], now: datetime) -> Refreshed:
    """Ask for the regions of the database, and keep the prices of the types it uses.

    Call it with the sync lock held. That it was asked is noted first, so that a sync which may
    not ask does not try again before a day is over.

    Args:
        database: The file.
        make_client: Gives a boto3 `pricing` client for a region of the Price List API.
        now: The time by this machine's clock.

    Raises:
        ExporterError: The API may not be asked, or failed.
    """
    with database.writing() as connection:
        connection.execute(
            text("INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)"),
            {"name": _SETTING, "value": now.isoformat()},
        )
    with database.reading() as connection:
        used = {(row.region, row.instance_type) for row in connection.execute(text(_USED)).all()}
    regions = sorted({region for region, _ in used})
    listed: list[ListedPrice] = []
    for region in regions:
        listed += [
            price
            for price in training_prices(make_client(endpoint_for(region)), region)
            # Storage has no type, and every job may need it.
            if not price.instance_type or (region, price.instance_type) in used
        ]
    with database.writing() as connection:
        return Refreshed(len(regions), store_api_prices(connection, listed))


_USED: Final = """
SELECT j.region, d.instance_type
FROM training_job_details AS d
JOIN training_jobs AS j USING (training_job_arn, creation_time)
WHERE d.instance_type IS NOT NULL

UNION

SELECT j.region, g.unnest ->> 'InstanceType' AS instance_type
FROM training_job_details AS d
JOIN training_jobs AS j USING (training_job_arn, creation_time),
    unnest(CAST(d.instance_groups AS JSON[])) AS g
WHERE d.instance_groups IS NOT NULL
"""
