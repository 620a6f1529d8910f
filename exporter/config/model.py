"""What a sync is asked to do, as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from exporter.config.labels import LabelRules

#: Options that make a sync a one-off: it upserts what it finds and moves no watermark.
FILTERS = (
    "created_after",
    "created_before",
    "name_contains",
    "status",
    "warm_pool_status",
    "training_plan_arn",
)


@dataclass(frozen=True)
class Source:
    """One way into an account: a profile, perhaps a role, and the regions to ask there.

    `regions` holds region names or the one word `all`; empty means the session's own region.
    `optional` sources neither make a run exit 3 nor hold back its ping.
    """

    name: str = "default"
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    regions: tuple[str, ...] = ()
    exclude_regions: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class SyncOptions:
    """The options of `sync`, as in the contract. Times are aware UTC, durations are seconds.

    Raises:
        TypeError: A time is not an aware datetime.
    """

    full: bool = False
    since: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    name_contains: str | None = None
    status: str | None = None
    warm_pool_status: str | None = None
    training_plan_arn: str | None = None
    overlap: int = 300
    max_rps: float = 1.0
    details: bool = True
    refresh_tags: bool = False
    lock_timeout: float = 60.0
    snapshot: Path | None = None
    snapshot_mode: int = 0o444
    upgrade: bool = True
    prices: bool = True
    dry_run: bool = False

    def __post_init__(self) -> None:
        for name in ("since", "created_after", "created_before"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, datetime) and value.tzinfo):
                raise TypeError(f"{name} is to be an aware datetime, not {value!r}")

    @property
    def is_filtered(self) -> bool:
        """Whether this sync is a one-off (contract, "Command line")."""
        return any(getattr(self, name) is not None for name in FILTERS)


@dataclass(frozen=True)
class Discount:
    """Per cent off every price that is not imported, for what it names; None means every.

    `source` is the name of a `[[source]]`: it stands for the accounts that it led to.
    """

    percent: Decimal
    account: str | None = None
    component: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Configuration:
    """The part of the configuration that reports see.

    Attributes:
        rules: Families and teams.
        accounts: Account id -> name.
        discounts: Of several for the same account and component the last counts.
        local_storage_families: Instance families not charged for storage; None = as shipped.
    """

    rules: LabelRules = field(default_factory=LabelRules)
    accounts: Mapping[str, str] = field(default_factory=dict)
    discounts: Sequence[Discount] = ()
    local_storage_families: Sequence[str] | None = None
