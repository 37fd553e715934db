"""What one api process bears on a large cell: reads beside submissions, pages, and a cold start.

A real Kafka, a cell process, the simulated dev cluster and one api process. First 10,000 services
of 10 tasks are submitted and run. Then, with all of them there: reads at a fixed rate (tasks and
jobs by id, why, short lists) beside submissions at another, each timed from the moment at which it
was due, so that a server that stands still is seen; all tasks and jobs listed page by page; and a
second api process that starts from a snapshot. Peer: a bare uvicorn on this machine that answers
the same reads and pages with bytes of the same size and looks at nothing.
Who asks is a process of its own, and how late it asked is a figure as well: what is due while it is
busy counts as waited for. `--jobs 1000 --seconds 10` chooses smaller sizes.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from connectors.objects.directory import DirectoryStore
from scheduler.model.foreign_records import encode_set_policy, encode_submit
from scheduler.model.ids import JobId
from streams.cell.writer import our_producer
from streams.kafka.embedded import EmbeddedKafka
from streams.supervise.ports import free_block
from tests.benchmark.end_to_end import MODEL, RESOURCES, SEED, TIMEOUT_S, Watch, cpu_s
from tests.benchmark.figures import IS_QUICK, Peer, percentile, print_figure
from tests.benchmark.light_client import LightClient
from tests.support.api_process import ApiProcess
from tests.support.world import World, service_of

BENCHMARK = "api_load"
PREFIX = "endtoend."
JOBS, TASKS_EACH, SECONDS = (20, 5, 2) if IS_QUICK else (10_000, 10, 30)
READS_PER_S, SUBMISSIONS_PER_S = (50, 5) if IS_QUICK else (1_000, 100)
PAGE = 100
READ_P99_MS_MAX, SUBMISSION_P99_MS_MAX, PAGE_MS_MAX, COLD_START_S_MAX = 50, 300, 20, 5
CONNECTIONS = 64
HOST_TASKS = 40
NEED: dict[str, float] = {"cpu": 0.5, "memoryMB": 512, "diskMB": 10}
SHARES = (("task", 55), ("job", 25), ("why", 10), ("list", 10))
"""Of a hundred reads."""

BODY = json.dumps(service_of(1, "simulated", **NEED)).encode()
Answering = asyncio.Future[tuple[int, int]]

BARE_SERVER = """
import sys, uvicorn
body = b"x" * int(sys.argv[2])
head = [(b"content-type", b"application/json"), (b"content-length", sys.argv[2].encode())]
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="asyncio", ws="none", lifespan="off",
            access_log=False, log_level="error")
"""


class Asked(NamedTuple):
    """One kind of requests under load: how long each took from when it was due, and what came."""

    took_ms: list[float]
    statuses: Counter[int]
    bytes_total: list[int]
    late_ms: list[float]
    """How much later than due each was asked: the asking program's own part of ``took_ms``."""


class Load:
    """Requests at fixed rates over kept connections."""

    def __init__(self, address: str, jobs: int, seed: int = SEED) -> None:
        self._client = LightClient(address)
        self._jobs = jobs
        self._random = random.Random(seed)
        self._serial = 0

    async def run(self, seconds: float, reads_per_s: int, submissions_per_s: int) -> list[Asked]:
        """Reads, then submissions, as they went beside each other."""
        await self._client.open(CONNECTIONS)
        try:
            return list(
                await asyncio.gather(
                    self._paced(seconds, reads_per_s, self._read),
                    self._paced(seconds, submissions_per_s, self._post),
                )
            )
        finally:
            self._client.close()

    async def _paced(self, seconds: float, per_s: int, start: Callable[[], Answering]) -> Asked:
        asked = Asked([], Counter(), [], [])
        if not per_s:
            return asked
        began, going = time.perf_counter(), set[Answering]()

        def note(due: float, answer: Answering) -> None:
            going.discard(answer)
            status, size = answer.result()
            asked.took_ms.append((time.perf_counter() - due) * 1_000)
            asked.statuses[status] += 1
            asked.bytes_total.append(size)

        for number in range(int(seconds * per_s)):
            due = began + number / per_s
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            asked.late_ms.append(max(0.0, time.perf_counter() - due) * 1_000)
            answer = start()
            going.add(answer)
            answer.add_done_callback(partial(note, due))
        await asyncio.gather(*going)
        return asked

    def _read(self) -> Answering:
        job = self._random.randrange(self._jobs)
        index = self._random.randrange(TASKS_EACH)
        kind = self._random.choices([name for name, _ in SHARES], [n for _, n in SHARES])[0]
        paths = {
            "task": f"/api/v3/tasks/load-{job}-worker-{index}-{index + 1}",
            "job": f"/api/v3/jobs/load-{job}",
            "why": f"/api/v3/tasks/load-{job}-worker-{index}-{index + 1}/why",
            "list": f"/api/v3/tasks?jobIds=load-{job}&pageSize=10",
        }
        return self._client.ask("GET", paths[kind])

    def _post(self) -> Answering:
        self._serial += 1
        target = f"/api/v3/jobs?jobId=post-{self._serial}"
        return self._client.ask("POST", target, BODY, "X-Flumina-Actor: bench\r\n")


