"""`alerts`: what fires, the rules and measures, silences, and a try of the receivers.

The one thing to know: rules are a file (FLUMINA_ALERTS) and are checked where the command runs;
silences and acknowledgements are orders to the cell, and stand in its log.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from connectors.client.shapes import Taken
from connectors.pager.client import PageFailed
from projections.alerts.book import Notice
from streams.alerts.receivers import opened, page_of
from streams.alerts.rule_file import DEFAULT, read_file, rules_of
from streams.cli.client import decoded
from streams.cli.commands_explain import needed_why
from streams.cli.common import (
    ApiOption,
    DataDirOption,
    JsonOption,
    WhyOption,
    api_here,
    settings_here,
)
from streams.cli.render import clock, out, print_json, show, table
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.policy_file.rule_files import told

PATH: Final = "/api/flumina/alerts"
_SPAN: Final = re.compile(r"([0-9]{1,7})(s|m|h|d)", re.ASCII)
_SPAN_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
app = typer.Typer(
    help="See what fires, check rules, try receivers, silence and acknowledge.\n\n"
    "Example: flumina alerts list",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List what fires, what is about to, what was over within a day, and silences.

    Example: flumina alerts list
    """
    found = _read(PATH, api, data_dir)
    if as_json:
        print_json(found)
        return
    columns = ("state", "severity", "alert", "value", "since", "condition", "what", "looked at by")
    rows = [
        (
            _state(each),
            each["severity"],
            each["key"],
            each["value"],
            clock(each["firedMs"] or each["sinceMs"]),
            each["condition"],
            each["note"] or each["summary"],
            each["acknowledgedBy"],
        )
        for each in found["items"]
    ]
    if rows:
        show(out(), table("", columns, rows))
    else:
        out().print("Nothing fires.", markup=False)
    for each in found["silences"]:
        which = ", ".join(f"{name}={value}" for name, value in each["matches"].items())
        line = f"Silent until {clock(each['untilMs'])}: {which} ({each['name']}, {each['actor']}:"
        out().print(f"{line} {each['why']})", markup=False)


