"""Every page, by what it is about, and those that only say something."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from exporter.web import page
from exporter.web.site.job import Job
from exporter.web.site.jobs import Jobs
from exporter.web.site.overview import Overview
from exporter.web.site.reports import Reports
from exporter.web.site.shell import Shell, digest
from exporter.web.site.sql import Sql
from exporter.web.site.table import JobTable

_FILES: Final = {
    "style.css": "text/css; charset=utf-8",
    "site.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class Pages:
    """Makes the pages. Each function may take seconds, so it runs in a thread.

    Args:
        shell: The data and the frame.
        table: The jobs.
    """

    def __init__(self, shell: Shell, table: JobTable) -> None:
        self._shell = shell
        self.overview = Overview(shell)
        self.jobs = Jobs(shell, table)
        self.job = Job(shell)
        self.reports = Reports(shell)
        self.sql = Sql(shell)

    def login(self, target: str, *, failed: bool = False) -> Response:
        """Return the form for the token."""
        return self._shell.page(
            "login.html", "", status=401, target=target, failed=failed, has_session=False
        )

    def message(self, status: int, title: str, text: str) -> Response:
        """Return a page that says what went wrong."""
        return self._shell.page("message.html", "", status=status, title=title, text=text)

    @staticmethod
    def file(request: Request) -> Response:
        """Return a style, the script or the icon; its address changes with its content."""
        name = request.path_params["name"]
        if name not in _FILES or request.path_params["digest"] != digest(name):
            return Response("not found\n", 404, media_type="text/plain")
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(page.asset(name), headers=headers, media_type=_FILES[name])


def redirect(path: str) -> Response:
    """Return a redirection that a browser follows with GET."""
    return RedirectResponse(path, 303)
