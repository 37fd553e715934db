"""The pure machine: events in, proposals out, and nothing else.

The one thing to know: `Machine.apply` is the only way the state changes, and it depends on nothing
but the log. The same records give the same bytes on every computer and under every hash seed.
"""

from collections.abc import Callable
from typing import Any, Final, Self, get_args

from scheduler.digest import Digest
from scheduler.digest_sums import first_difference, sums_of
from scheduler.fold.context import Fold
from scheduler.fold.continued import cell_continued, continuation_fault
from scheduler.fold.decisions import cancel_decision, effect_ended, effect_started, proposed
from scheduler.fold.forgetting import forget_oldest
from scheduler.fold.guards import note_end
from scheduler.fold.inbound import copied
from scheduler.fold.policy import change_policy
from scheduler.fold.preemption import preempted
from scheduler.fold.replacing import task_finished
from scheduler.fold.storage import storage_moved
from scheduler.fold.time import clock_moved, leader_elected, ticked
from scheduler.fold.volumes import volume_told
from scheduler.kept import Kept
from scheduler.model.changes import Change
from scheduler.model.events import (
    CellContinued,
    CellCreated,
    CellEvent,
    CellRecord,
    Checkpoint,
    Copied,
    EffectEnded,
    EffectStarted,
    FoldVersion,
    LeaderElected,
    Mark,
    PolicySet,
    RoundRecord,
    Tick,
)
from scheduler.model.ids import OfferId
from scheduler.model.proposals import PreemptTask, Proposal
from scheduler.model.rules import Plugin
from scheduler.model.task import Placed, Task
from scheduler.model.volumes import VolumeMeasured, VolumeWorkEnded, VolumeWorkStarted
from scheduler.placement.plugins import Plugins
from scheduler.rounds.maintenance import inverse_answers
from scheduler.rounds.planner import Planner
from scheduler.rounds.talk import kills, offer_care, questions
from scheduler.state import NO_OFFSET, State, Told

FOLD_VERSION = 1
"""The rules of this build; every published number is proven by golden logs."""
_CREATORS = frozenset((CellCreated, CellContinued))


class Refusal(Exception):
    """The log holds what this build may not pass: the fold halts here. Says why and what to do."""


