"""What each page shows, as a response. Each function may take seconds, so it runs in a thread."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import duckdb
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from exporter.config.kinds import MONTH
from exporter.errors import BusyError, UsageError
from exporter.prices.basis import BASES, LIST, LIST_PRICES, NET, use_list_prices
from exporter.reports import catalogue, job, output, periods, running
from exporter.reports.catalogue import Report
from exporter.reports.result import Column, Note, Result
from exporter.store.connections import Connection
from exporter.store.following import Follower, State
from exporter.store.reference import Relation, relations
from exporter.text import did_you_mean, visible
from exporter.times import EXPECTED_TIME, format_age, parse_time
from exporter.web import figures, page
from exporter.web.site import choice, statement, timeline
from exporter.web.site.table import COLUMNS, JobTable, Summary, Wanted

#: Seconds that a report may take.
SECONDS: Final = 60.0
#: Rows of a report on a page, and of SQL; a download has more.
MOST_ROWS: Final = 1_000
MOST_SQL_ROWS: Final = 100_000
#: Characters of a cell on a page.
_CELL: Final = 2_000
#: Results that are kept for the next reader.
_KEPT: Final = 64
#: Seconds after which the dashboard is made again, because it says how old the data is.
_DASHBOARD_AGE: Final = 600
TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_FILES: Final = {
    "style.css": "text/css; charset=utf-8",
    "site.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_PAGES: Final = (("/", "Overview"), ("/jobs", "Jobs"), ("/reports", "Reports"), ("/sql", "SQL"))
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
_CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
#: One row: how fresh the data is.
_FRESHNESS: Final = """
SELECT min(watermark) AS known, count(*) AS scopes, count(watermark) AS complete
FROM sync_scopes
WHERE retired_at IS NULL
"""
_ACCOUNTS: Final = "SELECT account_id, account_name FROM accounts"


class NoSuchPage(UsageError):
    """An address names a job or a report that does not exist."""


class TooLong(BusyError):
    """An answer takes longer than a page may."""


@dataclass(frozen=True)
class Facts:
    """What every page says of the database, as of one commit.

    Attributes:
        known: The time up to which every account and region is complete; None = not all are.
        scopes: Accounts and regions.
        accounts: The names of accounts by id.
    """

    known: datetime | None
    scopes: int
    accounts: Mapping[str, str]


@dataclass(frozen=True)
class Frame:
    """What the frame of a page shows."""

    here: str
    fresh: str
    trouble: str | None
    has_session: bool
    pages: Sequence[tuple[str, str]] = _PAGES

    def file(self, name: str) -> str:
        """Return the address of a style or script; it changes with the content."""
        return f"/static/{_digest(name)}/{name}"


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(page.asset(name).encode()).hexdigest()[:16]


class Kept:
    """Results by key; each is made once, even if many readers ask at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._found: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - any result
        """Return the result of a key; `make` makes it if there is none."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                with self._lock:
                    if key in self._found:
                        self._found.move_to_end(key)
                        return self._found[key]
                made = make()
                with self._lock:
                    self._found[key] = made
                    while len(self._found) > self._most:
                        self._found.popitem(last=False)
                return made
        finally:
            with self._lock:
                self._making.pop(key, None)


class Pages:
    """Makes the pages.

    Args:
        follower: The database.
        table: Its jobs.
        folder: A private folder for results on their way.
        needs_token: Whether readers have sessions.
        now: Returns the current time, aware.
    """

    def __init__(
        self,
        follower: Follower,
        table: JobTable,
        folder: Path,
        *,
        needs_token: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._follower = follower
        self._table = table
        self._folder = folder
        self._needs_token = needs_token
        self._now = now
        self._kept = Kept(_KEPT)

    # ---- pages ----

    def dashboard(self, _: Request) -> Response:
        """Return the dashboard, made once for all readers of a commit."""
        now = self._now()
        number = self._follower.number

        def make() -> str:
            with self._reading(SECONDS) as connection:
                period = figures.choose_period(since=None, until=None, today=now.date())
                found = figures.read(connection, period, now)
            return page.render(found, self._frame("/"))

        age = int(now.timestamp()) // _DASHBOARD_AGE
        return HTMLResponse(self._kept.get(("/", number, age), make))

    def jobs(self, request: Request, style: str = "") -> Response:
        """Return the jobs that the address asks for, as a page or as data."""
        pairs = request.query_params.multi_items()
        wanted = choice.wanted(pairs, self._now())
        if style:
            return self._data(self._jobs(wanted)[0], style, "jobs")
        wanted = replace(wanted, most=min(wanted.most or choice.PAGE, choice.MOST_ON_A_PAGE))
        found, token = self._jobs(wanted)
        names = list(COLUMNS)
        chosen = (wanted.groups, wanted.name_contains, wanted.tags)
        key = (self._follower.number, repr((chosen, wanted.bounds, wanted.training_plan_arn)))
        summary: Summary = self._kept.get(key, lambda: self._table.summary(wanted))
        values: dict[str, str] = {name: value for name, value in pairs if value}
        return self._page(
            "jobs.html",
            "/jobs",
            jobs=[dict(zip(names, row, strict=True)) for row in found.rows],
            summary=summary,
            filters=[
                (name, label, self._options(name, summary, wanted), name in wanted.groups)
                for name, label in _LABELS.items()
            ],
            values=values,
            wanted=wanted,
            link=lambda **changes: choice.address("/jobs", pairs, **changes),
            data=lambda style: choice.address(f"/jobs.{style}", pairs, max_results=None),
            following=token and choice.address("/jobs", pairs, next_token=token),
            is_first="next_token" not in values,
            accounts=self._facts().accounts,
            job_path=job_path,
        )

    def job(self, request: Request, style: str = "") -> Response:
        """Return a job, whole."""
        account, region = request.path_params["account"], request.path_params["region"]
        name = request.path_params["name"]

        def make() -> list[job.JobReport]:
            try:
                with self._reading(SECONDS) as connection:
                    return job.read(connection, name, account=account, region=region)
            except UsageError as error:
                raise NoSuchPage(error.message, error.guidance) from None

        number = self._follower.number
        found: list[job.JobReport] = self._kept.get((number, account, region, name), make)
        if style == "json":
            from exporter.reports.values import to_json

            text = to_json({"version": 1, "jobs": [each.to_json() for each in found]})
            return Response(text, media_type=TYPES["json"])
        if style:
            return self._data(next(found[0].sections()), style, name)
        now = self._now()
        return self._page(
            "job.html",
            "/jobs",
            name=name,
            jobs=[(each, _drawn(each, now), _console(each.facts), _chain(each)) for each in found],
            command=shlex.join(
                ["sagemaker-exporter", "job", name, "--account", account, "--region", region]
            ),
            data=lambda style: f"{job_path(account, region, name)}.{style}",
            link=lambda other: job_path(account, region, other),
            family=choice.address("/jobs", [("family", found[0].facts["job_family"] or "")]),
        )

    def reports(self, _: Request, style: str = "") -> Response:
        """Return the list of reports."""
        every = list(catalogue.catalogue().values())
        if style:
            columns = (Column("report"), Column("shows"))
            rows = [(each.name, each.title) for each in every]
            return self._data(Result(columns, rows), style, "reports")
        return self._page("reports.html", "/reports", reports=every)

    def report(self, request: Request, style: str = "") -> Response:
        """Return a report: its form and, if its parameters are there, its rows."""
        name = request.path_params["name"]
        if name not in catalogue.catalogue():
            raise NoSuchPage(f"There is no report {name!r}.")
        chosen = catalogue.find(name)
        pairs = request.query_params.multi_items()
        asked = Asked(chosen, pairs, self._now())
        if style:
            return self._data(self._run(asked), style, chosen.name)
        error = result = None
        if asked.is_complete:
            try:
                result = self._run(asked)
            except (UsageError, TooLong) as problem:
                error = str(problem)
        return self._page(
            "report.html",
            "/reports",
            status=400 if error else 200,
            report=chosen,
            asked=asked,
            bases=BASES,
            error=error,
            result=result and replace(result, rows=list(result.rows)[:MOST_ROWS]),
            rows=0 if result is None else len(list(result.rows)),
            most_rows=MOST_ROWS,
            bars=_bars(result),
            sql=asked.sql if result else "",
            command=asked.command,
            data=lambda style: choice.address(f"/reports/{chosen.name}.{style}", pairs),
        )

    def sql(self, request: Request, style: str = "", *, may_run: bool = True) -> Response:
        """Return the page for SQL and the result of a statement."""
        text = request.query_params.get("sql", "")
        if style:
            if not may_run or not text.strip():
                raise UsageError("There is no statement: give sql=….")
            return self._sql_data(text, style)
        error = result = None
        if text.strip() and may_run:
            try:
                result = self._kept.get(
                    (self._follower.number, "sql", text), lambda: self._sql(text)
                )
            except (UsageError, BusyError) as problem:
                error = str(problem)
        return self._page(
            "sql.html",
            "/sql",
            status=400 if error else 200,
            text=text,
            error=error,
            result=result,
            held_back=bool(text.strip()) and not may_run,
            relations=_documented(),
            limits=(statement.SECONDS, MOST_ROWS, MOST_SQL_ROWS),
            data=lambda style: choice.address(f"/sql.{style}", [("sql", text)]),
        )

    def login(self, target: str, *, failed: bool = False) -> Response:
        """Return the form for the token."""
        return self._page(
            "login.html", "", status=401, target=target, failed=failed, is_signed_in=False
        )

    def message(self, status: int, title: str, text: str) -> Response:
        """Return a page that says what went wrong."""
        return self._page("message.html", "", status=status, title=title, text=text)

    @staticmethod
    def file(request: Request) -> Response:
        """Return a style, the script or the icon; its address changes with its content."""
        name = request.path_params["name"]
        if name not in _FILES or request.path_params["digest"] != _digest(name):
            return Response("not found\n", 404, media_type="text/plain")
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(page.asset(name), headers=headers, media_type=_FILES[name])

    # ---- parts ----

    def _page(self, template: str, here: str, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - what the template shows
        is_signed_in = values.pop("is_signed_in", self._needs_token)
        site = (
            self._frame(here, is_signed_in=is_signed_in) if here else Frame("", "", None, False, ())
        )
        found = page.environment().get_template(template)
        return HTMLResponse(found.render(site=site, made=self._now(), **values), status)

    def _frame(self, here: str, *, is_signed_in: bool | None = None) -> Frame:
        facts, now = self._facts(), self._now()
        fresh = "nothing synced yet"
        if facts.scopes:
            fresh = "no sync is complete yet"
        if facts.known is not None:
            age = format_age(now - facts.known)
            fresh = f"Data as of {facts.known:%Y-%m-%d %H:%M} UTC ({age} ago)"
        session = self._needs_token if is_signed_in is None else is_signed_in
        return Frame(here, fresh, self._follower.trouble, session)

    def _facts(self) -> Facts:
        def make() -> Facts:
            with self._reading(SECONDS) as connection:
                row = connection.execute(_FRESHNESS).one()
                accounts = connection.execute(_ACCOUNTS).all()
            known = row.known if row.complete == row.scopes else None
            return Facts(known, row.scopes, {id_: name for id_, name in accounts if name})

        facts: Facts = self._kept.get((self._follower.number, "facts"), make)
        return facts

    @contextmanager
    def _reading(self, seconds: float) -> Iterator[Connection]:
        """Open the current state; interrupt what takes longer than `seconds`."""
        with (
            self._follower.state() as state,
            state.reading() as connection,
            limited(connection, seconds),
        ):
            yield connection

    def _jobs(self, wanted: Wanted) -> tuple[Result, str | None]:
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

    def _options(self, name: str, summary: Summary, wanted: Wanted) -> list[tuple[str, str, bool]]:
        """Return value, text and whether it is chosen, for each choice of a filter."""
        chosen = wanted.groups.get(name, "")
        accounts = self._facts().accounts if name == "account" else {}
        counts = {each.value: each.jobs for each in summary.choices[name]}
        if name in wanted.groups:
            counts.setdefault(chosen, 0)
        found = []
        for value, jobs in counts.items():
            label = "(none)" if value is None else value
            if value is not None and value in accounts:
                label = f"{accounts[value]} ({value})"
            found.append(
                (
                    choice.NONE if value is None else value,
                    f"{visible(label)} · {jobs:,}",
                    name in wanted.groups and value == chosen,
                )
            )
        return found

    def _run(self, asked: Asked) -> Result:
        """Return the result of a report, made once for all readers of a commit."""

        def make() -> Result:
            with self._reading(SECONDS) as connection:
                if asked.basis == LIST:
                    use_list_prices(connection)
                found = running.run(connection, asked.report, asked.request)
                return replace(found, rows=list(found.rows))

        key = (self._follower.number, asked.report.name, tuple(asked.pairs))
        result: Result = self._kept.get(key, make)
        return result

    def _sql(self, text: str) -> Mapping[str, Any]:
        """Return the first rows of a statement, as JSON holds them."""
        import json

        with self._follower.state() as state, tempfile.TemporaryDirectory(dir=self._folder) as made:
            target = Path(made) / "result"
            self._run_sql(state, text, "json", MOST_ROWS, target)
            found: Mapping[str, Any] = json.loads(
                target.read_text(encoding="utf-8"), parse_float=Decimal
            )
        cells = [
            [_cell(row[column["name"]]) for column in found["columns"]] for row in found["rows"]
        ]
        return {"columns": found["columns"], "rows": cells, "notes": found["notes"]}

    def _sql_data(self, text: str, style: str) -> Response:
        target = self._new_file()
        try:
            with self._follower.state() as state:
                self._run_sql(state, text, style, MOST_SQL_ROWS, target)
        except BaseException:
            target.unlink()
            raise
        return _download(target, style, "query")

    def _run_sql(self, state: State, text: str, style: str, rows: int, target: Path) -> None:
        statement.run(statement.Request(str(state.path), text, style, rows, str(target)))

    def _data(self, result: Result, style: str, name: str) -> Response:
        target = self._new_file()
        try:
            with target.open("wb") as stream:
                output.write(result, style, stream)
        except BaseException:
            target.unlink()
            raise
        return _download(target, style, name)

    def _new_file(self) -> Path:
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as stream:
            return Path(stream.name)


class Asked:
    """What an address asks of a report.

    Args:
        report: The report.
        pairs: Names and values, in order; those without a value count as missing.
        now: The current time.

    Raises:
        UsageError: A parameter is unknown or not what it must be.
    """

    def __init__(self, report: Report, pairs: choice.Pairs, now: datetime) -> None:
        self.report = report
        self.pairs = [(name, value.strip()) for name, value in pairs if value.strip()]
        self.values = dict(self.pairs)
        self.by = [value for name, value in self.pairs if name == "by"]
        self.basis = self.values.get("basis", NET)
        if self.basis not in BASES:
            raise choice.wrong("basis", self.basis, f"one of {', '.join(BASES)}")
        known = {"month", "since", "until", "by", "basis", "param", *report.parameters}
        for name in self.values:
            if name not in known:
                raise UsageError(
                    f"There is no parameter {name!r}.{did_you_mean(name, known)}",
                    f"Known: {', '.join(sorted(known))}.",
                )
        self.own = dict(_own(report, self.pairs))
        self.is_complete = all(
            name in self.own for name, each in report.parameters.items() if each.required
        )
        self.request = running.Request(self._period(now), self.by, self.own, now=now)

    def _period(self, now: datetime) -> periods.Period | None:
        month = self.values.get("month")
        times = {name: self.values[name] for name in ("since", "until") if name in self.values}
        if not (self.report.period or month or times):
            return None
        try:
            first = MONTH.read(month) if month else None
        except ValueError as error:
            raise choice.wrong("month", month or "", str(error).rstrip(".")) from None
        read = {}
        for name, text in times.items():
            try:
                read[name] = parse_time(text, now)
            except ValueError:
                raise choice.wrong(name, text, EXPECTED_TIME) from None
        return periods.choose(
            month=first,
            since=read.get("since"),
            until=read.get("until"),
            today=now.date(),
            kind=self.report.period or "default",
        )

    @property
    def sql(self) -> str:
        """The SQL with its values, ready to paste."""
        prefix = "".join(f"{each};\n" for each in LIST_PRICES) if self.basis == LIST else ""
        return prefix + running.statement(self.report, self.request).with_literals()

    @property
    def command(self) -> str:
        """The command that prints the same."""
        words = ["sagemaker-exporter", "report", self.report.name]
        for name in ("month", "since", "until"):
            if name in self.values:
                words += [f"--{name}", self.values[name]]
        for dimension in self.by:
            words += ["--by", dimension]
        if self.basis != NET:
            words += ["--basis", self.basis]
        for name, value in self.own.items():
            words += ["--param", f"{name}={value}"]
        return shlex.join(words)


def _own(report: Report, pairs: choice.Pairs) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a report itself: `top=5`, or as on the command line `param=top=5`."""
    for name, value in pairs:
        if name in report.parameters:
            yield name, value
        elif name == "param":
            key, sign, own = value.partition("=")
            if not sign or not key:
                raise choice.wrong("param", value, "NAME=VALUE")
            yield key, own


