"""A figure that no job can have makes no report fail, however it came into the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exporter.reports.catalogue import catalogue
from tests.support.cases import World, job

AT = datetime(2026, 10, 5, 8, tzinfo=UTC)
POOLS = [("Terminated", 600), ("Available", None), ("InUse", None), ("Reused", 60)]


def test_absurd_figures_fail_no_report(world: World) -> None:
    huge = 2**62
    world.price("1")
    for number, pool in enumerate(POOLS):
        at = AT + timedelta(hours=number)
        world.put([job(f"a-{number}", at, pool=pool, keep_alive=600)])
        world.put([job(f"r-{number}", at, TrainingEndTime=None, TrainingJobStatus="InProgress")])
    # A sync stores no more than 32 bits, but earlier versions did.
    world.connection.execute(f"UPDATE training_jobs SET warm_pool_retained_seconds = {huge}")
    world.connection.execute(
        f"UPDATE training_job_details SET billable_seconds = {huge}, keep_alive_seconds = {huge}"
    )
    needed = {"job": "a-0", "family": "a"}
    for name, report in catalogue().items():
        params = {
            parameter.name: needed[parameter.name]
            for parameter in report.parameters.values()
            if parameter.required
        }
        world.run(name, params=params)
