"""One host inside the index: everything about it as plain numbers, for questions about one host.

The one thing to know: a slot and the columns (`scheduler.placement.columns`) answer to the same
names, a slot with one number and the columns with an array of them. A fitness part is written once
and works on both.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import PortRange, Resources
from scheduler.placement.devices import idle_milli, untouched
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.interface_book import fitness_of

UNIT_BITS = 32
"""Shares are computed in units of 1/2**32 of a point of fitness, so that no sum is rounded."""
NOT_COUNTED = 1 << 60
"""What a host has of a resource that it does not account for: more than anybody asks."""
NEVER_MS = 1 << 60


class AttributeSet(dict[str, str]):
    """Attributes by name, one value for all hosts with the same ones; ``number`` is its own."""

    __slots__ = ("number",)

    def __init__(self, attributes: Iterable[tuple[str, str]], number: int) -> None:
        super().__init__(attributes)
        self.number = number


NO_ATTRIBUTES: Final = AttributeSet((), 0)


class Slot:
    """A host's numbers, changed in place as tasks are put there and taken away."""

    __slots__ = (
        "agent",
        "attributes",
        "closed",
        "cpu_free",
        "cpu_total",
        "cpu_unit",
        "disk_free",
        "disk_total",
        "disk_unit",
        "exclusive_job",
        "expires_at_ms",
        "gpu_free",
        "gpu_idle",
        "gpu_milli",
        "gpu_model",
        "gpu_total",
        "gpus",
        "groups",
        "host_id",
        "images",
        "interface_class",
        "interfaces",
        "is_filled",
        "is_open",
        "is_touched",
        "job_counts",
        "last_choice",
        "launches",
        "launching",
        "memory_free",
        "memory_total",
        "memory_unit",
        "network_free",
        "network_total",
        "network_unit",
        "noise",
        "packed",
        "port_ranges",
        "ports_free",
        "quality",
        "row",
        "scalar_totals",
        "scalars",
        "services",
        "share_free",
        "since_ms",
        "takes",
        "tasks",
        "view",
        "whole_gpus_taken",
    )

    def __init__(self, row: int) -> None:
        self.row = row
        self.view: HostView | None = None
        self.is_filled = False
        self.attributes = NO_ATTRIBUTES
        """Shared by hosts with the same ones: never changed in place."""
        self.begin()

    def begin(self) -> None:
        """Be without tasks and things; said once, before the slot is filled."""
        self.gpus: tuple[GpuDevice, ...] = ()
        self.interfaces: tuple[Interface, ...] = ()
        self.scalars: dict[str, int] = {}
        self.scalar_totals: dict[str, int] = {}
        self.tasks: int
        self.takes: int
        self.closed: int
        self.is_open: bool
        self.interface_class: int
        self.exclusive_job: JobId | None = None
        self.job_counts: dict[JobId, int] = {}
        self.images: dict[str, int] = {}
        self.groups: dict[tuple[str, ...], int] = {}

    def fill(self, view: HostView, packed: int | None = None) -> None:
        """Take every number over from the host's view; what others index is not touched.

        ``packed`` is for those who have worked it out.
        """
        free, total = view.free, view.total
        self.is_touched = False
        """Whether tasks came or went since the view was made."""
        self.whole_gpus_taken = 0
        self.view = view
        self.is_filled = True
        self.host_id: HostId = view.host_id
        self.cpu_free = free.cpu_milli
        self.cpu_total = total.cpu_milli
        self.cpu_unit = unit_of(total.cpu_milli)
        self.memory_free = free.memory_mib
        self.memory_total = total.memory_mib
        self.memory_unit = unit_of(total.memory_mib)
        self.disk_free = free.disk_mib
        self.disk_total = total.disk_mib
        self.disk_unit = unit_of(total.disk_mib)
        is_counted = view.accounts_network
        self.network_free = free.network_mbps if is_counted else NOT_COUNTED
        self.network_total = total.network_mbps if is_counted else NOT_COUNTED
        self.network_unit = unit_of(total.network_mbps) if is_counted else 0
        if packed is None:
            packed = _packed(self.cpu_total, self.cpu_free, self.cpu_unit)
            packed += _packed(self.memory_total, self.memory_free, self.memory_unit)
        self.packed = packed
        self.port_ranges: tuple[PortRange, ...] = free.ports
        self.ports_free = (
            sum([each.end - each.begin + 1 for each in free.ports]) if free.ports else 0
        )
        self.gpu_model = view.gpu_model
        self.gpus = view.gpus
        self.gpu_total = self.gpu_milli = self.gpu_free = self.gpu_idle = self.share_free = 0
        if view.gpus:
            self.gpu_total = len(view.gpus)
            self.gpu_milli = sum([each.total_milli for each in view.gpus])
            self.count_gpus()
        self.interfaces = view.interfaces
        self.scalars = dict(free.scalars) if free.scalars else {}
        self.scalar_totals = dict(total.scalars) if total.scalars else {}
        self.services = view.services
        self.launching = view.launching
        self.launches = view.launches_last_minute
        self.quality = view.quality_milli
        self.last_choice = 1 if view.is_last_choice else 0
        self.agent = agent_of(view)
        self.since_ms = view.since_ms
        self.expires_at_ms = NEVER_MS if view.expires_at_ms is None else view.expires_at_ms
        self.noise = view.noise_milli
        self.exclusive_job = view.exclusive_job

    def count_gpus(self) -> None:
        """Bring the counts of devices up to date with the devices."""
        self.gpu_free = untouched(self.gpus)
        self.gpu_idle = idle_milli(self.gpus)
        self.share_free = max([each.free_milli for each in self.gpus], default=0)

    def tasks_of(self, job_id: JobId) -> int:
        """How many tasks of the job are here."""
        return self.job_counts.get(job_id, 0)

    def has_image(self, image: str) -> int:
        """1 where the image is here, else 0."""
        return 1 if image in self.images else 0

    def has_groups(self, groups: tuple[str, ...]) -> int:
        """1 where a task here has this very set of security groups, else 0."""
        return 1 if groups in self.groups else 0

    def address_fitness(self, groups: tuple[str, ...], now_ms: int) -> int:
        """How good the best address for these groups would be."""
        return fitness_of(self.interfaces, groups, now_ms)

    def scalar_free(self, name: str) -> int:
        """What is free of a named scalar."""
        return self.scalars.get(name, 0)

    def scalar_total(self, name: str) -> int:
        """What there is of a named scalar in all."""
        return self.scalar_totals.get(name, 0)

    def view_now(self) -> HostView:
        """The host as it is now, tasks of this index included, as the contracts write it."""
        before = self.view
        assert before is not None
        if not self.is_touched:
            return before
        return msgspec.structs.replace(
            before,
            free=self.free(),
            tasks_of_job=tuple(sorted(self.job_counts.items())),
            services=self.services,
            exclusive_job=self.exclusive_job,
            images=tuple(sorted(self.images)),
            security_groups=tuple(sorted(self.groups)),
            launching=self.launching,
            launches_last_minute=self.launches,
            gpus=self.gpus,
            interfaces=self.interfaces,
        )

    def free(self) -> Resources:
        """What is free here now."""
        assert self.view is not None
        is_counted = self.view.accounts_network
        whole = self.view.free.gpus - self.whole_gpus_taken
        return Resources(
            self.cpu_free,
            self.memory_free,
            self.disk_free,
            self.port_ranges,
            self.network_free if is_counted else self.view.free.network_mbps,
            whole,
            tuple(sorted((name, amount) for name, amount in self.scalars.items() if amount)),
        )


def agent_of(view: HostView) -> int:
    """The host's quality; a hundredth of it where the host is phased out."""
    return view.quality_milli // 100 if view.is_last_choice else view.quality_milli


@lru_cache(maxsize=1_024)  # Hosts are of few sizes.
def unit_of(total: int) -> int:
    """What one of ``total`` is worth, so that all of them are 1,000 points and never less."""
    return -(-(1_000 << UNIT_BITS) // total) if total > 0 else 0


def _packed(total: int, free: int, unit: int) -> int:
    # A host without any of a resource is full of it.
    return max(0, total - max(0, free)) * unit if total > 0 else 1_000 << UNIT_BITS
