"""Streams of events: snapshot, end of snapshot, deltas; resumption, slow readers, limits.

Shown against the fold: what a reader has put together from events is what a list answers, and a
reader that leaves and comes back at another api has the very events of one that stayed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from connectors.web.observing import ObserveLimits
from scheduler.model.inbound import HostOrdered
from tests.support.asgi import answer, call
from tests.support.cell import running_cell, service
from tests.support.event_reader import Event, Reader
from tests.support.web_cell import WebCell, descriptor, service_descriptor

QUICK = ObserveLimits(gather_s=0.0, keep_alive_s=0.05)
PATIENT = ObserveLimits(gather_s=0.0)
JOBS = "/api/v3/observe/jobs"
THINGS = {"JobUpdate": "job", "TaskUpdate": "task"}


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def submit(web: WebCell, name: str, **changes: Any) -> None:
    made = await answer(web.app, "POST", f"/api/v3/jobs?jobId={name}", descriptor(**changes))
    assert made.status == 201, made.body


async def submit_service(web: WebCell, name: str, size: int = 1) -> None:
    body = service_descriptor(size)
    assert (await answer(web.app, "POST", f"/api/v3/jobs?jobId={name}", body)).status == 201


def launched(web: WebCell) -> None:
    web.cell.launched()
    assert web.view.state.jobs


def run_to_end(web: WebCell, job: str) -> None:
    for task in web.cell.tasks(job):
        web.cell.status(task.task_id, "TASK_RUNNING")
        web.cell.status(task.task_id, "TASK_FINISHED")
    assert web.view.state.jobs


def things(events: list[Event], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a reader knows in the end: the last that it was told of each job and task."""
    found: dict[str, Any] = dict(before or {})
    for each in events:
        name = THINGS.get(each.kind)
        if name is not None:
            found[each.data[name]["id"]] = each.data[name]
            if each.data.get("matches") is False:
                gone = each.data[name]["id"]
                found = {key: it for key, it in found.items() if gone not in (key, it.get("jobId"))}
    return found


async def listed(web: WebCell, criteria: str = "jobState=Any&taskStates=Any") -> dict[str, Any]:
    """The same from the lists."""
    found = {}
    for path in ("jobs", "tasks"):
        page = await answer(web.app, "GET", f"/api/v3/{path}?{criteria}&pageSize=1000")
        for item in page.json["items"]:
            item.pop("logLocation", None)
            found[item["id"]] = item
    return found


def test_a_stream_is_a_snapshot_its_end_and_then_each_change() -> None:
    web = WebCell(running_cell(hosts=3), observe=PATIENT)

    async def test() -> None:
        await submit_service(web, "s", 2)
        async with Reader(web.app, JOBS) as reader:
            assert reader.headers["content-type"].startswith("text/event-stream")
            began = await reader.until("SnapshotEnd")
            assert [each.kind for each in began] == [
                *("JobUpdate", "TaskUpdate", "TaskUpdate", "SnapshotEnd")
            ]
            assert [bool(each.id) for each in began] == [False, False, False, True]
            assert began[-1].data["offset"] == web.view.next_offset - 1
            launched(web)
            await submit(web, "b")
            launched(web)
            run_to_end(web, "b")
            events = await reader.until("JobUpdate", 3)
        assert [each.data["archived"] for each in events if each.kind == "JobUpdate"] == [
            *(False, False, True)
        ]
        assert things(events) == await listed(web)

    run(test)


def test_a_reader_that_comes_back_elsewhere_misses_nothing_and_hears_nothing_twice() -> None:
    """Broken off after every single event, and resumed at the other of two apis."""
    cell = running_cell(hosts=3)
    apis = [WebCell(cell, observe=PATIENT), WebCell(cell, observe=PATIENT)]

    async def test() -> None:
        assert all(each.observing.begin(each.view, 0) for each in apis)
        async with Reader(apis[0].app, JOBS) as stayed:
            await stayed.until("SnapshotEnd")
            first = stayed.last_id
            await submit_service(apis[0], "s", 3)
            launched(apis[0])
            await submit(apis[0], "b", batch={"size": 3})
            launched(apis[0])
            run_to_end(apis[0], "b")
            for _ in range(3):
                cell.kill_task(cell.task(0, "s").task_id)
                cell.launched()
            assert apis[0].view.next_offset == apis[1].view.next_offset
            whole = [each for each in await stayed.until("JobUpdate", 3) if each.id][1:]
        had: list[Event] = []
        last_id, turn = first, 0
        while len(had) < len(whole):
            turn += 1
            async with Reader(apis[turn % 2].app, JOBS, last_id) as reader:
                event = await reader.first()
                assert event.kind not in {"restart", "SnapshotEnd"}
                had.append(event)  # Whatever else has come is lost with the connection.
                last_id = event.id
        assert had == whole
        assert turn == len(whole) > 20
        assert len({each.id for each in whole}) == len(whole)

    run(test)


