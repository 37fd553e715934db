"""A cell as its readers see it: the machine's state, and the read models that grow beside it.

The one thing to know: this is one more fold of the cell log, with the same machine as the leader's
and nothing of its own to decide. What it shows is true at `CellView.next_offset`; whether that is
now is for the transport to say (`mark_stale`), for here is no clock and no Kafka.

What grows has limits, and what was dropped is counted: histories in `projections.entries` and
`projections.histories`, answers in `projections.answers`; the state itself by its `Policy`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from projections.answers import Answer, Answers
from projections.entries import JobHistory, Spot, TaskHistory
from projections.glance.sizes import HostSizes
from projections.leaders import Leaders
from projections.obeyed import Obedience, Obeyed
from projections.timeline import Timeline
from scheduler.machine import Machine
from scheduler.model.address import Address
from scheduler.model.changes import Change
from scheduler.model.events import CellRecord
from scheduler.model.ids import HostId, JobId, ProposalId, TaskId
from scheduler.model.mesos import HostFacts
from scheduler.model.task import Task
from scheduler.state import Job, State

__all__ = ("CellView", "Job")
"""Those who ask the view for a job need the name of what they get."""

HOST_CONTEXTS_SPARE: Final = 1_000
"""Of hosts that have gone so many at least are remembered; each is half a kilobyte."""


class CellView:
    """Machine and read models of one cell, folded together."""

    def __init__(self, machine: Machine | None = None) -> None:
        self.machine = machine or Machine()
        self.timeline = Timeline(self.machine.state)
        self.answers = Answers()
        self.leaders = Leaders()
        self.host_sizes = HostSizes(self.machine.state)
        self.stale = ""
        """Why this may be behind the log; empty while it is not."""
        self.begins_at_offset = 0
        """The first record that this view folded itself; 0: all of them, histories are whole."""
        self.listeners: list[Callable[[Obeyed], None]] = []
        """Told of each event that counts, after the read models."""
        self.host_contexts: dict[HostId, tuple[HostFacts, dict[str, str]]] = {}
        """What the context of a task says of its host, written out once for each host."""
        self._obedience = Obedience()

    @classmethod
    def restored(cls, machine: Machine) -> "CellView":
        """A view that goes on from a machine of a snapshot.

        The state is whole. Histories begin where the machine stands: what was before them is in
        the archive, and `begins_at_offset` says from where on it is not missing here.
        """
        view, state = cls(machine), machine.state
        view.begins_at_offset = state.next_offset
        view.timeline.begin_late()
        view._obedience.epoch = state.epoch
        view._obedience.watermarks = dict(state.watermarks)
        return view

    @property
    def state(self) -> State:
        """The fold's state; to be read only."""
        return self.machine.state

    @property
    def next_offset(self) -> int:
        """The offset of the record that is folded next."""
        return self.state.next_offset

    def apply(self, offset: int, record: CellRecord) -> Sequence[tuple[int, Change]]:
        """Fold one record; the changes it made, each with the index of its event.

        A record that was folded before changes nothing. Whatever the machine raises comes through:
        from then on the view is stale, goes on answering, and must not be given more records.
        """
        if offset < self.next_offset and not self.machine.is_continued_by(offset, record):
            return ()
        try:
            changes = self.machine.apply(offset, record)
            at_ms = self.state.clock.now_ms
            for obeyed in self._obedience.events(offset, record, at_ms, changes):
                self.timeline.apply(obeyed)
                self.answers.apply(obeyed)
                self.leaders.apply(obeyed)
                self.host_sizes.apply(obeyed)
                for listener in self.listeners:
                    listener(obeyed)
        except Exception as error:
            self.mark_stale(f"the fold halted at offset {offset}: {error}")
            raise
        self.timeline.histories.forget()
        return changes

    def mark_stale(self, reason: str) -> None:
        """Say that the log may have gone on without this view, and why."""
        self.stale = reason

    def mark_current(self) -> None:
        """Say that this view follows the log again."""
        self.stale = ""

    def answer_to(self, topic: str, partition: int, offset: int) -> Answer | None:
        """What the cell answered to this inbound record, if it did and that is remembered."""
        return self.answers.to(topic, partition, offset)

    def job(self, job_id: JobId) -> Job | None:
        """The job as it is, or as it was when the fold forgot it."""
        found = self.state.jobs.get(job_id)
        if found is None and (history := self.job_history(job_id)):
            return history.job
        return found

    def task(self, task_id: TaskId) -> Task | None:
        """The task as it is, or as it was when the fold forgot it."""
        found = self.state.tasks.get(task_id)
        if found is None and (history := self.task_history(task_id)):
            return history.task
        return found

    def job_history(self, job_id: JobId) -> JobHistory | None:
        """What is remembered of the job; None of one that is unknown or forgotten."""
        return self.timeline.histories.jobs.get(job_id)

    def task_history(self, task_id: TaskId) -> TaskHistory | None:
        """What is remembered of the task; None of one that is unknown or forgotten."""
        return self.timeline.histories.tasks.get(task_id)

    def address(self, spot: Spot) -> str:
        """The address of an event of this log, as people write it."""
        return str(Address(self.state.cell, self.state.generation, *spot))

    def proposal_address(self, proposal_id: ProposalId) -> str:
        """The address of a proposal: its id is the place where it stands."""
        offset, _, index = proposal_id.partition(".")
        return self.address((int(offset), int(index)))

    def note_host_context(self, host_id: HostId, facts: HostFacts, context: dict[str, str]) -> None:
        """Keep what was written of a host, as long as these are its facts."""
        if len(self.host_contexts) > 2 * len(self.state.hosts) + HOST_CONTEXTS_SPARE:
            self.host_contexts.clear()  # Most are of hosts that have gone.
        self.host_contexts[host_id] = (facts, context)

    def hostname(self, host_id: HostId | None) -> str:
        """The host's name, its id where the log does not know its facts, or empty for no host."""
        return "" if host_id is None else self.state.hostname(host_id)

    def mesos_record(self, offset: int) -> str:
        """The record of topic ``mesos`` with this offset, as `Source` writes it.

        Empty where the cell has not read exactly one partition of the topic.
        """
        lanes = [lane for lane in self.state.watermarks if lane[0] == "mesos"]
        if len(lanes) != 1:
            return ""
        generation = self.state.watermarks[lanes[0]].generation
        return f"mesos/{generation}:{lanes[0][1]}:{offset}"
