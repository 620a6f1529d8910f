"""Find the account and region that a request means."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.errors import UsageError
from exporter.spelling import command
from exporter.store.scopes import ScopeKey


def matching(scopes: Sequence[ScopeKey], account: str | None, region: str | None) -> list[ScopeKey]:
    """Return the scopes of an account and a region; None is any."""
    return [
        scope
        for scope in scopes
        if account in (None, scope.account_id) and region in (None, scope.region)
    ]


def choose(scopes: Sequence[ScopeKey], account: str | None, region: str | None) -> ScopeKey:
    """Return the one scope of an account and a region; None is any.

    Raises:
        UsageError: No scope matches, or several do; the message names those in the file.
    """
    if not scopes:
        raise UsageError(
            "Nothing has been synced into this database yet.", f"Run {command('sync')}."
        )
    found = matching(scopes, account, region)
    if not found:
        raise no_such_scope(scopes, account, region)
    if len(found) > 1:
        raise UsageError(
            f"This database holds several accounts and regions: {names(found)}.",
            "Name one: account=…, region=….",
        )
    return found[0]


def no_such_scope(
    scopes: Sequence[ScopeKey], account: str | None, region: str | None
) -> UsageError:
    """Return the error for an account or region that the file does not hold."""
    named = "/".join(part for part in (account, region) if part is not None)
    return UsageError(f"This database holds no jobs of {named}.", f"It holds {names(scopes)}.")


def names(scopes: Sequence[ScopeKey]) -> str:
    """Return scopes as `account/region, …`, at most ten."""
    shown = ", ".join(map(str, scopes[:10]))
    return f"{shown} and {len(scopes) - 10} more" if len(scopes) > 10 else shown
