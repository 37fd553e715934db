"""The history of every job and task, folded from the cell log together with the machine.

The one thing to know: an entry is written where an event of the log says or does something to a
job or a task, at that event's own address. The machine's changes say what it meant; the event says
who caused it. Nothing is concluded here that is not in one of the two.

Rounds of placement are kept once for a job, as runs of rounds that refused it by the same rules:
a thousand waiting tasks of one job are refused together. `projections.history` lays them over the
time in which a task waited.
"""

from collections.abc import Sequence
from sys import intern
from typing import Final

import msgspec

from projections.entries import LaunchFacts, RoundFacts, Spot, StatusFacts, What
from projections.health_text import health_text
from projections.histories import Histories, Origin
from projections.obeyed import Obeyed, Place
from projections.storage_text import storage_text
from scheduler.model.address import Source
from scheduler.model.autoscaling import ScalingPolicyRemoved, ScalingPolicySet
from scheduler.model.balancers import LoadBalancerAdded, LoadBalancerRemoved
from scheduler.model.changes import (
    Change,
    JobAccepted,
    JobChanged,
    JobCrashLooping,
    JobRejected,
    JobSlaChanged,
    LoadBalancersChanged,
    OrphanGone,
    OrphanSeen,
    OwnerAlerted,
    ProposalRefused,
    RequestAccepted,
    ScalingPolicyChanged,
    TaskChanged,
)
from scheduler.model.events import (
    CellContinued,
    Copied,
    EffectEnded,
    EffectStarted,
    LeaderElected,
    RoundRecord,
)
from scheduler.model.ids import Generation, ProposalId, StreamId, TaskId, proposal_id_of
from scheduler.model.inbound import JobKillAsked, JobScaleAsked, JobSubmitted, TaskKillAsked
from scheduler.model.job_requests import (
    JobAttributesAsked,
    JobEnabledAsked,
    JobProcessesAsked,
    TaskAttributesAsked,
    TaskMoveAsked,
)
from scheduler.model.mesos import MesosTaskState, StatusUpdate, StreamEnded, Subscribed
from scheduler.model.proposals import KillTask, LaunchTasks, PreemptTask, ReconcileTasks
from scheduler.model.volumes import AddressChanged, VolumeChanged
from scheduler.state import State
from scheduler.task_table import Input

ELECTIONS_MAX: Final = 10
"""Elections whose places are remembered."""

_WHATS: Final[dict[str, What]] = {
    "queued": "queued",
    Input.LAUNCH_CANCELLED: "requeued",
    Input.LAUNCH_ACCEPTED: "launch proposed",
    Input.EFFECT_STARTED: "effect started",
    Input.CALL_SENT: "effect ended",
    Input.CALL_REFUSED: "effect ended",
    Input.CALL_UNKNOWN: "effect ended",
    Input.KILL_ASKED: "kill asked",
    "not to be replaced": "kill asked",
    Input.DEADLINE: "deadline",
}
"""What a task's change was, by its step; steps that Mesos' states name are ``status``."""

NOT_HEEDED: Final = "not heeded, for it came by a stream that is not the open one;"
_TERMINAL: Final[frozenset[MesosTaskState]] = frozenset(
    (
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
    )
)
"""Ends, which are heeded from an older stream, too: Mesos says them once."""

_WITH_DETAILS: Final[frozenset[What]] = frozenset(
    ("status", "launch proposed", "effect started", "effect ended")
)
"""What the event at hand is itself about. The rest follows from it (a replacement from an ending)
and shares only its source and its author."""


class OpenProposal(msgspec.Struct):
    """An accepted proposal about tasks that has not ended."""

    proposal_id: ProposalId
    spot: Spot
    """Where it stands; of this and of the id the entries of its effect have no copies."""
    task_ids: tuple[TaskId, ...]
    is_started: bool = False


