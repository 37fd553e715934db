"""The past of a cell that goes on in another Kafka: one past, over both of its logs."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from projections.history import HistoryOf
from projections.travel.causes import Trace
from projections.travel.diff import Difference
from projections.travel.questions import DiffOf, EventsAt, StateAt, TimelineOf, TraceOf, WhyAt
from projections.why import Why
from scheduler.digest import Digest, canonical_bytes
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.events import CellContinued, Copied
from scheduler.model.ids import Generation
from scheduler.model.inbound import InboundBody, PartitionBegan
from streams.travel.answering import Answering, EarlierAnswers
from streams.travel.replaying import Replaying
from streams.travel.traveller import TimelinePage
from tests.support.cell import CellInMemory, batch, copied, running_cell, service
from tests.support.log_in_memory import LogInMemory, NotesInMemory, SnapshotsInMemory

OLD, NEW = "0a0b0c0d", Generation("1b1b1b1b")
Found = TypeVar("Found")


def run(asked: Coroutine[Any, Any, Found]) -> Found:
    """What the coroutine answers."""
    return asyncio.run(asked)


class MovedCell(CellInMemory):
    """A cell that goes on in another Kafka, with inbound topics of that."""

    def __init__(self, before: CellInMemory) -> None:
        self.__dict__.update(before.__dict__)
        self.before = list(before.log)
        self.log, self.inbound = [], {}
        state, self.epoch = self.machine.state, -1
        self.now_ms += 3_600_000
        self.write(
            CellContinued(
                cell=state.cell,
                cell_uuid=state.cell_uuid,
                generation=NEW,
                previous_generation=state.generation,
                previous_offset=state.next_offset - 1,
                digest_version=Digest.version,
                digest=self.machine.digest.value(),
            )
        )

    def copies(self, topic: str, *bodies: InboundBody) -> list[Copied]:
        """The copies of the next records of one topic of the new Kafka."""
        events: list[Copied] = []
        if topic not in self.inbound:
            self.inbound[topic] = 0
            events.append(copied(topic, 0, -1, PartitionBegan(generation=NEW), generation=NEW))
        for body in bodies:
            last = self.inbound[topic]
            events.append(copied(topic, last + 1, last, body, generation=NEW))
            self.inbound[topic] = last + 1
        return events


@pytest.fixture(scope="module")
def cell() -> MovedCell:
    """A service starts, and a job that ends; the Kafka is lost; one of the service is killed."""
    cell = running_cell(2)
    cell.run(service(2), "service")
    (ended,) = cell.run(batch(1), "ended")
    cell.status(ended, "TASK_FINISHED")
    moved = MovedCell(cell)
    moved.elect("cell-1")
    moved.subscribe()
    moved.kill_job("service")
    moved.decide_and_carry_out()
    for task in moved.tasks("service"):
        moved.status(task.task_id, "TASK_KILLED")
    return moved


def asked(cell: MovedCell, archived: int | None = None) -> Answering:
    """Answers about both logs; of the first so many records are at hand."""
    log = LogInMemory(cell.before[:archived], OLD)
    snapshots = SnapshotsInMemory(cell.before, (len(cell.before),))  # `continue` took it.
    before = Answering(log, snapshots, NotesInMemory(log.log, len(log.log)))
    earlier = EarlierAnswers(before, OLD, len(cell.before))
    return Answering(LogInMemory(cell.log, NEW), earlier=earlier)


def folded(cell: MovedCell, end: int) -> Machine:
    """Both logs folded from the very beginning."""
    machine = Machine()
    for log in (cell.before, cell.log[:end]):
        for offset, data in enumerate(log):
            machine.apply(offset, decode_record(data))
    return machine


def test_states_of_the_new_log_begin_at_the_end_of_the_old(cell: MovedCell) -> None:
    answers = asked(cell)
    for end in (1, 3, len(cell.log)):
        view = run(answers.machine.view_at(end))
        assert canonical_bytes(view.state) == canonical_bytes(folded(cell, end).state)
    assert cell.machine.digest.value() == folded(cell, len(cell.log)).digest.value()


@pytest.mark.parametrize("at", ["2023-11-14T22:13:20.001Z", f"test/{OLD}:5"])
def test_instants_of_the_old_log_are_answered_from_it(cell: MovedCell, at: str) -> None:
    assert f'"test/{OLD}:' in run(asked(cell).ask(StateAt(at))).decode()
    assert f'"test/{NEW}:' in run(asked(cell).ask(StateAt("now"))).decode()


def test_a_timeline_goes_over_both(cell: MovedCell) -> None:
    answers = asked(cell)
    task_id = cell.tasks("service")[0].task_id
    whole = timeline(answers, TimelineOf(task_id))
    generations = [each.address.partition(":")[0] for each in whole.lines]
    first_new = generations.index(f"test/{NEW}")
    assert set(generations[:first_new]) == {f"test/{OLD}"}
    assert set(generations[first_new:]) == {f"test/{NEW}"}
    assert whole.lines[0].what == "queued"
    assert whole.lines[-1].state == "Finished"
    assert whole.total == len(whole.lines)
    pages: list[object] = []
    for skip in range(0, whole.total, 3):
        page = timeline(answers, TimelineOf(task_id, limit=3, skip=skip))
        assert page.next_skip == (skip + 3 if skip + 3 < whole.total else 0)
        pages += page.lines
    assert tuple(pages) == whole.lines
    ended = timeline(answers, TimelineOf("ended"))
    assert ended.total
    assert not ended.lacking


def test_a_timeline_says_what_it_lacks(cell: MovedCell) -> None:
    task_id = cell.tasks("service")[0].task_id
    nothing = timeline(asked(cell, 0), TimelineOf(f"{task_id}"))
    assert OLD in nothing.lacking


def test_a_difference_over_both(cell: MovedCell) -> None:
    found = run(asked(cell).answer(DiffOf(f"test/{OLD}:{len(cell.before) - 1}", "now")))
    assert isinstance(found, Difference)
    assert {each.id for each in found.entities if each.kind == "job"} == {"service"}
    assert all(f"test/{NEW}:" in address for each in found.entities for address in each.addresses)


def test_a_difference_backwards_names_events_of_the_old_log(cell: MovedCell) -> None:
    at = len(cell.before) - 4
    found = run(asked(cell).answer(DiffOf("now", f"test/{OLD}:{at}")))
    assert isinstance(found, Difference)
    addresses = [each for entity in found.entities for each in entity.addresses]
    assert addresses
    assert all(int(each.partition(":")[2].partition("[")[0]) > at for each in addresses)


def test_what_began_in_the_old_log_is_explained_from_where_the_new_one_begins(
    cell: MovedCell,
) -> None:
    answers = asked(cell)
    task_id = cell.tasks("service")[0].task_id
    found = run(answers.answer(WhyAt(task_id, "now")))
    assert isinstance(found, Why)
    events = run(answers.answer(EventsAt(task_id, "now")))
    assert isinstance(events, HistoryOf)
    assert events.lines[0].what == "kill asked"
    assert events.lines[-1].state == "Finished"
    at = f"test/{OLD}:{len(cell.before) - 1}"
    trace = run(answers.answer(TraceOf(at, "causes")))
    assert isinstance(trace, Trace)
    assert trace.address.startswith(f"test/{OLD}:")


def test_a_replay_begins_at_the_end_of_the_old_log(cell: MovedCell) -> None:
    answers = asked(cell)
    replayed = run(Replaying(answers.machine, answers.snapshots).run(0, len(cell.log)))
    assert replayed.began_at == f"the end of generation {OLD}"
    assert replayed.digest == folded(cell, len(cell.log)).digest.value()


def timeline(answers: Answering, question: TimelineOf) -> TimelinePage:
    """The page that answers."""
    found = run(answers.answer(question))
    assert isinstance(found, TimelinePage)
    return found
