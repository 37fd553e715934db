"""The registrar process: keeps load balancers and a registry as the cell's endpoints are.

The one thing to know: it decides nothing and may be killed at any time. What it registered stands
in a file of its own; what it missed meanwhile is the difference that it finds when it is back.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Final

import structlog

from connectors.discovery.asking import Asking
from connectors.discovery.eureka import Eureka
from connectors.discovery.opening import open_registry
from connectors.ports import Endpoint
from streams.access.opening import credentials_of
from streams.clock import now_ms
from streams.probes import Probes
from streams.registrar.endpoints import (
    EndpointsUnknown,
    Place,
    Told,
    Wanted,
    endpoints_now,
    next_place,
)
from streams.registrar.health import HealthTeller
from streams.registrar.lane import AT_ONCE_MAX, Lane
from streams.registrar.memory import Memory
from streams.settings import Settings
from streams.stopping import stop_event

logger = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
"""Changes of so long are one batch: the least of Titus' windows of 1 to 60 s."""
UNKNOWN_PAGED_MS: Final = 300_000


class Registrar:
    """The lanes that the settings name; `look` asks the cell once and does what is due."""

    def __init__(self, settings: Settings, api: str) -> None:
        """Raises `OperatorError` where what was registered cannot be read."""
        self._api = Asking(api, credentials=credentials_of(settings))
        self._is_discovery = settings.discovery_url is not None
        self.lanes: dict[str, tuple[Lane, Memory]] = {}
        self._health: HealthTeller | None = None
        directory = settings.data_dir / "registrar" / settings.cell
        if settings.balancers:
            # AWS' client is some 20 MiB: only who has load balancers pays for it.
            from connectors.balancers.elb import TargetGroups  # noqa: PLC0415

            memory = Memory(directory / "balancers.json")
            self.lanes["balancers"] = Lane("balancers", TargetGroups(), memory), memory
        if settings.discovery_url is not None:
            registry = open_registry(settings.discovery_url, settings.cell)
            # What is in one registry is not in another.
            mark = sha256(settings.discovery_url.encode()).hexdigest()[:8]
            memory = Memory(directory / f"discovery-{mark}.json")
            self.lanes["discovery"] = Lane("discovery", registry, memory, registry), memory
            if isinstance(registry, Eureka):
                self._health = HealthTeller(registry, self._api)
        self._unknown = ""
        self._unknown_since_ms = 0
        self._is_paged = False

    def why_not_ready(self) -> str:
        """Why nothing is registered or deregistered now; empty where it is."""
        return self._unknown

    async def look(self, at_ms: int) -> None:
        """Have every lane do what is due now."""
        try:
            told = await endpoints_now(self._api, is_discovery=self._is_discovery)
            places = {name: next_place(told, memory.last) for name, (_, memory) in self._items()}
            await self._rounds(told, places, at_ms)
            if self._health is not None:
                await self._health.look(told, at_ms)
        except EndpointsUnknown as error:
            self._is_unknown(str(error), at_ms)
        except OSError as error:
            # Nothing is registered that could not be remembered.
            self._is_unknown(f"what is registered cannot be written down: {error}", at_ms)
        else:
            self._unknown = ""
        for _, (lane, _) in self._items():
            await lane.renew(at_ms)

    def _items(self) -> list[tuple[str, tuple[Lane, Memory]]]:
        return list(self.lanes.items())

    async def _rounds(self, told: Told, places: dict[str, Place], at_ms: int) -> None:
        for name, (lane, memory) in self._items():
            memory.last = places[name]
            await lane.round(wanted_of(told, lane, is_discovery=name == "discovery"), at_ms)

    def _is_unknown(self, why: str, at_ms: int) -> None:
        if not self._unknown:
            logger.warning("nothing is registered or deregistered", why=why)
            self._unknown_since_ms, self._is_paged = at_ms, False
        self._unknown = why
        if not self._is_paged and at_ms >= self._unknown_since_ms + UNKNOWN_PAGED_MS:
            self._is_paged = True
            logger.critical("nothing is registered or deregistered", why=why, page=True)

    async def close(self) -> None:
        """Give back every connection."""
        for _, (lane, _) in self._items():
            await lane.outlet.close()


def wanted_of(told: Told, lane: Lane, *, is_discovery: bool) -> Wanted:
    """What has to be registered in the lane."""
    wanted: Wanted = {}
    for item in told.items:
        endpoint = told.endpoint(item)
        if endpoint is None:
            continue
        key = lane.outlet.key_of(endpoint)
        if is_discovery:
            wanted[item.service, key] = endpoint
            continue
        for name in item.load_balancers:
            wanted[name, key] = _without_details(endpoint)
    return wanted


def _without_details(endpoint: Endpoint) -> Endpoint:
    """What a target is made of: a change of the rest is none of it."""
    return Endpoint(endpoint.task_id, endpoint.job_id, endpoint.address, endpoint.port)


async def register_endpoints(settings: Settings, api: str, probes: Probes | None = None) -> None:
    """Look and register until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    stop = stop_event()
    loop = asyncio.get_running_loop()
    # Every thread keeps some memory of its own for good.
    loop.set_default_executor(ThreadPoolExecutor(AT_ONCE_MAX))
    registrar = Registrar(settings, api)
    probes = probes or Probes()
    probes.why_not_ready = registrar.why_not_ready
    probes.begun(f"ready {api}")
    try:
        with _pages(settings):
            while not stop.is_set():
                await registrar.look(now_ms())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_S)
    finally:
        await registrar.close()


@contextlib.contextmanager
def _pages(settings: Settings) -> Iterator[None]:
    """Pages of this process' log lines, where the settings say whereto."""
    if settings.page_url is None:
        yield
        return
    # Stores and metrics are some 10 MiB: only who pages pays for them.
    from streams.pages.metrics import PageMetrics  # noqa: PLC0415
    from streams.pages.opening import paging  # noqa: PLC0415

    with paging(settings, "registrar", PageMetrics()):
        yield
