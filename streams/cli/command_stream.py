"""`flumina stream`: queries that run for ever, and queries saved by name.

The one thing to know: they are kept by the query process in topic ``queries``, with who wrote them
and when. A stream that was started runs until it is stopped, whatever is restarted meanwhile.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from connectors.client.asking import segment
from streams.cli.client import ApiConnection
from streams.cli.common import DataDirOption, JsonOption, settings_here
from streams.cli.query_live import console_of
from streams.cli.render import clock, out, print_json, show, table
from streams.errors import OperatorError
from streams.policy_file.reading import FILE_BYTES_MAX

STREAMS: Final = "/api/flumina/query/streams"
SAVED: Final = "/api/flumina/query/saved"
SINKS: Final = ("topic", "metric", "alert")
app = typer.Typer(
    help="Start, list and stop queries that run for ever, and save queries by name.\n\n"
    "Example: flumina stream start lost \"select * from tasks where reason == 'lost'\" --to topic",
    no_args_is_help=True,
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits, dashes.")]
ConsoleOption = Annotated[
    str | None,
    typer.Option("--console", metavar="URL", help="The query process; default what runs."),
]
DescriptionOption = Annotated[str, typer.Option("--description", help="What it is for.")]


@app.command()
def start(  # noqa: PLR0917 - typer gives every option by its name
    name: NameArgument,
    mql: Annotated[
        str, typer.Argument(metavar="MQL|@FILE", help="The query, quoted, or @ and its file.")
    ],
    to: Annotated[str, typer.Option("--to", help="topic, metric or alert.")] = "topic",
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="Of the metric; default the stream's.")
    ] = "",
    gauge: Annotated[bool, typer.Option("--gauge", help="Show the value; else add it up.")] = False,
    value: Annotated[
        str, typer.Option("--value", metavar="FIELD", help="What is added or shown; else rows.")
    ] = "",
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="FIELD", help="Of the metric or alert.")
    ] = None,
    severity: Annotated[
        str, typer.Option(help="Of the alert: warning (the default) or page.")
    ] = "",
    summary: Annotated[str, typer.Option(help="Of the alert, for people.")] = "",
    begin: Annotated[bool, typer.Option("--from-begin", help="With all that there is.")] = False,
    description: DescriptionOption = "",
    as_json: JsonOption = False,
    console: ConsoleOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Start a query that runs until it is stopped; one of that name is replaced.

    With --to topic rows are records of topic derived-NAME, with --to metric they change the metric
    flumina_stream_METRIC of the query process, with --to alert each raises one.

    Example: flumina stream start lost "select task_id, host_id from tasks where reason == 'lost'"
    """
    sinks: dict[str, object] = {
        "topic": True,
        "metric": {
            "name": metric or name.replace("-", "_"),
            "kind": "gauge" if gauge else "counter",
            "value": value,
            "labels": label or [],
        },
        "alert": {"severity": severity or "warning", "summary": summary, "key": label or []},
    }
    if to not in SINKS:
        raise OperatorError(
            f"--to {to} is not known.",
            "Rows go to a topic, a metric or an alert.",
            "Take topic, metric or alert.",
        )
    _check_sink(
        to,
        {
            "--metric": metric,
            "--gauge": gauge,
            "--value": value,
            "--label": label,
            "--severity": severity,
            "--summary": summary,
        },
    )
    body = {
        "mql": _text(mql),
        "description": description,
        "start": "begin" if begin else "now",
        "sink": {to: sinks[to]},
    }
    with _process(console, data_dir) as there:
        found = orjson.loads(there.ask("PUT", f"{STREAMS}/{segment(name)}", body=body).body)
    _say(found, f"{name} runs.", as_json=as_json)


_TAKEN: Final = {
    "topic": frozenset[str](),
    "metric": frozenset({"--metric", "--gauge", "--value", "--label"}),
    "alert": frozenset({"--severity", "--summary", "--label"}),
}
"""Which words each place for rows takes."""


