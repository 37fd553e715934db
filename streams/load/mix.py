"""The mix of jobs and hosts that `flumina load` drives: pure, and the same for the same seed.

The one thing to know: what Netflix told of Titus ("Containers at Netflix", slides of October 2017)
is kept as it was told (ranges of sizes and durations, launches a week and on the peak day, sorts of
hosts); how jobs spread within those ranges was not told, and each such share below is ours and says
so. The report of a run repeats them.
"""

from collections.abc import Iterator, Sequence
from math import log
from random import Random
from typing import Final, NamedTuple, TypeVar

import orjson

Value = TypeVar("Value")

LAUNCHES_A_WEEK: Final = 3_000_000
"""Told: 3 million containers a week."""
LAUNCHES_ON_PEAK_DAY: Final = 750_000
"""Told, of the same week."""
HOSTS: Final = 7_000
"""Told: thousands of hosts at the peak, tens in the trough; 7,000 is the bound of one fleet."""
IMAGES: Final = 4_000
"""Told: thousands of images; how many thousands is ours."""


class HostSort(NamedTuple):
    """One sort of host."""

    cpus: int
    memory_gb: int
    network_mbps: int


HOST_SORTS: Final = (
    HostSort(8, 32, 5_000),
    HostSort(16, 64, 5_000),
    HostSort(32, 122, 10_000),
    HostSort(32, 244, 10_000),
    HostSort(64, 244, 20_000),
)
"""Told: 8 to 64 CPUs, 32 to 244 GB. The sorts between are ours, in equal numbers; bandwidth is that
of AWS' m4 and r4 of these sizes."""
HOST_CPUS_MEAN: Final = sum(each.cpus for each in HOST_SORTS) / len(HOST_SORTS)


class Lives(NamedTuple):
    """How long a class of tasks runs in the real world, evenly on a logarithmic scale."""

    name: str
    share: float
    seconds_least: float
    seconds_most: float


LIVES: Final = (
    Lives("moment", 0.10, 0.2, 1.0),
    Lives("seconds", 0.15, 1.0, 60.0),
    Lives("minutes", 0.70, 60.0, 3_600.0),
    Lives("hours", 0.04, 3_600.0, 86_400.0),
    Lives("days", 0.01, 86_400.0, 259_200.0),
)
"""Told: under a second; minutes to an hour, most; over a day. The shares of batch jobs are ours."""
SERVICE: Final = Lives("service", 0.0, 3_600.0, 86_400.0)
"""Told: services live under a day. One lives until the load ends it."""
SERVICE_SHARE: Final = 0.03
"""Of the jobs; ours."""
LIFE_VARIABLE: Final = "LOAD_LIFE"
"""In a task's environment: the class by which the dev cluster draws how long it runs."""


class Sizes(NamedTuple):
    """How many tasks jobs of a share have, evenly on a logarithmic scale."""

    share: float
    least: int
    most: int


JOB_SIZES: Final = (
    Sizes(0.45, 1, 1),
    Sizes(0.30, 2, 10),
    Sizes(0.20, 11, 100),
    Sizes(0.05, 101, 1_000),
)
"""Tasks of a batch job; ours, for only launches were told. The mean is 27."""
SERVICE_SIZES: Final = Sizes(1.0, 1, 20)

CPU_SHARES: Final = ((1, 0.55), (2, 0.20), (4, 0.13), (8, 0.07), (16, 0.035), (32, 0.015))
"""Told: 1 to 32 CPUs; the shares are ours, small ones are many."""
MEMORY_GB_LEAST: Final = 2
MEMORY_GB_MOST: Final = 200
NETWORK_MBPS_LEAST: Final = 10
NETWORK_MBPS_MOST: Final = 2_000
"""Told."""
MEMORY_GB_PER_CPU: Final = (1.0, 6.25)
"""Ours: as hosts have 3.8 to 7.6 GB for a CPU."""
JOB_NAME: Final = "load"


class JobPlan(NamedTuple):
    """One job that is to be submitted."""

    job_id: str
    tasks: int
    life: str
    cpus: int
    body: bytes
    """Its descriptor, as Titus' API v3 reads it."""
    service_s: float
    """How long a service lives, in real time; 0 for a batch job."""


def jobs(seed: int, launches: int) -> Iterator[JobPlan]:
    """Jobs that make exactly so many launches, the same for the same seed."""
    chance = Random(seed)  # noqa: S311 - a load, no secret
    left, number = launches, 0
    while left > 0:
        number += 1
        plan = _job(chance, f"{JOB_NAME}-{seed}-{number}", left)
        left -= plan.tasks
        yield plan