class Machine:
    """A cell's state, folded from its log, and what it wants done next."""

    def __init__(self) -> None:
        self.state = State()
        self.digest = Digest(self.state)
        self.marks: dict[int, str] = {}
        """Digests at the last marks, by offset."""
        self._marked: tuple[int, dict[int, str]] = (NO_OFFSET, {})
        """Where the last mark stands, and the digest there in every version."""
        self._fold = Fold(self.state, on_finished=_finished, on_storage=storage_moved)
        self._planner = Planner(self.state)
        self.is_proving = True
        """Whether marks are digested, with which checkpoints are compared; a look back need not."""
        self.equipped_with: tuple[Plugin, ...] = ()
        """Plug-ins of which the functions are here; nothing is placed by rules of others."""

    @classmethod
    def restored(cls, kept: Kept) -> Self:
        """A machine that goes on where another was when ``kept`` was made of it.

        It takes over the containers of ``kept``. Its digest is computed anew from the whole
        state, when it is asked for first: so it proves the state, and is no copy of a number.
        """
        machine = cls()
        machine.state = kept.state
        machine.digest = Digest(kept.state)
        machine.digest.forget()
        machine.marks, machine._marked = kept.marks, kept.marked
        machine._fold = Fold(
            kept.state,
            deadlines=kept.deadlines,
            looked_at_ms=kept.looked_at_ms,
            on_finished=_finished,
            on_storage=storage_moved,
        )
        machine._planner = Planner(kept.state)
        return machine

    def kept(self) -> Kept:
        """What `restored` makes this machine of again; the machine may go on meanwhile."""
        fold = self._fold
        beside = (fold.deadlines, fold.looked_at_ms, self.marks, self._marked)
        return Kept(self.state, *beside).copied()

    def apply(self, offset: int, record: CellRecord) -> list[tuple[int, Change]]:
        """Fold one record; the changes it made, each with the index of its event.

        Applying a record again, or one of a writer that does not lead, changes nothing.
        Raises `Refusal` where the log contradicts itself or this build; any other exception is
        our own mistake. After either the state must not be used again.
        """
        state, fold = self.state, self._fold
        if offset < state.next_offset:
            return self._continue(record) if self.is_continued_by(offset, record) else []
        if offset > state.next_offset:
            raise Refusal(
                f"records {state.next_offset} to {offset - 1} are missing from the log; a state "
                "is never folded over a hole. Restore the log, or move the cell to a new one"
            )
        state.next_offset = offset + 1
        fold.offset, fold.index = offset, 0
        fold.changes = []
        if not self._is_of_this_epoch(offset, record):
            return []
        clock_moved(fold, record.at_ms)
        for index, event in enumerate(record.events):
            fold.index = index
            if type(event) is Copied:  # Most of all: past a call that would only come here again.
                copied(fold, event)
            else:
                self._apply_event(event)
            forget_oldest(fold)
        return fold.changes

    def is_continued_by(self, offset: int, record: CellRecord) -> bool:
        """Whether the record begins a log of another generation, into which this state moves."""
        first = record.events[0]
        if offset != 0 or self.state.next_offset == 0 or not isinstance(first, CellContinued):
            return False
        return first.generation != self.state.generation

    def _continue(self, record: CellRecord) -> list[tuple[int, Change]]:
        state, fold, event = self.state, self._fold, record.events[0]
        assert isinstance(event, CellContinued)
        if why := continuation_fault(state, event):
            raise Refusal(f"the log begins with the continuation of another state: {why}")
        if event.digest_version == self.digest.version and event.digest != self.digest.value():
            raise Refusal(
                f"the state at the end of generation {state.generation} has digest "
                f"{self.digest.value()}, the log continues one of digest {event.digest}: restore "
                "the snapshot that was taken when the cell was moved"
            )
        ended_offset, state.next_offset = state.next_offset, 1
        fold.offset, fold.index, fold.changes = 0, 0, []
        self.marks.clear()
        self._marked = NO_OFFSET, {}
        cell_continued(fold, event, ended_offset)
        for index, each in enumerate(record.events[1:], start=1):
            fold.index = index
            self._apply_event(each)
        return fold.changes

    def pass_over(self, offset: int) -> None:
        """Leave one record out, by an operator's `RecordSkipped`; every replay does the same."""
        assert offset == self.state.next_offset, "records are passed over in order, too"
        self.state.next_offset = offset + 1

    def _is_of_this_epoch(self, offset: int, record: CellRecord) -> bool:
        """Whether the fold obeys this record's writer, here."""
        first = record.events[0]
        if offset == 0:
            _check_beginning(first)
            return True
        if type(first) in _CREATORS:
            return False  # A second creator came late; the first record counts.
        if type(first) is LeaderElected:
            return len(record.events) == 1
        if record.epoch > self.state.epoch:
            raise Refusal(
                f"record {offset} claims epoch {record.epoch}, but the last election folded is "
                f"{self.state.epoch}: another log, or a writer that was never elected"
            )
        return record.epoch == self.state.epoch and record.epoch != NO_OFFSET

    def _apply_event(self, event: CellEvent) -> None:
        rule = RULES.get(type(event))
        if rule is not None:
            rule(self._fold, event)
        elif isinstance(event, Mark):
            self._keep_mark()
        else:
            assert isinstance(event, Checkpoint), "each other kind has its rule"
            self._compare(event)

    def _keep_mark(self) -> None:
        if not self.is_proving:
            return
        digests = self.digest.values()
        self.marks[self._fold.offset] = digests[self.digest.version]
        self._marked = self._fold.offset, digests
        while len(self.marks) > 4:
            del self.marks[min(self.marks)]

    def _compare(self, event: Checkpoint) -> None:
        """Halt where the leader's digest at a mark is another than ours, in its own version."""
        version, at = event.digest_version, event.mark_offset
        is_last = at == self._marked[0]
        ours = self._marked[1].get(version) if is_last else None
        if ours is None and version == self.digest.version:
            ours = self.marks.get(at)  # An earlier mark, of which only the digest is kept.
        if ours is None or ours == event.digest:
            return
        where = "the sums of that mark are not known any more"
        if is_last and event.sums and self.digest.made_at == at + 1:
            where = first_difference(self.digest.sums(version), event.sums, self.digest.keys)
        raise Refusal(
            f"the state at offset {at} has digest {ours}, the leader wrote {event.digest} "
            f"(version {version}). They differ in {where}. One of the two folds is wrong: keep "
            "both processes' logs and this data directory, and compare with a fold from an older "
            "snapshot before going on"
        )

    def checkpoint_of(self, mark_offset: int, chain: str = "") -> Checkpoint | None:
        """What a leader writes of its last mark; None where that does not stand there."""
        made = self.checkpoint_later(mark_offset, chain)
        return None if made is None else made()

    def checkpoint_later(
        self, mark_offset: int, chain: str = ""
    ) -> Callable[[], Checkpoint] | None:
        """The same, to be made by whoever has the time: it holds all that it needs.

        Its sums look at every entity, which takes a fifth of a second with 100,000 tasks.
        """
        offset, digests = self._marked
        if offset != mark_offset:
            return None
        version = self.digest.version
        is_whole = self.digest.made_at == offset + 1
        parts = self.digest.kept_parts(version) if is_whole else {}
        return lambda: Checkpoint(mark_offset, version, digests[version], chain, sums_of(parts))

    def equip(self, wanted: tuple[Plugin, ...], plugins: Plugins) -> None:
        """Hand over the functions of the plug-ins that the rules name; `decide` uses no others."""
        self._planner.use(plugins)
        self.equipped_with = wanted

    def decide(self) -> tuple[RoundRecord | PreemptTask | Proposal, ...]:
        """What should be written to the cell log next; empty where nothing is to do.

        Call again only when all of the last answer has been folded, or its epoch has ended.
        """
        state, stream = self.state, self.state.stream
        if stream.stream_id is None or stream.is_fatal or not state.clock.is_judging:
            return ()
        failed_ms = stream.call_failed_at_ms
        if failed_ms and state.clock.now_ms < failed_ms + state.policy.call_retry_ms:
            return ()  # The stream may be over and we not know it yet: say nothing more on it.
        answer: list[RoundRecord | PreemptTask | Proposal] = [*questions(state), *kills(state)]
        used: frozenset[OfferId] = frozenset()
        is_known = stream.is_reconcile_sent or not state.unanswered
        is_able = self.equipped_with == state.policy.placement.plugins
        if state.queue and is_known and is_able and self._is_round_due():
            planned = self._planner.plan()
            if planned.record.waiting:
                answer += [planned.record, *planned.preemptions, *planned.launches]
                used = planned.offer_ids
        if state.maintenance:
            answer += inverse_answers(state)
        answer += offer_care(state, used)
        return tuple(answer)

    def _is_round_due(self) -> bool:
        """Whether something has changed that could change an answer, be it only the time."""
        state = self.state
        if state.placement_seen != state.placement_inputs:
            return True
        return 0 < state.round_again_at_ms <= state.clock.now_ms


