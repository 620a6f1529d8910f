"""Reads a bill export of any format, in any number of parts, into the table `billed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import duckdb

from exporter.bills.files import files_of
from exporter.bills.formats import Format, format_of, line_sql
from exporter.bills.lines import OF_TRAINING, classify_lines, find_billed
from exporter.bills.parts import parts_of, source_of
from exporter.bills.versions import Choice
from exporter.errors import UsageError
from exporter.files import temporary


@dataclass(frozen=True)
class LeftOver:
    """The lines of one kind that were not compared.

    Attributes:
        kind: The type of the line as the export spells it, such as `Tax` or `Refund`, or what
            else it is: `Other services`, `Other SageMaker usage`, `Support`.
        currency: The currency of the amount.
        lines: The number of lines.
        cost: The sum of the amounts.
    """

    kind: str
    currency: str
    lines: int
    cost: Decimal


@dataclass(frozen=True)
class Export:
    """What an export holds.

    Attributes:
        kind: `CUR 2.0`, `legacy CUR`, `FOCUS` or `Cost Explorer`.
        files: The files that count.
        left_out: Files that do not count, each with the reason.
        absent: Files that a manifest lists, but that are not there.
        months: The first days of the months that are compared.
        other_months: Months of other lines, in which the export has no line of training.
        monthly: Whether a line lasts longer than a day, so that its days cannot be compared.
        accounts: Accounts with a line of training; one empty text = the export names none.
        resources: Whether lines name the job.
        lines: The number of lines of training and warm pools.
        unclear: The number of SageMaker lines that mention training but fit no component.
        repeated: The number of lines that were not added again, because their id was there.
        covered_at_list: The number of lines that a Savings Plan covers, but whose amount is that of
            on demand, because the export lacks the effective cost.
        not_compared: The other lines, summed up by kind and currency.
        unused: What Savings Plans of SageMaker left unused, by currency.
    """

    kind: str
    files: tuple[str, ...]
    left_out: tuple[str, ...]
    absent: tuple[str, ...]
    months: tuple[date, ...]
    other_months: tuple[date, ...]
    monthly: bool
    accounts: tuple[str, ...]
    resources: bool
    lines: int
    unclear: int
    repeated: int
    covered_at_list: int
    not_compared: tuple[LeftOver, ...]
    unused: dict[str, Decimal]

    @property
    def since(self) -> date:
        """The first day of the first month."""
        return self.months[0]

    @property
    def until(self) -> date:
        """The day after the last month."""
        return (self.months[-1] + timedelta(days=32)).replace(day=1)


def read_export(workspace: duckdb.DuckDBPyConnection, path: Path) -> Export:
    """Read an export into the table `billed` of an in-memory workspace.

    `billed` has one row per period, account, region, component, instance type (empty for
    storage), purchase, currency and resource: `quantity` in hours or GB-months, `cost` in the
    currency, and the number of `lines`. The period is the UTC day, or the first day of the month
    if a line with otherwise the same values lasts longer than a day. `covered` is the quantity
    that a Savings Plan covers. `rounding` and `cost_rounding` are the largest rounding errors of
    the two sums: per line half a unit of the last decimal place that the export uses, or that a
    printed bill uses if coarser.

    Args:
        workspace: A fresh in-memory connection.
        path: A file, or a folder with an export.

    Raises:
        UsageError: The file does not exist, is not an export of a known format, or has a line of
            training with a value of the wrong type.
    """
    choice = files_of(path)
    try:
        with temporary() as folder:
            kind = _collect(workspace, path, choice.files, folder)
        classify_lines(workspace, path)
        find_billed(workspace, choice.months)
        return _summary(workspace, path, kind, choice)
    except duckdb.Error as error:
        raise UsageError(f"Cannot read {path}: {str(error).splitlines()[0]}") from error


def _collect(
    workspace: duckdb.DuckDBPyConnection, path: Path, files: Sequence[str], scratch: Path
) -> str:
    """Create the table `collected` from the files, and return the kind of the export."""
    kinds: dict[str, None] = {}
    created = False
    for file in files:
        for part in parts_of(Path(file), scratch):
            columns, source = source_of(workspace, part)
            if not columns:  # an empty part, without even a header line
                continue
            fmt = format_of(str(path), columns)
            kinds[_kind(fmt, columns)] = None
            sql = line_sql(fmt, columns, source, rank=files.index(file))
            workspace.execute(
                f"INSERT INTO collected {sql}" if created else f"CREATE TABLE collected AS {sql}"
            )
            created = True
        for part in scratch.iterdir():
            part.unlink()
    if not kinds:
        raise UsageError(f"{path} holds no line.")
    if len(kinds) > 1:
        raise UsageError(f"{path} holds {' and '.join(kinds)}, but an export has one format.")
    return next(iter(kinds))


def _kind(fmt: Format, columns: dict[str, str]) -> str:
    """Return the name of the format; a legacy CUR has columns of single attributes."""
    is_legacy = fmt.name == "CUR 2.0" and (
        "productregion" in columns or any("/" in sql for sql in columns.values())
    )
    return "legacy CUR" if is_legacy else fmt.name


_OTHER_MONTHS: Final = """
    SELECT DISTINCT coalesce(billing_month, usage_month) AS month
    FROM collected
    WHERE month NOT IN (SELECT month FROM months)
    ORDER BY month
