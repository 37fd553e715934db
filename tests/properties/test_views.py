"""Whatever happens to a cell, its read models agree with the fold and name what is in the log.

A random cell lives through submissions, kills, scalings, offers, rounds, effects that end in every
way, updates from open and dead streams, elections, gaps and records of old leaders. After each
record `check_view` compares the view with the fold; at the end everything is asked for once.
"""

from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.history import history_of_job
from projections.summary import summary
from projections.v3 import job_json, task_json
from projections.v3_query import parse_query, tasks_page
from projections.why import Why, why
from projections.words import line_text
from scheduler.model.constraint import Constraint
from scheduler.model.events import Mark, Tick
from scheduler.model.ids import HostId, StreamId, TaskId
from scheduler.model.mesos import MesosTaskState
from scheduler.model.policy import Policy
from scheduler.model.task import titus_state
from tests.support.cell import batch, copied, service, submission
from tests.unit.projections.watched import WatchedCell, check_addresses, lines_of, watched_cell

STATES: tuple[MesosTaskState, ...] = (
    "TASK_RUNNING",
    "TASK_RUNNING",
    "TASK_STARTING",
    "TASK_FINISHED",
    "TASK_FAILED",
    "TASK_KILLED",
    "TASK_UNREACHABLE",
    "TASK_DROPPED",
    "TASK_UNKNOWN",
)


