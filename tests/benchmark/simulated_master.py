"""How much the master bears: tasks a second through its HTTP on one core, and how little it idles.

A framework in this process, on a core of its own, accepts offers of simulated agents with batches
of launches and acknowledges every update (TASK_STARTING, TASK_RUNNING, TASK_FINISHED), over real
keep-alive connections. The master and its agents are one process, held to one core. Peer: a bare
uvicorn that answers 202 to the same requests, which is what its HTTP alone can do.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.devcluster.simulated.model import weather_of
from streams.supervise.ports import free_block
from tests.benchmark.end_to_end import cpu_s
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.benchmark.scheduler_client import Calls, Framework, Plan, request
from tests.support.dev_cluster import DevCluster

SEED = 1
RESOURCES = "cpus:32;mem:131072;disk:1000000;ports:[31000-31999]"
MODEL = """name = "uniform"
[[runs]]
seconds = {:.1f}
"""
# How long a task runs, by what is measured: the rate, the idle share, the size.
RUN_S, IDLE_RUN_S, FULL_RUN_S = 0.5, 60.0, 86_400.0
HOST = "127.0.0.1"
CORES = sorted(os.sched_getaffinity(0))
TASKS, HOSTS, TASKS_AN_OFFER = (300, 20, 10) if IS_QUICK else (30_000, 500, 20)
IDLE_HOSTS, IDLE_S = (50, 2.0) if IS_QUICK else (7_000, 30.0)
FULL_HOSTS, FULL_TASKS = (50, 200) if IS_QUICK else (7_000, 100_000)
TASKS_PER_S_MIN = 5_000
IDLE_SHARE_MAX = 0.05
TIMEOUT_S = 300.0
POLL_S = 0.02
CONNECTIONS = 16
UPDATES_EACH = 3

BARE_SERVER = """
import sys, uvicorn
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    head = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 202, "headers": head})
    await send({"type": "http.response.body", "body": b""})
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="asyncio", ws="none", lifespan="off",
            access_log=False, log_level="error")
