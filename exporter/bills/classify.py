"""Classifies the lines of a bill by their usage type, description and product. Pure.

AWS does not document all texts of SageMaker's lines. A public bill has `$0.257 per Training Warm
Pool ml.m5.xlarge hour in EU (Ireland)`, `$0.822 for Training job ml.g4dn.xlarge per hour` and
`$0.154 per GB-Mo of Training Warm Pool Job ML storage`. The price list has usage types such as
`USE1-Train:ml.m5.large`. The classification therefore reads every text of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_TYPE: Final = re.compile(r"\bml\.[a-z0-9-]+\.[a-z0-9]+")
_TRAINING: Final = re.compile(r"(?:^|[^A-Za-z]|Spot)Train(?:ing)?(?![a-z])")
_POOL: Final = re.compile(r"warm[ _-]?pool", re.IGNORECASE)
_SPOT: Final = re.compile(r"(?:^|[^A-Za-z]|Managed|Train|Training)Spot(?![a-z])")
_STORAGE: Final = re.compile(r"VolumeUsage|ML storage", re.IGNORECASE)
_PLAN: Final = re.compile(r"Training[ -]?Plan", re.IGNORECASE)
#: The usage type of a training job's own hours, also on a training plan.
_JOB_HOURS: Final = re.compile(r"(?:^|[A-Z0-9]-)Train:ml\.")
#: Products whose texts mention training, but that are not training jobs.
_OTHER: Final = re.compile(r"Debugger|HyperPod|Cluster:|Profiler", re.IGNORECASE)
#: How many of a unit of time make an hour.
_PER_HOUR: Final = {
    **dict.fromkeys(("hrs", "hr", "h", "hour", "hours"), 1),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), 60),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), 3600),
}
_GB_MONTHS: Final = frozenset({"gb-mo", "gb-month", "gb-months"})

#: How usage was bought.
ON_DEMAND: Final = "on demand"
SPOT: Final = "spot"
TRAINING_PLAN: Final = "training plan"


class LineKind(NamedTuple):
    """What a line bills.

    Attributes:
        component: A component of the table `prices`.
        instance_type: The instance type; empty for storage.
        per_hour: How many of its units make an hour; 1 for GB-months.
    """

    component: str
    instance_type: str
    per_hour: int = 1


def classify(texts: Iterable[str | None], unit: str | None) -> LineKind | None:
    """Return what a line bills; None = it does not bill a training job.

    Args:
        texts: Every text of the line: usage type, description, component, instance type.
        unit: The unit of the quantity as the export spells it; None = not given.
    """
    given = [text for text in texts if text]

    def mention(pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(text) for text in given)

    if not mention(_TRAINING) or mention(_OTHER):
        return None
    if mention(_PLAN) and not mention(_JOB_HOURS):  # the plan itself
        return None
    component = "Training Warm Pool" if mention(_POOL) else "Training"
    measured = (unit or "").lower()
    if measured in _GB_MONTHS or mention(_STORAGE):
        return LineKind(f"{component} ML storage", "")
    per_hour = _PER_HOUR.get(measured or "hours")
    found = next(filter(None, map(_TYPE.search, given)), None)
    return LineKind(component, found[0], per_hour) if found and per_hour else None


def purchase_of(texts: Iterable[str | None]) -> str:
    """Return how the usage of a line was bought: on demand, spot or training plan.

    Args:
        texts: Every text of the line.
    """
    given = [text for text in texts if text]
    if any(map(_PLAN.search, given)):
        return TRAINING_PLAN
    return SPOT if any(map(_SPOT.search, given)) else ON_DEMAND
