"""Lines made of notes are those of the histories, and links go where the histories say."""

from typing import Any

from msgspec.structs import replace

from projections.cell_view import CellView
from projections.history import Line, history_of_task
from projections.travel.causes import LINKS_MAX, TASKS_MAX, Graph
from projections.travel.lines import lines_of_notes, with_refusals
from projections.travel.notes import Note, Noted
from scheduler.model.codec import decode_record
from scheduler.model.ids import HostId, TaskId
from scheduler.model.job import JobSpec, RetryPolicy
from scheduler.model.resources import Need
from scheduler.rounds.planner import TOLD_AGAIN_MS
from tests.support.cell import CellInMemory, batch, running_cell

LARGE = Need(cpu_milli=3_000, memory_mib=64)


def folded(cell: CellInMemory) -> tuple[CellView, list[Note]]:
    """The cell's view, and all notes of its log."""
    noted = Noted()
    rows = [
        each for at, data in enumerate(cell.log) for each in noted.take(at, decode_record(data))
    ]
    return noted.view, rows


def lines_of(cell: CellInMemory, task_id: str) -> list[Line]:
    """The timeline of a task of job ``job``, rounds that refused it included."""
    view, rows = folded(cell)
    own = [each for each in rows if each.task_id == task_id]
    of_job = [each for each in rows if each.job_id == "job" and not each.task_id]
    return list(lines_of_notes(view, with_refusals(own, of_job)))


def refused_rounds(cell: CellInMemory, task_id: str) -> int:
    """Rounds that refused the task, as its history counts them."""
    history = history_of_task(folded(cell)[0], TaskId(task_id))
    assert history is not None
    return sum(each.count for each in history.lines if each.what == "round refused")


def whats(lines: list[Line]) -> list[str]:
    """What each line is."""
    return [each.what for each in lines]


def refused(cell: CellInMemory, times: int) -> None:
    """So many rounds find no place, and say so; each has one more host that is too small."""
    for number in range(times):
        cell.pass_ms(TOLD_AGAIN_MS)
        cell.offer(f"small-{len(cell.log)}-{number}", 1)
        assert cell.launched() == []


def retried_later() -> JobSpec:
    """Two large tasks that are tried again after a minute."""
    spec = batch(2, need=LARGE)
    return replace(spec, retry=RetryPolicy("delayed", 3, 60_000, 60_000))


def test_rounds_stand_between_the_lines_of_the_task_that_waited_for_them() -> None:
    cell = running_cell(0)
    cell.submit(batch(need=LARGE))
    refused(cell, 2)
    cell.offer("host1")
    (task_id,) = cell.launched()
    found = whats(lines_of(cell, task_id))
    rounds = refused_rounds(cell, task_id)
    assert rounds >= 2
    assert found[: rounds + 2] == ["queued", *["round refused"] * rounds, "launch proposed"]
    assert found.count("round refused") == rounds


def test_a_task_that_waits_for_its_retry_is_refused_by_no_round_of_its_job() -> None:
    cell = running_cell(1)
    cell.submit(retried_later())
    (first,) = cell.launched()
    refused(cell, 2)
    cell.status(first, "TASK_FAILED")
    second = cell.task(0).task_id
    refused(cell, 2)
    assert refused_rounds(cell, second) == 0
    assert "round refused" not in whats(lines_of(cell, second))
    cell.pass_ms(60_000)
    refused(cell, 1)
    assert refused_rounds(cell, second) == whats(lines_of(cell, second)).count("round refused") == 1
    cell.offer("host1")
    assert len(cell.launched()) == 1
    for task_id in (first, second, cell.task(1).task_id):
        lines = whats(lines_of(cell, task_id))
        assert lines.count("round refused") == refused_rounds(cell, task_id), task_id


def requeued() -> CellInMemory:
    """A launch was accepted, and its leader went before it left; then rounds refuse it."""
    cell = running_cell(1)
    cell.submit(batch(need=LARGE))
    cell.decide()
    cell.elect("cell-1")
    cell.subscribe()
    refused(cell, 3)
    return cell


def test_a_task_that_went_back_is_refused_by_the_rounds_since() -> None:
    cell = requeued()
    lines = lines_of(cell, "job-worker-0-1")
    assert whats(lines) == [
        "queued",
        "launch proposed",
        "requeued",
        *["round refused"] * refused_rounds(cell, "job-worker-0-1"),
    ]
    assert refused_rounds(cell, "job-worker-0-1") >= 2


