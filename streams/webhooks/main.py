"""The webhooks process: one endpoint for each webhook of the cell, until a signal.

The one thing to know: it decides nothing and may be killed at any time, for what was taken is
remembered in Kafka. While a cell has no webhook it has no connection to Kafka, and its client is
not even loaded. A second such process of a cell would send everything twice.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from connectors.cancelling import end_all
from connectors.discovery.asking import Asking
from scheduler.model.webhooks import WebhookStanding
from streams.access.opening import credentials_of
from streams.clock import elapsed_s
from streams.errors import OperatorError
from streams.probes import Probes
from streams.settings import Settings
from streams.stopping import stop_event
from streams.webhooks.told import Applications, Hook, NotTold, Told, webhooks_now

if TYPE_CHECKING:
    from streams.webhooks.endpoint import Endpoint
    from streams.webhooks.telling import Teller

logger = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
ACTOR: Final = "flumina-webhooks"
NOTE_AGAIN_S: Final = 10.0
"""A word that the cell does not show yet is said again after so long, and not before."""


class Webhooks:
    """The endpoints of one cell; `look` asks the cell once and does what is due."""

    def __init__(self, settings: Settings, api: str) -> None:
        self._settings = settings
        self._api = Asking(api, credentials=credentials_of(settings))
        self._endpoints: dict[tuple[str, str, int], tuple[Endpoint, asyncio.Task[None]]] = {}
        self._tests: dict[tuple[str, int], tuple[bool, str] | None] = {}
        """Tests that were begun, by name and offset, and how they went."""
        self._noted_s: dict[str, float] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._unknown = ""
        self._start: Callable[[Hook], Endpoint] | None = None
        self._teller: Teller | None = None

    def why_not_ready(self) -> str:
        """Why the cell's webhooks are not known now; empty where they are."""
        return self._unknown

    async def look(self) -> None:
        """Follow what the cell's webhooks are now."""
        try:
            told = await webhooks_now(self._api, self._settings.cell)
        except NotTold as error:
            if str(error) != self._unknown:
                logger.warning("webhooks are not known", why=str(error))
            self._unknown = str(error)
            return
        self._unknown = ""
        if told.items:
            await self._begin()
        await self._follow(told)
        for hook in told.items:
            await self._note(hook, told)

    async def _begin(self) -> None:
        """Load what sends, once somebody wants to be told."""
        if self._start is not None:
            return
        # Kafka's client, TLS and the rest are some 30 MiB: only who needs them pays for them.
        from connectors.webhooks.client import Sender  # noqa: PLC0415
        from connectors.webhooks.secrets import Secrets  # noqa: PLC0415
        from streams.webhooks.endpoint import Endpoint, Outside  # noqa: PLC0415
        from streams.webhooks.feed import Feed  # noqa: PLC0415
        from streams.webhooks.telling import Teller  # noqa: PLC0415

        settings = self._settings
        brokers = settings.kafka_brokers
        assert brokers is not None
        outside = Outside(
            Sender(settings.webhook_networks),
            Secrets(settings.webhook_secrets),
            Applications(self._api),
        )

        def feed_of(hook: Hook) -> Feed:
            prefix, cells = settings.topic_prefix, settings.cells
            return Feed(brokers, prefix, cells, settings.cell, hook)

        teller = Teller(brokers, settings.topic_prefix, settings.partition, ACTOR)
        await teller.start()
        self._teller = teller
        self._start = lambda hook: Endpoint(hook, outside, feed_of)

    async def _follow(self, told: Told) -> None:
        wanted = {each.identity: each for each in told.items}
        for identity, (_, task) in list(self._endpoints.items()):
            hook = wanted.get(identity)
            if hook is None or hook.is_paused or task.done():
                del self._endpoints[identity]
                await _ended(task, identity[0])
        for identity, hook in wanted.items():
            there = self._endpoints.get(identity)
            if there is not None:
                there[0].hook = hook
            elif not hook.is_paused and self._start is not None:
                endpoint = self._start(hook)
                self._endpoints[identity] = endpoint, asyncio.create_task(endpoint.run())

    async def _note(self, hook: Hook, told: Told) -> None:
        """Tell the cell what it does not show yet."""
        found, there = self._tested(hook, told), self._endpoints.get(hook.identity)
        if found is not None and hook.test is not None:
            is_good, detail = found
            await self._tell(hook, "", detail, hook.test.offset, is_good=is_good)
        elif there is not None and (standing := there[0].standing):
            endpoint = there[0]
            is_set_aside = standing == "delivering" and endpoint.detail != hook.detail
            if standing != hook.standing or (endpoint.set_aside and is_set_aside):
                await self._tell(hook, standing, endpoint.detail)

    async def _tell(
        self,
        hook: Hook,
        standing: WebhookStanding,
        detail: str,
        test_offset: int = -1,
        *,
        is_good: bool = False,
    ) -> None:
        now_s = elapsed_s()
        key = f"{hook.name} {standing} {test_offset}"
        if self._teller is None or now_s < self._noted_s.get(key, -NOTE_AGAIN_S) + NOTE_AGAIN_S:
            return
        self._noted_s = {
            name: at_s for name, at_s in self._noted_s.items() if now_s < at_s + NOTE_AGAIN_S
        } | {key: now_s}
        await self._teller.tell(hook, standing, detail, test_offset, is_good=is_good)

    def _tested(self, hook: Hook, told: Told) -> tuple[bool, str] | None:
        """How the test that is asked for went; None while none is, or it goes on."""
        test = hook.test
        if test is None or test.state != "asked":
            return None
        key = (hook.name, test.offset)
        if key not in self._tests:
            self._tests = {name: how for name, how in self._tests.items() if name[0] != hook.name}
            self._tests[key] = None
            task = asyncio.create_task(self._try(hook, key, told))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return self._tests[key]

    async def _try(self, hook: Hook, key: tuple[str, int], told: Told) -> None:
        there = self._endpoints.get(hook.identity)
        assert self._start is not None
        endpoint = there[0] if there else self._start(hook)  # Of one that is paused.
        address = f"{told.cell}/{told.generation}:{key[1]}[0]"
        self._tests[key] = await endpoint.tried(address, told.cell)

    async def close(self) -> None:
        """End every endpoint, and give back every connection."""
        tasks = [task for _, task in self._endpoints.values()]
        await end_all(*tasks, *self._running)
        if self._teller is not None:
            await self._teller.close()


async def _ended(task: asyncio.Task[None], name: str) -> None:
    if task.done() and not task.cancelled() and task.exception() is not None:
        logger.error("a webhook ended; it begins anew", webhook=name, why=repr(task.exception()))
        return
    await end_all(task)


async def send_webhooks(settings: Settings, api: str, probes: Probes | None = None) -> None:
    """Look and send until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    if settings.kafka_brokers is None:
        raise OperatorError(
            "The webhooks process needs a Kafka.",
            "KAFKA_BROKERS is not set; `flumina up` starts one and sets it.",
            "Set it to host:port, or use `flumina up`.",
        )
    stop = stop_event()
    webhooks = Webhooks(settings, api)
    probes = probes or Probes()
    probes.why_not_ready = webhooks.why_not_ready
    probes.begun(f"ready {api}")
    try:
        while not stop.is_set():
            await webhooks.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)
    finally:
        await webhooks.close()
