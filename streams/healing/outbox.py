"""The outbox towards hosts: scripts that runs have ordered are run, and their outcomes written.

The one thing to know: it acts as the other outboxes do, only after it has read back `EffectStarted`
and the fold has taken it in this epoch, and runs no order twice. It stands apart from them, for a
script may take minutes.
"""

import asyncio
from typing import Final

import structlog

from connectors.cancelling import TaskGroup
from connectors.healing.ports import HostCommands, ScriptToRun
from scheduler.healing.standing import HealingRun
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.healing import OUTPUT_MAX
from scheduler.model.ids import ProposalId
from scheduler.state import State
from streams.cell.follower import Follower
from streams.cell.lead import Lead

logger = structlog.get_logger(__name__)

AT_ONCE_MAX: Final = 8
DETAIL_MAX: Final = 300
INSTANCE_ATTRIBUTE: Final = "instance-id"
"""Of an agent, where no cloud group names the host's instance."""


class HealingOutbox:
    """Runs the scripts of one leadership, several at once, each once."""

    def __init__(self, lead: Lead, follower: Follower, commands: HostCommands) -> None:
        self._lead = lead
        self._follower = follower
        self._commands = commands
        self._started: set[str] = set()
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)

    async def run(self) -> None:
        """Run what is ordered until cancelled, or until leadership is lost."""
        version = -1
        try:
            async with TaskGroup() as group:
                while True:
                    version = await self._follower.newer(version, self._lead.pace.tick_s)
                    if self._lead.is_behind():
                        continue
                    for order_id in self._waiting():
                        self._started.add(order_id)
                        group.create_task(self._one(order_id))
        finally:
            await self._commands.close()

    def _waiting(self) -> list[str]:
        state = self._follower.machine.state
        orders = {
            run.order_id: run
            for run in (state.healing_runs[each] for each in state.healing_live)
            if run.order_id
        }
        self._started &= orders.keys()
        return [
            order_id
            for order_id, run in orders.items()
            if not run.is_order_started and order_id not in self._started
        ]

    async def _one(self, order_id: str) -> None:
        async with self._gate:
            await self._lead.write_and_read_back([EffectStarted(ProposalId(order_id))])
            self._lead.check()
            state = self._follower.machine.state
            run = state.healing_runs.get(order_id.rpartition(".")[0])
            if self._lead.is_behind() or run is None or run.order_id != order_id:
                return  # The fold did not take it: nothing was run, nothing will be.
            if not run.is_order_started:
                return
            ran = await self._commands.run(_script(state, run))
        logger.info("script ran", order=order_id, fate=ran.fate, code=ran.exit_code)
        ended = EffectEnded(
            ProposalId(order_id),
            ran.fate,
            ran.detail[:DETAIL_MAX],
            ran.exit_code,
            ran.output[-OUTPUT_MAX:],
        )
        await self._lead.write([ended])


def _script(state: State, run: HealingRun) -> ScriptToRun:
    step = run.runbook.steps[run.step]
    return ScriptToRun(
        order_id=run.order_id,
        host_id=run.host_id,
        hostname=state.hostname(run.host_id),
        instance_id=_instance_of(state, run),
        script=step.script,
        arguments=step.arguments,
        timeout_ms=step.timeout_ms,
    )


def _instance_of(state: State, run: HealingRun) -> str:
    for each in state.cloud_instances.values():
        if each.host_id == run.host_id:
            return each.instance_id
    facts = state.hosts.get(run.host_id)
    attributes = dict(facts.attributes) if facts is not None else {}
    return attributes.get(INSTANCE_ATTRIBUTE, "")
