"""Notes below a report: what its total excludes, which prices it uses, and how fresh it is.

The SQL of a report has the mark `/*notes*/` in its select list. `FIGURES` replaces the mark, so
the total row also has the figures for the notes. They cover exactly the rows that were added up,
and take no second pass over the costs. The query with the mark must have the columns of
daily_costs in scope, under their names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Final

from exporter.reports.periods import Period, midnight
from exporter.reports.result import Note
from exporter.reports.source import Source
from exporter.reports.values import money
from exporter.spelling import is_python, named, param
from exporter.text import counted, did_you_mean, last_runs, short_hash
from exporter.times import format_age, format_time

MARK: Final = "/*notes*/ /*end*/"
PREFIX: Final = "note_"
#: A collector that misses this many of its publishes is silent.
SILENT_AFTER: Final = 3
#: Whoever publishes every few minutes may pause as long as this.
_SHORTEST_SILENCE: Final = timedelta(hours=1)
#: Seconds between two publishes while no collector has published twice.
_NO_RHYTHM: Final = 86_400
#: Accounts and regions that a note names.
_PLACES: Final = 3
_SEEN: Final = re.compile(r"shipped list: (\d{4}-\d\d-\d\d),")

#: Why a cost is NULL, by its basis.
UNKNOWN: Final = {
    "other currency": (
        "it is in CNY or EUR (see other_currencies in `report training-cost` and "
        "`report warm-pool-cost`)"
    ),
    "no price": "there is no price (run `report coverage`, then `prices import FILE`)",
    "no details": "the details are not fetched yet (run `sync`)",
    "unknown seconds": (
        "AWS has not reported billable seconds (the next `sync` asks again unless the job was "
        "deleted)"
    ),
    "training plan": "training plans are not billed on demand",
    "serverless": "serverless jobs are not billed by instance",
}
_OWN_RATES: Final = (
    "If you pay less, set a [[discount]], or use your own rates: `prices import` or "
    "`reconcile --keep`."
)


def _figure(basis: str) -> str:
    return PREFIX + basis.replace(" ", "_")


#: Columns of the select list that replace the mark. The reasons count rows and not jobs: every
#: count of distinct jobs would take as long as the report itself.
FIGURES: Final = ",\n" + ",\n".join(
    [
        "    sum(cost_usd) FILTER (WHERE price_source LIKE 'shipped list%' "
        f"AND price_source NOT LIKE '%, less %') AS {PREFIX}list",
        "    sum(cost_usd) FILTER (WHERE price_source LIKE 'shipped list%, less %') "
        f"AS {PREFIX}discounted",
        f"    sum(cost_usd) FILTER (WHERE cost_basis = 'estimated') AS {PREFIX}estimated",
        # The day on which somebody saw the price follows `shipped list: `, so the first is oldest.
        "    min(price_source) FILTER (WHERE price_source LIKE 'shipped list%' "
        f"AND cost_basis = 'estimated') AS {PREFIX}oldest_list_price",
        f"    sum(cost_usd) FILTER (WHERE cost_basis = 'accruing') AS {PREFIX}accruing",
        *(
            f"    count(*) FILTER (WHERE cost_basis = '{basis}') AS {_figure(basis)}"
            for basis in UNKNOWN
        ),
    ]
)


def of_total(total: Mapping[str, Any], period: Period | None = None) -> Iterator[Note]:
    """Yield the notes on a total.

    Args:
        total: The total row with the columns of `FIGURES` and `unpriced_jobs`; without these
            columns there are no notes.
        period: The days of the report, for the age of the prices; None = it has no period.
    """
    reasons = {basis: why for basis, why in UNKNOWN.items() if total.get(_figure(basis))}
    if reasons:
        jobs = total.get("unpriced_jobs")
        number = "some jobs" if jobs is None else counted(jobs, "job")
        yield Note(
            "unpriced",
            f"Excludes all or part of the cost of {number}: {'; '.join(reasons.values())}.",
            tuple(reasons),
        )
    if amount := _amount(total, "accruing"):
        yield Note("accruing", f"Includes {amount} USD from jobs or pools that are still running.")
    if amount := _amount(total, "estimated"):
        yield Note(
            "estimated",
            f"Includes {amount} USD estimated at a price from another date."
            f"{_age_of_list_price(total, period)} For exact amounts, import the prices of that "
            "time with `prices import FILE`.",
        )
    if amount := _amount(total, "list"):
        yield Note("list_prices", f"Includes {amount} USD at public list prices. {_OWN_RATES}")
    if amount := _amount(total, "discounted"):
        yield Note(
            "discounted",
            f"Includes {amount} USD at public list prices, less the configured discount.",
        )


def _age_of_list_price(total: Mapping[str, Any], period: Period | None) -> str:
    """Return a sentence on the oldest list price in an estimated total; empty = there is none."""
    source: str | None = total.get(PREFIX + "oldest_list_price")
    found = _SEEN.match(source or "")
    if found is None:
        return ""
    seen = date.fromisoformat(found[1])
    days = (period.until - seen).days if period else 0
    age = f", {counted(days, 'day')} before the end of the period" if days > 0 else ""
    return f" The oldest list price in it was seen on {seen}{age}."


def _amount(figures: Mapping[str, Any], name: str) -> str:
    amount: Decimal | None = figures.get(PREFIX + name)
    return money(amount) if amount else ""


def of_minutes(values: Mapping[str, Any]) -> Iterator[Note]:
    """Yield a note that names what a report takes a minute without waiting to be worth.

    Args:
        values: The parameters of the report.
    """
    if values.get("minute_usd") is not None:
        yield Note(
            "minute_usd",
            f"Counts a minute that nobody has to wait as {money(values['minute_usd'])} USD. "
            f"To change it, use `{param('minute_usd', 'USD')}`"
            f"{'' if is_python() else ', or `param` in [report] of the configuration'}.",
        )


#: The keys of tags, the one that most jobs have first.
_TAG_KEYS: Final = """
WITH keys AS (
    -- One row per job and key of its tags.
    SELECT unnest(json_keys(tags)) AS key
    FROM training_job_details
)

