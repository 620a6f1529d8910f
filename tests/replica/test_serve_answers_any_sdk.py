"""boto3's client and paginator get from `serve` what `exporter.client` returns."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from exporter import client
from exporter.cli import main
from exporter.errors import UsageError
from exporter.replica.server import Replica
from exporter.simulator import Scope, Simulator
from exporter.store.database import Database
from exporter.store.scopes import ScopeKey
from tests.replica.support import ACCOUNT, REGION, START, held_open_for_writing, put, row
from tests.support.syncing import Syncer

Sdk = Callable[..., Any]
ROOT = Path(__file__).parents[2]
STOP_ALL = "UPDATE training_jobs SET training_job_status = 'Stopped'"
TOKEN = "a secret of some length, with spaces/and+more"  # noqa: S105 - a test's own

PARAMETERS: list[dict[str, Any]] = [
    {},
    {"MaxResults": 5},
    {"SortBy": "Name", "SortOrder": "Ascending"},
    {"SortBy": "Status", "MaxResults": 2},
    {"StatusEquals": "InProgress", "MaxResults": 3},
    {"WarmPoolStatusEquals": "Reused"},
    {"NameContains": "job-1"},
    {"CreationTimeAfter": START + timedelta(seconds=3), "SortOrder": "Ascending"},
    {"LastModifiedTimeBefore": START + timedelta(seconds=8)},
]


@pytest.mark.parametrize("params", PARAMETERS, ids=",".join)
def test_boto3_gets_the_same_pages_as_the_client(
    replica: Replica, filled: Database, sdk: Sdk, params: dict[str, Any]
) -> None:
    here, there = client(filled.path), sdk(replica.url)
    for _ in range(2):  # the second time from kept pages
        assert pages_of(there, params) == pages_of(here, params)


def pages_of(sagemaker: Any, params: Mapping[str, Any]) -> list[Any]:
    size = params.get("MaxResults")
    given = {name: value for name, value in params.items() if name != "MaxResults"}
    paginator = sagemaker.get_paginator("list_training_jobs")
    pages = paginator.paginate(**given, PaginationConfig={"PageSize": size} if size else {})
    return [page["TrainingJobSummaries"] for page in pages]


def test_each_request_sees_the_newest_sync(
    database: Database, scope: Scope, simulator: Simulator, sdk: Sdk
) -> None:
    syncer = Syncer(database, scope, simulator)
    scope.create_job("job-0", lives=False)
    syncer.sync()
    with Replica(database.path) as replica:
        sagemaker = sdk(replica.url, scope.account_id, region=scope.region)
        for number in range(1, 5):
            scope.clock.advance(1)
            scope.finish(scope.job(f"job-{number - 1}"))
            scope.create_job(f"job-{number}", lives=False)
            calls = len(simulator.calls)
            syncer.sync()
            assert len(simulator.calls) > calls
            found = sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
            assert [job["TrainingJobName"] for job in found] == [f"job-{number}"]
            # Only the sync has called the service.
            calls = len(simulator.calls)
            sagemaker.list_training_jobs()
            assert len(simulator.calls) == calls


def test_no_request_fails_while_a_sync_commits(
    filled: Database, replica: Replica, sdk: Sdk
) -> None:
    stop, failures, answers = threading.Event(), [], []

    def ask(params: dict[str, Any]) -> None:
        sagemaker = sdk(replica.url)
        while not stop.is_set():
            try:
                answers.append(sum(map(len, pages_of(sagemaker, params))))
            except ClientError as error:
                failures.append(error)

    threads = [
        threading.Thread(target=ask, args=(params,))
        for params in ({"MaxResults": 5}, {"StatusEquals": "InProgress"}, {"SortBy": "Status"})
    ]
    for thread in threads:
        thread.start()
    # In another process, like a sync: DuckDB's lock has no effect within one.
    code = f"""
from pathlib import Path
from exporter.store.database import Database
from tests.replica.support import put, row
database = Database(Path({str(filled.path)!r}), lock_timeout=20)
for number in range(8):
    put(database, [row(f"more-{{number}}", 100 + number)])
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, check=False, timeout=60
    )
    newest = sdk(replica.url).list_training_jobs(MaxResults=1)["TrainingJobSummaries"]
    stop.set()
    for thread in threads:
        thread.join()
    assert done.returncode == 0
    assert failures == []
    assert newest[0]["TrainingJobName"] == "more-7"
    assert len(answers) > 8


