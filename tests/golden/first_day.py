"""A cell's first day, written by a script, recorded as a golden log.

The log under `logs/` is what counts: every later build must fold those bytes to the same digests
and the same transcript. The script only says how they came about, and is not run by the tests.

`python -m tests.golden.first_day` says whether it would write the same; with `--replace` it writes
the recording anew. Do that only where the fold changed on purpose and no release has written logs
by the old rules (else: a new `FOLD_VERSION`, and a second golden log beside this one). The change
of the transcript is then read in review, line by line.
"""

import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from scheduler.digest import Digest
from scheduler.machine import FOLD_VERSION, Machine
from scheduler.model.codec import decode_record, encode_change
from scheduler.model.constraint import Constraint
from scheduler.model.events import Checkpoint, Copied, FoldVersion, LeaderElected, Mark, Tick
from scheduler.model.ids import JobId, StreamId, TaskId
from scheduler.model.inbound import (
    Fault,
    InboundLost,
    InboundRejected,
    OrphanForgotten,
    PartitionBegan,
    RecordSkipped,
)
from scheduler.model.job import Batch, RetryPolicy
from scheduler.model.mesos import HostFailed, Unrecognised
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask, LaunchTasks, ReconcileTasks
from scheduler.model.resources import Need
from scheduler.model.task import Finished, Launched, Started, is_on_host
from tests.support.cell import CellInMemory, Fate, batch, copied, service, subscription

FOLDER: Final = Path(__file__).parent / "logs"
LOG: Final = FOLDER / "first-day.jsonl"
TRANSCRIPT: Final = FOLDER / "first-day.transcript.jsonl"
DIGESTS: Final = FOLDER / "first-day.digests.json"
DIGEST_EVERY: Final = 20
HOSTS: Final = ("host1", "host2", "host3", "host4")


