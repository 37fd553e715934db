"""A cell of very many running tasks, and the log that made it, in memory and without Kafka.

The one thing to know: every record is one that a leader writes, folded as such. Only who decides is
left out: launches are written host by host, because a hundred thousand tasks that are placed one
round after another take minutes, and who placed them changes nothing of what is folded.
"""

from itertools import count, islice
from typing import Final

from scheduler.model.events import Mark
from scheduler.model.ids import HostId, JobId, OfferId, TaskId, proposal_id_of
from scheduler.model.job import Batch, JobSpec, Service
from scheduler.model.mesos import MesosTaskState, StatusUpdate
from scheduler.model.policy import Policy
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Need, PortRange, Resources
from tests.support.cell import CellInMemory, offer_of, spec_of

TASKS_OF_HOST: Final = 16
TASKS_OF_JOB: Final = 100
EVENTS_A_RECORD: Final = 200
HOSTS_A_RECORD: Final = 50
JOBS_A_MARK: Final = 5
"""Some 2,500 events: a thousand records as a leader writes them."""
NEED: Final = Need(cpu_milli=500, memory_mib=256, disk_mib=10)


class LargeCell(CellInMemory):
    """A cell that is checked nowhere on the way."""

    def __init__(self) -> None:
        policy = Policy(
            queued_tasks_max=10_000_000, offers_held_max=1_000_000, finished_tasks_max=10_000
        )
        super().__init__(policy)
        self.records_a_check = 1 << 60
        self._numbers = count()
        self.elect()
        self.subscribe()

    def run_tasks(self, tasks: int, job: JobSpec | None = None) -> list[TaskId]:
        """Submit jobs with so many tasks together, and run them all on hosts of their own."""
        jobs = max(1, tasks // TASKS_OF_JOB)
        size = tasks // jobs
        spec = job or spec_of(Service(minimum=0, desired=size, maximum=size), 3, {"need": NEED})
        names = [f"job-{next(self._numbers)}" for _ in range(jobs)]
        for name in names:
            self.submit(spec, name)
            self.changes.clear()
        task_ids = [each for name in names for each in self.state.indexes[JobId(name)].values()]
        waiting = iter(task_ids)
        while some := list(islice(waiting, HOSTS_A_RECORD * TASKS_OF_HOST)):
            self._launch(some)
        self.hear(task_ids, "TASK_RUNNING")
        return task_ids

    def _launch(self, task_ids: list[TaskId]) -> None:
        """Offer hosts, launch these tasks there, and tell that the calls went through."""
        at = range(0, len(task_ids), TASKS_OF_HOST)
        hosts = [f"host-{next(self._numbers):06d}" for _ in at]
        room = Resources(16_000, 65_536, 100_000, (PortRange(31_000, 31_999),))
        self.offers(*(offer_of(f"offer-{host}", host, room) for host in hosts))
        proposals = [
            LaunchTasks(
                HostId(host),
                (OfferId(f"offer-{host}"),),
                tuple(Launch(each, ()) for each in task_ids[first : first + TASKS_OF_HOST]),
            )
            for host, first in zip(hosts, at, strict=True)
        ]
        offset = self.write(*proposals)
        proposal_ids = [proposal_id_of(offset, index) for index in range(len(proposals))]
        self.start(*proposal_ids)
        self.end(*proposal_ids)
        self.changes.clear()

    def hear(self, task_ids: list[TaskId], state: MesosTaskState) -> None:
        """Tell of these tasks that they are in this state."""
        for first in range(0, len(task_ids), EVENTS_A_RECORD):
            updates = [
                StatusUpdate(
                    stream_id=self.stream_id,
                    task_id=task_id,
                    state=state,
                    uuid="dXVpZA==",
                    host_id=self.host_of(task_id),
                )
                for task_id in task_ids[first : first + EVENTS_A_RECORD]
            ]
            self.copy("mesos", *updates)
            self.changes.clear()

    def churn(self, tasks: int) -> None:
        """Short jobs come, run and end, as a busy day has them; the leader marks its place."""
        spec = spec_of(Batch(TASKS_OF_JOB, 10**9), 0, {"need": NEED})
        for number in range(max(1, tasks // TASKS_OF_JOB)):
            if number % JOBS_A_MARK == 0:
                self.write(Mark())
            task_ids = self.run_tasks(TASKS_OF_JOB, spec)
            self.hear(task_ids, "TASK_FINISHED")
            self.now_ms += 1_000


def large_cell(tasks: int) -> LargeCell:
    """A cell in which so many tasks run."""
    cell = LargeCell()
    cell.run_tasks(tasks)
    return cell