def test_the_access_key_id_names_the_account(filled: Database, replica: Replica, sdk: Sdk) -> None:
    # With one account in the file any key works: a real key does not contain its account.
    assert sdk(replica.url, "AKIAIOSFODNN7EXAMPLE").list_training_jobs()["TrainingJobSummaries"]
    other = ScopeKey("444455556666", REGION)
    put(filled, [row("other", 1, other)])
    for key in (other.account_id, f"AKIA{other.account_id}", f"ASIA{other.account_id}"):
        found = sdk(replica.url, key).list_training_jobs()["TrainingJobSummaries"]
        assert [job["TrainingJobName"] for job in found] == ["other"]
    assert len(sdk(replica.url, ACCOUNT).list_training_jobs()["TrainingJobSummaries"]) == 10
    refused = {
        ("AKIAIOSFODNN7EXAMPLE", REGION): "Several accounts have jobs in eu-west-1 here "
        "(111122223333/eu-west-1, 444455556666/eu-west-1): set the access key id",
        ("999999999999", REGION): "holds no jobs of 999999999999/eu-west-1: it holds 1111",
        (ACCOUNT, "us-east-1"): "holds no jobs of 111122223333/us-east-1: it holds 1111",
    }
    for (key, region), message in refused.items():
        with pytest.raises(ClientError) as error:
            sdk(replica.url, key, region=region).list_training_jobs()
        assert message in str(error.value)
        assert error.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_only_one_operation_is_served(replica: Replica, sdk: Sdk) -> None:
    with pytest.raises(ClientError, match=r"SageMaker\.CreateTrainingJob is not served here"):
        sdk(replica.url).create_training_job(
            TrainingJobName="a",
            RoleArn="arn:aws:iam::111122223333:role/trainer",
            AlgorithmSpecification={"TrainingInputMode": "File"},
            OutputDataConfig={"S3OutputPath": "s3://bucket"},
            ResourceConfig={"VolumeSizeInGB": 1},
            StoppingCondition={},
        )


def test_the_token_is_the_secret_access_key(filled: Database, sdk: Sdk) -> None:
    with Replica(filled.path, host="127.0.0.1", token=TOKEN) as replica:
        assert sdk(replica.url, secret=TOKEN).list_training_jobs()["TrainingJobSummaries"]
        paginated = pages_of(sdk(replica.url, secret=TOKEN), {"MaxResults": 5})
        assert [len(page) for page in paginated] == [5, 5, 2]
        with pytest.raises(ClientError) as refused:
            sdk(replica.url, secret="another").list_training_jobs()
        assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert TOKEN not in str(refused.value)
        # The signature does not match a request that was changed on the way.
        signed = _signed(replica.url, sdk)
        assert _post(replica.url, *signed)[0] == 200
        body, headers = signed
        changed = [
            (body.replace(b"3", b"4"), headers),
            (body, headers | {"X-Amz-Target": "SageMaker.StopTrainingJob"}),
            (body, headers | {"X-Amz-Date": "20200101T000000Z"}),
            (body, {name: text for name, text in headers.items() if name != "Authorization"}),
            (body, headers | {"Authorization": "Bearer " + TOKEN}),
            (body, headers | {"Authorization": headers["Authorization"].replace("host;", "")}),
            (body, headers | {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}),
        ]
        assert [_post(replica.url, *each)[0] for each in changed] == [403] * len(changed)


@pytest.mark.parametrize(("minutes", "status"), [(-16, 403), (-14, 200), (14, 200), (16, 403)])
def test_a_signature_is_valid_for_a_quarter_of_an_hour(
    filled: Database, sdk: Sdk, minutes: int, status: int
) -> None:
    def now() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=minutes)

    with Replica(filled.path, token=TOKEN, now=now) as replica:
        answered, answer = _post(replica.url, *_signed(replica.url, sdk))
    assert answered == status
    assert (b"is the clock right?" in answer) is (status == 403)


def test_beyond_the_loopback_a_token_is_required(filled: Database) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::"):  # noqa: S104 - refused
        with pytest.raises(UsageError, match="is not the loopback"):
            Replica(filled.path, host=host)
    with pytest.raises(UsageError, match="The token is empty"):
        Replica(filled.path, token="  ")


