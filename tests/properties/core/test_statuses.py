"""What is heard of one task may come late, doubled and in any order: its end is the same."""

from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.digest import canonical_bytes
from scheduler.model.task import Finished, KillInitiated
from tests.support.cell import CellInMemory, batch, running_cell

QUICK: Final = settings(max_examples=60, deadline=None)

ALIVE: Final = ("TASK_STARTING", "TASK_RUNNING", "TASK_RUNNING", "TASK_KILLING")
REASONS: Final[dict[Any, str]] = {
    "TASK_FINISHED": "normal",
    "TASK_FAILED": "failed",
    "TASK_KILLED": "killed",
    "TASK_ERROR": "invalidRequest",
    "TASK_DROPPED": "lost",
    "TASK_GONE": "lost",
}


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """An end, and a life that holds it at least once, repeated and shuffled."""
    end = draw(st.sampled_from(sorted(REASONS)))
    alive = draw(st.lists(st.sampled_from(ALIVE), max_size=6))
    return end, draw(st.permutations([*alive, *[end] * draw(st.integers(1, 3))]))


def launched() -> CellInMemory:
    """A cell with one task that was launched."""
    cell = running_cell(hosts=1)
    cell.submit(batch(1))
    cell.launched()
    return cell


@QUICK
@given(life=shuffled())
def test_shuffled_and_repeated_updates_lead_to_the_same_end(life: tuple[Any, list[Any]]) -> None:
    end, states = life
    cell = launched()
    first = cell.task().task_id
    for state in states:
        cell.status(first, state)
    assert cell.is_in(first, Finished).reason == REASONS[end]
    replaced = [task for task in cell.state.tasks.values() if task.resubmit_of == first]
    assert len(replaced) == (REASONS[end] == "lost"), "an end counts once"


@QUICK
@given(before=st.lists(st.sampled_from(ALIVE), max_size=4), life=shuffled())
def test_after_a_kill_every_end_is_the_kills(
    before: list[Any], life: tuple[Any, list[Any]]
) -> None:
    cell = launched()
    task_id = cell.task().task_id
    for state in before:
        cell.status(task_id, state)
    cell.kill_task(task_id)
    assert isinstance(cell.task_state(task_id), KillInitiated)
    for state in life[1]:
        cell.status(task_id, state)
    assert cell.is_in(task_id, Finished).reason == "killed"


@QUICK
@given(life=shuffled(), copies=st.lists(st.integers(1, 3), min_size=9, max_size=9))
def test_an_update_repeated_in_place_changes_nothing(
    life: tuple[Any, list[Any]], copies: list[int]
) -> None:
    """Mesos repeats an update until it is acknowledged: n times said is once said."""
    _, states = life
    once, often = launched(), launched()
    for state, count in zip(states, copies, strict=False):
        once.status(once.task().task_id, state)
        for _ in range(count):
            often.status(often.task().task_id, state)
    kept = [canonical_bytes(cell.state).splitlines() for cell in (once, often)]
    without_places = [[line for line in lines if not is_place(line)] for lines in kept]
    assert without_places[0] == without_places[1]


def is_place(line: bytes) -> bool:
    """Whether the line only says how much was read: watermarks and the place in topic mesos."""
    return line.startswith((b'["watermark"', b'["cell","stream"'))


@QUICK
@given(states=st.lists(st.sampled_from([*ALIVE, *sorted(REASONS)]), max_size=8))
def test_a_task_never_goes_backwards(states: list[Any]) -> None:
    cell = launched()
    first = cell.task().task_id
    order = ("Launched", "StartInitiated", "Started", "KillInitiated", "Finished")
    for state in states:
        cell.status(first, state)
    steps = [each for each in cell.steps_of(first) if each != "Accepted"]
    assert steps == sorted(steps, key=order.index)
