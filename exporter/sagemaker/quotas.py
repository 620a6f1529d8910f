"""Reads the service quotas of training jobs and warm pools; typed rows come out.

SageMaker has thousands of quotas, and only their names tell them apart: `ml.g5.xlarge for training
job usage` and `ml.g5.xlarge for training warm pool usage`. AWS returns the applied values only, so
a quota that is missing is unknown.

Source: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from exporter.sagemaker.api import Api
from exporter.sagemaker.rows import Record, Unreadable
from exporter.sagemaker.service import pages

#: Kind of a quota (column `kind`) by the words of its name.
KINDS: Final[Mapping[str, str]] = {
    "training job usage": "training",
    "training warm pool usage": "warm pool",
}
_NAME: Final = re.compile(rf"(ml\.[a-z0-9-]+\.[a-z0-9]+) for ({'|'.join(KINDS)})")
_PAGE: Final = 100


class Quota(NamedTuple):
    """A quota of one account and region: the instances of a type that it allows at a time."""

    instance_type: str
    kind: str
    instances: int
    quota_code: str | None


def read_quotas(api: Api) -> Iterator[Quota]:
    """Yield the quotas of training jobs and warm pools.

    Args:
        api: Calls of the account and region, with a client of Service Quotas.

    Raises:
        EndlessAnswer: A NextToken came before.
        ExporterError: The call was denied or failed (see `failures.explain`).
    """
    for answer in pages(api, "ListServiceQuotas", ServiceCode="sagemaker", MaxResults=_PAGE):
        for item in answer.items:
            quota = _quota(item, answer.operation)
            if quota is not None:
                yield quota


def _quota(item: object, operation: str) -> Quota | None:
    """Return a quota; None if it is another one, or has no value that fits."""
    try:
        record = Record(item, operation)
    except Unreadable:
        return None
    found = _NAME.fullmatch(record.get("QuotaName", str) or "")
    value = record.get("Value", int)
    if found is None or value is None:
        return None
    return Quota(found[1], KINDS[found[2]], value, record.get("QuotaCode", str))
