"""warm-pool-cost and training-cost: sums, groups and notes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from exporter.errors import UsageError

if TYPE_CHECKING:
    from tests.reports.conftest import Bench

CREATED = datetime(2026, 10, 3, 12, tzinfo=UTC)

POOL, POOL_DISK = "Training Warm Pool", "Training Warm Pool ML storage"
TRAIN, DISK = "Training", "Training ML storage"


def test_pools_are_compared_with_the_training_of_their_jobs(bench: Bench) -> None:
    bench.scope()
    bench.cost("a-1", POOL, "43", instance_hours=Decimal("167.301"))
    bench.cost("a-1", POOL_DISK, "1.04")
    bench.cost("a-2", POOL, "0.005", instance_hours=Decimal("0.02"))
    bench.cost("a-1", TRAIN, "11.31", instance_hours=Decimal("44.015"))
    bench.cost("a-1", DISK, "0.30")
    bench.cost("b-1", TRAIN, "5", instance_type="ml.g5.xlarge")

    result = bench.run("warm-pool-cost")

    m5 = {
        "month": "2026-10",
        "instance_type": "ml.m5.xlarge",
        "jobs": 2,
        "instance_hours": Decimal("167.321"),
        "storage_usd": Decimal("1.04"),
        "cost_usd": Decimal("44.045"),
        "other_currencies": None,
        "unpriced_jobs": 0,
        "training_usd": Decimal("11.61"),
        "times_training": pytest.approx(44.045 / 11.61),
    }
    g5 = {
        "month": "2026-10",
        "instance_type": "ml.g5.xlarge",
        "jobs": 0,
        "instance_hours": None,
        "storage_usd": None,
        "cost_usd": None,
        "other_currencies": None,
        "unpriced_jobs": 0,
        "training_usd": Decimal(5),
        "times_training": None,
    }
    assert bench.rows(result) == [m5, g5]
    assert bench.total(result) == m5 | {
        "month": None,
        "instance_type": None,
        "training_usd": Decimal("16.61"),
        "times_training": pytest.approx(44.045 / 16.61),
    }
    assert result.notes == ()


def test_unknown_costs_are_counted_and_never_zero(bench: Bench) -> None:
    bench.scope()
    bench.cost("a-1", POOL, None, cost_basis="no price", price_source=None)
    bench.cost("a-1", POOL_DISK, "1.50")
    bench.cost("a-2", POOL, None, cost_basis="no details", instance_hours=None)
    bench.cost("a-3", TRAIN, None, cost_basis="training plan")

    result = bench.run("warm-pool-cost", by=["family"])

    assert bench.rows(result) == [
        {
            "family": "a",
            "jobs": 2,
            "instance_hours": Decimal(1),
            "storage_usd": Decimal("1.5"),
            "cost_usd": Decimal("1.5"),
            "other_currencies": None,
            "unpriced_jobs": 2,
            "training_usd": None,
            "times_training": None,
        }
    ]
    (note,) = result.notes
    assert (note.code, note.reasons) == ("unpriced", ("no price", "no details"))
    assert note.text == (
        "Excludes all or part of the cost of 2 jobs: there is no price (run `report coverage`, "
        "then `prices import FILE`); the details are not fetched yet (run `sync`)."
    )
    training = bench.run("training-cost")
    assert bench.total(training)["cost_usd"] is None
    assert bench.total(training)["unpriced_jobs"] == 1
    assert [note.text for note in training.notes] == [
        "Excludes all or part of the cost of 1 job: training plans are not billed on demand."
    ]


def test_the_end_date_of_a_period_is_exclusive(bench: Bench) -> None:
    bench.scope()
    for day in (date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 1)):
        bench.cost(f"a-{day}", TRAIN, "1", usage_date=day)

    by_day = bench.run("training-cost", by=["day"])

    assert [(row["day"], row["cost_usd"]) for row in bench.rows(by_day)] == [
        (date(2026, 10, 1), Decimal(1)),
        (date(2026, 10, 31), Decimal(1)),
    ]


def test_a_job_on_two_days_is_one_job_in_the_total(bench: Bench) -> None:
    bench.scope()
    bench.cost("a-1", TRAIN, "1", usage_date=date(2026, 10, 3))
    bench.cost("a-1", TRAIN, "2", usage_date=date(2026, 10, 4))

    result = bench.run("training-cost", by=["day"])

    assert [row[1] for row in result.rows] == [1, 1]
    assert bench.total(result)["jobs"] == 1


def test_the_same_arn_created_again_is_another_job(bench: Bench) -> None:
    bench.scope()
    bench.cost("a-1", TRAIN, "1")
    bench.cost("a-1", TRAIN, "1", creation_time=CREATED + timedelta(hours=1))

    assert bench.total(bench.run("training-cost"))["jobs"] == 2


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("day", {"day": date(2026, 10, 3)}),
        ("month", {"month": "2026-10"}),
        ("instance_type", {"instance_type": "ml.m5.xlarge"}),
        ("region", {"region": "eu-west-1"}),
        ("account", {"account": "123456789012", "account_name": "prod"}),
        ("family", {"family": "a"}),
        ("team", {"team": "vision"}),
        ("tag:cost/center~1", {"tag:cost/center~1": "42"}),
        ('tag:it\'s "$.x"', {'tag:it\'s "$.x"': "odd"}),
        ("tag:none", {"tag:none": None}),
    ],
)
@pytest.mark.parametrize("report", ["training-cost", "warm-pool-cost"])
def test_costs_group_by_every_dimension(
    bench: Bench, report: str, by: str, expected: dict[str, object]
) -> None:
    bench.scope()
    more = {
        "account_name": "prod",
        "team": "vision",
        "tags": '{"cost/center~1": "42", "it\'s \\"$.x\\"": "odd"}',
    }
    bench.cost("a-1", TRAIN, "2", **more)
    bench.cost("a-1", POOL, "2", **more)

    result = bench.run(report, by=[by])

    (row,) = bench.rows(result)
    assert {name: row[name] for name in expected} == expected
    assert row["cost_usd"] == bench.total(result)["cost_usd"] == Decimal(2)


def test_days_are_in_order_and_other_groups_by_cost(bench: Bench) -> None:
    bench.scope()
    bench.cost("cheap-1", TRAIN, "1", usage_date=date(2026, 10, 2))
    bench.cost("dear-1", TRAIN, "9", usage_date=date(2026, 10, 2))
    bench.cost("unknown-1", TRAIN, None, usage_date=date(2026, 10, 2))
    bench.cost("first-1", TRAIN, "3", usage_date=date(2026, 10, 1))

    result = bench.run("training-cost", by=["family", "day"])

    assert [row["family"] for row in bench.rows(result)] == ["first", "dear", "cheap", "unknown"]


def test_notes_say_what_a_total_rests_on(bench: Bench) -> None:
    bench.scope()
    bench.cost("a-1", POOL, "10", price_source="shipped list: 2026-11-01")
    bench.cost("a-2", POOL, "2.5", cost_basis="accruing")
    bench.cost("a-3", POOL, "1.25", cost_basis="estimated", price_source="Price List API")
    bench.cost("a-4", TRAIN, "99", price_source="shipped list: 2026-11-01")
    bench.cost("a-5", POOL, "0.75", price_source="shipped list: 2026-11-01, less 12.5 %")

    notes = {note.code: note.text for note in bench.run("warm-pool-cost").notes}

    assert set(notes) == {"accruing", "discounted", "estimated", "list_prices"}
    assert notes["discounted"] == (
        "Includes 0.75 USD at public list prices, less the configured discount."
    )
    assert notes["accruing"].startswith("Includes 2.50 USD ")
    assert notes["estimated"].startswith("Includes 1.25 USD ")
    assert notes["list_prices"].startswith("Includes 10.00 USD ")


def test_the_note_on_estimates_says_how_old_the_oldest_list_price_is(bench: Bench) -> None:
    bench.scope()
    for job, source in (
        ("a-1", "shipped list: 2024-01-17, rse-grand-challenge, less 10 %"),
        ("a-2", "shipped list: 2023-12-31, aws-samples"),
        ("a-3", "Price List API"),
    ):
        bench.cost(job, POOL, "1", cost_basis="estimated", price_source=source)
    # A price that is not an estimate has no say.
    bench.cost("a-4", POOL, "1", price_source="shipped list: 2020-01-01, somebody")

    notes = {note.code: note.text for note in bench.run("warm-pool-cost").notes}

    assert notes["estimated"] == (
        "Includes 3.00 USD estimated at a price from another date. The oldest list price in it "
        "was seen on 2023-12-31, 1,036 days before the end of the period. For exact amounts, "
        "import the prices of that time with `prices import FILE`."
    )


def test_a_type_without_pools_and_without_a_training_cost_has_no_row(bench: Bench) -> None:
    bench.scope()
    bench.cost("a-1", POOL, None, instance_type="ml.g5.xlarge", cost_basis="no price")
    bench.cost("b-1", TRAIN, "3", instance_type="ml.m5.xlarge")
    bench.cost("c-1", TRAIN, None, instance_type="ml.p5.48xlarge", cost_basis="training plan")

    rows = bench.rows(bench.run("warm-pool-cost", by=["instance_type"]))

    columns = ("instance_type", "jobs", "cost_usd", "training_usd")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("ml.g5.xlarge", 1, None, None),
        ("ml.m5.xlarge", 0, None, Decimal(3)),
    ]


def test_a_tag_or_team_that_no_job_has_gets_a_note_on_what_there_is(bench: Bench) -> None:
    bench.scope()
    bench.job("a-1", tags='{"Project": "x", "Team": "y"}')
    bench.job("a-2", tags='{"Project": "z"}')
    bench.cost("a-1", TRAIN, "1")

    def found(*by: str) -> dict[str, str]:
        notes = bench.run("training-cost", by=by).notes
        return {note.code: note.text for note in notes if note.code in {"no_such_tag", "no_teams"}}

    assert found("tag:Projekt", "team") == {
        "no_such_tag": "No job has the tag 'Projekt'. Did you mean 'Project'? "
        "Tags of jobs: Project, Team.",
        "no_teams": "No job has a team. Name the tag that has it with `team_tag`, or write "
        "[[team]] rules, then run `config apply`: see docs/configuration.md.",
    }
    # A job has this tag, though none that the report covers.
    assert found("tag:Project", "month") == {}


def test_no_dimension_and_no_tag_reaches_the_sql_as_text(bench: Bench) -> None:
    for by in ("job_family; DROP TABLE daily_costs", "familly", "tag:", "1"):
        with pytest.raises(UsageError, match="there is no such dimension"):
            bench.run("training-cost", by=[by])
    bench.run("training-cost", by=["tag:x') AS t, (SELECT 1) --"])
    assert bench.connection.execute("SELECT count(*) FROM daily_costs").scalar() == 0


@pytest.mark.parametrize(
    ("report", "component"), [("training-cost", TRAIN), ("warm-pool-cost", POOL)]
)
def test_costs_in_other_currencies_are_shown_and_never_added(
    bench: Bench, report: str, component: str
) -> None:
    bench.cost("a-1", component, "2")
    for job, currency, cost in (("a-2", "CNY", "12.345"), ("a-3", "CNY", "1"), ("b-1", "EUR", "7")):
        bench.cost(
            job, component, None, cost_basis="other currency", currency=currency, cost=Decimal(cost)
        )
    result = bench.run(report)
    (row,) = bench.rows(result)
    for shown in (row, bench.total(result)):
        assert (shown["cost_usd"], shown["other_currencies"], shown["unpriced_jobs"]) == (
            Decimal(2),
            "13.35 CNY, 7.00 EUR",
            3,
        )
    (note,) = [note for note in result.notes if note.code == "unpriced"]
    assert note.reasons == ("other currency",)
    assert "it is in CNY or EUR" in note.text
