"""The query process: one port for live queries, the console and the api behind it.

The one thing to know: it can be killed at any moment, for it keeps nothing that a client does not
have as well: the id of the last row says where to go on. While nobody asks, it has no connection to
Kafka. It prints ``ready http://ADDRESS/`` once it listens.
"""

import asyncio
import signal
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from connectors.access.metrics import DoorMetrics
from connectors.web.query.access import access_routes
from connectors.web.query.app import QueryApp
from connectors.web.query.console import ConsoleFiles
from connectors.web.query.pass_through import PassThrough
from connectors.web.query.routes import query_routes
from projections.masking import Masker
from streams.access.opening import credentials_of, demand_closed, door_of, tls_of
from streams.api.server import LOOPBACK, Server, listening_socket, server_for, url_of
from streams.errors import OperatorError
from streams.logs import configure_logging
from streams.probes import Probes, run_probed
from streams.query.history import LazyHistory
from streams.query.kafka import Kafka
from streams.query.keeping import Keeping
from streams.query.masking import EventMasker
from streams.query.metrics import QueryMetrics
from streams.query.questions import Answers
from streams.query.serving import Serving
from streams.settings import Settings

logger = structlog.get_logger(__name__)

BIND: Final = "127.0.0.1"
PORT: Final = 7180
NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""What a server that listens on loopback only is called by those who may call it."""


async def serve(settings: Settings, bind: str, port: int, probes: Probes) -> None:
    """Serve until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    if settings.kafka_brokers is None:
        raise OperatorError(
            "The query process needs a Kafka.",
            "KAFKA_BROKERS is not set; `flumina up` starts one and sets it.",
            "Set it to host:port, or use `flumina up`.",
        )
    if settings.api_url is None:
        raise OperatorError(
            "The query process needs the address of the cell's API.",
            "FLUMINA_API is not set; `flumina up` sets it.",
            "Set it to http://HOST:PORT, or use `flumina up`.",
        )
    demand_closed(settings, bind)
    door, tls = door_of(settings, has_sessions=True), tls_of(settings)
    listener = listening_socket(bind, port)
    api = PassThrough(settings.api_url, Masker(settings.masked_keys), credentials_of(settings))
    kafka = Kafka(settings.kafka_brokers, settings.topic_prefix, settings.cells)
    serving = Serving(kafka, LazyHistory(settings, kafka), EventMasker(settings.masked_keys))
    registry = CollectorRegistry()
    registry.register(QueryMetrics(serving, api))
    registry.register(DoorMetrics(door.refusals))
    keeping = Keeping(settings, serving, registry)
    try:
        hosts = NAMES if bind in LOOPBACK else frozenset[str]()
        routes = [*keeping.routes, *query_routes(Answers(serving, keeping.kept, registry))]
        app = QueryApp([*access_routes(door), *routes], api, ConsoleFiles(), hosts, door)
        url = url_of(listener, is_tls=tls is not None)
        server = server_for(app, lambda: probes.begun(f"ready {url}/"), tls=tls)
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, _stop, server, serving)
        async with keeping:
            await server.serve(sockets=[listener])
    finally:
        await serving.close_all()
        await api.close()
        listener.close()


def _stop(server: Server, serving: Serving) -> None:
    serving.is_closing = True
    server.should_exit = True


def run_query(settings: Settings, bind: str = BIND, port: int = PORT) -> int:
    """Run the query process until a signal; its exit code."""
    configure_logging("query")
    asyncio.run(run_probed(settings.probe_address, partial(serve, settings, bind, port)))
    return 0