async def fill(world: World, jobs: int) -> float:
    """Submit the services and return when all their tasks have started; the seconds it took."""
    watch = Watch(world.kafka)
    producer = our_producer(world.kafka, "bench")
    await producer.start()
    try:
        async with watch.watching():
            policy = encode_set_policy(
                {"actor_kills_per_hour": 1_000_000, "queued_tasks_max": 1_000_000}, "bench", "bench"
            )
            await producer.send_and_wait(f"{PREFIX}commands", policy, partition=0)
            began = time.perf_counter()
            for number in range(jobs):
                job_id = JobId(f"load-{number}")
                value = encode_submit(job_id, service_of(TASKS_EACH, "simulated", **NEED), "bench")
                await producer.send(f"{PREFIX}jobs", value, key=job_id.encode(), partition=0)
            await producer.flush()
            await watch.until_started(jobs * TASKS_EACH)
            return time.perf_counter() - began
    finally:
        await producer.stop()


async def pages(address: str, path: str, seen_min: int) -> tuple[list[float], int]:
    """Milliseconds for each page of a whole list, one after the other; and the bytes of one."""
    took_ms, cursor, seen, size = [], "", set[str](), 0
    async with aiohttp.ClientSession(f"http://{address}") as http:
        while True:
            began = time.perf_counter()
            url = f"{path}?pageSize={PAGE}" + (f"&cursor={cursor}" if cursor else "")
            async with http.get(url) as answer:
                body = await answer.read()
            took_ms.append((time.perf_counter() - began) * 1_000)
            page, size = json.loads(body), max(size, len(body))
            assert answer.status == 200, page
            seen.update(item["id"] for item in page["items"])
            if not page["pagination"]["hasMore"]:
                assert len(seen) >= seen_min, f"{len(seen)} of {seen_min} were listed"
                return took_ms, size
            cursor = page["pagination"]["cursor"]


async def bare_pages(address: str, count: int) -> list[float]:
    """Milliseconds for each of as many answers of the bare server, asked for in the same way."""
    took_ms = []
    async with aiohttp.ClientSession(f"http://{address}") as http:
        for _ in range(count):
            began = time.perf_counter()
            async with http.get("/") as answer:
                await answer.read()
            took_ms.append((time.perf_counter() - began) * 1_000)
    return took_ms


def cold_start(world: World, kafka: EmbeddedKafka, home: Path, tasks: int) -> tuple[float, float]:
    """Seconds from the start of a process until it serves what is there now; from a snapshot.

    And how much processor time that took: what it waited for was another's.
    """
    store = DirectoryStore(home / "store")
    environment = os.environ | world.cell_environment("bench") | {"FLUMINA_STORE": store.url}
    subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "snapshots", "take"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    os.environ["FLUMINA_STORE"] = store.url
    began = time.perf_counter()
    api = ApiProcess(kafka.bootstrap, PREFIX, home)
    try:
        api.until_ready().until_healthy()
        seconds, used_s = time.perf_counter() - began, cpu_s(api.process.pid)
        state = api.ask("GET", "/api/flumina/state").json
        assert sum(state["tasks"].values()) >= tasks, state["tasks"]
        return seconds, used_s
    finally:
        del os.environ["FLUMINA_STORE"]
        api.close()


@contextmanager
def bare(size: int) -> Iterator[tuple[str, int]]:
    """Address and process id of a server that answers everything with so many bytes."""
    port = free_block(1)
    process = subprocess.Popen([sys.executable, "-c", BARE_SERVER, str(port), str(size)])
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    break
            except OSError:
                assert time.monotonic() < deadline, "the bare server does not listen"
                time.sleep(0.05)
        yield f"127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Fill a cell, load its api, list it, start another."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            world = World(kafka.bootstrap, PREFIX, home)
            try:
                _run(world, kafka, home, asked.jobs, asked.seconds)
            finally:
                world.close()


