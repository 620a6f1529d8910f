"""Forks processes that have imported the program already, so that killing 200 takes minutes.

Run as `python -m tests.reliability.zygote`. It reads one JSON object per line and answers with
one: `start` forks a child that runs the command line and returns its process id; `wait` returns
how it ended. The children are real processes: tests kill them and lock them out.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

import alembic.command
import boto3
import duckdb_engine
import pyarrow as pa
import pytz

from exporter import cli
from exporter.cli import sync
from exporter.store import migrate, view_files
from exporter.syncing import run
from exporter.syncing.sizes import Sizes

# Imported here, so that no child has to.
import_module("mako.template")
# Read here, because a child of another user may have no right to read this folder.
view_files.views()
_LOADED = (alembic.command, boto3, duckdb_engine, pa, pytz, sync, migrate, run)


def main() -> int:
    """Serve until standard input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = _start(request) if request["do"] == "start" else _wait(request)
        print(json.dumps(answer), flush=True)
    return 0


def _start(request: dict[str, Any]) -> dict[str, int]:
    child = os.fork()
    if child == 0:
        _become(request)
    return {"pid": child}


def _become(request: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.environ.update(request["env"])
        for number, path in ((1, request["out"]), (2, request["err"])):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(file, number)
            os.close(file)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        if request["user"] is not None:
            os.setgid(request["user"])
            os.setuid(request["user"])
        # The command line has no option for the sizes; this process is the child alone.
        run.run_sync = partial(run.run_sync, sizes=Sizes(**request["sizes"]))
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as SIGTERM has it until the program begins
        code = cli.main(request["argv"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # Not sys.exit: nothing of the zygote's own may be cleaned up twice.
        os._exit(code)


def _wait(request: dict[str, Any]) -> dict[str, int | None]:
    deadline = time.monotonic() + request["seconds"]
    while True:
        ended, status = os.waitpid(request["pid"], os.WNOHANG)
        if ended:
            return {"code": os.waitstatus_to_exitcode(status)}
        if time.monotonic() >= deadline:
            return {"code": None}
        time.sleep(0.002)


if __name__ == "__main__":
    sys.exit(main())
