"""`report`: the canned reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from exporter.cli.app import App, app_of
from exporter.cli.options import Value, options
from exporter.cli.results import Output, printing
from exporter.cli.root import Command
from exporter.config.kinds import MONTH, NUMBER, STRING, TEXT, TIME, one_of
from exporter.config.model import lake
from exporter.config.options import option
from exporter.errors import UsageError

if TYPE_CHECKING:
    from exporter.reports.catalogue import Report
    from exporter.reports.result import Result
    from exporter.reports.running import Request

EPILOG = """\b
Examples:
  sagemaker-exporter report                      list the reports
  sagemaker-exporter report warm-pool-cost --help
  sagemaker-exporter report warm-pool-cost --month last --by family
  sagemaker-exporter report training-cost --since 30d --by tag:Project
  sagemaker-exporter report warm-pool-cost --by day --fail-over 100
  sagemaker-exporter report job-history my-training-job
  sagemaker-exporter report summary --format markdown
  sagemaker-exporter report warm-pool-cost --sql | duckdb sagemaker.duckdb
  sagemaker-exporter report warm-pool-cost --lake s3://lake/sagemaker
"""


class _Report(Command):
    """The command `report`: `report NAME --help` describes that report."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return a --help option that click processes after the name of the report."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.is_eager = False
        return option

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of the named report; without a name, the help of the command."""
        name = ctx.params.get("name")
        if not isinstance(name, str):
            super().format_help(ctx, formatter)
            return
        from exporter.reports.catalogue import find

        _describe(find(name), formatter)
        self.format_options(ctx, formatter)


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from exporter.reports.catalogue import catalogue

    return [
        CompletionItem(item.name, help=item.title)
        for item in catalogue().values()
        if item.name.startswith(incomplete)
    ]


@dataclass(frozen=True)
class ReportOptions:
    """The options of `report`, without those that say how to print."""

    month: date | None = option(None, "A calendar month, UTC: 2026-10, this, last.", MONTH)
    since: datetime | None = option(
        None, "Start date, UTC, inclusive: 2026-10-01, 30d, yesterday.", TIME
    )
    until: datetime | None = option(None, "End date, UTC, exclusive. Default: no end date.", TIME)
    by: tuple[str, ...] = option(
        (),
        "Group by day, month, instance_type, region, account, family, team or tag:KEY; repeatable.",
        STRING,
        "DIMENSION",
    )
    param: tuple[str, ...] = option(
        (),
        "Set a parameter of the report; repeatable.",
        STRING,
        "NAME=VALUE",
    )
    basis: str = option(
        "net", "Costs at what was paid, or at public list prices.", one_of(("list", "net"))
    )
    notify: tuple[str, ...] = option(
        (),
        "Send the report summary to this URL of Apprise (chat, mail, webhook); repeatable.",
        TEXT,
        "URL",
        secret=True,
    )
    lake: str | None = lake()
    remote: str | None = option(
        None,
        "Run the report on this Spark Connect server, over --lake: sc://HOST:PORT.",
        TEXT,
        "URI",
        secret=True,
    )
    sql: bool = option(False, "Print the SQL with its values, ready to paste.")
    fail_over: Decimal | None = option(
        None,
        "Exit 3 if the total of the report, with parts not known, could be over this.",
        NUMBER,
        "USD",
    )

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the report.

        Raises:
            UsageError: One is not NAME=VALUE.
        """
        found = {}
        for text in self.param:
            name, sign, value = text.partition("=")
            if not sign or not name:
                raise UsageError(f"--param {text!r}: expected NAME=VALUE.")
            found[name] = value
        return found


@click.command(cls=_Report, epilog=EPILOG)
# Eager, so that --help knows the name (click reads options before arguments).
@click.argument(
    "name",
    required=False,
    type=Value(STRING),
    metavar="[NAME]",
    is_eager=True,
    shell_complete=_complete,
)
@click.argument("argument", required=False, type=Value(STRING), metavar="[ARG]")
@options(wanted=ReportOptions, output=Output)
@click.pass_context
def report(
    ctx: click.Context,
    name: str | None,
    argument: str | None,
    wanted: ReportOptions,
    output: Output,
) -> None:
    """Run a canned report; without a name, list the reports.

    The period is this month and the last one, unless --month, --since or --until changes it. Days
    are UTC days. Notes below the table say what a total leaves out. `report NAME --help` describes
    a report and its parameters.
    """
    from exporter.commands import report as commands
    from exporter.reports.catalogue import find

    app = app_of(ctx)
    if name is None:
        if unused := _flags(ctx) & {field.name for field in fields(ReportOptions)}:
            raise UsageError(f"--{min(unused).replace('_', '-')} needs the name of a report.")
        with printing(app, output) as show:
            show(commands.all_reports())
        return
    chosen = find(name)
    wanted = _without_unsupported_defaults(ctx, chosen, wanted)
    request = _request(app, chosen, wanted, argument)
    if wanted.sql:
        if wanted.remote is not None:
            raise UsageError("--sql prints the SQL of DuckDB: leave out --remote.")
        if "notify" in _flags(ctx):
            raise UsageError("--sql runs no report, so --notify has nothing to send.")
        _print_sql(chosen, request, wanted.basis, output)
        return
    if wanted.fail_over is not None:
        commands.check_has_total(chosen)
    if wanted.notify:
        _check_receivers(chosen, wanted.notify)
    with printing(app, output) as show:
        result = commands.run(
            app.database(),
            chosen,
            request,
            basis=wanted.basis,
            lake=wanted.lake,
            remote=wanted.remote,
        )
        show(result)
    if wanted.notify:
        _send(result, wanted.notify)
    if wanted.fail_over is not None:
        commands.check_limit(chosen, result, wanted.fail_over)


