"""No output contains any of the secrets that these tests plant."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path

import duckdb
import pytest

from exporter.simulator import Behaviour, Fault, Scope, Simulator
from exporter.store.database import Database
from tests.conftest import ACCOUNT, REGION
from tests.support.files import mode
from tests.support.processes import Ended, Zygotes, until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
#: Each is unique, so that any part of it reveals a leak.
SECRETS = {
    "password in a command line": "Qx7planted1hunter",
    "key in a command line": "Qx7planted2key",
    "variable in a failure reason": "Qx7planted3variable",
    "access key id": "AKIAQX7PLANTED4KEYID",
    "secret access key": "Qx7planted5/AbCdEfGhIjKlMnOpQrStUvWxYz01",
    "token of a signed URL": "Qx7planted6signature",
    "password of a database's URL": "Qx7planted7password",
    "bearer token": "Qx7planted8bearer",
    "private key": "Qx7planted9MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    "hyperparameter": "Qx7planted10hyperparameter",
    "environment": "Qx7planted11environment",
    "external id": "Qx7planted12externalid",
    "ping URL": "Qx7planted13ping",
    "token of serve": "Qx7planted14serve",
    "our own secret key": "Qx7planted15ownkey",
    "our own session token": "Qx7planted16session",
    "password of a proxy": "Qx7planted17proxy",
}
REASON = f"""AlgorithmError: ExecuteUserScriptError:
Command "python train.py --password {SECRETS["password in a command line"]} \
--wandb-api-key={SECRETS["key in a command line"]} --lr 0.1"
export DB_PASSWORD='{SECRETS["variable in a failure reason"]}' \
AWS_ACCESS_KEY_ID={SECRETS["access key id"]} AWS_SECRET_ACCESS_KEY={SECRETS["secret access key"]}
GET https://bucket.s3.amazonaws.com/x?X-Amz-Signature={SECRETS["token of a signed URL"]}&x=1 403
sqlalchemy.exc.OperationalError: postgresql://me:{SECRETS["password of a database's URL"]}@db/x
{{"Authorization": "Bearer {SECRETS["bearer token"]}"}}
-----BEGIN PRIVATE KEY-----
{SECRETS["private key"]}
-----END PRIVATE KEY-----
ValueError: the loss is nan"""


@pytest.fixture
def leaky(scope: Scope) -> Scope:
    """A failed job with secrets in its failure reason, environment and hyperparameters."""
    job = scope.create_job(
        "leaky",
        hyperparameters={"api_key": SECRETS["hyperparameter"]},
        environment={"TOKEN": SECRETS["environment"]},
        lives=False,
    )
    scope.finish(scope.start(job), "Failed", failure_reason=REASON)
    scope.clock.advance(60)
    return scope


class Outputs:
    """Everything that the program printed or wrote."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def take(self, what: str, ended: Ended) -> None:
        self.texts[f"{what}: standard output"] = ended.out
        self.texts[f"{what}: standard error"] = ended.err

    def leaks(self) -> list[str]:
        return [
            f"{kind} in {where}"
            for where, text in self.texts.items()
            for kind, secret in SECRETS.items()
            if secret in text
        ]


def everything_in(path: Path) -> str:
    """Return every value of every table and view, and the bytes of the file."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL"
        ).fetchall()
        rows = [
            str(connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall())
            for schema, name in names
        ]
    assert len(rows) > 15
    return "\n".join(rows) + path.read_bytes().decode("latin-1")


def everything_published(lake: Path) -> str:
    """Return every value of every published table, and its log."""
    files = [path for path in sorted(lake.rglob("*")) if path.is_file()]
    tables = [path for path in files if path.suffix == ".parquet"]
    assert len(tables) > 5
    rows = [str(duckdb.read_parquet(str(path)).fetchall()) for path in tables]
    outputs = "\n".join(rows) + "".join(path.read_bytes().decode("latin-1") for path in files)
    assert "ValueError: the loss is nan" in outputs
    return outputs


def test_every_output_is_free_of_secrets(
    zygotes: Zygotes, simulator: Simulator, leaky: Scope, tmp_path: Path
) -> None:
    outputs = Outputs()
    database = Database(tmp_path / "jobs.duckdb")
    config = tmp_path / "exporter.toml"
    config.write_text(f"""
