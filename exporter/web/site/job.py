"""The page of a job: what `job NAME` says, with a timeline of its pool to scale."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from exporter.errors import UsageError
from exporter.reports import job
from exporter.reports.result import Result
from exporter.reports.values import to_json
from exporter.web.site import choice, timeline
from exporter.web.site.jobs import job_path
from exporter.web.site.shell import TYPES, NoSuchPage, Shell

_CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


class Job:
    """Makes the page."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def page(self, request: Request, style: str = "") -> Response:
        """Return a job, whole."""
        account, region = request.path_params["account"], request.path_params["region"]
        name = request.path_params["name"]

        def make() -> list[job.JobReport]:
            try:
                with self._shell.reading() as connection:
                    return job.read(connection, name, account=account, region=region)
            except UsageError as error:
                raise NoSuchPage(error.message, error.guidance) from None

        found: list[job.JobReport] = self._shell.kept((account, region, name), make)
        if style == "json":
            text = to_json({"version": 1, "jobs": [each.to_json() for each in found]})
            return Response(text, media_type=TYPES["json"])
        if style:
            return self._shell.data(next(found[0].sections()), style, name)
        now = self._shell.now()
        return self._shell.page(
            "job.html",
            "/jobs",
            name=name,
            jobs=[(each, _drawn(each, now), _console(each.facts), _chain(each)) for each in found],
            command=shlex.join(
                ["sagemaker-exporter", "job", name, "--account", account, "--region", region]
            ),
            data=lambda style: f"{job_path(account, region, name)}.{style}",
            link=lambda other: job_path(account, region, other),
            family=choice.address("/jobs", [("family", found[0].facts["job_family"] or "")]),
        )


def _drawn(found: job.JobReport, now: datetime) -> timeline.Timeline:
    names = [column.name for column in found.chain.columns]
    chain = [dict(zip(names, row, strict=True)) for row in found.chain.rows]
    # What still runs is known to run until then.
    until = min(found.facts["data_as_of"] or now, now)
    return timeline.draw(timeline.steps(found.facts, chain), until)


def _chain(found: job.JobReport) -> Result:
    """Return the jobs on the pool without the column that only programs need."""
    part = found.chain
    return replace(part, columns=part.columns[:-1], rows=[row[:-1] for row in part.rows])


def _console(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and addresses of the job in the console of AWS; none if AWS has it no more."""
    partition = str(facts["training_job_arn"]).split(":")[1:2]
    domain = _CONSOLES.get(partition[0] if partition else "")
    if domain is None or facts["deleted_at"] is not None:
        return []
    region, name = quote(facts["region"], safe=""), quote(facts["training_job_name"], safe="")
    base = f"https://{region}.{domain}"
    logs = "log-groups/log-group/$252Faws$252Fsagemaker$252FTrainingJobs"
    return [
        ("SageMaker console", f"{base}/sagemaker/home?region={region}#/jobs/{name}"),
        (
            "CloudWatch logs",
            f"{base}/cloudwatch/home?region={region}#logsV2:{logs}$3FlogStreamNameFilter$3D{name}",
        ),
    ]
