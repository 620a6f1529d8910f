"""A machine for the commands of the pages: as a reader has it, but inside one directory.

Its home has an AWS configuration whose profiles lead to the stand-in. No AWS variable is set, so
a command works only if its page names the profile or the region that it needs.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest

from exporter.cli import main
from exporter.simulator import Simulator
from tests.docs.pages import ROOT

PROGRAM = "sagemaker-exporter"
#: Where running.md installs it.
INSTALLED = f"/opt/{PROGRAM}/bin/{PROGRAM}"
#: Where pipx and uv install it.
LOCAL = f"/home/you/.local/bin/{PROGRAM}"
#: The profiles that the pages name.
_PROFILES = ("default", "profile my-profile", "profile sagemaker-reader")
_FOLDERS = (
    *("/home/you/.aws", "/home/you/.local/bin", f"/opt/{PROGRAM}/bin"),
    *(f"/var/lib/{PROGRAM}", "/var/backups", "/etc", "/lake"),
)
#: A command of the program that needs no shell, without its quoted words.
_PLAIN = re.compile(rf"(?:/\S+/)?{PROGRAM} [^|<>;&$()`]*")
_QUOTED = re.compile(r"\"[^\"$`\\]*\"|'[^']*'")


@dataclass
class Machine:
    """A directory in the place of `/`, with the program in it and the stand-in in reach.

    Attributes:
        root: The directory.
        capture: Captures the output of commands that run in this process.
        environment: The variables of the reader's shell; `export` lines add to it.
    """

    root: Path
    capture: pytest.CaptureFixture[str]
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, service: Simulator, capture: pytest.CaptureFixture[str]) -> Machine:
        """Install the program and write the AWS configuration."""
        machine = cls(root, capture)
        for folder in _FOLDERS:
            Path(f"{root}{folder}").mkdir(parents=True)
        for installed in (INSTALLED, LOCAL):
            program = Path(f"{root}{installed}")
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m exporter "$@"\n')
            program.chmod(0o755)
        keys = service.environment()
        settings = (
            f"aws_access_key_id = {keys['AWS_ACCESS_KEY_ID']}\n"
            f"aws_secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
            f"endpoint_url = {service.url}\n"
        )
        # Only the profile for unattended runs names a region; elsewhere the page must.
        region = f"region = {keys['AWS_REGION']}\n"
        text = "".join(
            f"[{name}]\n{settings}{'' if name.endswith('my-profile') else region}"
            for name in _PROFILES
        )
        for place in ("home/you/.aws/config", f"etc/{PROGRAM}.aws"):
            (root / place).write_text(text)
        machine.environment = {
            "HOME": str(root / "home/you"),
            "PATH": f"{root}/home/you/.local/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            # The pace of the calls and the size of the demo are the only differences.
            "SAGEMAKER_EXPORTER_SYNC_MAX_RPS": "0",
            "SAGEMAKER_EXPORTER_DEMO_JOBS": "100",
        }
        return machine

    def placed(self, text: str) -> str:
        """Return the text with its absolute paths moved below `root`."""
        return re.sub(r"(?<![\w.$}/-])/(opt|var|etc|home|lake)/", rf"{self.root}/\1/", text)

    def run(self, line: str, **more: str) -> tuple[int, str, str]:
        """Run one command of ours in this process, with the variables of the shell.

        Returns:
            Exit code, standard output, standard error.
        """
        with patch.dict(os.environ, {**self.environment, **more}, clear=True):
            words = [
                os.path.expanduser(word)  # noqa: PTH111 - as a shell does, word by word
                for word in shlex.split(self.placed(line), comments=True)
            ]
            assert Path(words[0]).name == PROGRAM
            self.capture.readouterr()
            code = main(words[1:])
        return code, *self.capture.readouterr()

    def sh(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script that ends at its first error."""
        return subprocess.run(
            ["/bin/sh", "-eu", "-c", self.placed(script)],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def session(self, script: str, shown: Mapping[str, str]) -> list[str]:
        """Run the lines of a block as a reader types them, one after the other.

        Args:
            script: The text of the block.
            shown: Lines that cannot run here, each with the reason.

        Returns:
            The lines that were only shown.
        """
        skipped = []
        for line in commands(script):
            if line in shown:
                skipped.append(line)
            elif _PLAIN.fullmatch(_QUOTED.sub("", line).partition(" #")[0]):
                code, out, err = self.run(line)
                assert code == 0, (line, out, err)
            else:
                # The variables that a line exports are those of the next lines.
                done = self.sh(f"{line}\nenv -0 > {shlex.quote(str(self.root / 'environment'))}")
                assert done.returncode == 0, (line, done.stdout, done.stderr)
                variables = (self.root / "environment").read_text().rstrip("\0").split("\0")
                self.environment = dict(each.split("=", 1) for each in variables)
        return skipped

    def cron(self, table: str, *, has_user: bool) -> list[tuple[int, str, str]]:
        """Run each job of a crontab once, with only the variables that cron gives it.

        Args:
            table: The crontab.
            has_user: Whether the sixth field names a user, as in /etc/cron.d.
        """
        assert "%" not in table, "cron turns % into a line break"
        settings = {"HOME": self.environment["HOME"], "SAGEMAKER_EXPORTER_SYNC_MAX_RPS": "0"}
        answers = []
        for line in table.splitlines():
            if name := re.match(r"([A-Z_]+)=", line):
                settings[name[1]] = self.placed(line.split("=", 1)[1])
                continue
            found = re.fullmatch(r"((?:[\d*,/-]+ ){5})" + r"(?:\w+ )" * has_user + r"(/.+)", line)
            assert found, line
            with patch.object(self, "environment", settings):
                answers += [self.run(command) for command in found[2].split("; ")]
        return answers


def commands(script: str) -> Iterator[str]:
    """Yield each command of a block: with its continued lines, and with its here-document."""
    lines = iter(script.splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines)
        if here := re.search(r"<<'(\w+)'", command):
            for more in lines:
                command += "\n" + more
                if more == here[1]:
                    break
        if command and not command.startswith("#"):
            yield command