SELECT
    key,
    count(*) AS jobs
FROM keys
GROUP BY key
ORDER BY jobs DESC, key
"""
_KEYS_NAMED: Final = 10


def of_groups(connection: Source, empty: Sequence[str]) -> Iterator[Note]:
    """Yield a note per dimension in which no row has a value, on what there is instead.

    Args:
        connection: A read-only connection.
        empty: These dimensions, as --by names them.
    """
    tags = [name.removeprefix("tag:") for name in empty if name.startswith("tag:")]
    keys: list[str] = list(connection.execute(_TAG_KEYS).scalars()) if tags else []
    for tag in tags:
        if tag in keys:  # of jobs that the report does not cover
            continue
        known = ", ".join(keys[:_KEYS_NAMED])
        more = f" and {len(keys) - _KEYS_NAMED:,} more" if len(keys) > _KEYS_NAMED else ""
        there = f"Tags of jobs: {known}{more}." if keys else "No job has tags."
        yield Note("no_such_tag", f"No job has the tag {tag!r}.{did_you_mean(tag, keys)} {there}")
    if "team" in empty:
        yield Note(
            "no_teams",
            "No job has a team. Name the tag that has it with `team_tag`, or write [[team]] rules, "
            "then run `config apply`: see docs/configuration.md.",
        )


def of_prices(connection: Source) -> Iterator[Note]:
    """Yield a note if public list prices apply to instance types in use.

    Reports with one row per job use this note: their total does not split amounts by price source.
    """
    listed = connection.execute(
        """
            SELECT EXISTS (
                SELECT 1
                FROM training_job_details AS detail
                SEMI JOIN (
                    SELECT region, instance_type
                    FROM rates
                    WHERE price_source LIKE 'shipped list%' AND discount_percent IS NULL
                ) AS listed
                    -- The region comes from the ARN, which saves a join with all jobs.
                    ON
                        detail.instance_type = listed.instance_type
                        AND split_part(detail.training_job_arn, ':', 4) = listed.region
            )
            """
    ).scalar()
    if listed:
        yield Note("list_prices", f"Some amounts use public list prices. {_OWN_RATES}")


def of_freshness(connection: Source, period: Period | None) -> Iterator[Note]:
    """Yield notes on scopes that are out of date, failed or incomplete in a period."""
    scopes = connection.execute(
        """
            SELECT
                scopes.account_id || '/' || scopes.region AS scope,
                fresh.data_as_of,
                scopes.last_error,
                scopes.failing_runs,
                scopes.discovered_from
            FROM sync_scopes AS scopes
            LEFT JOIN data_as_of AS fresh USING (account_id, region)
            WHERE scopes.retired_at IS NULL
            ORDER BY scopes.account_id, scopes.region
            """
    ).all()
    if not scopes:
        yield _of_no_scope(connection)
    for scope in scopes:
        yield from _of_scope(scope, period)
    times: list[datetime] = [scope.data_as_of for scope in scopes if scope.data_as_of is not None]
    if times and (period is None or min(times) < midnight(period.until)):
        yield Note("as_of", f"Data as of {format_time(min(times).replace(microsecond=0))}.")


def of_collectors(
    connection: Source,
    now: datetime,
    account: str | None = None,
    region: str | None = None,
) -> Iterator[Note]:
    """Yield a note for each collector of a lake that has fallen silent; none for a file.

    A collector is silent if it has published nothing for `SILENT_AFTER` times as long as it usually
    takes, or as the others usually take if it has published once only.

    Args:
        connection: A connection to a lake or a file.
        now: The current time.
        account: Only collectors of this account; None = of all.
        region: Only collectors of this region; None = of all.
    """
    found = connection.execute(
        "SELECT collector, account_id, region, published_at, usual_seconds "
        "FROM internal.collectors ORDER BY collector, account_id, region"
    ).all()
    collectors: dict[str, list[Any]] = defaultdict(list)
    for row in found:
        collectors[row.collector].append(row)
    rhythms = _rhythms(collectors)
    for name, rows in collectors.items():
        places = [
            f"{row.account_id}/{row.region}"
            for row in rows
            if account in (None, row.account_id) and region in (None, row.region)
        ]
        silent = _silence(rows, rhythms[name], now)
        if not places or silent is None:
            continue
        more = f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
        yield Note(
            "silent_collector",
            f"The collector {name} ({', '.join(places[:_PLACES])}{more}) has published nothing "
            f"for {format_age(silent)}; usually it does every {format_age(rhythms[name])}.",
        )


def _rhythms(collectors: Mapping[str, Sequence[Any]]) -> dict[str, timedelta]:
    """Return how often each collector publishes; as often as the others if it did so once."""
    usual = {name: max(row.usual_seconds or 0 for row in rows) for name, rows in collectors.items()}
    known = [seconds for seconds in usual.values() if seconds]
    others = median(known) if known else _NO_RHYTHM
    return {name: timedelta(seconds=seconds or others) for name, seconds in usual.items()}


def _silence(rows: Sequence[Any], rhythm: timedelta, now: datetime) -> timedelta | None:
    """Return for how long a collector has published nothing; None = it is not silent."""
    times = [row.published_at for row in rows if row.published_at is not None]
    if not times:
        return None
    silent: timedelta = now - max(times)
    return silent if silent > max(SILENT_AFTER * rhythm, _SHORTEST_SILENCE) else None


def state(connection: Source) -> str:
    """Return a text that changes with every publish that a connection to a lake shows."""
    rows = connection.execute(
        "SELECT DISTINCT collector, sequence FROM internal.collectors ORDER BY ALL"
    )
    return short_hash(repr([tuple(row) for row in rows]))


def _of_no_scope(connection: Source) -> Note:
    if connection.execute("SELECT EXISTS (FROM training_jobs)").scalar():
        return Note(
            "one_off",
            "Only syncs with a filter have filled this database, so jobs may be missing. "
            "Run `sync` without a filter.",
        )
    return Note("empty", "Nothing has been synced into this database yet. Run `sync`.")


def _of_scope(scope: Any, period: Period | None) -> Iterator[Note]:  # noqa: ANN401 - a row
    if scope.last_error:
        runs = last_runs(scope.failing_runs)
        yield Note("failed_scope", f"{scope.scope} failed in its {runs}: {scope.last_error}")
    if scope.data_as_of is None:
        yield Note(
            "incomplete_scope", f"{scope.scope} has never been synced completely. Run `sync`."
        )
    if period and scope.discovered_from and scope.discovered_from.date() > period.since:
        yield Note(
            "late_start",
            f"{scope.scope} has no jobs from before {format_time(scope.discovered_from)}. "
            f"To add them, run `sync` with an earlier `{named('since')}`.",
        )
