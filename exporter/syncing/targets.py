"""Resolves the sources of a sync to its scopes, each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.config.model import Source
from exporter.errors import ExporterError, UsageError
from exporter.sagemaker.sessions import Access, Sessions
from exporter.store.scopes import ScopeKey
from exporter.syncing.outcome import ScopeResult


@dataclass(frozen=True)
class Target:
    """A scope to sync, and the way into its account."""

    access: Access
    key: ScopeKey
    optional: bool


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
            access = sessions.access(source.profile, source.role_arn, source.external_id)
            regions = access.regions(source.regions, source.exclude_regions)
        except ExporterError as error:
            if len(sources) == 1 and not source.optional:
                raise
            failed.append(ScopeResult(source.name, "failed", source.optional, error=error))
            continue
        accounts[source.name] = [access.account_id]
        for region in regions:
            target = Target(access, ScopeKey(access.account_id, region), source.optional)
            targets[target.key] = _combined(targets.get(target.key), target)
    if not targets and not failed:
        raise UsageError("No region is left to sync: every one is excluded.")
    return Targets(list(targets.values()), failed, accounts)


def _combined(known: Target | None, target: Target) -> Target:
    """Return the target of a scope that is reached twice: optional if it is so both times."""
    if known is None:
        return target
    return replace(known, optional=known.optional and target.optional)
