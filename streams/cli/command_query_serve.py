"""`flumina query serve`: live queries, the console and the api behind one port.

The one thing to know: it keeps nothing, so any number of them may run, and each may be killed at
any time; clients go on behind the last row that they have.
"""

import sys
from typing import Annotated

import typer

from streams.cli.common import settings_here
from streams.query.main import BIND, PORT, run_query


def serve(
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = BIND,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = PORT,
) -> None:
    """Serve live queries and the console in the foreground, with the API behind them.

    Wants KAFKA_BROKERS and FLUMINA_API; of several cells FLUMINA_CELL or --cell says which.

    Example: KAFKA_BROKERS=kafka:9092 FLUMINA_API=http://api:7100 flumina query serve --port 7180
    """
    sys.exit(run_query(settings_here(), bind, port))
