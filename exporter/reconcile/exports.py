"""Reads a bill export of any format, in any number of parts, into the table `billed`."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO, cast

import duckdb

from exporter.errors import UsageError
from exporter.files import temporary
from exporter.reconcile import cost_explorer
from exporter.reconcile.classify import classify, purchase_of
from exporter.reconcile.formats import Format, canonical, format_of, line_sql
from exporter.reconcile.regions import region_of
from exporter.reconcile.versions import Choice, Found, choose
from exporter.sql import identifier, literal
from exporter.store.batches import stream

_SUFFIXES: Final = (".parquet", ".csv", ".csv.gz", ".zip")
#: Read this much of a file at once to compare its content with another's.
_CHUNK: Final = 1 << 20
#: Characters of a pattern in a path.
_PATTERN: Final = re.compile(r"[*?\[]")


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
    choice = _choice(path)
    try:
        with temporary() as folder:
            kind = _collect(workspace, path, choice.files, folder)
        _classify(workspace)
        _check_values(workspace, path)
        for name, query in _STEPS.items():
            workspace.execute(f"CREATE TABLE {name} AS {query}", _parameters(name, choice))
        return _summary(workspace, path, kind, choice)
    except duckdb.Error as error:
        raise UsageError(f"Cannot read {path}: {str(error).splitlines()[0]}") from error


def _single(path: Path) -> Choice:
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    if not _is_data(path):
        raise UsageError(f"{path} is not named .parquet, .csv or .csv.gz (or .zip with these).")
    # The folders above a single file say nothing about its lines.
    return Choice((str(path),), frozenset(), (), ())


def _choice(path: Path) -> Choice:
    """Return the files that count."""
    if not path.is_dir():
        return _single(path)
    folder = path.resolve()
    inside = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not _is_hidden(file.relative_to(folder))
    )
    files = [file for file in inside if _is_data(file)]
    if not files:
        raise UsageError(f"{path} holds no .parquet, .csv or .csv.gz file (or .zip with these).")
    if len({file.suffix.lower() == ".parquet" for file in files}) > 1:
        raise UsageError("The folder holds Parquet and CSV files, but an export has one format.")
    manifests = [file for file in inside if file.name.lower().endswith("manifest.json")]
    choice = choose(_found(files), {_facts(file): _listed_in(file) for file in manifests})
    prefix = f"{folder.as_posix()}/"
    return replace(choice, left_out=tuple(text.replace(prefix, "") for text in choice.left_out))


def _is_data(path: Path) -> bool:
    return path.name.lower().endswith(_SUFFIXES)


def _is_hidden(path: Path) -> bool:
    """Return whether a file or one of its folders is hidden, such as the `._` files of macOS."""
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)


def _facts(path: Path, same_as: str = "") -> Found:
    return Found(path.as_posix(), path.stat().st_mtime, same_as)


def _found(files: Sequence[Path]) -> list[Found]:
    """Return the facts of files, and which have the same content as an earlier one."""
    sizes = [file.stat().st_size for file in files]
    first: dict[str, str] = {}
    found = []
    for file, size in zip(files, sizes, strict=True):
        same_as = ""
        if sizes.count(size) > 1:
            same_as = first.setdefault(_digest(file), file.as_posix())
        found.append(_facts(file, "" if same_as == file.as_posix() else same_as))
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _listed_in(path: Path) -> tuple[str, ...]:
    """Return the data files that a manifest lists; none if it is not such a manifest."""
    try:
        manifest = json.loads(path.read_bytes())
        # The second name is that of a legacy report.
        listed = manifest.get("dataFiles") or manifest.get("reportKeys") or ()
        return tuple(map(str, listed)) if isinstance(listed, list) else ()
    except (OSError, ValueError, AttributeError, TypeError):
        return ()


def _collect(
    workspace: duckdb.DuckDBPyConnection, path: Path, files: Sequence[str], scratch: Path
) -> str:
    """Create the table `collected` from the files, and return the kind of the export."""
    kinds: dict[str, None] = {}
    created = False
    for file in files:
        for part in _parts(Path(file), scratch):
            columns, source = _source(workspace, part)
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


def _parts(path: Path, scratch: Path) -> list[Path]:
    """Return the file, or the files in it, extracted, if it is a ZIP archive."""
    if path.suffix.lower() != ".zip":
        return [path]
    try:
        with zipfile.ZipFile(path) as archive:
            return [
                _extracted(archive, member, scratch / f"{number}-{Path(member.filename).name}")
                for number, member in enumerate(archive.infolist())
                if _is_data(Path(member.filename)) and not _is_hidden(Path(member.filename))
            ]
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"Cannot read {path}: {error}.") from error


def _extracted(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> Path:
    with archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
    return target


def _source(workspace: duckdb.DuckDBPyConnection, path: Path) -> tuple[dict[str, str], str]:
    """Return SQL of the columns of a file, by their canonical names, and SQL of the file."""
    if path.suffix.lower() == ".parquet":
        source = f"read_parquet({_one_file(path)}, hive_partitioning = false)"
        described = workspace.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608 - a quoted path
        return {canonical(name): identifier(name) for name, *_ in reversed(described)}, source
    try:
        with _opened(path) as file:
            header = next(csv.reader(file, strict=True), [])
        if cost_explorer.is_wide(header):
            return _wide(workspace, path)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not a CSV file in UTF-8: {error}.") from error
    return _csv(path, header)


def _one_file(path: Path) -> str:
    """Return SQL for the path of one file, whose name DuckDB does not take for a pattern."""
    return literal(_PATTERN.sub(r"[\g<0>]", str(path)))


def _opened(path: Path) -> TextIO:
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    return cast("TextIO", opened(path, "rt", encoding="utf-8-sig", newline=""))


def _csv(path: Path, header: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return SQL of a CSV file whose dialect is fixed: guessing reads only the first rows."""
    # The prefix keeps names apart that differ only in case.
    names = [f"{number}:{name}" for number, name in enumerate(header)]
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    source = (
        f"read_csv({_one_file(path)}, hive_partitioning = false, "
        "auto_detect = false, header = true, delim = ',', "
        f"quote = '\"', escape = '\"', columns = {{{types}}})"
    )
    pairs = list(zip(map(canonical, header), map(identifier, names), strict=True))
    return dict(reversed(pairs)), source