class RandomCell:
    """A watched cell, and the steps that chance may choose."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        policy = Policy(
            finished_tasks_max=4, finished_jobs_max=2, call_retry_ms=0, inferred_kills_per_hour=2
        )
        self.cell: WatchedCell = watched_cell(hosts=2, policy=policy)
        self.jobs = 0
        self.cell.run(service(2), "job0")
        self.cell.offer("host1")

    def job_id(self) -> str:
        """The name of a job, perhaps of one that never was."""
        return f"job{self.draw(st.integers(0, self.jobs))}"

    def task_id(self) -> TaskId:
        """A task on a host by preference, or any that is known, or a stranger."""
        state = self.cell.state
        placed = [task_id for there in state.host_tasks.values() for task_id in there]
        known = [*state.tasks, TaskId("stranger")]
        return self.draw(st.sampled_from(placed * 5 + known))

    def submit(self) -> None:
        """A new job, or the same submission again."""
        kind = self.draw(st.sampled_from(("batch", "retried", "unique", "service", "again")))
        self.jobs += kind != "again"
        spec = {
            "batch": batch(3),
            "retried": batch(2, retries=2),
            "unique": batch(3, hard_constraints=(Constraint("uniqueHost"),)),
            "service": service(2),
            "again": batch(3),
        }[kind]
        self.cell.submit(spec, f"job{self.jobs}")

    def user(self) -> None:
        """A user asks for something."""
        what = self.draw(st.sampled_from(("kill job", "kill task", "shrink", "scale")))
        if what == "kill job":
            self.cell.kill_job(self.job_id())
        elif what == "scale":
            self.cell.scale(desired=self.draw(st.integers(0, 4)), job_id=self.job_id())
        else:
            self.cell.kill_task(self.task_id(), is_shrink=what == "shrink")

    def mesos(self) -> None:
        """Mesos says something of a task."""
        fields: dict[str, Any] = {}
        if self.draw(st.booleans()):
            fields = self.draw(
                st.sampled_from(
                    (
                        {"uuid": ""},
                        {"is_healthy": False},
                        {"stream_id": StreamId("dead")},
                        {"stream_id": StreamId("dead"), "uuid": ""},
                        {"host_id": HostId("host1"), "container_ip": "10.1.2.3"},
                    )
                )
            )
        self.cell.status(self.task_id(), self.draw(st.sampled_from(STATES)), **fields)

    def offers(self) -> None:
        """An offer comes or goes."""
        held = [*self.cell.state.offers]
        used = [each.offer_id for d in self.cell.state.decisions.values() for each in d.offers]
        if self.draw(st.booleans()) and held + used:
            self.cell.rescind(self.draw(st.sampled_from(held + used)))
        else:
            host = self.draw(st.sampled_from(("host1", "host2", "host3")))
            self.cell.offer(host, cpus=self.draw(st.integers(0, 4)))

    def round(self) -> None:
        """A round is written."""
        self.cell.decide()

    def launch(self) -> None:
        """There is room, and everything that is proposed is carried out."""
        if self.cell.state.stream.stream_id is None:
            self.cell.subscribe()
        for host in ("host1", "host2"):
            self.cell.offer(host)
        self.cell.tick(1_000, times=2)
        self.cell.decide_and_carry_out()

    def effect(self) -> None:
        """An effect starts or ends, perhaps one that is over or was never."""
        known = [*self.cell.state.decisions, *self.cell.view.timeline.open_proposals]
        if not known:
            return
        proposal_id = self.draw(st.sampled_from(known))
        fate = self.draw(st.sampled_from(("sent", "sent", "refused", "unknown")))
        what = self.draw(st.sampled_from(("start", "end", "both")))
        if what != "end":
            self.cell.start(proposal_id)
        if what != "start":
            self.cell.end(proposal_id, fate=fate)  # type: ignore[arg-type] # fates all

    def stream(self) -> None:
        """A stream begins or ends."""
        if self.draw(st.integers(0, 3)):
            self.cell.subscribe()
        else:
            self.cell.stream_ends()

    def leader(self) -> None:
        """Another leader is elected, and the old one writes on."""
        old = self.cell.epoch
        self.cell.elect()
        self.cell.write(Tick(), Mark(), epoch=old)
        if self.draw(st.integers(0, 3)):
            self.cell.subscribe()

    def time(self) -> None:
        """Time passes, at times with a gap."""
        self.cell.tick(self.draw(st.sampled_from((1_000, 30_000, 59_000, 300_000))))

    def gap(self) -> None:
        """A copy comes that the fold must not take."""
        offset = self.draw(st.integers(0, 3))
        self.cell.write(copied("jobs", 90 + offset, 80, submission(batch(), "gap")))

    def several(self) -> None:
        """Many inbound records in one record of the log."""
        bodies = [submission(batch(), self.job_id()), submission(service(1), f"many{self.jobs}")]
        copies = self.cell.copies("jobs", *bodies)
        self.cell.write(Tick(), *copies, Mark())


STEPS = st.sampled_from(
    (
        *("launch", "mesos", "launch", "mesos", "round", "effect", "mesos", "submit", "effect"),
        *("user", "offers", "time", "mesos", "mesos", "round", "effect", "mesos", "submit"),
        *("launch", "mesos", "time", "stream", "leader", "gap", "several"),
    )
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_views_agree_with_the_fold_whatever_happens(data: st.DataObject) -> None:
    random = RandomCell(data)
    for step in data.draw(st.lists(STEPS, min_size=25, max_size=60)):
        getattr(random, step)()
    cell = random.cell
    check_addresses(cell)
    assert all(line_text(line) for line in lines_of(cell.view))
    for job_id in cell.view.timeline.histories.jobs:
        assert orjson.dumps(job_json(cell.view, job_id))
        assert isinstance(why(cell.view, job_id), Why)
        told = history_of_job(cell.view, job_id, is_with_tasks=True)
        assert told is not None
        assert [line.at_ms for line in told.lines] == sorted(line.at_ms for line in told.lines)
    for task_id, task in cell.state.tasks.items():
        written = task_json(cell.view, task_id)
        assert written is not None
        assert written["status"]["state"] == titus_state(task.state)
        answer = cell.why(task_id)
        assert answer.sentences
        for link in answer.chain:
            assert cell.has_event(link.address)
    found = summary(cell.view)
    assert sum(found.tasks.values()) == len(cell.state.tasks)
    assert found.digest == cell.machine.digest.value()
    page = tasks_page(cell.view, parse_query({"taskStates": "Any", "pageSize": "1000"}))
    assert {item["id"] for item in page["items"]} >= set(cell.state.tasks)