class Day:
    """The script: one method a chapter."""

    def __init__(self) -> None:
        self.cell = CellInMemory(Policy(launches_per_round_max=8, finished_tasks_max=40))

    def run(self) -> CellInMemory:
        """The whole day."""
        self.morning()
        self.failures()
        self.a_host_is_lost_and_comes_back()
        self.another_leader()
        self.scaling()
        self.strangers_and_mistakes()
        self.calls_that_fail()
        self.evening()
        self.the_slow()
        return self.cell

    # What happens again and again.

    def offers(self, cpus: int = 4) -> None:
        """Every host offers what it has."""
        for host in HOSTS:
            self.cell.offer(host, cpus)

    def work(self, *fates: Fate) -> list[Any]:
        """Rounds until nothing is left to say; calls end in these fates, in turn."""
        done: list[Any] = []
        while proposals := self.cell.decide():
            for proposal_id, proposal in proposals:
                if proposal_id in self.cell.state.decisions:
                    fate = fates[len(done) % len(fates)] if fates else "sent"
                    self.cell.carry_out(proposal_id, fate)
                    done.append(proposal)
        return done

    def all_in(self, kind: type) -> list[TaskId]:
        """The tasks in one state, by name."""
        tasks = self.cell.state.tasks.items()
        return sorted(task_id for task_id, task in tasks if isinstance(task.state, kind))

    def all_run(self) -> None:
        """Everything that was launched is heard of."""
        for number, task_id in enumerate(self.all_in(Launched)):
            if number % 3 == 0:
                self.cell.status(task_id, "TASK_STARTING", observed_at_ms=self.cell.now_ms - 5)
            self.cell.status(task_id, "TASK_RUNNING", observed_at_ms=self.cell.now_ms - 3)

    def checkpoint(self) -> None:
        """The leader says what its state's digest is."""
        offset = self.cell.write(Mark())
        digest = self.cell.machine.marks[offset]
        self.cell.write(Checkpoint(offset, Digest.version, digest))

    # The chapters.

    def morning(self) -> None:
        """A batch job, a service and one that fails are submitted and run."""
        cell = self.cell
        cell.elect()
        cell.subscribe()
        self.offers()
        cell.submit(batch(20), "batch")
        cell.submit(service(5, need=Need(200, 64, 10, ports=2)), "service")
        retry = RetryPolicy("exponentialBackOff", retries=2, delay_ms=2_000, delay_ms_max=9_000)
        failing = msgspec.structs.replace(batch(1), retry=retry, stack="s", sequence="001")
        cell.submit(failing, "failing")
        cell.submit(failing, "failing")
        cell.submit(batch(2, retries=1), "failing")
        cell.submit(failing, "same-name")
        self.work()
        self.all_run()
        cell.tick()
        self.checkpoint()

    def failures(self) -> None:
        """One fails until it may not any more; others end well, in any order, more than once."""
        cell = self.cell
        for _ in range(3):
            (task,) = cell.tasks("failing")
            cell.status(task.task_id, "TASK_FAILED", message="Command exited with status 7")
            cell.pass_ms(9_000)
            self.offers()
            self.work()
            self.all_run()
        for index in (4, 0, 7, 3):
            task_id = cell.task(index, "batch").task_id
            cell.status(task_id, "TASK_FINISHED")
            cell.status(task_id, "TASK_RUNNING")
            cell.status(task_id, "TASK_FINISHED")
        cell.status(cell.task(1, "service").task_id, "TASK_RUNNING", is_healthy=False)
        cell.status(cell.task(2, "service").task_id, "TASK_FINISHED")
        cell.tick(2_000)
        self.work()
        self.checkpoint()

    def a_host_is_lost_and_comes_back(self) -> None:
        """Its tasks are waited for, given up, replaced, and ended when they return."""
        cell = self.cell
        host_id = cell.place(self.all_in(Started)[0]).host_id
        lost = [each for each in self.all_in(Started) if cell.place(each).host_id == host_id]
        for task_id in lost:
            cell.answer(task_id, "TASK_UNREACHABLE")
        cell.copy("mesos", HostFailed(stream_id=cell.stream_id, host_id=host_id))
        cell.kill_task(lost[0])
        cell.tick(30_000, times=3)
        self.offers()
        self.work()
        self.all_run()
        for task_id in lost[:-1]:
            cell.status(task_id, "TASK_RUNNING", reason="REASON_AGENT_REREGISTERED", uuid="")
        self.work()
        cell.tick(10_000)
        self.work()
        for task_id in lost[:2]:
            cell.status(task_id, "TASK_KILLED")
        self.checkpoint()

    def another_leader(self) -> None:
        """Another leads: unsent launches go back, the sent ones are asked for."""
        cell = self.cell
        cell.submit(batch(3, need=Need(1_000, 128)), "late")
        self.offers()
        launches = [pid for pid, each in cell.decide() if isinstance(each, LaunchTasks)]
        cell.start(launches[0])
        old_epoch, old_stream = cell.epoch, cell.stream_id
        cell.epoch = cell.write(LeaderElected(candidate="cell-1", incarnation="j", build="0.1.0"))
        cell.write(Tick(), epoch=old_epoch)
        cell.end(launches[0])
        cell.write(Tick())
        cell.subscribe()
        cell.copy("mesos", subscription(StreamId("too-late"), old_epoch))
        cell.stream_id, new_stream = old_stream, cell.stream_id
        self.offers(cpus=16)
        cell.answer(cell.task(0, "late").task_id, "TASK_GONE")
        cell.stream_id = new_stream
        self.offers()
        self.work()
        for task_id in sorted(cell.state.unanswered):
            state = cell.state.tasks[task_id].state
            cell.answer(task_id, "TASK_RUNNING" if is_on_host(state) else "TASK_UNREACHABLE")
        self.work()
        self.all_run()
        cell.tick(10_000)
        self.checkpoint()

    def scaling(self) -> None:
        """The service grows, shrinks, loses a task by wish, and is asked for the impossible."""
        cell = self.cell
        cell.scale(8, job_id="service")
        self.offers()
        self.work()
        self.all_run()
        cell.scale(4, job_id="service")
        cell.scale(3, minimum=4, job_id="service")
        cell.scale(2, job_id="batch")
        cell.kill_task(cell.tasks("service")[0].task_id, is_shrink=True)
        self.work()
        for task_id in sorted(cell.state.killing):
            cell.status(task_id, "TASK_KILLED")
        cell.scale(minimum=4, job_id="service")
        cell.tick()
        self.work()
        self.checkpoint()

    def strangers_and_mistakes(self) -> None:
        """Orphans, unreadable records, repeated and missing copies, another generation."""
        cell = self.cell
        orphan = TaskId("stranger")
        cell.status(orphan, "TASK_RUNNING", host_id="host2")
        cell.status(orphan, "TASK_UNREACHABLE", uuid="")
        cell.status(TaskId("job-worker-0-1"), "TASK_FINISHED")
        cell.copy("commands", OrphanForgotten(task_id=orphan, actor="op", why="stopped by hand"))
        fault = Fault(field="type", text="is missing", hint="one of KillJob, SubmitJob")
        cell.copy("jobs", InboundRejected(faults=(fault,), digest="00" * 16, bytes_total=3))
        again = [each for each in decode_record(cell.log[-1]).events if isinstance(each, Copied)]
        cell.write(*again)
        cell.write(copied("jobs", 900, 899, InboundLost(first_offset=800, last_offset=900)))
        cell.copy("mesos", Unrecognised(stream_id=cell.stream_id, raw='{"type":"NEW"}'))
        last = cell.inbound["mesos"]
        cell.write(copied("mesos", last + 5, last, InboundLost(last + 1, last + 5)))
        cell.inbound["mesos"] = last + 5
        self.work()
        cell.copy("commands", RecordSkipped(offset=3, digest="00" * 16, actor="op", why="test"))
        began = PartitionBegan(generation="0f0f0f0f")
        cell.write(copied("hosts", 0, -1, began, "0f0f0f0f"))
        cell.set_policy(inferred_kills_per_hour=3, launches_per_round_max=300)
        cell.set_policy(orphans_max=0)
        cell.write(FoldVersion(FOLD_VERSION), Tick(published_offset=100))
        self.checkpoint()

    def calls_that_fail(self) -> None:
        """Calls are refused or of unknown fate; proposals are refused; a stream ends."""
        cell = self.cell
        cell.submit(batch(6, hard_constraints=(Constraint("uniqueHost"),)), "spread")
        self.offers()
        self.work("sent", "refused", "unknown")
        cell.tick(1_000)
        self.work("unknown", "sent")
        host_id = cell.place(self.all_in(Started)[0]).host_id
        cell.write(
            KillTask(task_id=cell.task(0, "spread").task_id, host_id=host_id),
            LaunchTasks(host_id=host_id, offer_ids=(), launches=()),
            ReconcileTasks(task_ids=(TaskId("nobody"),)),
        )
        cell.stream_ends()
        cell.tick(2_000)
        cell.subscribe()
        self.offers()
        self.work()
        for number, task_id in enumerate(sorted(cell.state.unanswered)):
            state = cell.state.tasks[task_id].state
            gone: Any = ("TASK_GONE", "TASK_UNKNOWN")[number % 2]
            cell.answer(task_id, gone if isinstance(state, Launched) else "TASK_RUNNING")
        cell.tick(5_000)
        self.work()
        self.all_run()
        self.checkpoint()

    def evening(self) -> None:
        """Jobs are killed, the cell is away for a while, and goes to rest."""
        cell = self.cell
        cell.kill_job("spread")
        cell.kill_job("service")
        cell.kill_job("nobody")
        self.work()
        cell.now_ms += 600_000
        cell.write(Mark())
        cell.write(Tick())
        self.work()
        for task_id in sorted(cell.state.killing):
            cell.status(task_id, "TASK_KILLED")
        cell.status(cell.task(2, "batch").task_id, "TASK_LOST", message="agent removed")
        cell.tick(1_000)
        self.offers()
        self.work()
        self.all_run()
        for task in cell.tasks("batch"):
            if not isinstance(task.state, Finished):
                cell.status(task.task_id, "TASK_FINISHED")
        cell.kill_job("late")
        self.work()
        for task_id in sorted(cell.state.killing):
            cell.status(task_id, "TASK_KILLED")
        cell.tick(60_000, times=12)
        self.work()
        assert cell.state.jobs[JobId("batch")].state == "Finished"
        self.checkpoint()

    def the_slow(self) -> None:
        """Asked for offers again; one task runs too long, one is never heard of."""
        cell = self.cell
        limited = Batch(size=1, runtime_limit_ms=30_000, is_retried_on_runtime_limit=False)
        cell.submit(msgspec.structs.replace(batch(1), kind=limited), "limited")
        cell.submit(batch(1), "silent")
        self.work()
        self.offers()
        self.work()
        cell.status(cell.task(0, "limited").task_id, "TASK_RUNNING")
        cell.tick(60_000, times=5)
        self.work()
        for task_id in sorted(cell.state.killing):
            cell.status(task_id, "TASK_KILLED")
        cell.tick(1_000)
        self.offers()
        self.work()
        self.all_run()
        self.checkpoint()


