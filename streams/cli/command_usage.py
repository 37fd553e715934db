"""`flumina usage`: the process that publishes what tasks and hosts use, as `up` starts it.

The one thing to know: nothing depends on it. Without it there are no figures, and `flumina top`
says so.
"""

import asyncio
from functools import partial

from streams.cli.common import settings_here
from streams.logs import configure_logging
from streams.probes import run_probed
from streams.usage.main import publish_usage


def usage() -> None:
    """Publish what tasks and hosts use to the topic `metrics`, in the foreground.

    Wants KAFKA_BROKERS and MESOS_MASTER; FLUMINA_USAGE_INTERVAL_S is how often it asks.

    Example: KAFKA_BROKERS=kafka:9092 MESOS_MASTER=mesos:5050 flumina usage
    """
    settings = settings_here()
    configure_logging("usage")
    asyncio.run(run_probed(settings.probe_address, partial(publish_usage, settings)))
