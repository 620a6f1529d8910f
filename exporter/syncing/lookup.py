"""Asks for jobs by name: what a listing does not tell, by Search where it may be, else Describe.

Search gives 100 full records a call, tags included, but its index lags, so its silence proves
nothing and its answers never verify. Describe is sure, and one call a job.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from exporter.errors import ExporterError
from exporter.sagemaker import service
from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import DO_WITHOUT, InvalidRequest
from exporter.sagemaker.rows import JobKey, same_job
from exporter.sagemaker.service import Found
from exporter.syncing.merge import ENDED, Observed, Stored
from exporter.syncing.plan import Means

#: Describes of one sync for jobs that the index does not show as they are yet; the next sync,
#: later than the lag, finds the rest by Search.
BEHIND_LIMIT: Final = 25
#: The same without Search, for jobs that have only begun.
BEGUN_LIMIT: Final = 10


@dataclass(frozen=True, slots=True)
class Gone:
    """Describe says that the job is not there, or that its name is another job's now."""

    key: JobKey
    at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job to ask for.

    Attributes:
        stored: What is known of it.
        open: It is open, so an answer is needed; otherwise only its details are behind.
        sure: Only a sure answer helps.
    """

    stored: Stored
    open: bool
    sure: bool = False

    @property
    def key(self) -> JobKey:
        """Identity of the job."""
        return self.stored.job.key

    @property
    def name(self) -> str:
        """TrainingJobName."""
        return self.stored.job.training_job_name


Reply = Observed | Gone


class Asker:
    """Asks one scope, and remembers for the run what it may not ask.

    Args:
        api: The scope's calls.
        now: Server time, or the nearest to it there is.
        notify: Told once what is denied, and what is done instead.
        fetch_tags: Whether Describe answers get their tags from ListTags.
    """

    def __init__(
        self,
        api: Api,
        *,
        now: Callable[[], datetime],
        notify: Callable[[str], None],
        fetch_tags: bool = True,
    ) -> None:
        self._api = api
        self._now = now
        self._notify = notify
        self._fetch_tags = fetch_tags
        self._several_filters = True
        self.means = Means()

    def ask(self, wanted: Sequence[Wanted]) -> Iterator[Reply]:
        """Answers for jobs asked by name; jobs that nothing may ask for stay unanswered.

        Raises:
            ExporterError: The service failed past all retries.
        """
        by_search = [item for item in wanted if not item.sure]
        shown = {}
        if self.means.search and by_search:
            for found, item in self._search(by_search):
                shown[item.key] = found
                yield _observed(found, item.key)
            if self.means.search and not shown and len(by_search) > BEHIND_LIMIT:
                self._search_is_empty(len(by_search))
        missing = [item for item in wanted if item.open and item.key not in shown]
        behind = [
            item
            for item in wanted
            if (item.key in shown or not item.open) and _is_behind(shown.get(item.key), item.stored)
        ]
        if not self.means.search:
            # What has ended is described now; a job that has only begun will be asked for by the
            # next sync in any case, as an open one.
            missing += [item for item in behind if _has_ended(item.stored)]
            begun = [item for item in behind if not _has_ended(item.stored)]
            behind = begun[:BEGUN_LIMIT]
        for item in missing + behind[:BEHIND_LIMIT]:
            reply = self._describe(item)
            if reply is not None:
                yield reply

    def details_of_window(self, keys: Collection[JobKey]) -> Iterator[Observed]:
        """Full records of jobs by the window of their creation times, a Search page at a time.

        For a batch of a listing, nearly all of whose window is wanted: a call for 100 jobs.
        """
        if not self.means.search or not keys:
            return
        by_arn: dict[str, list[JobKey]] = {}
        for key in keys:
            by_arn.setdefault(key.training_job_arn, []).append(key)
        times = [key.creation_time for key in keys]
        try:
            for found in service.search_created(self._api, min(times), max(times)):
                for key in by_arn.get(found.job.training_job_arn, ()):
                    if same_job(key, found.job):
                        yield _observed(found, key)
        except DO_WITHOUT as error:
            self._without_search(error)

    def _search(self, wanted: Sequence[Wanted]) -> Iterator[tuple[Found, Wanted]]:
        by_name: dict[str, list[Wanted]] = {}
        for item in wanted:
            by_name.setdefault(item.name, []).append(item)
        try:
            for found in self._search_names(list(by_name)):
                for item in by_name.get(found.job.training_job_name, ()):
                    # The name may be another incarnation's by now.
                    if same_job(item.key, found.job):
                        yield found, item
        except DO_WITHOUT as error:
            self._without_search(error)

    def _search_names(self, names: list[str]) -> Iterator[Found]:
        if self._several_filters:
            try:
                yield from service.search_names(self._api, names, many=True)
            except InvalidRequest:
                # The model allows several filters; should the service not, one still works.
                self._several_filters = False
            else:
                return
        yield from service.search_names(self._api, names, many=False)

    def _describe(self, item: Wanted) -> Reply | None:
        if not self.means.describe:
            return None
        details = item.stored.details
        try:
            found = service.describe(self._api, item.name)
        except DO_WITHOUT as error:
            self.means = Means(self.means.search, describe=False)
            self._without(error, "Jobs are asked for by other means where there are any.")
            return None
        if found is None or not same_job(item.key, found.job):
            return Gone(item.key, self._now())
        # Tags are a call of their own: once for a job, when it has ended.
        untagged = details is None or details.row.tags is None
        if self._fetch_tags and untagged and found.job.training_job_status in ENDED:
            found = self._with_tags(found)
        return _observed(found, item.key)

    def _with_tags(self, found: Found) -> Found:
        try:
            return service.with_tags(self._api, found)
        except DO_WITHOUT as error:
            self._fetch_tags = False
            self._without(error, "Tags stay unknown.")
            return found

    def _search_is_empty(self, asked: int) -> None:
        """No lag explains that not one of so many is shown: this Search is of no use."""
        self.means = Means(search=False, describe=self.means.describe)
        self._notify(
            f"{self._api.scope}: Search shows none of {asked} jobs. "
            "Jobs are asked for one by one instead."
        )

    def _without_search(self, error: ExporterError) -> None:
        self.means = Means(search=False, describe=self.means.describe)
        self._without(error, "Jobs are asked for one by one instead.")

    def _without(self, error: ExporterError, instead: str) -> None:
        """Of the account, not the region: rights are an account's, and it is to be said once."""
        self._notify(f"{self._api.account_id}: {error.text} {instead}")


def _observed(found: Found, key: JobKey) -> Observed:
    """The answer under the job's own key: operations may spell its time with other precision."""
    return Observed(
        replace(found.job, creation_time=key.creation_time),
        found.as_of,
        replace(found.details, creation_time=key.creation_time),
        found.sure,
    )


def _is_behind(found: Found | None, stored: Stored) -> bool:
    """Whether Search does not show the job as it is known to be already."""
    if found is None or service.may_be_serverless(found.details):
        return True
    ours, theirs = stored.job.last_modified_time, found.job.last_modified_time
    if ours is not None and theirs is not None:
        return theirs < ours
    return _has_ended(stored) and found.job.training_job_status not in ENDED


def _has_ended(stored: Stored) -> bool:
    return stored.job.training_job_status in ENDED
