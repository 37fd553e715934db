"""`webhook`: who is told by HTTP what becomes of jobs; `webhook run`: the process that tells.

The one thing to know: nothing is sent from here. A test is asked for in the log, the process sends
it, and its answer is waited for.
"""

import asyncio
import time
from functools import partial
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from streams.cli.calls import Api
from streams.cli.client import ApiError, decoded
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
    settings_here,
)
from streams.cli.render import out, print_json, table
from streams.cli.render import show as shown
from streams.errors import OperatorError
from streams.logs import configure_logging
from streams.probes import run_probed
from streams.webhooks.main import send_webhooks

PATH: Final = "/api/flumina/webhooks"
TEST_S: Final = 30.0
"""A request has 15 s, and the process looks once a second for what is asked of it."""
POLL_S: Final = 0.2
app = typer.Typer(
    help="Add, show, try, pause and remove receivers of events of jobs.\n\n"
    "Example: flumina webhook add ci https://ci.example.com/flumina --kind JobChanged --why builds",
    no_args_is_help=True,
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The webhook's name.")]


@app.command()
def add(  # noqa: PLR0917 - typer gives every option by its name
    name: NameArgument,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent, by POST.")],
    job: Annotated[list[str] | None, typer.Option("--job", help="Only of this job.")] = None,
    application: Annotated[
        list[str] | None, typer.Option("--application", help="Only of its jobs.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only events such as TaskChanged.")
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only where this state is entered.")
    ] = None,
    secret: Annotated[
        str, typer.Option("--secret", help="What signs them: env:NAME or file:NAME.")
    ] = "",
    pause_after_s: Annotated[
        int, typer.Option("--pause-after-s", help="Pause it after failing for so long.")
    ] = 21_600,
    replace: Annotated[bool, typer.Option("--replace", help="Change one that is there.")] = False,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Have events sent to a URL. Each filter may be given several times; any of them lets through.

    Example: flumina webhook add ci https://ci.example.com/ --application web --why "deploys"
    """
    wanted = {"jobIds": job, "applications": application, "kinds": kind, "states": state}
    body = {
        "url": url,
        "filter": {each: values for each, values in wanted.items() if values},
        "secret": secret,
        "pauseAfterS": pause_after_s,
    }
    query = {"why": _needed(why)}
    with api_here(api, data_dir) as there:
        if replace:
            path = f"{PATH}/{segment(name)}"
            reply = there.connection.ask("PUT", path, query, body)
        else:
            reply = there.connection.ask("POST", PATH, query, {"name": name, **body})
        there.wait_for(decoded(reply.body, Taken))
    _say(name, f"{name} is told.", as_json=as_json)


@app.command("list")
def list_(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List who is told, of what, and how it goes.

    Example: flumina webhook list
    """
    with api_here(api, data_dir) as there:
        found = orjson.loads(there.connection.get(PATH))
    if as_json:
        print_json(found)
        return
    rows = [
        (each["name"], each["url"], _wanted(each), each["standing"] or "new", each["detail"])
        for each in found["items"]
    ]
    if rows:
        shown(out(), table("", ("name", "url", "events", "standing", "why"), rows))
    else:
        out().print("There are no webhooks.", markup=False)


@app.command()
def show(
    name: NameArgument,
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show one webhook, and how it goes.

    Example: flumina webhook show ci
    """
    with api_here(api, data_dir) as there:
        found = _found(there, name)
    if as_json:
        print_json(found)
        return
    lines = {
        "url": found["url"],
        "events": _wanted(found),
        "secret": found["secret"] or "none: requests are not signed",
        "standing": found["standing"] or "new",
        "why": found["pauseWhy"] or found["detail"],
        "paused by": found["pausedBy"],
        "paused after": f"{found['pauseAfterS']} s of failing",
        "set by": f"{found['actor']}: {found['why']}",
        "last test": "" if found["test"] is None else _test_text(found["test"]),
    }
    rows: list[tuple[object, ...]] = [(each, text) for each, text in lines.items() if text]
    shown(out(), table(name, ("", ""), rows))


@app.command("test")
def try_(
    name: NameArgument,
    why: WhyOption = "test",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Have one event sent to try the receiver, and show what it answered.

    Example: flumina webhook test ci
    """
    with api_here(api, data_dir) as there:
        _order(there, "POST", name, "/test", why)
        ends_s = time.monotonic() + TEST_S
        while (found := _found(there, name)["test"]) is None or found["state"] == "asked":
            if time.monotonic() > ends_s:
                raise ApiError(
                    f"Nobody has sent the test of webhook {name} within {TEST_S:.0f} s.",
                    "The webhooks process of this cell does not run.",
                    "Start it with `flumina up`, or as `flumina webhook run`.",
                )
            time.sleep(POLL_S)
    if as_json:
        print_json(found)
    else:
        out().print(_test_text(found), markup=False)
    if found["state"] == "bad":
        raise typer.Exit(1)


@app.command()
def pause(
    name: NameArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Send nothing for now; what is missed is kept for seven days.

    Example: flumina webhook pause ci --why "it moves"
    """
    with api_here(api, data_dir) as there:
        _order(there, "POST", name, "/pause", _needed(why))
    _say(name, f"{name} is paused.", as_json=as_json)


@app.command()
def resume(
    name: NameArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Go on sending where it stopped.

    Example: flumina webhook resume ci --why "it is back"
    """
    with api_here(api, data_dir) as there:
        _order(there, "POST", name, "/resume", _needed(why))
    _say(name, f"{name} goes on.", as_json=as_json)


@app.command()
def remove(
    name: NameArgument,
    why: WhyOption = "",
    as_json: JsonOption = False,
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Send nothing any more.

    Example: flumina webhook remove ci --why "nobody reads it"
    """
    with api_here(api, data_dir) as there:
        _order(there, "DELETE", name, "", _needed(why))
    _say(name, f"{name} is removed.", as_json=as_json)


@app.command()
def run() -> None:
    """Send the events of one cell, in the foreground, as `up` does.

    Wants KAFKA_BROKERS and FLUMINA_API; FLUMINA_WEBHOOK_NETWORKS and FLUMINA_WEBHOOK_SECRETS
    where receivers are not public or requests are signed.

    Example: KAFKA_BROKERS=kafka:9092 FLUMINA_API=http://api:7100 flumina webhook run
    """
    settings = settings_here()
    configure_logging("webhooks")
    if settings.api_url is None:
        raise OperatorError(
            "The webhooks process needs the cell's API.",
            "FLUMINA_API is not set; `flumina up` sets it.",
            "Set it to an address such as http://127.0.0.1:7100, or use `flumina up`.",
        )
    work = partial(send_webhooks, settings, settings.api_url)
    asyncio.run(run_probed(settings.probe_address, work))


def _needed(why: str) -> str:
    # The commands that explain are some 20 MiB, and `run` is a process that stays.
    from streams.cli.commands_explain import needed_why  # noqa: PLC0415

    return needed_why(why)


def _order(there: Api, method: str, name: str, what: str, why: str) -> None:
    path = f"{PATH}/{segment(name)}{what}"
    there.wait_for(decoded(there.connection.ask(method, path, {"why": why}).body, Taken))


def _found(there: Api, name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(there.connection.get(f"{PATH}/{segment(name)}"))
    return found


def _say(name: str, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": name})
    else:
        out().print(text, markup=False)


def _wanted(webhook: dict[str, Any]) -> str:
    said = [
        f"{word} {', '.join(webhook['filter'][name])}"
        for name, word in (
            ("jobIds", "jobs"),
            ("applications", "applications"),
            ("kinds", "kinds"),
            ("states", "states"),
        )
        if webhook["filter"][name]
    ]
    return "; ".join(said) or "all"


def _test_text(test: dict[str, Any]) -> str:
    words = {"asked": "not sent yet", "good": "taken", "bad": "not taken"}
    return words[test["state"]] + (f": {test['detail']}" if test["detail"] else "")
