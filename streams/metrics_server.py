"""A page of metrics for processes that serve nothing else, where a port is given.

The one thing to know: without a port nothing is loaded and nobody listens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final
from wsgiref.simple_server import WSGIServer

import structlog
import typer

from streams.errors import OperatorError

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

logger = structlog.get_logger(__name__)

BIND: Final = "127.0.0.1"
MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        metavar="PORT",
        min=0,
        max=65_535,
        help="Serve /metrics on this port of 127.0.0.1; 0 takes a free one. Default: none.",
    ),
]


@contextmanager
def metrics_served(port: int | None, make: Callable[[], "Collector"]) -> Iterator[str]:
    """The address of the page while it is served; empty where no port is given."""
    if port is None:
        yield ""
        return
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 - see above

    registry = CollectorRegistry()
    registry.register(make())
    try:
        server, thread = start_http_server(port, BIND, registry)
    except OSError as error:
        raise OperatorError(
            f"Metrics cannot be served on port {port}: {error}.",
            "Another process listens there.",
            "Choose another --metrics-port; 0 takes a free one.",
        ) from error
    assert isinstance(server, WSGIServer)
    address = f"http://{BIND}:{server.server_port}/metrics"
    logger.info("metrics are served", address=address)
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
