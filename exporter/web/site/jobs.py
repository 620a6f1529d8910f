"""The page `/jobs`: every job that ever was, by filters with counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from exporter.reports.result import Column, Note, Result
from exporter.text import visible
from exporter.web.site import choice
from exporter.web.site.columns import COLUMNS
from exporter.web.site.shell import Shell
from exporter.web.site.table import JobTable, Summary, Wanted

_LABELS: Final = {
    "account": "Account",
    "region": "Region",
    "status": "Status",
    "family": "Family",
    "team": "Team",
    "instance_type": "Instance type",
    "warm_pool_status": "Warm pool",
    "specification": "Specification",
    "deleted": "Deleted at AWS",
}
#: What a page says of the filters that are typed in.
_TYPED: Final = {
    "name_contains": "Name contains",
    "created_after": "Created after",
    "created_before": "Created before",
    "modified_after": "Modified after",
    "modified_before": "Modified before",
    "min_cost": "Cost in USD at least",
    "max_cost": "Cost in USD at most",
    "tag": "Tag",
    "training_plan_arn": "Training plan",
}


@dataclass(frozen=True)
class Option:
    """A choice of a filter: its value in the address, its name, and the jobs that it leaves."""

    value: str
    name: str
    jobs: int
    is_chosen: bool


@dataclass(frozen=True)
class Filter:
    """A filter with its choices."""

    name: str
    label: str
    options: list[Option]

    @property
    def chosen(self) -> list[str]:
        """The names of what is chosen."""
        return [each.name for each in self.options if each.is_chosen]


class Jobs:
    """Makes the page."""

    def __init__(self, shell: Shell, table: JobTable) -> None:
        self._shell = shell
        self._table = table

    def page(self, request: Request, style: str = "") -> Response:
        """Return the jobs that the address asks for, as a page or as data."""
        pairs = request.query_params.multi_items()
        wanted = choice.wanted(pairs, self._shell.now())
        if style:
            return self._shell.data(self._find(wanted)[0], style, "jobs")
        wanted = replace(wanted, most=min(wanted.most or choice.PAGE, choice.MOST_ON_A_PAGE))
        found, token = self._find(wanted)
        names = list(COLUMNS)
        chosen = (wanted.groups, wanted.name_contains, wanted.tags)
        key = repr((chosen, wanted.bounds, wanted.training_plan_arn))
        summary: Summary = self._shell.kept(key, lambda: self._table.summary(wanted))
        values: dict[str, str] = {name: value for name, value in pairs if value}
        filters = [
            Filter(name, label, self._options(name, summary, wanted))
            for name, label in _LABELS.items()
        ]
        return self._shell.page(
            "jobs.html",
            "/jobs",
            jobs=[dict(zip(names, row, strict=True)) for row in found.rows],
            summary=summary,
            filters=filters,
            chosen=list(_chosen(pairs, filters)),
            values=values,
            tags=[value for name, value in pairs if name == "tag" and value],
            wanted=wanted,
            link=lambda **changes: choice.address("/jobs", pairs, **changes),
            data=lambda style: choice.address(f"/jobs.{style}", pairs, max_results=None),
            following=token and choice.address("/jobs", pairs, next_token=token),
            is_first="next_token" not in values,
            accounts=self._shell.facts().accounts,
            job_path=job_path,
        )

    def _find(self, wanted: Wanted) -> tuple[Result, str | None]:
        """Return jobs as rows, and the token of the next page; all are read on demand."""
        columns = tuple(Column(name, *kind) for name, kind in COLUMNS.items())
        if wanted.most is None:
            return Result(
                columns, (row[2:] for row in self._table.rows(wanted)), report="jobs"
            ), None
        found = list(self._table.rows(replace(wanted, most=wanted.most + 1)))
        rows = found[: wanted.most]
        token = None
        if len(found) > len(rows):
            token = choice.token(wanted.sort_by, rows[-1][1], rows[-1][0])
        more = {"next_token": token} if token else {}
        notes = (Note("more", f"There are more jobs: next_token={token}"),) if token else ()
        return Result(
            columns, [row[2:] for row in rows], notes=notes, report="jobs", more=more
        ), token

    def _options(self, name: str, summary: Summary, wanted: Wanted) -> list[Option]:
        """Return the choices of a filter, those that are chosen first."""
        chosen = wanted.groups.get(name, ())
        accounts = self._shell.facts().accounts if name == "account" else {}
        counts = dict.fromkeys(chosen, 0)
        counts |= {each.value: each.jobs for each in summary.choices[name]}
        return [
            Option(
                choice.NONE if value is None else value,
                visible(_named(value, accounts)),
                jobs,
                is_chosen=value in chosen,
            )
            for value, jobs in counts.items()
        ]


def _chosen(pairs: choice.Pairs, filters: Sequence[Filter]) -> Iterator[str]:
    """Yield each filter that is set and its values."""
    for name, value in pairs:
        if value and name in _TYPED:
            yield f"{_TYPED[name]} {value}"
    for each in filters:
        if each.chosen:
            yield f"{each.label}: {', '.join(each.chosen)}"


def _named(value: str | None, accounts: Mapping[str, str]) -> str:
    if value is None:
        return choice.NONE
    return f"{accounts[value]} ({value})" if value in accounts else value


def job_path(account: str, region: str, name: str) -> str:
    """Return the address of a job."""
    return "/jobs/" + "/".join(quote(part, safe="") for part in (account, region, name))
