"""What costs can be grouped by: a closed map, so that --by never reaches the SQL as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from exporter.errors import UsageError
from exporter.text import did_you_mean

#: Dimension -> (expression over daily_costs, name of the column) of each of its columns.
DIMENSIONS: Final = {
    "day": (("usage_date", "day"),),
    "month": (("strftime(usage_date, '%Y-%m')", "month"),),
    "instance_type": (("instance_type", "instance_type"),),
    "region": (("region", "region"),),
    "account": (("account_id", "account"), ("account_name", "account_name")),
    "family": (("job_family", "family"),),
    "team": (("team", "team"),),
}
#: Columns that read best in ascending order; the others stand by what they cost.
_ASCENDING: Final = ("day", "month")
_MARK: Final = re.compile(r"/\*(?P<kind>by|names|order)\*/.*?/\*end\*/", re.DOTALL)


@dataclass(frozen=True)
class Grouping:
    """SQL fragments for one choice of dimensions.

    Attributes:
        expressions: `expression AS name`, for the select list.
        names: The names alone.
        values: Bound parameters: the keys of tags, as JSON pointers.
        labels: Name in the SQL -> name in the result, where they differ (`tag_1` -> `tag:Team`).
    """

    expressions: tuple[str, ...]
    names: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def fill(self, sql: str) -> str:
        """The statement with its marks replaced."""

        def fragment(match: re.Match[str]) -> str:
            if match["kind"] == "by":
                return ", ".join(self.expressions)
            names = self.names
            if match["kind"] == "order":
                names = tuple(name for name in names if name in _ASCENDING) or ("is_total",)
            return ", ".join(names)

        return _MARK.sub(fragment, sql)


def grouping(by: Sequence[str]) -> Grouping:
    """The fragments for these dimensions, in their order, each once.

    Raises:
        UsageError: There is no such dimension.
    """
    expressions: list[str] = []
    names: list[str] = []
    values: dict[str, str] = {}
    labels: dict[str, str] = {}
    for dimension in dict.fromkeys(by):
        if dimension.startswith("tag:") and len(dimension) > len("tag:"):
            name = f"tag_{len(values) + 1}"
            expressions.append(f"json_extract_string(tags, :{name}) AS {name}")
            names.append(name)
            values[name] = _pointer(dimension.removeprefix("tag:"))
            labels[name] = dimension
            continue
        if dimension not in DIMENSIONS:
            raise UsageError(
                f"--by {dimension!r}: there is no such dimension."
                f"{did_you_mean(dimension, DIMENSIONS)}",
                f"Known: {', '.join(DIMENSIONS)}, tag:KEY.",
            )
        for expression, name in DIMENSIONS[dimension]:
            expressions.append(expression if expression == name else f"{expression} AS {name}")
            names.append(name)
    return Grouping(tuple(expressions), tuple(names), values, labels)


def _pointer(key: str) -> str:
    # A JSON pointer: the one way to name a key that itself holds dots, dollars or slashes.
    return "/" + key.replace("~", "~0").replace("/", "~1")
