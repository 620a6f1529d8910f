"""Transient faults are retried; permanent ones end the sync in one clear error.

The tests go through a matrix of faults, operations and positions. After each permanent fault, the
next good sync makes the database equal to the service.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from exporter.errors import CredentialsError, ExporterError, ServiceError
from exporter.sagemaker import service
from exporter.sagemaker.failures import AccessDenied, RegionNotEnabled
from exporter.simulator import Behaviour, Clock, Fault, Scope, Simulator, World
from exporter.syncing.sizes import Sizes
from tests.conftest import NOON
from tests.support.syncing import KeptDatabase, Syncer
from tests.support.truth import Row, Truth, differences

LIST, SEARCH = "ListTrainingJobs", "Search"
DESCRIBE, TAGS = "DescribeTrainingJob", "ListTags"
#: Calls of a backfill of seven jobs in pages of three: (operation, calls that pass first).
PLACES: Final = {
    "the first page": (LIST, 0),
    "in the middle of the listing": (LIST, 1),
    "the last page": (LIST, 2),
    "the details": (SEARCH, 0),
    "the last of the details": (SEARCH, 2),
    "a job by itself": (DESCRIBE, 0),
    "the last job by itself": (DESCRIBE, 6),
    "tags of a job": (TAGS, 0),
    "tags of the last job": (TAGS, 2),
}
#: Faults that a retry survives.
TRANSIENT: Final[dict[str, Fault]] = {
    "throttle": Fault("throttle"),
    "internal error": Fault("internal"),
    "unavailable": Fault("unavailable"),
    "connection reset": Fault("reset"),
    "body cut short": Fault("truncated"),
    "a proxy's page": Fault("foreign"),
    "a gateway's error": Fault("foreign", status=502),
}
LATER = " Nothing is lost; the next run continues from here."
#: Faults that end a sync: fault, class of the error, exit code, words.
PERMANENT: Final[dict[str, tuple[Fault, type[ExporterError], int, str]]] = {
    "throttle": (Fault("throttle"), ServiceError, 7,
                 "{op} was throttled past all retries (ThrottlingException). Nothing is lost; the "
                 "next run continues from here. If this persists, lower --max-rps."),
    "internal error": (Fault("internal"), ServiceError, 7,
                       "{op} failed past all retries (InternalFailure): The request processing "
                       "has failed." + LATER),
    "unavailable": (Fault("unavailable"), ServiceError, 7,
                    "{op} failed past all retries (ServiceUnavailable): The server is too busy."
                    + LATER),
    "connection reset": (Fault("reset"), ServiceError, 7,
                         "{op} failed past all retries (ConnectionClosedError): Connection was "
                         "closed before we received a valid response from endpoint URL: "),
    "body cut short": (Fault("truncated"), ServiceError, 7,
                       "{op} failed past all retries (BrokenAnswer): the answer has no "),
    "a proxy's page": (Fault("foreign"), ServiceError, 7,
                       "{op} failed past all retries (BrokenAnswer): the answer has no "),
    "a gateway's error": (Fault("foreign", status=502), ServiceError, 7,
                          "{op} failed past all retries (502)"),
    "expired": (Fault("expired"), CredentialsError, 5,
                "{op} found no usable AWS credentials (ExpiredTokenException). Nothing is lost. "
                "Set or renew them (AWS_PROFILE, --profile, `aws sso login`)."),
    "region not enabled": (Fault("unrecognized"), RegionNotEnabled, 5,
                           "The region does not accept these credentials "
                           "(UnrecognizedClientException). Enable the region for the account, or "
                           "leave it out with --exclude-region."),
    "denied": (Fault("denied"), AccessDenied, 5,
               "{op} is denied (AccessDeniedException). "
               "Allow sagemaker:{op} for this identity (README, IAM policy)."),
}  # fmt: skip

#: EXPORTER_EVERY=1 pytest tests/reliability -k every_fault runs a good sync after each failure;
#: without it, the good sync comes after all failures of a place.
EACH: Final = os.environ.get("EXPORTER_EVERY") == "1"
FEWER: Final = [
    "the first page",
    "in the middle of the listing",
    "the last of the details",
    "the last job by itself",
    "tags of a job",
]
FAILED: Final = """
SELECT outcome, error, sync_runs.watermark_after, last_error, failing_runs
FROM sync_runs JOIN sync_scopes USING (account_id, region)
ORDER BY run_id DESC LIMIT 1
"""
_accounts = count(1)


#: Pages of three jobs, so that seven jobs have all the borders.
SMALL: Final = Sizes(page=3)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(World(Clock(NOON))) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def kept(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptDatabase]:
    path = shutil.copyfile(migrated_file, tmp_path_factory.mktemp("faults") / "jobs.duckdb")
    with closing(KeptDatabase(path)) as database:
        yield database


@dataclass
class Bench:
    """Seven jobs, and a database to sync them into."""

    simulator: Simulator
    database: KeptDatabase
    scope: Scope = field(init=False)

    def __post_init__(self) -> None:
        world = self.simulator.world
        world.behaviour = Behaviour()
        self.simulator.clear_faults()
        self.scope = world.scope(f"{next(_accounts):012}", "eu-west-1")
        for number in range(7):
            world.clock.advance(60)
            job = self.scope.create_job(f"job-{number}", tags={"n": str(number)}, lives=False)
            if number % 2:
                self.scope.finish(self.scope.start(job))
        world.clock.advance(3_600)
        self.syncer = Syncer(self.database, self.scope, self.simulator, SMALL)

    def fresh(self) -> Syncer:
        """Return the syncer with an empty database."""
        self.database.empty()
        self.syncer.notices.clear()
        return self.syncer

    def search_is_denied(self, *, denied: bool) -> None:
        rights = frozenset({(None, None, SEARCH)}) if denied else frozenset()
        self.simulator.world.behaviour = Behaviour(denied=rights)

    def inject(self, fault: Fault, **at: Any) -> None:
        self.simulator.clear_faults()
        self.simulator.calls.clear()
        self.simulator.inject(
            Fault(**{name: getattr(fault, name) for name in Fault.__slots__} | at)
        )

    def hits(self) -> list[str]:
        return [call.operation for call in self.simulator.calls if call.fault]

    def check_equal(self, *, tags: bool = True) -> None:
        truth = Truth(self.scope, self.syncer.query, self.scope.behaviour.search_lag_seconds)
        assert [*truth.jobs(), *truth.details(all_jobs=False, tags=tags)] == []


@pytest.fixture
def bench(running: Simulator, kept: KeptDatabase) -> Bench:
    return Bench(running, kept)


def ledger(syncer: Syncer) -> Row:
    statement = "SELECT outcome, error, watermark_after, throttles FROM sync_runs ORDER BY run_id"
    return syncer.query(statement)[-1]


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_transient_fault_is_retried_at_every_place(bench: Bench, kind: str) -> None:
    """A fault at every place of one sync leaves a trace only in the counts."""
    for by_describe in (False, True):
        bench.search_is_denied(denied=by_describe)
        syncer = bench.fresh()
        places = [
            place
            for place in PLACES.values()
            if place[0] == LIST or (place[0] != SEARCH) == by_describe
        ]
        bench.simulator.clear_faults()
        bench.simulator.calls.clear()
        for number, (operation, skip) in enumerate(places):
            earlier = sum(place[0] == operation for place in places[:number])
            # Calls that were hit before count again, because they were retried.
            bench.simulator.inject(
                Fault(
                    TRANSIENT[kind].kind,
                    operation=operation,
                    skip=skip + earlier,
                    status=TRANSIENT[kind].status,
                )
            )
        syncer.sync()
        assert sorted(bench.hits()) == sorted(place[0] for place in places)
        outcome, error, watermark, throttles = ledger(syncer)
        assert (outcome, error) == ("complete", None)
        assert watermark is not None
        assert throttles == (len(places) if kind == "throttle" else 0)
        bench.check_equal()


def test_a_truncated_error_is_retried(bench: Bench) -> None:
    """A truncated "denied" is unreadable; the retry shows that Search is denied."""
    bench.search_is_denied(denied=True)
    syncer = bench.fresh()
    bench.inject(Fault("truncated", operation=SEARCH))
    syncer.sync()
    assert bench.hits() == [SEARCH]
    assert ledger(syncer)[:2] == ("complete", None)
    bench.check_equal()


@pytest.mark.parametrize("place", PLACES if EACH else FEWER)
def test_a_permanent_fault_ends_in_its_error(bench: Bench, place: str) -> None:
    operation, skip = PLACES[place]
    bench.search_is_denied(denied=operation in (DESCRIBE, TAGS))
    for kind, (fault, error_class, code, words) in PERMANENT.items():
        if not applies(kind, operation):
            continue
        # A failed sync keeps what it has read, so the next one would call less often.
        syncer = bench.fresh()
        bench.inject(fault, operation=operation, skip=skip, times=None)
        with pytest.raises(ExporterError) as error:
            syncer.sync()
        message = str(error.value)
        assert bench.hits(), kind
        assert (type(error.value), error.value.exit_code) == (error_class, code), kind
        assert words.format(op=operation) in message, (kind, message)
        assert "\n" not in message
        # The ledger and the scope have the same text, and nothing is complete. A region that never
        # had data is no scope.
        never = kind == "region not enabled" and not syncer.query("FROM sync_scopes")
        assert never <= (place == "the first page")
        text = error.value.text
        assert syncer.query(FAILED) == ([] if never else [("failed", text, None, text, 1)]), kind
        if EACH:
            bench.simulator.clear_faults()
            syncer.sync()
            bench.check_equal()
    if not EACH:
        with pytest.raises(ExporterError):
            syncer.sync()
        runs = syncer.query("SELECT failing_runs FROM sync_scopes")
        assert runs == ([] if never else [(2,)])
        bench.simulator.clear_faults()
        syncer.sync()
        assert syncer.query("SELECT last_error, failing_runs FROM sync_scopes") == [(None, 0)]
        bench.check_equal()


def applies(kind: str, operation: str) -> bool:
    # Without the other operations, sync falls back: see below.
    return kind != "denied" or operation == LIST


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (SEARCH, "Search is denied (AccessDeniedException). Allow sagemaker:Search for this "
                 "identity (README, IAM policy). Jobs are looked up one by one instead."),
        (DESCRIBE, "DescribeTrainingJob is denied (AccessDeniedException). Allow "
                   "sagemaker:DescribeTrainingJob for this identity (README, IAM policy). "
                   "Jobs are looked up in other ways where possible."),
        (TAGS, "ListTags is denied (AccessDeniedException). Allow sagemaker:ListTags for this "
               "identity (README, IAM policy). Tags stay unknown."),
    ],
)  # fmt: skip
def test_a_denied_operation_is_reported_once_and_sync_falls_back(
    bench: Bench, operation: str, says: str
) -> None:
    rights = {(None, None, operation)}
    if operation != SEARCH:
        rights.add((None, None, SEARCH))
    bench.simulator.world.behaviour = Behaviour(denied=frozenset(rights))
    syncer = bench.fresh()
    syncer.sync()
    said = f"{bench.scope.account_id}: {says}"
    assert [notice for notice in syncer.notices if operation in notice] == [said]
    assert ledger(syncer)[:2] == ("complete", None)
    assert differences(syncer.query, bench.scope) == []
    # Once it is allowed, the next sync fetches what was missing.
    bench.simulator.world.behaviour = Behaviour()
    bench.simulator.world.clock.advance(service.SEARCH_LAG + timedelta(seconds=1))
    syncer.sync()
    # The tags of closed jobs stay unknown until a sync with --refresh-tags.
    bench.check_equal(tags=operation != TAGS)


def test_sync_falls_back_if_the_endpoint_lacks_an_operation(bench: Bench) -> None:
    """A stand-in or a private endpoint may have ListTrainingJobs only."""
    elsewhere = "Check AWS_ENDPOINT_URL and the profile."
    syncer = bench.fresh()
    bench.simulator.clear_faults()
    for operation, status in ((SEARCH, 404), (DESCRIBE, 501)):
        bench.simulator.inject(Fault("foreign", operation=operation, times=None, status=status))
    syncer.sync()
    assert syncer.notices == [
        f"{bench.scope.account_id}: This endpoint does not offer Search (404). {elsewhere} "
        "Jobs are looked up one by one instead.",
        f"{bench.scope.account_id}: This endpoint does not offer DescribeTrainingJob (501). "
        f"{elsewhere} Jobs are looked up in other ways where possible.",
    ]
    assert ledger(syncer)[:2] == ("complete", None)
    assert differences(syncer.query, bench.scope) == []
    bench.inject(Fault("foreign", times=None, status=404), operation=LIST)
    with pytest.raises(ServiceError) as error:
        syncer.sync()
    assert "This endpoint does not offer ListTrainingJobs (404)." in str(error.value)
    assert error.value.exit_code == 7


@pytest.mark.parametrize("place", ["the first page", "the last page"])
def test_without_a_date_the_watermark_stays(bench: Bench, place: str) -> None:
    syncer = bench.fresh()
    operation, skip = PLACES[place]
    bench.inject(Fault("no_date"), operation=operation, skip=skip)
    syncer.sync()
    assert ledger(syncer)[:3] == ("complete", None, None)
    assert syncer.query("SELECT watermark FROM sync_scopes") == [(None,)]
    assert any("the Date header of the service is missing" in notice for notice in syncer.notices)
    bench.check_equal()
    syncer.sync()
    assert syncer.query("SELECT watermark IS NOT NULL FROM sync_scopes") == [(True,)]
    bench.check_equal()


@pytest.mark.parametrize("place", ["the first page", "the last page"])
def test_a_date_that_is_behind_moves_the_watermark_at_most_too_little(
    bench: Bench, place: str
) -> None:
    syncer = bench.fresh()
    operation, skip = PLACES[place]
    bench.inject(Fault("wrong_date", seconds=-86_400), operation=operation, skip=skip)
    syncer.sync()
    outcome, error, watermark, _ = ledger(syncer)
    assert (outcome, error) == ("complete", None)
    assert watermark is None or watermark < NOON
    bench.check_equal()
    syncer.sync()
    assert syncer.query(f"SELECT watermark > '{NOON}' FROM sync_scopes") == [(True,)]
    bench.check_equal()


def test_after_a_rejected_token_the_listing_continues_by_creation_time(bench: Bench) -> None:
    """The lifetime of tokens is undocumented; more jobs in one second than a page need them."""
    now = bench.simulator.world.clock.now()
    for number in range(8):
        bench.scope.create_job(f"burst-{number}", created_at=now)
    syncer = bench.fresh()
    bench.inject(Fault("rejected_token", operation=LIST, times=2))
    syncer.sync()
    assert bench.hits() == [LIST, LIST]
    assert differences(syncer.query, bench.scope) == []

    syncer = bench.fresh()
    bench.inject(Fault("rejected_token", operation=LIST, times=None))
    with pytest.raises(ServiceError, match=r"rejected the request \(ValidationException\)"):
        syncer.sync()
    bench.simulator.clear_faults()
    syncer.sync()
    assert differences(syncer.query, bench.scope) == []


def test_a_connection_that_hangs_times_out(bench: Bench) -> None:
    bench.syncer = Syncer(
        bench.syncer.database, bench.scope, bench.simulator, SMALL, read_timeout=0.5
    )
    syncer = bench.fresh()
    bench.inject(Fault("hang", operation=LIST, skip=1, seconds=5))
    syncer.sync()
    assert bench.hits() == [LIST]
    bench.check_equal()

    syncer = bench.fresh()
    bench.inject(Fault("hang", operation=LIST, skip=1, times=None, seconds=5))
    with pytest.raises(ServiceError, match=r"failed past all retries \(ReadTimeoutError\)"):
        syncer.sync()
    assert len(bench.hits()) == 6
    bench.simulator.clear_faults()
    syncer.sync()
    bench.check_equal()


def test_new_statuses_are_kept(bench: Bench) -> None:
    bench.simulator.world.behaviour = Behaviour(new_statuses=("Hibernating", "Thawing"))
    job = bench.scope.job("job-0")
    bench.scope.update(job, training_job_status="Hibernating", secondary_status="Thawing")
    syncer = bench.fresh()
    syncer.sync()
    bench.check_equal()
    assert syncer.query(
        "SELECT training_job_status, secondary_status FROM training_jobs "
        "WHERE training_job_name = 'job-0'"
    ) == [("Hibernating", "Thawing")]
