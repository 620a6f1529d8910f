"""How much a sync does in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exporter.sagemaker.service import PAGE


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the steps of a sync. Tests choose smaller steps, to have all their borders.

    Attributes:
        page: Jobs per page of ListTrainingJobs and Search.
        batch_rows: A batch is committed when it holds this many rows, so that a kill costs little.
        batch_seconds: It is also committed when the last commit is this old. Calls under way can
            add some seconds. A commit takes half a second in a file of a million jobs.
        lookup_rows: Jobs looked up by name between two commits.
        details_per_run: Jobs per run that are described only because details are missing, if
            Search is denied. Enough for the jobs of any day; the rest of a backfill follows with
            the next runs.
    """

    page: int = PAGE
    batch_rows: int = 8_000
    batch_seconds: float = 10.0
    lookup_rows: int = 500
    details_per_run: int = 2_000


DEFAULT_SIZES: Final = Sizes()