@app.command()
def rules(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List the rules that are in force, and who is told.

    Example: flumina alerts rules
    """
    found = _read(f"{PATH}/rules", api, data_dir)
    if as_json:
        print_json(found)
        return
    rows = [
        (each["name"], each["severity"], each["condition"], each["clear"], each["summary"])
        for each in found["rules"]
    ]
    show(out(), table("", ("rule", "severity", "when", "over at", "what"), rows))
    names = ", ".join(f"{each['name']} ({each['kind']})" for each in found["receivers"])
    out().print(f"Told: {names or 'nobody'}", markup=False)


@app.command()
def measures(
    as_json: JsonOption = False, api: ApiOption = None, data_dir: DataDirOption = None
) -> None:
    """List every measure that a rule may name, and what it is now.

    Example: flumina alerts measures
    """
    found = _read(f"{PATH}/measures", api, data_dir)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["name"],
            ", ".join(each["labels"]),
            "; ".join(_value(one) for one in each["values"][:3]),
            each["meaning"],
        )
        for each in found["items"]
    ]
    show(out(), table("", ("measure", "labels", "now", "meaning"), rows))


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Default FLUMINA_ALERTS.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a file of rules: every fault with its line, or what would be in force.

    Example: flumina alerts check alerts.yaml
    """
    path = file or settings_here().alert_rules or DEFAULT
    found = read_file(path)
    lines = told(path, found)
    if as_json:
        print_json({"file": str(path), "faults": lines, "rules": len(found.rules.rules)})
    elif lines:
        for each in lines:
            out().print(each, markup=False)
    else:
        whole = rules_of(path)
        own = len(found.rules.rules)
        text = f"{path} is good: {own} rules of its own, {len(whole.rules)} in force."
        out().print(text, markup=False)
    if lines:
        raise typer.Exit(1)


@app.command("test")
def try_(
    receiver: Annotated[list[str] | None, typer.Option(help="Only this one.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Default FLUMINA_ALERTS.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send a notice to the receivers of a file from here, once, to try them.

    It goes out with this environment's networks, secrets and AWS role, not the api process'.

    Example: flumina alerts test --receiver ops
    """
    settings = settings_here()
    found = rules_of(file or settings.alert_rules)
    results = []
    for each in found.receivers:
        if receiver and each.name not in receiver:
            continue
        page = page_of(_test_notice(), settings.cell, f"{settings.cell}|test|{each.name}")
        try:
            opened(each, settings).send(page, now_ms())
        except PageFailed as error:
            results.append({"receiver": each.name, "isGood": False, "detail": str(error)})
        else:
            results.append({"receiver": each.name, "isGood": True, "detail": "taken"})
    if not results:
        names = ", ".join(each.name for each in found.receivers)
        raise OperatorError(
            "There is no such receiver.",
            f"The rules name {names or 'none'}.",
            "Name one of them, or add it to the file.",
        )
    if as_json:
        print_json({"items": results})
    else:
        for one in results:
            out().print(f"{one['receiver']}: {one['detail']}", markup=False)
    if not all(one["isGood"] for one in results):
        raise typer.Exit(1)


@app.command()
def silence(  # noqa: PLR0917 - typer gives every option by its name
    name: Annotated[str, typer.Argument(metavar="NAME", help="By which it is ended.")],
    match: Annotated[
        list[str], typer.Option("--match", metavar="LABEL=VALUE", help="Such as rule=queue-deep.")
    ],
    span: Annotated[str, typer.Option("--for", metavar="SPAN", help="30m, 2h, 1d.")] = "1h",
    why: WhyOption = "",
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Have nothing told of alerts that match, for so long; they are shown all the same.

    Example: flumina alerts silence upgrade --match rule=leader-silent --for 30m --why "upgrade"
    """
    pairs = [each.partition("=") for each in match]
    found = _SPAN.fullmatch(span)
    unequal = [label for label, equals, _ in pairs if not equals]
    if found is None or unequal:
        raise OperatorError(
            "That is no silence.",
            f"{unequal[0]} has no equals sign." if unequal else f"{span} is no span of time.",
            "Write --match rule=queue-deep --for 2h.",
        )
    body = {
        "matches": {label: value for label, _, value in pairs},
        "forS": int(found[1]) * _SPAN_S[found[2]],
        "why": needed_why(why),
    }
    with api_here(api, data_dir) as there:
        reply = there.connection.ask("PUT", f"{PATH}/silences/{segment(name)}", {}, body)
        there.wait_for(decoded(reply.body, Taken))
    out().print(f"{name} is in force.", markup=False)


@app.command()
def unsilence(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `alerts list` shows it.")],
    why: WhyOption = "",
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """End a silence before its time.

    Example: flumina alerts unsilence upgrade --why "done"
    """
    with api_here(api, data_dir) as there:
        query = {"why": needed_why(why)}
        reply = there.connection.ask("DELETE", f"{PATH}/silences/{segment(name)}", query)
        there.wait_for(decoded(reply.body, Taken))
    out().print(f"{name} is over.", markup=False)


@app.command()
def ack(
    key: Annotated[str, typer.Argument(metavar="ALERT", help="As `alerts list` shows it.")],
    why: WhyOption = "",
    api: ApiOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Say that you look at an alert: it is not told again until it ends.

    Example: flumina alerts ack queue-deep --why "more hosts are coming"
    """
    with api_here(api, data_dir) as there:
        body = {"key": key, "why": needed_why(why)}
        reply = there.connection.ask("POST", f"{PATH}/acknowledge", {}, body)
        there.wait_for(decoded(reply.body, Taken))
    out().print(f"{key} is yours.", markup=False)


def _read(path: str, api: str | None, data_dir: Path | None) -> dict[str, Any]:
    with api_here(api, data_dir) as there:
        found: dict[str, Any] = orjson.loads(there.connection.get(path))
    return found


def _state(alert: dict[str, Any]) -> str:
    word = str(alert["state"])
    if alert["silencedBy"]:
        return f"{word}, silent"
    return f"{word}, flapping" if alert["isFlapping"] else word


def _value(value: dict[str, Any]) -> str:
    labels = ", ".join(f"{name}={each}" for name, each in value["labels"].items() if each)
    return f"{value['shown']} ({labels})" if labels else str(value["shown"])


def _test_notice() -> Notice:
    at_ms = now_ms()
    return Notice(
        id=f"test|{at_ms}",
        state="firing",
        key="test",
        rule="test",
        labels=(),
        severity="warning",
        at_ms=at_ms,
        fired_ms=at_ms,
        condition="somebody tries the receivers",
        value="well",
        summary="this is a test",
        note="",
        runbook="",
        receivers=(),
        offset=-1,
    )
