"""Looks up what a listing did not show: open jobs, details, deletions and tags."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

from exporter.sagemaker.rows import JobKey
from exporter.store.scopes import ScopeState
from exporter.syncing import plan
from exporter.syncing.context import ScopeContext
from exporter.syncing.merge import MergePolicy, Missing, Observed, Reply, Stored
from exporter.syncing.plan import Listing, LookupRequest

_log = logging.getLogger(__name__)

_Item = TypeVar("_Item")
#: A deletion that two wrong answers made is noticed within this time.
_DELETED_OF_LATE: Final = timedelta(days=7)


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

    def covers(self, key: JobKey) -> bool:
        """Return whether the listing shows every job that was created when this one was."""
        after, before = self.last.created_after, self.last.created_before
        return (
            self.first.verifies
            and (after is None or after <= key.creation_time)
            and (before is None or key.creation_time <= before)
        )


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Looks jobs up after one listing of one scope.

    Lookups are committed in groups. The last group is left to the caller, which commits it
    together with the watermark. A sync without news then commits once.

    Attributes:
        scope: What all steps of the scope share.
        policy: How answers are merged.
    """

    scope: ScopeContext
    policy: MergePolicy

    def run(self, result: ListingResult) -> None:
        """Look up everything that the listing left open.

        Raises:
            ExporterError: The service or the database failed.
        """
        self._look_up_pending(result)
        if result.first.mode == "full":
            self._find_deleted(result.last)
        elif self.scope.options.refresh_tags and not result.first.is_one_off:
            self._refresh_tags()

    def _look_up_pending(self, result: ListingResult) -> None:
        """Look up open jobs that the listing did not show, and jobs whose details are due."""
        requests = self._requests(result) if self._may_need_lookups(result) else []
        # A resumed listing may have shown a job in its first pages, which an earlier run read.
        unlisted = {
            item.key
            for item in requests
            if item.open and result.covers(item.key) and not result.first.started
        }
        with_deletions = not result.first.is_one_off
        answered: set[JobKey] = set()
        done = 0
        for group in _groups(requests, self.scope.sizes.lookup_rows):
            self._commit()
            self.scope.progress.looking_up(self.scope.key, done, len(requests))
            done += len(group)
            jobs = self._look_up(group, unlisted, with_deletions=with_deletions)
            answered |= {item.job.key for item in jobs}
        unanswered = [item.key for item in requests if item.open and item.key not in answered]
        if unanswered and with_deletions:
            self._list_unanswered(unanswered, result)

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
            search=self.scope.lookup.capabilities.search,
            dated=result.last.began_at is not None,
        )
        if self.scope.lookup.capabilities.search:
            return requests if result.first.is_one_off else requests + self._deleted(requests)
        limit = self.scope.sizes.details_per_run
        chosen = plan.without_search(requests, limit)
        if len(chosen) < len(requests):
            self.scope.notify(
                f"{self.scope.key.account_id}: without Search, each sync fetches the details of at "
                f"most {limit:,} jobs per region; `status` counts the jobs without details."
            )
        return chosen

    def _deleted(self, requests: Sequence[LookupRequest]) -> list[LookupRequest]:
        """Return jobs that were deleted of late, as far as asking for them costs no call."""
        room = plan.room_for_deleted(requests, self.scope.sizes.page)
        if not room:
            return []
        since = self.scope.server_time() - _DELETED_OF_LATE
        found = self.scope.records.deleted(self.scope.key, since, room)
        return [LookupRequest(item, open=False, deleted=True) for item in found]

    def _look_up(
        self,
        requests: Sequence[LookupRequest],
        unlisted: Container[JobKey],
        *,
        with_deletions: bool = True,
    ) -> list[Stored]:
        """Look up jobs, and return those about which there was an answer.

        Args:
            requests: The jobs.
            unlisted: Jobs that a complete listing of this run does not show.
            with_deletions: Whether jobs may count as deleted.
        """
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
                "missing": len(replies) - len(observed),
            },
        )
        chosen = self._confirmed(replies, unlisted) if with_deletions else observed
        return self.scope.jobs.merge(chosen, self.policy)

    def _confirmed(self, replies: Iterable[Reply], unlisted: Container[JobKey]) -> Iterator[Reply]:
        """Yield replies; a missing job is confirmed if a listing proves the same."""
        # A record that was skipped may be any of the jobs that the listing did not show.
        proves = not self.scope.ledger.records_skipped
        for reply in replies:
            if isinstance(reply, Missing):
                is_unlisted = proves and reply.key in unlisted
                yield replace(reply, confirmed=is_unlisted or self._has_heir(reply))
            else:
                yield reply

    def _has_heir(self, missing: Missing) -> bool:
        """Return whether a listing has shown the later job that has the name of a missing one."""
        namesake = missing.namesake
        return (
            namesake is not None
            and namesake.creation_time > missing.key.creation_time
            and self.scope.jobs.known(namesake) is not None
        )

    def _list_unanswered(self, keys: Sequence[JobKey], result: ListingResult) -> None:
        """List the window of open jobs about which neither Search nor Describe answered.

        Such a listing has no filter, so each known job that it does not show is missing.
        """
        answers: list[Observed] = []
        if not all(map(result.covers, keys)):
            answers = self._list_window(keys)
        elif result.first.started:
            # The incremental listing that follows in this run decides.
            return
        shown = {item.job.key for item in self.scope.jobs.merge(answers, self.policy)}
        if self.scope.ledger.records_skipped:
            return  # a record that was skipped may be one of these jobs
        now = self.scope.server_time()
        absent = [Missing(key, now) for key in keys if key not in shown]
        self.scope.jobs.merge(absent, self.policy)

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
            latest = self.scope.latest(as_of)
            answers += [Observed(row, as_of, latest) for row in step.page.rows]
        return answers

    def _find_deleted(self, listing: Listing) -> None:
        """Describe the jobs that a full listing did not show: AWS may have deleted them."""
        if listing.began_at is None:
            return
        until = self.scope.server_time() + plan.TOLERANCE
        unseen = self.scope.jobs.unseen(listing.began_at, until, listing.created_after)
        for group in _groups(unseen, self.scope.sizes.lookup_rows):
            self._commit()
            requests = [LookupRequest(item, open=True, authoritative=True) for item in group]
            self._look_up(requests, {request.key for request in requests})

    def _refresh_tags(self) -> None:
        """Read the details of all jobs again: a new tag does not change LastModifiedTime."""
        if not self.scope.lookup.capabilities.search:
            self.scope.notify(
                f"{self.scope.key.account_id}: tags cannot be refreshed without Search."
            )
            return
        for keys in self.scope.records.living(self.scope.key, self.scope.sizes.batch_rows):
            self._commit()
            self.scope.jobs.merge(self.scope.lookup.details_of_window(keys), self.policy)

    def _commit(self) -> None:
        merged = self.scope.jobs.take()
        if merged:
            self.scope.ledger.commit(None, merged)


def _groups(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
