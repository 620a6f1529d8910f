"""Empty, one job, nothing priced, many jobs, hostile names: the page stands, and is honest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.store.database import Database
from tests.dashboard.conftest import Made, Reader, execute, make

EVIL = '</script><script>window.hacked=1</script><img src=x onerror="hacked=1"> \'"&\x1b[31m\u202e'


def test_an_empty_database(database: Database, tmp_path: Path) -> None:
    made = make(database.path, tmp_path / "page.html")
    text = Reader(made.text).text
    assert "nothing synced yet" in text
    assert "Nothing has been synced into this database yet." in text
    assert "0.00 USD" not in text
    assert 'class="chart"' not in made.text
    assert len(made.text) < 60_000, "no chart, no library"


def test_one_job_with_a_pool(copy: Database, tmp_path: Path) -> None:
    execute(
        copy,
        """CREATE TEMP TABLE kept AS SELECT training_job_arn, creation_time FROM training_jobs
           WHERE warm_pool_status = 'Reused' AND creation_time > '2026-10-01'
           ORDER BY creation_time LIMIT 1""",
        """DELETE FROM training_jobs
           WHERE (training_job_arn, creation_time) NOT IN (FROM kept)""",
        """DELETE FROM training_job_details
           WHERE (training_job_arn, creation_time) NOT IN (FROM kept)""",
    )
    made = make(copy.path, tmp_path / "page.html")
    text = Reader(made.text).text
    assert "1 of 1" in text
    assert "1 training jobs" not in text
    assert "100.0 %" in text
    assert "No pool waited when the service was last asked." in text


def test_what_is_not_known_is_never_zero(copy: Database, tmp_path: Path) -> None:
    execute(copy, "DELETE FROM prices")
    made = make(copy.path, tmp_path / "page.html")
    reader = Reader(made.text)
    assert "Warm pools cost not known" in reader.text
    assert "wasted: nobody came not known" in reader.text
    assert "there is no price" in reader.text
    assert "0.00 USD" not in reader.text
    assert re.search(r"\b0\.00\b", reader.text) is None


def test_a_scope_that_failed_or_is_old_is_said_at_the_top(copy: Database, tmp_path: Path) -> None:
    execute(
        copy,
        "UPDATE sync_scopes SET last_error = 'AccessDenied: no', failing_runs = 3",
        "INSERT INTO sync_scopes (account_id, region, watermark, failing_runs) "
        "VALUES ('444455556666', 'us-east-1', '2026-11-20 00:00:00+00', 0)",
        "INSERT INTO sync_scopes (account_id, region, failing_runs) "
        "VALUES ('444455556666', 'us-east-2', 0)",
    )
    text = Reader(make(copy.path, tmp_path / "page.html").text).text
    assert "Read the figures with care" in text
    assert "111122223333/eu-west-1 failed in its last 3 runs: AccessDenied: no" in text
    assert "444455556666/us-east-1 is 3d 18h old." in text
    assert "444455556666/us-east-2 has never been synced completely." in text


@pytest.fixture
def hostile(copy: Database, tmp_path: Path) -> Made:
    text = EVIL.replace("'", "''").replace(":", "\\:")
    execute(
        copy,
        f"UPDATE training_jobs SET job_family = '{text}' WHERE job_family LIKE 'r%'",
        f"UPDATE training_jobs SET training_job_name = '{text}' "
        "WHERE warm_pool_status = 'Available'",
        f"UPDATE training_job_details SET instance_type = '{text}' "
        "WHERE instance_type = 'ml.m5.xlarge'",
        f"UPDATE sync_scopes SET last_error = '{text}'",
        f"INSERT INTO accounts VALUES ('111122223333', '{text}')",
    )
    return make(copy.path, tmp_path / "hostile.html")


def test_names_come_out_harmless(hostile: Made) -> None:
    reader = Reader(hostile.text)
    assert len(reader.having("script")) == 3
    assert not reader.having("img")
    for _, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on")]
    assert "\x1b" not in hostile.text
    assert "\u202e" not in hostile.text
    assert hostile.text.count("\\x1b[31m") >= 4, "it is shown, written out"
    assert "\\u003c/script\\u003e" in hostile.text, "it reaches the charts too"


def test_the_policy_lets_only_our_scripts_run(made: Made) -> None:
    (policy,) = (
        meta["content"]
        for meta in Reader(made.text).having("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    script = next(part for part in policy.split(";") if "script-src" in part)
    assert re.fullmatch(r" script-src( 'sha256-[A-Za-z0-9+/=]{44}'){2}", script)


def test_many_families_and_types_are_capped_and_counted(copy: Database, tmp_path: Path) -> None:
    execute(
        copy,
        """UPDATE training_jobs
           SET job_family = 'family-' || abs(hash(training_job_name) % 500)::VARCHAR""",
        """UPDATE training_job_details
           SET instance_type = 'ml.x' || abs(hash(training_job_arn) % 80)::VARCHAR || '.large'""",
        """INSERT INTO prices
           SELECT 'eu-west-1', 'Training', 'ml.x' || n || '.large', 1, 'Hrs', '2020-01-01', 'import'
           FROM range(80) AS r (n)""",
    )
    made = make(copy.path, tmp_path / "page.html")
    reader = Reader(made.text)
    assert re.search(r"\+ ?7\d other types", reader.text)
    assert re.search(r"The 15 dearest of \d{3}", reader.text)
    rows = reader.tables["Reuse by family"]
    assert len(rows) == 1 + 60 + 1 + 1
    assert re.fullmatch(r"… and \d+ more, which the total includes", rows[-2][0])
    assert len(made.text) < 1_500_000


def test_the_command_writes_the_whole_page_or_nothing(
    copy: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pools.html"
    assert main(["--db", str(copy.path), "dashboard", "--output", str(output)]) == 0
    assert "Wrote" in capfd.readouterr().err
    assert output.read_text().rstrip().endswith("</html>")
    for bad in (str(tmp_path), str(tmp_path / "nowhere" / "page.html")):
        assert main(["--db", str(copy.path), "dashboard", "--output", bad]) == 2
    missing = str(tmp_path / "missing.duckdb")
    assert main(["--db", missing, "dashboard", "--output", str(tmp_path / "no.html")]) == 8
    assert not (tmp_path / "no.html").exists()
    assert main(["--db", str(copy.path), "dashboard"]) == 2


def test_a_period_can_be_asked_for(
    copy: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pools.html"
    asked = ["--since", "2026-09-01", "--until", "2026-10-01", "--minute-usd", "0.5"]
    assert main(["--db", str(copy.path), "dashboard", "--output", str(output), *asked]) == 0
    text = Reader(output.read_text()).text
    assert "2026-09-01 to 2026-09-30 (UTC days)" in text
    assert "Best " in text
    assert "--param minute_usd=0.5" in text
