"""One job, from its submission to its end, on a cell in memory and this computer as its host.

The one thing to know: nothing here decides about a task. The machine places, starts again, times
out and ends, by the log that it folds; this hands it time and what the host says, and carries out
what it has decided. An interruption is a record too: the user ends the job.
"""

import asyncio
import signal
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from typing import Final

from connectors.local.cluster import LocalCluster
from projections.memory_cell import GENERATION, ROUNDS_MAX, MemoryCell, Round
from scheduler.inbound_runs import InboundRuns
from scheduler.model.changes import Change, JobChanged, JobRejected, TaskChanged
from scheduler.model.descriptor import spec_digest
from scheduler.model.events import EffectEnded
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import JobKillAsked, JobSubmitted, PartitionBegan
from scheduler.model.job import JobSpec
from scheduler.model.mesos import MesosRecord, StatusUpdate, StreamEnded
from scheduler.model.policy import Policy
from scheduler.model.task import Finished, Queued
from streams.clock import elapsed_s, now_ms
from streams.errors import OperatorError
from streams.local.output import TaskOutput
from streams.local.telling import Teller

CELL: Final = "local"
CELL_UUID: Final = "10ca1" + "0" * 27
TICK_S: Final = 0.1
"""A cell ticks each second; here a retry's delay is what a person waits for."""
UNPLACED_S_MAX: Final = 3.0
"""What the only host has refused for so long, with nothing running on it, it will always refuse:
resources of a task that ended are offered again within `ALLOCATION_S`."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotRunHere(OperatorError):
    """The job, or something in it, needs more than this computer."""


class StoppedAtOnce(Exception):
    """A second signal came: nothing is waited for any more."""


class LocalRun:
    """The life of one job."""

    def __init__(
        self,
        cluster: LocalCluster,
        job_id: JobId,
        spec: JobSpec,
        teller: Teller,
        *,
        actor: str,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.is_interrupted = False
        self._cluster = cluster
        self._job_id = job_id
        self._spec = spec
        self._teller = teller
        self._actor = actor
        self._wall_ms = wall_ms
        self._cell = MemoryCell(CELL, CELL_UUID, Policy(), wall_ms(), nullcontext)
        self._runs = InboundRuns(0, None, self._cell.state.hosts)
        self._records: list[MesosRecord] = []
        self._woken = asyncio.Event()
        self._ticked_at_s = 0.0
        self._outputs: dict[TaskId, TaskOutput] = {}
        self._unplaced_since_s: float | None = None
        self._refused: tuple[str, ...] = ()
        self._is_stopped = False

    async def until_ended(self) -> str:
        """Why the job ended: ``normal`` where every task succeeded.

        Raises `CannotRunHere` where it never could, `StoppedAtOnce` after a second signal.
        """
        self._submit()
        loop = asyncio.get_running_loop()
        for each in SIGNALS:
            loop.add_signal_handler(each, self.interrupt)
        reading = asyncio.create_task(self._read())
        reading.add_done_callback(lambda _: self._woken.set())
        try:
            while (reason := self._reason()) is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._woken.wait()
                self._woken.clear()
                if self._is_stopped:
                    raise StoppedAtOnce
                if reading.done():
                    reading.result()
                await self._step()
            return reason
        finally:
            for each in SIGNALS:
                loop.remove_signal_handler(each)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def interrupt(self) -> None:
        """End the job as its user, or, the second time, at once."""
        if self.is_interrupted:
            self._is_stopped = True
        else:
            self.is_interrupted = True
            asked = JobKillAsked(self._job_id, self._actor, "interrupted")
            self._cell.now_ms = self._wall_ms()
            self._cell.copy("jobs", [asked])
            self._teller.note("ending the tasks; once more to end them at once")
        self._woken.set()

    def _submit(self) -> None:
        """Write the stream's beginning and the job into the log."""
        cell = self._cell
        began = self._runs.add(0, PartitionBegan(GENERATION), cell.now_ms)
        cell.write(*began)
        digest = spec_digest(self._spec)
        cell.copy("jobs", [JobSubmitted(self._job_id, self._spec, self._actor, digest)])
        for change in cell.changes():
            if isinstance(change, JobRejected):
                lines = [f"{each.field or 'the job'} {each.text}" for each in change.faults]
                raise CannotRunHere(
                    f"A cell would refuse the job: {'; '.join(lines)}.",
                    "A local run goes by the limits that a new cell has.",
                    "Change the job.",
                )

    def _reason(self) -> str | None:
        job = self._cell.state.jobs[self._job_id]
        return job.reason if job.state == "Finished" else None

    async def _read(self) -> None:
        """Collect what the host says."""
        async for record in self._cluster.subscribe(self._cell.epoch):
            if isinstance(record, StreamEnded):
                raise OperatorError(
                    f"Nothing more can be run here: {record.why}.",
                    "A part of this run failed.",
                    "Run it again; if it fails again, this is our mistake.",
                )
            self._records.append(record)
            self._woken.set()

    async def _step(self) -> None:
        """Fold what is new, carry out what follows, and tell it."""
        cell = self._cell
        cell.now_ms = self._wall_ms()
        records, self._records = self._records, []
        for record in records:
            copied = self._runs.add(self._runs.next_offset, record, cell.now_ms)
            if copied:
                cell.write(*copied)
        if copied := self._runs.flush():
            cell.write(*copied)
        if elapsed_s() - self._ticked_at_s >= TICK_S and cell.state.stream.stream_id is not None:
            self._ticked_at_s = elapsed_s()
            cell.tick()
        self._tell(cell.changes())
        await self._acknowledge(records)
        await self._decide()
        self._tell(cell.changes())
        self._tell_lines()
        self._look_at_unplaced()

    async def _acknowledge(self, records: Iterable[MesosRecord]) -> None:
        """Only now the agent forgets the task: its output has been read."""
        for each in records:
            if isinstance(each, StatusUpdate) and each.uuid:
                await self._cluster.acknowledge(each, each.stream_id)

    async def _decide(self) -> None:
        for _ in range(ROUNDS_MAX):
            decided = self._cell.round()
            if decided is None:
                return
            self._note_refusals(decided)
            outcomes = []
            stream_id = self._cell.state.stream.stream_id
            assert stream_id is not None, "nothing is decided without a stream"
            for effect in decided.effects:
                called = await self._cluster.carry_out(effect, stream_id)
                ended = EffectEnded(effect.proposal_id, fate=called.fate, detail=called.detail)
                outcomes.append(ended)
            self._cell.ended(outcomes)
        raise AssertionError("the machine proposes without end")

    # What cannot be placed.

    def _note_refusals(self, decided: Round) -> None:
        placing = decided.placing
        if placing is None:
            return
        for refusal in placing.refusals:
            self._refused = tuple(
                f"{each.rule}{f' ({each.missing})' if each.missing else ''}"
                for each in refusal.refusals
            )

    def _look_at_unplaced(self) -> None:
        """Give up where tasks are ready, nothing else uses the host, and it refuses them still."""
        state = self._cell.state
        states = [state.tasks[each].state for each in state.indexes[self._job_id].values()]
        live = [each for each in states if not isinstance(each, Finished)]
        is_waiting = bool(live) and all(
            isinstance(each, Queued) and each.ready_at_ms <= self._cell.now_ms for each in live
        )
        if not is_waiting or not self._refused:
            self._unplaced_since_s = None
            return
        if self._unplaced_since_s is None:
            self._unplaced_since_s = elapsed_s()
        elif elapsed_s() - self._unplaced_since_s > UNPLACED_S_MAX:
            raise CannotRunHere(
                f"This computer refuses the tasks of {self._job_id}: {'; '.join(self._refused)}.",
                "The job asks for something of a host that this one does not have.",
                "Give this host attributes with --attributes or more with --resources, or change "
                "the job's resources and container.hardConstraints.",
            )

    # What is told.

    def _tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, TaskChanged):
                self._tell_task(change)
            elif isinstance(change, JobChanged) and change.state == "Finished":
                self._teller.job(self._job_id, change.reason, *self._counts())

    def _tell_task(self, change: TaskChanged) -> None:
        task_id = change.task_id
        if change.state == "Launched" and task_id not in self._outputs:
            self._outputs[task_id] = TaskOutput(lambda: self._cluster.sandbox_of(task_id))
        again_in_ms = None
        if change.state == "Finished":
            output = self._outputs.pop(task_id, None)
            if output is not None:
                self._tell_output(task_id, output, is_last=True)
            again_in_ms = self._again_in_ms(task_id)
        self._teller.task(change, again_in_ms)

    def _again_in_ms(self, task_id: TaskId) -> int | None:
        """After how long the ended task is started again; None where it is not."""
        state = self._cell.state
        for each in state.indexes[self._job_id].values():
            task = state.tasks[each]
            if task.resubmit_of == task_id and isinstance(task.state, Queued):
                return task.retry_delay_ms
        return None

    def _tell_lines(self) -> None:
        for task_id, output in self._outputs.items():
            self._tell_output(task_id, output, is_last=False)

    def _tell_output(self, task_id: TaskId, output: TaskOutput, *, is_last: bool) -> None:
        for channel, text in output.lines(is_last=is_last):
            self._teller.line(task_id, channel, text)

    def _counts(self) -> tuple[int, int]:
        """How many tasks succeeded, and how many were wanted."""
        state = self._cell.state
        states = [state.tasks[each].state for each in state.indexes[self._job_id].values()]
        succeeded = sum(isinstance(each, Finished) and each.reason == "normal" for each in states)
        return succeeded, self._spec.desired
