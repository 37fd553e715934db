"""Streams: ordered workers with names that stay, and sets of indexes; on the pure machine."""

from msgspec.structs import replace

from scheduler.effects import effect_of
from scheduler.model.changes import JobRejected
from scheduler.model.constraint import Constraint
from scheduler.model.effects import AcceptOffers
from scheduler.model.events import RoundRecord
from scheduler.model.job import Batch, JobSpec, Stream, TaskSet
from scheduler.model.mesos import HostFacts
from scheduler.model.proposals import LaunchTasks
from scheduler.model.resources import PortRange, Resources
from scheduler.model.task import Started
from tests.support.cell import CellInMemory, offer_of, running_cell, spec_of


def stream(workers: int, *, is_ordered: bool = False) -> JobSpec:
    """A stream of small workers."""
    return spec_of(Stream(workers=workers, is_start_ordered=is_ordered), 0, {})


def indexes(cell: CellInMemory) -> list[int]:
    """Indexes that have a task, in order."""
    return [task.index for task in cell.tasks()]


def test_workers_start_one_after_the_other_where_that_is_asked() -> None:
    cell = running_cell(hosts=3)
    cell.submit(stream(3, is_ordered=True))
    assert indexes(cell) == [0]
    (first,) = cell.launched()
    cell.tick()
    assert indexes(cell) == [0], "the first is launched and does not run yet"
    cell.status(first, "TASK_RUNNING", is_healthy=False)
    cell.tick()
    assert indexes(cell) == [0], "it runs and is not healthy"
    cell.status(first, "TASK_RUNNING", is_healthy=True)
    cell.tick()
    assert indexes(cell) == [0, 1]
    (second,) = cell.launched()
    cell.status(second, "TASK_RUNNING")
    cell.tick(times=2)
    assert indexes(cell) == [0, 1, 2]
    assert second == "job-worker-1-2"
    cell.tick()
    assert not cell.state.starting_streams, "it has all that it wants"


def test_a_worker_is_restarted_for_ever_under_its_name() -> None:
    cell = running_cell(hosts=3)
    (task_id,) = cell.run(stream(1))
    for _ in range(5):
        cell.status(task_id, "TASK_FINISHED")
        cell.offer(f"host-{len(cell.log)}")
        cell.pass_ms(31_000)
        (task_id,) = cell.launched()
        cell.status(task_id, "TASK_RUNNING")
    assert task_id.startswith("job-worker-0-")
    assert isinstance(cell.task(0).state, Started)


def test_scaling_keeps_the_lowest_indexes() -> None:
    cell = running_cell(hosts=4)
    cell.run(stream(4))
    cell.scale(desired=2)
    alive = [task.index for task in cell.tasks() if isinstance(task.state, Started)]
    assert alive == [0, 1]
    cell.scale(minimum=1, maximum=9)
    assert cell.said(JobRejected)[-1].faults[0].field == "capacity"


def test_each_worker_is_told_its_name_and_those_of_all() -> None:
    cell = running_cell(hosts=1)
    cell.submit(stream(2))
    found = {}
    for proposal_id, proposal in cell.decide():
        if isinstance(proposal, LaunchTasks):
            effect = effect_of(cell.state, cell.state.decisions[proposal_id])
            assert isinstance(effect, AcceptOffers)
            found = {task.index: dict(task.environment) for task in effect.tasks}
    assert found[1]["FLUMINA_WORKER_NAME"] == "job-worker-1"
    assert found[1]["FLUMINA_WORKER_NAMES"] == "job-worker-0,job-worker-1"
    assert found[1]["FLUMINA_WORKERS"] == "2"
    assert found[1]["FLUMINA_TASK_INDEX"] == "1"


def test_more_workers_than_the_cell_allows_are_refused() -> None:
    cell = running_cell()
    cell.submit(stream(201))
    (fault,) = cell.said(JobRejected)[0].faults
    assert fault.field == "stream.workers"


def test_each_set_runs_on_hosts_of_its_own_kind_only() -> None:
    cell = CellInMemory()
    cell.elect()
    cell.subscribe()
    resources = Resources(4_000, 8_192, 10_000, (PortRange(31_000, 31_999),))
    for number, place in enumerate(("dc1", "dc2", "dc1", "dc9")):
        offer = offer_of(f"o{number}", f"host{number}", resources)
        facts = HostFacts(hostname=f"h{number}", attributes=(("dc", place),))
        cell.offers(replace(offer, facts=facts))
    sets = (TaskSet("dc1", 3, (("dc", "dc1"),)), TaskSet("dc2", 5, (("dc", "dc2"),)))
    spec = spec_of(Batch(size=8, runtime_limit_ms=600_000), 0, {})
    cell.submit(replace(spec, sets=sets))
    cell.launched()
    hosts = {task.index: cell.host_of(task.task_id) for task in cell.tasks()}
    assert {hosts[index] for index in range(3)} <= {"host0", "host2"}
    assert {hosts[index] for index in range(3, 8)} == {"host1"}
    assert Constraint("hostAttribute", "dc", ("dc1",)) not in spec.container.hard_constraints


def test_a_refusal_says_of_each_set_what_it_lacks_and_is_one_for_the_job() -> None:
    cell = running_cell(hosts=2)
    sets = (TaskSet("east", 1, (("dc", "dc1"),)), TaskSet("west", 2, (("dc", "dc2"),)))
    spec = spec_of(Batch(size=3, runtime_limit_ms=600_000), 0, {})
    cell.submit(replace(spec, sets=sets))
    (round_,) = [each for each in cell.machine.decide() if isinstance(each, RoundRecord)]
    (refusal,) = round_.refusals
    assert refusal.waiting == 3
    (rule,) = refusal.refusals
    assert rule.hosts == 2
    assert "set east: it has no attribute dc, 'dc1' is wanted" in rule.missing
    assert "set west: it has no attribute dc, 'dc2' is wanted" in rule.missing
    cell.write(round_, epoch=cell.epoch)
    cell.submit(spec, "other")
    (again,) = [each for each in cell.machine.decide() if isinstance(each, RoundRecord)]
    assert again.refusals == (), "what was said is not said again"
