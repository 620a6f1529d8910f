"""The types of the options that `sync` passes on to SyncOptions, for editors and type checkers."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from typing import TypedDict


class SyncArguments(TypedDict, total=False):
    """The fields of `exporter.config.model.SyncOptions`, which describes them.

    A time is an aware datetime, a date, an age as timedelta, or a text.
    """

    full: bool
    since: datetime | date | timedelta | str | None
    created_after: datetime | date | timedelta | str | None
    created_before: datetime | date | timedelta | str | None
    name_contains: str | None
    status: str | None
    warm_pool_status: str | None
    training_plan_arn: str | None
    overlap: int | str
    max_rps: float | str
    details: bool
    refresh_tags: bool
    lock_timeout: float | str
    snapshot: str | os.PathLike[str] | None
    snapshot_mode: int | str
    metrics_file: str | os.PathLike[str] | None
    metrics_mode: int | str
    ping_url: str | None
    upgrade: bool
    dry_run: bool
