"""Looks up what a listing did not show: open jobs, details, deletions and tags."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from exporter.sagemaker.rows import JobKey
from exporter.store.scopes import ScopeState
from exporter.syncing import plan
from exporter.syncing.context import ScopeContext
from exporter.syncing.merge import (
    Deleted,
    Merged,
    MergePolicy,
    Observed,
    merge_batch,
    merge_replies,
)
from exporter.syncing.plan import Listing, LookupRequest

_log = logging.getLogger(__name__)

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class ListingResult:
    """What reading a listing has shown.

    Attributes:
        first: The listing before its first page in this run; an earlier run may have begun it.
        last: The listing after its last page. Its modification filter may have been dropped.
        state: The scope as it is stored now.
        answered: Open jobs about which the listing gave an answer.
        details_due: Jobs of a one-off whose details are due; empty for other listings.
        jobs_pending: Before the listing, the scope had open jobs or jobs without details.
    """

    first: Listing
    last: Listing
    state: ScopeState
    answered: frozenset[JobKey]
    details_due: frozenset[JobKey]
    jobs_pending: bool


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Looks jobs up after one listing of one scope.

    Lookups are committed in groups. Each method returns its last group uncommitted, so that the
    caller commits it together with the watermark. A sync without news then commits once.

    Attributes:
        scope: What all steps of the scope share.
        policy: How answers are merged.
    """

    scope: ScopeContext
    policy: MergePolicy

    def run(self, result: ListingResult) -> list[Merged]:
        """Look up everything that the listing left open.

        Returns:
            The last answers, which are not committed yet.

        Raises:
            ExporterError: The service or the database failed.
        """
        merged = self._look_up_pending(result)
        if result.first.mode == "full":
            return merged + self._find_deleted(result.last)
        if self.scope.options.refresh_tags and not result.first.is_one_off:
            return merged + self._refresh_tags()
        return merged

    def _look_up_pending(self, result: ListingResult) -> list[Merged]:
        """Look up open jobs that the listing did not show, and jobs whose details are due."""
        requests = self._requests(result) if self._may_need_lookups(result) else []
        uncommitted: list[Merged] = []
        answered: set[JobKey] = set()
        done = 0
        for group in _groups(requests, self.scope.sizes.lookup_rows):
            self._commit(uncommitted)
            self.scope.progress.looking_up(self.scope.key, done, len(requests))
            done += len(group)
            uncommitted = self._look_up(group, with_deletions=not result.first.is_one_off)
            answered |= {item.stored.job.key for item in uncommitted}
        unanswered = [item.key for item in requests if item.open and item.key not in answered]
        if unanswered:
            uncommitted += self._list_unanswered(unanswered, result)
        return uncommitted

    def _may_need_lookups(self, result: ListingResult) -> bool:
        """Return whether lookups may be needed; if not, skip reading the database."""
        if result.first.is_one_off:
            return bool(result.details_due) and self.scope.options.details
        if result.first.mode == "extend":
            return False  # an incremental listing follows, with its own lookups
        return result.jobs_pending or self.scope.ledger.run.jobs_seen > 0

    def _requests(self, result: ListingResult) -> list[LookupRequest]:
        stored = self.scope.records.pending(self.scope.key, details=self.scope.options.details)
        if result.first.is_one_off:
            stored = [item for item in stored if item.job.key in result.details_due]
        requests = plan.lookup_requests(
            stored,
            result.answered,
            self.scope.server_time(),
            details=self.scope.options.details,
            dated=result.last.began_at is not None,
        )
        if self.scope.lookup.capabilities.search:
            return requests
        limit = self.scope.sizes.details_per_run
        chosen = plan.without_search(requests, limit)
        if len(chosen) < len(requests):
            self.scope.notify(
                f"{self.scope.key.account_id}: without Search, each sync fetches the details of at "
                f"most {limit:,} jobs per region; `status` counts the jobs without details."
            )
        return chosen

    def _look_up(
        self, requests: Sequence[LookupRequest], *, with_deletions: bool = True
    ) -> list[Merged]:
        known = {request.key: request.stored for request in requests}
        replies = list(self.scope.lookup.look_up(requests))
        observed = [reply for reply in replies if isinstance(reply, Observed)]
        _log.info(
            "looked up",
            extra={
                **self.scope.ledger.log_fields,
                "jobs": len(requests),
                "open": sum(request.open for request in requests),
                "by_search": sum(not answer.authoritative for answer in observed),
                "by_describe": sum(answer.authoritative for answer in observed),
                "deleted": len(replies) - len(observed),
            },
        )
        return merge_replies(known, replies if with_deletions else observed, self.policy)

    def _list_unanswered(self, keys: Sequence[JobKey], result: ListingResult) -> list[Merged]:
        """List the window of open jobs about which neither Search nor Describe answered.

        Such a listing has no filter, so AWS has deleted each known job that it does not show.
        """
        already_listed = result.first.verifies and (
            result.last.created_after is None
            or result.last.created_after <= min(key.creation_time for key in keys)
        )
        if already_listed and result.first.started:
            # An earlier run read its first pages and may have seen these jobs there. The
            # incremental listing that follows in this run decides.
            return []
        answers = [] if already_listed else self._list_window(keys)
        shown = {answer.job.key for answer in answers}
        absent = [key for key in keys if key not in shown]
        known = self.scope.records.known([*shown, *absent])
        now = self.scope.server_time()
        # A record that was skipped may be one of these jobs.
        proven = not (result.first.is_one_off or self.scope.ledger.records_skipped)
        deleted = [Deleted(key, now) for key in absent] if proven else []
        return merge_replies(known, [*answers, *deleted], self.policy)

    def _list_window(self, keys: Sequence[JobKey]) -> list[Observed]:
        """Return an answer for every job created between the first and the last of these."""
        times = [key.creation_time for key in keys]
        window = Listing(
            "incremental",
            created_after=min(times),
            created_before=max(times) + timedelta(seconds=1),
            reason=f"the window of unanswered jobs from {min(times):%Y-%m-%d %H:%M:%SZ}",
        )
        self.scope.ledger.add_to_plan(window.reason)
        answers = []
        for step in self.scope.reader.pages(window):
            as_of = step.page.seen_at
            answers += [Observed(row, as_of) for row in step.page.rows]
        return answers

    def _find_deleted(self, listing: Listing) -> list[Merged]:
        """Describe the jobs that a full listing did not show: AWS may have deleted them."""
        if listing.began_at is None:
            return []
        unseen = self.scope.records.unseen(self.scope.key, listing.began_at, listing.created_after)
        uncommitted: list[Merged] = []
        for group in _groups(unseen, self.scope.sizes.lookup_rows):
            self._commit(uncommitted)
            uncommitted = self._look_up(
                [LookupRequest(item, open=True, authoritative=True) for item in group]
            )
        return uncommitted

    def _refresh_tags(self) -> list[Merged]:
        """Read the details of all jobs again: a new tag does not change LastModifiedTime."""
        if not self.scope.lookup.capabilities.search:
            self.scope.notify(
                f"{self.scope.key.account_id}: tags cannot be refreshed without Search."
            )
            return []
        uncommitted: list[Merged] = []
        for keys in self.scope.records.living(self.scope.key, self.scope.sizes.batch_rows):
            self._commit(uncommitted)
            answers = list(self.scope.lookup.details_of_window(keys))
            uncommitted = merge_batch(self.scope.records.known(keys), answers, self.policy)
        return uncommitted

    def _commit(self, merged: Sequence[Merged]) -> None:
        if merged:
            self.scope.ledger.commit(None, merged)


def _groups(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
