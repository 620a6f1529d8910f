"""Looks up after a listing what it does not show: open jobs, details, deletions, tags."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from exporter.config.model import SyncOptions
from exporter.sagemaker.rows import JobKey
from exporter.sagemaker.service import known_by
from exporter.store.scopes import ScopeKey, ScopeState
from exporter.syncing import plan
from exporter.syncing.ledger import RunLedger
from exporter.syncing.listing import ListingReader
from exporter.syncing.lookup import JobLookup
from exporter.syncing.merge import (
    Deleted,
    Merged,
    MergePolicy,
    Observed,
    merge_batch,
    merge_replies,
)
from exporter.syncing.plan import Listing, LookupRequest
from exporter.syncing.progress import Progress
from exporter.syncing.records import Records
from exporter.syncing.sizes import Sizes

_log = logging.getLogger(__name__)

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Listed:
    """The result of reading a listing.

    Attributes:
        first: The listing as it began. It may drop its filter on the way, and showed less before.
        last: The listing as it ended.
        state: The scope as it is stored now.
        answered: Open jobs that the listing has answered for.
        details_due: Jobs of the listing whose details are due; only of a one-off.
        jobs_pending: Whether the scope had open jobs, or jobs without details, before.
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

    Each method commits all of its answers but the last group, and returns that. So it can be
    committed together with the watermark, and a sync without news commits once.

    Attributes:
        key: The scope.
        records: The database.
        options: What the user asked for.
        policy: How answers are merged.
        lookup: The lookups of the scope.
        reader: Reads listings of the scope.
        ledger: The ledger of the scope.
        notify: Called with what the user should know.
        progress: Shows how many jobs have been looked up.
        now: Returns the server time, or the best estimate of it.
        sizes: How much is done in one step.
    """

    key: ScopeKey
    records: Records
    options: SyncOptions
    policy: MergePolicy
    lookup: JobLookup
    reader: ListingReader
    ledger: RunLedger
    notify: Callable[[str], None]
    progress: Progress
    now: Callable[[], datetime]
    sizes: Sizes

    def run(self, listed: Listed) -> list[Merged]:
        """Look up everything that the listing left open.

        Returns:
            The last answers, which are not committed yet.

        Raises:
            ExporterError: The service or the database failed.
        """
        merged = self._look_up_pending(listed)
        if listed.first.mode == "full":
            return merged + self._find_deleted(listed.last)
        if self.options.refresh_tags and not listed.first.is_one_off:
            return merged + self._refresh_tags()
        return merged

    def _look_up_pending(self, listed: Listed) -> list[Merged]:
        """Look up open jobs that the listing did not show, and jobs whose details are due."""
        requests = self._requests(listed) if self._has_requests(listed) else []
        kept: list[Merged] = []
        unanswered = {request.key: request for request in requests if request.open}
        done = 0
        for group in _groups(requests, self.sizes.lookup_rows):
            self._commit(kept)
            self.progress.looking_up(self.key, done, len(requests))
            done += len(group)
            kept = self._look_up(group, deletes=not listed.first.is_one_off)
            for item in kept:
                unanswered.pop(item.stored.job.key, None)
        if unanswered:
            kept += self._list_unanswered(list(unanswered), listed)
        return kept

    def _has_requests(self, listed: Listed) -> bool:
        if listed.first.is_one_off:
            return bool(listed.details_due) and self.options.details
        if listed.first.mode == "extend":
            return False
        return listed.jobs_pending or self.ledger.run.jobs_seen > 0

    def _requests(self, listed: Listed) -> list[LookupRequest]:
        stored = self.records.pending(self.key, details=self.options.details)
        if listed.first.is_one_off:
            stored = [item for item in stored if item.job.key in listed.details_due]
        requests = plan.lookup_requests(
            stored, listed.answered, self.now(), details=self.options.details
        )
        if self.lookup.capabilities.search:
            return requests
        limit = self.sizes.details_per_run
        chosen = plan.without_search(requests, limit)
        if len(chosen) < len(requests):
            self.notify(
                f"{self.key.account_id}: without Search, each sync fetches the details of at most "
                f"{limit:,} jobs per region; `status` counts the jobs without details."
            )
        return chosen

    def _look_up(self, requests: Sequence[LookupRequest], *, deletes: bool = True) -> list[Merged]:
        known = {request.key: request.stored for request in requests}
        replies = list(self.lookup.look_up(requests))
        observed = [reply for reply in replies if isinstance(reply, Observed)]
        _log.info(
            "looked up",
            extra={
                **self.ledger.log_fields,
                "jobs": len(requests),
                "open": sum(request.open for request in requests),
                "by_search": sum(not answer.authoritative for answer in observed),
                "by_describe": sum(answer.authoritative for answer in observed),
                "deleted": len(replies) - len(observed),
            },
        )
        return merge_replies(known, replies if deletes else observed, self.policy)

    def _list_unanswered(self, missing: Sequence[JobKey], listed: Listed) -> list[Merged]:
        """List the whole window of open jobs that no operation may look up.

        Such a listing filters nothing out, so a known job that it lacks has been deleted.
        """
        whole = listed.first.verifies and (
            listed.last.created_after is None
            or listed.last.created_after <= min(key.creation_time for key in missing)
        )
        if whole and listed.first.started:
            # Nobody knows what it showed before the interruption; another listing follows.
            return []
        answers = [] if whole else self._list_window(missing)
        shown = {answer.job.key for answer in answers}
        absent = [key for key in missing if key not in shown]
        known = self.records.known([*shown, *absent])
        now = self.now()
        deleted = [] if listed.first.is_one_off else [Deleted(key, now) for key in absent]
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
        self.ledger.add_to_plan(window.reason)
        answers = []
        for listed in self.reader.pages(window):
            as_of = known_by(listed.page.as_of, listed.page.rows)
            answers += [Observed(row, as_of) for row in listed.page.rows]
        return answers

    def _find_deleted(self, listing: Listing) -> list[Merged]:
        """Describe the jobs that a full listing did not show, to find those AWS has deleted."""
        if listing.began_at is None:
            return []
        unseen = self.records.unseen(self.key, listing.began_at, listing.created_after)
        kept: list[Merged] = []
        for group in _groups(unseen, self.sizes.lookup_rows):
            self._commit(kept)
            kept = self._look_up(
                [LookupRequest(item, open=True, authoritative=True) for item in group]
            )
        return kept

    def _refresh_tags(self) -> list[Merged]:
        """Read the details of every job again by Search: a new tag changes no time of a job."""
        if not self.lookup.capabilities.search:
            self.notify(f"{self.key.account_id}: tags cannot be refreshed without Search.")
            return []
        kept: list[Merged] = []
        for keys in self.records.living(self.key, self.sizes.batch_rows):
            self._commit(kept)
            answers = list(self.lookup.details_of_window(keys))
            kept = merge_batch(self.records.known(keys), answers, self.policy)
        return kept

    def _commit(self, merged: Sequence[Merged]) -> None:
        if merged:
            self.ledger.commit(None, merged)


def _groups(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
