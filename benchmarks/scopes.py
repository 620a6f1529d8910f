"""Measure a sync of many accounts and regions with nothing new: wall time, peak memory, calls.

    python -m benchmarks.scopes [--accounts 12] [--regions 17]

The service runs in a separate process. Sync reaches every account through a role.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3

_TOML = """
[[source]]
name = "account {number}"
role_arn = "arn:aws:iam::{account}:role/reader"
regions = {regions}
"""


def main() -> None:
    """Print one line for a backfill and for each of two syncs with nothing new."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=12)
    parser.add_argument("--regions", type=int, default=17)
    options = parser.parse_args()
    accounts = [f"{number:012}" for number in range(1, options.accounts + 1)]
    regions = boto3.Session().get_available_regions("sagemaker")[: options.regions]
    service = subprocess.Popen(
        [
            *(sys.executable, "-m", "exporter.simulator", "--jobs", "20400"),
            *(word for account in accounts for word in ("--account", account)),
            *(word for region in regions for word in ("--region", region)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if service.stdout is None:
            raise RuntimeError("the service has no output")
        url = service.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "sagemaker-exporter.toml"
            config.write_text(
                "".join(
                    _TOML.format(number=number, account=account, regions=list(regions))
                    for number, account in enumerate(accounts)
                )
            )
            for title in ("backfill", "nothing new", "nothing new"):
                _sync(title, url, accounts[0], regions[0], Path(folder))
    finally:
        service.terminate()
        service.wait()


def _sync(title: str, url: str, account: str, region: str, folder: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": f"AKIA{account}",
        "AWS_SECRET_ACCESS_KEY": "stand-in",
        "AWS_REGION": region,
    }
    start = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "exporter", "--db", str(folder / "jobs.duckdb")),
            *("--config", str(folder / "sagemaker-exporter.toml"), "sync", "--max-rps", "0"),
        ],
        env=environment,
        check=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    summary = re.sub(r"^.*?sync: ", "", done.stderr.strip().splitlines()[-1])
    print(f"{title}: {seconds:.1f} s, peak memory of all runs until now {peak} MB: {summary}")


if __name__ == "__main__":
    main()
