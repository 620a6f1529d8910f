"""A database with a year of jobs, its page, and a browser if the machine has one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.config.model import Source, SyncOptions
from exporter.simulator import Clock, Simulator, World
from exporter.store.database import Database
from exporter.syncing.run import run_sync
from tests.web.browser import EXECUTABLE, Browser
from tests.web.pages import NOW, DashboardPage, execute, make_page

ACCOUNT, REGION = "111122223333", "eu-west-1"
#: It tries to leave every place where text can stand, and to steer a terminal.
HOSTILE = (
    '</script><script>window.hacked=1</script><img src=x onerror="hacked=1"> \'"&\x1b[31m\u202e'
)
#: A name of AWS cannot hold these, but a damaged answer could.
STRANGE = "../a b?c#d%2f"


@pytest.fixture(scope="session")
def world_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 900 jobs, synced from the simulator while some pools are idle."""
    path = tmp_path_factory.mktemp("world") / "world.duckdb"
    world = World(Clock(NOW), seed=2051)
    scope = world.scope(ACCOUNT, REGION)
    world.generate(jobs=900, scopes=[scope])
    with Simulator(world) as service, pytest.MonkeyPatch.context() as patch:
        for name, value in service.environment(ACCOUNT, REGION).items():
            patch.setenv(name, value)
        report = run_sync(Database(path), [Source("world")], SyncOptions(max_rps=0))
    assert report.exit_code == 0
    return path


@pytest.fixture(scope="session")
def wide_file(world_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same jobs in two accounts, two regions and three teams, with pools over midnight."""
    path = tmp_path_factory.mktemp("wide") / "wide.duckdb"
    shutil.copyfile(world_file, path)
    execute(
        Database(path),
        """CREATE TEMP TABLE spread AS
        SELECT training_job_arn AS arn, CAST(hash(arn) % 1000 AS BIGINT) AS number
        FROM training_jobs""",
        """UPDATE training_jobs SET
            account_id = CASE WHEN number % 4 = 0 THEN '444455556666' ELSE account_id END,
            region = CASE WHEN number % 5 = 0 THEN 'us-east-1' ELSE region END,
            team = ['vision', 'speech', NULL][1 + number % 3]
        FROM spread WHERE training_job_arn = arn""",
        """INSERT INTO sync_scopes BY NAME
        SELECT '444455556666' AS account_id, region, watermark, discovered_from, last_complete_at
        FROM sync_scopes""",
        "INSERT INTO accounts VALUES ('444455556666', 'research')",
        # Over the end of a month; and with the first second only after midnight.
        _pool_ends("2026-09-30 23:50:00", "2026-09-29", 1800),
        _pool_ends("2026-08-31 23:59:59.500", "2026-08-30", 700),
        _pool_ends("2026-10-05 23:59:59.700", "2026-10-04", 90_000),
    )
    return path


@pytest.fixture(scope="session")
def strange_file(wide_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same jobs, some of them with names that no place may let out, and some deleted."""
    path = Path(shutil.copy(wide_file, tmp_path_factory.mktemp("strange") / "strange.duckdb"))
    text = HOSTILE.replace("'", "''")
    execute(
        Database(path),
        f"UPDATE training_jobs SET training_job_name = '{text}', job_family = '{text}', "
        f"team = '{text}' WHERE warm_pool_status = 'Available'",
        # So that money is spent under such names.
        f"UPDATE training_jobs SET job_family = '{text}' WHERE job_family LIKE 'r%'",
        f"UPDATE training_jobs SET team = '{text}' WHERE team = 'speech'",
        f"UPDATE training_jobs SET training_job_name = '{STRANGE}' "
        "WHERE training_job_status = 'InProgress'",
        "UPDATE training_jobs SET deleted_at = '2026-11-22 00:00:00+00' WHERE region = 'us-east-1'",
        f"INSERT OR REPLACE INTO accounts VALUES ('111122223333', '{text}')",
        f"UPDATE training_job_details SET failure_reason = '{text}', tags = "
        f"json_object('{text}', '{text}')",
    )
    return path


def _pool_ends(end: str, created_before: str, seconds: int) -> str:
    """Return SQL that moves the end of the last job with a pool that was created before a day."""
    return f"""UPDATE training_jobs
        SET training_end_time = '{end}+00', warm_pool_retained_seconds = {seconds}
        WHERE training_job_arn = (
            SELECT training_job_arn FROM training_jobs
            WHERE warm_pool_status IN ('Reused', 'Terminated')
                AND creation_time < '{created_before} 00:00:00+00'
            ORDER BY creation_time DESC LIMIT 1
        )"""


@pytest.fixture(scope="session")
def wide_page(wide_file: Path, tmp_path_factory: pytest.TempPathFactory) -> DashboardPage:
    return make_page(wide_file, tmp_path_factory.mktemp("wide-page") / "page.html")


@pytest.fixture(scope="session")
def strange_page(strange_file: Path, tmp_path_factory: pytest.TempPathFactory) -> DashboardPage:
    return make_page(strange_file, tmp_path_factory.mktemp("strange-page") / "page.html")


@pytest.fixture(scope="session")
def world_page(world_file: Path, tmp_path_factory: pytest.TempPathFactory) -> DashboardPage:
    return make_page(world_file, tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def migrated_module(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A database without jobs, for the tests of a module."""
    path = tmp_path_factory.mktemp("migrated") / "empty.duckdb"
    shutil.copyfile(migrated_file, path)
    return Database(path)


@pytest.fixture
def world_copy(world_file: Path, tmp_path: Path) -> Database:
    """A copy of the database that a test may change."""
    path = tmp_path / "copy.duckdb"
    shutil.copyfile(world_file, path)
    return Database(path)


@pytest.fixture
def hostile_page(world_copy: Database, tmp_path: Path) -> DashboardPage:
    """The page of a database whose names are hostile."""
    text = HOSTILE.replace("'", "''")
    execute(
        world_copy,
        f"UPDATE training_jobs SET job_family = '{text}' WHERE job_family LIKE 'r%'",
        f"UPDATE training_jobs SET training_job_name = '{text}' "
        "WHERE warm_pool_status = 'Available'",
        f"UPDATE training_job_details SET instance_type = '{text}' "
        "WHERE instance_type = 'ml.m5.xlarge'",
        f"UPDATE sync_scopes SET last_error = '{text}'",
        f"INSERT INTO accounts VALUES ('111122223333', '{text}')",
    )
    return make_page(world_copy.path, tmp_path / "hostile.html")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if EXECUTABLE is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running
