"""What a fitness part is told, and what it answers.

The one thing to know: a part is written once, with whole-number arithmetic only. Asked about one
host it gets a `Slot` and its names are numbers; asked about all it gets the `Columns` and the same
names are arrays. So `hosts.quality * 2 // 3` is right in both cases, and an `if` over a host's
number is not: write `10 + 990 * hosts.has_image(image)`.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from scheduler.model.ids import JobId
from scheduler.placement.request import Request

Numbers = Any
"""A number for one host, or an array with one for each of many."""

WEEK_MS: Final = 7 * 86_400_000
DAY_MS: Final = 86_400_000


class Hosts(Protocol):
    """One host or many, before the task is put there."""

    cpu_free: Numbers
    cpu_total: Numbers
    cpu_unit: Numbers
    memory_free: Numbers
    memory_total: Numbers
    memory_unit: Numbers
    packed: Numbers
    disk_free: Numbers
    disk_total: Numbers
    disk_unit: Numbers
    network_free: Numbers
    network_total: Numbers
    network_unit: Numbers
    gpu_free: Numbers
    gpu_total: Numbers
    gpu_idle: Numbers
    gpu_milli: Numbers
    tasks: Numbers
    services: Numbers
    quality: Numbers
    agent: Numbers
    last_choice: Numbers
    since_ms: Numbers
    expires_at_ms: Numbers
    noise: Numbers

    def tasks_of(self, job_id: JobId) -> Numbers:
        """How many tasks of the job are there."""

    def has_image(self, image: str) -> Numbers:
        """1 where the image is, else 0."""

    def has_groups(self, groups: tuple[str, ...]) -> Numbers:
        """1 where a task has this very set of security groups, else 0."""

    def address_fitness(self, groups: tuple[str, ...], now_ms: int) -> Numbers:
        """How good the best address for these groups would be."""


Part = Callable[[Request, Hosts, int], Numbers]
"""Fitness 0 to 1,000 for a request on hosts at a time in milliseconds."""