def _check_beginning(first: CellEvent) -> None:
    """Return if a log may begin with this event; raises `Refusal` else."""
    if isinstance(first, CellContinued):
        raise Refusal(
            f"the log continues generation {first.previous_generation} after offset "
            f"{first.previous_offset}, and an old cell never begins empty: its state at that "
            "place is needed. It is in the store (FLUMINA_STORE) from which the cell was moved"
        )
    if not isinstance(first, CellCreated):
        raise Refusal(
            f"the log begins with {type(first).__name__} and not with CellCreated: its first "
            "record is missing, or this is no cell's log. Restore it, or use an empty topic"
        )


def _finished(fold: Fold, before: Task, after: Task) -> None:
    """What follows from a task's end: its unsent launch is undone, and its job decides."""
    if isinstance(before.state, Placed):
        proposal_id = before.state.place.proposal_id
        if proposal_id in fold.state.decisions:
            cancel_decision(fold, proposal_id, is_offer_kept=True)
    note_end(fold, before, after)
    task_finished(fold, before, after)


def _created(fold: Fold, event: CellCreated) -> None:
    if fold.offset != 0 or fold.index != 0:
        return
    state = fold.state
    state.cell = event.cell
    state.cell_uuid = event.cell_uuid
    state.generation = event.generation


def _ruled(fold: Fold, event: FoldVersion) -> None:
    if event.version > FOLD_VERSION:
        raise Refusal(
            f"from offset {fold.offset} on the log is folded by rules "
            f"{event.version}, this build knows {FOLD_VERSION}; run a newer build"
        )
    fold.state.fold_version = event.version


def _policy_set(fold: Fold, event: PolicySet) -> None:
    change_policy(fold, event.policy, event.version)


def _elected(fold: Fold, event: LeaderElected) -> None:
    if fold.index == 0:  # Behind another event it stands in a record of an old epoch.
        leader_elected(fold, event)


def _round_noted(fold: Fold, event: RoundRecord) -> None:
    """Remember what the round saw; one that was cut short is followed by another."""
    state = fold.state
    state.placement_seen = event.inputs_seen
    state.round_again_at_ms = event.again_at_ms
    state.promises = event.promises
    for placement in event.placements:
        state.told.pop(placement.job_id, None)
    for refusal in event.refusals:
        told = Told(refusal.gist, refusal.waiting, state.clock.now_ms)
        state.told[refusal.job_id] = told
    if event.waiting > event.placed >= state.policy.launches_per_round_max:
        fold.wake_placement()


def _passed(fold: Fold, event: CellContinued) -> None:
    """Nothing: the first record counts, and it was looked at before."""


RULES: Final[dict[type, Callable[[Fold, Any], None]]] = {
    Copied: copied,
    EffectStarted: effect_started,
    EffectEnded: effect_ended,
    Tick: ticked,
    RoundRecord: _round_noted,
    **dict.fromkeys(get_args(Proposal), proposed),
    PreemptTask: preempted,
    VolumeWorkStarted: volume_told,
    VolumeWorkEnded: volume_told,
    VolumeMeasured: volume_told,
    LeaderElected: _elected,
    CellContinued: _passed,
    CellCreated: _created,
    FoldVersion: _ruled,
    PolicySet: _policy_set,
}
"""What each kind of event means; marks and checkpoints are the machine's own."""
