"""`publish` as people run it: output, options, exit codes, and how it gets into a bucket."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.errors import CredentialsError, DatabaseError, ServiceError, UsageError
from exporter.publish import run, storage
from exporter.publish.delta import Lake
from exporter.publish.quiet import quiet
from tests.publish.support import command
from tests.support import lakes
from tests.support.files import limited_file_size
from tests.support.lakes import Collectors


def publish(three: Collectors, capfd: Any, lake: Path, *more: str) -> tuple[int, str, str]:
    database = str(three.one.path)
    return command(capfd, "--db", database, "publish", str(lake), *more)


def test_the_command_prints_what_it_replaced(
    three: Collectors, lake: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = publish(three, capfd, lake)
    assert (code, out) == (0, "")
    assert err == f"publish: nothing changed in {lake}, collector one\n"

    three.change("UPDATE sync_scopes SET failing_runs = 7")
    assert publish(three, capfd, lake, "-q") == (0, "", "")  # cron would mail it

    three.change("UPDATE sync_scopes SET watermark = watermark + INTERVAL 1 SECOND")
    before = lakes.versions(lake)
    code, out, err = publish(three, capfd, lake, "--dry-run", "--json")
    printed = json.loads(out)
    changed = {each["name"]: each for each in printed.pop("tables") if each["replaced"]}
    assert printed == {
        "version": 1,
        "target": str(lake),
        "collector": "one",
        "sequence": 2,
        "owns_prices": True,
        "dry_run": True,
        "scopes": [{"account_id": "111122223333", "region": "eu-west-1"}],
        "files_removed": 0,
    }
    assert {"sync_scopes", "data_as_of"} <= set(changed)
    assert changed["data_as_of"] == {
        "name": "data_as_of",
        "rows": 1,
        "replaced": 1,
        "removed": 0,
        "partitions": 1,
    }
    assert (code, lakes.versions(lake)) == (0, before)

    code, out, err = publish(three, capfd, lake)
    assert out.splitlines()[-1] == "data_as_of: 1 partition of 1 replaced, 1 row"
    assert err == f"publish: {len(changed)} tables changed in {lake}, collector one\n"


def test_exit_codes(
    three: Collectors, lake: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    assert publish(three, capfd, lake, "--collector", "four")[0] == 2
    monkeypatch.setenv("SAGEMAKER_EXPORTER_PUBLISH_RETENTION", "5m")
    code, _, err = publish(three, capfd, lake)
    assert (code, "--retention must be at least 1h" in err) == (2, True)
    monkeypatch.delenv("SAGEMAKER_EXPORTER_PUBLISH_RETENTION")
    assert publish(three, capfd, lake / "no" / "where")[0] == 8
    # boto3 finds no credentials in the environment of the tests.
    code, _, err = command(capfd, "--db", str(three.one.path), "publish", "s3://bucket/lake")
    assert (code, "no usable AWS credentials for the lake" in err) == (5, True)


def test_progress_is_logged(three: Collectors, lake: Path, caplog: Any) -> None:
    three.change("UPDATE sync_scopes SET failing_runs = 3")
    with caplog.at_level(logging.INFO):
        lines: list[str] = []
        run.publish(three.one, storage.place(str(lake)), run.Options(), notify=lines.append)
    assert lines == ["sync_scopes: 1 partition, 1 row"]


def test_an_error_of_the_libraries_becomes_one_line_with_its_cause() -> None:
    chain = (
        "Kernel error -> Generic S3 error\n"
        "  \x1b[31m↳\x1b[0m Error performing GET http://host/x\n"
        "    \x1b[31m↳\x1b[0m Connection refused (os error 111)\n"
    )
    wanted = {
        chain: "Kernel error -> Generic S3 error: Connection refused (os error 111)",
        "No space left.\n\nDebug source:\nNotFound {\n}": "No space left",
        "Denied for path x: \n ↳ <Error><Code>AccessDenied</Code></Error>": "Denied for path x",
        "Failed to parse parquet: External: Generic LocalFileSystem error: No space": "No space",
        "\n": "unknown error",
    }
    assert {text: storage.in_one_line(OSError(text)) for text in wanted} == wanted


def test_a_failed_write_is_one_message(
    three: Collectors, lake: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library's threads panic after it, and what they print is no bug to report."""

    class OnAFullDisk(Lake):
        def replace(self, *arguments: Any) -> None:
            with limited_file_size(2_000):
                super().replace(*arguments)

    where = storage.place(str(lake))
    full = OnAFullDisk(where, storage.Options(where))
    three.change("UPDATE training_jobs SET team = 'x'")
    capfd.readouterr()
    message = r"^Cannot publish to .*/training_jobs: Unable to copy data to file: File too large"
    with pytest.raises(DatabaseError, match=message):
        run.publish(three.one, where, run.Options(), lake=full)
    assert capfd.readouterr().err == ""
    lakes.write(three.one, lake)
    lakes.check(lake, three.one)


