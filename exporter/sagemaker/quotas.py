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

from exporter.errors import ServiceError
from exporter.sagemaker.api import Api
from exporter.sagemaker.rows import Record

#: Kind of a quota (column `kind`) by the words of its name.
KINDS: Final[Mapping[str, str]] = {
    "training job usage": "training",
    "training warm pool usage": "warm pool",
}
_NAME: Final = re.compile(rf"(ml\.[a-z0-9-]+\.[a-z0-9]+) for ({'|'.join(KINDS)})")
_PAGE: Final = 100
#: Pages after which a listing cannot be one of SageMaker's quotas.
_MOST_PAGES: Final = 1000


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
        ServiceError: An answer breaks the API.
        ExporterError: The call was denied or failed (see `failures.explain`).
    """
    token: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        answer = api.call("ListServiceQuotas", ServiceCode="sagemaker", MaxResults=_PAGE, **token)
        for item in answer.items("Quotas"):
            quota = _quota(Record(item, answer.operation))
            if quota is not None:
                yield quota
        following = answer.data.get("NextToken")
        if not following:
            return
        token = {"NextToken": following}
    raise ServiceError(f"ListServiceQuotas does not end after {_MOST_PAGES:,} pages.")


def _quota(record: Record) -> Quota | None:
    """Return a quota; None if it is another one, or has no value."""
    found = _NAME.fullmatch(record.get("QuotaName", str) or "")
    value = record.get("Value", float)
    if found is None or value is None or not 0 <= value < 2**53:
        return None
    return Quota(found[1], KINDS[found[2]], int(value), record.get("QuotaCode", str))
