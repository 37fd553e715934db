"""The api process: follows a cell's log and serves REST until a signal.

The one thing to know: it can be killed at any moment and started again; everything it shows is
folded from the log. It prints ``ready http://ADDRESS`` once it listens; ``/health`` says when the
fold has caught up.
"""

import asyncio
import os
import signal
import socket
import sys
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Final

import structlog
import typer
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from connectors.cancelling import end_all
from connectors.mesos.sandbox import SandboxReader
from connectors.registry.client import HttpRegistry
from connectors.registry.credentials import Credentials
from connectors.tasklogs.archive import ArchivedLogs
from connectors.tasklogs.host_client import HostLogs
from connectors.web.admission import AdmissionLimits
from connectors.web.app import LOOPBACK_NAMES, web_app
from connectors.web.exec_sessions import ExecLimits, Execs
from connectors.web.images import Images
from connectors.web.observing import Observing
from connectors.web.standing import standing_of
from projections.masking import Masker
from projections.rated import RatedDoor
from scheduler.model.v3.titan import TitanSite
from streams.access.opening import demand_closed, door_of, tls_of
from streams.alerts.beside import alerts_beside
from streams.api.collector_metrics import CollectorMetrics
from streams.api.followed_cell import FollowedCell, ViewFold
from streams.api.rate_limits import rate_limits_of
from streams.api.server import LOOPBACK, Server, listening_socket, server_for, url_of
from streams.api.task_files import TaskFiles
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.garbage import settle
from streams.history.kafka_log import KafkaLog
from streams.kafka.topic_admin import ensure_topics
from streams.logs import configure_logging, place_by
from streams.pages.metrics import PageMetrics
from streams.pages.opening import paging
from streams.pages.sources import put_changes
from streams.probes import Probes, run_probed
from streams.secrets.ring_here import gate_of
from streams.settings import Settings, settings_of, store_url_of
from streams.snapshots.opening import VIEW_TAIL_RECORDS, Beginnings, beginnings_of
from streams.store import store_of
from streams.tracing.beside import traced
from streams.travel.client import TravelProcess

logger = structlog.get_logger(__name__)

YOUNG_MAX: Final = 10_000
"""Containers that the collector looks at in one go, while nobody is answered: under 20 ms."""
BIND: Final = "127.0.0.1"
PORT: Final = 7100


async def serve(settings: Settings, bind: str, port: int, probes: Probes) -> None:
    """Follow and serve until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    bootstrap = _brokers_of(settings)
    rate_limits = rate_limits_of(settings.rate_limits)
    demand_closed(settings, bind)
    door, tls = door_of(settings), tls_of(settings)
    listener = listening_socket(bind, port)
    leaving = ExitStack()
    try:
        await ensure_topics(bootstrap, settings)
        beginnings = _beginnings_of(settings, bootstrap)
        cell = FollowedCell(bootstrap, settings.topic_prefix, settings.partition, beginnings)
        structlog.contextvars.bind_contextvars(cell=settings.cell)
        place_by(settings.cell, cell.place)
        archive = ArchivedLogs(store_of(settings), now_ms)
        files = TaskFiles(HostLogs(SandboxReader()), archive)
        hosts = LOOPBACK_NAMES if bind in LOOPBACK else frozenset[str]()
        limits = AdmissionLimits(behind_ms_max=settings.behind_s * 1_000)
        registry = CollectorRegistry()
        registry.register(CollectorMetrics())
        desk = leaving.enter_context(paging(settings, "api", PageMetrics(registry)))
        probes.why_not_ready = partial(_why_not_ready, cell)
        cell.on_changes = partial(put_changes, desk)
        cell.observing = observing = Observing()
        rated = RatedDoor(settings.rated, now_ms)
        alerts = await alerts_beside(settings, cell, beginnings, registry, rated)
        travel = TravelProcess()
        images = _registry_of(settings)
        execs = Execs(ExecLimits(is_on=settings.is_exec_on), Masker(settings.masked_keys))
        app: ASGIApp = web_app(
            cell,
            files,
            hosts=hosts,
            registry=registry,
            admission=limits,
            log_store=archive.url,
            travel=travel,
            rate_limits=rate_limits,
            titan=_titan_of(settings),
            images=Images(settings.image_check, images),
            secrets=gate_of(settings),
            execs=execs,
            observing=observing,
            rated=rated,
            alerting=alerts.watch.alerting,
            door=door,
        )
        app = leaving.enter_context(traced(settings, cell, registry)).wrap(app)
        url = url_of(listener, is_tls=tls is not None)
        server = server_for(app, lambda: probes.begun(f"ready {url}"), tls=tls)
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, _stop, server, observing, execs)
        try:
            await _serve_until_stopped(server, listener, cell)
        finally:
            await execs.close()
            await alerts.close()
            await travel.close()
            await files.close()
            await images.close()
    finally:
        await asyncio.to_thread(leaving.close)
        listener.close()


def _brokers_of(settings: Settings) -> str:
    if settings.kafka_brokers is not None:
        return settings.kafka_brokers
    raise OperatorError(
        "The api process needs a Kafka.",
        "KAFKA_BROKERS is not set; `flumina up` starts one and sets it.",
        "Set it to host:port, or use `flumina up`.",
    )


def _beginnings_of(settings: Settings, bootstrap: str) -> Beginnings:
    return beginnings_of(
        KafkaLog(bootstrap, settings.topic_prefix + "cell", settings.partition),
        store_url_of(settings),
        settings.cell,
        wrap=ViewFold,
        tail_records=VIEW_TAIL_RECORDS,
    )


def _registry_of(settings: Settings) -> HttpRegistry:
    return HttpRegistry(
        settings.registry_url or "",
        credentials=Credentials(settings.registry_credentials),
        networks=settings.registry_networks,
    )


def _titan_of(settings: Settings) -> TitanSite:
    return TitanSite(
        settings.centre_attribute,
        settings.region_attribute,
        settings.own_region,
        settings.titan_entry_point,
    )


def _why_not_ready(cell: FollowedCell) -> str:
    """As ``/health``: whether answers from this fold can be trusted, be there a leader or not."""
    standing = standing_of(cell)
    return "" if standing.is_healthy else standing.stale or standing.halt


def _stop(server: Server, observing: Observing, execs: Execs) -> None:
    observing.close()
    execs.stop()
    server.should_exit = True


async def _serve_until_stopped(server: Server, listener: socket.socket, cell: FollowedCell) -> None:
    """Serve until told to stop, or until the fold's feed ends, which is an error."""
    following = asyncio.create_task(cell.run())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.wait((following, serving), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await asyncio.gather(serving, return_exceptions=True)
    if following.done():
        following.result()
    await end_all(following)
    serving.result()


def run_api(settings: Settings, bind: str = BIND, port: int = PORT) -> int:
    """Run the api process until a signal; its exit code."""
    configure_logging("api")
    settle(YOUNG_MAX)
    asyncio.run(run_probed(settings.probe_address, partial(serve, settings, bind, port)))
    return 0


def _main(
    bind: Annotated[str, typer.Option(help="Address to listen on.")] = BIND,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = PORT,
) -> None:
    """Follow a cell and serve its REST API. Settings: KAFKA_BROKERS, FLUMINA_TOPIC_PREFIX."""
    try:
        sys.exit(run_api(settings_of(os.environ), bind, port))
    except OperatorError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    typer.run(_main)
