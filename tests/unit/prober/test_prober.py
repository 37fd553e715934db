"""The prober: what each check finds, which rounds are worth a record, and silent tasks.

How: checks of this computer's own directories and programs, and an HTTP server on loopback.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from scheduler.model.health import Probe
from streams.prober.checks import (
    agent_check,
    clock_check,
    container_check,
    disk_check,
    system_check,
)
from streams.prober.doubt import doubted
from streams.prober.news import GOOD_LOOKS, News
from streams.prober.pulling import AGAIN_S, EVERY_S, Pulling
from streams.prober.silence import Silence, running_without_container

GOOD = [Probe("disk", "good"), Probe("agent", "good")]
BAD = [Probe("disk", "bad", "full"), Probe("agent", "good")]


def test_a_directory_that_can_be_written_is_good_and_one_that_is_not_there_is_bad(
    tmp_path: Path,
) -> None:
    assert system_check(tmp_path) == Probe("system", "good")
    assert disk_check(tmp_path).state == "good"
    assert system_check(tmp_path / "gone").state == "bad"
    assert disk_check(tmp_path / "gone").state == "bad"


@pytest.mark.parametrize(
    ("code", "state", "word"),
    [("pass", "good", ""), ("import sys; sys.exit('no runtime')", "bad", "no runtime")],
)
def test_a_container_is_good_if_it_starts_and_ends_well(
    tmp_path: Path, code: str, state: str, word: str
) -> None:
    found = asyncio.run(container_check([sys.executable, "-c", code], tmp_path))
    assert found.state == state
    assert word in found.detail
    missing = asyncio.run(container_check(["/nowhere/runc"], tmp_path))
    assert missing.state == "bad"


def test_an_image_is_pulled_beside_the_rounds_and_oftener_while_that_fails(tmp_path: Path) -> None:
    (tmp_path / "is-up").touch()
    pulled = tmp_path / "pulled"
    code = f"""
import pathlib, sys
with open({str(pulled)!r}, "a") as file:
    file.write("x")
sys.exit(0 if pathlib.Path({str(tmp_path / "is-up")!r}).exists() else "no route to the registry")
"""

    async def scenario() -> None:
        pulling = Pulling([sys.executable, "-c", code], tmp_path)

        async def after(now_s: float) -> Probe:
            """What a round hears once the pull that was begun is over."""
            pulling.look(now_s)
            assert pulling._under_way is not None
            await pulling._under_way
            found = pulling.look(now_s)
            assert found is not None
            return found

        assert pulling.look(0) is None  # The first round does not wait for it.
        assert await after(1) == Probe("image", "good")
        assert pulling.look(EVERY_S) == Probe("image", "good")
        assert len(pulled.read_text()) == 1
        (tmp_path / "is-up").unlink()
        assert (await after(1 + EVERY_S)).detail.endswith("no route to the registry")
        (tmp_path / "is-up").touch()
        assert (await after(1 + EVERY_S + AGAIN_S)).state == "good"
        assert len(pulled.read_text()) == 3

    asyncio.run(scenario())


def test_a_pull_that_hangs_ends_with_the_prober(tmp_path: Path) -> None:
    async def scenario() -> None:
        begun = tmp_path / "begun"
        code = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"
        pulling = Pulling([sys.executable, "-c", code], tmp_path)
        assert pulling.look(0) is None
        async with asyncio.timeout(60):
            while not begun.exists():
                await asyncio.sleep(0.01)
        assert pulling.look(1) is None  # The one that hangs goes on, and no other begins.
        await pulling.close()

    asyncio.run(scenario())


def test_clocks_are_compared_by_the_date_of_an_answer() -> None:
    date = "Sun, 22 Nov 2026 09:00:00 GMT"
    at_ms = 1_795_338_000_000
    assert clock_check(date, at_ms + 900).state == "good"
    assert clock_check(date, at_ms - 60_000) == Probe("clock", "bad", "clocks differ by -60000 ms")
    assert clock_check("", at_ms).state == "unknown"


def test_an_agent_is_asked_for_its_health() -> None:
    async def scenario() -> list[str]:
        statuses = [200, 503]

        async def health(_: web.Request) -> web.Response:
            return web.Response(status=statuses.pop(0))

        app = web.Application()
        app.router.add_get("/health", health)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as http:
            first, second = await agent_check(http, url), await agent_check(http, url)
            await runner.cleanup()
            agent, clock = await agent_check(http, url)
        return [first[0].state, second[0].state, agent.state, clock.state]

    assert asyncio.run(scenario()) == ["good", "bad", "bad", "unknown"]


@pytest.mark.parametrize(("away", "hosts", "counts"), [(1, 2, 1), (3, 3, 3), (2, 4, 2), (3, 4, 0)])
def test_where_most_agents_are_away_at_once_no_host_is_to_blame(
    away: int, hosts: int, counts: int
) -> None:
    seen = [[Probe("agent", "bad", "refused"), Probe("disk", "bad", "full")]] * away
    seen += [[Probe("agent", "good")]] * (hosts - away)
    found, doubtful = doubted(seen)
    bad = [each.name for probes in found for each in probes if each.state == "bad"]
    assert (bad.count("agent"), bad.count("disk")) == (counts, away)
    assert doubtful == (0 if counts else away)
    if doubtful:
        assert found[0][0] == Probe("agent", "unknown", "most agents failed at once: refused")


def test_good_hosts_are_no_news_and_bad_ones_are_told_again_each_minute() -> None:
    news = News()
    assert not news.is_news("h", GOOD, 0.0, ())
    told = [news.is_news("h", BAD, at_s, ()) for at_s in (0.0, 5.0, 59.0, 60.0, 61.0)]
    assert told == [True, False, False, True, False]
    assert news.is_news("h", [*BAD, Probe("clock", "bad")], 62.0, ()), "what is new is told"
    looks = [news.is_news("h", GOOD, 70.0 + n, ()) for n in range(GOOD_LOOKS + 2)]
    assert looks == [True] * GOOD_LOOKS + [False] * 2
    assert news.is_news("h", GOOD, 99.0, {"h"}), "somebody waits for it"
    news.forget_others(())
    assert not news.is_news("h", GOOD, 99.0, ())


def state_of(*tasks: tuple[str, str]) -> dict[str, Any]:
    """An agent's state with running tasks of ours, each with its executor."""
    labels = [{"key": "flumina.job", "value": "job"}]
    executors = [
        {"id": executor, "tasks": [{"id": task, "state": "TASK_RUNNING", "labels": labels}]}
        for task, executor in tasks
    ]
    return {"frameworks": [{"id": "f", "executors": executors}]}


def test_a_task_without_a_container_in_three_looks_is_silent_and_told_once() -> None:
    state = state_of(("a", "a"), ("b", "b"))
    assert running_without_container(state, [{"executor_id": "a"}]) == {"b"}
    foreign = {"frameworks": [{"executors": [{"id": "x", "tasks": [{"id": "x"}]}]}]}
    assert running_without_container(foreign, []) == set()
    silence = Silence()
    rounds = [silence.news("h", {"b"}, 1_000 * n, 5_000) for n in range(5)]
    assert [len(each) for each in rounds] == [0, 0, 1, 0, 0]
    assert (rounds[2][0].task_id, rounds[2][0].silent_ms) == ("b", 15_000)
    (back,) = silence.news("h", set(), 9_000, 5_000)
    assert not back.is_silent
    assert silence.news("h", {"c"}, 10_000, 5_000) == []
    assert silence.news("h", set(), 11_000, 5_000) == [], "it was never told"