@contextmanager
def limited(connection: Connection, seconds: float) -> Iterator[None]:
    """Interrupt what a connection runs after some seconds.

    Raises:
        TooLong: The time is over.
    """
    raw = connection.raw
    done = threading.Event()
    expired = threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        expired.set()
        while not done.wait(0.2):  # an interrupt between two statements does nothing
            raw.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except (duckdb.Error, KeyboardInterrupt):
        if expired.is_set():
            raise TooLong(
                f"This takes longer than {seconds:g} s.",
                "Choose a shorter period, or use the command line.",
            ) from None
        raise
    finally:
        done.set()
        watcher.join()


def _download(path: Path, style: str, name: str) -> Response:
    safe = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)[:80]
    return FileResponse(
        path,
        media_type=TYPES[style],
        filename=f"{safe}.{style}",
        content_disposition_type="inline" if style == "json" else "attachment",
        background=BackgroundTask(path.unlink),
    )


def job_path(account: str, region: str, name: str) -> str:
    """Return the address of a job."""
    return "/jobs/" + "/".join(quote(part, safe="") for part in (account, region, name))


def redirect(path: str) -> Response:
    """Return a redirection that a browser follows with GET."""
    return RedirectResponse(path, 303)


def _drawn(found: job.JobReport, now: datetime) -> timeline.Timeline:
    names = [column.name for column in found.chain.columns]
    chain = [dict(zip(names, row, strict=True)) for row in found.chain.rows]
    # What still runs is known to run until then.
    until = min(found.facts["data_as_of"] or now, now)
    return timeline.draw(timeline.steps(found.facts, chain), until)


