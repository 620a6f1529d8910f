"""Every command of the pages runs as a reader would run it, from nothing to the last line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from exporter.reports import adhoc
from exporter.simulator import Behaviour, Clock, Scope, World
from exporter.store.database import Database
from tests.docs.machine import Machine
from tests.docs.pages import PAGES, blocks
from tests.support import bills

#: The pages whose blocks run here, from top to bottom, in one shell.
_RUN = (
    "README.md",
    "docs/quick-start-cron.md",
    "docs/quick-start-sql.md",
    "docs/quick-start-costs.md",
    "docs/configuration.md",
    "docs/running.md",
    "docs/scaling.md",
    "docs/reconcile.md",
    "docs/list-training-jobs.md",
)
#: Commands that a reader of a page has run before, and that the page does not repeat.
_BEFORE = {
    "README.md": ["sagemaker-exporter demo"],  # its first block shows the result of a report
    "docs/configuration.md": ["sagemaker-exporter sync"],
    "docs/list-training-jobs.md": ["sagemaker-exporter sync"],
    "docs/reconcile.md": ["sagemaker-exporter sync"],
    "docs/scaling.md": ["sagemaker-exporter sync --region eu-west-1"],
}
_INSTALLS = "the program is installed here; `make release-check` installs it"
_CHANGES = "it needs root, and changes the users of the machine"
_NEEDS_AWS_CLI = "it needs the AWS CLI, and an account behind it"
_SERVES = "it serves until somebody ends it; tests/replica runs it"
#: Lines that are only shown, with the reason.
_SHOWN = {
    "make demo": "it installs first; quick-start-sql.md runs the demo",
    "make wheel": _INSTALLS,
    "pipx install .            # or: uv tool install .": _INSTALLS,
    "pipx install dist/*.whl   # or: uv tool install dist/*.whl": _INSTALLS,
    "pipx install --force '.[all]'   # or: uv tool install --force '.[all]'": _INSTALLS,
    "pipx install --force '.[dashboard]'   # or: uv tool install --force '.[dashboard]'": _INSTALLS,
    "python3 -m venv /opt/sagemaker-exporter": _INSTALLS,
    "/opt/sagemaker-exporter/bin/pip install --upgrade "
    '"/root/sagemaker_exporter-0.1.0-py3-none-any.whl[dashboard]"': _INSTALLS,
    "useradd --system --no-create-home exporter": _CHANGES,
    "install --directory --owner exporter /var/lib/sagemaker-exporter": _CHANGES,
    "su --shell /bin/sh exporter": _CHANGES,
    "systemctl enable --now sagemaker-exporter.timer": "no systemd runs here",
    "journalctl -u sagemaker-exporter -n 20": "no systemd runs here",
    "docker build -t sagemaker-exporter .": "no Docker runs here",
    "docker run --rm --read-only --tmpfs /tmp --volume sagemaker:/data \\\n"
    "    --env AWS_ACCESS_KEY_ID --env AWS_SECRET_ACCESS_KEY --env AWS_SESSION_TOKEN \\\n"
    "    sagemaker-exporter sync --region eu-west-1": "no Docker runs here",
    "node_exporter --collector.textfile.directory=/var/lib/sagemaker-exporter": (
        "it is another program, and serves until somebody ends it"
    ),
    "sagemaker-exporter --db sagemaker.duckdb serve        # http://127.0.0.1:8025": _SERVES,
    "sagemaker-exporter --db sagemaker.duckdb serve --host 0.0.0.0": _SERVES,
    "aws sagemaker list-training-jobs --status-equals InProgress --region eu-west-1": (
        _NEEDS_AWS_CLI
    ),
    "aws s3 sync s3://my-billing-bucket/exports/training exports/training": (
        "the test writes the bill that it would fetch"
    ),
}
#: Pages with commands that other tests run, or that are for people who change the program.
_ELSEWHERE = {
    "CONTRIBUTING.md": "its commands run the tests themselves",
    "docs/bi.md": "test_bi_examples_show_the_next_snapshot.py",
    "docs/performance.md": "its commands measure for minutes to hours; CI runs the short form",
    "docs/reliability.md": "its long runs are tests themselves",
    "docs/reports.md": "docs/build.py runs each report for its output",
    "docs/web.md": "its commands are servers, which tests/web starts",
}
#: The line that a console shows before a command.
_PROMPT = re.compile(r"^[$#] ", re.MULTILINE)


@pytest.fixture
def world() -> World:
    """A world whose time is that of this machine, because pages use ages such as 90d."""
    return World(Clock(datetime.now(UTC) - timedelta(hours=2)), seed=7, behaviour=Behaviour())


def commands_of(text: str, language: str) -> str:
    """Return the commands of a block; a console also shows their output."""
    if language == "sh":
        return text
    lines, is_command = [], False
    for line in text.splitlines():
        prompt = _PROMPT.match(line)
        if prompt or is_command:
            lines.append(line[2:] if prompt else line)
            is_command = line.endswith("\\")
    return "\n".join(lines)


def write_bill(database: Path, folder: Path) -> None:
    """Write a bill for the hours of the database, a tenth below their price."""
    folder.mkdir(parents=True)
    with Database(database).reading() as connection:
        rows = connection.execute(
            "SELECT usage_date, component, instance_type, "
            "sum(coalesce(instance_hours, gb_months)) AS quantity, sum(cost_usd) AS usd "
            "FROM daily_costs GROUP BY ALL HAVING usd > 0"
        ).all()
    charges = [
        bills.Charge(
            start=datetime.combine(row.usage_date, time(), UTC),
            component=row.component,
            instance_type=row.instance_type,
            quantity=row.quantity,
            usd=row.usd * 9 / 10,
            lasts=timedelta(days=1),
        )
        for row in rows
    ]
    assert charges
    bills.cur(folder / "export.parquet", charges)


@pytest.mark.parametrize("page", _RUN)
def test_the_commands_run(
    page: str, machine: Machine, world: World, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = scope.create_job("nightly-2", keep_alive_seconds=600)
    scope.start(job)
    world.advance(timedelta(hours=1))
    scope.finish(job)
    world.advance(timedelta(hours=1))
    unattended = page in ("docs/running.md", "docs/scaling.md")
    folder = "var/lib/sagemaker-exporter" if unattended else "home/you"
    monkeypatch.chdir(machine.root / folder)
    for line in _BEFORE.get(page, ()):
        assert machine.run(line)[0] == 0
    if page == "docs/reconcile.md":
        write_bill(Path("sagemaker.duckdb"), Path("exports/training"))
    ran = 0
    for block in blocks(page):
        if block.language in ("sh", "console"):
            machine.session(commands_of(block.text, block.language), _SHOWN)
            ran += 1
        elif block.language == "cron":
            for answer in machine.cron(block.text, has_user=block.name.startswith("/etc/")):
                assert answer == (0, "", ""), "cron would mail it"
        elif block.language == "toml" and block.name.startswith("/etc/"):
            Path(machine.placed(block.name)).write_text(machine.placed(block.text))
        elif block.language == "python" and page.startswith("docs/quick-start"):
            exec(block.text, {})  # noqa: S102 - our own page
    assert ran


def test_every_line_that_is_only_shown_is_on_a_page() -> None:
    text = "\n".join(
        commands_of(block.text, block.language)
        for page in _RUN
        for block in blocks(page)
        if block.language in ("sh", "console")
    )
    for line in _SHOWN:
        assert line in text, line


def test_every_page_with_commands_is_run() -> None:
    for page in PAGES:
        if any(block.language in ("sh", "console", "cron") for block in blocks(page)):
            assert page in _RUN or page in _ELSEWHERE, page


def test_the_sql_of_the_cookbook_runs_as_written(demo_database: Database) -> None:
    questions = [one.text for one in blocks("docs/cookbook.md") if one.language == "sql"]
    assert len(questions) >= 15
    for question in questions:
        with demo_database.reading() as connection:
            list(adhoc.run(connection, question.strip().rstrip(";")).rows)
