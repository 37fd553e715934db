"""The option `--cell` of every command that is about one cell.

The one thing to know: it is FLUMINA_CELL for one command, and set before the command reads its
settings. A command that has an option `--cell` of its own keeps that one.
"""

import functools
import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

CELL_VARIABLE: Final = "FLUMINA_CELL"
_NAME: Final = "cell_named"
_OPTION: Final = Annotated[
    str | None,
    typer.Option("--cell", metavar="NAME", help="The cell meant, of several; else FLUMINA_CELL."),
]


def app_with_cell(app: typer.Typer) -> typer.Typer:
    """The same application, each of whose commands takes `--cell`."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = with_cell(command.callback)
    own = app.registered_callback
    if own is not None and own.callback is not None and own.invoke_without_command is True:
        own.callback = with_cell(own.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            app_with_cell(group.typer_instance)
    return app


def with_cell(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same command with `--cell`, unless it has one."""
    signature = inspect.signature(function, eval_str=True)
    if _NAME in signature.parameters or any(map(_is_cell, signature.parameters.values())):
        return function

    @functools.wraps(function)
    def named(*given: Any, **values: Any) -> Any:  # noqa: ANN401 - as whatever it wraps
        cell = values.pop(_NAME, None)
        if cell is not None:
            os.environ[CELL_VARIABLE] = cell
        return function(*given, **values)

    option = inspect.Parameter(
        _NAME, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_OPTION
    )
    parameters = [*signature.parameters.values(), option]
    named.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined] # of any function
    named.__annotations__ = {each.name: each.annotation for each in parameters}
    return named


def _is_cell(parameter: inspect.Parameter) -> bool:
    """Whether the command has the option itself; Typer keeps a first name where defaults stand."""
    told = getattr(parameter.annotation, "__metadata__", ())
    return any(
        "--cell" in (getattr(each, "default", None), *(getattr(each, "param_decls", None) or ()))
        for each in told
    )
