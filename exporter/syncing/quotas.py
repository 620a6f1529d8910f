"""Refreshes the service quotas of a scope at most once a day. They are optional: nothing fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from exporter.errors import ExporterError, StoreError
from exporter.sagemaker.api import Api, Retries
from exporter.sagemaker.failures import UNAVAILABLE
from exporter.sagemaker.quotas import read_quotas
from exporter.store.scopes import ScopeKey
from exporter.syncing.progress import Clock
from exporter.syncing.records import Records

_log = logging.getLogger(__name__)

#: Quotas change when someone requests it, so once a day is enough.
DAILY: Final = timedelta(days=1)
#: Quotas are a convenience, so a sync does not wait long for them.
RETRIES: Final = Retries(throttled=6, failed=2, longest_backoff=5.0)


def refresh_quotas(
    key: ScopeKey, api: Api, records: Records, clock: Clock, notify: Callable[[str], None]
) -> None:
    """Read and store the quotas of a scope.

    The attempt is recorded first, so that a sync without the permission waits a day before the
    next one. The quotas that are stored stay until others were read completely.

    Args:
        key: The scope.
        api: Its calls, with a client of Service Quotas.
        records: The database.
        clock: The clocks of this machine.
        notify: Called once for an account whose quotas cannot be read.

    Raises:
        StoreError: The database failed.
    """
    now = clock.now()
    records.note_quota_request(key, now)
    try:
        found = list(read_quotas(api))
    except StoreError:
        raise
    except ExporterError as error:
        _log.info("no quotas", extra={"scope": str(key), "error": error})
        # Without the region, so that an account is named once.
        why = error.text if isinstance(error, UNAVAILABLE) else "ListServiceQuotas failed."
        notify(f"{key.account_id}: {why} Quotas stay as they are; the next attempt is in a day.")
    else:
        records.store_quotas(key, found, now)
