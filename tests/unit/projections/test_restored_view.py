"""A view that begins at a snapshot shows the same jobs and tasks as one that folded everything.

Its histories begin late and say so; what is folded from there on is written as in the other.
"""

import pytest

from projections.cell_view import CellView
from projections.snapshot.format import Expected, capture, decode, encode
from scheduler.digest import canonical_bytes
from scheduler.model.codec import decode_record
from tests.golden.first_day import LOG
from tests.properties.core.test_long_days import lived

FIRST_DAY = LOG.read_bytes().splitlines()


def views_of(log: list[bytes], begins: int) -> tuple[CellView, CellView]:
    """A view of the whole log, and one that begins with a snapshot at this offset."""
    whole, late = CellView(), None
    for offset, data in enumerate(log):
        if offset == begins:
            taken = encode(capture(whole.machine)).data
            late = CellView.restored(decode(taken, Expected()).machine)
        whole.apply(offset, decode_record(data))
        if late is not None:
            late.apply(offset, decode_record(data))
    assert late is not None
    return whole, late


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 3, 7])
def test_the_same_jobs_and_tasks_and_the_same_entries_from_there_on(seed: int, part: float) -> None:
    log = lived(seed).cell.log if seed else FIRST_DAY
    begins = int(len(log) * part)
    whole, late = views_of(log, begins)

    assert late.begins_at_offset == begins
    assert canonical_bytes(late.state) == canonical_bytes(whole.state)
    assert list(late.state.jobs) == list(whole.state.jobs)
    assert late.timeline.open_proposals == whole.timeline.open_proposals
    assert late.timeline.orphans.keys() == whole.timeline.orphans.keys()
    for job_id in whole.state.jobs:
        wanted, found = whole.job_history(job_id), late.job_history(job_id)
        assert wanted is not None
        assert found is not None
        assert late.job(job_id) == whole.job(job_id)
        assert found.task_ids.keys() <= wanted.task_ids.keys()
    for task_id, task in whole.state.tasks.items():
        before, there = whole.task_history(task_id), late.task_history(task_id)
        assert before is not None
        assert there is not None
        assert (there.state, there.job_id) == (before.state, task.job_id)
        assert there.replaced_by == before.replaced_by
        new = [each.what for each in before.entries if each.offset >= begins]
        if not before.dropped and all(each.count == 1 for each in before.entries):
            assert [each.what for each in there.entries if each.count == 1] == new


def test_a_task_is_created_in_the_order_of_the_state_and_before_all_that_follow() -> None:
    whole, late = views_of(FIRST_DAY, len(FIRST_DAY) // 2)
    created = [each.created for each in late.timeline.histories.tasks.values()]
    assert created == sorted(set(created))
    shared = [each for each in late.timeline.histories.tasks if whole.task_history(each)]
    assert shared, "the day has tasks before and behind its middle"
