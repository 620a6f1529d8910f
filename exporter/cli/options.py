"""Options of commands, made from the models that declare them.

`@options(wanted=StatusOptions)` gives a command the options that the fields of `StatusOptions`
declare. The command receives one `StatusOptions`, as its argument `wanted`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from exporter.config import kinds
from exporter.config.kinds import Kind
from exporter.config.options import Option, declared, shown, split

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Function = TypeVar("Function", bound=Callable[..., Any])

#: Every option of every command may come from SAGEMAKER_EXPORTER_[COMMAND_]OPTION.
ENV_PREFIX: Final = "SAGEMAKER_EXPORTER"


class Value(click.ParamType[Any]):
    """A kind of value, for click."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = kind.metavar or "word"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # noqa: ANN401 - each kind has a type of its own
        """Return the value that a text stands for, or fail with what was expected."""
        if not isinstance(value, str):
            return value
        try:
            return self.kind.read(value)
        except ValueError as error:
            name = "" if param is None else str(param.name)
            self.fail(f"{shown(name, value)} is not {error}", param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """Return the words of a choice; None stands for the name of the kind."""
        return f"[{'|'.join(self.kind.words)}]" if self.kind.words else None

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the words of a choice that begin with what the user has typed, or files."""
        if self.kind is kinds.PATH:
            return [CompletionItem(incomplete, type="file")]
        typed = incomplete.casefold()
        return [
            CompletionItem(word) for word in self.kind.words if word.casefold().startswith(typed)
        ]


class Repeatable(click.Option):
    """An option that takes several values; its environment variable separates them by commas."""

    def value_from_envvar(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Return the parts of the variable; None if it is not set."""
        text = self.resolve_envvar_value(ctx)
        return None if text is None else split(text)


def options(**models: type[DataclassInstance]) -> Callable[[Function], Function]:
    """Give a command the options of some models; it receives one of each, by these names."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def with_models(*args: Any, **values: Any) -> Any:  # noqa: ANN401 - click's own signature
            for name, model in models.items():
                values[name] = _gather(model, values)
            return function(*args, **values)

        found: Any = with_models
        for model in reversed(models.values()):
            for field, declaration in reversed(list(declared(model))):
                add = click.option(*_names(field, declaration), **_attributes(field, declaration))
                found = add(found)
        return found  # type: ignore[no-any-return]  # the same function, with parameters

    return decorate


def declaration_of(parameter: click.Option) -> Option:
    """Return how an option of a command is declared, whether by a model or by click alone."""
    if isinstance(parameter.type, Value):
        kind = parameter.type.kind
    elif isinstance(parameter.type, click.types.BoolParamType):
        kind = kinds.FLAG
    elif isinstance(parameter.type, click.types.IntParamType):
        kind = kinds.whole(0)
    else:
        kind = kinds.STRING
    return Option(
        text=parameter.help or "",
        kind=kind,
        metavar=parameter.metavar,
        repeatable=parameter.multiple,
    )


def _gather(model: type[Any], values: dict[str, Any]) -> Any:  # noqa: ANN401 - any model
    """Take the values of a model's options out of those that click found, and make the model."""
    fields = {}
    for field, declaration in declared(model):
        flags, key = _names(field, declaration)
        value = values.pop(key)
        fields[field.name] = not value if flags.startswith("--no-") else value
    return model(**fields)


def _names(field: Field[Any], declaration: Option) -> tuple[str, str]:
    """Return the flags of an option and its key: `--max-rps` and `max_rps`."""
    flags = declaration.flag or f"--{field.name.replace('_', '-')}"
    key = flags.partition("/")[0].removeprefix("--").replace("-", "_")
    return flags, declaration.key or key


def _attributes(field: Field[Any], declaration: Option) -> dict[str, Any]:
    """Return the arguments of click.option for a declaration."""
    kind, default = declaration.kind, field.default
    found: dict[str, Any] = {"help": declaration.text}
    if kind is kinds.FLAG:
        pair = "/" in declaration.flag
        return found | ({"default": default, "show_default": True} if pair else {"is_flag": True})
    found["metavar"] = declaration.metavar
    found["type"] = Value(kind)
    if declaration.repeatable:
        found |= {"cls": Repeatable, "multiple": True}
    elif default is MISSING:
        found["required"] = True
    elif default is not None:
        found |= {"default": kind.write(default), "show_default": True}
    return found
