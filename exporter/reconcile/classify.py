"""What a line of a bill is for: told from its usage type, its description, its product.

How SageMaker's lines look is not documented in full. Seen on a public bill: `$0.257 per Training
Warm Pool ml.m5.xlarge hour in EU (Ireland)`, `$0.822 for Training job ml.g4dn.xlarge per hour`,
`$0.154 per GB-Mo of Training Warm Pool Job ML storage`; in the price list: usage types such as
`USE1-Train:ml.m5.large`. So every text there is gets a say, and what speaks of nothing that we
bill is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_TYPE: Final = re.compile(r"\bml\.[a-z0-9-]+\.[a-z0-9]+")
_TRAINING: Final = re.compile(r"(?:^|[^A-Za-z])Train(?:ing)?(?![a-z])")
_POOL: Final = re.compile(r"warm[ _-]?pool", re.IGNORECASE)
_STORAGE: Final = re.compile(r"VolumeUsage|ML storage", re.IGNORECASE)
#: Speak of training, but not of its instances on demand.
_OTHER: Final = re.compile(r"Debugger|Training ?-?Plan|HyperPod|Cluster:|Profiler", re.IGNORECASE)
_HOURS: Final = frozenset({"hrs", "hr", "hour", "hours"})
_GB_MONTHS: Final = frozenset({"gb-mo", "gb-month", "gb-months"})


class Meaning(NamedTuple):
    """Component and instance type (empty for storage) of a line."""

    component: str
    instance_type: str


def meaning(texts: Iterable[str | None], unit: str | None) -> Meaning | None:
    """What a line with these texts is for; None = nothing of training on demand.

    Args:
        texts: Usage type, description, component, instance type: whatever the export has.
        unit: Unit of its quantity, as the export spells it; None = not given.
    """
    said = [text for text in texts if text]
    if not any(_TRAINING.search(text) for text in said) or any(
        _OTHER.search(text) for text in said
    ):
        return None
    component = "Training Warm Pool" if any(_POOL.search(text) for text in said) else "Training"
    measured = (unit or "").lower()
    if measured in _GB_MONTHS or any(_STORAGE.search(text) for text in said):
        return Meaning(f"{component} ML storage", "")
    if measured and measured not in _HOURS:
        return None
    for text in said:
        if found := _TYPE.search(text):
            return Meaning(component, found[0])
    return None
