"""The outbox: accepted decisions become calls, and calls become outcomes.

The one thing to know: it acts only after it has read back `EffectStarted` and the fold has
accepted it in this epoch. An acknowledgement by Kafka is not acceptance. No call is ever sent
twice: what was started and not seen to end belongs to reconciliation.
"""

import asyncio
from collections import deque

import structlog

from connectors.cancelling import TaskGroup
from connectors.ports import ClusterManager
from scheduler.effects import effect_of
from scheduler.fold.storage import is_ready
from scheduler.model.effects import AcceptOffers, Called, Effect
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.ids import ProposalId, StreamId
from scheduler.state import Decision
from streams.cell.follower import Follower
from streams.cell.lead import Lead
from streams.cell.points import reached

logger = structlog.get_logger(__name__)

BATCH_MAX = 500
LAUNCHES_UNDER_WAY_MAX = 64
"""So many launches may wait for their answers at once: on one connection they cost one round trip,
and what the end of a stream leaves unknown is as many calls."""


class Outbox:
    """Carries out the decisions of one leadership, in the order in which they were accepted."""

    def __init__(self, lead: Lead, follower: Follower, manager: ClusterManager) -> None:
        self._lead = lead
        self._follower = follower
        self._manager = manager
        self._started: set[ProposalId] = set()
        self._outcomes: deque[EffectEnded] = deque()
        self._has_outcomes = asyncio.Event()

    async def run(self) -> None:
        """Carry out until cancelled, or until leadership is lost."""
        async with TaskGroup() as group:
            group.create_task(self._carry_out_all())
            group.create_task(self._write_outcomes())

    async def _carry_out_all(self) -> None:
        version = -1
        while True:
            version = await self._follower.newer(version, self._lead.pace.tick_s)
            while not self._lead.is_behind():
                waiting = self._waiting()
                if not waiting:
                    break
                await self._start(waiting)

    def _waiting(self) -> list[Decision]:
        state = self._follower.machine.state
        decisions = state.decisions
        self._started &= decisions.keys()
        found = [
            each
            for proposal_id, each in decisions.items()
            if not each.is_started and proposal_id not in self._started and is_ready(state, each)
        ]
        return found[:BATCH_MAX]

    async def _start(self, waiting: list[Decision]) -> None:
        self._started |= {each.proposal_id for each in waiting}
        await self._lead.write_and_read_back(
            [EffectStarted(proposal_id=each.proposal_id) for each in waiting],
            point="started-written",
        )
        async with TaskGroup() as group:
            under_way: set[asyncio.Task[None]] = set()
            for each in waiting:
                if len(under_way) >= LAUNCHES_UNDER_WAY_MAX:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    under_way = {call for call in under_way if not call.done()}
                await self._until_folded()
                ready = self._accepted(each.proposal_id)
                if ready is None:
                    continue  # Cancelled before it was started: nothing has left, nothing will.
                effect, stream_id = ready
                # Launches are about offers of their own and need not wait for each other; a kill
                # must not overtake the launch that it follows.
                is_launch = isinstance(effect, AcceptOffers)
                if under_way and not is_launch:
                    await asyncio.wait(under_way)
                    under_way.clear()
                reached("effect-started", effect)
                self._lead.check()
                call = group.create_task(self._carry_out(each.proposal_id, effect, stream_id))
                under_way.add(call)
                if not is_launch:
                    await asyncio.wait(under_way)
                    under_way.clear()

    async def _carry_out(
        self, proposal_id: ProposalId, effect: Effect, stream_id: StreamId
    ) -> None:
        called = await self._manager.carry_out(effect, stream_id)
        reached("call-sent", effect)
        self._ended(proposal_id, called)

    async def _until_folded(self) -> None:
        """Wait while the fold is halted or begun anew: what we started is still ours to send."""
        version = -1
        while self._lead.is_behind():
            self._lead.check()
            version = await self._follower.newer(version, self._lead.pace.tick_s)

    def _accepted(self, proposal_id: ProposalId) -> tuple[Effect, StreamId] | None:
        """The effect and its stream, if the fold took our `EffectStarted` and nothing undid it."""
        if self._lead.is_behind():
            return None
        state = self._follower.machine.state
        decision = state.decisions.get(proposal_id)
        if decision is None or not decision.is_started or state.stream.stream_id is None:
            return None
        return effect_of(state, decision), state.stream.stream_id

    def _ended(self, proposal_id: ProposalId, called: Called) -> None:
        if called.fate != "sent":
            logger.warning(
                "call did not go through",
                proposal=proposal_id,
                fate=called.fate,
                detail=called.detail,
            )
        self._outcomes.append(
            EffectEnded(proposal_id=proposal_id, fate=called.fate, detail=called.detail[:500])
        )
        self._has_outcomes.set()

    async def _write_outcomes(self) -> None:
        while True:
            await self._has_outcomes.wait()
            self._has_outcomes.clear()
            ended = list(self._outcomes)
            self._outcomes.clear()
            if ended:
                await self._lead.write(ended)
                reached("outcome-written", *ended)
