"""One candidate leader: folds the log, and while it leads ingests, decides and acts.

The one thing to know: everything it does goes over the wire as a `Write` or a `Post`, which may be
delayed, lost, doubled, or done though nobody says so; it learns of the world only by its notices,
its stream and its reading of the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .fold import Fold, Phase
from .mesos import Call, Event
from .records import (
    CellRecord,
    Copy,
    EffectEnded,
    EffectStarted,
    Inbound,
    KillTask,
    LaunchTask,
    LeaderElected,
    Offered,
    Reconcile,
    Rescinded,
    Rules,
    Speech,
    Status,
    Subscribed,
    Subscription,
    Tick,
)


@dataclass
class Item:
    """Something on the wire, with who sent it and in which life and epoch of his."""

    number: int
    owner: str
    life: int
    epoch: int | None
    kind: str
    is_held: bool = False
    is_told: bool = False
    answer_is_lost: bool = False
    lands_twice: bool = False


@dataclass
class Write(Item):
    """A record on its way to a topic."""

    record: CellRecord | Speech = field(kw_only=True)
    uuid: int | None = None
    attempt: int = 0


@dataclass
class Post(Item):
    """A call on its way to Mesos."""

    call: Call = field(kw_only=True)
    effect: int = -1


@dataclass(frozen=True)
class Notice:
    """What a client library tells its process: `landed`, `failed`, or the answer of a call."""

    item: Write | Post
    text: str


class Surroundings(Protocol):
    """What a process can reach."""

    rules: Rules
    cell: list[CellRecord]
    inbound: dict[str, list[Inbound]]

    def new_number(self) -> int:
        """A number never used before."""

    def send(self, item: Write | Post) -> None:
        """Put an item on the wire."""

    def stream_of(self, stream: int) -> list[Event]:
        """The events that stand in a stream."""


@dataclass
class Leading:
    """What a process holds only while it leads; all of it dies with the epoch."""

    epoch: int
    positions: dict[str, int]
    attempts: int = 0
    subscription: Subscription = (-1, -1)
    stream: int | None = None
    is_subscribing: bool = False
    saying: int | None = None
    starting: set[int] = field(default_factory=set)
    to_act: list[int] = field(default_factory=list)
    acted: set[int] = field(default_factory=set)
    round: set[int] = field(default_factory=set)
    streams: dict[Subscription, int] = field(default_factory=dict)


@dataclass
class Process:
    """A candidate; `leading` is set from reading back its own election until it learns better."""

    name: str
    world: Surroundings
    fold: Fold
    life: int = 0
    is_alive: bool = True
    is_paused: bool = False
    position: int = 0
    elections: set[int] = field(default_factory=set)
    is_candidate: bool = False
    leading: Leading | None = None
    inbox: list[Notice] = field(default_factory=list)

    @property
    def rules(self) -> Rules:
        """The rules that this run obeys."""
        return self.world.rules

    def can_run(self) -> bool:
        """Whether it is neither dead nor stopped."""
        return self.is_alive and not self.is_paused

    # Sending.

    def _write(self, record: CellRecord | Speech, uuid: int | None = None) -> int:
        number = record.write if not isinstance(record, Speech) else self.world.new_number()
        epoch = self.leading.epoch if self.leading else None
        kind = type(record).__name__
        attempt = self.leading.attempts if self.leading else 0
        item = Write(number, self.name, self.life, epoch, kind, record=record, uuid=uuid)
        item.attempt = attempt
        self.world.send(item)
        return number

    def _post(self, call: Call, effect: int = -1) -> None:
        epoch = self.leading.epoch if self.leading else None
        number = self.world.new_number()
        self.world.send(
            Post(number, self.name, self.life, epoch, call.kind, call=call, effect=effect)
        )

    def stand_for_election(self) -> None:
        """Write an election record; it leads when it has read that back."""
        number = self.world.new_number()
        self.elections.add(number)
        self.is_candidate = True
        self._write(LeaderElected(number))

    def tick(self) -> None:
        """Write the clock."""
        if self.leading:
            self._write(Tick(self.world.new_number(), self.leading.epoch))

    def resign(self) -> None:
        """End the own epoch: nothing is begun any more."""
        self.leading = None
        self.is_candidate = False

    # Doing one thing.

    def step(self, *, reads_last: bool = False) -> bool:
        """Whether something was done."""
        steps = [self._hear, self._read, self._subscribe, self._say, self._act, self._start]
        steps += [self._ingest, self._decide]
        if reads_last:
            steps.append(steps.pop(1))
        return any(step() for step in steps)

    def _hear(self) -> bool:
        if not self.inbox:
            return False
        notice = self.inbox.pop(0)
        item, leading = notice.item, self.leading
        if isinstance(item, Write) and item.kind == "LeaderElected":
            if notice.text == "failed" and leading is None:
                self.is_candidate = False
        elif leading is not None and item.epoch == leading.epoch:
            if isinstance(item, Write):
                self._written(leading, item, notice.text)
            else:
                self._answered(leading, item, notice.text)
        return True

    def _written(self, leading: Leading, item: Write, text: str) -> None:
        record = item.record
        if isinstance(record, Speech):
            if leading.saying != item.number:
                return
            leading.saying = None
            if text == "failed":
                # What has no uuid is never said again: a hole in the stream ends the stream.
                if self.rules.lane_failure_resubscribes:
                    leading.stream = None
            elif item.uuid is not None and isinstance(record, Status):
                self._acknowledge(leading, record)
        elif text == "failed":
            if isinstance(record, Copy):
                self._seek_back(leading, record.topic)
            elif self.rules.failed_write_ends_epoch:
                self.resign()
        elif isinstance(record, EffectStarted) and not self.rules.read_back_before_act:
            leading.to_act.append(record.proposal)

    def _acknowledge(self, leading: Leading, status: Status) -> None:
        stream = leading.streams.get(status.subscription)
        if stream is not None and status.uuid is not None:
            tasks = ((status.task, ""),)
            self._post(Call("ACKNOWLEDGE", stream, tasks=tasks, uuid=status.uuid))

    def _answered(self, leading: Leading, item: Post, text: str) -> None:
        if item.kind == "SUBSCRIBE":
            leading.is_subscribing = False
            if text != "unknown":
                leading.stream = int(text)
                leading.subscription = (leading.epoch, leading.attempts)
                leading.attempts += 1
                leading.streams[leading.subscription] = leading.stream
                if not self.rules.subscribed_event_awaited:
                    leading.saying = self._write(Subscribed(leading.subscription))
            return
        if item.kind == "ACKNOWLEDGE":
            return
        is_current = item.call.stream == leading.stream
        if text == "unknown" and item.kind == "ACCEPT":
            if not self.rules.accept_sent_once:
                self._post(item.call, item.effect)
                return
            if not self.rules.timeout_resubscribes:
                text = "accepted"
            elif is_current:
                leading.stream = None
        if text == "refused" and is_current:
            leading.stream = None
        self._end(leading, item.effect, text)

    def _end(self, leading: Leading, effect: int, answer: str) -> None:
        self._write(EffectEnded(self.world.new_number(), leading.epoch, effect, answer))

    def _read(self) -> bool:
        if self.position >= len(self.world.cell):
            return False
        offset = self.position
        record = self.world.cell[offset]
        self.position += 1
        accepted = self.fold.apply(record)
        if isinstance(record, LeaderElected):
            self.leading = None
            self.is_candidate = False
            if record.write in self.elections:
                marks = self.fold.watermarks.items()
                if not self.rules.ingest_from_watermark:
                    # As from a committed offset: what was sent counts as done.
                    marks = {t: len(r) - 1 for t, r in self.world.inbound.items()}.items()
                self.leading = Leading(offset, {topic: mark + 1 for topic, mark in marks})
        elif self.leading is not None and record.epoch == self.leading.epoch:
            self._read_back(self.leading, record, accepted)
        return True

    def _read_back(self, leading: Leading, record: CellRecord, accepted: bool) -> None:
        leading.round.discard(record.write)
        if isinstance(record, EffectStarted):
            leading.starting.discard(record.proposal)
            if accepted and self.rules.read_back_before_act:
                leading.to_act.append(record.proposal)
        elif isinstance(record, Copy) and not accepted:
            is_gap = record.previous_offset > self.fold.watermarks[record.topic]
            if is_gap:
                self._seek_back(leading, record.topic)

    def _seek_back(self, leading: Leading, topic: str) -> None:
        if self.rules.ingest_seeks_back:
            leading.positions[topic] = self.fold.watermarks[topic] + 1

    def _subscribe(self) -> bool:
        leading = self.leading
        if leading is None or leading.stream is not None or leading.is_subscribing:
            return False
        leading.is_subscribing = True
        leading.saying = None
        self._post(Call("SUBSCRIBE"))
        return True

    def _say(self) -> bool:
        """Carry the next event of the stream to topic `mesos`, one at a time and in order."""
        leading = self.leading
        if leading is None or leading.stream is None or leading.saying is not None:
            return False
        events = self.world.stream_of(leading.stream)
        if not events:
            return False
        event = events.pop(0)
        if event.kind == "ENDED":
            leading.stream = None
            return True
        if event.kind == "SUBSCRIBED" and not self.rules.subscribed_event_awaited:
            return True
        record = _speech(event, leading.subscription)
        leading.saying = self._write(record, event.uuid)
        if event.uuid is not None and not self.rules.ack_after_record:
            assert isinstance(record, Status)
            self._acknowledge(leading, record)
        return True

    def _start(self) -> bool:
        leading = self.leading
        if leading is None or self.fold.epoch != leading.epoch:
            return False
        for number, (proposal, state) in self.fold.proposals.items():
            if state != "accepted" or number in leading.starting or number in leading.acted:
                continue
            if isinstance(proposal, LaunchTask):
                task = self.fold.tasks[number]
                if task.phase is not Phase.ACCEPTED:
                    continue
            leading.starting.add(number)
            write = self.world.new_number()
            subscription = self.fold.subscription
            self._write(EffectStarted(write, leading.epoch, number, subscription))
            return True
        return False

    def _act(self) -> bool:
        leading = self.leading
        if leading is None or not leading.to_act:
            return False
        number = leading.to_act.pop(0)
        if number in leading.acted:
            return True
        leading.acted.add(number)
        proposal, _ = self.fold.proposals[number]
        stream = leading.stream if leading.subscription == self.fold.subscription else None
        tasks = self.fold.tasks
        match proposal:
            case LaunchTask():
                # The id of the stream that made the offers, never simply the newest.
                fitting = tasks[number].subscription == leading.subscription
                stream = leading.stream if fitting else None
                call = Call("ACCEPT", proposal=number, offer=proposal.offer)
            case KillTask():
                task = proposal.task
                call = Call("KILL", proposal=number, tasks=((task, tasks[task].host),))
            case Reconcile():
                asked = tuple((t, tasks[t].host) for t in proposal.tasks)
                call = Call("RECONCILE", tasks=asked, implicit=proposal.implicit)
            case _:
                return True
        if stream is None:
            # Never sent, so surely not done; the fold puts it back.
            self._end(leading, number, "refused")
        else:
            sent = Call(call.kind, stream, number, call.offer, call.tasks, call.implicit, call.uuid)
            self._post(sent, number)
        return True

    def _ingest(self) -> bool:
        leading = self.leading
        if leading is None:
            return False
        for topic, records in self.world.inbound.items():
            offset = leading.positions[topic]
            if offset < len(records):
                leading.positions[topic] = offset + 1
                number, body = self.world.new_number(), records[offset]
                self._write(Copy(number, leading.epoch, topic, offset, offset - 1, body))
                return True
        return False

    def _decide(self) -> bool:
        leading = self.leading
        if leading is None or self.fold.epoch != leading.epoch:
            return False
        if leading.round and self.rules.one_round_outstanding:
            return False
        round_ = self.fold.decide(self.world.new_number() * 1000)
        for proposal in round_:
            leading.round.add(proposal.write)
            self._write(proposal)
        return bool(round_)


def _speech(event: Event, subscription: Subscription) -> Speech:
    match event.kind:
        case "SUBSCRIBED":
            return Subscribed(subscription)
        case "OFFER":
            return Offered(subscription, event.offer, event.host)
        case "RESCIND":
            return Rescinded(subscription, event.offer)
        case _:
            return Status(subscription, event.task, event.state, event.uuid)
