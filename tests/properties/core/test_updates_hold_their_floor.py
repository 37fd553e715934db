"""Updates under random days: never fewer available by their own doing than the plan allows.

Availability is counted here from tasks' states alone, without looking at what the update believes.
Every tick in which it falls is held against the plan; the invariants run after every record, and
at the end the log is folded again from nothing.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.machine import Machine
from scheduler.model.descriptor import spec_digest
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec, Service
from scheduler.model.job_updates import (
    JobUpdateAsked,
    JobUpdateOrdered,
    Share,
    UpdatePlan,
)
from scheduler.model.proposals import KillTask
from scheduler.model.task import Launched, Started, Task
from tests.support.cell import CellInMemory, running_cell, service

JOB = JobId("job")
HEALTH_MS = 3_000

SHARES = st.sampled_from([Share(0), Share(1), Share(2), Share(percent=25), Share(percent=50)])
STRATEGIES = st.sampled_from(["rolling", "rolling", "redBlack"])
PLANS = st.builds(
    UpdatePlan,
    strategy=STRATEGIES,
    batch=st.sampled_from([Share(1), Share(3), Share(percent=50), Share(percent=100)]),
    max_unavailable=SHARES,
    max_surge=SHARES,
    health_wait_ms=st.just(HEALTH_MS),
    batch_deadline_ms=st.just(60_000),
    failures_max=st.integers(1, 4),
    is_rolled_back=st.booleans(),
    keep_ms=st.just(10_000),
    is_restart=st.just(True),
)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "wait",
                "wait",
                "wait",
                "wait",
                "wait",
                "fail",
                "sick",
                "well",
                "kill",
                "scale",
                "pause",
                "resume",
                "rollback",
                "ask",
                "elect",
                "restore",
                "end",
            ]
        ),
        st.integers(0, 30),
    ),
    max_size=40,
)


class Day:
    """A service, its hosts, and what happens to both."""

    def __init__(self, size: int) -> None:
        self.cell: CellInMemory = running_cell(hosts=12, cpus=16)
        self.cell.run(spec_of(0, size))
        self.asked = 0

    @property
    def desired(self) -> int:
        kind = self.cell.state.jobs[JOB].spec.kind
        assert isinstance(kind, Service)
        return kind.desired

    def available(self) -> int:
        return sum(map(self._is_available, self.cell.tasks()))

    def _is_available(self, task: Task) -> bool:
        job, state = self.cell.state.jobs[JOB], task.state
        if not isinstance(state, Started) or not state.is_healthy:
            return False
        update = job.update
        if update is None or update.state == "rollingBack":
            return True
        is_new = task.spec_version == update.to_version
        since_ms = max(state.since_ms, state.healthy_since_ms)
        return not is_new or self.cell.now_ms - since_ms >= HEALTH_MS

    def tick(self) -> None:
        """A second passes: the update moves, and what falls is held against its plan."""
        cell = self.cell
        cell.now_ms += 1_000
        before, update = self.available(), cell.state.jobs[JOB].update
        cell.now_ms -= 1_000
        cell.tick()
        after = self.available()
        if update is not None and after < before:
            assert after >= self.desired - allowed(update.plan, self.desired), update
        for proposal in cell.decide_and_carry_out():
            if isinstance(proposal, KillTask):
                host = cell.host_of(proposal.task_id)
                cell.status(proposal.task_id, "TASK_KILLED")
                cell.offer(str(host), cpus=2)
        for task in cell.tasks():
            if isinstance(task.state, Launched):
                cell.status(task.task_id, "TASK_RUNNING")

    def do(self, action: str, number: int, plan: UpdatePlan) -> None:
        """One thing that happens."""
        cell = self.cell
        job = cell.state.jobs[JOB]
        tasks = [task for task in cell.tasks() if isinstance(task.state, Started)]
        task = tasks[number % len(tasks)] if tasks else None
        match action:
            case "wait":
                pass
            case "fail" if task:
                cell.status(task.task_id, "TASK_FAILED")
            case "sick" if task:
                cell.status(task.task_id, "TASK_RUNNING", is_healthy=False)
            case "well" if task:
                cell.status(task.task_id, "TASK_RUNNING", is_healthy=True)
            case "kill" if task:
                cell.kill_task(task.task_id, is_shrink=number % 2 == 0)
            case "scale":
                cell.scale(desired=number % 9)
            case "ask":
                self.asked += 1
                spec = spec_of(self.asked, 1)
                cell.copy("jobs", JobUpdateAsked(JOB, spec, spec_digest(spec), plan))
            case "pause" | "resume" | "rollback":
                cell.copy("jobs", JobUpdateOrdered(JOB, action))
            case "elect":
                self._elect()
            case "restore":
                cell.machine = Machine.restored(cell.machine.kept())
            case "end" if number == 0 and job.state == "Accepted":
                cell.kill_job()
            case _:
                pass

    def get_well(self) -> None:
        """Every task that runs is healthy from now on: else going back may wait for ever."""
        for task in self.cell.tasks():
            if isinstance(task.state, Started) and not task.state.is_healthy:
                self.cell.status(task.task_id, "TASK_RUNNING", is_healthy=True)

    def _elect(self) -> None:
        cell = self.cell
        cell.elect("another")
        cell.subscribe()
        for number in range(1, 13):
            cell.offer(f"host{number}", cpus=8)
        for task in cell.tasks():
            if isinstance(task.state, Started):
                cell.answer(task.task_id, "TASK_RUNNING")


def allowed(plan: UpdatePlan, desired: int) -> int:
    """How many may be unavailable, by the words of docs/updates.md."""
    if plan.strategy == "redBlack":
        return 0
    share, surge = plan.max_unavailable, plan.max_surge
    most = share.count or desired * share.percent // 100
    return most or (0 if surge.count or -(-desired * surge.percent // 100) else 1)


def spec_of(number: int, size: int) -> JobSpec:
    """A version of the service."""
    return service(size, image="app", image_tag=str(number))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), PLANS, ACTIONS)
def test_an_update_never_takes_more_than_its_plan_allows(
    size: int, plan: UpdatePlan, actions: list[tuple[str, int]]
) -> None:
    day = Day(size)
    day.do("ask", 0, plan)
    for action, number in actions:
        day.do(action, number, plan)
        day.tick()
    day.do("resume", 0, plan)
    for _ in range(200):
        update = day.cell.state.jobs[JOB].update
        if update is None or update.is_paused:
            break
        day.get_well()
        day.tick()
    job = day.cell.state.jobs[JOB]
    assert job.update is None or job.update.is_paused, job.update
    if job.state == "Accepted" and job.update is None:
        day.tick()
        versions = {task.spec_version for task in day.cell.tasks()}
        assert versions <= {job.spec_version}
        assert len(day.cell.tasks()) == day.desired
    assert day.cell.refolded().digest.value() == day.cell.machine.digest.value()