class Timeline:
    """Histories of jobs and tasks; `apply` takes one obeyed event after another."""

    def __init__(self, state: State) -> None:
        """``state`` is the machine's own, into which each event is folded before it comes here."""
        self.histories = Histories(state)
        self.orphans: dict[TaskId, Place] = {}
        """Where each orphan that the fold shows was seen first."""
        self.elections: list[Spot] = []
        """The last elections, the present leader's at the end."""
        self.last_round: RoundFacts | None = None
        self._state = state
        self._open: dict[ProposalId, OpenProposal] = {}
        self._launches: dict[TaskId, ProposalId] = {}
        """The open launch of each task that has one."""
        self._stream_id: StreamId | None = None
        self._round: RoundFacts | None = None
        """The round that the record at hand began with."""

    def begin_late(self) -> None:
        """Take up what the fold has under way at a snapshot: histories, effects, orphans."""
        state = self._state
        self.histories.begin_late()
        for proposal_id, decision in state.decisions.items():
            match decision.proposal:
                case LaunchTasks(launches=launches):
                    task_ids = tuple(each.task_id for each in launches)
                    self._launches.update(dict.fromkeys(task_ids, proposal_id))
                case KillTask(task_id=task_id):
                    task_ids = (task_id,)
                case _:
                    continue
            offset, _, index = proposal_id.partition(".")
            spot = (int(offset), int(index))
            self._open[proposal_id] = OpenProposal(proposal_id, spot, task_ids, decision.is_started)
        self._stream_id = state.stream.stream_id
        self.elections = [(state.epoch, 0)] if state.epoch >= 0 else []
        before = state.next_offset - 1
        for task_id, orphan in state.orphans.items():
            self.orphans[task_id] = Place(before, 0, orphan.first_seen_at_ms)

    @property
    def open_proposals(self) -> frozenset[ProposalId]:
        """The accepted launches and kills that have not ended."""
        return frozenset(self._open)

    def apply(self, obeyed: Obeyed) -> None:
        """Write what one event did to jobs and tasks into their histories."""
        place, event, changes = obeyed.place, obeyed.event, obeyed.changes
        if place.index == 0:
            self._round = None
        match event:
            case Copied():
                self._copied(place, event, changes)
            case RoundRecord():
                self._round_recorded(place, event)
            case LaunchTasks():
                self._launch_proposed(place, event, changes)
            case KillTask() | ReconcileTasks():
                self._asked(place, event, changes)
            case EffectStarted() | EffectEnded():
                self._effect(place, event, changes)
            case PreemptTask():
                self._changed(place, changes, Origin(actor="placement"))
            case LeaderElected():
                self.elections = [*self.elections[1 - ELECTIONS_MAX :], place.spot]
                self._stream_closed(None)
                self._changed(place, changes, Origin())
            case CellContinued():
                # Places of the old log name nothing in this one, and what it had open is over.
                self.elections, self.last_round = [], None
                self._stream_closed(None)
                self._changed(place, changes, Origin())
            case _:
                self._changed(place, changes, Origin())

    def _copied(self, place: Place, event: Copied, changes: Sequence[Change]) -> None:
        body, source = event.body, _named_once(event.source)
        match body:
            case StatusUpdate():
                self._status(place, source, body, changes)
            case JobSubmitted():
                self._submitted(place, source, body, changes)
            case JobKillAsked() | JobScaleAsked() | TaskKillAsked():
                self._user_asked(place, source, body, changes)
            case (
                JobAttributesAsked()
                | JobEnabledAsked()
                | JobProcessesAsked()
                | TaskAttributesAsked()
                | TaskMoveAsked()
            ):
                origin = Origin(source=source, actor=body.actor, message=body.why)
                self._changed(place, changes, origin)
            case Subscribed() if body.epoch == self._state.epoch:
                self._stream_closed(body.stream_id)
                self._changed(place, changes, Origin(source=source))
            case StreamEnded() if body.stream_id == self._stream_id:
                self._stream_closed(None)
                self._changed(place, changes, Origin(source=source))
            case (
                ScalingPolicySet()
                | ScalingPolicyRemoved()
                | LoadBalancerAdded()
                | LoadBalancerRemoved()
            ):
                self._changed(place, changes, Origin(source=source, actor=body.actor))
            case _:
                self._changed(place, changes, Origin(source=source))

    def _stream_closed(self, next_stream_id: StreamId | None) -> None:
        """The fold ends every open decision with its stream."""
        self._stream_id = next_stream_id
        self._open.clear()
        self._launches.clear()

    def _submitted(
        self, place: Place, source: Source, body: JobSubmitted, changes: Sequence[Change]
    ) -> None:
        origin = Origin(source=source, actor=body.actor)
        for change in changes:
            if isinstance(change, JobAccepted) and change.is_repeated:
                self.histories.note_job(place, body.job_id, "submitted again", origin)
            elif isinstance(change, JobAccepted):
                self.histories.new_job(place, body.job_id)
                changes = self._request(place, body, "submitted", origin, changes)
        self._changed(place, changes, origin)

    def _user_asked(
        self,
        place: Place,
        source: Source,
        body: JobKillAsked | JobScaleAsked | TaskKillAsked,
        changes: Sequence[Change],
    ) -> None:
        """A user's request: noted on what it names, also where it changed nothing."""
        origin = Origin(source=source, actor=body.actor, message=body.why)
        is_taken = any(isinstance(change, RequestAccepted) for change in changes)
        if is_taken and isinstance(body, JobKillAsked):
            changes = self._request(place, body, "kill asked", origin, changes)
        elif is_taken and isinstance(body, JobScaleAsked):
            changes = self._request(place, body, "scale asked", origin, changes)
        elif is_taken and isinstance(body, TaskKillAsked) and body.task_id not in _named(changes):
            message = f"{body.why} (it was ended already)".strip()
            again = msgspec.structs.replace(origin, message=message)
            self.histories.note_task(place, body.task_id, "kill asked", again)
        self._changed(place, changes, origin)

    def _request(
        self,
        place: Place,
        body: JobSubmitted | JobKillAsked | JobScaleAsked,
        what: What,
        origin: Origin,
        changes: Sequence[Change],
    ) -> Sequence[Change]:
        """Note a request with the state that it led to; the changes that are left to tell."""
        for change in changes:
            if isinstance(change, JobChanged) and change.job_id == body.job_id:
                self._note_state(place, change, what, origin)
                return [each for each in changes if each is not change]
        self.histories.note_job(place, body.job_id, what, origin)
        return changes

    def _note_state(self, place: Place, change: JobChanged, what: What, origin: Origin) -> None:
        self.histories.job_changed(place, change)
        parts = dict.fromkeys((origin.message, change.message, _wanted(change)))
        message = "; ".join(part for part in parts if part)
        told = msgspec.structs.replace(origin, reason=change.reason, message=message)
        self.histories.note_job(place, change.job_id, what, told, change.state)

    def _status(
        self, place: Place, source: Source, body: StatusUpdate, changes: Sequence[Change]
    ) -> None:
        history = self.histories.tasks.get(body.task_id)
        if history is None:
            self._changed(place, changes, Origin(source=source))
            return
        self.histories.task_addressed(place, history, body.container_ip)
        fact = StatusFacts(
            state=body.state,
            reason=intern(body.reason),
            source=intern(body.source),
            stream_id=StreamId(intern(body.stream_id)),
            has_uuid=bool(body.uuid),
            observed_at_ms=body.observed_at_ms,
            is_healthy=body.is_healthy,
        )
        origin = Origin(source=source, fact=fact, message=body.message)
        if body.task_id not in _named(changes):
            if not self._is_heeded(body):
                message = f"{NOT_HEEDED} {body.message}".rstrip()
                origin = msgspec.structs.replace(origin, message=message)
            self.histories.note_task(place, body.task_id, "status", origin)
        self._changed(place, changes, origin)

    def _is_heeded(self, body: StatusUpdate) -> bool:
        """Whether the fold listens to an update of this stream (`scheduler.fold.mesos`)."""
        if body.stream_id == self._stream_id:
            return True
        return bool(body.uuid) and (self._stream_id is None or body.state in _TERMINAL)

    def _round_recorded(self, place: Place, event: RoundRecord) -> None:
        self._round = self.last_round = RoundFacts(
            spot=place.spot,
            at_ms=place.at_ms,
            policy_version=event.policy_version,
            mesos_offset=event.mesos_offset,
            waiting=event.waiting,
            placed=event.placed,
            hosts=event.hosts,
            refusals=event.refusals,
            unexplained=event.unexplained,
            mode=event.mode,
            placements=event.placements,
            troughs=event.troughs,
        )
        for refusal in event.refusals:
            self.histories.note_refusal(place, refusal)

    def _launch_proposed(self, place: Place, event: LaunchTasks, changes: Sequence[Change]) -> None:
        proposal_id = proposal_id_of(place.offset, place.index)
        why = _refusal_in(changes)
        decision = self._state.decisions.get(proposal_id)
        origin = Origin(
            cause=self._round.spot if self._round else None,
            proposal_id=proposal_id,
            fact=LaunchFacts(
                round=self._round,
                offers=decision.offers if decision else (),
                tasks=len(event.launches),
            ),
            message=why,
        )
        task_ids = tuple(launch.task_id for launch in event.launches)
        if why:
            for task_id in task_ids:
                self.histories.note_task(place, task_id, "launch refused", origin)
            return
        self._open[proposal_id] = OpenProposal(proposal_id, place.spot, task_ids)
        self._launches.update(dict.fromkeys(task_ids, proposal_id))
        self._changed(place, changes, origin)

    def _asked(
        self, place: Place, event: KillTask | ReconcileTasks, changes: Sequence[Change]
    ) -> None:
        proposal_id = proposal_id_of(place.offset, place.index)
        why = _refusal_in(changes)
        if isinstance(event, KillTask):
            cause = self._kill_cause(event.task_id)
            origin = Origin(cause=cause, proposal_id=proposal_id, message=why)
            what: What = "kill refused" if why else "kill proposed"
            self.histories.note_task(place, event.task_id, what, origin)
            if not why:
                self._open[proposal_id] = OpenProposal(proposal_id, place.spot, (event.task_id,))
        elif not why:
            origin = Origin(proposal_id=proposal_id)
            for task_id in event.task_ids:
                self.histories.note_task(place, task_id, "asked of Mesos", origin)

    def _kill_cause(self, task_id: TaskId) -> Spot | None:
        """Where it was decided that the task has to end."""
        history = self.histories.tasks.get(task_id)
        for entry in reversed(history.entries if history else ()):
            if entry.what in {"kill asked", "deadline"} or entry.state == "Finished":
                return entry.spot
        return None

    def _effect(
        self, place: Place, event: EffectStarted | EffectEnded, changes: Sequence[Change]
    ) -> None:
        opened = self._open.get(event.proposal_id)
        if opened is None or opened.is_started == isinstance(event, EffectStarted):
            return  # Of no task, or one that the fold passes over as well.
        origin = Origin(cause=opened.spot, proposal_id=opened.proposal_id)
        if isinstance(event, EffectStarted):
            opened.is_started = True
            what: What = "effect started"
        else:
            self._close(event.proposal_id)
            what = "effect ended"
            origin = msgspec.structs.replace(origin, reason=event.fate, message=event.detail)
        named = _named(changes)
        for task_id in opened.task_ids:
            if task_id not in named:
                self.histories.note_task(place, task_id, what, origin)
        self._changed(place, changes, origin)

    def _changed(self, place: Place, changes: Sequence[Change], origin: Origin) -> None:
        """Note what the fold says an event did, on the jobs and tasks that it did it to."""
        for number, change in enumerate(changes):
            match change:
                case TaskChanged():
                    self._task_changed(place, change, origin, number)
                case JobChanged():
                    self._begin_run(place, change)
                    follows = Origin(source=origin.source, actor=origin.actor)
                    self._note_state(place, change, "job state", follows)
                case JobRejected() if change.job_id is not None:
                    message = "; ".join(f"{each.field}: {each.text}" for each in change.faults)
                    refused = Origin(source=change.source, actor=origin.actor, message=message)
                    self.histories.note_job(place, change.job_id, "rejected", refused)
                case ScalingPolicyChanged():
                    message = f"{change.policy_id} is {change.state}"
                    because = f": {change.reason}" if change.reason else ""
                    told = msgspec.structs.replace(origin, message=message + because)
                    self.histories.note_job(place, change.job_id, "scaling policy", told)
                case LoadBalancersChanged():
                    names = ", ".join(change.load_balancer_ids) or "none"
                    told = msgspec.structs.replace(origin, message=names)
                    self.histories.note_job(place, change.job_id, "load balancers", told)
                case OwnerAlerted(kind="crashLoop"):
                    pass  # The loop itself stands there already.
                case JobCrashLooping() | JobSlaChanged() | OwnerAlerted():
                    message = health_text(change)
                    told = msgspec.structs.replace(origin, message=message)
                    self.histories.note_job(place, change.job_id, "job health", told)
                case VolumeChanged() | AddressChanged():
                    what, message = storage_text(change)
                    told = msgspec.structs.replace(origin, message=message)
                    self.histories.note_job(place, change.job_id, what, told)
                case OrphanSeen():
                    self.orphans[change.task_id] = place
                case OrphanGone():
                    self.orphans.pop(change.task_id, None)
                case _:
                    pass  # Of the cell, not of a job or a task.

    def _begin_run(self, place: Place, change: JobChanged) -> None:
        """Begin the history of a job that nobody submitted: a firing of a cron job made it here."""
        job = self._state.jobs.get(change.job_id)
        if job is None or job.cron_job_id is None or change.job_id in self.histories.jobs:
            return
        if (job.accepted_offset, job.accepted_index) == (place.offset, place.index):
            self.histories.new_job(place, change.job_id)

    def _task_changed(self, place: Place, change: TaskChanged, origin: Origin, number: int) -> None:
        default: What = "status" if change.step.startswith("TASK_") else "changed"
        what = _WHATS.get(change.step, default)
        if what == "queued":
            self.histories.new_task(place, change, number)
        elif what == "requeued" or change.state == "Finished":
            self._cancelled(change.task_id)
        if change.moved_from is not None:
            self.histories.task_moved(place, change)
        if what not in _WITH_DETAILS:
            origin = Origin(source=origin.source, actor=origin.actor)
        if what == "kill asked" and origin.actor:
            # Who asked stands beside the message, so that it need not begin with the name.
            _, _, why = change.message.partition(f"{origin.actor}: ")
            change = msgspec.structs.replace(change, message=why)
        self.histories.note_task(place, change.task_id, what, origin, change)
        if change.state == "Finished":
            self.histories.task_ended(place, change)

    def _cancelled(self, task_id: TaskId) -> None:
        """A task that goes back or ends before its launch was started undoes the whole launch."""
        proposal_id = self._launches.get(task_id)
        if proposal_id is not None and not self._open[proposal_id].is_started:
            self._close(proposal_id)

    def _close(self, proposal_id: ProposalId) -> None:
        for task_id in self._open.pop(proposal_id).task_ids:
            self._launches.pop(task_id, None)


def _named_once(source: Source) -> Source:
    """The same, its names shared with all others: entries keep half a million of them."""
    return Source(
        intern(source.topic),
        Generation(intern(source.generation)),
        source.partition,
        source.offset,
        source.previous_offset,
    )


def _named(changes: Sequence[Change]) -> set[TaskId]:
    """The tasks that one of the changes is of."""
    return {each.task_id for each in changes if isinstance(each, TaskChanged)}


def _refusal_in(changes: Sequence[Change]) -> str:
    """Why the fold refused the proposal at hand, or empty where it accepted it."""
    for change in changes:
        if isinstance(change, ProposalRefused):
            return change.why
    return ""


def _wanted(change: JobChanged) -> str:
    if change.desired is None:
        return ""
    return f"wants {change.desired} task{'' if change.desired == 1 else 's'}"
