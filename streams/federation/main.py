"""The federation process: the front, the forwarder of records, and replication, until a signal.

The one thing to know: cells work on without it. Without a Kafka it is a front of the cells that it
was told, and nothing else.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from connectors.cancelling import TaskGroup
from connectors.federation.app import front_app
from connectors.federation.cells import Cells
from connectors.federation.configuration import Configuration, FederatedCell, faults_of
from connectors.federation.front import Front
from connectors.objects.opening import open_store
from connectors.web.app import LOOPBACK_NAMES
from streams.access.opening import credentials_of, demand_closed, door_of, tls_of
from streams.api.server import LOOPBACK, Server, listening_socket, server_for, url_of
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.federation.forwarding import Forwarder
from streams.federation.journal import Journal
from streams.federation.replication import Replicator
from streams.kafka.topic_admin import ensure_topics
from streams.settings import Settings

logger = structlog.get_logger(__name__)


def told_cells(texts: Sequence[str], region: str = "") -> Configuration | None:
    """The configuration that ``NAME=URL`` texts make, the first the default; None for none."""
    cells = []
    for text in texts:
        name, found, url = text.partition("=")
        if not found or not url.startswith(("http://", "https://")):
            raise OperatorError(
                f"{text!r} names no cell.",
                "A cell is its name and the address of its API.",
                "Write for example --cell-api main-0=http://127.0.0.1:7101.",
            )
        cells.append(FederatedCell(name, url.rstrip("/"), region))
    if not cells:
        return None
    made = Configuration(cells=tuple(cells), default=cells[0].name, version=0)
    if faults := faults_of(made):
        raise OperatorError(
            f"These cells make no federation: {'; '.join(faults)}.",
            "Two have one name, perhaps.",
            "Name each cell once.",
        )
    return made


class FederationProcess:
    """What runs beside each other; `run` returns when it is cancelled."""

    def __init__(
        self, settings: Settings, told: Configuration | None, replica_url: str = ""
    ) -> None:
        self._settings = settings
        self._told = told
        self.cells = Cells(credentials_of(settings))
        self.front = Front(self.configuration, self.cells)
        bootstrap = settings.kafka_brokers
        self.journal = Journal(bootstrap, settings.topic_prefix) if bootstrap else None
        self._replica_url = replica_url

    def configuration(self) -> Configuration:
        """The configuration of the moment: the one that was set last, else the one told."""
        if self.journal is not None and self.journal.configuration is not None:
            return self.journal.configuration
        assert self._told is not None, "looked at by `open`"
        return self._told

    async def open(self) -> None:
        """Read the configuration; raises `OperatorError` where there is none."""
        if self.journal is not None:
            assert self._settings.kafka_brokers is not None
            await ensure_topics(self._settings.kafka_brokers, self._settings)
            await self.journal.open()
        if self._told is None and (self.journal is None or self.journal.configuration is None):
            raise OperatorError(
                "The federation has no cells.",
                "None was named, and no configuration was ever set.",
                "Name cells with --cell-api, or set a configuration: `flumina federation set`.",
            )

    async def run(self, server: Server, listener: socket.socket) -> None:
        """Serve and work until the server ends."""
        try:
            async with TaskGroup() as group:
                beside = [group.create_task(each) for each in self._lasting()]
                await server.serve(sockets=[listener])
                for task in beside:
                    task.cancel()
        except* OperatorError as faults:
            raise faults.exceptions[0] from None

    def _lasting(self) -> list[Coroutine[Any, Any, None]]:
        settings = self._settings
        found: list[Coroutine[Any, Any, None]] = []
        if self.journal is not None:
            assert settings.kafka_brokers is not None
            forwarder = Forwarder(
                settings.kafka_brokers,
                settings.topic_prefix,
                settings.cell_names,
                self.configuration,
                self.front.having,
            )
            found += [self.journal.follow(), forwarder.run()]
        if self._replica_url:
            store = open_store(self._replica_url)
            found.append(Replicator(self.configuration, self.cells, store, now_ms).run())
        return found

    async def close(self) -> None:
        """Give everything back."""
        await self.cells.close()
        if self.journal is not None:
            await self.journal.close()


async def serve_federation(
    settings: Settings,
    told: Configuration | None,
    replica_url: str,
    bind: tuple[str, int],
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    demand_closed(settings, bind[0])
    door, tls = door_of(settings), tls_of(settings)
    listener = listening_socket(*bind)
    process = FederationProcess(settings, told, replica_url)
    try:
        await process.open()
        url = url_of(listener, is_tls=tls is not None)
        # As the api: on loopback no web page may call it by a name of its own.
        hosts = LOOPBACK_NAMES if bind[0] in LOOPBACK else frozenset[str]()
        app = front_app(process.front, hosts, door)
        server = server_for(app, lambda: ready(url), tls=tls)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            server.should_exit = True

        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, stop)
        await process.run(server, listener)
    finally:
        await process.close()
        listener.close()
