"""What the verbs of ``flumina dev-cluster`` share: options, questions, answers, durations.

The one thing to know: every verb prints a line on what it did and one on what will follow, or, with
``--json``, one object that says both; an error is a sentence, and with ``--json`` an object too.
"""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from connectors.devcluster.node import ConfigError
from connectors.devcluster.supervise import control
from streams.setting_rows.keeping import TASK_LOG_FILE_MIB_LEAST

_errors = Console(stderr=True)
out = Console()

_UNITS = {"ms": 0.001, "s": 1.0, "secs": 1.0, "m": 60.0, "min": 60.0, "mins": 60.0, "h": 3600.0}

PortOption = Annotated[
    int, typer.Option(help="Port of the first master; the others and the agents use the next ones.")
]
DirOption = Annotated[
    Path | None, typer.Option(help="Where the cluster keeps state, logs and sandboxes.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
StoreOption = Annotated[
    str | None,
    typer.Option(
        envvar="FLUMINA_STORE",
        help="Where agents ship what cells' tasks write: a directory or a URL; else nowhere.",
    ),
]
TaskLogOption = Annotated[
    int,
    typer.Option(
        envvar="FLUMINA_TASK_LOG_FILE_MIB",
        min=TASK_LOG_FILE_MIB_LEAST,
        help="How much is kept of one file that a task writes.",
    ),
]
UnsafeOption = Annotated[bool, typer.Option(help="Allow an address that others can reach.")]
NodeArgument = Annotated[
    str, typer.Argument(help="master (the leading one), masterN, agent1, agent2, ...")
]
AgentArgument = Annotated[str, typer.Argument(help="agent1, agent2, ...")]


def parse_duration(text: str) -> float:
    """The seconds in ``1s``, ``250ms``, ``10mins`` or a bare number of seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text)
    if match is None or match[2] not in ("", *_UNITS) or float(match[1]) <= 0:
        raise typer.BadParameter(f"{text!r} is not a duration; write for example 1s, 250ms, 10mins")
    return float(match[1]) * _UNITS.get(match[2], 1.0)


def asked(
    verb: str, port: int, data_dir: Path | None, node: str | None = None, **options: object
) -> dict[str, Any]:
    """The supervisor's answer; a refusal ends the command with its sentence."""
    root = data_dir.resolve() if data_dir else control.data_dir_of(port)
    try:
        answer = control.ask(root, verb, node, **options)
    except ConfigError as error:
        fail(str(error))
    if not answer["ok"]:
        fail(answer["error"])
    return answer


def say(answer: dict[str, Any], what: str, follows: str, *, as_json: bool) -> None:
    """Print what was done and what will follow."""
    if as_json:
        print(json.dumps({"done": what, "follows": follows, **answer}))
        return
    out.print(what, highlight=False, soft_wrap=True, markup=False)
    if follows:
        out.print(follows, highlight=False, soft_wrap=True, markup=False, style="dim")


def fail(text: str) -> NoReturn:
    """End the command with a sentence on standard error, and with an object if one is awaited."""
    # Asked of the process's own words: a refusal may come before the options are read.
    if "--json" in sys.argv:
        print(json.dumps({"ok": False, "error": text}))
    message = f"dev-cluster: {text}"
    _errors.print(message, style="red", highlight=False, soft_wrap=True, markup=False)
    sys.exit(2)
