"""The autoscale process: follows the cell's scaling policies, and their metrics, until a signal.

The one thing to know: it decides nothing and may be killed at any time; what is lost are values,
and a metric without values scales nothing. While there is no policy it has no connection to Kafka
or AWS, and their libraries are not even loaded.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from connectors.ports import AskedMetric
from scheduler.model.autoscaling import OWN_NAMESPACE
from streams.access.opening import credentials_of
from streams.autoscale.policies import PoliciesUnknown, policies_now
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.probes import Probes
from streams.settings import Settings
from streams.stopping import stop_event

if TYPE_CHECKING:
    from streams.autoscale.telling import Teller

logger = structlog.get_logger(__name__)

LOOK_MS: Final = 2_000
"""How often it is asked which policies there are."""
PAUSE_MS_MIN: Final = 50


async def follow_policies(settings: Settings, api: str, probes: Probes | None = None) -> None:
    """Ask and tell until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    if settings.kafka_brokers is None:
        raise OperatorError(
            "The autoscale process needs a Kafka.",
            "KAFKA_BROKERS is not set; `flumina up` starts one and sets it.",
            "Set it to host:port, or use `flumina up`.",
        )
    stop = stop_event()
    following = _Following(settings, api)
    probes = probes or Probes()
    probes.why_not_ready = following.why_not_ready
    probes.begun(f"ready {api}")
    try:
        while not stop.is_set():
            pause_ms = await following.step(now_ms())
            try:
                await asyncio.wait_for(stop.wait(), pause_ms / 1_000)
            except TimeoutError:
                continue
    finally:
        await following.close()


class _Following:
    """Policies and their metrics, looked at again and again."""

    def __init__(self, settings: Settings, api: str) -> None:
        self._settings = settings
        self._api = api
        self._credentials = credentials_of(settings)
        self._looked_ms = 0
        self._unknown = ""
        self._teller: Teller | None = None

    def why_not_ready(self) -> str:
        """Why the policies are not known now; empty where they are."""
        return self._unknown

    async def step(self, at_ms: int) -> int:
        """Do what is due; after how many milliseconds the next is."""
        if at_ms >= self._looked_ms + LOOK_MS:
            self._looked_ms = at_ms
            await self._look()
        next_ms = self._looked_ms + LOOK_MS
        if self._teller is not None:
            await self._teller.round(at_ms)
            next_ms = min(next_ms, self._teller.poller.next_ms(next_ms))
        return max(next_ms - now_ms(), PAUSE_MS_MIN)

    async def _look(self) -> None:
        try:
            asked = await policies_now(self._api, self._credentials)
        except PoliciesUnknown as error:
            if str(error) != self._unknown:
                logger.warning("policies are not known", why=str(error))
            self._unknown = str(error)
            return
        self._unknown = ""
        await self._follow([each for each in asked if each.metric.namespace != OWN_NAMESPACE])

    async def _follow(self, asked: list[AskedMetric]) -> None:
        if self._teller is None:
            if not asked:
                return
            # Kafka's and AWS' clients are some 40 MiB: only who needs them pays for them.
            from streams.autoscale.telling import Teller  # noqa: PLC0415

            teller = Teller(self._settings)
            await teller.start()
            self._teller = teller
        self._teller.poller.follow(asked)

    async def close(self) -> None:
        """Give back every connection."""
        teller, self._teller = self._teller, None
        if teller is not None:
            await teller.close()
