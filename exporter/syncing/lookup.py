"""Looks up jobs by name, for what a listing does not show: by Search if possible, else Describe.

Search returns 100 full records per call, tags included. But its index lags, so its answers are
not authoritative, and a job that it omits may exist. Describe is authoritative and takes one call
per job.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from exporter.errors import ExporterError
from exporter.sagemaker import service
from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import UNAVAILABLE, InvalidRequest
from exporter.sagemaker.rows import JobKey, Unreadable
from exporter.sagemaker.service import PAGE, Found, Total
from exporter.syncing.merge import Missing, Observed, Reply, Stored
from exporter.syncing.order import has_ended, is_behind
from exporter.syncing.plan import Capabilities, LookupRequest

#: Describes per group of lookups for jobs of which the Search index shows an old state. The next
#: sync begins later than the lag and finds the rest by Search.
BEHIND_LIMIT: Final = 25
#: The same without Search, for jobs that have not ended: the next sync looks them up anyway.
NOT_ENDED_LIMIT: Final = 10
_ONE_BY_ONE: Final = "Jobs are looked up one by one instead."


class JobLookup:
    """The lookups of one scope.

    Args:
        api: The calls of the scope.
        now: Returns the server time, or the best estimate of it.
        notify: Called once per operation that is unavailable, with what is done instead.
        page_size: Names per Search, and jobs per page of its answer.

    Attributes:
        capabilities: What the identity may call; an operation that turns out to be unavailable is
            removed, and not called again.
    """

    def __init__(
        self,
        api: Api,
        *,
        now: Callable[[], datetime],
        notify: Callable[[str], None],
        page_size: int = PAGE,
    ) -> None:
        self._api = api
        self._now = now
        self._notify = notify
        self._page_size = page_size
        self.capabilities = Capabilities()

    def look_up(self, requests: Sequence[LookupRequest]) -> Iterator[Reply]:
        """Yield replies for jobs; a job that no operation may look up gets none.

        Raises:
            ExporterError: The service failed past all retries.
        """
        by_search = [request for request in requests if not request.authoritative]
        shown: dict[JobKey, Found] = {}
        if by_search and self.capabilities.search:
            for found, request in self._search(by_search):
                shown[request.key] = found
                yield self._observed(found)
            expected = sum(not request.deleted for request in by_search)
            if not shown and expected > BEHIND_LIMIT:
                self._search_is_empty(expected)
        for request in _to_describe(requests, shown, search=self.capabilities.search):
            reply = self._describe(request)
            if reply is not None:
                yield reply

    def details_of_window(self, keys: Collection[JobKey]) -> Iterator[Observed]:
        """Yield full records of jobs by the window of their creation times, by Search pages.

        This suits a batch of a listing, which wants nearly all jobs of its window.
        """
        if not self.capabilities.search or not keys:
            return
        by_arn: dict[str, list[JobKey]] = {}
        for key in keys:
            by_arn.setdefault(key.folded_arn, []).append(key)
        times = [key.creation_time for key in keys]
        window = service.search_created(self._api, min(times), max(times), self._page_size)
        try:
            for found in window:
                if any(map(found.job.key.is_same, by_arn.get(found.job.key.folded_arn, ()))):
                    yield self._observed(found)
        except (*UNAVAILABLE, InvalidRequest) as error:
            self._without_search(error)

    def count(self, first: datetime, last: datetime) -> Total | None:
        """Return how many jobs were created from `first` to `last`; None = nobody knows.

        Raises:
            ExporterError: The service failed past all retries.
        """
        if not self.capabilities.search:
            return None
        try:
            return service.count_created(self._api, first, last)
        except (*UNAVAILABLE, InvalidRequest) as error:
            self._without_search(error)
            return None

    def _search(self, requests: Sequence[LookupRequest]) -> Iterator[tuple[Found, LookupRequest]]:
        by_name: dict[str, list[LookupRequest]] = {}
        for request in requests:
            by_name.setdefault(request.name.lower(), []).append(request)
        try:
            for found in self._search_names(list(dict.fromkeys(item.name for item in requests))):
                for request in by_name.get(found.job.training_job_name.lower(), ()):
                    # The name may belong to a later job by now.
                    if request.key.is_same(found.job.key):
                        yield found, request
        except UNAVAILABLE as error:
            self._without_search(error)

    def _search_names(self, names: Sequence[str]) -> Iterator[Found]:
        if self.capabilities.several_filters:
            try:
                yield from service.search_names(
                    self._api, names, several_filters=True, size=self._page_size
                )
            except InvalidRequest:
                # The model allows several filters. If the service does not, one still works.
                self.capabilities = replace(self.capabilities, several_filters=False)
            else:
                return
        yield from service.search_names(
            self._api, names, several_filters=False, size=self._page_size
        )

    def _describe(self, request: LookupRequest) -> Reply | None:
        if not self.capabilities.describe:
            return None
        try:
            found = service.describe(self._api, request.name)
        except UNAVAILABLE as error:
            self.capabilities = replace(self.capabilities, describe=False)
            self._fall_back(error, "Jobs are looked up in other ways where possible.")
            return None
        except Unreadable:
            return None
        if found is None or not request.key.is_same(found.job.key):
            return Missing(request.key, self._now(), namesake=found.job.key if found else None)
        details = request.stored.details
        # Tags are a call of their own: once per job, when it has ended.
        untagged = details is None or details.row.tags is None
        if self.capabilities.tags and untagged and has_ended(found.job):
            found = self._with_tags(found)
        return self._observed(found)

    def _observed(self, found: Found) -> Observed:
        # The Date of an answer has whole seconds.
        latest = max(self._now(), found.as_of) + timedelta(seconds=1)
        return Observed(found.job, found.as_of, latest, found.details, found.authoritative)

    def _with_tags(self, found: Found) -> Found:
        try:
            return service.with_tags(self._api, found)
        except UNAVAILABLE as error:
            self.capabilities = replace(self.capabilities, tags=False)
            self._fall_back(error, "Tags stay unknown.")
            return found

    def _search_is_empty(self, requested: int) -> None:
        """Remove Search if it shows none of so many jobs, which no lag explains."""
        if self.capabilities.search:
            self.capabilities = replace(self.capabilities, search=False)
            self._notify(f"{self._api.scope}: Search shows none of {requested} jobs. {_ONE_BY_ONE}")

    def _without_search(self, error: ExporterError) -> None:
        self.capabilities = replace(self.capabilities, search=False)
        self._fall_back(error, _ONE_BY_ONE)

    def _fall_back(self, error: ExporterError, instead: str) -> None:
        """Notify per account, not per region: permissions belong to an account."""
        self._notify(f"{self._api.account_id}: {error.text} {instead}")


def _to_describe(
    requests: Sequence[LookupRequest], shown: Mapping[JobKey, Found], *, search: bool
) -> list[LookupRequest]:
    """Return the jobs to describe, because Search does not show them or shows an old state.

    Args:
        requests: Jobs to look up.
        shown: What Search shows of them.
        search: Whether Search is available.
    """
    missing = [request for request in requests if request.open and request.key not in shown]
    behind = [
        request
        for request in requests
        if (request.key in shown or not request.open)
        and not request.deleted
        and _is_behind(shown.get(request.key), request.stored)
    ]
    if search:
        return missing + behind[:BEHIND_LIMIT]
    ended = [request for request in behind if has_ended(request.stored.job)]
    others = [request for request in behind if not has_ended(request.stored.job)]
    return missing + ended + others[:NOT_ENDED_LIMIT]


def _is_behind(found: Found | None, stored: Stored) -> bool:
    """Return whether Search shows nothing of a job, or less than is known of it."""
    if found is None or service.may_be_serverless(found.details):
        return True
    return is_behind(found.job, stored.job)
