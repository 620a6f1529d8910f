"""Nothing that a wire can carry ends a page, a listing or a report: it is stored or counted.

The records come through an unmodified boto3 over HTTP. All odd jobs are on one page with sound
ones, so each of them could end the others.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from exporter.errors import ServiceError
from exporter.reports import status
from exporter.simulator import Fault, Scope, Simulator, World
from exporter.syncing.outcome import ScopeResult, SyncReport
from tests.support.odd import MISSING, editor, raw, written
from tests.support.syncing import KeptDatabase, Syncer
from tests.support.truth import COLUMNS, Row, differences

DETAILS = (
    "instance_type, instance_count, instance_groups::VARCHAR, volume_size_gb, keep_alive_seconds, "
    "training_start_time, billable_seconds, training_seconds, managed_spot, tuning_job_arn, "
    "role_arn, failure_reason, tags::VARCHAR, status_transitions::VARCHAR, volume_kms_key_id, "
    "subnets::VARCHAR, security_group_ids::VARCHAR, encrypt_traffic, network_isolation, serverless"
)
NAMES: Final = [name.removesuffix("::VARCHAR") for name in f"{COLUMNS}, {DETAILS}".split(", ")]
ROWS = (
    f"SELECT {COLUMNS}, {DETAILS} FROM training_jobs "
    "LEFT JOIN training_job_details USING (training_job_arn, creation_time)"
)
#: Members of a summary; Search has all members.
SUMMARY = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingJobStatus",
           "SecondaryStatus", "TrainingEndTime", "LastModifiedTime", "WarmPoolStatus",
           "TrainingPlanArn", "record")  # fmt: skip


@dataclass(frozen=True)
class Odd:
    """What is odd about a job, and what comes of it.

    Attributes:
        change: Values by the path of a member.
        columns: Columns that differ from those of a sound job; None = the job is skipped.
        noted: Members that are counted as repaired, or the one for which the job is skipped.
    """

    change: dict[str, object]
    columns: dict[str, Any] | None = field(default_factory=dict)
    noted: tuple[str, ...] = ()


def skipped(change: dict[str, object], member: str) -> Odd:
    return Odd(change, None, (member,))


def repaired(member: str, value: object, **columns: object) -> Odd:
    return Odd({member: value}, columns, (member,))


def kept(member: str, value: object, **columns: object) -> Odd:
    return Odd({member: value}, columns)


HALF, NUL = "half \ud83d of a pair", "a \0 byte"
POOL, CONFIG = "WarmPoolStatus", "ResourceConfig"
POOL_SECONDS = f"{POOL}.ResourceRetainedBillableTimeInSeconds"
NOON_1999 = datetime(1999, 12, 31, 12, tzinfo=UTC)
TRANSITIONS = "SecondaryStatusTransitions"

CASES: Final[dict[str, Odd]] = {
    # No job without an identity.
    "null-record": skipped({".": None}, "record"),
    "text-record": skipped({".": "job"}, "record"),
    "list-record": skipped({".": [1, [2, {}]]}, "record"),
    "number-record": skipped({".": 7}, "record"),
    "empty-record": skipped({".": {}}, "TrainingJobArn"),
    "no-arn": skipped({"TrainingJobArn": MISSING}, "TrainingJobArn"),
    "null-arn": skipped({"TrainingJobArn": None}, "TrainingJobArn"),
    "empty-arn": skipped({"TrainingJobArn": ""}, "TrainingJobArn"),
    "endless-arn": skipped({"TrainingJobArn": "arn:" + "a" * 100_000}, "TrainingJobArn"),
    "no-name": skipped({"TrainingJobName": MISSING}, "TrainingJobName"),
    "name-with-comma": skipped({"TrainingJobName": "a,b"}, "TrainingJobName"),
    "name-with-half": skipped({"TrainingJobName": "a\udc00b"}, "TrainingJobName"),
    "name-of-digits": skipped({"TrainingJobName": "٣٤"}, "TrainingJobName"),
    "long-name": skipped({"TrainingJobName": "n" * 64}, "TrainingJobName"),
    "name-as-list": skipped({"TrainingJobName": ["a"]}, "TrainingJobName"),
    "no-time": skipped({"CreationTime": MISSING}, "CreationTime"),
    "null-time": skipped({"CreationTime": None}, "CreationTime"),
    "time-nan": skipped({"CreationTime": raw("NaN")}, "CreationTime"),
    "time-infinite": skipped({"CreationTime": raw("1e999")}, "CreationTime"),
    "time-negative": skipped({"CreationTime": -1}, "CreationTime"),
    "time-of-10000": skipped({"CreationTime": 253_402_300_800}, "CreationTime"),
    "time-of-9999": skipped({"CreationTime": 253_402_300_799}, "CreationTime"),
    "time-of-2262": skipped({"CreationTime": 9_214_646_400}, "CreationTime"),
    "time-in-millis": skipped({"CreationTime": 1_793_534_400_000}, "CreationTime"),
    "time-huge": skipped({"CreationTime": raw("9" * 5_000)}, "CreationTime"),
    "time-true": skipped({"CreationTime": True}, "CreationTime"),
    "time-as-list": skipped({"CreationTime": [1_793_534_400]}, "CreationTime"),
    "time-as-words": skipped({"CreationTime": "yesterday"}, "CreationTime"),
    "time-of-year-0": skipped({"CreationTime": "0000-01-01T00:00:00Z"}, "CreationTime"),
    "time-of-year-1": skipped({"CreationTime": "0001-01-01T00:00:00+14:00"}, "CreationTime"),
    "no-status": skipped({"TrainingJobStatus": MISSING}, "TrainingJobStatus"),
    "status-as-object": skipped({"TrainingJobStatus": {"S": "Completed"}}, "TrainingJobStatus"),
    # Texts.
    "half-secondary": repaired("SecondaryStatus", HALF, secondary_status="half \ufffd of a pair"),
    "bytes-secondary": repaired(
        "SecondaryStatus", raw('"\xff\xfe"'), secondary_status="\ufffd\ufffd"
    ),
    "nul-secondary": repaired("SecondaryStatus", NUL, secondary_status="a \ufffd byte"),
    "pair-secondary": kept("SecondaryStatus", "\ud83d\ude00", secondary_status="\U0001f600"),
    "mark-secondary": kept("SecondaryStatus", "\ufffd\u202e", secondary_status="\ufffd\u202e"),
    "escape-secondary": kept("SecondaryStatus", "\x1b[2J", secondary_status="\x1b[2J"),
    "number-secondary": repaired("SecondaryStatus", 5, secondary_status=None),
    "null-secondary": kept("SecondaryStatus", None, secondary_status=None),
    "half-reason": repaired("FailureReason", HALF, failure_reason="half \ufffd of a pair"),
    "bytes-reason": repaired("FailureReason", raw('"\xc3("'), failure_reason="\ufffd("),
    "long-reason": repaired(
        "FailureReason", "word " * 200_000, failure_reason=("word " * 1_639)[:-1][:8_190] + "…"
    ),
    "reason-as-object": repaired("FailureReason", {"a": 1}, failure_reason=None),
    "quoted-reason": kept("FailureReason", "it's \"; DROP TABLE training_jobs; --",
                          failure_reason="it's \"; DROP TABLE training_jobs; --"),
    "list-role": repaired("RoleArn", ["arn"], role_arn=None),
    "half-plan": repaired("TrainingPlanArn", HALF, training_plan_arn="half \ufffd of a pair"),
    # Times that are not part of the identity.
    "end-nan": repaired("TrainingEndTime", raw("NaN"), training_end_time=None),
    "end-of-year-33658": repaired("TrainingEndTime", 1e12, training_end_time=None),
    "end-minus-infinite": repaired("TrainingEndTime", raw("-Infinity"), training_end_time=None),
    "end-as-text": kept(
        "TrainingEndTime", "1999-12-31T14:00:00+02:00", training_end_time=NOON_1999
    ),
    "end-as-http": kept(
        "TrainingEndTime", "Fri, 31 Dec 1999 12:00:00 GMT", training_end_time=NOON_1999
    ),
    "end-as-digits": kept("TrainingEndTime", "946641600", training_end_time=NOON_1999),
    "end-as-long-text": repaired("TrainingEndTime", "9" * 100_000, training_end_time=None),
    "end-as-object": repaired("TrainingEndTime", {"$date": 1}, training_end_time=None),
    "end-of-2262": repaired("TrainingEndTime", 9_214_646_400, training_end_time=None),
    "end-of-2261": kept("TrainingEndTime", 9_214_646_399.5,
                        training_end_time=datetime(2261, 12, 31, 23, 59, 59, 500_000, UTC)),
    "modified-false": repaired("LastModifiedTime", False, last_modified_time=None),
    "start-of-1970": kept("TrainingStartTime", 0,
                          training_start_time=datetime(1970, 1, 1, tzinfo=UTC)),
    # Numbers.
    "seconds-64-bits": repaired(POOL_SECONDS, 2**63, warm_pool_retained_seconds=None),
    "seconds-33-bits": repaired(POOL_SECONDS, 2**31, warm_pool_retained_seconds=None),
    "seconds-32-bits": kept(POOL_SECONDS, 2**31 - 1, warm_pool_retained_seconds=2**31 - 1),
    "seconds-negative": repaired(POOL_SECONDS, -1, warm_pool_retained_seconds=None),
    "seconds-of-5000-digits": repaired(
        POOL_SECONDS, raw("9" * 5_000), warm_pool_retained_seconds=None
    ),
    "seconds-as-float": kept(POOL_SECONDS, 60.0, warm_pool_retained_seconds=60),
    "seconds-with-half": repaired(POOL_SECONDS, 60.5, warm_pool_retained_seconds=None),
    "seconds-as-text": repaired(POOL_SECONDS, "60", warm_pool_retained_seconds=None),
    "seconds-true": repaired(POOL_SECONDS, True, warm_pool_retained_seconds=None),
    "billable-infinite": repaired("BillableTimeInSeconds", raw("1e400"), billable_seconds=None),
    "billable-most": kept("BillableTimeInSeconds", 2**31 - 1, billable_seconds=2**31 - 1),
    "count-most": kept(f"{CONFIG}.InstanceCount", 2**31 - 1, instance_count=2**31 - 1),
    "count-zero": kept(f"{CONFIG}.InstanceCount", 0, instance_count=0),
    "volume-as-list": repaired(f"{CONFIG}.VolumeSizeInGB", [30], volume_size_gb=None),
    "spot-as-text": repaired("EnableManagedSpotTraining", "true", managed_spot=None),
    "isolation-as-number": repaired("EnableNetworkIsolation", 0, network_isolation=None),
    # Objects and lists.
    "pool-as-text": repaired(
        POOL, "Available", warm_pool_status=None, warm_pool_retained_seconds=None
    ),
    "pool-empty": kept(POOL, {}, warm_pool_status=None, warm_pool_retained_seconds=None),
    "config-as-list": repaired(
        CONFIG, [], instance_type=None, instance_count=None, volume_size_gb=None,
        keep_alive_seconds=None, serverless=False,
    ),
    "groups-with-null": Odd(
        {f"{CONFIG}.InstanceGroups": [
            None, {"InstanceType": "ml.g5.xlarge", "InstanceCount": "2", "Other": [1]}, "x"]},
        {"instance_type": None, "instance_count": None,
         "instance_groups": '[{"InstanceType":"ml.g5.xlarge"}]'},
        (f"{CONFIG}.InstanceGroups", f"{CONFIG}.InstanceGroups.InstanceCount"),
    ),
    "groups-as-object": repaired(f"{CONFIG}.InstanceGroups", {"InstanceType": "ml.m5.large"}),
    "tags-with-null": Odd(
        {"Tags": [None, {"Key": "a", "Value": None}, {"Value": "b"}, {"Key": 5, "Value": "c"},
                  {"Key": HALF, "Value": NUL}]},
        {"tags": '{"a":"","half \ufffd of a pair":"a \ufffd byte"}'},
        ("Tags", "Tags.Key", "Tags.Value"),
    ),
    "tags-as-object": repaired("Tags", {"team": "x"}, tags="{}"),
    "many-tags": repaired("Tags", [{"Key": f"k{n % 2}", "Value": "v"} for n in range(5_000)],
                          tags='{"k0":"v","k1":"v"}'),
    "transitions-with-null": Odd(
        {TRANSITIONS: [None, [], {"Status": 1, "StartTime": raw("NaN")},
                       {"Status": "Training", "StartTime": 946_641_600, "EndTime": "never"}]},
        {"status_transitions": '[{},{"StartTime":"1999-12-31T12:00:00Z","Status":"Training"}]'},
        (TRANSITIONS, f"{TRANSITIONS}.EndTime", f"{TRANSITIONS}.StartTime",
         f"{TRANSITIONS}.Status"),
    ),
    "vpc-with-null": Odd(
        {"VpcConfig": {"Subnets": [None, 5, "b", "a"], "SecurityGroupIds": "sg"}},
        {"subnets": '["a","b"]', "security_group_ids": "[]"},
        ("VpcConfig.SecurityGroupIds", "VpcConfig.Subnets"),
    ),
    "serverless-as-text": repaired("ServerlessJobConfig", "yes"),
    "unknown-members": Odd({"New": {"deep": [[[[]]]]}, "ResponseMetadata": {"HTTPHeaders": 1}}),
}  # fmt: skip


@pytest.fixture
def syncer(kept: KeptDatabase, scope: Scope, simulator: Simulator) -> Syncer:
    return Syncer(kept, scope, simulator)


def create(scope: Scope, world: World, name: str) -> None:
    job = scope.create_job(name, keep_alive_seconds=600, lives=False)
    scope.finish(scope.start(job))
    scope.settle_pool(job, "Terminated", seconds=600)
    world.clock.advance(10)


def row(syncer: Syncer, name: str) -> dict[str, Any] | None:
    rows: list[Row] = syncer.query(f"{ROWS} WHERE training_job_name = '{name}'")
    return dict(zip(NAMES, rows[0], strict=True)) if rows else None


def ledger(syncer: Syncer) -> Any:
    [(outcome, odd)] = syncer.query(
        "SELECT outcome, odd_records::VARCHAR FROM sync_runs ORDER BY run_id DESC LIMIT 1"
    )
    assert outcome == "complete"
    return json.loads(odd)


def expected_counts(operation: str) -> dict[str, dict[str, int]]:
    """Return what the ledger has of one answer about each job."""
    found: dict[str, Counter[str]] = {"skipped": Counter(), "repaired": Counter()}
    for case in CASES.values():
        fate = "skipped" if case.columns is None else "repaired"
        if operation == "Search" and fate == "skipped":
            continue  # nobody asks for a job without a name
        found[fate].update(
            f"{operation}.{member}"
            for member in case.noted
            # List reads the training plan there.
            if operation == "Search" or member == CONFIG or member.split(".")[0] in SUMMARY
        )
    return {fate: dict(members) for fate, members in found.items() if members}


def test_each_record_is_stored_repaired_or_skipped_and_counted(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    for name in ["first", *CASES, "last"]:
        create(scope, world, name)
    # Search shows what List showed.
    world.clock.advance(600)
    edit = editor({name: case.change for name, case in CASES.items()})
    simulator.inject(Fault("edited", times=None, edit=edit))
    syncer.sync()

    sound = row(syncer, "first")
    assert sound is not None
    assert sound["billable_seconds"] is not None
    own = ("training_job_arn", "training_job_name")
    # Each job lived ten seconds later than the one before it.
    times = ("creation_time", "training_end_time", "last_modified_time", "training_start_time",
             "status_transitions")  # fmt: skip
    for name, case in {**CASES, "last": Odd({})}.items():
        found = row(syncer, name)
        if case.columns is None:
            assert found is None, name
            continue
        assert found is not None, name
        changed = {
            column: value
            for column, value in found.items()
            if column not in own
            and value != sound[column]
            and (column not in times or column in case.columns)
        }
        assert changed == {
            column: value for column, value in case.columns.items() if value != sound[column]
        }, name

    by_list, by_search = expected_counts("ListTrainingJobs"), expected_counts("Search")
    odd = ledger(syncer)
    assert odd["skipped"] == by_list["skipped"]
    # Only Describe can tell whether a job without an instance type is serverless.
    described = {f"DescribeTrainingJob.{CONFIG}": 1}
    assert odd["repaired"] == by_list["repaired"] | by_search["repaired"] | described
    number = sum(by_list["skipped"].values())
    assert [notice for notice in syncer.notices if "skipped" in notice] == [
        f"111122223333/eu-west-1: {number} records could not be read and were skipped "
        f"({', '.join(sorted(by_list['skipped']))}). Jobs may be missing."
    ]
    # Every view and every report can be read.
    for (view,) in syncer.query(
        "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal"
    ):
        syncer.query(f"SELECT count(COLUMNS(*)) FROM {view}")


def whole(answer: bytes) -> Callable[[bytes], bytes]:
    return lambda _: answer


def member(name: str, value: object) -> Callable[[bytes], bytes]:
    return lambda body: written({**json.loads(body), name: value})


LIST = "ListTrainingJobs"
NO_LIST = "the answer has no list TrainingJobSummaries (cut short, or not SageMaker's)."
NOTHING = "the answer has no TrainingJobSummaries (cut short, or not SageMaker's)."
NO_TEXT = "the answer has no text NextToken (cut short, or not SageMaker's)."
#: Answers that are not of the API as a whole, and what the error says.
REFUSED: Final[dict[str, tuple[Callable[[bytes], bytes], str]]] = {
    "an object for the list": (member("TrainingJobSummaries", {}), NO_LIST),
    "a text for the list": (member("TrainingJobSummaries", "[]"), NO_LIST),
    "null for the list": (member("TrainingJobSummaries", None), NO_LIST),
    "a number for the list": (member("TrainingJobSummaries", 0), NO_LIST),
    "another name of the list": (lambda body: body.replace(b"Summaries", b"Summary"), NOTHING),
    "a number as token": (member("NextToken", 5), NO_TEXT),
    "an object as token": (member("NextToken", {"a": "b"}), NO_TEXT),
    "a list": (whole(b"[]"), NOTHING),
    "null": (whole(b"null"), NOTHING),
    "a text": (whole(b'"TrainingJobSummaries"'), NOTHING),
    "nothing": (whole(b""), NOTHING),
    "an empty object": (whole(b"{}"), NOTHING),
    "half an object": (lambda body: body[: len(body) // 2], NOTHING),
    "two objects": (lambda body: body + body, NOTHING),
    "a mark of UTF-16": (lambda body: body.decode().encode("utf-16"), NOTHING),
    "lists in lists": (whole(b'{"TrainingJobSummaries":' + b"[" * 100_000), NOTHING),
    "many records of another API": (
        member("TrainingJobSummaries", [{"name": "a"}] * 10),
        "ListTrainingJobs returned 10 records, and none of them is one of its API. The whole "
        "answer was rejected and none of it was stored. Is the endpoint SageMaker?",
    ),
}


def test_an_answer_of_another_shape_is_refused_as_a_whole(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    create(scope, world, "sound")
    syncer.sync()
    before = syncer.query(f"{ROWS} ORDER BY ALL")
    [(watermark,)] = syncer.query("SELECT watermark FROM sync_scopes")
    world.clock.advance(600)
    for kind, (edit, words) in REFUSED.items():
        simulator.clear_faults()
        simulator.inject(Fault("edited", operation=LIST, times=None, edit=edit))
        with pytest.raises(ServiceError) as error:
            syncer.sync()
        assert error.value.exit_code == 7, kind
        assert words in str(error.value), kind
        assert syncer.query(f"{ROWS} ORDER BY ALL") == before, kind
        assert syncer.query("SELECT watermark FROM sync_scopes") == [(watermark,)], kind
    simulator.clear_faults()
    syncer.sync()
    assert differences(syncer.query, scope) == []


def test_a_mark_before_the_answer_changes_nothing(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    create(scope, world, "sound")
    simulator.inject(Fault("edited", times=None, edit=lambda body: b"\xef\xbb\xbf" + body))
    syncer.sync()
    assert differences(syncer.query, scope) == []
    assert ledger(syncer) == {}


def test_a_record_that_is_skipped_is_never_a_proof_of_deletion(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    """The job is known and open; List, Search and Describe then show only odd records of it."""
    for name in ("odd", "sound"):
        scope.create_job(name, lives=False)
        world.clock.advance(10)
    syncer.sync()
    world.clock.advance(600)
    edit = editor({"odd": {"TrainingJobArn": 5}})
    simulator.inject(Fault("edited", times=None, edit=edit))
    for full in (False, True):
        syncer.sync(full=full)
        assert syncer.query("SELECT training_job_name FROM training_jobs WHERE deleted_at IS NULL "
                            "ORDER BY ALL") == [("odd",), ("sound",)]  # fmt: skip
        assert "DescribeTrainingJob.TrainingJobArn" in ledger(syncer)["skipped"]
        world.clock.advance(600)
    simulator.clear_faults()
    syncer.sync()
    assert differences(syncer.query, scope) == []


def test_status_and_the_summary_name_what_was_skipped_and_repaired(
    syncer: Syncer, world: World, scope: Scope, simulator: Simulator
) -> None:
    for name in ("nameless", "half"):
        create(scope, world, name)
    world.clock.advance(600)
    edit = editor({"nameless": {"TrainingJobName": None}, "half": {"SecondaryStatus": HALF}})
    simulator.inject(Fault("edited", times=None, edit=edit))
    run = syncer.sync().runs[0]
    odd = {
        "skipped": {"ListTrainingJobs.TrainingJobName": 1},
        "repaired": {"ListTrainingJobs.SecondaryStatus": 1, "Search.SecondaryStatus": 1},
    }
    assert json.loads(run.odd_records) == odd
    report = SyncReport([ScopeResult("111122223333/eu-west-1", "complete", runs=[run])])
    assert "2 odd records repaired, 1 odd record skipped" in report.summary()
    assert report.to_json()["odd_records"] == odd
    with syncer.database.reading() as connection:
        [found] = status.read(connection, world.clock.now()).scopes
    assert found.odd_records == odd
    assert list(found.gaps()) == [
        "2 odd records repaired (ListTrainingJobs.SecondaryStatus, Search.SecondaryStatus)",
        "1 odd record skipped (ListTrainingJobs.TrainingJobName)",
    ]
