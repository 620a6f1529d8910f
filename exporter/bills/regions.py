"""Finds the region of a bill line. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")
_PREFIX: Final = re.compile(r"([A-Z]{2}[A-Z0-9]{1,4}|EU)-(?=[A-Za-z])")
#: An attribute of the `product` map, as JSON in a CSV or as DuckDB prints a MAP.
_ATTRIBUTE: Final = re.compile(
    r"\bregion_?(?:code)?\"?\s*[:=]\s*\"?([a-z]{2,4}(?:-[a-z]+)+-\d+)", re.IGNORECASE
)

#: Region by the prefix of its usage types (AWS General Reference, "AWS Region billing codes").
BILLING_CODES: Final = {
    "AFS1": "af-south-1",
    "APE1": "ap-east-1",
    "APE2": "ap-east-2",
    "APN1": "ap-northeast-1",
    "APN2": "ap-northeast-2",
    "APN3": "ap-northeast-3",
    "APS1": "ap-southeast-1",
    "APS2": "ap-southeast-2",
    "APS3": "ap-south-1",
    "APS4": "ap-southeast-3",
    "APS5": "ap-south-2",
    "APS6": "ap-southeast-4",
    "APS7": "ap-southeast-5",
    "APS8": "ap-southeast-6",
    "APS9": "ap-southeast-7",
    "CAN1": "ca-central-1",
    "CAN2": "ca-west-1",
    "CNN1": "cn-north-1",
    "CNW1": "cn-northwest-1",
    "EU": "eu-west-1",
    "EUC1": "eu-central-1",
    "EUC2": "eu-central-2",
    "EUN1": "eu-north-1",
    "EUS1": "eu-south-1",
    "EUS2": "eu-south-2",
    "EUW1": "eu-west-1",
    "EUW2": "eu-west-2",
    "EUW3": "eu-west-3",
    "ILC1": "il-central-1",
    "MEC1": "me-central-1",
    "MES1": "me-south-1",
    "MXC1": "mx-central-1",
    "SAE1": "sa-east-1",
    "UGE1": "us-gov-east-1",
    "UGW1": "us-gov-west-1",
    "USE1": "us-east-1",
    "USE2": "us-east-2",
    "USW1": "us-west-1",
    "USW2": "us-west-2",
}
#: Usage types without a prefix belong to this region.
_WITHOUT_PREFIX: Final = "us-east-1"


def region_of(column: str, usage_type: str, texts: Iterable[str | None]) -> str:
    """Return the region of a line; empty = the line does not give it.

    The region column counts first, then the prefix of the usage type, then the product map. A
    usage type without a prefix counts last, because some exports remove the prefix.

    Args:
        column: The region column; empty = none, or another text such as `global`.
        usage_type: The usage type with its prefix; empty = the export has none.
        texts: Every text of the line, with the product map among them.
    """
    if _REGION.fullmatch(column):
        return column
    prefix = _PREFIX.match(usage_type)
    if prefix and prefix[1] in BILLING_CODES:
        return BILLING_CODES[prefix[1]]
    found = next(filter(None, (_ATTRIBUTE.search(text) for text in texts if text)), None)
    if found:
        return found[1]
    return _WITHOUT_PREFIX if usage_type and not prefix else ""
