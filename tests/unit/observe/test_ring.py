"""What a ring holds: values until somebody reads, then bytes, and never more than it may."""

import msgspec

from projections.cell_view import CellView
from projections.observe.observer import Observer, data_of
from projections.observe.ring import VALUES_BYTES, Ring, Told
from projections.observe.wanted import Wanted
from projections.v3 import task_json
from projections.v3_query import Query
from scheduler.model.codec import decode_record
from tests.support.cell import running_cell, service


def told_of_a_cell() -> tuple[CellView, list[Told], list[dict[str, object]]]:
    """Events of tasks, and what each task was when its record had been folded."""
    cell = running_cell(hosts=3)
    cell.run(service(desired=4), "s")
    view, observer = CellView(), Observer()
    told: list[Told] = []
    was: list[dict[str, object]] = []
    for offset, data in enumerate(cell.log):
        record = decode_record(data)
        changes = view.apply(offset, record)
        for each in observer.told(view, offset, record, changes).get("jobs", []):
            if each.task is not None:
                told.append(each)
                found = task_json(view, each.task.task_id)
                assert found is not None
                was.append(found)
    assert len(told) > 10
    return view, told, was


def test_an_event_says_what_was_so_however_late_it_is_written() -> None:
    view, told, was = told_of_a_cell()
    assert not any(each.data for each in told), "nobody has read"
    assert [msgspec.json.decode(data_of(view, each))["task"] for each in told] == was


def test_it_is_written_once_for_all_readers_and_not_for_those_it_is_not_for() -> None:
    view, told, _ = told_of_a_cell()
    others = Wanted(Query(job_ids=frozenset(["another"])), is_resumed=False)
    assert [others.data_of(view, each) for each in told] == [None] * len(told)
    assert not any(each.data for each in told)
    readers = [Wanted(Query(), is_resumed=False) for _ in range(3)]
    for each in told:
        first, *more = [reader.data_of(view, each) for reader in readers]
        assert first
        assert all(data is first for data in more)


def test_what_is_written_counts_and_drops_the_oldest() -> None:
    view, told, _ = told_of_a_cell()
    size = len(data_of(view, told[0]))
    told[0].data = b""
    ring = Ring(1_000, len(told) * VALUES_BYTES + 3 * size)
    for each in told:
        ring.add(each)
    assert len(ring) == len(told), "values alone have room"
    for each in told:
        data_of(view, each)
    ring.count_written(told)
    ring.count_written(told)  # Who reads them again counts nothing again.
    ring.add(Told(10**6, 0, "JobUpdate", b"{}"))
    kept = ring.read(ring.end - len(ring), 1_000)
    assert kept is not None
    assert sum(each.bytes_total for each in kept) <= len(told) * VALUES_BYTES + 3 * size
    assert 3 <= len(kept) < len(told)
    ring.count_written(told)  # Of those that were dropped meanwhile nothing is counted any more.
    for _ in range(len(told)):
        ring.add(Told(10**6, 1, "JobUpdate", b"{}"))
    assert len(ring) > len(told)