def _run(world: World, kafka: EmbeddedKafka, home: Path, jobs: int, seconds: float) -> None:
    model = home / "model.toml"
    model.write_text(MODEL)
    tasks = jobs * TASKS_EACH
    world.start_cluster(
        free_block(1),
        agents=0,
        simulate=max(4, (tasks + int(seconds * SUBMISSIONS_PER_S)) * 10 // (9 * HOST_TASKS)),
        tasks_model=str(model),
        seed=SEED,
        resources=RESOURCES,
    )
    cell = world.start_cell("cell-1")
    api = ApiProcess(kafka.bootstrap, PREFIX, home)
    try:
        api.until_ready().until_healthy()
        filled_s = asyncio.run(asyncio.wait_for(fill(world, jobs), TIMEOUT_S))
        _until_shown(api, tasks)
        facts = {"jobs": jobs, "tasks": tasks, "filled_s": round(filled_s, 1)}
        pids = {"api": api.process.pid, "cell": cell.pid, "kafka": kafka.pid, "bench": os.getpid()}
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        load = Load(api.address, jobs)
        reads, posts = asyncio.run(load.run(seconds, READS_PER_S, SUBMISSIONS_PER_S))
        used = {name: round((cpu_s(pid) - before[name]) / seconds, 3) for name, pid in pids.items()}
        with bare(sum(reads.bytes_total) // len(reads.bytes_total)) as (address, _):
            plain, _ = asyncio.run(Load(address, jobs).run(min(seconds, 10), READS_PER_S, 0))
        _print_load(reads, posts, plain, facts | {"cores_used": used})
        for what, least in (("tasks", tasks), ("jobs", jobs)):
            took_ms, size = asyncio.run(pages(api.address, f"/api/v3/{what}", least))
            with bare(size) as (address, _):
                plain_ms = asyncio.run(bare_pages(address, len(took_ms)))
            _print_pages(what, took_ms, plain_ms, facts | {"bytes": size})
        _print_collector(api, facts)
        started_s, used_s = cold_start(world, kafka, home, tasks)
    finally:
        api.close()
    print_figure(
        BENCHMARK,
        "from the start of an api process to its first true answer, from a snapshot",
        started_s,
        "s",
        samples=1,
        target=COLD_START_S_MAX,
        peer=Peer("filling the cell", filled_s),
        cpu_s=round(used_s, 2),
        **facts,
    )


def _until_shown(api: ApiProcess, tasks: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while api.ask("GET", "/api/flumina/state").json["tasks"].get("Started", 0) < tasks:
        assert time.monotonic() < deadline, "the api does not show all that runs"
        time.sleep(0.5)


def _print_load(reads: Asked, posts: Asked, plain: Asked, facts: dict[str, Any]) -> None:
    for what, asked, rate, most in (
        ("reads", reads, READS_PER_S, READ_P99_MS_MAX),
        ("submissions", posts, SUBMISSIONS_PER_S, SUBMISSION_P99_MS_MAX),
    ):
        refused = sum(count for status, count in asked.statuses.items() if status >= 300)
        print_figure(
            BENCHMARK,
            f"{what} at {rate} a second that did not succeed",
            refused,
            "answers",
            samples=len(asked.took_ms),
            target=0,
            **facts,
        )
        print_figure(
            BENCHMARK,
            f"{what} at {rate} a second: how late the benchmark itself asked, p99",
            percentile(asked.late_ms, 0.99),
            "ms",
            samples=len(asked.late_ms),
            **facts,
        )
        statuses = {str(status): count for status, count in sorted(asked.statuses.items())}
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            print_figure(
                BENCHMARK,
                f"{what} at {rate} a second beside the others, {name}",
                percentile(asked.took_ms, share),
                "ms",
                samples=len(asked.took_ms),
                target=most if name == "p99" and not IS_QUICK else None,
                peer=Peer("bare uvicorn: as many reads", percentile(plain.took_ms, share)),
                statuses=statuses,
                **facts,
            )


def _print_pages(
    what: str, took_ms: list[float], plain_ms: list[float], facts: dict[str, Any]
) -> None:
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        print_figure(
            BENCHMARK,
            f"a page of {PAGE} {what} of the whole list, {name}",
            percentile(took_ms, share),
            "ms",
            samples=len(took_ms),
            target=PAGE_MS_MAX if not IS_QUICK else None,
            peer=Peer("bare uvicorn: as many bytes", percentile(plain_ms, share)),
            **facts,
        )


def _print_collector(api: ApiProcess, facts: dict[str, Any]) -> None:
    """What the garbage collector of the api process has cost since its start."""
    lines = api.ask("GET", "/metrics").body.decode().splitlines()
    found = {
        name: float(value)
        for name, _, value in (each.partition(" ") for each in lines)
        if name.startswith("flumina_api_collector")
    }
    print_figure(
        BENCHMARK,
        "the longest look of the garbage collector in the api process",
        found["flumina_api_collector_longest_seconds"] * 1_000,
        "ms",
        samples=int(found["flumina_api_collector_looks_total"]),
        all_ms=round(found["flumina_api_collector_seconds_total"] * 1_000, 1),
        **facts,
    )


if __name__ == "__main__":
    main()
