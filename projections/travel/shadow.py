"""Shadow replay: what another policy, or this build, would have decided at each recorded round.

The one thing to know: the fold follows the recorded log only. Before each recorded round the
machine is asked once, by the other rules, on the state that the round had seen; its answer is
compared and thrown away. So every difference is one of decisions and none of its consequences;
what those would have been is for a simulation of the recorded day (`projections.simulate`).
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from scheduler.machine import Machine
from scheduler.model.changes import Change
from scheduler.model.events import CellRecord, Copied, EffectEnded, LeaderElected, RoundRecord
from scheduler.model.ids import HostId, TaskId
from scheduler.model.proposals import LaunchTasks, PreemptTask
from scheduler.model.rules import PlacementRules

PARTINGS_MAX: Final = 1_000
"""Rounds that part and are listed; more are only counted."""
TASKS_OF_PARTING_MAX: Final = 20
LOOK_AHEAD_RECORDS: Final = 64
"""How many records before a round its state is looked for: the leader decides while ingest writes
on, so a few records may stand between the two."""


class Elsewhere(msgspec.Struct, frozen=True, rename="camel"):
    """A task that the two decisions put on different hosts; empty: on none."""

    task_id: str
    recorded: str
    shadow: str


class Parting(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A round in which decisions part."""

    offset: int
    index: int
    at_ms: int
    waiting: int
    recorded_placed: int
    shadow_placed: int
    elsewhere: tuple[Elsewhere, ...]
    dropped: int = 0
    recorded_ended: tuple[str, ...] = ()
    """Tasks that the recorded round ended for others."""
    shadow_ended: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True, rename="camel"):
    """All rounds of a stretch of the log, compared."""

    rounds: int
    equal: int
    parted: int
    unknown: int
    """Rounds decided on a state that the log does not show any more; they are not compared."""
    recorded_placed: int
    shadow_placed: int
    partings: tuple[Parting, ...]


class _Answer(msgspec.Struct, frozen=True):
    """Where a round puts which task, and whom it ends."""

    hosts: dict[TaskId, HostId]
    ended: tuple[TaskId, ...]


class Shadow:
    """One log, followed; `take` is given each record with those behind it."""

    def __init__(self, machine: Machine, rules: PlacementRules | None = None) -> None:
        """``rules`` None: those in force; what parts then is this build from the recorded one."""
        self.machine = machine
        self._rules = rules
        self._candidate: tuple[int, _Answer] | None = None
        """What the shadow answers on the newest state that the round at this offset may have seen.
        """
        self._partings: list[Parting] = []
        self._rounds = self._parted = self._unknown = 0
        self._placed = [0, 0]

    def take(
        self, offset: int, record: CellRecord, following: Sequence[tuple[int, CellRecord]]
    ) -> list[tuple[int, Change]]:
        """Compare the record's round, if it has one, and fold the record; the changes it made."""
        at = _round_at(record)
        if at is not None and record.epoch == self.machine.state.epoch:
            self._compare(offset, at, record)
            self._candidate = None
        elif _wakes(record):
            self._keep_answer(following)
        return self.machine.apply(offset, record)

    def comparison(self) -> Comparison:
        """What was found so far."""
        return Comparison(
            rounds=self._rounds,
            equal=self._rounds - self._parted - self._unknown,
            parted=self._parted,
            unknown=self._unknown,
            recorded_placed=self._placed[0],
            shadow_placed=self._placed[1],
            partings=tuple(self._partings),
        )

    def _keep_answer(self, following: Sequence[tuple[int, CellRecord]]) -> None:
        """Answer now if a round soon has seen this state: the record at hand changes it."""
        epoch = self.machine.state.epoch
        for offset, record in following[:LOOK_AHEAD_RECORDS]:
            if type(record.events[0]) is LeaderElected:
                epoch = offset
            at = _round_at(record)
            if at is None or record.epoch != epoch:
                continue  # Nobody obeys a round of a leader that was voted out.
            event = record.events[at]
            if isinstance(event, RoundRecord) and self._has_seen(event):
                self._candidate = (offset, self._answer())
            return

    def _has_seen(self, event: RoundRecord) -> bool:
        state = self.machine.state
        return (
            state.placement_inputs == event.inputs_seen
            and state.stream.mesos_offset == event.mesos_offset
            and state.policy_version == event.policy_version
        )

    def _compare(self, offset: int, at: int, record: CellRecord) -> None:
        event = record.events[at]
        assert isinstance(event, RoundRecord)
        self._rounds += 1
        if self._has_seen(event):
            answer = self._answer()
        elif self._candidate is not None and self._candidate[0] == offset:
            answer = self._candidate[1]
        else:
            self._unknown += 1
            return
        recorded = _answer_of(record.events[at:])
        self._placed[0] += len(recorded.hosts)
        self._placed[1] += len(answer.hosts)
        if recorded == answer:
            return
        self._parted += 1
        if len(self._partings) < PARTINGS_MAX:
            self._partings.append(_parting((offset, at), record, recorded, answer))

    def _answer(self) -> _Answer:
        """What the other rules make of the state as it is; the state stays as it is."""
        state = self.machine.state
        policy = state.policy
        if self._rules is not None:
            state.policy = replace(policy, placement=self._rules)
        equipped = self.machine.equipped_with
        if state.policy.placement.plugins != equipped:
            # Functions of others are not in the log: what they would add is left out of both.
            state.policy = replace(
                state.policy, placement=replace(state.policy.placement, plugins=equipped)
            )
        try:
            return _answer_of(self.machine.decide())
        finally:
            state.policy = policy


def _round_at(record: CellRecord) -> int | None:
    for index, event in enumerate(record.events):
        if type(event) is RoundRecord:
            return index
    return None


def _wakes(record: CellRecord) -> bool:
    """Whether the record may change what a round has seen."""
    return any(isinstance(event, Copied | EffectEnded) for event in record.events)


def _answer_of(events: Sequence[object]) -> _Answer:
    hosts = {
        launch.task_id: event.host_id
        for event in events
        if isinstance(event, LaunchTasks)
        for launch in event.launches
    }
    return _Answer(hosts, tuple(each.task_id for each in events if isinstance(each, PreemptTask)))


def _parting(
    place: tuple[int, int], record: CellRecord, recorded: _Answer, shadow: _Answer
) -> Parting:
    names = sorted({*recorded.hosts, *shadow.hosts})
    elsewhere = [
        Elsewhere(name, recorded.hosts.get(name, ""), shadow.hosts.get(name, ""))
        for name in names
        if recorded.hosts.get(name) != shadow.hosts.get(name)
    ]
    event = record.events[place[1]]
    return Parting(
        offset=place[0],
        index=place[1],
        at_ms=record.at_ms,
        waiting=event.waiting if isinstance(event, RoundRecord) else 0,
        recorded_placed=len(recorded.hosts),
        shadow_placed=len(shadow.hosts),
        elsewhere=tuple(elsewhere[:TASKS_OF_PARTING_MAX]),
        dropped=max(0, len(elsewhere) - TASKS_OF_PARTING_MAX),
        recorded_ended=tuple(recorded.ended),
        shadow_ended=tuple(shadow.ended),
    )
