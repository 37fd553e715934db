"""A cell in memory for the drill: every call goes through, on one stream that is ours.

The one thing to know: what decides and what is written are those of `projections.memory_cell`, and
so of a real cell; only the stream is made up, and each call is said to have been sent.
"""

from typing import Final

from projections.memory_cell import ROUNDS_MAX, MemoryCell, Meter
from scheduler.model.changes import Change
from scheduler.model.effects import Effect
from scheduler.model.events import EffectEnded
from scheduler.model.ids import StreamId
from scheduler.model.mesos import Subscribed
from scheduler.model.policy import Policy

STREAM: Final = StreamId("drill")
HEARTBEAT_MS: Final = 15_000


class DrillCell(MemoryCell):
    """One cell, led by us, on one stream."""

    def __init__(self, policy: Policy, began_at_ms: int, meter: Meter) -> None:
        super().__init__("drill", "d" * 32, policy, began_at_ms, meter)
        subscribed = Subscribed(
            stream_id=STREAM,
            framework_id="drill",
            epoch=self.epoch,
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        self.copy("mesos", [subscribed])
        self.tick()

    def decide(self) -> list[Effect]:
        """The effects of all that the machine decides now, in order."""
        effects: list[Effect] = []
        for _ in range(ROUNDS_MAX):
            decided = self.round()
            if decided is None:
                return effects
            self.ended([EffectEnded(each, fate="sent") for each in decided.accepted])
            effects += decided.effects
        raise AssertionError("the machine proposes without end")

    def _note(self, changes: list[Change]) -> None:
        """Forget them: a drill of thousands of tasks looks at the state alone."""