def transcript(log: list[bytes]) -> tuple[list[bytes], dict[str, str], Machine]:
    """What folding the log says: a line for each change, digests on the way, the machine."""
    machine, lines, digests = Machine(), [], {}
    for offset, data in enumerate(log):
        for index, change in machine.apply(offset, decode_record(data)):
            lines.append(b'["%d[%d]",%s]' % (offset, index, encode_change(change)))
        if offset % DIGEST_EVERY == 0 or offset == len(log) - 1:
            digests[str(offset)] = machine.digest.value()
    return lines, digests, machine


def main() -> int:
    """Compare the script's day with the recording, or write it anew; the exit code."""
    log = Day().run().log
    lines, digests, _ = transcript(log)
    files = {
        LOG: b"\n".join(log) + b"\n",
        TRANSCRIPT: b"\n".join(lines) + b"\n",
        DIGESTS: msgspec.json.format(msgspec.json.encode(digests), indent=1) + b"\n",
    }
    if "--replace" in sys.argv[1:]:
        for path, data in files.items():
            path.write_bytes(data)
            print(f"{path}: {len(data)} bytes")
        return 0
    differing = [str(path) for path, data in files.items() if path.read_bytes() != data]
    print("\n".join(f"differs: {each}" for each in differing) or "the recording is the same")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