[[source]]
name = "one"
role_arn = "{ROLE}"
external_id = "{SECRETS["external id"]}"
regions = ["{REGION}"]
[sync]
ping_url = "http://127.0.0.1:9/{SECRETS["ping URL"]}"
max_rps = 0
""")
    env = {
        **simulator.environment(),
        "AWS_SECRET_ACCESS_KEY": SECRETS["our own secret key"],
        "AWS_SESSION_TOKEN": SECRETS["our own session token"],
        "SAGEMAKER_EXPORTER_SERVE_TOKEN": SECRETS["token of serve"],
    }
    backup, snapshot = tmp_path / "backup.duckdb", tmp_path / "snapshot.duckdb"
    page, lake = tmp_path / "page.html", tmp_path / "lake"

    def run(what: str, *arguments: str, code: int = 0, **more: str) -> None:
        ended = zygotes.run(
            ["--db", str(database.path), "--config", str(config), "-vv", *arguments], env | more
        )
        assert ended.code == code, ended
        outputs.take(what, ended)

    world = simulator.world
    world.behaviour = Behaviour(external_ids={ROLE: SECRETS["external id"]})
    run("sync", "sync", "--snapshot", str(snapshot))
    # The external id is wrong, so the role cannot be assumed.
    world.behaviour = Behaviour(external_ids={ROLE: "another"})
    run("a role that refuses", "sync", code=5)
    world.behaviour = Behaviour(denied=frozenset({(None, None, "Search")}))
    simulator.inject(Fault("expired", operation="ListTrainingJobs", times=None))
    run("expired keys", "--log-format", "json", "sync", code=5)
    simulator.clear_faults()
    proxy = f"http://me:{SECRETS['password of a proxy']}@127.0.0.1:9"
    run("a proxy that is not there", "sync", code=7, HTTP_PROXY=proxy, http_proxy=proxy)
    run("an option that is wrong", "sync", "--external-id", SECRETS["external id"], code=2)
    run("status", "status", "--json")
    run("jobs", "jobs", "--format", "aws")
    run("query", "query", "SELECT * FROM training_job_details", "--format", "json")
    run("dashboard", "dashboard", "--output", str(page))
    run("config show", "config", "show")
    run("config show --json", "config", "show", "--json")
    run("backup", "db", "backup", str(backup))
    run("publish", "publish", str(lake))
    run("publish --json", "publish", str(lake), "--json")
    serving = zygotes.start(
        ["--db", str(database.path), "-vv", "serve", "--port", "0"],
        env,
    )
    until(lambda: serving.out.exists() and "http" in serving.out.read_text())
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(serving.out.read_text().split()[0])  # noqa: S310 - the loopback
    serving.send(signal.SIGTERM)
    outputs.take("serve", serving.wait())

    for path in (database.path, backup, snapshot):
        outputs.texts[path.name] = everything_in(path)
    outputs.texts[lake.name] = everything_published(lake)
    for path in tmp_path.iterdir():
        if path.is_file() and path not in (config, database.path, backup, snapshot):
            outputs.texts[path.name] = path.read_text(errors="replace")
    assert "page.html" in outputs.texts
    assert outputs.leaks() == []
    # The redacted reason is still useful.
    with duckdb.connect(str(database.path), read_only=True) as connection:
        rows = connection.execute("SELECT failure_reason FROM training_job_details").fetchall()
    assert "--lr 0.1" in rows[0][0]
    assert "ValueError: the loss is nan" in rows[0][0]

    assert [mode(path) for path in (database.path, backup, snapshot)] == [0o600, 0o600, 0o444]
    assert mode(Path(f"{database.path}.lock")) == 0o600


def test_files_of_a_running_commit_are_private(database: Database) -> None:
    """The umask and the mode of the database file make no difference."""
    seen: list[int] = []
    before = os.umask(0)
    try:
        database.path.chmod(0o666)

        def check_modes(_: object) -> None:
            seen.append(mode(Path(f"{database.path}.wal")))

        with database.writing(check_modes) as connection:
            connection.execute("INSERT INTO settings VALUES ('a', 'b')")
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert seen == [0o600]