def _chain(found: job.JobReport) -> Result:
    """Return the jobs on the pool without the column that only programs need."""
    part = found.chain
    return replace(part, columns=part.columns[:-1], rows=[row[:-1] for row in part.rows])


def _console(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and addresses of the job in the console of AWS; none if AWS has it no more."""
    partition = str(facts["training_job_arn"]).split(":")[1:2]
    domain = _CONSOLES.get(partition[0] if partition else "")
    if domain is None or facts["deleted_at"] is not None:
        return []
    region, name = quote(facts["region"], safe=""), quote(facts["training_job_name"], safe="")
    base = f"https://{region}.{domain}"
    logs = "log-groups/log-group/$252Faws$252Fsagemaker$252FTrainingJobs"
    return [
        ("SageMaker console", f"{base}/sagemaker/home?region={region}#/jobs/{name}"),
        (
            "CloudWatch logs",
            f"{base}/cloudwatch/home?region={region}#logsV2:{logs}$3FlogStreamNameFilter$3D{name}",
        ),
    ]


def _bars(result: Result | None) -> list[str]:
    """Return the length of each row's bar in percent; nothing if the report has no bar."""
    if result is None or not result.bar:
        return []
    index = [column.name for column in result.columns].index(result.bar)
    amounts = [row[index] or 0 for row in result.rows]
    most = max(amounts, default=0)
    if most <= 0:
        return []
    return [f"{max(0, float(100 * amount / most)):.1f}" for amount in islice(amounts, MOST_ROWS)]


def _cell(value: object) -> str | None:
    """Return a value of JSON for a cell."""
    from exporter.reports.values import to_json

    if value is None:
        return None
    text = value if isinstance(value, str) else to_json(value)
    return text if len(text) <= _CELL else f"{text[:_CELL]}…"


@cache
def _documented() -> list[Relation]:
    return [each for each in relations() if each.kind != "internal view"]
