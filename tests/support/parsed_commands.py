"""A line of a document as the command line would read it, without running it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import typer

from streams.cli.main import app_for


@cache
def command_line(named: str) -> Any:
    """The command line with the one command imported: to make it takes longer than to read by."""
    return typer.main.get_command(app_for([named] if named else []))


def read_as_command(words: Sequence[str], where: object) -> None:
    """Have the command line read these words; raises what it would say of a mistake in them."""
    arguments = list(words)
    command = command_line(next((each for each in arguments if not each.startswith("-")), ""))
    context = command.make_context("flumina", arguments)
    rest = [*context._protected_args, *context.args]
    while rest and hasattr(command, "get_command"):
        subcommand = command.get_command(context, rest[0])
        assert subcommand is not None, f"{where}: there is no command {rest[0]!r}"
        context = subcommand.make_context(rest[0], rest[1:], parent=context)
        command, rest = subcommand, [*context._protected_args, *context.args]