def _job(chance: Random, job_id: str, tasks_max: int) -> JobPlan:
    is_service = chance.random() < SERVICE_SHARE
    sizes = (
        SERVICE_SIZES if is_service else _chosen(chance, JOB_SIZES, [s.share for s in JOB_SIZES])
    )
    tasks = min(tasks_max, round(_spread(chance, sizes.least, sizes.most)))
    life = SERVICE if is_service else _chosen(chance, LIVES, [each.share for each in LIVES])
    service_s = _spread(chance, SERVICE.seconds_least, SERVICE.seconds_most) if is_service else 0.0
    cpus = _chosen(chance, [cpu for cpu, _ in CPU_SHARES], [share for _, share in CPU_SHARES])
    memory_gb = min(
        MEMORY_GB_MOST, max(MEMORY_GB_LEAST, round(cpus * _spread(chance, *MEMORY_GB_PER_CPU)))
    )
    network = round(_spread(chance, NETWORK_MBPS_LEAST, NETWORK_MBPS_MOST / (33 - cpus)))
    image = int(_spread(chance, 1, IMAGES))  # A few are popular, most are not.
    body = _descriptor(
        life.name,
        is_service=is_service,
        tasks=tasks,
        image=f"load/image-{image}",
        resources={
            "cpu": cpus,
            "memoryMB": memory_gb * 1_000,
            "diskMB": 1_000,
            "networkMbps": max(NETWORK_MBPS_LEAST, network),
        },
    )
    return JobPlan(job_id, tasks, life.name, cpus, body, service_s)


def _descriptor(
    life: str, *, is_service: bool, tasks: int, image: str, resources: dict[str, int]
) -> bytes:
    if is_service:
        kind: dict[str, object] = {
            "service": {"capacity": {"min": 0, "desired": tasks, "max": tasks}}
        }
    else:
        kind = {"batch": {"size": tasks, "retryPolicy": {"immediate": {"retries": 0}}}}
    return orjson.dumps(
        {
            "owner": {"teamEmail": "load@example.com"},
            "applicationName": image.replace("/", "-"),
            "container": {
                "resources": resources,
                "image": {"name": image, "tag": "1"},
                "entryPoint": ["/bin/true"],
                "env": {LIFE_VARIABLE: life},
            },
            **kind,
        }
    )


def _chosen(chance: Random, values: Sequence[Value], shares: Sequence[float]) -> Value:
    return chance.choices(values, shares)[0]


def _spread(chance: Random, least: float, most: float) -> float:
    """A value between two, evenly on a logarithmic scale."""
    if least == most:
        return float(least)
    return float(least * (most / least) ** chance.random())


def mean_seconds(lives: Lives) -> float:
    """The mean of a class: of values that are even on a logarithmic scale."""
    return (lives.seconds_most - lives.seconds_least) / log(
        lives.seconds_most / lives.seconds_least
    )


def mean_cpu_seconds() -> float:
    """CPU-seconds of a batch task, on average, in the real world."""
    seconds = sum(each.share * mean_seconds(each) for each in LIVES)
    return seconds * sum(cpu * share for cpu, share in CPU_SHARES)


def compression(hosts: int, launches_per_s: float, full: float = 0.6) -> float:
    """By how much time must run faster, so that so many launches a second fill that share of hosts.

    The week's own rate needs none: 3 million launches are 5 a second, and the peak day's 8.7.
    """
    room = full * hosts * HOST_CPUS_MEAN
    return max(1.0, mean_cpu_seconds() * launches_per_s / room)


def tasks_model(compress: float) -> str:
    """The model of simulated tasks (TOML): each class lives as long as told, so much faster."""
    lines = [f'name = "netflix mix, {compress:g} times as fast"']
    for each in LIVES:
        points = [
            [
                share / 8,
                each.seconds_least * (each.seconds_most / each.seconds_least) ** (share / 8),
            ]
            for share in range(9)
        ]
        compressed = ", ".join(
            f"[{share:g}, {seconds / compress:.6g}]" for share, seconds in points
        )
        lines += [
            "[[runs]]",
            f'variable = "{LIFE_VARIABLE}={each.name}"',
            f'seconds = {{kind = "quantiles", points = [{compressed}]}}',
        ]
    lines += ["[[runs]]", f"seconds = {7 * 86_400.0}", ""]
    return "\n".join(lines)


def host_resources() -> str:
    """What simulated hosts offer, by sorts, as `flumina dev-cluster --resources` reads it."""
    return "|".join(
        f"cpus:{each.cpus};mem:{each.memory_gb * 1_000};disk:2000000;"
        f"network:{each.network_mbps};ports:[31000-31999]"
        for each in HOST_SORTS
    )
