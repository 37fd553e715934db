"""`flumina history`: the process that archives every topic, as `up` starts it.

The one thing to know: nothing waits for it. While it is away Kafka keeps what it has not read.
"""

import asyncio
from typing import Annotated

import typer

from streams.cli.common import settings_here
from streams.history.main import run_history
from streams.logs import configure_logging
from streams.probes import Probes, run_probed


def history(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /metrics; 0 takes a free one.")
    ] = 0,
) -> None:
    """Archive the cell log and all other topics to the store, in the foreground.

    Wants KAFKA_BROKERS; FLUMINA_STORE is where to, FLUMINA_ARCHIVE_AGE_S how soon.

    Example: KAFKA_BROKERS=kafka:9092 FLUMINA_STORE=s3://bucket/flumina flumina history
    """
    settings = settings_here()
    configure_logging("history")

    async def work(probes: Probes) -> None:
        await run_history(settings, port, lambda url: probes.begun(f"ready {url}"), probes)

    asyncio.run(run_probed(settings.probe_address, work))
