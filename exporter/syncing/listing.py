"""Reads the pages of one listing, and lists again what deletions may have hidden meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from exporter.sagemaker.api import Api
from exporter.sagemaker.failures import EndlessAnswer, InvalidRequest
from exporter.sagemaker.rows import JobKey
from exporter.sagemaker.service import ListRequest, Page, list_page
from exporter.syncing import plan
from exporter.syncing.ahead import Ahead, Spawn
from exporter.syncing.ledger import RunLedger
from exporter.syncing.plan import Listing

_log = logging.getLogger(__name__)

#: Tokens of one listing that the service may reject before the listing fails.
_MAX_REJECTED: Final = 3
#: Pages in a row that show only jobs which the pages by token before them have shown.
_MAX_REPEATED: Final = 100


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A page, and how far its listing has come with it."""

    reached: Listing
    page: Page


@dataclass(frozen=True, slots=True)
class _Step:
    """One request of a listing: the listing before and after it, its page, the next request."""

    listing: Listing
    request: ListRequest
    reached: Listing
    page: Page
    following: ListRequest | None


class _Progress:
    """Watches the pages by token of a listing: they have to end, or to show other jobs."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._shown: set[JobKey] = set()
        self._repeated = 0

    def restart(self) -> None:
        """Forget everything: a request without a token makes progress of its own."""
        self._tokens.clear()
        self._shown.clear()
        self._repeated = 0

    def follow(self, page: Page, token: str) -> None:
        """Note a page and the token that leads on.

        Raises:
            EndlessAnswer: The token came before, or nothing new comes any more.
        """
        keys = {row.key for row in page.rows}
        self._repeated = self._repeated + 1 if keys and keys <= self._shown else 0
        if token in self._tokens or self._repeated >= _MAX_REPEATED:
            raise EndlessAnswer("ListTrainingJobs")
        self._shown |= keys
        self._tokens.add(token)


@dataclass(frozen=True, slots=True)
class ListingReader:
    """Reads listings of one scope.

    Attributes:
        api: The calls of the scope.
        ledger: Counts each page as soon as it is read, even if a later one fails.
        check: Called before each page; raises if the run has to stop.
        page_size: Jobs per page.
        spawn: Runs the request of the next page.
    """

    api: Api
    ledger: RunLedger
    check: Callable[[], None]
    page_size: int
    spawn: Spawn

    def pages(self, listing: Listing) -> Iterator[ListedPage]:
        """Yield the pages of a listing.

        They come in the order of their calls, because a later answer replaces an earlier one.
        Several pages by token end with the pages of their re-lists. Until the last of these, the
        listing stays where it was: an interruption resumes there, and lists the range again.
        While the reader works on a page, the next one is requested, unless re-lists come between.

        Raises:
            ExporterError: The service failed past all retries, or broke its protocol.
        """
        shown: set[JobKey] = set()
        ahead = Ahead(lambda request: list_page(self.api, request, self.page_size), self.spawn)
        for step in self._steps(listing, ahead):
            if step.request.token is None:
                shown.clear()
            shown.update(row.key.folded for row in step.page.rows)
            uncertain = plan.range_to_relist(step.reached, step.request, step.following)
            last = step.page
            if uncertain is not None:
                for page in self._relist(uncertain, shown, ahead):
                    yield ListedPage(step.listing, last)
                    last = page
            elif step.following is not None:
                ahead.begin(step.following)
            yield ListedPage(step.reached, last)

    def _steps(self, listing: Listing, ahead: Ahead) -> Iterator[_Step]:
        request: ListRequest | None = plan.first_request(listing)
        rejected = 0
        progress = _Progress()
        while request is not None:
            self.check()
            try:
                page = ahead.take(request)
            except InvalidRequest:
                rejected += 1
                if request.token is None or rejected > _MAX_REJECTED:
                    raise
                # The token may have expired: continue from the last creation time instead.
                request = plan.first_request(listing)
                progress.restart()
                _log.info(
                    "token rejected",
                    extra={**self.ledger.log_fields, "resumes_from": listing.position},
                )
                continue
            reached, following = plan.advance(listing, request, page)
            self.ledger.add_page(page)
            _log.info(
                "page",
                extra={
                    **self.ledger.log_fields,
                    "jobs": len(page.rows),
                    "by": "token" if request.token else "creation time",
                    "reached": reached.position,
                    "more": following is not None,
                },
            )
            yield _Step(listing, request, reached, page, following)
            if following is None or following.token is None:
                progress.restart()
            else:
                progress.follow(page, following.token)
            listing, request = reached, following

    def _relist(self, listing: Listing, shown: set[JobKey], ahead: Ahead) -> Iterator[Page]:
        """Yield the pages of re-lists, until one shows every job that the previous one showed.

        Only the deletion of a job that has been shown can hide another one. So if none is
        missing, nothing was hidden.
        """
        for _ in range(plan.MAX_RELISTS):
            before, shown = shown, set()
            for step in self._steps(listing, ahead):
                shown.update(row.key.folded for row in step.page.rows)
                yield step.page
            if before <= shown:
                return