def test_the_stream_of_a_job_ends_with_it() -> None:
    web = WebCell(running_cell(hosts=3), observe=PATIENT)

    async def test() -> None:
        await submit(web, "b", batch={"size": 2})
        await submit(web, "other")
        async with Reader(web.app, "/api/v3/jobs/b/observe") as reader:
            await reader.until("SnapshotEnd")
            launched(web)
            run_to_end(web, "other")
            run_to_end(web, "b")
            events = await reader.until_over()
        assert events[-1].kind == "End"
        assert {each.data["job"]["id"] for each in events if each.kind == "JobUpdate"} == {"b"}
        assert things(events)["b"]["status"]["state"] == "Finished"
        assert len(things(events)) == 3
        last = next(each.id for each in reversed(events) if each.kind == "JobUpdate")
        for known in ("", last):  # Again, it is over at once: with what there is, or with nothing.
            async with Reader(web.app, "/api/v3/jobs/b/observe", known) as reader:
                again = await reader.until_over()
                assert again[-1].kind == "End"
                assert ("JobUpdate" in {each.kind for each in again}) is not bool(known)
        assert (await answer(web.app, "GET", "/api/v3/jobs/nobody/observe")).status == 404

    run(test)


def test_a_jobs_end_is_told_after_the_ends_of_its_tasks() -> None:
    """Who leaves with the job's end, as a client of Titus does, has missed nothing of it."""
    web = WebCell(running_cell(hosts=3), observe=QUICK)

    async def test() -> None:
        async with Reader(web.app, JOBS) as reader:
            await reader.until("SnapshotEnd")
            await submit(web, "b", batch={"size": 2})
            await submit_service(web, "s", 2)
            launched(web)
            run_to_end(web, "b")
            killed = await answer(web.app, "DELETE", "/api/v3/jobs/s")
            assert killed.status == 200, killed.body
            for task in web.cell.tasks("s"):
                web.cell.status(task.task_id, "TASK_KILLED")
            await settled(web, reader)
            events = reader.events
        for job_id in ("b", "s"):
            of_job = [each for each in events if job_id in _names_of(each)]
            ends = [each.kind for each in of_job if each.data["archived"]]
            assert ends == ["TaskUpdate", "TaskUpdate", "JobUpdate"], ends
            assert of_job[-1].data["archived"]

    run(test)


def _names_of(event: Event) -> tuple[str, ...]:
    thing = event.data.get(THINGS.get(event.kind, ""), {})
    return (thing.get("id", ""), thing.get("jobId", ""))


@pytest.mark.parametrize(
    "criteria",
    [
        "attributes=tier:gold",
        "taskStates=Launched,Started",
        "owner=ada@example.org&jobType=service",
    ],
)
def test_criteria_hold_for_the_snapshot_and_for_each_change(criteria: str) -> None:
    """What matches no more is told once more, so that a reader's own set is the list's."""
    web = WebCell(running_cell(hosts=5), observe=QUICK)

    def compared(found: dict[str, Any]) -> dict[str, Any]:
        # What is asked of tasks lets jobs alone in a stream; a list has jobs with such tasks.
        is_all = "taskStates" not in criteria
        return {name: each for name, each in found.items() if is_all or "jobId" in each}

    async def test() -> None:
        await submit(web, "a", attributes={"tier": "gold"})
        await submit_service(web, "s", 2)
        async with Reader(web.app, f"{JOBS}?{criteria}") as reader:
            await reader.until("SnapshotEnd")
            resumed, at_first = reader.last_id, things(reader.events)
            assert compared(things(reader.events)) == compared(await listed(web, criteria))
            launched(web)
            body = {"attributes": {"tier": "iron"}}
            await answer(web.app, "PUT", "/api/v3/jobs/a/attributes", body)
            body = {"attributes": {"tier": "gold"}}
            await answer(web.app, "PUT", "/api/v3/jobs/s/attributes", body)
            run_to_end(web, "a")
            await submit(web, "last", owner={"teamEmail": "ada@example.org"})
            launched(web)
            await settled(web, reader)
            assert compared(things(reader.events)) == compared(await listed(web, criteria))
            before = things(reader.events)
        async with Reader(web.app, f"{JOBS}?{criteria}", resumed) as again:
            await settled(web, again)
            assert things(again.events, at_first) == before

    run(test)


