"""The dated prices: the shipped list, the Price List API, imports, and what is in force."""

from exporter.prices.api import store_api_prices
from exporter.prices.imports import ImportResult, import_csv
from exporter.prices.listing import InForce, PriceInForce, Unpriced, in_force
from exporter.prices.rows import Price
from exporter.prices.shipped import load_shipped, shipped_families, shipped_prices

__all__ = [
    "ImportResult",
    "InForce",
    "Price",
    "PriceInForce",
    "Unpriced",
    "import_csv",
    "in_force",
    "load_shipped",
    "shipped_families",
    "shipped_prices",
    "store_api_prices",
]
