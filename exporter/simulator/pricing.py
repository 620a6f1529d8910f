"""GetProducts: the Price List API's answer for SageMaker."""

from typing import Any

from exporter.wire import Call


class PriceList:
    """Products."""

    def products(self, call: Call) -> dict[str, Any]:
        """Answer GetProducts."""
        return {"FormatVersion": "aws_v1", "PriceList": []}
