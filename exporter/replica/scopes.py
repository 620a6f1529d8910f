"""Which account and region is meant."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.errors import UsageError
from exporter.store.scopes import ScopeKey


def matching(scopes: Sequence[ScopeKey], account: str | None, region: str | None) -> list[ScopeKey]:
    """The scopes of an account and a region, None being any."""
    return [
        scope
        for scope in scopes
        if account in (None, scope.account_id) and region in (None, scope.region)
    ]


def choose(scopes: Sequence[ScopeKey], account: str | None, region: str | None) -> ScopeKey:
    """The one scope that is meant.

    Raises:
        UsageError: None fits, or several do; the message names those that the file holds.
    """
    if not scopes:
        raise UsageError(
            "Nothing has been synced into this database yet.", "Run `sagemaker-exporter sync`."
        )
    found = matching(scopes, account, region)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"This database holds no jobs of {_asked(account, region)}.",
            f"It holds {names(scopes)}.",
        )
    raise UsageError(
        f"This database holds several accounts and regions: {names(found)}.",
        "Say which: account=…, region=….",
    )


def names(scopes: Sequence[ScopeKey]) -> str:
    """Scopes for a reader: `account/region, …`, at most ten."""
    shown = ", ".join(map(str, scopes[:10]))
    return f"{shown} and {len(scopes) - 10} more" if len(scopes) > 10 else shown


def _asked(account: str | None, region: str | None) -> str:
    return "/".join(part for part in (account, region) if part is not None)
