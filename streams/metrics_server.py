"""A page of metrics for processes that serve nothing else, where a port is given.

The one thing to know: without a port nothing is loaded and nobody listens.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from streams.settings import Settings

logger = structlog.get_logger(__name__)

MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        metavar="PORT",
        min=0,
        max=65_535,
        help="Serve /metrics on this port of FLUMINA_METRICS_BIND; 0: a free one. Default: none.",
    ),
]


@contextmanager
def metrics_served(
    port: int | None, make: Callable[[], "Collector"], settings: "Settings | None" = None
) -> Iterator[str]:
    """The address of the page while it is served; empty where no port is given.

    ``settings`` None: those of the environment.
    """
    if port is None:
        yield ""
        return
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see above

    from streams.access.metrics_page import MetricsPage  # noqa: PLC0415 - see above
    from streams.settings import settings_of  # noqa: PLC0415 - see above

    registry = CollectorRegistry()
    registry.register(make())
    page = MetricsPage(settings or settings_of(os.environ), port, registry)
    logger.info("metrics are served", address=page.url)
    try:
        yield page.url
    finally:
        page.close()
