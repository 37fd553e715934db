"""The outbox towards clouds: orders of the fold become calls, and calls become outcomes.

The one thing to know: it acts as the other outbox does, only after it has read back `EffectStarted`
and the fold has taken it in this epoch. It stands apart from it, so that a cloud that is slow keeps
no launch waiting, and a lost Mesos stream no host.
"""

import asyncio
from typing import Final

import structlog

from connectors.cloud.ports import CloudGroups
from scheduler.fleet.standing import FleetOrder
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.ids import ProposalId
from streams.cell.follower import Follower
from streams.cell.lead import Lead

logger = structlog.get_logger(__name__)

BATCH_MAX: Final = 50
AT_ONCE_MAX: Final = 4
"""Calls under way; botocore itself slows down when AWS throttles."""
DETAIL_CHARACTERS_MAX: Final = 300


class FleetOutbox:
    """Carries out the fleet's orders of one leadership, in the order in which they were made."""

    def __init__(self, lead: Lead, follower: Follower, groups: CloudGroups) -> None:
        self._lead = lead
        self._follower = follower
        self._groups = groups
        self._started: set[ProposalId] = set()
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)

    async def run(self) -> None:
        """Carry out until cancelled, or until leadership is lost."""
        version = -1
        try:
            while True:
                version = await self._follower.newer(version, self._lead.pace.tick_s)
                while not self._lead.is_behind() and (waiting := self._waiting()):
                    await self._carry_out(waiting)
        finally:
            await self._groups.close()

    def _waiting(self) -> list[FleetOrder]:
        orders = self._follower.machine.state.fleet_orders
        self._started &= orders.keys()
        found = [
            each
            for order_id, each in orders.items()
            if not each.is_started and order_id not in self._started
        ]
        return found[:BATCH_MAX]

    async def _carry_out(self, waiting: list[FleetOrder]) -> None:
        self._started |= {each.order_id for each in waiting}
        await self._lead.write_and_read_back(
            [EffectStarted(proposal_id=each.order_id) for each in waiting]
        )
        await asyncio.gather(*(self._one(each) for each in waiting))

    async def _one(self, order: FleetOrder) -> None:
        async with self._gate:
            self._lead.check()
            known = self._follower.machine.state.fleet_orders.get(order.order_id)
            if self._lead.is_behind() or known is None or not known.is_started:
                return  # The fold did not take it: nothing has left, nothing will.
            carried = await self._groups.carry_out(order.effect)
        log = logger.info if carried.fate == "sent" else logger.warning
        log(
            "asked of the cloud",
            what=type(order.effect).__name__,
            group=order.effect.group,
            fate=carried.fate,
            detail=carried.detail,
        )
        detail = carried.detail[:DETAIL_CHARACTERS_MAX]
        await self._lead.write([EffectEnded(order.order_id, carried.fate, detail)])
