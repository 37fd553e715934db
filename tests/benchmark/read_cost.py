"""What one read costs the api process, in processor time: what a busy machine changes least.

A cell in memory with some services of 10 running tasks stands behind the api's own server, in a
process of its own; reads of each kind of `api_load` go to it over sockets, and processor time of
that process is counted. Peer, in turns with it: a bare uvicorn in a process of its own that answers
as many bytes and looks at nothing. A kind's figure is the median of the turns; the mean of all is
weighted as `api_load` asks. Submissions, the fold and many tasks are `api_load`'s business.
``--profile KIND`` prints where one kind's time goes, without sockets between.
"""

import argparse
import asyncio
import cProfile
import pstats
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from projections.cell_view import CellView
from scheduler.model.foreign import decode_jobs_record
from scheduler.model.foreign_records import encode_submit
from scheduler.model.ids import JobId
from streams.api.server import listening_socket, server_for
from streams.garbage import settle
from tests.benchmark.api_load import NEED, SHARES, TASKS_EACH, bare
from tests.benchmark.end_to_end import SEED, cpu_s
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.benchmark.light_client import LightClient
from tests.support.asgi import answer
from tests.support.cell import running_cell
from tests.support.web_cell import WebCell
from tests.support.world import service_of

BENCHMARK = "read_cost"
JOBS, READS, TURNS = (3, 20, 1) if IS_QUICK else (40, 1_500, 5)
AT_ONCE = 16
TARGET_US = 400
"""A thousand reads a second, submissions and the fold have to fit well into one core."""


def path_of(kind: str, chance: random.Random) -> str:
    """A path of this kind, as `api_load` asks for it."""
    job, index = chance.randrange(JOBS), chance.randrange(TASKS_EACH)
    task = f"/api/v3/tasks/load-{job}-worker-{index}-{index + 1}"
    return {
        "task": task,
        "job": f"/api/v3/jobs/load-{job}",
        "why": f"{task}/why",
        "list": f"/api/v3/tasks?jobIds=load-{job}&pageSize=10",
    }[kind]


class StandingCell(WebCell):
    """A cell whose fold goes on no more: only reads are measured."""

    standing: CellView | None = None

    def __init__(self) -> None:
        cell = running_cell(hosts=JOBS, cpus=TASKS_EACH)
        cell.records_a_check = sys.maxsize  # Tests look whether everything still holds.
        for number in range(JOBS):
            job_id = JobId(f"load-{number}")
            value = encode_submit(job_id, service_of(TASKS_EACH, "simulated", **NEED), "bench")
            cell.copy("jobs", decode_jobs_record(job_id.encode(), value))
        for task_id in cell.launched():
            cell.status(task_id, "TASK_STARTING")
            cell.status(task_id, "TASK_RUNNING")
        super().__init__(cell)
        self.standing = super().view

    @property
    def view(self) -> CellView:
        """The fold as it stands, once it does."""
        return self.standing or super().view


async def serve() -> None:
    """Serve the cell until the process is ended; says its port."""
    settle(10_000)
    listener = listening_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = server_for(StandingCell().app, lambda: print(port, flush=True))
    await server.serve(sockets=[listener])


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Address and process id of the server."""
    command = [sys.executable, "-m", "tests.benchmark.read_cost", "--serve"]
    if IS_QUICK:
        command.append("--quick")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}", process.pid
    finally:
        process.kill()
        process.wait()


async def read(address: str, kind: str) -> int:
    """Read so many times, some at once; how many bytes an answer has."""
    client, chance = await LightClient(address).open(AT_ONCE), random.Random(SEED)
    left, sizes = [path_of(kind, chance) for _ in range(READS)], list[int]()

    async def some() -> None:
        while left:
            status, size = await client.ask("GET", left.pop())
            assert status == 200, status
            sizes.append(size)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    client.close()
    return sum(sizes) // len(sizes)


def cost_us(address: str, pid: int, kind: str) -> tuple[float, int]:
    """Microseconds of the process for a read, and the bytes of an answer."""
    before_s = cpu_s(pid)
    size = asyncio.run(read(address, kind))
    return (cpu_s(pid) - before_s) / READS * 1e6, size


async def profiled(kind: str) -> None:
    """Print where the time of one kind goes."""
    app, chance = StandingCell().app, random.Random(SEED)
    profile = cProfile.Profile()
    for number in range(READS):
        if number == READS // 10:
            profile.enable()
        await answer(app, "GET", path_of(kind, chance))
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)


def measure() -> None:
    """Ask both servers in turns, and print what each kind costs."""
    ours, its = dict[str, float](), dict[str, float]()
    with served() as (address, pid):
        for kind, _ in SHARES:
            _, size = cost_us(address, pid, kind)  # And the first reads, which cost more.
            with bare(size) as (plain, plain_pid):
                turns = [
                    (cost_us(address, pid, kind)[0], cost_us(plain, plain_pid, kind)[0])
                    for _ in range(TURNS)
                ]
            ours[kind], its[kind] = (median(each) for each in zip(*turns, strict=True))
            _print(f"a read of kind {kind}", ours[kind], its[kind])
    share = sum(share for _, share in SHARES)
    means = [sum(costs[kind] * n for kind, n in SHARES) / share for costs in (ours, its)]
    _print("a read, as api_load asks", *means)


def _print(what: str, value_us: float, bare_us: float) -> None:
    print_figure(
        BENCHMARK,
        f"processor time of {what}",
        value_us,
        "us",
        samples=TURNS * READS,
        target=None if IS_QUICK else TARGET_US,
        peer=Peer("bare uvicorn: as many bytes", bare_us),
    )


def main() -> None:
    """Measure, or be the server that is measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--profile", choices=[kind for kind, _ in SHARES])
    asked, _ = parser.parse_known_args()
    if asked.serve:
        asyncio.run(serve())
    elif asked.profile:
        asyncio.run(profiled(asked.profile))
    else:
        measure()


if __name__ == "__main__":
    main()
