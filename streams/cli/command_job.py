"""`job`: switches and attributes of jobs and tasks that live, and a move between services.

The one thing to know: each is one request to the REST API, as `docs/rest.md` has it; nothing here
decides whether it may be.
"""

from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from streams.cli.calls import JOBS, TASKS, Query, path_of
from streams.cli.client import decoded
from streams.cli.common import ApiOption, DataDirOption, JsonOption, WhyOption, api_here
from streams.cli.render import out, print_json
from streams.errors import OperatorError

app = typer.Typer(
    help="Take a service in or out of service, hold its size, set attributes, move tasks.\n\n"
    "Example: flumina job disable hello --why incident",
    no_args_is_help=True,
)
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
_SWITCHES: Final = {"increase": "disableIncreaseDesired", "decrease": "disableDecreaseDesired"}


@app.command("enable")
def enable(
    job: JobArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take a service into service again: its scaling policies count.

    Example: flumina job enable hello
    """
    _ask(("POST", f"{JOBS}/{segment(job)}/enable", None), why, as_json, api, data_dir)
    _say(as_json, f"{job} is in service.")


@app.command("disable")
def disable(
    job: JobArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take a service out of service: it runs on, and is not scaled by itself. Cron jobs: pause.

    Example: flumina job disable hello --why incident
    """
    _ask(("POST", f"{JOBS}/{segment(job)}/disable", None), why, as_json, api, data_dir)
    _say(as_json, f"{job} is out of service: nothing scales it, or starts runs of it, by itself.")


@app.command("hold")
def hold(  # noqa: PLR0917 - typer gives every option by its name
    job: JobArgument,
    increase: Annotated[
        bool | None, typer.Option("--increase/--allow-increase", help="Desired does not rise.")
    ] = None,
    decrease: Annotated[
        bool | None, typer.Option("--decrease/--allow-decrease", help="Desired does not fall.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Hold the desired size of a service, or let it go; ended tasks are replaced all the same.

    Example: flumina job hold hello --decrease --why "sale"
    """
    given = {"increase": increase, "decrease": decrease}
    body = {_SWITCHES[name]: value for name, value in given.items() if value is not None}
    if not body:
        raise OperatorError(
            "Nothing to hold or to let go was named.",
            "The size is held in one direction or in both.",
            f"Write for example: flumina job hold {job} --decrease",
        )
    _ask(("PUT", f"{JOBS}/{segment(job)}/jobprocesses", body), why, as_json, api, data_dir)
    _say(as_json, f"{job}: {', '.join(f'{name} is {value}' for name, value in body.items())}.")


@app.command("attributes")
def attributes(  # noqa: PLR0917 - typer gives every option by its name
    name: Annotated[str, typer.Argument(metavar="JOB|TASK", help="The id of a job or task.")],
    set_to: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set one; repeatable.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="NAME", help="Remove one; repeatable.")
    ] = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Set attributes of a job or task, or remove some; the others stay.

    Example: flumina job attributes hello --set team.stage=test --why "new owner"
    """
    path = f"{path_of(name)}/attributes"
    if bool(set_to) == bool(remove):
        raise OperatorError(
            "Attributes are set or removed, one of both at a time.",
            "Each is a request of its own, which the cell takes or refuses.",
            f"Write for example: flumina job attributes {name} --set team.stage=test",
        )
    if set_to:
        _ask(("PUT", path, {"attributes": pairs_of(set_to)}), why, as_json, api, data_dir)
        _say(as_json, f"{name}: {', '.join(set_to)}")
        return
    names = list(dict.fromkeys(remove or ()))
    with api_here(api, data_dir) as there:
        had = _attributes_of(orjson.loads(there.connection.get(path_of(name))))
    query: Query = {"keys": ",".join(names)}
    _ask(("DELETE", path, None), why, as_json, api, data_dir, query)
    _say(as_json, f"{name}: {removed_text(names, had)}")


def _attributes_of(thing: dict[str, Any]) -> dict[str, str]:
    """Those of a job or a task, as the API shows it."""
    descriptor: dict[str, Any] = thing.get("jobDescriptor", thing)
    found: dict[str, str] = descriptor.get("attributes", {})
    return found


def removed_text(names: list[str], had: Container[str]) -> str:
    """What was removed, and what was not there to be removed."""
    gone = [each for each in names if each in had]
    absent = [each for each in names if each not in had]
    texts = [f"{', '.join(gone)} removed"] if gone else []
    if absent:
        texts.append(f"{', '.join(absent)} {'was' if len(absent) == 1 else 'were'} not there")
    return "; ".join(texts)


@app.command("move")
def move(  # noqa: PLR0917 - typer gives every option by its name
    task: Annotated[str, typer.Argument(metavar="TASK", help="The id of a task that runs.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The service that gets it.")],
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Move a running task to another service that runs the same; it goes on under its id.

    Example: flumina job move hello-worker-0-1 hello-canary --why "split"
    """
    with api_here(api, data_dir) as there:
        source = there.task(task).job_id
        body = {"taskId": task, "sourceJobId": source, "targetJobId": target}
        query: Query = {"why": why or None}
        taken = decoded(there.connection.ask("POST", f"{TASKS}/move", query, body).body, Taken)
    if as_json:
        print_json({"id": taken.id})
    _say(as_json, f"{task} is of {target} now, and no more of {source}.")


def pairs_of(texts: list[str]) -> dict[str, str]:
    """Attributes written as NAME=VALUE; raises `OperatorError` for another form."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise OperatorError(
                f"'{text}' is no attribute.",
                "An attribute is a name, an equals sign, and its value.",
                "Write for example: --set team.stage=test",
            )
        found[name] = value
    return found


def _ask(  # noqa: PLR0917 - what every command here was given
    request: tuple[str, str, dict[str, Any] | None],
    why: str,
    as_json: bool,
    api: str | None,
    data_dir: Path | None,
    more: Query | None = None,
) -> None:
    method, path, body = request
    query: Query = {"why": why or None, **(more or {})}
    with api_here(api, data_dir) as there:
        taken = decoded(there.connection.ask(method, path, query, body).body, Taken)
        there.wait_for(taken)
    if as_json:
        print_json({"id": taken.id})


def _say(as_json: bool, text: str) -> None:
    if not as_json:
        out().print(text, markup=False)
