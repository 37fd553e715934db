"""Copies of inbound records: taken once, in order, whatever ingest repeats or forgets."""

import pytest

from scheduler.model.changes import CellPaged, JobAccepted, JobRejected, RequestAccepted
from scheduler.model.ids import JobId
from scheduler.model.inbound import (
    Fault,
    InboundBody,
    InboundLost,
    InboundRejected,
    PartitionBegan,
    RecordSkipped,
)
from scheduler.model.mesos import HostFailed, Unrecognised
from tests.support.cell import (
    GENERATION,
    CellInMemory,
    batch,
    copied,
    running_cell,
    submission,
)

OTHER = "0f0f0f0f"
JOBS = ("jobs", 0)


def begun() -> CellInMemory:
    """A cell that has taken records 0 and 1 of its topic ``jobs``."""
    cell = running_cell(hosts=0)
    cell.submit(batch(1), "first")
    assert cell.state.watermarks[JOBS].offset == 1
    return cell


def job(name: str) -> InboundBody:
    """A submission."""
    return submission(batch(1), name)


def jobs(cell: CellInMemory) -> list[str]:
    """The jobs that the cell knows, in order."""
    return list(cell.state.jobs)


@pytest.mark.parametrize(
    ("offset", "previous", "is_taken"),
    [
        (2, 1, True),
        (7, 1, True),  # A run of records stands in one copy.
        (2, 0, False),  # Taken before.
        (1, 0, False),
        (2, 2, False),  # Something is missing.
        (3, 2, False),
        (1, 1, False),  # Does not go on.
        (0, 1, False),
        (0, -1, False),
    ],
)
def test_a_copy_is_taken_only_where_the_one_before_it_was(
    offset: int, previous: int, is_taken: bool
) -> None:
    cell = begun()
    before = cell.machine.digest.value()
    cell.write(copied("jobs", offset, previous, job("second")))
    assert ("second" in jobs(cell)) == is_taken
    assert cell.state.watermarks[JOBS].offset == (offset if is_taken else 1)
    if not is_taken:
        assert cell.machine.digest.value() == before
        assert cell.said_last() == []


def test_after_a_gap_ingest_begins_again_at_the_watermark() -> None:
    cell = begun()
    second, third, fourth = (copied("jobs", at, at - 1, job(f"job{at}")) for at in (2, 3, 4))
    cell.write(third, fourth)
    assert jobs(cell) == ["first"]
    cell.write(second, third)
    cell.write(third, fourth)
    assert jobs(cell) == ["first", "job2", "job3", "job4"]
    assert len(cell.said(JobAccepted)) == 4


def test_partitions_do_not_disturb_each_other() -> None:
    cell = begun()
    cell.set_policy(batch_size_max=7)
    assert cell.state.watermarks[JOBS].offset == 1
    assert cell.state.watermarks["commands", 0].offset == 1
    cell.submit(batch(1), "second")
    assert jobs(cell) == ["first", "second"]


def test_the_first_record_of_a_partition_has_none_before_it() -> None:
    cell = running_cell(hosts=0)
    cell.write(copied("jobs", 4, 3, job("second")))
    assert jobs(cell) == []
    cell.write(copied("jobs", 0, -1, PartitionBegan(generation=GENERATION)))
    cell.write(copied("jobs", 1, 0, job("second")))
    assert jobs(cell) == ["second"]


def test_a_partition_whose_beginning_was_lost_begins_with_the_loss() -> None:
    cell = running_cell(hosts=0)
    cell.write(copied("jobs", 4, -1, InboundLost(first_offset=0, last_offset=4)))
    assert [type(change) for change in cell.said_last()] == [CellPaged]
    cell.write(copied("jobs", 5, 4, job("second")))
    assert jobs(cell) == ["second"]


def test_another_generation_does_not_begin_with_a_loss() -> None:
    cell = begun()
    cell.write(copied("jobs", 4, -1, InboundLost(first_offset=0, last_offset=4), OTHER))
    assert cell.state.watermarks[JOBS].generation == GENERATION


