"""`flumina api`: the REST API, as `up` and production start it.

The one thing to know: it follows the cell's log by itself, so any number of them may run, and each
may be killed at any time.
"""

import sys
from typing import Annotated

import typer

from streams.api.main import BIND, PORT, run_api
from streams.cli.common import settings_here


def api(
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = BIND,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = PORT,
) -> None:
    """Follow a cell and serve its REST API in the foreground.

    Wants KAFKA_BROKERS; of several cells FLUMINA_CELL or --cell says which.

    Example: KAFKA_BROKERS=kafka:9092 flumina api --port 7100
    """
    settings = settings_here()
    sys.exit(run_api(settings, bind, port))
