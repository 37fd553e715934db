"""A cluster manager that opens sealed values on their way to Mesos, and nowhere else.

The one thing to know: what it makes lives for one call. Effects, outcomes and logs keep sealed
values; should Mesos repeat an opened one in a refusal, it is taken out of the text.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from connectors.ports import ClusterManager
from projections.masking import MASK
from scheduler.model.effects import AcceptOffers, Called, Effect
from scheduler.model.ids import StreamId
from scheduler.model.mesos import MesosRecord, StatusUpdate, Unrecognised
from scheduler.model.sealed import is_sealed

if TYPE_CHECKING:
    from connectors.secrets.ring import KeyRing

logger = structlog.get_logger(__name__)

SHOWN_CHARACTERS_MIN = 4
"""A value that is shorter stands in too many texts by chance."""


class OpeningManager:
    """Another manager, before which launches have their secrets opened."""

    def __init__(self, manager: ClusterManager, store_url: str, provider: str) -> None:
        self._manager = manager
        self._settings = store_url, provider
        self._ring: KeyRing | None = None

    def subscribe(self, epoch: int) -> AsyncIterator[MesosRecord]:
        """The other manager's stream."""
        return self._manager.subscribe(epoch)

    async def carry_out(self, effect: Effect, stream_id: StreamId) -> Called:
        """Send one effect, opened; refused here where the ring does not answer."""
        if not isinstance(effect, AcceptOffers) or not _has_sealed(effect):
            return await self._manager.carry_out(effect, stream_id)
        # The ciphers are loaded by the first launch that has a secret: most cells see none.
        from connectors.secrets.errors import SecretsUnavailable  # noqa: PLC0415
        from connectors.secrets.opening import open_ring  # noqa: PLC0415
        from connectors.secrets.sealing import opened_launch  # noqa: PLC0415

        self._ring = self._ring or open_ring(*self._settings)
        try:
            opened, failed = await asyncio.to_thread(opened_launch, self._ring, effect)
        except SecretsUnavailable as error:
            return Called("refused", stream_id, f"not sent: secrets cannot be opened: {error}")
        for task_id, why in failed.items():
            logger.warning("a task's secrets cannot be opened", task=task_id, why=why)
        called = await self._manager.carry_out(opened, stream_id)
        return replace(called, detail=_without(called.detail, effect, opened))

    async def acknowledge(self, update: StatusUpdate | Unrecognised, stream_id: StreamId) -> Called:
        """As the other manager."""
        return await self._manager.acknowledge(update, stream_id)

    async def acknowledge_all(
        self, updates: Sequence[StatusUpdate | Unrecognised], stream_id: StreamId
    ) -> list[Called]:
        """As the other manager."""
        return await self._manager.acknowledge_all(updates, stream_id)

    async def close(self) -> None:
        """As the other manager."""
        await self._manager.close()


def _has_sealed(effect: AcceptOffers) -> bool:
    return any(is_sealed(value) for task in effect.tasks for _, value in task.environment)


def _without(text: str, sealed: AcceptOffers, opened: AcceptOffers) -> str:
    """The text with no value in it that was opened for this call."""
    before = {pair for task in sealed.tasks for pair in task.environment}
    for task in opened.tasks if text else ():
        for pair in task.environment:
            if pair not in before and len(pair[1]) >= SHOWN_CHARACTERS_MIN:
                text = text.replace(pair[1], MASK)
    return text
