"""Whatever a day was like, the past looks the same whatever it is looked at from.

A random cell lives through a random day (as in `test_views`). Then random instants are asked for:
the state, why, histories, timelines and differences from snapshots at random places with a table of
notes up to a random place must be exactly those of a fold from zero.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from projections.cell_view import CellView
from projections.entries import Entry
from projections.history import history_of_job, history_of_task
from projections.summary import summary
from projections.travel.notes import Noted
from projections.travel.rebuilt import Rebuilt
from projections.why import Unknown, why
from scheduler.digest import canonical_bytes
from scheduler.model.codec import decode_record
from streams.travel.answering import Answering
from streams.travel.errors import TravelError
from tests.properties.test_views import STEPS, RandomCell
from tests.support.log_in_memory import LogInMemory, NotesInMemory, SnapshotsInMemory

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""A day that fails is not made smaller: it names its seed, and shrinking takes minutes."""


def random_log(data: st.DataObject) -> list[bytes]:
    """The log of a random day."""
    cell = RandomCell(data)
    for step in data.draw(st.lists(STEPS, min_size=10, max_size=40)):
        getattr(cell, step)()
    return cell.cell.log


def folded(log: list[bytes], end: int) -> CellView:
    """The view from zero."""
    view = CellView()
    for offset in range(end):
        view.apply(offset, decode_record(log[offset]))
    return view


def names_of(view: CellView) -> list[str]:
    """All jobs and tasks that the view has histories of."""
    histories = view.timeline.histories
    return [*histories.jobs, *histories.tasks, *view.state.orphans]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_histories_made_again_from_notes_are_those_of_the_view(data: st.DataObject) -> None:
    log = random_log(data)
    noted = Noted()
    rows = [row for at, each in enumerate(log) for row in noted.take(at, decode_record(each))]
    rebuilt = Rebuilt().take(rows)
    histories = noted.view.timeline.histories
    for job_id, job in histories.jobs.items():
        again = rebuilt.jobs[job_id]
        assert (again.entries, again.dropped) == (job.entries, job.dropped)
        assert again.refusals == job.refusals
        assert again.job == job.job
        assert again.task_ids.keys() >= job.task_ids.keys()
    for task_id, task in histories.tasks.items():
        again_t = rebuilt.tasks[task_id]
        assert lean(again_t.entries) == lean(task.entries)
        assert (again_t.state, again_t.created) == (task.state, task.created)
        assert (again_t.task, again_t.replaced_by) == (task.task, task.replaced_by)


def lean(entries: list[Entry]) -> list[Entry]:
    """Entries without what a round said of other jobs, which notes leave out."""
    return [msgspec.structs.replace(each, fact=None) for each in entries]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(st.data())
def test_the_past_is_the_same_from_snapshots_and_notes_as_from_zero(data: st.DataObject) -> None:
    log = random_log(data)
    whole = st.integers(1, len(log))
    snapshots = SnapshotsInMemory(log, data.draw(st.lists(whole, max_size=3)))
    notes = NotesInMemory(log, data.draw(whole))
    quick = Answering(LogInMemory(log), snapshots, notes)
    slow = Answering(LogInMemory(log))
    asyncio.run(compare(data, log, quick, slow))


async def compare(data: st.DataObject, log: list[bytes], quick: Answering, slow: Answering) -> None:
    """Ask both the same of some random instants."""
    for _ in range(4):
        end = data.draw(st.integers(1, len(log)))
        view = folded(log, end)
        travelled = await quick.machine.view_at(end)
        assert canonical_bytes(travelled.state) == canonical_bytes(view.state)
        same(summary_of(await quick.traveller.state(str(end - 1))), summary_of(summary(view)))
        names = names_of(view)
        for name in data.draw(st.permutations(names))[:8]:
            found = why(view, name)
            assert not isinstance(found, Unknown)
            same(await quick.traveller.why(name, str(end - 1)), found)
            history = history_of_job(view, name) or history_of_task(view, name)  # type: ignore[arg-type]
            if history is not None:
                events = await quick.traveller.events(name, str(end - 1), is_with_tasks=False)
                same(events, history)
            await same_timelines(name, end, quick, slow)
        other = data.draw(st.integers(1, len(log)))
        between = (str(end - 1), str(other - 1), 1_000)
        ours = await quick.traveller.diff(*between)
        theirs = await slow.traveller.diff(*between)
        assert ours.counts == theirs.counts
        same(ours.entities, theirs.entities)


def same(ours: object, theirs: object) -> None:
    """Assert that both are equal; names the parts that are not."""
    assert list(unequal(msgspec.to_builtins(ours), msgspec.to_builtins(theirs), "")) == []


def unequal(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    """The parts that are not equal."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            yield from unequal(ours.get(name), theirs.get(name), f"{path}.{name}")
    elif isinstance(ours, list | tuple) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from unequal(one, other, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} and not {theirs!r}"


async def same_timelines(name: str, end: int, quick: Answering, slow: Answering) -> None:
    """Timelines of both are the same, or both know nothing."""
    asked = (name, "", str(end - 1), 1_000)
    try:
        wanted = await slow.traveller.timeline(*asked)
    except TravelError:
        wanted = None
    if wanted is not None:
        same(await quick.traveller.timeline(*asked), wanted)


def summary_of(found: object) -> object:
    """A summary without what is of the reader and not of the cell."""
    return msgspec.structs.replace(
        found,
        digest="",
        histories_dropped=0,  # type: ignore[type-var]
    )
