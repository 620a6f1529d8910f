"""ListServiceQuotas: the quotas of SageMaker that a scope has [D; the names R]."""

import hashlib
from typing import Any

from exporter.simulator.scope import Scope
from exporter.wire import ApiError, Call

_PAGE = 100


def service_quotas(scope: Scope, call: Call) -> dict[str, Any]:
    """Answer ListServiceQuotas from `scope.quotas`, in the order of the names.

    Raises:
        ApiError: Another service is named, or the NextToken is not one of this operation.
    """
    if call.params["ServiceCode"] != "sagemaker":
        raise ApiError("NoSuchResourceException", "The request failed because the service is new.")
    position = call.params.get("NextToken", "0")
    if not position.isdecimal():
        raise ApiError("InvalidPaginationTokenException", "Invalid input was provided.")
    names = sorted(scope.quotas)
    end = int(position) + int(call.params.get("MaxResults", _PAGE))
    shown = [_quota(scope, name) for name in names[int(position) : end]]
    return {"Quotas": shown} | ({"NextToken": str(end)} if end < len(names) else {})


def _quota(scope: Scope, name: str) -> dict[str, Any]:
    code = f"L-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest().upper()}"
    account, region = scope.place
    return {
        "ServiceCode": "sagemaker",
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": f"arn:aws:servicequotas:{region}:{account}:sagemaker/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": float(scope.quotas[name]),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