def test_what_a_write_prints_is_kept_unless_it_failed(capfd: pytest.CaptureFixture[str]) -> None:
    class Panic(BaseException):
        """As the library raises it."""

    for error in (None, OSError, Panic):
        with suppress(OSError, Panic), quiet():
            os.write(2, f"{error}\n".encode())
            if error:
                raise error
    assert capfd.readouterr().err == f"None\n{Panic}\n"


class Service:
    """S3 as far as `Options` asks it."""

    def __init__(self, endpoint: str, region: str | None) -> None:
        self.meta = type("Meta", (), {"endpoint_url": endpoint, "region_name": "us-east-1"})
        self._region = region

    def head_bucket(self, Bucket: str) -> dict[str, Any]:  # noqa: N803 - as boto3 calls it
        headers = {"x-amz-bucket-region": self._region} if self._region else {}
        answer: Any = {"ResponseMetadata": {"HTTPHeaders": headers}, "Error": {"Code": "403"}}
        raise ClientError(answer, f"HeadBucket {Bucket}")


class Session:
    """A session of boto3 whose credentials change, as those of a role do."""

    def __init__(self, service: Service, keys: list[tuple[str, str, str | None]]) -> None:
        self._service = service
        self._keys = iter(keys)

    def client(self, name: str) -> Service:
        assert name == "s3"
        return self._service

    def get_credentials(self) -> Any:
        return self

    def get_frozen_credentials(self) -> Any:
        names = ("access_key", "secret_key", "token")
        return type("Frozen", (), dict(zip(names, next(self._keys), strict=True)))


def test_credentials_are_found_again_for_each_commit() -> None:
    keys: list[tuple[str, str, str | None]] = [("a", "b", "c"), ("d", "e", None)]
    service = Service("https://s3.us-east-1.amazonaws.com", "eu-west-1")
    options = storage.Options(
        storage.place("s3://bucket/lake"),
        {"AWS_S3_ALLOW_UNSAFE_RENAME": "no", "AWS_ACCESS_KEY_ID": "another", "HOME": "/"},
        lambda _: Session(service, keys),
    )
    assert options() == {
        "AWS_S3_ALLOW_UNSAFE_RENAME": "no",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_SESSION_TOKEN": "c",
    }
    again = options()
    assert (again["AWS_ACCESS_KEY_ID"], again.get("AWS_SESSION_TOKEN")) == ("d", None)


def test_an_endpoint_of_ones_own_is_passed_on() -> None:
    service = Service("http://127.0.0.1:9000", None)
    options = storage.Options(
        storage.place("s3://bucket/lake"), {}, lambda _: Session(service, [("a", "b", None)])
    )
    assert options() == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }


def test_a_profile_of_the_configuration_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(
        "[profile lake]\naws_access_key_id = mine\naws_secret_access_key = secret\n"
        "region = eu-central-1\nendpoint_url = http://127.0.0.1:9\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "lake")
    options = storage.Options(storage.place("s3://bucket/lake"))()
    assert (options["AWS_ACCESS_KEY_ID"], options["AWS_REGION"]) == ("mine", "eu-central-1")
    assert options["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
    assert "AWS_PROFILE" not in options
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(CredentialsError, match="no usable AWS credentials for the lake"):
        storage.Options(storage.place("s3://bucket/lake"))()


def test_settings_of_other_stores_come_from_the_environment() -> None:
    environment = {
        "GOOGLE_SERVICE_ACCOUNT": "/key.json",
        "AZURE_STORAGE_ACCOUNT_NAME": "a",
        "X": "y",
    }
    of = {
        url: storage.Options(storage.place(url), environment)()
        for url in ("gs://bucket/lake", "abfss://files@a.dfs.core.windows.net/lake")
    }
    assert list(of.values()) == [
        {"GOOGLE_SERVICE_ACCOUNT": "/key.json"},
        {"AZURE_STORAGE_ACCOUNT_NAME": "a"},
    ]


@pytest.mark.parametrize(
    ("place", "text", "kind"),
    [
        ("s3://b/l", "Generic S3 error: response 403 AccessDenied", CredentialsError),
        ("s3://b/l", "Generic S3 error: connection refused", ServiceError),
        ("/tmp/l", "No space left on device", DatabaseError),  # noqa: S108 - nothing is written
    ],
)
def test_failures_are_sorted_by_what_to_do_next(place: str, text: str, kind: type) -> None:
    lake = Lake(storage.place(place), dict)
    with pytest.raises(kind, match=r"Cannot publish to .*/prices: "), lake._translated("prices"):
        raise OSError(text)


def test_seconds_are_no_status() -> None:
    """A call that took 3.8154012 seconds was not answered with 401."""
    refused = "Error performing GET http://127.0.0.1:9/x in 3.815401403s: Connection refused"
    denied = "Error performing GET https://s3/x in 5.2ms - 403 Forbidden: <Error>"
    assert [storage.is_denied(OSError(text)) for text in (refused, denied)] == [False, True]


@pytest.mark.parametrize("target", ["s3://", "s3:///path", "file://", "gs://"])
def test_a_url_without_a_place_is_no_folder(target: str) -> None:
    with pytest.raises(UsageError):
        storage.place(target)
