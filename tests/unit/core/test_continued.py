"""A cell that goes on in another Kafka: nothing forgotten, nothing doubled, nothing mistaken."""

import pytest

from projections.cell_view import CellView
from scheduler.digest import Digest
from scheduler.machine import Machine, Refusal
from scheduler.model.changes import CellPaged
from scheduler.model.codec import decode_record, encode_record
from scheduler.model.events import CellContinued, CellEvent, CellRecord, LeaderElected
from scheduler.model.ids import Generation, JobId
from scheduler.model.inbound import PartitionBegan
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import Launched, Queued, Started
from tests.support.cell import CellInMemory, batch, copied, running_cell, service, submission

NEW = Generation("1b1b1b1b")


def moved(cell: CellInMemory, **other: object) -> CellContinued:
    """The first record of the log that goes on where this cell's log ends."""
    state = cell.state
    facts: dict[str, object] = {
        "cell": state.cell,
        "cell_uuid": state.cell_uuid,
        "generation": NEW,
        "previous_generation": state.generation,
        "previous_offset": state.next_offset - 1,
        "digest_version": Digest.version,
        "digest": cell.machine.digest.value(),
    }
    return CellContinued(**{**facts, **other})  # type: ignore[arg-type]


def record_of(*events: CellEvent, epoch: int = -1, at_ms: int = 0) -> CellRecord:
    """A record as it comes from the new log."""
    return decode_record(
        encode_record(CellRecord(version=1, epoch=epoch, at_ms=at_ms, events=events))
    )


def taken_over(cell: CellInMemory) -> Machine:
    """The cell's machine, in its new log."""
    machine = cell.machine
    changes = machine.apply(0, record_of(moved(cell)))
    assert [type(change) for _, change in changes if isinstance(change, CellPaged)] == [CellPaged]
    cell.check()
    return machine


def test_jobs_and_tasks_stay_and_offsets_begin_again() -> None:
    cell = running_cell()
    cell.run(service(3))
    tasks = dict(cell.state.tasks)
    machine = taken_over(cell)
    assert machine.state.tasks == tasks
    assert all(isinstance(each.state, Started) for each in machine.state.tasks.values())
    assert (machine.state.generation, machine.state.next_offset) == (NEW, 1)
    assert (machine.state.epoch, machine.state.stream.stream_id) == (-1, None)


def test_what_had_not_left_waits_again_and_what_had_is_asked_for() -> None:
    cell = running_cell()
    cell.submit(batch(1), "started")
    cell.start(*(each for each, what in cell.decide() if isinstance(what, LaunchTasks)))
    cell.submit(batch(1), "unstarted")
    assert any(isinstance(what, LaunchTasks) for _, what in cell.decide())
    machine = taken_over(cell)
    kinds = {str(each.job_id): type(each.state) for each in machine.state.tasks.values()}
    assert kinds == {"started": Launched, "unstarted": Queued}
    assert machine.state.decisions == {}


def test_the_new_log_has_its_own_epochs_and_the_old_order_of_jobs() -> None:
    cell = running_cell()
    cell.submit(batch(1), "old")
    machine = taken_over(cell)
    machine.apply(1, record_of(LeaderElected(candidate="c", incarnation="i"), at_ms=cell.now_ms))
    assert machine.state.epoch == 1
    began = copied("jobs", 0, -1, PartitionBegan(generation=NEW), generation=NEW)
    new = copied("jobs", 1, 0, submission(batch(1), "new"), generation=NEW)
    machine.apply(2, record_of(began, new, epoch=1, at_ms=cell.now_ms))
    jobs = machine.state.jobs
    assert jobs[JobId("old")].accepted_offset < 0 < jobs[JobId("new")].accepted_offset


def test_the_beginning_again_changes_nothing() -> None:
    cell = running_cell()
    first = record_of(moved(cell))
    cell.machine.apply(0, first)
    before = cell.machine.digest.value()
    assert cell.machine.apply(0, first) == []
    assert cell.machine.digest.value() == before


@pytest.mark.parametrize(
    ("fact", "value", "why"),
    [
        ("cell_uuid", "another", "continues cell another"),
        ("previous_generation", "2c2c2c2c", "continues generation 2c2c2c2c"),
        ("previous_offset", 1, "continues after offset 1"),
        ("digest", "0" * 32, "has digest"),
    ],
)
def test_a_log_that_continues_another_state_halts(fact: str, value: object, why: str) -> None:
    cell = running_cell()
    with pytest.raises(Refusal, match=why):
        cell.machine.apply(0, record_of(moved(cell, **{fact: value})))


def test_readers_go_on_with_the_same_view() -> None:
    cell = running_cell()
    cell.submit(service(1))
    view = CellView()
    for offset, data in enumerate(cell.log):
        view.apply(offset, decode_record(data))
    first = record_of(moved(cell))
    view.apply(0, first)
    view.apply(1, record_of(LeaderElected(candidate="c", incarnation="i"), at_ms=cell.now_ms))
    cell.machine.apply(0, first)
    assert view.next_offset == 2
    assert view.state.jobs.keys() == cell.state.jobs.keys()


def test_inbound_topics_that_are_others_in_another_kafka_do_not_page_one_by_one() -> None:
    """The continuation has paged; a topic that is made anew there later pages as ever."""
    cell = running_cell()
    cell.submit(service(1))
    machine = taken_over(cell)
    machine.apply(1, record_of(LeaderElected(candidate="c", incarnation="i"), at_ms=cell.now_ms))
    later_ms = cell.now_ms + 2 * 3_600_000
    said = []
    for number, (topic, generation) in enumerate(
        (("jobs", "2c2c2c2c"), ("mesos", "3d3d3d3d"), ("jobs", "4e4e4e4e")), start=2
    ):
        began = PartitionBegan(generation=Generation(generation))
        anew = copied(topic, 0, -1, began, generation)
        said += machine.apply(number, record_of(anew, epoch=1, at_ms=later_ms))
    (page,) = [change for _, change in said if isinstance(change, CellPaged)]
    assert (page.kind, page.what) == ("topic made anew", "topic jobs was made anew")
    assert "2c2c2c2c" in page.why
