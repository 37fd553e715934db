"""Who watches a simulated cell: the invariants I1 to I7, after every event.

The one thing to know: it believes nobody. What it knows of the log it took from the log's own
records in order, what it knows of effects from the calls that reached the master, and what runs
where from the hosts themselves.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from scheduler.invariants import check_everything
from scheduler.model.changes import EvictionDecided, JobAccepted, JobRejected, TaskChanged
from scheduler.model.effects import DeclineOffers, Effect, Revive, TaskToRun
from scheduler.model.events import CellRecord, Copied, EffectStarted, LeaderElected, Tick
from scheduler.model.ids import HostId, JobId, ProposalId, TaskId, proposal_id_of
from scheduler.model.inbound import JobKillAsked, JobScaleAsked, TaskKillAsked
from scheduler.model.proposals import KillTask, LaunchTasks
from scheduler.model.task import Finished, KillInitiated, Task
from scheduler.state import NO_OFFSET, State
from streams.cell.follower import Changes
from streams.cell.shield import NO_PROPOSAL
from streams.simulation.evictions import Evictions
from streams.simulation.hosts import HOST_CPU_MILLI, HOST_MEMORY_MIB, Host

TIME_GAP_MS: Final = 60_000
"""As `scheduler.fold.time` has it, and not taken from there."""
RECORDS_A_CHECK: Final = 40
"""Everything is looked at after so many records; what a record touched, after each."""
VIOLATIONS_MAX: Final = 20


class Violation(msgspec.Struct, frozen=True):
    """One promise that did not hold: which, when, and what was seen."""

    invariant: str
    at_s: float
    what: str


class Witness:
    """Watches one run; `violations` is what it found."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._hosts: Mapping[HostId, Host] = {}
        self.violations: list[Violation] = []
        self.events = 0
        self.state = State()
        """The furthest fold's."""
        self.epoch = NO_OFFSET
        self.next_offset = 0
        self.accepted_jobs: set[JobId] = set()
        self.answered_jobs: set[JobId] = set()
        self._tasks_seen: set[TaskId] = set()
        self._ended: set[TaskId] = set()
        self._started: dict[ProposalId, int] = {}
        self._kills: dict[ProposalId, TaskId] = {}
        self._carried_out: set[ProposalId] = set()
        self._launched: set[TaskId] = set()
        self._asked: set[str] = set()
        """Jobs and tasks whose end, or other size, a user asked for."""
        self._marks: dict[tuple[str, int], int] = {}
        """How far each inbound topic has been taken, by our own reading of the copies."""
        self.copies_refused = 0
        self._judging_since_ms = 0
        """When time-outs began to count, by our own reading of the log."""
        self._evictions = Evictions()
        self._is_judging = False
        self._has_ticked = False
        """The present leader has said that time passes: it has copied the inbound backlog."""
        self._at_ms = 0
        self.on_launch: Callable[[LaunchTasks], None] = lambda _: None
        self.elections = 0
        self.launches = 0

    def watch(self, hosts: Mapping[HostId, Host]) -> None:
        """Look at these hosts, too."""
        self._hosts = hosts

    def violated(self, invariant: str, what: str) -> None:
        """Note that a promise did not hold."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(Violation(invariant, round(self._now_s(), 3), what[:2_000]))

    # What is read from the log.

    def folded(self, state: State, offset: int, record: CellRecord, changes: Changes) -> None:
        """Look at a record that some process has just folded; the first to fold it counts."""
        if offset < self.next_offset:
            return
        self.next_offset, self.state = offset + 1, state
        self.events += len(record.events)
        first = record.events[0]
        if type(first) is LeaderElected:
            self.epoch = offset
            self.elections += 1
            if state.epoch != offset:
                self.violated("I7", f"election {offset} was not obeyed: epoch {state.epoch}")
        self._read_time(record)
        if state.clock.now_ms != self._at_ms:
            self.violated("I7", f"record {offset} of epoch {record.epoch} moved the log's clock")
            self._at_ms = state.clock.now_ms
        self._read_marks(offset, record, changes)
        is_of_epoch = record.epoch == self.epoch or offset == 0 or type(first) is LeaderElected
        for _, change in changes:
            self._changed(change)
            if type(change) is TaskChanged and change.step == "deadline":
                self._check_deadline(change)
        self._read_events(offset, record, is_of_epoch=is_of_epoch)
        if changes and not is_of_epoch:
            self.violated("I7", f"record {offset} of epoch {record.epoch} was obeyed")
        if offset % RECORDS_A_CHECK == 0:
            self.check_all()

    def _read_events(self, offset: int, record: CellRecord, *, is_of_epoch: bool) -> None:
        for index, event in enumerate(record.events):
            if type(event) is Copied:
                self._copied(event)
            elif type(event) is EffectStarted:
                if is_of_epoch:
                    self._started.setdefault(event.proposal_id, record.epoch)
            elif proposal_id_of(offset, index) in self.state.decisions:
                self._decided(offset, index, event, is_of_epoch=is_of_epoch)

    def _read_time(self, record: CellRecord) -> None:
        """Follow the log's clock: what judges counts anew after an election and after a gap."""
        first = type(record.events[0])
        if first is LeaderElected:
            self._is_judging = self._has_ticked = False
        elif record.epoch != self.epoch:
            return
        if self._at_ms and record.at_ms - self._at_ms > TIME_GAP_MS:
            self._is_judging = False
        self._at_ms = max(self._at_ms, record.at_ms)
        if not self._is_judging and any(type(each) is Tick for each in record.events):
            self._is_judging, self._judging_since_ms = True, self._at_ms
            self._has_ticked = True

    def _check_deadline(self, change: TaskChanged) -> None:
        """Nobody is blamed for a time in which nobody looked."""
        if change.reason == "runtimeLimitExceeded":
            return
        policy = self.state.policy
        is_launch = change.state == "KillInitiated"
        least_ms = policy.launch_timeout_ms if is_launch else policy.unreachable_timeout_ms
        judged_ms = self._at_ms - self._judging_since_ms
        if not self._is_judging or judged_ms < min(least_ms, policy.start_timeout_ms):
            self.violated(
                "I3", f"{change.task_id} was timed out {judged_ms} ms after time-outs began anew"
            )

    def _read_marks(self, offset: int, record: CellRecord, changes: Changes) -> None:
        """No inbound record is taken twice, and none is taken before the one it stands behind."""
        if record.epoch != self.epoch:
            return
        not_taken: set[int] = set()
        marks = self._marks
        for index, event in enumerate(record.events):
            if type(event) is not Copied:
                continue
            source = event.source
            lane = source.topic, 0
            if source.previous_offset == marks.get(lane, NO_OFFSET):
                marks[lane] = source.offset
            else:
                not_taken.add(index)
        if not_taken:
            self.copies_refused += len(not_taken)
            if any(index in not_taken for index, _ in changes):
                self.violated("I5", f"record {offset} takes a copy twice, or one behind a gap")
        watermarks = self.state.watermarks
        for lane, mark in marks.items():
            found = watermarks.get(lane)
            if found is None or found.offset != mark:
                why = f"record {offset} leaves {lane[0]} at {found}, and not at {mark}"
                self.violated("I5", why)
                marks[lane] = found.offset if found else NO_OFFSET

    def _copied(self, event: Copied) -> None:
        match event.body:
            case JobKillAsked() | JobScaleAsked():
                self._asked.add(event.body.job_id)
            case TaskKillAsked():
                self._asked.add(event.body.task_id)
                self._asked.add(event.body.task_id.rpartition("-worker-")[0])
            case _:
                pass

    def _changed(self, change: object) -> None:
        match change:
            case TaskChanged():
                self._tasks_seen.add(change.task_id)
                if change.state == "Finished":
                    self._ended.add(change.task_id)
                elif change.task_id in self._ended:
                    self.violated("I6", f"{change.task_id} had ended and is {change.state} again")
            case EvictionDecided() if change.is_allowed:
                self._evictions.allowed(self.state, change, self._at_ms, self.violated)
            case JobAccepted():
                self.accepted_jobs.add(change.job_id)
                self.answered_jobs.add(change.job_id)
            case JobRejected() if change.job_id is not None:
                self.answered_jobs.add(change.job_id)
            case _:
                pass

    def _decided(self, offset: int, index: int, event: object, *, is_of_epoch: bool) -> None:
        if not is_of_epoch:
            self.violated("I7", f"decision {offset}.{index} is not of epoch {self.epoch}")
        if not self._has_ticked:
            self.violated("I7", f"decision {offset}.{index} came before its leader's first tick")
        if isinstance(event, LaunchTasks):
            self.launches += len(event.launches)
            self.on_launch(event)
        elif isinstance(event, KillTask):
            self._kills[proposal_id_of(offset, index)] = event.task_id
            self._check_cause(event.task_id)

    def _check_cause(self, task_id: TaskId) -> None:
        """A kill is wanted by the log, and where the log says that a user wants it, one does."""
        task = self.state.tasks.get(task_id)
        if task is None or task_id not in self._tasks_seen:
            self.violated("I3", f"a kill of {task_id}, which has no history in the log")
        elif isinstance(task.state, KillInitiated):
            by_user = task.state.reason in {"killed", "scaledDown"}
            if by_user and not {str(task_id), str(task.job_id)} & self._asked:
                self.violated("I3", f"{task_id} is {task.state.reason}, and nobody asked for it")
            if task.state.reason == "evicted" and task_id not in self._evictions.task_ids:
                self.violated("I3", f"{task_id} is evicted, and no budget was asked")
        elif not (isinstance(task.state, Finished) and task.state.is_back):
            self.violated("I3", f"a kill of {task_id}, which the log wants to run: {task.state}")

    # What reaches the master and the hosts.

    def carried_out(self, effect: Effect, epoch: int) -> None:
        """The master carries out a call of the leader with this epoch."""
        if effect.proposal_id == NO_PROPOSAL and isinstance(effect, DeclineOffers | Revive):
            return  # A halted fold can propose nothing; its offers are given back all the same.
        started = self._started.get(effect.proposal_id)
        if started is None:
            self.violated("I7", f"{effect} left the cell without an EffectStarted in the log")
        elif started != epoch:
            self.violated("I7", f"{effect} of epoch {started} left on a stream of epoch {epoch}")
        if effect.proposal_id in self._carried_out:
            self.violated("I1", f"{effect} was carried out twice")
        self._carried_out.add(effect.proposal_id)

    def launched(self, task: TaskToRun, host_id: HostId) -> None:
        """An ACCEPT with this task is being carried out."""
        if task.task_id in self._launched:
            self.violated("I1", f"{task.task_id} was launched twice, now on {host_id}")
        self._launched.add(task.task_id)
        for host in self._hosts.values():
            for other in host.tasks.values():
                if (other.job_id, other.index) == (task.job_id, task.index):
                    self._check_given_up(other.task_id, task.task_id)

    def _check_given_up(self, old: TaskId, new: TaskId) -> None:
        task: Task | None = self.state.tasks.get(old)
        if task is None or (isinstance(task.state, Finished) and task.state.is_abandoned):
            return  # On an unreachable host, given up by policy, and ended when it is back.
        self.violated("I1", f"{new} is launched while {old} runs and is {task.state}")

    def over_committed(self, host_id: HostId, why: str) -> None:
        """An ACCEPT asks for more than its offers have."""
        self.violated("I4", f"{host_id} lacks {why}")

    def killed(self, task_id: TaskId) -> None:
        """A KILL is being carried out."""
        if task_id not in self._kills.values():
            self.violated("I3", f"a KILL of {task_id} without a decision in the log")

    # Everything.

    def check_all(self) -> None:
        """Look at the whole state and at every host."""
        try:
            check_everything(self.state)
        except AssertionError as error:
            self.violated("state", str(error))
        lost = self.accepted_jobs - self.state.jobs.keys()
        if lost:
            self.violated("I2", f"accepted and gone: {sorted(lost)}")
        for host in self._hosts.values():
            ours = [each.need for each in host.tasks.values() if each.task_id in self._launched]
            cpu = sum(need.cpu_milli for need in ours)
            memory = sum(need.memory_mib for need in ours)
            if cpu > HOST_CPU_MILLI or memory > HOST_MEMORY_MIB:
                self.violated("I4", f"{host.host_id} runs {cpu} cpu_milli, {memory} MiB")

    def told(self, event: Mapping[str, Any]) -> None:
        """Take what the cell logs as critical; a decider that fails is our own mistake."""
        if event.get("event") == "decide failed; it pauses":
            self.violated("decide", repr(event.get("exc_info")))