def _wide(workspace: duckdb.DuckDBPyConnection, path: Path) -> tuple[dict[str, str], str]:
    """Read a file with one column for each usage type, and return SQL of its rows."""
    try:
        with _opened(path) as file:
            found = cost_explorer.rows(file)
    except ValueError as error:
        raise UsageError(f"{path}: {error}.") from error
    if not any(found["usagequantity"]):
        raise UsageError(
            f"{path} holds costs, but no hours.",
            "In Cost Explorer, filter by the usage types of training and show usage, too.",
        )
    types = dict.fromkeys(cost_explorer.COLUMNS, "VARCHAR")
    workspace.register("wide_rows", stream(types, [found]))
    workspace.execute("CREATE OR REPLACE TABLE wide AS SELECT * FROM wide_rows")
    workspace.unregister("wide_rows")
    return {name: identifier(name) for name in cost_explorer.COLUMNS}, "wide"


def _classify(workspace: duckdb.DuckDBPyConnection) -> None:
    """Create the table `line_kinds`: what the lines with the same texts bill, and where."""
    workspace.execute("""
        CREATE TABLE line_kinds (
            texts VARCHAR[], unit VARCHAR, region VARCHAR, usage_type VARCHAR,
            component VARCHAR, instance_type VARCHAR, purchase VARCHAR, found_region VARCHAR
        )
    """)
    found = workspace.execute(
        "SELECT DISTINCT texts, unit, region, usage_type FROM collected WHERE counts"
    ).fetchall()
    kinds = [
        [texts, unit, region, usage, *kind, purchase_of(texts), region_of(region, usage, texts)]
        for texts, unit, region, usage in found
        if (kind := classify(texts, unit)) is not None
    ]
    if kinds:
        workspace.executemany("INSERT INTO line_kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kinds)


_KIND: Final = """
    line.texts = kind.texts AND line.unit IS NOT DISTINCT FROM kind.unit
    AND line.region = kind.region AND line.usage_type = kind.usage_type
"""


def _check_values(workspace: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse an export with a wrong value in a line of training; other lines may hold anything."""
    [(lines, example)] = workspace.execute(f"""
        SELECT count(*), min(wrong)
        FROM collected AS line
        SEMI JOIN line_kinds AS kind ON {_KIND}
        WHERE line.wrong IS NOT NULL
    """).fetchall()  # noqa: S608 - our text
    if lines:
        raise UsageError(f"{path} has a value of the wrong type in a line of training: {example}.")


#: The tables that lead from `collected` to `billed`.
_STEPS: Final = {
    "unique_lines": f"""
        -- A line of training. Of lines with the same id, the one in the newest file.
        SELECT
            line.* REPLACE (
                kind.found_region AS region,
                coalesce(line.ended, line.started + INTERVAL 1 HOUR) AS ended,
                coalesce(line.account_id, '') AS account_id
            ),
            kind.component, kind.instance_type, kind.purchase
        FROM collected AS line
        INNER JOIN line_kinds AS kind ON {_KIND}
        QUALIFY line.line_id IS NULL OR row_number() OVER (
            PARTITION BY
                line.line_id, line.billing_month, line.started, line.account_id, line.resource,
                kind.component, kind.instance_type
            ORDER BY line.rank DESC, line.quantity DESC
        ) = 1
    """,  # noqa: S608 - our text
    "months": """
        -- The first day of a month that is compared: a billing period of lines of training. The
        -- months of usage count only for a file without billing periods.
        WITH own AS (
            SELECT
                CAST(date_trunc('month', started) AS DATE) AS used, billing_month,
                bool_and(billing_month IS NULL) OVER (PARTITION BY rank) AS has_no_periods
            FROM unique_lines
        ),

        known AS (
            SELECT billing_month AS month FROM own WHERE billing_month = used
            UNION
            SELECT used FROM own WHERE has_no_periods
            UNION
            SELECT unnest(CAST($months AS DATE[]))
        ),

        of_other_lines AS (
            SELECT DISTINCT coalesce(billing_month, usage_month) AS month
            FROM collected
            WHERE coalesce(billing_month, usage_month) IS NOT NULL
        )

        SELECT month FROM known
        UNION
        SELECT used FROM own WHERE NOT EXISTS (FROM known)
        UNION
        SELECT month FROM of_other_lines
        WHERE NOT EXISTS (FROM known) AND NOT EXISTS (FROM own)
    """,
    "compared_lines": """
        -- A line of training in a month that is compared.
        SELECT *, CAST(date_trunc('month', started) AS DATE) AS month
        FROM unique_lines
        WHERE date_trunc('month', started) IN (SELECT month FROM months)
    """,
    "coarse": """
        -- A month and what is compared in it as a whole, because a line is longer than a day.
        SELECT month, account_id, region, component, instance_type, purchase
        FROM compared_lines
        GROUP BY ALL
        HAVING max(ended - started) > INTERVAL 25 HOURS
    """,
    "billed": """
        WITH places AS (
            -- The number of decimal places that the export uses.
            SELECT
                greatest(
                    3, max(length(rtrim(split_part(CAST(quantity AS VARCHAR), '.', 2), '0')))
                ) AS quantity,
                greatest(
                    2, max(length(rtrim(split_part(CAST(cost AS VARCHAR), '.', 2), '0')))
                ) AS cost
            FROM compared_lines
        )

        SELECT
            CASE
                WHEN coarse.month IS NULL THEN CAST(line.started AS DATE) ELSE line.month
            END AS period,
            line.account_id, line.region, line.component, line.instance_type, line.purchase,
            line.currency, line.resource,
            sum(line.quantity) AS quantity, coalesce(sum(line.cost), 0) AS cost,
            CAST(sum(line.lines) AS BIGINT) AS lines,
            coalesce(sum(line.quantity) FILTER (WHERE line.is_covered), 0) AS covered,
            sum(line.lines) * 0.5 / pow(10, any_value(places.quantity)) AS rounding,
            sum(line.lines) * 0.5 / pow(10, any_value(places.cost)) AS cost_rounding
        FROM compared_lines AS line
        CROSS JOIN places
        LEFT JOIN coarse
            USING (month, account_id, region, component, instance_type, purchase)
        GROUP BY ALL
    """,
}


def _parameters(name: str, choice: Choice) -> dict[str, Any]:
    return {"months": sorted(choice.months)} if name == "months" else {}


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
        ANTI JOIN line_kinds AS kind ON {_KIND}
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
            ANTI JOIN line_kinds AS kind ON {_KIND}
            WHERE line.counts AND len(list_filter(
                line.texts, lambda text: regexp_matches(text, '[Tt]rain')
            )) > 0
        ),
        (
            SELECT coalesce(sum(lines + repeated), 0)
            FROM collected AS line SEMI JOIN line_kinds AS kind ON {_KIND}
        ) - (SELECT coalesce(sum(lines), 0) FROM unique_lines)
"""  # noqa: S608 - our text


def _summary(workspace: duckdb.DuckDBPyConnection, path: Path, kind: str, choice: Choice) -> Export:
    # Results are read to their end: DuckDB 2 refuses to register a table before.
    def months(sql: str) -> tuple[date, ...]:
        return tuple(month for (month,) in workspace.execute(sql).fetchall())

    compared = months("SELECT month FROM months ORDER BY month")
    if not compared:
        raise UsageError(f"{path} holds no line.")
    [counts] = workspace.execute(_COUNTS).fetchall()
    lines, resources, monthly, accounts, unclear, repeated = counts
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
        not_compared=tuple(LeftOver(*row) for row in not_compared),
        unused=dict(workspace.execute(_UNUSED).fetchall()),
    )
