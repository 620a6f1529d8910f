"""The dimensions of --by: a closed map, so that no text of --by gets into the SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from exporter.errors import UsageError
from exporter.spelling import named
from exporter.text import did_you_mean

#: The columns of each dimension: an expression over `internal.cost_lines`, and a name.
DIMENSIONS: Final = {
    "day": (("usage_date", "day"),),
    "month": (("strftime(usage_date, '%Y-%m')", "month"),),
    "instance_type": (("instance_type", "instance_type"),),
    "region": (("region", "region"),),
    "account": (("account_id", "account"), ("account_name", "account_name")),
    "family": (("job_family", "family"),),
    "team": (("team", "team"),),
}
#: Columns to sort in ascending order; without one, the cost gives the order.
_ASCENDING: Final = ("day", "month")
_MARK: Final = re.compile(r"/\*(?P<kind>by|names|order)\*/.*?/\*end\*/", re.DOTALL)


@dataclass(frozen=True)
class Grouping:
    """The SQL fragments of one choice of dimensions.

    Attributes:
        expressions: `expression AS name` for the select list.
        names: The names of the columns.
        values: Values to bind: the keys of tags as JSON pointers.
        labels: The name in the result by the name in the SQL if they differ: `tag_1` is
            `tag:Team`.
    """

    expressions: tuple[str, ...]
    names: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def fill(self, sql: str) -> str:
        """Return the statement with the fragments in place of its marks."""

        def fragment(match: re.Match[str]) -> str:
            if match["kind"] == "by":
                return ", ".join(self.expressions)
            names = self.names
            if match["kind"] == "order":
                names = tuple(name for name in names if name in _ASCENDING) or ("is_total",)
            return ", ".join(names)

        return _MARK.sub(fragment, sql)


def grouping(by: Sequence[str]) -> Grouping:
    """Return the fragments of these dimensions, in their order, each once.

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
                f"{named('by', dimension)}: there is no such dimension."
                f"{did_you_mean(dimension, DIMENSIONS)}",
                f"Known: {', '.join(DIMENSIONS)}, tag:KEY.",
            )
        for expression, name in DIMENSIONS[dimension]:
            expressions.append(expression if expression == name else f"{expression} AS {name}")
            names.append(name)
    return Grouping(tuple(expressions), tuple(names), values, labels)


def _pointer(key: str) -> str:
    # A JSON pointer is the one way to name a key that holds dots, dollars or slashes.
    return "/" + key.replace("~", "~0").replace("/", "~1")
