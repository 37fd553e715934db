"""Faults of a soak: each now and then one of what ends processes, by a seed, and undone by keepers.

The one thing to know: nothing is mended here but what was broken on purpose. A killed part is
started again by its keeper, as `flumina up` does it; a broker that was stopped for some seconds
is let go on, as after a long pause of its machine.
"""

import asyncio
import os
import signal
from contextlib import suppress
from random import Random
from typing import Final, Literal, NamedTuple

from streams.clock import elapsed_s
from streams.errors import OperatorError
from streams.load.installation import LoadInstallation

Kind = Literal["kill-cell", "kill-api", "pause-kafka", "kill-kafka", "restart-master"]
KINDS: Final[tuple[Kind, ...]] = (
    "kill-cell",
    "kill-api",
    "pause-kafka",
    "kill-kafka",
    "restart-master",
)
SAFE_S_MAX: Final = 60.0
SAFE_LOOK_S: Final = 2.0
PAUSE_S: Final = 4.0
"""A broker stands still for so long: longer than requests are patient on loopback."""


class FaultPlan(NamedTuple):
    """Which faults, and how often."""

    every_s: float
    seed: int
    kinds: tuple[Kind, ...] = KINDS


class Faults:
    """Breaks something every so often until cancelled."""

    def __init__(self, here: LoadInstallation, plan: FaultPlan) -> None:
        self._here, self._plan = here, plan
        self._chance = Random(plan.seed)  # noqa: S311 - faults, no secret
        self.done: list[str] = []
        """What was broken, and when, in seconds since the first job."""

    async def run(self) -> None:
        """Break things until cancelled; the first round takes each kind once."""
        began_s = elapsed_s()
        waiting: list[Kind] = []
        while True:
            await asyncio.sleep(self._plan.every_s)
            if not waiting:
                waiting = list(self._plan.kinds)
                self._chance.shuffle(waiting)
            at_s = elapsed_s() - began_s
            text = await self._break(waiting.pop())
            self.done.append(f"{at_s:.0f} s: {text}")

    async def _break(self, kind: Kind) -> str:
        here = self._here
        match kind:
            case "kill-cell":
                return here.kill("cell-1")
            case "kill-api":
                return here.kill("api")
            case "kill-kafka":
                return here.kill("kafka")
            case "pause-kafka":
                return await self._pause("kafka")
            case "restart-master":
                text = await asyncio.to_thread(here.restart_master)
                return f"{text}; {await self._operator()}"

    async def _operator(self) -> str:
        """Confirm what a safe cell has found, as an operator does who knows of the power cut."""
        deadline = elapsed_s() + SAFE_S_MAX
        while elapsed_s() < deadline:
            with suppress(OperatorError):
                if told := await asyncio.to_thread(self._here.confirm_finding):
                    return told
            await asyncio.sleep(SAFE_LOOK_S)
        return "the cell did not become safe"

    async def _pause(self, name: str) -> str:
        pid = self._here.part(name).pid
        if pid is None:
            return f"{name} was not running; nothing was done"
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(PAUSE_S)
        finally:
            os.kill(pid, signal.SIGCONT)
        return f"{name} stood still for {PAUSE_S:g} s"
