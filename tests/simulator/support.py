"""Random requests of ListTrainingJobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hypothesis import strategies as st


def list_requests(
    times: st.SearchStrategy[datetime],
    *,
    parts: Sequence[str],
    statuses: Sequence[str],
    pools: Sequence[str],
    plan: str,
) -> st.SearchStrategy[dict[str, Any]]:
    """Return requests with any parameters except MaxResults and NextToken."""
    return st.fixed_dictionaries(
        {},
        optional={
            "CreationTimeAfter": times,
            "CreationTimeBefore": times,
            "LastModifiedTimeAfter": times,
            "LastModifiedTimeBefore": times,
            "NameContains": st.sampled_from(parts),
            "StatusEquals": st.sampled_from(statuses),
            "WarmPoolStatusEquals": st.sampled_from(pools),
            "TrainingPlanArnEquals": st.just(plan),
            "SortBy": st.sampled_from(["Name", "CreationTime", "Status"]),
            "SortOrder": st.sampled_from(["Ascending", "Descending"]),
        },
    )