def test_another_generation_begins_only_with_its_first_record() -> None:
    cell = begun()
    for offset, previous in ((2, 1), (1, 0), (5, -1)):
        cell.write(copied("jobs", offset, previous, job("second"), OTHER))
    assert jobs(cell) == ["first"]
    cell.write(copied("jobs", 0, -1, PartitionBegan(generation=OTHER), OTHER))
    assert cell.state.watermarks[JOBS].generation == OTHER
    cell.write(copied("jobs", 1, 0, job("second"), OTHER))
    assert jobs(cell) == ["first", "second"]


def test_the_old_generation_is_over_when_another_has_begun() -> None:
    cell = begun()
    cell.write(copied("jobs", 0, -1, PartitionBegan(generation=OTHER), OTHER))
    cell.write(copied("jobs", 2, 1, job("second")))
    cell.write(copied("jobs", 1, 0, job("third")))
    assert jobs(cell) == ["first"]


def test_a_beginning_in_the_middle_begins_nothing() -> None:
    cell = begun()
    cell.write(copied("jobs", 0, -1, PartitionBegan(generation=GENERATION)))
    assert cell.state.watermarks[JOBS].offset == 1
    cell.write(copied("jobs", 2, 1, PartitionBegan(generation=OTHER)))
    assert cell.state.watermarks[JOBS].offset == 2
    assert cell.state.watermarks[JOBS].generation == GENERATION


def test_lost_records_are_passed_over_and_page() -> None:
    cell = begun()
    cell.write(copied("jobs", 9, 1, InboundLost(first_offset=2, last_offset=9)))
    (page,) = cell.said_last()
    assert isinstance(page, CellPaged)
    assert "records 2 to 9 of jobs/0a0b0c0d:0:9 were lost" in page.why
    cell.write(copied("jobs", 10, 9, job("second")))
    assert jobs(cell) == ["first", "second"]


def test_a_record_that_could_not_be_read_is_answered() -> None:
    cell = begun()
    fault = Fault(field="batch.size", text="is -1", hint="give 1 or more")
    rejected = InboundRejected(faults=(fault,), digest="d", job_id=JobId("second"))
    cell.copy("jobs", rejected)
    (answer,) = cell.said_last()
    assert isinstance(answer, JobRejected)
    assert (answer.faults, answer.job_id, answer.source.offset) == ((fault,), "second", 2)


@pytest.mark.parametrize(
    "body",
    [
        HostFailed(stream_id="s"),  # type: ignore[arg-type]
        Unrecognised(stream_id="s", raw="{}"),  # type: ignore[arg-type]
    ],
)
def test_facts_for_people_change_nothing_but_the_watermark(body: InboundBody) -> None:
    cell = running_cell(hosts=1)
    before = cell.inbound["mesos"]
    cell.copy("mesos", body)
    assert cell.said_last() == []
    assert cell.state.watermarks["mesos", 0].offset == before + 1
    assert cell.state.stream.mesos_offset == before + 1


def test_a_skip_is_answered_and_is_for_the_reader_to_obey() -> None:
    cell = begun()
    cell.copy("commands", RecordSkipped(offset=7, digest="d", actor="op", why="seen"))
    (answer,) = cell.said_last()
    assert isinstance(answer, RequestAccepted)
    assert answer.what == "skip record 7"


def test_the_place_in_topic_mesos_is_that_of_the_last_copy_taken() -> None:
    cell = running_cell(hosts=1)
    offset = cell.inbound["mesos"]
    assert cell.state.stream.mesos_offset == offset
    cell.status(cell.run(batch(1))[0], "TASK_FINISHED")
    assert cell.state.stream.mesos_offset == cell.inbound["mesos"] > offset
    cell.write(copied("mesos", 99, 98, HostFailed(stream_id=cell.stream_id)))
    assert cell.state.stream.mesos_offset == cell.inbound["mesos"]


def test_a_partition_that_was_made_anew_pages_and_mesos_is_asked_again() -> None:
    """Fault: a topic was deleted and created again; what stood behind the watermark is lost."""
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    assert task_id not in cell.state.unanswered
    cell.write(copied("mesos", 0, -1, PartitionBegan(generation=OTHER), OTHER))
    (page,) = cell.said(CellPaged)
    assert (page.kind, page.what) == ("topic made anew", "topic mesos was made anew")
    assert task_id in cell.state.unanswered
    cell.write(copied("mesos", 0, -1, PartitionBegan(generation=OTHER), OTHER))
    assert len(cell.said(CellPaged)) == 1
