"""The page `/sql`: a statement of the reader, beside the tables and views."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from exporter.errors import BusyError, UsageError
from exporter.reports.values import to_json
from exporter.store.reference import Relation, relations
from exporter.web.site import choice, statement
from exporter.web.site.shell import Shell

#: Rows of a statement on the page, and in a download.
MOST_ROWS: Final = 1_000
MOST_IN_A_DOWNLOAD: Final = 100_000
#: A statement for readers who see the page for the first time.
_EXAMPLE: Final = (
    "SELECT job_family, sum(cost_usd) AS usd FROM daily_costs GROUP BY ALL ORDER BY usd DESC"
)
#: Characters of a cell on the page.
_CELL: Final = 2_000


class Sql:
    """Makes the page."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def page(self, request: Request, style: str = "", *, may_run: bool = True) -> Response:
        """Return the page for SQL and the result of a statement."""
        text = request.query_params.get("sql", "")
        if style:
            if not may_run or not text.strip():
                raise UsageError("There is no statement: give sql=….")
            return self._shell.written(
                lambda target: self._run(text, style, MOST_IN_A_DOWNLOAD, target), style, "query"
            )
        error = result = None
        if text.strip() and may_run:
            try:
                result = self._shell.kept(("sql", text), lambda: self._first(text))
            except (UsageError, BusyError) as problem:
                error = str(problem)
        return self._shell.page(
            "sql.html",
            "/sql",
            status=400 if error else 200,
            text=text,
            example=_EXAMPLE,
            example_address=choice.address("/sql", [("sql", _EXAMPLE)]),
            error=error,
            result=result,
            held_back=bool(text.strip()) and not may_run,
            relations=_documented(),
            limits=(statement.SECONDS, MOST_ROWS, MOST_IN_A_DOWNLOAD),
            data=lambda style: choice.address(f"/sql.{style}", [("sql", text)]),
        )

    def _first(self, text: str) -> Mapping[str, Any]:
        """Return the first rows of a statement, as JSON holds them."""
        with self._shell.scratch() as target:
            self._run(text, "json", MOST_ROWS, target)
            found: Mapping[str, Any] = json.loads(
                target.read_text(encoding="utf-8"), parse_float=Decimal
            )
        cells = [
            [_cell(row[column["name"]]) for column in found["columns"]] for row in found["rows"]
        ]
        return {"columns": found["columns"], "rows": cells, "notes": found["notes"]}

    def _run(self, text: str, style: str, rows: int, target: Path) -> None:
        with self._shell.state() as state:
            statement.run(statement.Request(*state.place, text, style, rows, str(target)))


def _cell(value: object) -> str | None:
    """Return a value of JSON for a cell."""
    if value is None:
        return None
    text = value if isinstance(value, str) else to_json(value)
    return text if len(text) <= _CELL else f"{text[:_CELL]}…"


@cache
def _documented() -> list[Relation]:
    return [each for each in relations() if each.kind != "internal view"]
