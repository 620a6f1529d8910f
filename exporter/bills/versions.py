"""Chooses the files of a folder that count: of each billing period the newest version. Pure.

AWS delivers an export in one of two ways. It overwrites the files of a billing period, or it
writes each execution into a new folder:

    EXPORT/data/BILLING_PERIOD=2026-10/EXPORT-00001.csv.gz
    EXPORT/data/BILLING_PERIOD=2026-10/20261105T010101Z-ID/EXPORT-00001.csv.gz
    EXPORT/metadata/BILLING_PERIOD=2026-10/[20261105T010101Z-ID/]EXPORT-Manifest.json

A legacy report has `REPORT/20261001-20261101/[ASSEMBLY-ID/]` instead. A manifest is written last
and lists the files of its execution (AWS Data Exports User Guide, "Understanding export delivery";
Cost and Usage Reports User Guide, "Cost and Usage Reports manifest files").
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

_PERIOD: Final = re.compile(r"billing_period=(\d{4})-(\d{2})", re.IGNORECASE)
_LEGACY_PERIOD: Final = re.compile(r"(\d{4})(\d{2})\d{2}-\d{8}")
_YEAR: Final = re.compile(r"year=(\d{4})", re.IGNORECASE)
_MONTH: Final = re.compile(r"month=(\d{1,2})", re.IGNORECASE)
#: An execution's folder begins with its time: 20261105T010101Z-ID or 2026-11-05T01:01:01.000Z-ID.
_EXECUTION: Final = re.compile(r"(\d{4}-?\d{2}-?\d{2}T\d{2}[:\-_]?\d{2}[:\-_]?\d{2})[^/]*")
_ASSEMBLY: Final = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """A file in the folder.

    Attributes:
        path: The absolute path, with `/`.
        modified: When it was last changed, in seconds since 1970.
        same_as: An equal file that comes first; empty = none.
    """

    path: str
    modified: float
    same_as: str = ""


@dataclass(frozen=True)
class Choice:
    """The files that count, and what was left out.

    Attributes:
        files: The paths, from the oldest version to the newest.
        months: The billing periods that the folders' names give.
        left_out: Each folder or file that does not count, with the reason.
        absent: Files that a manifest lists, but that are not in the folder, by month.
    """

    files: tuple[str, ...]
    months: frozenset[date]
    left_out: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    """Where a file stands in the layout of an export."""

    export: str
    month: date | None
    execution: str
    name: str


@dataclass
class _Period:
    """The files and manifests of one billing period of one export."""

    files: list[tuple[_Place, Found]] = field(default_factory=list)
    manifests: list[tuple[_Place, Found]] = field(default_factory=list)


def choose(files: Iterable[Found], manifests: Mapping[Found, tuple[str, ...]]) -> Choice:
    """Return the files that count.

    Args:
        files: The data files of a folder.
        manifests: The manifests of the folder, and the data files that each lists, as paths or
            S3 URIs.
    """
    periods: dict[tuple[str, date | None], _Period] = defaultdict(_Period)
    for file in files:
        place = _place(file.path)
        periods[place.export, place.month].files.append((place, file))
    for manifest in manifests:
        place = _place(manifest.path)
        periods[place.export, place.month].manifests.append((place, manifest))

    periods = dict(sorted(periods.items(), key=lambda item: (item[0][0], item[0][1] or date.min)))
    choices = [_of_period(period, manifests) for period in periods.values()]
    kept = [file for choice in choices for file in choice.files]
    kept.sort(key=lambda file: (_age(_place(file.path).execution, file.modified), file.path))
    return Choice(
        tuple(file.path for file in kept),
        frozenset(month for (_, month), period in periods.items() if month and period.files),
        tuple(sorted(text for choice in choices for text in choice.left_out)),
        tuple(
            f"{name} of {month:%Y-%m}" if month else name
            for (_, month), choice in zip(periods, choices, strict=True)
            for name in choice.absent
        ),
    )


class _PeriodChoice(NamedTuple):
    """The files of one billing period that count, and what `Choice` says about the others."""

    files: list[Found]
    left_out: list[str]
    absent: list[str]


def _of_period(period: _Period, manifests: Mapping[Found, tuple[str, ...]]) -> _PeriodChoice:
    there = {(place.execution, place.name): file for place, file in period.files}
    listed, absent = _listed(period, manifests)
    newest = _newest(period.files)
    keys = {key for key in there if key[0] == newest} if listed is None else listed & there.keys()
    reason = "an older version" if listed is None else "not in the newest manifest"
    paths = {there[key].path for key in keys}
    copies = {key for key in keys if there[key].same_as in paths}
    reasons = dict.fromkeys(there.keys() - keys, reason)
    reasons |= {key: f"the same content as {there[key].same_as}" for key in copies}
    return _PeriodChoice(
        [there[key] for key in keys - copies],
        [f"{there[key].path}: {text}" for key, text in reasons.items()],
        sorted("/".join(filter(None, key)) for key in absent),
    )


def _listed(
    period: _Period, manifests: Mapping[Found, tuple[str, ...]]
) -> tuple[set[tuple[str, str]] | None, set[tuple[str, str]]]:
    """Return the files in the newest manifest with a file that exists, and the absent files.

    Files are given by execution and name; None = no manifest has a file that exists. Absent are the
    files that this manifest and newer manifests list, but that do not exist.

    A legacy report keeps a manifest of its current assembly outside the assemblies' folders.
    """
    there = {(place.execution, place.name) for place, _ in period.files}
    is_legacy = any(_ASSEMBLY.fullmatch(execution) for execution, _ in there)

    def age(pair: tuple[_Place, Found]) -> tuple[bool, str, str]:
        place, file = pair
        is_current = is_legacy and not place.execution
        return is_current, _age(place.execution, file.modified), file.path

    absent: set[tuple[str, str]] = set()
    for _, manifest in sorted(period.manifests, key=age, reverse=True):
        places = map(_place, manifests[manifest])
        listed = {(place.execution, place.name) for place in places}
        absent |= listed - there
        if listed & there:
            return listed, absent
    return None, absent


def _newest(files: Iterable[tuple[_Place, Found]]) -> str:
    """Return the newest execution; empty = the files that are in no execution's folder."""
    ages: dict[str, str] = {}
    for place, file in files:
        age = _age(place.execution, file.modified)
        ages[place.execution] = max(ages.get(place.execution, ""), age)
    return max(ages, key=lambda execution: (ages[execution], execution), default="")


