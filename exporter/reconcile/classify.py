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
_TRAINING: Final = re.compile(r"(?:^|[^A-Za-z])Train(?:ing)?(?![a-z])")
_POOL: Final = re.compile(r"warm[ _-]?pool", re.IGNORECASE)
_STORAGE: Final = re.compile(r"VolumeUsage|ML storage", re.IGNORECASE)
#: Products whose texts mention training, but that are not on-demand training.
_OTHER: Final = re.compile(r"Debugger|Training ?-?Plan|HyperPod|Cluster:|Profiler", re.IGNORECASE)
_HOURS: Final = frozenset({"hrs", "hr", "hour", "hours"})
_GB_MONTHS: Final = frozenset({"gb-mo", "gb-month", "gb-months"})


class LineKind(NamedTuple):
    """The component and the instance type (empty for storage) that a line bills."""

    component: str
    instance_type: str


def classify(texts: Iterable[str | None], unit: str | None) -> LineKind | None:
    """Return what a line bills; None = it does not bill on-demand training.

    Args:
        texts: Every text of the line: usage type, description, component, instance type.
        unit: The unit of the quantity as the export spells it; None = not given.
    """
    given = [text for text in texts if text]

    def mention(pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(text) for text in given)

    if not mention(_TRAINING) or mention(_OTHER):
        return None
    component = "Training Warm Pool" if mention(_POOL) else "Training"
    measured = (unit or "").lower()
    if measured in _GB_MONTHS or mention(_STORAGE):
        return LineKind(f"{component} ML storage", "")
    if measured and measured not in _HOURS:
        return None
    found = next(filter(None, map(_TYPE.search, given)), None)
    return LineKind(component, found[0]) if found else None
