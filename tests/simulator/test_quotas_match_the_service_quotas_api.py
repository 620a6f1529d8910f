"""ListServiceQuotas answers what the scope was given, in pages, as botocore's model has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.simulator import Scope, Simulator


def test_quotas_come_in_pages_and_belong_to_their_scope(
    scope: Scope, simulator: Simulator, connect: Callable[..., Any]
) -> None:
    scope.quotas = {f"ml.m{number}.large for training job usage": number for number in range(5)}
    client = connect(simulator, "service-quotas")

    pages = client.get_paginator("list_service_quotas").paginate(
        ServiceCode="sagemaker", PaginationConfig={"PageSize": 2}
    )
    found = [[quota["QuotaName"] for quota in page["Quotas"]] for page in pages]

    names = sorted(scope.quotas)
    assert found == [names[:2], names[2:4], names[4:]]
    (first, *_) = client.list_service_quotas(ServiceCode="sagemaker", MaxResults=1)["Quotas"]
    code = first["QuotaCode"]
    assert first == {
        "ServiceCode": "sagemaker",
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": f"arn:aws:servicequotas:eu-west-1:{scope.account_id}:sagemaker/{code}",
        "QuotaCode": code,
        "QuotaName": "ml.m0.large for training job usage",
        "Value": 0.0,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
    elsewhere = connect(simulator, "service-quotas", region="us-east-1")
    assert elsewhere.list_service_quotas(ServiceCode="sagemaker")["Quotas"] == []


def test_wrong_requests_are_refused(simulator: Simulator, connect: Callable[..., Any]) -> None:
    client = connect(simulator, "service-quotas")
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        client.list_service_quotas(ServiceCode="ec2")
    with pytest.raises(ClientError, match="InvalidPaginationTokenException"):
        client.list_service_quotas(ServiceCode="sagemaker", NextToken="x")