def _age(execution: str, modified: float) -> str:
    """Return a text that sorts by time: of the execution's folder, else of the file."""
    match = _EXECUTION.fullmatch(execution)
    if match:
        return re.sub(r"\D", "", match[1])
    return f"{datetime.fromtimestamp(modified, UTC):%Y%m%d%H%M%S}"


def _place(path: str) -> _Place:
    """Return where a file stands in the layout of an export."""
    *folders, name = path.split("/")
    month, start, end = _month_of(folders)
    inner = folders[end:]
    execution = next(filter(_EXECUTION.fullmatch, inner), "")
    if not execution and month:
        execution = next(filter(_ASSEMBLY.fullmatch, inner), "")
    if month is None:
        # A folder of executions that was copied without the folder of its billing period.
        start = folders.index(execution) if execution else len(folders)
    outer = folders[:start]
    if outer and outer[-1] in ("data", "metadata"):
        outer = outer[:-1]
    others = [folder for folder in folders[end:] if folder != execution] if month else []
    return _Place("/".join(outer), month, execution, "/".join([*others, name]))


def _month_of(folders: list[str]) -> tuple[date | None, int, int]:
    """Return the billing period in a path, and where its folders start and end."""
    for index in range(len(folders) - 1, -1, -1):
        match = _PERIOD.fullmatch(folders[index]) or _LEGACY_PERIOD.fullmatch(folders[index])
        end = index + 1
        if match:
            year, month = match[1], match[2]
        else:
            years = _YEAR.fullmatch(folders[index])
            months = _MONTH.fullmatch(folders[end]) if years and end < len(folders) else None
            if not years or not months:
                continue
            year, month, end = years[1], months[1], end + 1
        if 1 <= int(month) <= 12:
            return date(int(year), int(month), 1), index, end
    return None, len(folders), 0
