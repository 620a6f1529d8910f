"""Compare a sync of many accounts and regions with nothing new with bare calls.

    python -m benchmarks.scopes [--accounts 12] [--regions 17] [--jobs 100] [--pairs 3]

Sync reaches every account through a role. The floor assumes the same roles, and sends one
ListTrainingJobs for each account and region, one after the other. It shares one client per region,
and signs each call with the credentials of its account. The service runs in a process of its own.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import MISSED
from benchmarks.closed import account_ids, region_names
from benchmarks.processes import Usage, aws_environment, compare, run, service

RATIO, MEGABYTES = 2.0, 250

_TOML = """
[[source]]
name = "account {account}"
role_arn = "arn:aws:iam::{account}:role/reader"
regions = {regions}
"""
_FLOOR = """
import sys
from datetime import UTC, datetime, timedelta

import boto3

accounts, regions = sys.argv[1].split(","), sys.argv[2].split(",")
session = boto3.Session()
sts = boto3.Session().client("sts")  # with credentials of its own
clients = {}
for account in accounts:
    keys = sts.assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/reader", RoleSessionName="floor"
    )["Credentials"]
    for region in regions:
        if region not in clients:
            clients[region] = session.client("sagemaker", region_name=region)
        signer = clients[region]._request_signer
        signer._credentials.access_key = keys["AccessKeyId"]
        signer._credentials.secret_key = keys["SecretAccessKey"]
        signer._credentials.token = keys["SessionToken"]
        clients[region].list_training_jobs(
            LastModifiedTimeAfter=datetime.now(UTC) - timedelta(minutes=5),
            CreationTimeAfter=datetime.now(UTC) - timedelta(days=30),
            SortBy="CreationTime",
            SortOrder="Ascending",
            MaxResults=100,
        )
"""


def main() -> int:
    """Print both sides and their ratios.

    Returns:
        Exit code: 3 if a ratio or the memory misses its goal, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scopes", description=__doc__)
    parser.add_argument("--accounts", type=int, default=12)
    parser.add_argument("--regions", type=int, default=17)
    parser.add_argument("--jobs", type=int, default=100, help="jobs in each account and region")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each side")
    options = parser.parse_args()
    accounts, regions = account_ids(options.accounts), region_names(options.regions)
    with (
        service(options.jobs, options.accounts, options.regions) as url,
        tempfile.TemporaryDirectory() as folder,
    ):
        environment = aws_environment(url, accounts[0], regions[0])
        sync = _sync(Path(folder), accounts, regions)
        _show("backfill", run(sync, environment))
        floor = [sys.executable, "-c", _FLOOR, ",".join(accounts), ",".join(regions)]
        found = compare(sync, floor, environment, pairs=options.pairs)
    _show("nothing new", found.ours)
    _show("bare calls", found.floor)
    print(f"ratio {found.cpu:.2f} of CPU, {found.wall:.2f} by the clock")
    met = max(found.cpu, found.wall) <= RATIO and found.ours.megabytes <= MEGABYTES
    print(f"goal: at most {RATIO} times and {MEGABYTES} MB: {'met' if met else 'missed'}")
    return 0 if met else MISSED


def _sync(folder: Path, accounts: Sequence[str], regions: Sequence[str]) -> list[str]:
    config = folder / "sagemaker-exporter.toml"
    config.write_text(
        "".join(_TOML.format(account=account, regions=list(regions)) for account in accounts)
    )
    files = ["--db", str(folder / "jobs.duckdb"), "--config", str(config)]
    return [sys.executable, "-m", "exporter", *files, "sync", "--max-rps", "0"]


def _show(title: str, usage: Usage) -> None:
    summary = re.sub(r"^.*?sync: ", "", (usage.output.strip().splitlines() or [""])[-1])
    print(
        f"{title:12} {usage.cpu:6.2f} s of CPU {usage.wall:6.2f} s by the clock "
        f"{usage.megabytes:5.0f} MB  {summary}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
