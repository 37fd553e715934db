"""The fold of the model: accepts or rejects each record at its own place; and `decide` over it.

The one thing to know: nothing outside this fold says what was accepted. A leader knows only what
its own fold says at its own position, and every leader's fold says the same at the same offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from .records import (
    FINAL_STATES,
    INFERRED_ENDINGS,
    NEVER,
    CellRecord,
    Copy,
    EffectEnded,
    EffectStarted,
    Inbound,
    JudgeLost,
    KillIndex,
    KillTask,
    LaunchTask,
    LeaderElected,
    Offered,
    Proposal,
    Reconcile,
    Rescinded,
    Rules,
    Status,
    Submit,
    Subscribed,
    Subscription,
    Tick,
)

LOST_AFTER_TICKS = 3


class Phase(Enum):
    """Where a task is, as far as the log knows."""

    ACCEPTED = "accepted"
    STARTED = "started"
    STAGING = "staging"
    RUNNING = "running"
    UNREACHABLE = "unreachable"
    WRITTEN_OFF = "written off"
    ENDED = "ended"


ON_MESOS = frozenset({Phase.STARTED, Phase.STAGING, Phase.RUNNING, Phase.UNREACHABLE})
ALIVE = frozenset({Phase.STAGING, Phase.RUNNING})


@dataclass
class Task:
    """What the log knows of one launch."""

    id: int
    index: int
    host: str
    offer: int
    subscription: Subscription
    phase: Phase = Phase.ACCEPTED
    cause: str = ""
    accept_open: bool = False
    heard_on: Subscription = NEVER
    asked_on: Subscription = NEVER
    unreachable_on: Subscription = NEVER
    ticks: int = 0
    kill_open: bool = False


@dataclass
class Index:
    """One index of a job: wanted or not, with its present task."""

    name: int
    wanted: bool = True
    is_done: bool = False
    task: int | None = None


@dataclass
class Fold:
    """State of the cell at `next_offset`."""

    rules: Rules
    next_offset: int = 0
    epoch: int = -1
    subscription: Subscription = NEVER
    watermarks: dict[str, int] = field(default_factory=lambda: {"jobs": -1, "mesos": -1})
    applied: dict[str, list[int]] = field(default_factory=lambda: {"jobs": [], "mesos": []})
    offers: dict[int, str] = field(default_factory=dict)
    hosts_of_offers: dict[int, str] = field(default_factory=dict)
    indexes: dict[int, Index] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    proposals: dict[int, tuple[Proposal, str]] = field(default_factory=dict)
    started_on: dict[int, Subscription] = field(default_factory=dict)
    broken_on: Subscription = NEVER
    implicit_on: Subscription = NEVER
    orphans: set[int] = field(default_factory=set)

    def digest(self) -> str:
        """The whole state as text, for comparing two folds."""
        return repr(self)

    def apply(self, record: CellRecord) -> bool:
        """Whether the fold accepted the record at its place."""
        offset = self.next_offset
        self.next_offset += 1
        if isinstance(record, LeaderElected):
            self.epoch = offset
            self._requeue_unstarted()
            self._drop_open_questions()
            return True
        if self.rules.epochs_obeyed and record.epoch != self.epoch:
            return False
        match record:
            case Copy():
                return self._copy(record)
            case EffectStarted():
                return self._started(record)
            case EffectEnded():
                return self._ended(record)
            case Tick():
                self._tick()
                return True
            case _:
                return self._propose(offset, record)

    # Inbound records.

    def _copy(self, record: Copy) -> bool:
        watermark = self.watermarks[record.topic]
        if self.rules.gap_check and record.previous_offset != watermark:
            return False
        self.watermarks[record.topic] = record.offset
        self.applied[record.topic].append(record.offset)
        self._inbound(record.body)
        return True

    def _inbound(self, body: Inbound) -> None:
        match body:
            case Submit():
                self.indexes.setdefault(body.index, Index(body.index))
            case KillIndex():
                self._unwanted(body.index)
            case Subscribed():
                if body.subscription > self.subscription:
                    self.subscription = body.subscription
                    self.offers.clear()
                    self._requeue_unstarted()
                    self._drop_open_questions()
            case Offered():
                self.hosts_of_offers[body.offer] = body.host
                if body.subscription == self.subscription or not self.rules.stale_streams_ignored:
                    self.offers[body.offer] = body.host
            case Rescinded():
                self._rescinded(body.offer)
            case Status():
                self._status(body)

    def _unwanted(self, name: int) -> None:
        index = self.indexes.setdefault(name, Index(name))
        index.wanted = False
        if index.task is None:
            index.is_done = True
        elif self.tasks[index.task].phase is Phase.ACCEPTED:
            task = self.tasks[index.task]
            self._leave(task, Phase.ENDED, "revoked")
            if task.subscription == self.subscription and self.rules.offer_comes_back:
                # Mesos still counts the offer as ours: nobody else would ever use or decline it.
                self.offers[task.offer] = task.host

    def _rescinded(self, offer: int) -> None:
        self.offers.pop(offer, None)
        for task in self.tasks.values():
            if task.offer == offer and task.phase is Phase.ACCEPTED:
                self._leave(task, Phase.ENDED, "revoked")

    def _status(self, status: Status) -> None:
        task = self.tasks.get(status.task)
        if task is None:
            self.orphans.add(status.task)
            return
        if task.phase is Phase.ENDED:
            return
        is_final = status.state in FINAL_STATES
        if self.rules.stale_streams_ignored and status.subscription != self.subscription:
            # An ending by the agent is said once and forgotten when acknowledged: it counts from
            # any stream. All else is asked again on the new stream, and may be stale here.
            is_kept = is_final and self.rules.stale_endings_kept
            if not is_kept:
                return
        task.heard_on = max(task.heard_on, status.subscription)
        if is_final:
            self._leave(task, Phase.ENDED, status.state)
        elif status.state in INFERRED_ENDINGS:
            self._inferred(task, status)
        elif status.state == "UNREACHABLE":
            self._unreachable(task, status.subscription)
        else:
            self._lives(task, Phase[status.state])

    def _unreachable(self, task: Task, subscription: Subscription) -> None:
        if task.phase is Phase.WRITTEN_OFF:
            return
        if task.phase is not Phase.UNREACHABLE or task.unreachable_on != subscription:
            task.ticks = 0  # The time that judges counts from what this stream has said.
        task.phase, task.unreachable_on = Phase.UNREACHABLE, subscription

    def _inferred(self, task: Task, status: Status) -> None:
        """The master does not know the task: the end only if no ACCEPT can still arrive."""
        may_arrive = task.accept_open and task.subscription == status.subscription
        if self.rules.fate_needs_fence and may_arrive and status.state != "DROPPED":
            return
        if task.phase is not Phase.WRITTEN_OFF:
            self._leave(task, Phase.WRITTEN_OFF, status.state)

    def _lives(self, task: Task, phase: Phase) -> None:
        index = self.indexes[task.index]
        if task.phase is Phase.WRITTEN_OFF and index.task is None and not index.is_done:
            index.task, task.cause = task.id, ""
        elif task.phase is Phase.WRITTEN_OFF and not self.rules.returned_are_killed:
            return
        task.phase = phase

    def _leave(self, task: Task, phase: Phase, cause: str) -> None:
        """A task is no longer its index' present one; the index is queued again, or done."""
        task.phase, task.cause, task.kill_open = phase, cause, False
        index = self.indexes[task.index]
        if index.task not in (None, task.id):
            return
        index.task = None
        if cause == "FINISHED" or not index.wanted:
            index.is_done = True

    def _requeue_unstarted(self) -> None:
        if not self.rules.unstarted_requeued:
            return
        for task in self.tasks.values():
            if task.phase is Phase.ACCEPTED:
                self._leave(task, Phase.ENDED, "revoked")

    def _drop_open_questions(self) -> None:
        """Kills and questions of an earlier epoch or stream are asked anew, never waited for."""
        for number, (proposal, state) in self.proposals.items():
            if state != "ended" and not isinstance(proposal, LaunchTask):
                self.proposals[number] = (proposal, "ended")
        for task in self.tasks.values():
            task.kill_open = False

    # Proposals and effects.

    def _propose(self, offset: int, proposal: Proposal) -> bool:
        accepted = self._accepts(offset, proposal)
        if accepted and not isinstance(proposal, JudgeLost):
            self.proposals[offset] = (proposal, "accepted")
        return accepted

    def _accepts(self, offset: int, proposal: Proposal) -> bool:
        match proposal:
            case LaunchTask():
                return self._accepts_launch(offset, proposal)
            case Reconcile():
                return not any(self._blocks_calls(self.tasks[t]) for t in proposal.tasks)
            case KillTask():
                task = self.tasks[proposal.task]
                may_kill = self._may_kill(task)
                task.kill_open |= may_kill
                return may_kill
            case JudgeLost():
                task = self.tasks[proposal.task]
                is_lost = self._is_lost(task)
                if is_lost:
                    self._leave(task, Phase.WRITTEN_OFF, "judged")
                return is_lost

    def _accepts_launch(self, offset: int, launch: LaunchTask) -> bool:
        index = self.indexes[launch.index]
        stands = launch.offer in self.offers and index in self.queue()
        if self.rules.preconditions_checked and not stands:
            return False
        host = self.hosts_of_offers[launch.offer]
        self.offers.pop(launch.offer, None)
        index.task = offset
        self.tasks[offset] = Task(offset, launch.index, host, launch.offer, self.subscription)
        return True

    def _started(self, record: EffectStarted) -> bool:
        proposal, state = self.proposals.get(record.proposal, (None, ""))
        if proposal is None or state != "accepted":
            return False
        if isinstance(proposal, LaunchTask):
            task = self.tasks[record.proposal]
            if task.phase is not Phase.ACCEPTED and self.rules.start_needs_standing_proposal:
                return False
            task.phase, task.accept_open = Phase.STARTED, True
        self.proposals[record.proposal] = (proposal, "started")
        self.started_on[record.proposal] = record.subscription
        return True

    def _ended(self, record: EffectEnded) -> bool:
        proposal, state = self.proposals.get(record.proposal, (None, ""))
        if proposal is None or state != "started":
            return False
        self.proposals[record.proposal] = (proposal, "ended")
        is_launch = isinstance(proposal, LaunchTask)
        if record.answer == "refused" or (is_launch and record.answer == "unknown"):
            # The stream of that call is over: without this the round would be tried for ever.
            self.broken_on = max(self.broken_on, self.started_on[record.proposal])
        match proposal:
            case LaunchTask():
                task = self.tasks[record.proposal]
                task.accept_open = record.answer == "unknown"
                if record.answer == "refused" and task.phase is Phase.STARTED:
                    self._leave(task, Phase.WRITTEN_OFF, "refused")
            case Reconcile():
                if record.answer == "accepted":
                    for number in proposal.tasks:
                        self.tasks[number].asked_on = self.subscription
                    if proposal.implicit:
                        self.implicit_on = self.subscription
            case _:
                pass
        return True

    def _tick(self) -> None:
        for task in self.tasks.values():
            task.ticks += 1
            task.kill_open = False
            if task.heard_on != self.subscription and self.rules.silent_asked_again:
                task.asked_on = NEVER
            is_silent = task.phase is Phase.STARTED and task.ticks > LOST_AFTER_TICKS
            if is_silent and not self.rules.silence_waits:
                self._leave(task, Phase.WRITTEN_OFF, "silence")

    # Questions.

    def queue(self) -> list[Index]:
        """Indexes that want a task and have none, in order."""
        waiting = (i for i in self.indexes.values() if i.wanted and not i.is_done)
        return sorted((i for i in waiting if i.task is None), key=lambda i: i.name)

    def _blocks_calls(self, task: Task) -> bool:
        """An ACCEPT that may still arrive on this stream could be overtaken by another call."""
        may_arrive = task.accept_open and task.subscription == self.subscription
        return may_arrive and self.rules.open_accept_blocks_calls

    def _may_kill(self, task: Task) -> bool:
        index = self.indexes[task.index]
        is_surplus = not index.wanted or index.task != task.id
        can_live = task.phase in ALIVE or (
            task.phase is Phase.STARTED and not self.rules.open_accept_blocks_calls
        )
        return is_surplus and can_live and not task.kill_open and not self._blocks_calls(task)

    def _is_lost(self, task: Task) -> bool:
        if task.phase is not Phase.UNREACHABLE or task.ticks < LOST_AFTER_TICKS:
            return False
        return task.unreachable_on == self.subscription or not self.rules.judged_on_current_stream

    def _to_ask(self) -> Iterator[int]:
        for task in self.tasks.values():
            is_older = task.subscription != self.subscription or task.asked_on != NEVER
            is_due = self.subscription not in (task.asked_on, task.heard_on)
            concerns = task.phase is Phase.STARTED or (
                task.phase in ON_MESOS and self.rules.reconciles_all
            )
            if concerns and is_older and is_due and not self._blocks_calls(task):
                yield task.id

    def decide(self, write: int) -> list[Proposal]:
        """The next round's proposals; `write` numbers the first one."""
        if self.subscription[0] != self.epoch and self.rules.decides_after_subscribed:
            return []
        if self.broken_on == self.subscription and self.rules.refusal_suspends:
            return []
        numbers = iter(range(write, write + 1000))
        asks = tuple(self._to_ask())
        implicit = self.implicit_on != self.subscription and self.rules.reconciles_implicitly
        is_asking = any(
            isinstance(p, Reconcile) and state != "ended" for p, state in self.proposals.values()
        )
        if is_asking:
            return []
        if asks or implicit:
            return [Reconcile(next(numbers), self.epoch, asks, implicit)]
        round_: list[Proposal] = []
        for task in self.tasks.values():
            if self._is_lost(task):
                round_.append(JudgeLost(next(numbers), self.epoch, task.id))
            elif self._may_kill(task):
                round_.append(KillTask(next(numbers), self.epoch, task.id))
        for index, offer in zip(self.queue(), sorted(self.offers), strict=False):
            round_.append(LaunchTask(next(numbers), self.epoch, index.name, offer))
        return round_