async def settled(web: WebCell, reader: Reader) -> None:
    """Return when the reader has been sent all that is for it: a sign of life says so."""
    offset = web.view.next_offset - 1
    async with asyncio.timeout(10):
        while not any(
            each.kind == "KeepAlive" and each.data["offset"] >= offset for each in reader.events
        ):
            await asyncio.sleep(0.005)


def test_a_reader_too_far_behind_is_told_that_it_begins_anew() -> None:
    limits = ObserveLimits(gather_s=0.0, events_max=5, walk_records_max=0)
    web = WebCell(running_cell(hosts=1), observe=limits)

    async def test() -> None:
        async with Reader(web.app, JOBS) as reader:
            await reader.until("SnapshotEnd")
            first = reader.last_id
        for name in "abcd":
            await submit(web, name)
        async with Reader(web.app, JOBS, first) as reader:
            events = await reader.until("SnapshotEnd")
        assert events[0].kind == "restart"
        why = f"what followed {first} is no longer kept here, and that is "
        assert events[0].data["reason"].startswith(why)
        assert events[0].data["reason"].endswith("records ago, and 0 are read back")
        assert len(things(events)) == 8
        other = first.replace("test/", "another/")
        async with Reader(web.app, JOBS, other) as reader:
            assert (
                (await reader.first())
                .data["reason"]
                .endswith("of another log than this cell's now")
            )
        ahead = first.rpartition(":")[0] + ":999999"
        async with Reader(web.app, JOBS, ahead) as reader:
            assert reader.status == 503
        async with Reader(web.app, JOBS, "yesterday") as reader:
            assert reader.status == 400

    run(test)


@pytest.mark.slow
def test_a_hundred_slow_readers_cost_nothing_and_harm_nobody() -> None:
    """They read nothing while much happens: one that reads has all of it, and they are dropped."""
    limits = ObserveLimits(gather_s=0.0, events_max=50, keep_alive_s=0.1)
    web = WebCell(running_cell(hosts=1), observe=limits)

    async def test() -> None:
        slow = [Reader(web.app, JOBS, address=f"10.0.1.{number}") for number in range(100)]
        async with Reader(web.app, JOBS) as quick:
            for each in slow:
                await each.__aenter__()
                await each.until("SnapshotEnd")
                each.taking.clear()
            for number in range(100):
                await submit(web, f"job{number}")
                await quick.until("JobUpdate", number + 1)
            assert len(things(quick.events)) == 200
            assert len(web.observing.ring("jobs")) == 50
            assert web.observing.open["jobs"] == 101
            for each in slow:
                each.taking.set()
            for each in slow:
                events = await each.until_over()
                assert events[-1].kind == "dropped"
                await each.__aexit__()
            assert not quick.is_over
        assert web.observing.ended == {"dropped": 100, "client": 1}
        assert not web.observing.of_address

    run(test)


def test_a_reader_that_takes_nothing_at_all_is_cut_off() -> None:
    web = WebCell(observe=ObserveLimits(gather_s=0.0, send_s_max=0.05, keep_alive_s=0.02))

    async def test() -> None:
        reader = Reader(web.app, JOBS)
        async with reader:
            await reader.until("SnapshotEnd")
            reader.taking.clear()
            await reader.until_over()
            assert web.observing.ended["dropped"] == 1

    run(test)


def test_the_number_of_streams_is_limited_for_an_address_and_in_all() -> None:
    limits = ObserveLimits(streams_max=3, of_address_max=2)
    web = WebCell(observe=limits)

    async def test() -> None:
        async with Reader(web.app, JOBS), Reader(web.app, JOBS):
            async with Reader(web.app, JOBS) as third:
                assert (third.status, third.headers["retry-after"]) == (429, "30")
            async with Reader(web.app, JOBS, address="10.0.0.2") as other:
                assert other.status == 200
                async with Reader(web.app, JOBS, address="10.0.0.3") as more:
                    assert more.status == 503
        async with Reader(web.app, JOBS) as after:
            assert after.status == 200
        assert web.observing.refused == 2

    run(test)


def test_a_quiet_stream_gives_signs_of_life_that_can_be_gone_on_from() -> None:
    web = WebCell(running_cell(hosts=1), observe=QUICK)

    async def test() -> None:
        async with Reader(web.app, f"{JOBS}?owner=nobody@example.org") as reader:
            await submit(web, "a")
            await settled(web, reader)
            assert [each.kind for each in reader.events if each.kind in THINGS] == []
            last = reader.last_id
        async with Reader(web.app, JOBS, last) as reader:
            assert (await reader.first()).kind == "KeepAlive"
            web.halt = "poison"
            await reader.until("KeepAlive", 3)
            assert reader.events[-1].data["stale"] == "halted: poison"

    run(test)