def _check_sink(to: str, given: Mapping[str, object]) -> None:
    """Refuse words about another place for rows than the one that was chosen."""
    stray = [word for word, value in given.items() if value and word not in _TAKEN[to]]
    if stray:
        others = [place for place, words in _TAKEN.items() if stray[0] in words]
        raise OperatorError(
            f"{stray[0]} says nothing with --to {to}.",
            "It is about another place for rows.",
            f"Leave it out, or take --to {' or --to '.join(others)}.",
        )


@app.command("list")
def list_(
    as_json: JsonOption = False, console: ConsoleOption = None, data_dir: DataDirOption = None
) -> None:
    """List streams: how each does, where its rows go, who started it.

    Example: flumina stream list
    """
    with _process(console, data_dir) as there:
        found = orjson.loads(there.get(STREAMS))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["name"],
            each["status"].get("state", ""),
            each["status"].get("rows", ""),
            ", ".join(each["sink"]),
            each["actor"],
            clock(each["atMs"]),
            each["mql"],
        )
        for each in found["streams"]
    ]
    if not rows:
        out().print("There are no streams.", markup=False)
        return
    show(out(), table("", ("name", "state", "rows #", "to", "actor", "since", "query"), rows))


@app.command()
def stop(
    name: NameArgument,
    as_json: JsonOption = False,
    console: ConsoleOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Stop a stream; what it has written stays.

    Example: flumina stream stop lost
    """
    with _process(console, data_dir) as there:
        found = orjson.loads(there.ask("DELETE", f"{STREAMS}/{segment(name)}").body)
    _say(found, f"{name} is stopped.", as_json=as_json)


@app.command()
def save(  # noqa: PLR0917 - typer gives every option by its name
    name: NameArgument,
    mql: Annotated[str, typer.Argument(metavar="MQL|@FILE", help="The query, or @ and its file.")],
    description: DescriptionOption = "",
    as_json: JsonOption = False,
    console: ConsoleOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Save a query by a name, for everybody; one of that name is replaced.

    Example: flumina stream save lost "select * from tasks where reason == 'lost'"
    """
    body = {"mql": _text(mql), "description": description}
    with _process(console, data_dir) as there:
        found = orjson.loads(there.ask("PUT", f"{SAVED}/{segment(name)}", body=body).body)
    _say(found, f"{name} is saved.", as_json=as_json)


@app.command()
def saved(
    as_json: JsonOption = False, console: ConsoleOption = None, data_dir: DataDirOption = None
) -> None:
    """List saved queries with who saved them.

    Example: flumina stream saved
    """
    with _process(console, data_dir) as there:
        found = orjson.loads(there.get(SAVED))
    if as_json:
        print_json(found)
        return
    rows = [
        (each["name"], each["actor"], clock(each["atMs"]), each["description"], each["mql"])
        for each in found["saved"]
    ]
    if not rows:
        out().print("There are no saved queries.", markup=False)
        return
    show(out(), table("", ("name", "actor", "since", "what for", "query"), rows))


@app.command()
def forget(
    name: NameArgument,
    as_json: JsonOption = False,
    console: ConsoleOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Remove a saved query.

    Example: flumina stream forget lost
    """
    with _process(console, data_dir) as there:
        found = orjson.loads(there.ask("DELETE", f"{SAVED}/{segment(name)}").body)
    _say(found, f"{name} is forgotten.", as_json=as_json)


@contextmanager
def _process(console: str | None, data_dir: Path | None) -> Iterator[ApiConnection]:
    """The query process that is meant."""
    address = console_of(console, data_dir)
    with closing(ApiConnection(address, settings_here().actor)) as connection:
        yield connection


def _text(words: str) -> str:
    """The query itself, or that of a file."""
    if not words.startswith("@"):
        return words
    path = Path(words[1:])
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"{path} cannot be read: {error}.",
            "The name is misspelt, or it is no text.",
            "Name a file with a query, or write the query itself.",
        ) from error


def _say(found: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        out().print(text, markup=False)
