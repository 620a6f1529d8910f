"""The outcome of a sync: scope by scope, in one line, and as an exit code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from exporter.errors import CredentialsError, ExporterError, PartialError, common_class
from exporter.sagemaker.failures import DeniedByPolicy
from exporter.store.scopes import Run
from exporter.text import counted

Outcome = Literal["complete", "failed", "skipped", "planned"]


@dataclass(frozen=True)
class ScopeResult:
    """One account and region, or a source that led to none.

    Attributes:
        name: `account/region`, or the name of the source if the account is unknown.
        outcome: `skipped` is a region that is not enabled or that a service control policy
            denies, `planned` a dry run.
        optional: A failure here does not count.
        runs: Rows of the ledger from this sync.
        error: What stopped the scope.
        plan: What a dry run would have requested.
        region_origin: What set the region of a dry run; None if the caller named it.
    """

    name: str
    outcome: Outcome
    optional: bool = False
    runs: Sequence[Run] = ()
    error: ExporterError | None = None
    plan: str | None = None
    region_origin: str | None = None

    @property
    def failure(self) -> str:
        """The error, with the scope named once."""
        if self.error is not None and self.error.scope == self.name:
            return str(self.error)
        return f"{self.name}: {self.error}"


@dataclass(frozen=True)
class SyncReport:
    """The outcome of one sync.

    Attributes:
        scopes: One result per scope.
        warnings: What the user should know, each once.
        seconds: Wall time.
        creates: The database that a dry run did not create; None if there is one, or it was no
            dry run.
    """

    scopes: Sequence[ScopeResult]
    warnings: Sequence[str] = ()
    seconds: float = 0.0
    creates: Path | None = None

    @property
    def failed(self) -> list[ScopeResult]:
        """Required scopes that are not complete."""
        return [s for s in self.scopes if s.outcome == "failed" and not s.optional]

    @property
    def error(self) -> ExporterError | None:
        """The error that the command ends with; None = every required scope is complete.

        If some scopes are complete, it is a `PartialError`. If none is, it is of the class that
        their errors share, else a `ServiceError`.
        """
        failed = self.failed
        if not failed:
            return None
        if len(failed) == 1 and len(self.scopes) == 1 and failed[0].error is not None:
            return failed[0].error
        lines = "\n".join(f"  {scope.failure}" for scope in failed)
        if any(scope.outcome == "complete" for scope in self.scopes):
            done = sum(scope.outcome == "complete" for scope in self.scopes)
            text = f"{counted(done, 'scope')} complete, {len(failed)} failed:"
            return PartialError(f"{text}\n{lines}")
        errors = [scope.error for scope in failed if scope.error is not None]
        return common_class(errors)(f"No scope is complete:\n{lines}")

    @property
    def exit_code(self) -> int:
        """Exit code of the command."""
        return 0 if self.error is None else self.error.exit_code

    def total(self, name: str) -> int:
        """Return the sum of a count of the ledger over all scopes."""
        return sum(getattr(run, name) for scope in self.scopes for run in scope.runs)

    def calls(self) -> dict[str, int]:
        """Return calls by operation, retries included."""
        calls: Counter[str] = Counter()
        for scope in self.scopes:
            for run in scope.runs:
                calls.update(json.loads(run.calls))
        return dict(calls)

    def figures(self) -> dict[str, int | float]:
        """Return what the summary says, as numbers by name; the seconds are those of the sync."""
        outcomes = Counter(scope.outcome for scope in self.scopes)
        return {
            "exit_code": self.exit_code,
            **{f"scopes_{name}": outcomes[name] for name in ("complete", "failed", "skipped")},
            **{
                name: self.total(name) for name in ("jobs_inserted", "jobs_changed", "jobs_deleted")
            },
            "calls": sum(self.calls().values()),
            "throttles": self.total("throttles"),
            "seconds": round(self.seconds, 3),
        }

    def odd_records(self) -> dict[str, dict[str, int]]:
        """Return the odd records of the ledger, by what was done with them and by member."""
        found: dict[str, Counter[str]] = {}
        for scope in self.scopes:
            for run in scope.runs:
                for fate, members in json.loads(run.odd_records).items():
                    found.setdefault(fate, Counter()).update(members)
        return {fate: dict(members) for fate, members in sorted(found.items())}

    def summary(self) -> str:
        """Return one line for the cron mail."""
        if any(scope.outcome == "planned" for scope in self.scopes):
            planned = counted(len(self.scopes), "scope")
            creates = f"; a sync creates {self.creates}" if self.creates else ""
            return f"dry run: {planned} planned, nothing listed, nothing written{creates}"
        done = sum(scope.outcome == "complete" for scope in self.scopes)
        skipped = sum(scope.outcome == "skipped" for scope in self.scopes)
        parts = [
            f"{done} of {counted(len(self.scopes) - skipped, 'scope')} complete",
            f"{self.total('jobs_inserted'):,} new",
            f"{self.total('jobs_changed'):,} changed",
            f"{self.total('jobs_deleted'):,} deleted",
            counted(sum(self.calls().values()), "call"),
            f"{self.seconds:.1f} s",
        ]
        if throttles := self.total("throttles"):
            parts.insert(5, f"{throttles:,} throttled")
        for fate, members in self.odd_records().items():
            parts.append(f"{counted(sum(members.values()), 'odd record')} {fate}")
        for why, scopes in self._skipped().items():
            parts.append(f"{counted(len(scopes), 'region')} {why} ({', '.join(scopes)})")
        return "sync: " + ", ".join(parts)

    def _skipped(self) -> dict[str, list[str]]:
        """Return skipped regions by reason, with their account if there are several."""
        several = len({scope.name.split("/")[0] for scope in self.scopes}) > 1
        found: dict[str, list[str]] = {}
        for scope in self.scopes:
            if scope.outcome == "skipped":
                policy = isinstance(scope.error, DeniedByPolicy)
                why = "denied by a service control policy" if policy else "not enabled"
                found.setdefault(why, []).append(
                    scope.name if several else scope.name.split("/")[-1]
                )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the documented object of `sync --json`; times are ISO 8601 UTC."""
        return {
            "version": 1,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "calls": self.calls(),
            "jobs_inserted": self.total("jobs_inserted"),
            "jobs_changed": self.total("jobs_changed"),
            "jobs_deleted": self.total("jobs_deleted"),
            "odd_records": self.odd_records(),
            "warnings": list(self.warnings),
            "scopes": [_scope_json(scope) for scope in self.scopes],
        }


