"""What a sync came to: scope by scope, in one line, and as an exit code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from exporter.errors import ExporterError, PartialError, ServiceError
from exporter.store.scopes import Run
from exporter.text import counted

Outcome = Literal["complete", "failed", "skipped", "planned"]


@dataclass(frozen=True)
class ScopeResult:
    """One account and region, or a source that led to none.

    Attributes:
        name: `account/region`, or the source's name where the account is not known.
        outcome: `skipped` is a region that is not enabled, `planned` a dry run.
        optional: A failure here counts for nothing.
        runs: The ledger's rows of this sync.
        error: What stopped it.
        plan: What it would have asked for (dry run).
    """

    name: str
    outcome: Outcome
    optional: bool = False
    runs: Sequence[Run] = ()
    error: ExporterError | None = None
    plan: str | None = None

    @property
    def failure(self) -> str:
        """Where it failed, once, and what it was."""
        if self.error is not None and self.error.scope == self.name:
            return str(self.error)
        return f"{self.name}: {self.error}"


@dataclass(frozen=True)
class SyncReport:
    """The outcome of one sync.

    Attributes:
        scopes: One result a scope.
        warnings: What the user should know, each said once.
        seconds: Wall time.
    """

    scopes: Sequence[ScopeResult]
    warnings: Sequence[str] = ()
    seconds: float = 0.0
    moved: bool = field(default=False)

    @property
    def failed(self) -> list[ScopeResult]:
        """Required scopes that are not complete."""
        return [s for s in self.scopes if s.outcome == "failed" and not s.optional]

    @property
    def error(self) -> ExporterError | None:
        """The error the command ends with; None = every required scope is complete.

        Some complete and some not is exit 3; none complete is their common code, else 7.
        """
        failed = self.failed
        if not failed:
            return None
        if len(failed) == 1 and len(self.scopes) == 1 and failed[0].error is not None:
            return failed[0].error
        lines = "\n".join(f"  {scope.failure}" for scope in failed)
        if any(scope.outcome == "complete" for scope in self.scopes):
            done = sum(scope.outcome == "complete" for scope in self.scopes)
            text = f"{counted(done, 'scope')} complete, {len(failed)} not:"
            return PartialError(f"{text}\n{lines}")
        codes = {scope.error.exit_code for scope in failed if scope.error is not None}
        error = ServiceError(f"No scope is complete:\n{lines}")
        if len(codes) == 1:
            error.exit_code = codes.pop()
        return error

    @property
    def exit_code(self) -> int:
        """Exit code of the command."""
        return 0 if self.error is None else self.error.exit_code

    def total(self, name: str) -> int:
        """Sum of a count of the ledger over all scopes."""
        return sum(getattr(run, name) for scope in self.scopes for run in scope.runs)

    def calls(self) -> dict[str, int]:
        """Calls by operation, retries included."""
        calls: Counter[str] = Counter()
        for scope in self.scopes:
            for run in scope.runs:
                calls.update(json.loads(run.calls))
        return dict(calls)

    def summary(self) -> str:
        """One line for the cron mail."""
        if any(scope.outcome == "planned" for scope in self.scopes):
            planned = counted(len(self.scopes), "scope")
            return f"dry run: {planned} planned, nothing asked, nothing written"
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
        if skipped:
            parts.append(f"{counted(skipped, 'region')} not enabled ({self._skipped()})")
        return "sync: " + ", ".join(parts)

    def _skipped(self) -> str:
        """Regions that are not enabled, with their account where there are several."""
        several = len({scope.name.split("/")[0] for scope in self.scopes}) > 1
        return ", ".join(
            scope.name if several else scope.name.split("/")[-1]
            for scope in self.scopes
            if scope.outcome == "skipped"
        )

    def to_json(self) -> dict[str, Any]:
        """The documented answer of `sync --json`; times are ISO 8601 UTC."""
        return {
            "version": 1,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "calls": self.calls(),
            "jobs_inserted": self.total("jobs_inserted"),
            "jobs_changed": self.total("jobs_changed"),
            "jobs_deleted": self.total("jobs_deleted"),
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
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in values.items()
    }
