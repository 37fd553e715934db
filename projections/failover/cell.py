"""A cell in memory for the drill: the machine, its codec, and a leader's writing hand.

The one thing to know: every record is encoded, decoded and folded as in a real cell, and every
launch is a decision that the fold has accepted. What is left out is transport: Kafka and HTTP.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import Final, TypeVar

from scheduler.effects import effect_of
from scheduler.machine import FOLD_VERSION, Machine
from scheduler.model.address import Source
from scheduler.model.codec import (
    RECORD_EVENTS_MAX,
    RECORD_VERSION,
    decode_record,
    encode_record,
)
from scheduler.model.effects import Effect
from scheduler.model.events import (
    CellCreated,
    CellEvent,
    CellRecord,
    Copied,
    EffectEnded,
    EffectStarted,
    FoldVersion,
    LeaderElected,
    PolicySet,
    Tick,
)
from scheduler.model.ids import CellName, CellUuid, Generation, ProposalId, StreamId, proposal_id_of
from scheduler.model.inbound import InboundBody, PartitionBegan
from scheduler.model.mesos import Subscribed
from scheduler.model.policy import Policy
from scheduler.state import State

GENERATION: Final = Generation("0d0d0d0d")
STREAM: Final = StreamId("drill")
ROUNDS_MAX: Final = 200
"""In one step; a cell that goes on proposing for longer has a fault."""
HEARTBEAT_MS: Final = 15_000

Item = TypeVar("Item")
Meter = Callable[[], AbstractContextManager[object]]
"""Measures what is done inside: the share of the control plane."""


class DrillCell:
    """One cell, led by us, on one stream."""

    def __init__(self, policy: Policy, began_at_ms: int, meter: Meter) -> None:
        self.machine = Machine()
        self.now_ms = began_at_ms
        self.records = 0
        self.events = 0
        self.bytes_written = 0
        self._meter = meter
        self._epoch = -1
        self._inbound: dict[str, int] = {}
        self._write(
            CellCreated(
                cell=CellName("drill"), cell_uuid=CellUuid("d" * 32), generation=GENERATION
            ),
            FoldVersion(version=FOLD_VERSION),
            PolicySet(version=1, policy=policy),
        )
        self._epoch = self._write(LeaderElected(candidate="drill", incarnation="drill"))
        self.copy(
            "mesos",
            [
                Subscribed(
                    stream_id=STREAM,
                    framework_id="drill",
                    epoch=self._epoch,
                    heartbeat_interval_ms=HEARTBEAT_MS,
                )
            ],
        )
        self.tick()

    @property
    def state(self) -> State:
        """The state as folded so far."""
        return self.machine.state

    def tick(self) -> None:
        """Let the fold hear the time."""
        self._write(Tick())

    def next_offset(self, topic: str) -> int:
        """The offset that the next record of the topic will have."""
        return max(self._inbound.get(topic, -1) + 1, 1)

    def copy(self, topic: str, bodies: Iterable[InboundBody]) -> None:
        """Copy records of a topic into the log, as ingest does."""
        for some in _batched(bodies, RECORD_EVENTS_MAX // 2):
            self._write(*self._copies(topic, some))

    def _copies(self, topic: str, bodies: Iterable[InboundBody]) -> list[CellEvent]:
        events: list[CellEvent] = []
        for body in bodies:
            before = self._inbound.get(topic, -1)
            if before == -1:
                began = PartitionBegan(generation=GENERATION)
                events.append(_copied(topic, 0, -1, began, self.now_ms))
                before = 0
            events.append(_copied(topic, before + 1, before, body, self.now_ms))
            self._inbound[topic] = before + 1
        return events

    def decide(self) -> list[Effect]:
        """The effects of all that the machine decides now, in order."""
        effects: list[Effect] = []
        for _ in range(ROUNDS_MAX):
            with self._meter():
                events = self.machine.decide()
            if not events:
                return effects
            offset = self._write(*events)
            effects += self._carried_out(offset, len(events))
        raise AssertionError("the machine proposes without end")

    def _carried_out(self, offset: int, count: int) -> list[Effect]:
        accepted: list[ProposalId] = [
            each
            for index in range(count)
            if (each := proposal_id_of(offset, index)) in self.state.decisions
        ]
        if not accepted:
            return []
        for some in _batched(accepted, RECORD_EVENTS_MAX):
            self._write(*(EffectStarted(proposal_id=each) for each in some))
        with self._meter():
            decisions = self.state.decisions
            effects = [
                effect_of(self.state, decisions[each]) for each in accepted if each in decisions
            ]
        for some in _batched(accepted, RECORD_EVENTS_MAX):
            self._write(*(EffectEnded(proposal_id=each, fate="sent") for each in some))
        return effects

    def _write(self, *events: CellEvent) -> int:
        """Append one record and fold it, as the leader of a real cell does; its offset."""
        offset = self.records
        with self._meter():
            data = encode_record(
                CellRecord(
                    version=RECORD_VERSION, epoch=self._epoch, at_ms=self.now_ms, events=events
                )
            )
            self.machine.apply(offset, decode_record(data))
        self.records += 1
        self.events += len(events)
        self.bytes_written += len(data)
        return offset


def _copied(topic: str, offset: int, before: int, body: InboundBody, at_ms: int) -> Copied:
    source = Source(topic, GENERATION, 0, offset, before)
    return Copied(source=source, body=body, observed_at_ms=at_ms)


def _batched(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """The items in tuples of at most ``size``."""
    left = iter(items)
    while some := tuple(islice(left, size)):
        yield some