def test_a_page_in_a_browser_cannot_read_the_jobs(replica: Replica) -> None:
    """An attacker's host name may resolve to 127.0.0.1 (DNS rebinding)."""
    status, answer = _post(replica.url, b"{}", {"Host": "evil.example", **_anybody()})
    assert (status, json.loads(answer)["__type"]) == (403, "AccessDeniedException")
    for host in ("localhost:1", "127.0.0.1", "[::1]:8025", "LOCALHOST"):
        assert _post(replica.url, b"{}", {"Host": host, **_anybody()})[0] == 200


def test_a_sync_that_does_not_end_causes_a_503(filled: Database, sdk: Sdk) -> None:
    with Replica(filled.path, lock_timeout=0.1) as replica:
        sagemaker = sdk(replica.url)
        sagemaker.list_training_jobs()
        with held_open_for_writing(filled, STOP_ALL):
            with pytest.raises(ClientError, match="is kept open by") as refused:
                sagemaker.list_training_jobs()
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert sagemaker.list_training_jobs()["TrainingJobSummaries"]


def test_the_command_serves_until_sigterm(filled: Database, sdk: Sdk, tmp_path: Path) -> None:
    with _serving(filled.path, tmp_path) as (process, url):
        assert urlsplit(url).hostname == "127.0.0.1"
        assert len(sdk(url).list_training_jobs()["TrainingJobSummaries"]) == 10
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_sigterm_lets_a_running_answer_finish(filled: Database, sdk: Sdk, tmp_path: Path) -> None:
    with _serving(filled.path, tmp_path, "-v") as (process, url):
        sagemaker = sdk(url)
        sagemaker.list_training_jobs()
        found: list[Any] = []

        def ask() -> None:
            found.append(sagemaker.list_training_jobs()["TrainingJobSummaries"])

        thread = threading.Thread(target=ask)
        with held_open_for_writing(filled, STOP_ALL):
            thread.start()
            assert process.stderr is not None
            while "Waiting for the database" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
        thread.join()
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    # The answer waited for the commit.
    assert {job["TrainingJobStatus"] for job in found[0]} == {"Stopped"}


def test_a_port_in_use_is_reported(
    filled: Database, replica: Replica, capfd: pytest.CaptureFixture[str]
) -> None:
    port = str(urlsplit(replica.url).port)
    assert main(["--db", str(filled.path), "serve", "--port", port]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert f"Cannot serve on 127.0.0.1 port {port}" in err


def test_the_token_is_never_printed(filled: Database, sdk: Sdk, tmp_path: Path) -> None:
    environment = {"SAGEMAKER_EXPORTER_SERVE_TOKEN": TOKEN}
    options = ("-vv", "--host", "0.0.0.0")  # noqa: S104 - that is what the token is for
    with _serving(filled.path, tmp_path, *options, **environment) as (process, url):
        here = f"http://127.0.0.1:{urlsplit(url).port}"
        assert sdk(here, secret=TOKEN).list_training_jobs()["TrainingJobSummaries"]
        with pytest.raises(ClientError):
            sdk(here).list_training_jobs()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "refused" in err
    assert TOKEN not in out + err


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_the_aws_cli_and_the_command_print_the_same(
    filled: Database, replica: Replica, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ncli_timestamp_format = iso8601\noutput = json\n")
    environment = {
        **os.environ,
        "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL_SAGEMAKER": replica.url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONPATH": str(ROOT),
    }
    theirs = subprocess.run(
        [str(shutil.which("aws")), "sagemaker", "list-training-jobs"],
        env={name: value for name, value in environment.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    ours = subprocess.run(
        [sys.executable, "-m", "exporter", "--db", filled.path, "jobs", "--format", "aws"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ours.stdout == theirs.stdout


def _anybody() -> dict[str, str]:
    scope = f"20261101/{REGION}/sagemaker/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/{scope}, "
        "SignedHeaders=host, Signature=0",
        "X-Amz-Target": "SageMaker.ListTrainingJobs",
    }


def _signed(url: str, sdk: Sdk) -> tuple[bytes, dict[str, str]]:
    """Return a request as botocore signs it."""
    sent: list[Any] = []
    sagemaker = sdk(url, secret=TOKEN)
    sagemaker.meta.events.register("before-send", lambda request, **_: sent.append(request))
    with suppress(ClientError):
        sagemaker.list_training_jobs(MaxResults=3)
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in sent[0].headers.items()
    }
    return sent[0].body, headers


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    connection.request("POST", "/", body, dict(headers))
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


@contextmanager
def _serving(
    path: Path, directory: Path, *options: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "--db", str(path), "serve", "--port", "0", *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
