"""A cell in memory: the machine, its codec, and a leader's writing hand.

The one thing to know: every record is encoded, decoded and folded as in a real cell, and every
call is a decision that the fold has accepted. What is left out is transport: Kafka and HTTP. Who
drives it says what time it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from scheduler.effects import effect_of
from scheduler.machine import FOLD_VERSION, Machine
from scheduler.model.address import Source
from scheduler.model.changes import Change
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
    RoundRecord,
    Tick,
)
from scheduler.model.ids import CellName, CellUuid, Generation, ProposalId, proposal_id_of
from scheduler.model.inbound import InboundBody, PartitionBegan
from scheduler.model.policy import Policy
from scheduler.state import State

GENERATION: Final = Generation("0d0d0d0d")
ROUNDS_MAX: Final = 200
"""In one step; a cell that goes on proposing for longer has a fault."""

Item = TypeVar("Item")
Meter = Callable[[], AbstractContextManager[object]]
"""Measures what is done inside: the share of the control plane."""


class Round(NamedTuple):
    """One round of `Machine.decide`, written and started."""

    accepted: tuple[ProposalId, ...]
    effects: tuple[Effect, ...]
    """To be carried out in this order; each ends by `MemoryCell.ended`."""
    placing: RoundRecord | None
    """What placement knew, where it had anything to place."""


class MemoryCell:
    """One cell, led by whoever made it."""

    def __init__(
        self, name: str, cell_uuid: str, policy: Policy, began_at_ms: int, meter: Meter
    ) -> None:
        self.machine = Machine()
        self.now_ms = began_at_ms
        self.records = 0
        self.events = 0
        self.bytes_written = 0
        self._meter = meter
        self._changes: list[Change] = []
        self._inbound: dict[str, int] = {}
        self._epoch = -1
        created = CellCreated(CellName(name), CellUuid(cell_uuid), GENERATION)
        self.write(created, FoldVersion(FOLD_VERSION), PolicySet(1, policy))
        self._epoch = self.write(LeaderElected(candidate=name, incarnation=name))

    @property
    def state(self) -> State:
        """The state as folded so far."""
        return self.machine.state

    @property
    def epoch(self) -> int:
        """The offset of our election."""
        return self._epoch

    def tick(self) -> None:
        """Let the fold hear the time."""
        self.write(Tick())

    def next_offset(self, topic: str) -> int:
        """The offset that the next record of the topic will have."""
        return max(self._inbound.get(topic, -1) + 1, 1)

    def copy(self, topic: str, bodies: Iterable[InboundBody]) -> None:
        """Copy records of a topic into the log, as ingest does."""
        for some in _batched(bodies, RECORD_EVENTS_MAX // 2):
            self.write(*self._copies(topic, some))

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

    def round(self) -> Round | None:
        """Write what the machine decides now and start what was accepted; None: nothing to do."""
        with self._meter():
            events = self.machine.decide()
        if not events:
            return None
        offset = self.write(*events)
        placing = next((each for each in events if isinstance(each, RoundRecord)), None)
        accepted: tuple[ProposalId, ...] = tuple(
            each
            for index in range(len(events))
            if (each := proposal_id_of(offset, index)) in self.state.decisions
        )
        for some in _batched(accepted, RECORD_EVENTS_MAX):
            self.write(*(EffectStarted(proposal_id=each) for each in some))
        with self._meter():
            decisions = self.state.decisions
            effects = tuple(
                effect_of(self.state, decisions[each]) for each in accepted if each in decisions
            )
        return Round(accepted, effects, placing)

    def ended(self, outcomes: Sequence[EffectEnded]) -> None:
        """Write how calls have ended."""
        for some in _batched(outcomes, RECORD_EVENTS_MAX):
            self.write(*some)

    def changes(self) -> list[Change]:
        """What the fold said has changed since this was asked last, in order."""
        found, self._changes = self._changes, []
        return found

    def write(self, *events: CellEvent) -> int:
        """Append one record and fold it, as the leader of a real cell does; its offset."""
        offset = self.records
        with self._meter():
            data = encode_record(
                CellRecord(
                    version=RECORD_VERSION, epoch=self._epoch, at_ms=self.now_ms, events=events
                )
            )
            changed = self.machine.apply(offset, decode_record(data))
        self._note([change for _, change in changed])
        self.records += 1
        self.events += len(events)
        self.bytes_written += len(data)
        return offset

    def _note(self, changes: list[Change]) -> None:
        self._changes += changes


def _copied(topic: str, offset: int, before: int, body: InboundBody, at_ms: int) -> Copied:
    source = Source(topic, GENERATION, 0, offset, before)
    return Copied(source=source, body=body, observed_at_ms=at_ms)


def _batched(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """The items in tuples of at most ``size``."""
    left = iter(items)
    while some := tuple(islice(left, size)):
        yield some