"""


@dataclass(frozen=True)
class Rate:
    """What one run took."""

    tasks_per_s: float
    cpu_s: float
    accepts: int
    acknowledged: int


@contextmanager
def cluster(home: Path, hosts: int, run_s: float) -> Iterator[tuple[int, int]]:
    """The port of a simulated cluster, and the process id of its master, which has one core."""
    path = home / "model.toml"
    path.write_text(MODEL.format(run_s))
    port = free_block(1)
    running = DevCluster(
        home / f"mesos-{port}",
        port=port,
        agents=0,
        simulate=hosts,
        seed=SEED,
        tasks_model=str(path),
        resources=RESOURCES,
    )
    with running:
        pid = running.status()["nodes"][0]["pid"]
        os.sched_setaffinity(pid, {CORES[0]})
        yield port, pid


async def _until(condition: Callable[[], bool], framework: Framework) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            assert not framework.failure(), framework.failure()
            await asyncio.sleep(POLL_S)
    assert not framework.failure(), framework.failure()


async def launched(port: int, pid: int, plan: Plan) -> Rate:
    """What it takes to launch all tasks and to hear, and acknowledge, that each has finished."""
    framework = Framework(HOST, port, plan)
    framework.is_launching = True
    await framework.subscribe()
    began, began_s = time.perf_counter(), cpu_s(pid)
    expected = UPDATES_EACH * plan.tasks
    await _until(lambda: framework.acknowledged >= expected and framework.is_idle(), framework)
    spent_s = cpu_s(pid) - began_s
    seconds = time.perf_counter() - began
    return Rate(plan.tasks / seconds, spent_s, framework.accepts, framework.acknowledged)


async def idle_shares(port: int, pid: int) -> dict[str, float]:
    """The share of a core that the master uses, by what its one framework has said last."""
    shares = {"no framework": await _share(pid)}
    framework = Framework(HOST, port, Plan(0, 0, 1, 1))
    await framework.subscribe()
    await _until(lambda: len(framework.held) >= IDLE_HOSTS, framework)
    shares["one framework that holds every offer"] = await _share(pid)
    offer_ids = [{"value": each} for each in framework.held]
    framework.call("DECLINE", offer_ids=offer_ids, filters={"refuse_seconds": 86_400.0})
    await _until(framework.is_idle, framework)
    shares["one framework that declined all for a day"] = await _share(pid)
    framework.call("SUPPRESS")
    await _until(framework.is_idle, framework)
    shares["one suppressed framework"] = await _share(pid)
    return shares


async def filled(port: int, pid: int) -> tuple[float, float]:
    """The memory in MiB and the idle share with every task of the largest size running."""
    framework = Framework(HOST, port, Plan(FULL_TASKS, TASKS_AN_OFFER, CONNECTIONS, 16))
    framework.is_launching = True
    await framework.subscribe()
    await _until(
        lambda: framework.acknowledged >= 2 * FULL_TASKS and framework.is_idle(), framework
    )
    offer_ids = [{"value": each} for each in framework.held]
    framework.call("DECLINE", offer_ids=offer_ids, filters={"refuse_seconds": 86_400.0})
    framework.call("SUPPRESS")
    await _until(framework.is_idle, framework)
    return _memory_mib(pid), await _share(pid)


async def _share(pid: int) -> float:
    began, began_s = time.perf_counter(), cpu_s(pid)
    await asyncio.sleep(IDLE_S)
    return (cpu_s(pid) - began_s) / (time.perf_counter() - began)


def _memory_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def answered(like: Rate, plan: Plan) -> Rate:
    """What a bare server needs for as many requests of the same lengths."""
    port = free_block(1)
    # Nothing else runs in this loop while it is started.
    with subprocess.Popen([sys.executable, "-c", BARE_SERVER, str(port)]) as server:  # noqa: ASYNC220
        os.sched_setaffinity(server.pid, {CORES[0]})
        try:
            calls = [await _connected(port, plan.window) for _ in range(plan.connections)]
            accept, acknowledge = _like_ours(plan)
            began, began_s = time.perf_counter(), cpu_s(server.pid)
            for number in range(like.accepts + like.acknowledged):
                is_accept = number % (like.acknowledged // like.accepts + 1) == 0
                calls[number % len(calls)].send(accept if is_accept else acknowledge)
            async with asyncio.timeout(TIMEOUT_S):
                while not all(each.is_idle for each in calls):
                    await asyncio.sleep(POLL_S)
            seconds, spent_s = time.perf_counter() - began, cpu_s(server.pid) - began_s
            assert not any(each.failure for each in calls)
        finally:
            server.kill()
    return Rate(plan.tasks / seconds, spent_s, like.accepts, like.acknowledged)


async def _connected(port: int, window: int) -> Calls:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                loop = asyncio.get_running_loop()
                return (await loop.create_connection(lambda: Calls(window), HOST, port))[1]
            except ConnectionRefusedError:
                await asyncio.sleep(POLL_S)


def _like_ours(plan: Plan) -> tuple[bytes, bytes]:
    """An ACCEPT and an ACKNOWLEDGE as long as ours."""
    framework = Framework(HOST, 0, plan, "0" * 41)
    stream_id, agent_id = "0" * 36, {"value": "0" * 41}
    accept = framework.accept_body("0" * 42, agent_id, plan.tasks_an_offer)
    named = {"agent_id": agent_id, "task_id": {"value": "bench-00000"}, "uuid": "0" * 24}
    acknowledge = framework.body("ACKNOWLEDGE", named)
    return request(accept, HOST, stream_id), request(acknowledge, HOST, stream_id)


def main() -> None:
    """Measure rates, idleness and size, each on a cluster of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["rate", "idle", "size"], action="append")
    wanted = parser.parse_known_args()[0].only or ["rate", "idle", "size"]
    # This process and the master do not share a core, if there are two.
    os.sched_setaffinity(0, {CORES[-1]})
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        if "rate" in wanted:
            _rates(home)
        if "idle" in wanted:
            with cluster(home, IDLE_HOSTS, IDLE_RUN_S) as (port, pid):
                shares = asyncio.run(idle_shares(port, pid))
                for what, share in shares.items():
                    figure = f"idle master, {IDLE_HOSTS} agents, {what}"
                    _print_idle(figure, share, IDLE_RUN_S)
        if "size" in wanted:
            with cluster(home, FULL_HOSTS, FULL_RUN_S) as (port, pid):
                mib, share = asyncio.run(filled(port, pid))
                figure = f"idle master, {FULL_HOSTS} agents, {FULL_TASKS} live tasks"
                _print_idle(figure, share, FULL_RUN_S)
            figure = f"memory, {FULL_HOSTS} agents, {FULL_TASKS} live tasks"
            model = _title(FULL_RUN_S)
            print_figure("simulated_master", figure, mib, "MiB", samples=1, simulated=model)


def _title(run_s: float) -> str:
    """What the tasks of a figure are, for whoever reads it alone."""
    model = weather_of(None, SEED).model
    return f"{model.name} model: each task starts in {model.start.seconds:g} s and runs {run_s:g} s"


def _rates(home: Path) -> None:
    for window in (1, 16):
        plan = Plan(TASKS, TASKS_AN_OFFER, CONNECTIONS, window)
        with cluster(home, HOSTS, RUN_S) as (port, pid):
            ours = asyncio.run(launched(port, pid, plan))
        bare = asyncio.run(answered(ours, plan))
        facts: dict[str, Any] = {
            "connections": CONNECTIONS,
            "calls_under_way_each": window,
            "calls_a_task": round((ours.accepts + ours.acknowledged) / TASKS, 3),
            "hosts": HOSTS,
            "simulated": _title(RUN_S),
        }
        what = f"{window} call{'s' if window > 1 else ''} under way on each connection"
        print_figure(
            "simulated_master",
            f"tasks launched, run and acknowledged, {what}",
            ours.tasks_per_s,
            "tasks/s",
            samples=TASKS,
            peer=Peer("bare uvicorn: 202 to as many requests", bare.tasks_per_s),
            target=TASKS_PER_S_MIN,
            **facts,
        )
        print_figure(
            "simulated_master",
            f"tasks for a second of the master's processor time, {what}",
            TASKS / ours.cpu_s,
            "tasks/s",
            samples=TASKS,
            peer=Peer("bare uvicorn: 202 to as many requests", TASKS / bare.cpu_s),
            **facts,
        )


def _print_idle(figure: str, share: float, run_s: float) -> None:
    print_figure(
        "simulated_master",
        f"{figure}, share of a core",
        max(share, 1e-6) * 100,
        "%",
        samples=1,
        target=IDLE_SHARE_MAX * 100,
        simulated=_title(run_s),
    )


if __name__ == "__main__":
    main()
