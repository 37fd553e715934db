"""`flumina prober`: the process that looks at hosts actively, as `up` starts it.

The one thing to know: on a real host it runs beside the agent and looks at that host alone; what it
finds goes to topic ``verdicts``, and the cell decides what follows.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.common import settings_here
from streams.logs import configure_logging
from streams.prober.main import INTERVAL_S, ProberOptions, probe_hosts
from streams.probes import run_probed


def prober(  # noqa: PLR0917 - options, all by name
    host: Annotated[str, typer.Option(help="Look at this host only; it is this one.")] = "",
    work_dir: Annotated[
        Path | None, typer.Option(help="Where that host's agent keeps its things.")
    ] = None,
    container: Annotated[
        str, typer.Option(help="A command that starts a container that does nothing.")
    ] = "",
    image: Annotated[
        str, typer.Option(help="A command that pulls an image, every five minutes.")
    ] = "",
    dev_cluster: Annotated[
        Path | None, typer.Option(help="Directory of a dev cluster: look at all its agents.")
    ] = None,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between rounds.")] = INTERVAL_S,
) -> None:
    """Look at hosts actively and publish what is found to the topic `verdicts`, in the foreground.

    Wants KAFKA_BROKERS and MESOS_MASTER; FLUMINA_API and FLUMINA_CLOUD where there are any.

    Example: flumina prober --host worker-17 --work-dir /var/lib/mesos --container "docker info"
    """
    settings = settings_here()
    configure_logging("prober")
    options = ProberOptions(
        dev_cluster=dev_cluster,
        host=host,
        work_dir=work_dir,
        container_command=tuple(container.split()),
        image_command=tuple(image.split()),
        interval_s=interval,
    )
    asyncio.run(run_probed(settings.probe_address, partial(probe_hosts, settings, options)))
