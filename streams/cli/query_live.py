"""`flumina query --live`, `--from`, `--to`: a question to the query process of what runs.

The one thing to know: it goes on by itself when that process ends and comes back; what the query
could not keep up with is counted on standard error, and never passed over in silence.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.cli.common import running_here, settings_here
from streams.cli.query_client import LiveQuery
from streams.cli.query_output import Bars, GrowingTable, JsonLines, Output
from streams.cli.render import errors
from streams.errors import OperatorError


def output_of(name: str) -> Output:
    """What prints rows as json, table or chart."""
    if name == "json":
        return JsonLines()
    return Bars() if name == "chart" else GrowingTable()


def console_of(console: str | None, data_dir: Path | None) -> str:
    """The address of the query process that is meant; raises `OperatorError`."""
    if console:
        return console
    running = running_here(settings_here(), data_dir)
    if running is None or not running.console:
        raise OperatorError(
            "No query process was found.",
            "Nothing runs on the data directory, or it is of an earlier release.",
            "Start `flumina up`, or name one with --console http://HOST:PORT; --input FILE asks a "
            "file and needs neither.",
        )
    return running.console


def ask(address: str, parameters: Mapping[str, str], output: str) -> None:
    """Print the rows of a question until it ends, or Ctrl-C."""
    shown = output_of(output)
    query = LiveQuery(address, parameters, lambda text: errors().print(text, markup=False))
    dropped = 0
    if errors().is_terminal:  # Rows may come now, or when something happens in an hour.
        errors().print("rows come as they are found; Ctrl-C ends it", style="dim")
    try:
        for event in query.events():
            if event.kind == "row":
                shown.show(event.data)
                continue
            shown.flush()
            _tell(event.data)
            if query.dropped > dropped:
                errors().print(f"{query.dropped - dropped} events were dropped", markup=False)
                dropped = query.dropped
    finally:
        shown.flush()


def _tell(meta: Mapping[str, Any]) -> None:
    """What a person has to know of how the stream stands."""
    if meta.get("unknown_fields"):
        names = ", ".join(meta["unknown_fields"])
        errors().print(f"no event is described with {names}; it is null then", markup=False)
    reason = meta.get("reason", "")
    if meta.get("state") == "ended" and reason and "end was" not in reason:
        errors().print(f"ended: {reason}", markup=False)