def _request(app: App, chosen: Report, wanted: ReportOptions, argument: str | None) -> Request:
    from exporter.commands.report import choose_period
    from exporter.reports import running

    return running.Request(
        period=choose_period(
            chosen,
            month=wanted.month,
            since=wanted.since,
            until=wanted.until,
            today=app.now.date(),
        ),
        by=wanted.by,
        params=wanted.parameters(),
        argument=argument,
        now=app.now,
    )


def _check_receivers(chosen: Report, urls: Sequence[str]) -> None:
    from exporter import notify

    if not chosen.prose:
        raise UsageError(f"The report {chosen.name} cannot be sent: --notify is for summary.")
    notify.check(urls)


def _send(result: Result, urls: Sequence[str]) -> None:
    from exporter import notify
    from exporter.reports.rendering import write_markdown

    message = StringIO()
    write_markdown(result, message)
    notify.send(urls, f"SageMaker: {result.title.lower()}", message.getvalue())


def _print_sql(chosen: Report, request: Request, basis: str, output: Output) -> None:
    from exporter.prices.basis import LIST, LIST_PRICES
    from exporter.reports import running
    from exporter.reports.output import target

    prefix = "".join(f"{each};\n" for each in LIST_PRICES) if basis == LIST else ""
    with target(output.path) as stream:
        stream.write(prefix.encode())
        stream.write(running.statement(chosen, request).with_literals().encode())


def _flags(ctx: click.Context) -> set[str]:
    """Return the names of the parameters that the user gave on the command line."""
    return {
        name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _without_unsupported_defaults(
    ctx: click.Context, chosen: Report, wanted: ReportOptions
) -> ReportOptions:
    """Return the options without those that the report does not support, unless they are flags.

    The file and the environment set options for all reports, so this report ignores what does not
    apply to it. An unsupported flag is the user's mistake: it stays, and raises an error later.
    """
    flags = _flags(ctx)
    unsupported = set()
    if not chosen.period or "month" in flags:
        unsupported |= {"since", "until"}
    if not chosen.period or flags & {"since", "until"}:
        unsupported.add("month")
    if not chosen.by:
        unsupported.add("by")
    if not chosen.limit_column:
        unsupported.add("fail_over")
    if not chosen.prose:
        unsupported.add("notify")
    unset = ReportOptions()
    kept = replace(wanted, **{name: getattr(unset, name) for name in unsupported - flags})
    if "param" in flags:
        return kept
    known = (text for text in kept.param if text.partition("=")[0] in chosen.parameters)
    return replace(kept, param=tuple(known))


def _describe(chosen: Report, formatter: click.HelpFormatter) -> None:
    formatter.write_usage("sagemaker-exporter report", f"{chosen.name} [OPTIONS]")
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(f"{chosen.title}.")
        formatter.write_paragraph()
        formatter.write_text(chosen.description)
    if chosen.parameters:
        with formatter.section("Parameters (--param NAME=VALUE)"):
            formatter.write_dl(
                [
                    (item.name, f"{item.note} ({_default(item.default, item.required)})")
                    for item in chosen.parameters.values()
                ]
            )
    if chosen.by:
        with formatter.section("Grouped by"):
            formatter.write_text(f"{', '.join(chosen.by)}, unless you give --by")
    with formatter.section("Columns"):
        formatter.write_dl([(item.name, item.note) for item in chosen.columns.values()])
    if chosen.examples:
        with formatter.section("Examples"):
            for example in chosen.examples:  # not wrapped, because people paste them
                formatter.write(f"  sagemaker-exporter report {chosen.name} {example}\n")


def _default(value: object, required: bool) -> str:
    if required:
        return "required"
    return "default: none" if value is None else f"default: {value}"
