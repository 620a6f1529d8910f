"""Measures `reconcile` with a large bill: `python -m benchmarks.bills [--lines 2000000]`.

The benchmark builds a file with 200,000 jobs of a year, and a CUR 2.0 of one month with resource
ids. A quarter of its lines are training by the hour, a twentieth other usage of SageMaker, and the
rest is EC2. It compares the bill as Parquet and as gzipped CSV, each in its own process, and prints
the seconds, the CPU seconds and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks import MISSED
from benchmarks.reports import build
from exporter.bills import reconcile
from exporter.store.database import Database

SECONDS, MEGABYTES = 10.0, 1_000
COMMAND = (sys.executable, "-m", "benchmarks.bills")
NAMES = ("bill.parquet", "bill.csv.gz")


def main() -> int:
    """Build, run and print; return 3 if a bill misses the goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bills", description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000, help="number of lines of the bill")
    parser.add_argument("--jobs", type=int, default=200_000, help="number of jobs in the file")
    parser.add_argument("--keep", type=Path, help="keep the files in this folder, and use them")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.keep, options.measure)
        return 0
    late = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "jobs.duckdb").exists():
            build(folder / "jobs.duckdb", options.jobs)
        if not (folder / NAMES[0]).exists():
            write_bill(folder, options.lines)
        print(f"{'bill':<14} {'s':>7} {'CPU s':>7} {'MB':>6}  agree")
        for name in NAMES:
            command = (*COMMAND, "--keep", str(folder), "--measure", name)
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            print(
                "{bill:<14} {s:>7.2f} {cpu:>7.2f} {mb:>6.0f}  {agree:,} of {lines:,}".format(
                    **found
                )
            )
            late |= found["s"] > SECONDS or found["mb"] > MEGABYTES
    return MISSED if late else 0


def write_bill(folder: Path, lines: int) -> None:
    """Write a bill of October 2026 for the jobs of `jobs.duckdb`."""
    connection = duckdb.connect(str(folder / "jobs.duckdb"), read_only=True)
    connection.execute(f"""
        CREATE TEMP TABLE bill AS
        WITH own AS (
            SELECT
                training_job_arn AS resource, account_id, region, component, instance_type,
                usage_date, coalesce(instance_hours, gb_months) AS quantity,
                coalesce(cost_usd, 1) AS cost_usd
            FROM daily_costs
            WHERE usage_date BETWEEN '2026-10-01' AND '2026-10-31' AND quantity > 0
        ),

        parts AS (SELECT greatest({lines} // 4 // count(*), 1) AS n FROM own),

        training AS (
            SELECT
                own.* EXCLUDE (quantity, cost_usd), 'AmazonSageMaker' AS product,
                CAST(usage_date AS TIMESTAMP) + INTERVAL 1 HOUR * (part % 24) AS started,
                'EU-' || replace(replace(component, 'ing Warm', '-Warm'), ' ML storage', '')
                    || CASE WHEN component LIKE '%storage' THEN ':VolumeUsage.gp2'
                    ELSE ':' || instance_type END AS usage_type,
                CAST(quantity / parts.n AS DECIMAL(38, 10)) AS amount,
                CAST(cost_usd / parts.n AS DECIMAL(38, 10)) AS cost
            FROM own, parts, range(parts.n) AS each (part)
        )

        SELECT * FROM training
        UNION ALL BY NAME
        SELECT
            'arn:aws:ec2:eu-west-1:111122223333:instance/i-' || i % 5000 AS resource,
            '111122223333' AS account_id, 'eu-west-1' AS region, 'Compute' AS component,
            'm5.xlarge' AS instance_type,
            TIMESTAMP '2026-10-01' + INTERVAL 1 HOUR * (i % 744) AS started,
            CASE WHEN i % 15 = 0 THEN 'AmazonSageMaker' ELSE 'AmazonEC2' END AS product,
            CASE WHEN i % 15 = 0 THEN 'EU-Host:ml.m5.xlarge' ELSE 'EU-BoxUsage:m5.xlarge' END
                AS usage_type,
            1.0 AS amount, 0.214 AS cost
        FROM range({lines} - (SELECT count(*) FROM training)) AS other (i)
    """)  # noqa: S608 - our own number
    empty = ", ".join(f"NULL::VARCHAR AS pricing_column_{number}" for number in range(30))
    query = f"""
        SELECT
            'line-' || row_number() OVER () AS identity_line_item_id,
            '999988887777' AS bill_payer_account_id,
            TIMESTAMP '2026-10-01' AS bill_billing_period_start_date,
            started AS line_item_usage_start_date,
            started + INTERVAL 1 HOUR AS line_item_usage_end_date,
            account_id AS line_item_usage_account_id, 'Usage' AS line_item_line_item_type,
            product AS line_item_product_code, usage_type AS line_item_usage_type,
            'RunInstance' AS line_item_operation,
            '$0.214 per ' || component || ' ' || instance_type || ' hour in EU (Ireland)'
                AS line_item_line_item_description,
            resource AS line_item_resource_id, CAST(amount AS DOUBLE) AS line_item_usage_amount,
            CAST(cost AS DOUBLE) AS line_item_unblended_cost,
            CAST(NULL AS DOUBLE) AS line_item_net_unblended_cost,
            'USD' AS line_item_currency_code,
            CASE WHEN component LIKE '%storage' THEN 'GB-Mo' ELSE 'Hrs' END AS pricing_unit,
            region AS product_region_code,
            MAP {{'component': component, 'regioncode': region, 'vcpu': '4', 'memory': '16 GiB'}}
                AS product,
            {empty}
        FROM bill
    """  # noqa: S608 - our own columns
    connection.execute(f"COPY ({query}) TO '{folder / NAMES[0]}'")
    as_csv = query.replace("MAP {", "to_json(MAP {").replace("}\n", "})\n")
    connection.execute(f"COPY ({as_csv}) TO '{folder / NAMES[1]}' (COMPRESSION gzip)")


def measure(folder: Path, name: str) -> None:
    """Compare one bill and print the figures as JSON."""
    began, cpu = time.perf_counter(), time.process_time()
    with Database(folder / "jobs.duckdb").reading() as connection:
        found = reconcile(connection, folder / name)
    figures = {
        "bill": name,
        "s": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "agree": len(found.lines) - len(found.differences),
        "lines": len(found.lines),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    raise SystemExit(main())
