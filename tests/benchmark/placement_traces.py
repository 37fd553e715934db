"""Hosts and queues for the benchmarks of placement: the same seed gives the same files.

The one thing to know: the numbers are those of the comparison with Fenzo. Hosts of 8 cpu and 32 GB
in zones A, B, C by turns; jobs of 50 tasks; and two mixes of sizes, one of three sizes (60 % 1 cpu
and 2 GB, 30 % 2 and 8, 10 % 4 and 16) and a wide one (961 sizes of cpu, 15,872 of memory), where
nearly every task is of a size of its own. Sizes are drawn for each task, so that a job of the
benchmark is several classes of equal tasks: a job of a real cell is one.
"""

import random
from pathlib import Path
from typing import Literal, NamedTuple

Mix = Literal["three-size", "wide"]

HOST_CPUS = 8
HOST_MEMORY_MIB = 32 * 1024
ZONES = ("A", "B", "C")
JOB_TASKS = 50
THREE_SIZES = ((0.6, 1_000, 2 * 1024), (0.3, 2_000, 8 * 1024), (0.1, 4_000, 16 * 1024))
"""Share, cpu in thousandths, memory in MiB."""
WIDE_CPU_MILLI = range(200, 5_001, 5)
"""961 sizes, 0.2 to 5 cpu."""
WIDE_MEMORY_MIB = range(512, 16_384)
"""15,872 sizes, 0.5 to 16 GiB."""


class TraceHost(NamedTuple):
    """A row of hosts.csv."""

    name: str
    cpu_milli: int
    memory_mib: int
    zone: str


class TraceTask(NamedTuple):
    """A row of tasks.csv."""

    task_id: str
    job: str
    cpu_milli: int
    memory_mib: int


def hosts_of(count: int) -> list[TraceHost]:
    """That many equal hosts, in three zones by turns."""
    return [
        TraceHost(f"h{number:05d}", 1_000 * HOST_CPUS, HOST_MEMORY_MIB, ZONES[number % len(ZONES)])
        for number in range(count)
    ]


def tasks_of(mix: Mix, count: int, seed: int) -> list[TraceTask]:
    """That many tasks of the mix, in jobs of 50, in the order in which they wait."""
    chance = random.Random(seed)
    return [
        TraceTask(f"t{number:07d}", f"j{number // JOB_TASKS:06d}", *_size(mix, chance))
        for number in range(count)
    ]


def _size(mix: Mix, chance: random.Random) -> tuple[int, int]:
    if mix == "wide":
        return chance.choice(WIDE_CPU_MILLI), chance.choice(WIDE_MEMORY_MIB)
    drawn = chance.random()
    for share, cpu_milli, memory_mib in THREE_SIZES:
        if drawn < share:
            return cpu_milli, memory_mib
        drawn -= share
    return THREE_SIZES[-1][1:]


def write_hosts(path: Path, hosts: list[TraceHost]) -> None:
    """The hosts as `flumina simulate --hosts` reads them."""
    rows = [f"{each.name},{_cpus(each.cpu_milli)},{each.memory_mib},{each.zone}" for each in hosts]
    path.write_text("\n".join(["name,cpus,mem,zone", *rows]) + "\n", "utf-8")


def write_tasks(path: Path, tasks: list[TraceTask]) -> None:
    """The queue as `flumina simulate --tasks` reads it."""
    rows = [
        f"{each.task_id},{each.job},{_cpus(each.cpu_milli)},{each.memory_mib}" for each in tasks
    ]
    path.write_text("\n".join(["id,job,cpus,mem", *rows]) + "\n", "utf-8")


def _cpus(cpu_milli: int) -> str:
    """Whole thousandths as decimals, exactly."""
    return f"{cpu_milli // 1_000}.{cpu_milli % 1_000:03d}"