"""
_NOT_COMPARED: Final = f"""
    WITH left_over AS (
        -- A kind of line that bills no training.
        SELECT
            CASE WHEN counts THEN 'Other SageMaker usage' ELSE kind END AS kind,
            currency, lines + repeated AS lines, cost
        FROM collected AS line
        ANTI JOIN line_kinds AS kind ON line.counts AND {OF_TRAINING}
        UNION ALL
        SELECT 'Training of other months', currency, lines, cost
        FROM unique_lines
        WHERE date_trunc('month', started) NOT IN (SELECT month FROM months)
    )

    SELECT kind, currency, CAST(sum(lines) AS BIGINT), coalesce(sum(cost), 0)
    FROM left_over
    GROUP BY ALL
    ORDER BY abs(coalesce(sum(cost), 0)) DESC, kind, currency
"""  # noqa: S608 - our text
_UNUSED: Final = """
    SELECT currency, sum(unused)
    FROM collected
    WHERE unused IS NOT NULL AND NOT counts AND (
        is_ml_plan OR commitment IN (SELECT commitment FROM compared_lines WHERE is_covered)
    )
    GROUP BY currency
    ORDER BY currency
"""
_COUNTS: Final = f"""
    SELECT
        (SELECT coalesce(sum(lines), 0) FROM billed),
        (SELECT coalesce(bool_or(resource <> ''), FALSE) FROM billed),
        (SELECT count(*) > 0 FROM coarse),
        (SELECT coalesce(list(DISTINCT account_id ORDER BY account_id), []) FROM billed),
        (
            SELECT coalesce(sum(lines), 0)
            FROM collected AS line
            ANTI JOIN line_kinds AS kind ON {OF_TRAINING}
            WHERE line.counts AND len(list_filter(
                line.texts, lambda text: regexp_matches(text, '[Tt]rain')
            )) > 0
        ),
        (
            SELECT coalesce(sum(lines + repeated), 0)
            FROM collected AS line SEMI JOIN line_kinds AS kind ON {OF_TRAINING}
            WHERE line.counts
        ) - (SELECT coalesce(sum(lines), 0) FROM unique_lines),
        (SELECT coalesce(sum(lines), 0) FROM compared_lines WHERE is_at_list)
"""  # noqa: S608 - our text


def _summary(workspace: duckdb.DuckDBPyConnection, path: Path, kind: str, choice: Choice) -> Export:
    # Results are read to their end: DuckDB 2 refuses to register a table before.
    def months(sql: str) -> tuple[date, ...]:
        return tuple(month for (month,) in workspace.execute(sql).fetchall())

    compared = months("SELECT month FROM months ORDER BY month")
    if not compared:
        raise UsageError(f"{path} holds no line.")
    [counts] = workspace.execute(_COUNTS).fetchall()
    lines, resources, monthly, accounts, unclear, repeated, at_list = counts
    not_compared = workspace.execute(_NOT_COMPARED).fetchall()
    return Export(
        kind=kind,
        files=choice.files,
        left_out=choice.left_out,
        absent=choice.absent,
        months=compared,
        other_months=months(_OTHER_MONTHS),
        monthly=monthly,
        accounts=tuple(accounts),
        resources=resources,
        lines=int(lines),
        unclear=int(unclear),
        repeated=int(repeated),
        covered_at_list=int(at_list),
        not_compared=tuple(LeftOver(*row) for row in not_compared),
        unused=dict(workspace.execute(_UNUSED).fetchall()),
    )
