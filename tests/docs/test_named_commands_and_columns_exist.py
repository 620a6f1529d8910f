"""Commands, options, columns, configuration keys and exit codes in the pages exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from exporter import errors
from exporter.cli import main
from exporter.cli.root import COMMANDS, root
from exporter.store import view_files
from exporter.store.database import Database
from exporter.store.schema import TABLES
from tests.docs.pages import PAGES, ROOT, blocks, inline_code, read

PROGRAM = "sagemaker-exporter"
#: Options of other programs that the pages mention.
_OF_OTHERS = {"--check"}
_ENVIRONMENT = re.compile(r"SAGEMAKER_EXPORTER_[A-Z_]+")


def options_of(command: click.Command) -> set[str]:
    """Return the options of a command, the global ones included."""
    # The help option is made once, with the names of the first context.
    context = click.Context(command, help_option_names=["-h", "--help"])
    params = command.get_params(context)
    return {name for param in params for name in (*param.opts, *param.secondary_opts)}


def named_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words name, and the words after its name."""
    command: click.Command = root
    rest = list(words)
    while isinstance(command, click.Group):
        name = next((word for word in rest if not word.startswith("-")), None)
        # Global options before the command take a value: step over what is no command's name.
        while name is not None and name not in command.list_commands(click.Context(command)):
            rest.remove(name)
            name = next((word for word in rest if not word.startswith("-")), None)
        if name is None:
            return command, rest
        found = command.get_command(click.Context(command), name)
        assert found is not None, name
        rest.remove(name)
        command = found
    return command, rest


def check_options(text: str, words: list[str]) -> None:
    """Assert that the named command has each option among the words."""
    command, rest = named_command(words)
    known = options_of(command) | options_of(root)
    for word in rest:
        for option in re.findall(r"(?:^|/)(--[a-z][a-z-]*)", word):
            assert option in known, text


def command_lines(page: str) -> Iterator[str]:
    """Yield every line of a page's blocks that runs the program."""
    for one in blocks(page):
        if one.language in {"console", "sh", "cron", "ini", "yaml"}:
            for line in one.text.splitlines():
                found = re.search(rf"(?:^|[\s/]){PROGRAM} ((?:-|[a-z])[^#)|;]*)", line)
                if found and not re.search(r"pip install|docker build|journalctl", line):
                    yield found[1]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_line_has_known_options(page: str) -> None:
    for line in command_lines(page):
        words = shlex.split(line.rstrip("\\ "), posix=True) if line.count('"') % 2 == 0 else []
        check_options(line, words)


@pytest.mark.parametrize("page", PAGES)
def test_every_option_in_the_text_exists(page: str) -> None:
    everywhere = options_of(root) | {
        option
        for name in COMMANDS
        for command in _tree(named_command([name])[0])
        for option in options_of(command)
    }
    for code in inline_code(page):
        words = code.removeprefix(f"{PROGRAM} ").split()
        if words and words[0] in COMMANDS and not code.startswith("docs/"):
            check_options(code, words)
        elif words and re.fullmatch(r"--[a-z][a-z-]*", words[0]):
            assert words[0] in everywhere | _OF_OTHERS, code


def _tree(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from _tree(child)


@pytest.mark.parametrize("page", PAGES)
def test_every_environment_variable_is_an_options(page: str) -> None:
    # The first one is click's own, for shell completion.
    known = {"SAGEMAKER_EXPORTER_COMPLETE", *_ENVIRONMENT.findall(read("docs/configuration.md"))}
    for variable in _ENVIRONMENT.findall(read(page)):
        assert variable in known, variable


def test_every_column_in_the_text_exists() -> None:
    columns = {table.name: set(table.names) for table in TABLES.values()}
    columns |= {view.name: {name for name, _ in view.columns} for view in view_files.views()}
    seen = 0
    for page in PAGES:
        for table, column in re.findall(r"`([a-z_]+)\.([a-z_]+)`", read(page)):
            if table in columns:
                assert column in columns[table], f"{page}: {table}.{column}"
                seen += 1
    assert seen


def test_the_concepts_explain_every_basis(database: Database) -> None:
    with database.reading() as connection:
        rows = connection.execute("SELECT cost_basis FROM internal.cost_bases ORDER BY rank").all()
    page = read("docs/concepts.md")
    assert re.findall(r"^\| `([a-z ]+)` \|", page, re.MULTILINE) == [row[0] for row in rows]
    drawing = read("docs/pictures/basis.svg")
    assert all(f">{row[0]}</text>" in drawing for row in rows)


def test_every_configuration_example_is_valid(tmp_path: Path) -> None:
    seen = 0
    for page in PAGES:
        for one in blocks(page):
            if one.language == "toml" and "pyproject" not in one.name:
                path = tmp_path / f"{seen}.toml"
                path.write_text(one.text, "utf-8")
                assert main(["--config", str(path), "config", "check"]) == 0, (page, one.name)
                seen += 1
    assert seen >= 9


@pytest.mark.parametrize("page", ["README.md", "docs/running.md"])
def test_exit_codes_are_complete(page: str) -> None:
    classes: list[type[errors.ExporterError]] = [
        errors.ExporterError,
        *_subclasses(errors.ExporterError),
    ]
    codes = {str(each.exit_code) for each in classes} | {"0", "130", "143"}
    table = re.findall(r"^\| ([\d, ]+) \|", read(page), re.MULTILINE)
    assert {code for cell in table for code in cell.split(", ")} == codes


def _subclasses(base: type[errors.ExporterError]) -> Iterator[type[errors.ExporterError]]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)


def test_the_readme_says_what_the_program_is() -> None:
    first = read("README.md").split("\n## ")[0]
    assert first.startswith("**Copies your SageMaker training-job history into DuckDB")
    assert "not a Prometheus exporter" in first


def test_the_readme_lists_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    part = read("README.md").split("\n## Dependencies\n")[1].lower()
    plain, optional = part.split("extras add the rest")
    for requirement in project["dependencies"]:
        assert _distribution(requirement) in plain, requirement
    for extra, requirements in extras.items():
        assert f"`{extra}`" in optional
        for requirement in requirements:
            if not requirement.startswith(PROGRAM):
                assert _distribution(requirement) in optional, requirement


def _distribution(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0].lower().removesuffix("-python")
