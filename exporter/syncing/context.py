"""What all steps of one scope's sync share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporter.config.model import SyncOptions
from exporter.store.scopes import ScopeKey
from exporter.syncing.ledger import RunLedger
from exporter.syncing.listing import ListingReader
from exporter.syncing.lookup import JobLookup
from exporter.syncing.progress import Clock
from exporter.syncing.records import Records
from exporter.syncing.remaining import Remaining
from exporter.syncing.sizes import Sizes
from exporter.syncing.uncommitted import Uncommitted


@dataclass(frozen=True, slots=True)
class ScopeContext:
    """What all steps of one scope's sync share.

    Attributes:
        key: The scope.
        options: What the user asked for.
        records: The database.
        jobs: What is known of the jobs, and what the next commit writes of them.
        reader: Reads listings.
        lookup: Looks up jobs by name.
        ledger: Counts what each run does, and commits it.
        notify: Called with what the user should know.
        remaining: Estimates and shows what is left.
        clock: The clocks of this machine.
        server_time: Returns the time of the service, or of this machine if the service sent none.
        sizes: How much is done in one step.
    """

    key: ScopeKey
    options: SyncOptions
    records: Records
    jobs: Uncommitted
    reader: ListingReader
    lookup: JobLookup
    ledger: RunLedger
    notify: Callable[[str], None]
    remaining: Remaining
    clock: Clock
    server_time: Callable[[], datetime]
    sizes: Sizes

    def latest(self, earliest: datetime) -> datetime:
        """Return the latest server time of an answer that has just come.

        Args:
            earliest: When its call was made.
        """
        # The Date of an answer has whole seconds.
        return max(self.server_time(), earliest) + timedelta(seconds=1)