def test_a_log_that_is_folded_anew_ends_its_streams_and_a_stopping_process_too() -> None:
    web = WebCell(running_cell(hosts=1), observe=PATIENT)

    async def test() -> None:
        async with Reader(web.app, JOBS) as reader:
            await reader.until("SnapshotEnd")
            fresh = WebCell(web.cell).view
            web.observing.folded(fresh, 0, None, (), lambda: 0)  # type: ignore[arg-type]
            assert (await reader.until_over())[-1].kind == "restart"
        async with Reader(web.app, JOBS) as reader:
            await reader.until("SnapshotEnd")
            web.observing.close()
            assert (await reader.until_over())[-1].kind == "closing"

    run(test)


def test_the_other_streams_tell_what_their_lists_show() -> None:
    web = WebCell(running_cell(hosts=2), observe=PATIENT)
    paths = {
        "agents": "/api/v3/observe/agents",
        "eviction": "/api/v3/eviction/observe",
        "relocation": "/api/v3/relocation/observe",
        "scheduler": "/api/v3/scheduler/observe",
        "membership": "/api/v3/clustermembership/observe",
    }

    async def test() -> None:
        cell = web.cell
        cell.run(service(2), "s")
        big = {"resources": {"cpu": 60, "memoryMB": 512}, "command": ["true"]}
        async with AsyncExitStack() as stack:
            readers = {
                name: await stack.enter_async_context(Reader(web.app, path))
                for name, path in paths.items()
            }
            for each in readers.values():
                await each.until("SnapshotEnd")
            task = cell.task(0, "s").task_id
            host = cell.host_of(task)
            assert host is not None
            asked = await answer(web.app, "DELETE", f"/api/v3/eviction/tasks/{task}")
            cell.copy("commands", HostOrdered(host, "draining", "op", "new kernel"))
            for _ in range(10):
                cell.tick(10_000)
            await submit(web, "big", container=big)
            launched(web)
            cell.elect("second")
            assert web.view.state.jobs
            agents = await readers["agents"].until("AgentInstanceUpdate", 3)
            assert agents[-1].data["instance"]["standing"] == "draining"
            plan = (await readers["relocation"].until("TaskRelocationPlanUpdate"))[-1].data["plan"]
            assert plan["flumina.jobId"] == "s"
            ended = await readers["eviction"].until("TaskTermination")
            told = next(each.data for each in ended if each.kind == "TaskTermination")
            assert (told["taskId"], told["approved"]) == (task, asked.json["allowed"])
            assert told["reasonMessage"] == asked.json["reasonMessage"]
            results = await readers["scheduler"].until("SchedulingResult")
            refused = next(each.data for each in results if each.data.get("jobId") == "big")
            assert refused["failures"][0]["rule"]
            members = (await readers["membership"].until("MemberUpdate", 3))[-1].data["member"]
            assert (members["memberId"], members["leadershipState"]) == ("second", "Leader")
            shown = await answer(web.app, "GET", "/api/v3/clustermembership/members")
            assert members in shown.json["items"]

    run(test)


def test_nothing_is_streamed_before_the_fold_has_caught_up() -> None:
    web = WebCell(running_cell(hosts=1), observe=PATIENT)
    web.lag_records = 5_000

    async def test() -> None:
        await submit(web, "a")
        web.observing.view = None  # As it is in a process that has just begun.
        async with Reader(web.app, JOBS) as reader:
            assert (reader.status, reader.headers["retry-after"]) == (503, "1")
        web.lag_records = 0
        async with Reader(web.app, JOBS) as reader:
            assert len(things(await reader.until("SnapshotEnd"))) == 2

    run(test)


def test_a_record_that_cannot_be_shown_ends_the_streams_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = WebCell(running_cell(hosts=1), observe=PATIENT)

    def broken(*_: object) -> None:
        raise KeyError("a mistake")

    async def test() -> None:
        async with Reader(web.app, JOBS) as reader:
            await reader.until("SnapshotEnd")
            with monkeypatch.context() as patched:
                patched.setattr(web.observing._observer, "told", broken)
                await submit(web, "a")
            assert (await reader.until_over())[-1].kind == "restart"
        assert web.observing.failed == 1
        async with Reader(web.app, JOBS) as reader:
            assert len(things(await reader.until("SnapshotEnd"))) == 2

    run(test)


def test_head_has_a_head_alone() -> None:
    shown = call(WebCell().app, "HEAD", JOBS)
    assert (shown.status, shown.body) == (200, b"")
