"""`report`: the canned reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from exporter.cli.app import App, app_of
from exporter.cli.options import Many, Month, Number, Time
from exporter.cli.results import printing, result_options, style_of
from exporter.cli.root import Command
from exporter.errors import PartialError, UsageError

if TYPE_CHECKING:
    from exporter.reports.catalogue import Report
    from exporter.reports.result import Result
    from exporter.reports.running import Request

#: Options that mean nothing to the list of reports.
_OF_A_REPORT: Final = {"month", "since", "until", "by", "param", "sql", "fail_over"}

EPILOG = """\b
Examples:
  sagemaker-exporter report                      list the reports
  sagemaker-exporter report warm-pool-cost --help
  sagemaker-exporter report warm-pool-cost --month 2026-10 --by family
  sagemaker-exporter report training-cost --since 30d --by tag:Project
  sagemaker-exporter report warm-pool-cost --by day --fail-over 100
  sagemaker-exporter report job-history my-training-job
  sagemaker-exporter report warm-pool-cost --sql | duckdb sagemaker.duckdb
"""


class _Report(Command):
    """Whose --help, after a report's name, is that report's own."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The --help option, processed after the name."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.is_eager = False
        return option

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of the command, or of the report that was named."""
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


@click.command(cls=_Report, epilog=EPILOG)
# Eager, so that --help knows it (click reads options before arguments).
@click.argument("name", required=False, metavar="[NAME]", is_eager=True, shell_complete=_complete)
@click.argument("argument", required=False, metavar="[ARG]")
@click.option("--month", type=Month(), metavar="YYYY-MM", help="A calendar month, UTC.")
@click.option("--since", type=Time(), metavar="TIME", help="From this UTC day on: 2026-10-01, 30d.")
@click.option(
    "--until", type=Time(), metavar="TIME", help="Up to and without this UTC day. Default: all."
)
@click.option(
    "--by",
    cls=Many,
    metavar="DIMENSION",
    help="day, month, instance_type, region, account, family, team or tag:KEY; repeatable.",
)
@click.option(
    "--param", cls=Many, metavar="NAME=VALUE", help="A parameter of the report; repeatable."
)
@click.option("--sql", is_flag=True, help="Print the SQL with its values, ready to paste.")
@click.option(
    "--fail-over",
    type=Number(),
    metavar="USD",
    help="Exit 3 when the report's total is above this, after printing it.",
)
@result_options
@click.pass_context
def report(
    ctx: click.Context,
    *,
    name: str | None,
    argument: str | None,
    month: date | None,
    since: datetime | None,
    until: datetime | None,
    by: Sequence[str],
    param: Sequence[str],
    sql: bool,
    fail_over: Decimal | None,
    format: str,
    json: bool,
    output: Path | None,
) -> None:
    """Run a canned report; without a name, list them.

    The period is this month and the last unless --month, --since or --until say otherwise; days
    are UTC days. Notes on what a total leaves out stand under it. `report NAME --help` tells
    what a report shows and which parameters it has.
    """
    from exporter.reports import periods, running
    from exporter.reports.catalogue import find

    app = app_of(ctx)
    style = style_of(format, json=json)
    if name is None:
        if lost := _flags(ctx) & _OF_A_REPORT:
            raise UsageError(f"--{min(lost).replace('_', '-')} goes with the name of a report.")
        with printing(app, style, output) as show:
            show(_listing())
        return
    chosen = find(name)
    unfit = _unfit(ctx, chosen)
    month = None if "month" in unfit else month
    since = None if "since" in unfit else since
    until = None if "until" in unfit else until
    fail_over = None if "fail_over" in unfit else fail_over
    period = None
    if chosen.period or month or since or until:
        period = periods.choose(
            month=month, since=since, until=until, today=app.now.date(), kind=chosen.period
        )
    request = running.Request(
        period=period, by=() if "by" in unfit else by, params=_parameters(param), argument=argument
    )
    if sql:
        from exporter.reports.output import target

        with target(output) as stream:
            stream.write(running.statement(chosen, request).with_literals().encode())
        return
    if fail_over is not None and not chosen.limit:
        raise UsageError(f"The report {chosen.name} has no total for --fail-over.")
    with printing(app, style, output) as show:
        result = _run(app, chosen, request)
        show(result)
    if fail_over is not None:
        _check_limit(chosen, result, fail_over)


def _flags(ctx: click.Context) -> set[str]:
    return {
        name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _unfit(ctx: click.Context, chosen: Report) -> set[str]:
    """Options that the file or the environment set for all reports and this one does not take.

    A flag that does not fit is the user's mistake and is told; a standing default is none.
    """
    flags = _flags(ctx)
    unfit = set()
    if not chosen.period or "month" in flags:
        unfit |= {"since", "until"}
    if not chosen.period or flags & {"since", "until"}:
        unfit.add("month")
    if not chosen.by:
        unfit.add("by")
    if not chosen.limit:
        unfit.add("fail_over")
    return unfit - flags


def _run(app: App, chosen: Report, request: Request) -> Result:
    from exporter.reports import running

    running.statement(chosen, request)  # a wrong option is told before the file is opened
    with app.database().reading() as connection:
        return running.run(connection, chosen, request)


def _parameters(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UsageError(f"--param {text!r}: expected NAME=VALUE.")
        found[name] = value
    return found


def _check_limit(chosen: Report, result: Result, most: Decimal) -> None:
    if result.totals is None:
        return
    names = [column.name for column in result.columns]
    total = result.totals[names.index(chosen.limit)]
    if total is not None and total > most:
        from exporter.reports.values import money

        raise PartialError(
            f"{chosen.limit} is {money(total)} USD: over the limit of {money(most)} USD."
        )


def _listing() -> Result:
    from exporter.reports.catalogue import catalogue
    from exporter.reports.result import Column, Result

    return Result(
        columns=(Column("report"), Column("shows")),
        rows=[(item.name, item.title) for item in catalogue().values()],
    )


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
            formatter.write_text(f"{', '.join(chosen.by)}, unless --by says otherwise")
    with formatter.section("Columns"):
        formatter.write_dl([(item.name, item.note) for item in chosen.columns.values()])
    if chosen.examples:
        with formatter.section("Examples"):
            for example in chosen.examples:  # not wrapped: they are to be pasted
                formatter.write(f"  sagemaker-exporter report {chosen.name} {example}\n")


def _default(value: object, required: bool) -> str:
    if required:
        return "required"
    return "default: none" if value is None else f"default: {value}"
