"""Streams that go on further back than the ring: a walk through the log, without gap or repeat.

Shown against a reader that stayed: who comes back after everything that happened, at an api whose
rings hold next to nothing, is sent the very same events, in as many pages as it takes.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from connectors.web.observing import ObserveLimits
from connectors.web.travelling import TravelRefused
from projections.observe.names import STREAMS, Stream
from projections.observe.ring import WHOLE_RECORD
from projections.observe.walked import WalkedPage, end_of
from projections.travel.questions import Question, ToldAfter
from scheduler.model.ids import HostId
from scheduler.model.inbound import HostOrdered, Standing
from streams.travel.answering import Answering
from streams.travel.telling import Telling
from streams.travel.wire import ASKED, Asked, line_of
from tests.support.asgi import answer
from tests.support.cell import running_cell
from tests.support.event_reader import Event, Reader
from tests.support.log_in_memory import LogInMemory, SnapshotsInMemory
from tests.support.travel_here import TravelHere
from tests.support.web_cell import WebCell, descriptor, service_descriptor

JOBS = "/api/v3/observe/jobs"
WHOLE = ObserveLimits(gather_s=0.0)
SHORT = ObserveLimits(gather_s=0.0, events_max=3)
"""Rings of three events: whoever comes back has to walk."""
PATHS = {
    "jobs": JOBS,
    "agents": "/api/v3/observe/agents",
    "eviction": "/api/v3/eviction/observe",
    "relocation": "/api/v3/relocation/observe",
    "scheduler": "/api/v3/scheduler/observe",
    "membership": "/api/v3/clustermembership/observe",
}


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def busy(web: WebCell) -> None:
    """A day on which something happens of which each stream tells."""
    cell = web.cell
    body = service_descriptor(3)
    assert (await answer(web.app, "POST", "/api/v3/jobs?jobId=s", body)).status == 201
    cell.launched()
    for host in ("host1", "host2", "host3", "host2"):
        standing: Standing = "draining" if host != "host3" else "disabled"
        cell.copy("commands", HostOrdered(HostId(host), standing, "ops", "old"))
        cell.copy("commands", HostOrdered(HostId(host), "enabled", "ops", "done"))
    for name in "abcdef":
        made = descriptor(batch={"size": 2})
        assert (await answer(web.app, "POST", f"/api/v3/jobs?jobId={name}", made)).status == 201
        cell.launched()
        for task in cell.tasks(name):
            cell.status(task.task_id, "TASK_RUNNING")
            cell.status(task.task_id, "TASK_FINISHED")
    cell.kill_task(cell.task(0, "s").task_id)
    cell.elect("cell-1")
    cell.subscribe()
    assert web.view.next_offset == len(cell.log)


@pytest.mark.parametrize("page_bytes", [1, 4_000, 1_000_000])
@pytest.mark.parametrize("stream", STREAMS)
def test_who_comes_back_late_is_sent_what_who_stayed_was_sent(
    stream: Stream, page_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.travel.telling.PAGE_BYTES", page_bytes)
    monkeypatch.setattr("streams.travel.telling.RECORDS_AT_ONCE", 1)
    cell = running_cell(hosts=3)
    stayed_at, back_at = WebCell(cell, observe=WHOLE), WebCell(cell, observe=SHORT)

    async def test() -> None:
        assert back_at.observing.begin(back_at.view, 0)
        async with Reader(stayed_at.app, PATHS[stream]) as stayed:
            await stayed.until("SnapshotEnd")
            first = stayed.last_id
            await busy(stayed_at)
            whole = await told_until(stayed, stayed_at, stream)
        assert back_at.view.next_offset == len(cell.log)
        async with Reader(back_at.app, PATHS[stream], first) as back:
            again = await told_until(back, back_at, stream)
        assert again == whole
        assert len({each.id for each in again}) == len(again)
        if stream in {"jobs", "scheduler", "agents"}:
            assert len(back_at.observing.ring(stream)) < len(again), "nobody had to walk"
        assert not back_at.observing.walking.locked()

    run(test)


async def told_until(reader: Reader, web: WebCell, stream: Stream) -> list[Event]:
    """All that has an id, up to the last that the ring of the stream has."""
    ring = web.observing.ring(stream)
    last = ring.read(ring.end - 1, 1) if len(ring) else []
    if last:
        wanted = f"{web.view.state.cell}/{web.view.state.generation}:{last[0].offset}"
        wanted = f"{wanted}[{last[0].number}]"
        async with asyncio.timeout(10):
            while reader.last_id != wanted:
                await asyncio.sleep(0.002)
    return [each for each in reader.events if each.id and each.kind != "SnapshotEnd"]


def test_a_walk_that_is_broken_off_is_gone_on_with() -> None:
    """Broken off after each single event: nothing before it is sent again, and nothing lost."""
    cell = running_cell(hosts=3)
    stayed_at, back_at = WebCell(cell, observe=WHOLE), WebCell(cell, observe=SHORT)

    async def test() -> None:
        assert back_at.observing.begin(back_at.view, 0)
        async with Reader(stayed_at.app, JOBS) as stayed:
            await stayed.until("SnapshotEnd")
            last_id = stayed.last_id
            await busy(stayed_at)
            whole = await told_until(stayed, stayed_at, "jobs")
        assert back_at.view.next_offset == len(cell.log)
        had: list[Event] = []
        while len(had) < len(whole):
            async with Reader(back_at.app, JOBS, last_id) as back:
                had.append(await back.first())
                last_id = had[-1].id
        assert had == whole

    run(test)


def test_the_stream_of_a_job_that_ended_long_ago_ends_with_it() -> None:
    cell = running_cell(hosts=3)
    web = WebCell(cell, observe=SHORT)

    async def test() -> None:
        made = descriptor()
        assert (await answer(web.app, "POST", "/api/v3/jobs?jobId=first", made)).status == 201
        async with Reader(web.app, "/api/v3/jobs/first/observe") as reader:
            await reader.until("SnapshotEnd")
            first = reader.last_id
        cell.launched()
        for task in cell.tasks("first"):
            cell.status(task.task_id, "TASK_RUNNING")
            cell.status(task.task_id, "TASK_FINISHED")
        await busy(web)
        async with Reader(web.app, "/api/v3/jobs/first/observe", first) as reader:
            events = await reader.until_over()
        assert events[-1].kind == "End"
        assert [each.data["archived"] for each in events if each.kind == "JobUpdate"][-1]
        assert {each.data["job"]["id"] for each in events if each.kind == "JobUpdate"} == {"first"}

    run(test)


def test_one_reader_walks_at_a_time_and_the_next_begins_with_a_snapshot() -> None:
    web = WebCell(running_cell(hosts=3), observe=SHORT)

    async def test() -> None:
        async with Reader(web.app, JOBS) as reader:
            await reader.until("SnapshotEnd")
            first = reader.last_id
        await busy(web)
        async with web.observing.walking, Reader(web.app, JOBS, first) as second:
            event = await second.first()
            assert event.kind == "restart"
            assert "another reader is being told of old events" in event.data["reason"]
            await second.until("SnapshotEnd")
        async with Reader(web.app, JOBS, first) as third:
            assert (await third.first()).kind in {"JobUpdate", "TaskUpdate"}

    run(test)


class FewAnswers:
    """A time machine that answers some questions about old events, and then refuses."""

    def __init__(self, travel: TravelHere) -> None:
        self._travel, self.answers = travel, 0

    async def ask(self, question: Question) -> bytes:
        """The answer, while there are any."""
        self.answers -= 1
        if self.answers < 0:
            raise TravelRefused("unavailable", "Kafka does not answer.", "Ask again.")
        return await self._travel.ask(question)


def test_a_walk_that_cannot_go_on_says_so_and_what_was_sent_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.travel.telling.PAGE_BYTES", 1)
    monkeypatch.setattr("streams.travel.telling.RECORDS_AT_ONCE", 1)
    cell = running_cell(hosts=3)
    travel = FewAnswers(TravelHere(Answering(LogInMemory(cell.log))))
    stayed_at = WebCell(cell, observe=WHOLE)
    web = WebCell(cell, travel, SHORT)

    async def test() -> None:
        assert web.observing.begin(web.view, 0)
        async with Reader(stayed_at.app, JOBS) as stayed:
            await stayed.until("SnapshotEnd")
            last_id = stayed.last_id
            await busy(stayed_at)
            whole = await told_until(stayed, stayed_at, "jobs")
        assert web.view.next_offset == len(cell.log)
        async with Reader(web.app, JOBS, last_id) as refused:
            event = await refused.first()
            assert event.kind == "restart"
            assert event.data["reason"].endswith("cannot be read back: Kafka does not answer.")
        travel.answers = 3
        async with Reader(web.app, JOBS, last_id) as back:
            events = await back.until_over()
        assert events[-1].kind == "dropped"
        assert "Kafka does not answer" in events[-1].data["reason"]
        had = [each for each in events if each.id]
        travel.answers = 1_000
        async with Reader(web.app, JOBS, had[-1].id) as again:
            had += await told_until(again, web, "jobs")
        assert had == whole

    run(test)


def test_pages_follow_each_other_from_any_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was asked before, a page is the same, and ends where the next begins."""
    monkeypatch.setattr("streams.travel.telling.PAGE_BYTES", 1)
    monkeypatch.setattr("streams.travel.telling.RECORDS_AT_ONCE", 1)
    cell = running_cell(hosts=3)
    web = WebCell(cell, observe=WHOLE)

    async def test() -> None:
        await busy(web)
        log, end = cell.log, len(cell.log)
        middle = end // 2
        whole = Telling(Answering(LogInMemory(log)).machine)
        late = Telling(Answering(LogInMemory(log), SnapshotsInMemory(log, [middle])).machine)
        after, found = (middle, WHOLE_RECORD), list[tuple[int, int, str, str]]()
        while after[0] + 1 < end:
            page = await whole.told(ToldAfter("jobs", *after, end))
            assert page.next_offset > after[0] + 1
            assert spots(page) == spots(await late.told(ToldAfter("jobs", *after, end)))
            await late.told(ToldAfter("agents", middle + 3, 0, end))  # Its walk begins elsewhere.
            found += spots(page)
            after = end_of(page)
        ring = web.observing.ring("jobs")
        told = ring.read(ring.end - len(ring), len(ring))
        assert told is not None
        expected = [(*each.spot, each.kind, each.name) for each in told if each.offset > middle]
        assert found == expected
        assert len(found) > 10

    web.observing.begin(web.view, 0)
    run(test)


def spots(page: WalkedPage) -> list[tuple[int, int, str, str]]:
    """Where each event of a page stands, and what it is of."""
    return [(*each.spot, each.kind, each.name) for each in page.told()]


def test_the_question_and_its_answer_go_from_process_to_process() -> None:
    question = ToldAfter("jobs", 7, WHOLE_RECORD, 99)
    asked = ASKED.decode(line_of(Asked(3, question)))
    assert (asked.number, asked.question) == (3, question)
