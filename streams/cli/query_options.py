"""The words of `flumina query` that are about what runs.

The one thing to know: without ``--live`` and ``--to`` a question ends now, for whoever asks of the
past wants an answer and no stream.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import typer

from streams.errors import OperatorError

LiveOption = Annotated[
    bool, typer.Option("--live", help="Ask what comes from now on, of what runs here.")
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="PLACE", help="begin, -5m, a time, an offset, topic:partition:offset."
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="PLACE", help="Up to: live (now), -5m, a time, an offset."),
]
DeliveryOption = Annotated[
    str, typer.Option(help="lossy: drop and count what is too fast; all: nothing is lost.")
]
SampleOption = Annotated[
    int, typer.Option("--sample", min=0, metavar="MS", help="At most one row in so long.")
]
ConsoleOption = Annotated[
    str | None, typer.Option(metavar="URL", help="The query process; default what runs.")
]


class Span(NamedTuple):
    """From where to where, as it was asked for."""

    is_live: bool
    begin: str | None
    end: str | None


def asked_here(question: str, inputs: Sequence[str] | None, span: Span) -> dict[str, str]:
    """What the query process is asked; raises `OperatorError` where a file is named as well."""
    if inputs:
        raise OperatorError(
            "--input does not go with --live, --from and --to.",
            "A file is asked here, and what runs by its query process.",
            "Leave one of them out.",
        )
    asked = {"mql": question, "from": span.begin or ("live" if span.is_live else "begin")}
    end = span.end or (None if span.is_live else "live")
    return asked | ({"to": end} if end else {})