def test_a_task_that_went_back_was_led_there_by_its_launch() -> None:
    lines = lines_of(requeued(), "job-worker-0-1")
    queued, launched, back, *rounds = (each.address for each in lines)
    graph = Graph([lines])
    causes = graph.trace(back, "causes", "", {})
    assert launched in next(each for each in causes.steps if each.address == back).led_to_by
    (step,) = graph.trace(rounds[-1], "causes", "", {}).steps[-1:]
    assert step.led_to_by == (back,), "a round that refused it took up what waited"
    assert queued in {each.address for each in causes.steps}


def test_a_history_that_is_told_twice_makes_no_line_and_no_link_twice() -> None:
    lines = lines_of(requeued(), "job-worker-0-1")
    once, twice = Graph([lines]), Graph([lines, lines])
    last = lines[-1].address
    assert once.trace(last, "causes", "", {}) == twice.trace(last, "causes", "", {})
    many = [[replace(line(1, "queued"), task_id=f"task-{n:02}")] for n in range(TASKS_MAX - 1)]
    told = Graph(each for lines in many for each in (lines, lines))
    (step,) = told.trace("test/0a0b0c0d:1[0]", "causes", "", {}).steps
    assert len(step.texts) == TASKS_MAX - 1, "as many as there are, for there is room"


def line(place: int, what: str, **more: Any) -> Line:
    """A line of a made-up history."""
    return Line(f"test/0a0b0c0d:{place}[0]", place, what, "job", "task", **more)


def test_an_event_does_not_lead_to_itself() -> None:
    address = "test/0a0b0c0d:2[0]"
    graph = Graph([[line(1, "queued"), line(2, "launch proposed", cause=address)]])
    (first, second) = graph.trace(address, "causes", "", {}).steps
    assert (first.led_to_by, second.led_to_by) == ((), (first.address,))


def test_a_launch_without_its_round_was_led_to_by_the_wait() -> None:
    graph = Graph([[line(1, "queued"), line(2, "status"), line(3, "launch proposed")]])
    (step,) = graph.trace("test/0a0b0c0d:3[0]", "causes", "", {}).steps[-1:]
    assert step.led_to_by == ("test/0a0b0c0d:1[0]",)


def test_of_too_long_a_chain_the_end_that_was_asked_about_is_shown() -> None:
    lines = [
        line(place, "kill proposed", cause=f"test/0a0b0c0d:{place - 1}[0]" if place else "")
        for place in range(LINKS_MAX + 3)
    ]
    graph = Graph([lines])
    causes = graph.trace(lines[-1].address, "causes", "", {})
    assert (len(causes.steps), causes.dropped) == (LINKS_MAX, 3)
    assert causes.steps[-1].address == lines[-1].address
    effects = graph.trace(lines[0].address, "effects", "", {})
    assert (len(effects.steps), effects.dropped) == (LINKS_MAX, 3)
    assert effects.steps[0].address == lines[0].address


def test_a_kill_names_the_decision_of_its_own_task() -> None:
    cell = running_cell(2)
    first, second = cell.run(batch(2))
    cell.kill_task(first)
    cell.decide_and_carry_out()
    cell.kill_task(second)
    cell.decide_and_carry_out()
    view, rows = folded(cell)
    told = list(lines_of_notes(view, [each for each in rows if each.task_id]))
    asked = {each.task_id: each.address for each in told if each.what == "kill asked"}
    proposed = {each.task_id: each.cause for each in told if each.what == "kill proposed"}
    assert proposed == asked
    assert len(set(asked.values())) == 2
    late = list(lines_of_notes(view, [each for each in rows if b"kill proposed" in each.body]))
    assert {each.task_id: each.cause for each in late} == asked


def test_a_line_of_an_orphan_and_of_a_host_name_the_host() -> None:
    cell = running_cell(1)
    cell.status(TaskId("stranger"), "TASK_RUNNING", host_id=HostId("host1"))
    cell.status(TaskId("stranger"), "TASK_FINISHED", host_id=HostId("host1"))
    view, rows = folded(cell)
    orphans = [each for each in lines_of_notes(view, rows) if each.task_id == "stranger"]
    assert [(each.what, each.hostname) for each in orphans] == [
        ("orphan seen", "name-of-host1"),
        ("orphan gone", view.hostname(None)),
    ]
    (offered,) = [each for each in lines_of_notes(view, rows) if each.what == "offered first"]
    assert (offered.host_id, offered.hostname) == ("host1", "name-of-host1")
    assert offered.source.startswith("mesos/")
