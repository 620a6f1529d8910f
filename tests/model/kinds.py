"""The kinds of trouble, and what of them a session of the model draws.

To add one: a line in `KINDS`, and either a fault in `faults`, a habit of the service in `habits`,
or an act in `Session._act`. If it excuses a difference, `Session` says for how long.
"""

from __future__ import annotations

from collections.abc import Collection
from random import Random
from typing import Final, get_args

from exporter.simulator import Behaviour, Fault
from exporter.simulator.behaviour import ListingOrder, OddRecord

#: What each kind does. A session draws some of them; `--only` and `--without` choose.
KINDS: Final = {
    "transient": "throttles, 5xx, cut connections, foreign pages",
    "permanent": "expired keys, denied or unknown callers, a policy that denies",
    "shape": "answers of another shape: a wrong type, a missing member, an object for a list",
    "denied": "Search, ListTags or DescribeTrainingJob are denied for some syncs",
    "describe": "one sync in which Describe fails, or claims that living jobs are gone",
    "nothing": "one sync in which Search shows nothing and Describe knows no job",
    "lag": "the index of Search lags by a minute",
    "lags": "the lag of Search changes from answer to answer",
    "date": "a Date that is missing, late, or years ahead",
    "seconds": "some operations cut times to seconds",
    "case": "some operations spell ARNs in the other case",
    "disorder": "ListTrainingJobs ignores the requested order",
    "future": "jobs with creation times in the future",
    "odd": "odd records: broken text, absurd numbers and times, nulls, missing members",
    "late": "pool statuses and seconds, and deletions, that show late",
    "moving": "jobs change while a sync reads them",
    "tags": "tags change",
    "kill": "SIGKILL",
    "stop": "SIGTERM and SIGINT",
    "readers": "other processes read the file during a sync, or sync as well",
    "files": "db check, backup, restore and prune",
    "options": "--full, --overlap, --no-details, --refresh-tags, --dry-run, one-offs",
    "since": "backfills that --since limits",
    "regions": "several regions, some of which may fail",
    "snapshot": "a snapshot after each sync",
}
ANSWERING: Final = ("ListTrainingJobs", "DescribeTrainingJob", "Search")
TEN_YEARS: Final = 10 * 365 * 86_400.0
NOTHING_DENIED: Final[frozenset[tuple[str | None, str | None, str]]] = frozenset()
_ORDERS: Final[tuple[ListingOrder, ...]] = (
    ("Name", "Ascending"),
    ("Name", "Descending"),
    ("CreationTime", "Descending"),
)
ODD_RECORDS: Final[tuple[OddRecord, ...]] = get_args(OddRecord)


def drawn(chance: Random, allowed: Collection[str]) -> list[str]:
    """Return the kinds of one session: a few, so that a difference names its cause.

    What is not allowed is drawn all the same, so that the rest of a session stays similar.
    """
    share = chance.choice([0.15, 0.3, 0.5])
    chosen = [kind for kind in KINDS if chance.random() < share and kind in allowed]
    return chosen or [kind for kind in KINDS if kind in allowed][:1]


def habits(chance: Random, kinds: Collection[str]) -> Behaviour:
    """Return how the service behaves during a whole session."""
    late, cased, cut = "late" in kinds, _some(chance), _some(chance)
    late_seconds, order = chance.choice([0.0, 600.0]), chance.choice(_ORDERS)
    return Behaviour(
        filter_before_cut=chance.random() < 0.5,
        creation_time_is_range=chance.random() < 0.8,
        inclusive_bounds=chance.random() < 0.5,
        offset_tokens=chance.random() < 0.5,
        last_modified_in_summaries=chance.random() < 0.8,
        pool_moves_last_modified=chance.random() < 0.5,
        secondary_moves_last_modified=chance.random() < 0.5,
        pool_seconds_while_available=chance.choice(["absent", "zero", "growing"]),
        pool_status_late_seconds=90.0 if late else 0.0,
        pool_seconds_late_seconds=late_seconds if late else 0.0,
        deleting_seconds=120.0 if late else 0.0,
        failed_without_seconds=chance.random() < 0.3,
        new_statuses=chance.choice([(), ("Hibernating",)]),
        missing_job_error=chance.choice(["ValidationException", "ResourceNotFound"]),
        search_lag_seconds=60.0 if "lag" in kinds else 0.0,
        listing_order=order if "disorder" in kinds else None,
        other_case=cased if "case" in kinds else frozenset(),
        whole_seconds=cut if "seconds" in kinds else frozenset(),
    )


def denied(chance: Random) -> frozenset[tuple[str | None, str | None, str]]:
    """Return the operations that are denied for some syncs."""
    names = chance.choice(
        [
            ("Search",),
            ("ListTags",),
            ("Search", "ListTags"),
            ("DescribeTrainingJob",),
            ("DescribeTrainingJob", "ListTags"),
        ]
    )
    return frozenset((None, None, name) for name in names)


def faults(chance: Random, kind: str, region: str | None) -> list[Fault]:
    """Return the faults of a kind for one sync."""
    skip, operation = chance.randint(0, 4), chance.choice([*ANSWERING, "ListTags"])
    if kind == "transient":
        names = ("throttle", "internal", "unavailable", "reset", "truncated", "foreign")
        return [
            Fault(chance.choice(names), operation, skip=skip + number, region=region)  # type: ignore[arg-type] # they are kinds
            for number in range(chance.randint(1, 2))
        ]
    if kind == "permanent":
        name = chance.choice(["expired", "unrecognized", "denied", "denied_by_policy", "skewed"])
        return [Fault(name, "ListTrainingJobs", region=region, skip=skip, times=None)]  # type: ignore[arg-type] # it is a kind
    if kind == "shape":
        name = chance.choice(["no_list", "wrong_type", "missing_field"])
        return [Fault(name, chance.choice(ANSWERING), region=region, skip=skip, row=skip)]  # type: ignore[arg-type] # it is a kind
    if kind == "describe":
        name = chance.choice(["not_found", "not_found", "internal", "denied"])
        times = chance.choice([1, None])
        return [Fault(name, "DescribeTrainingJob", region=region, times=times)]  # type: ignore[arg-type] # it is a kind
    if kind == "nothing":
        return [Fault("not_found", "DescribeTrainingJob", region=region, times=None)]
    if kind == "date":
        times = chance.choice([1, None])
        seconds = chance.choice([-3_600.0, TEN_YEARS])
        name = chance.choice(["no_date", "wrong_date"])
        return [Fault(name, region=region, skip=skip, times=times, seconds=seconds)]  # type: ignore[arg-type] # it is a kind
    raise ValueError(f"{kind} is no kind of fault")


def _some(chance: Random) -> frozenset[str]:
    return frozenset(chance.sample(ANSWERING, chance.randint(1, len(ANSWERING))))
