"""Resolves the sources of a sync to its scopes, each of them once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from exporter.config.model import Source
from exporter.errors import ExporterError, UsageError
from exporter.sagemaker.failures import DeniedByPolicy, RegionNotEnabled
from exporter.sagemaker.sessions import Access, Sessions
from exporter.store.scopes import ScopeKey
from exporter.syncing.outcome import ScopeResult


@dataclass(frozen=True)
class Target:
    """A scope to sync, and the ways into its account.

    Attributes:
        access: The way to try first.
        key: Account and region.
        optional: Whether a failure counts.
        others: Ways of other sources into the same account, tried if the first is denied.
        may_be_denied: Whether the region came from `all`, so a service control policy may deny it.
        region_origin: What set the region; None if the caller named it.
    """

    access: Access
    key: ScopeKey
    optional: bool
    others: tuple[Access, ...] = ()
    may_be_denied: bool = False
    region_origin: str | None = None

    @property
    def passed_over(self) -> tuple[type[ExporterError], ...]:
        """The errors that skip the region: the account does not use it."""
        return (RegionNotEnabled, DeniedByPolicy) if self.may_be_denied else (RegionNotEnabled,)

    def ways(self) -> Iterator[Target]:
        """Yield the target once for each way into its account."""
        for access in (self.access, *self.others):
            yield replace(self, access=access)


@dataclass(frozen=True)
class Targets:
    """The scopes of a sync.

    Attributes:
        found: Scopes to sync, each once.
        failed: Sources that led to no account.
        accounts: Account ids by the name of the source.
    """

    found: Sequence[Target]
    failed: Sequence[ScopeResult]
    accounts: dict[str, list[str]]


def find_targets(sources: Sequence[Source]) -> Targets:
    """Return the scopes of the sources; an account reached twice is synced once.

    Raises:
        ExporterError: The only source is required and leads to no account.
        UsageError: No region is left to sync.
    """
    sessions = Sessions()
    targets: dict[ScopeKey, Target] = {}
    failed: list[ScopeResult] = []
    accounts: dict[str, list[str]] = {}
    for source in sources:
        try:
            regions = sessions.regions(
                source.profile, source.role_arn, source.regions, source.exclude_regions
            )
            access = sessions.access(source.profile, source.role_arn, source.external_id, regions)
        except ExporterError as error:
            if len(sources) == 1 and not source.optional:
                raise
            failed.append(ScopeResult(source.name, "failed", source.optional, error=error))
            continue
        accounts[source.name] = [access.account_id]
        for region in regions.names:
            target = Target(
                access,
                ScopeKey(access.account_id, region),
                source.optional,
                may_be_denied="all" in source.regions,
                region_origin=regions.origin,
            )
            targets[target.key] = _combined(targets.get(target.key), target)
    if not targets and not failed:
        raise UsageError("No region is left to sync: every one is excluded.")
    return Targets(list(targets.values()), failed, accounts)


def _combined(known: Target | None, target: Target) -> Target:
    """Return the target of a scope that is reached twice: optional if it is so both times."""
    if known is None:
        return target
    return replace(
        known,
        optional=known.optional and target.optional,
        others=(*known.others, target.access),
        may_be_denied=known.may_be_denied and target.may_be_denied,
    )
