"""Rounds over hosts that do not answer as they should: what they cost, and what is said of them.

How: one small HTTP server plays the master and, by other ports of its answers, its agents.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from connectors.mesos.usage import CellUsage, HostUsage
from streams.usage.poller import Poller

Answers = dict[str, Any]


def run(
    answers: Answers, story: Callable[[Poller, Answers, Counter[str]], Awaitable[None]]
) -> None:
    """Play the story with a poller whose master and one agent answer this."""
    asked: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        asked[request.path] += 1
        found = answers[request.path]
        return web.Response(status=found) if isinstance(found, int) else web.json_response(found)

    async def play() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        slave = {"id": "S0", "hostname": "one", "pid": f"slave(1)@127.0.0.1:{port}", "active": True}
        answers["/slaves"] = {"slaves": [slave]}
        poller = Poller([f"127.0.0.1:{port}"], ["main"])
        try:
            await story(poller, answers, asked)
        finally:
            await poller.close()
            await runner.cleanup()

    asyncio.run(play())


def test_a_host_that_fails_is_named_and_left_alone_for_a_while() -> None:
    async def story(poller: Poller, answers: Answers, asked: Counter[str]) -> None:
        assert [type(each) for each in await poller.round()] == [CellUsage]
        assert "answered 500" in poller.failed["one"]
        answers["/containers"] = []
        (cell,) = await poller.round()
        assert isinstance(cell, CellUsage)
        assert asked["/containers"] == 1
        assert "one" in poller.failed

    run({"/containers": 500}, story)


def test_the_state_is_asked_for_new_containers_only() -> None:
    container = {"framework_id": "f", "executor_id": "e", "container_id": "c"}
    answers = {"/containers": [container], "/state": {}, "/metrics/snapshot": {}}

    async def story(poller: Poller, answers: Answers, asked: Counter[str]) -> None:
        host, _ = await poller.round()
        assert isinstance(host, HostUsage)
        await poller.round()
        # It is nobody of ours, and that is remembered too.
        assert asked["/state"] == 1
        answers["/containers"] = [container, {**container, "executor_id": "new"}]
        await poller.round()
        assert asked["/state"] == 2

    run(answers, story)


def test_a_host_that_answers_in_another_form_is_named_and_ends_no_round() -> None:
    container = {"framework_id": "f", "executor_id": "e", "container_id": "c"}
    label = {"key": "flumina.job", "value": "a"}
    index = {"key": "flumina.index", "value": "9" * 5_000}
    task = {"id": "t", "labels": [label, index]}
    state = {"frameworks": [{"id": "f", "executors": [{"id": "e", "tasks": [task]}]}]}

    async def story(poller: Poller, _: Answers, __: Counter[str]) -> None:
        assert [type(each) for each in await poller.round()] == [CellUsage]
        assert "another form" in poller.failed["one"]

    run({"/containers": [container], "/state": state, "/metrics/snapshot": {}}, story)
    run({"/containers": [container], "/state": {"frameworks": 7}, "/metrics/snapshot": {}}, story)