def _scope_json(scope: ScopeResult) -> dict[str, Any]:
    return {
        "scope": scope.name,
        "outcome": scope.outcome,
        "optional": scope.optional,
        "error": None if scope.error is None else scope.error.message,
        "plan": scope.plan,
        "runs": [_run_json(run) for run in scope.runs],
    }


def _run_json(run: Run) -> dict[str, Any]:
    values = {name: getattr(run, name) for name in Run.__slots__}
    values["calls"] = json.loads(run.calls)
    values["odd_records"] = json.loads(run.odd_records)
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def judge_regions(results: Sequence[ScopeResult]) -> list[ScopeResult]:
    """Return the results with skipped regions as failed if their account has no other region.

    A region that is not enabled is skipped. If no region of an account accepts the credentials,
    the credentials are more likely to be wrong.
    """
    accounts: dict[str, list[ScopeResult]] = {}
    for result in results:
        accounts.setdefault(_account(result), []).append(result)
    failed = {
        account
        for account, scopes in accounts.items()
        if all(scope.outcome in ("skipped", "failed") for scope in scopes)
    }
    return [
        replace(result, outcome="failed", error=_no_region(result))
        if result.outcome == "skipped" and _account(result) in failed
        else result
        for result in results
    ]


def _account(result: ScopeResult) -> str:
    return result.name.split("/")[0]


def _no_region(result: ScopeResult) -> ExporterError:
    if isinstance(result.error, DeniedByPolicy):
        return result.error
    return CredentialsError(
        "No region of this account accepts the credentials.",
        "Check that they are valid and that the regions are enabled.",
        scope=result.error.scope if result.error else result.name,
    )
