"""All hosts as columns of whole numbers, one row a host, so that one step looks at all of them.

The one thing to know: a row of a host that may get nothing at all (draining, launch guard, lost
zone, somebody's own) has less than no cpu in `cpu_open`, so a single comparison passes it over.
Why a host is closed is asked only when a refusal is explained.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from scheduler.constraints.fixed import zone_refusal
from scheduler.model.ids import HostId, JobId
from scheduler.model.rules import PlacementRules
from scheduler.placement.attributes import Attributes
from scheduler.placement.changes import ChangeLog
from scheduler.placement.closing import GONE, NUMBERS, UNOFFERED, closed_by
from scheduler.placement.host import HostView
from scheduler.placement.intake import fill_up, is_plain, light_slot, take_in
from scheduler.placement.interface_book import InterfaceBook
from scheduler.placement.presence import Presence
from scheduler.placement.slot import UNIT_BITS, Slot

Array = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

RANK_BITS: Final = 22
FULLNESS_BITS: Final = 17
SUM_SHIFT: Final = RANK_BITS + FULLNESS_BITS
"""A key is, from the top: not a last choice (1 bit), the weighted sum of fitness (23), how full
the host is (17), and the rank of the digest of its id (22): 63 bits, so no key is negative."""
SUM_BITS: Final = 23
SUM_MASK: Final = (1 << SUM_BITS) - 1
FIRST_CHOICE: Final = 1 << (SUM_SHIFT + SUM_BITS)
FULLNESS_SHIFT: Final = UNIT_BITS + 11 - FULLNESS_BITS
"""Packed cpu and memory together are below 2**11 points."""
ROWS_MAX: Final = 1 << RANK_BITS
_FEW: Final = 64
Key = TypeVar("Key")

_NAMES: Final = (
    "cpu_open",
    "cpu_free",
    "cpu_total",
    "cpu_unit",
    "memory_free",
    "memory_total",
    "memory_unit",
    "packed",
    "disk_free",
    "disk_total",
    "disk_unit",
    "network_free",
    "network_total",
    "network_unit",
    "gpu_free",
    "gpu_total",
    "gpu_idle",
    "gpu_milli",
    "share_free",
    "ports_free",
    "tasks",
    "services",
    "quality",
    "last_choice",
    "agent",
    "since_ms",
    "expires_at_ms",
    "noise",
    "interface_class",
    "closed",
    "takes",
    "standing",
)
"""The columns; each is also an attribute of `Columns`, of the length of the table."""
_OF_SLOT: Final = tuple(name for name in _NAMES if name not in {"cpu_open", "standing", "closed"})


class Even(NamedTuple):
    """What hosts of one kind have in common, as numbers, for parts that need no more."""

    cpu_unit: int
    memory_unit: int
    agent: int
    packed: Array


class Columns:
    """The table of hosts. Attributes named in `_NAMES` are arrays over all rows."""

    cpu_open: Array
    cpu_free: Array
    cpu_total: Array
    cpu_unit: Array
    memory_free: Array
    memory_total: Array
    memory_unit: Array
    packed: Array
    disk_free: Array
    disk_total: Array
    disk_unit: Array
    network_free: Array
    network_total: Array
    network_unit: Array
    gpu_free: Array
    gpu_total: Array
    gpu_idle: Array
    gpu_milli: Array
    share_free: Array
    ports_free: Array
    tasks: Array
    services: Array
    quality: Array
    last_choice: Array
    agent: Array
    since_ms: Array
    expires_at_ms: Array
    noise: Array
    interface_class: Array
    closed: Array
    takes: Array
    standing: Array

    def __init__(self, rules: PlacementRules) -> None:
        self.rules = rules
        self.now_ms = 0
        self.row_of: dict[HostId, int] = {}
        self.slots: list[Slot | None] = []
        self.come: dict[int, dict[JobId, int]] = {}
        """Tasks by job on rows whose slots nobody asked for yet (`scheduler.placement.intake`)."""
        self._attributes = Attributes(self)
        self.jobs: Presence[JobId] = Presence()
        self.images: Presence[str] = Presence()
        self.groups: Presence[tuple[str, ...]] = Presence()
        self.interfaces = InterfaceBook()
        self.changed = ChangeLog()
        """Rows that changed, in order."""
        self.job_changes: dict[JobId, int] = {}
        """How often the tasks of a job have come or gone; for those who asked once."""
        self.version = 0
        """Grows when hosts come, go, or change what does not depend on tasks."""
        self.handed_over = 0
        """Grows whenever hosts are handed over or go: what they have in all may have changed."""
        self.length = 0
        self._spare: list[int] = []
        self._is_unranked = False
        self.ranks: Array = np.zeros(0, np.int64)
        self.rank_version = 0
        """Grows when hosts are numbered anew."""
        self._is_all_open: bool | None = None
        self._even: Even | None = None
        self._is_even_known = False
        self._counts: dict[tuple[JobId, str], dict[str, int]] = {}
        self._counted: dict[JobId, list[str]] = {}
        self._scalars: dict[str, tuple[Array, Array]] = {}
        self._scalar_names: set[str] = set()
        self._storage: dict[str, Array] = {}
        self._digests: Array = np.zeros(0, np.int64)
        self._guards = rules.guards
        self.has_launch_guards = (
            rules.guards.launching_per_host_max > 0 or rules.guards.launches_per_host_per_minute > 0
        )
        self._resize(0)

    # Hosts come and go

    def put(self, views: Iterable[HostView]) -> None:
        """Take over hosts whole, known or new."""
        new: list[HostView] = []
        for view in views:
            row = self.row_of.get(view.host_id)
            if row is None:
                new.append(view)
            else:
                self._replace(self.at(row), view)
        if new:
            self._insert(new)

    def remove(self, host_id: HostId) -> None:
        """Forget a host; one that is not known is no fault."""
        row = self.row_of.pop(host_id, None)
        if row is None:
            return
        self._leave_indexes(self.at(row))
        self.slots[row] = None
        for name in _NAMES:
            getattr(self, name)[row] = 0
        self.cpu_open[row] = -1
        self.closed[row] = GONE
        self._is_all_open = None
        self._is_even_known = False
        for free, total in self._scalars.values():
            free[row] = total[row] = 0
        self._spare.append(row)
        self.handed_over += 1
        self._shaken()
        self.changed.append(row)

    def _insert(self, views: list[HostView]) -> None:
        views = list({view.host_id: view for view in views}.values())
        length = self.length + max(0, len(views) - len(self._spare))
        assert length <= ROWS_MAX, f"{length} hosts are more than one index holds ({ROWS_MAX})"
        if length > self.length:
            self._resize(length)
        rows = [self._spare.pop() for _ in range(min(len(views), len(self._spare)))]
        rows += range(len(self.slots), len(self.slots) + len(views) - len(rows))
        self.slots += [None] * (length - len(self.slots))
        self._digests[rows] = np.frombuffer(
            b"".join([blake2b(each.host_id.encode(), digest_size=8).digest() for each in views]),
            ">u8",
        ) >> np.uint64(1)
        plain_rows: list[int] = []
        plain_views: list[HostView] = []
        for row, view in zip(rows, views, strict=True):
            self.row_of[view.host_id] = row
            if is_plain(view):
                self.slots[row] = light_slot(row, view, self._attributes.of(view))
                plain_rows.append(row)
                plain_views.append(view)
            else:
                slot = self.slots[row] = Slot(row)
                self._take_over(slot, view)
        if plain_rows:
            take_in(self, plain_rows, plain_views)
        self._shaken()
        self._is_unranked = True

    def at(self, row: int) -> Slot:
        """The host of a row that has one, with all its numbers."""
        slot = self.slots[row]
        assert slot is not None, f"there is no host in row {row}"
        if not slot.is_filled:
            fill_up(self, slot)
        return slot

    def find(self, host_id: HostId) -> Slot | None:
        """The host of this id with all its numbers; None: it is not known."""
        row = self.row_of.get(host_id)
        return None if row is None else self.at(row)

    def _replace(self, slot: Slot, view: HostView) -> None:
        before = slot.view
        assert before is not None
        if before == view and not slot.is_touched:
            return  # Callers tell what may have changed, and often it has not.
        if (
            before.attributes != view.attributes
            or before.hostname != view.hostname
            or before.is_schedulable != view.is_schedulable
            or before.gpu_model != view.gpu_model
            or (slot.gpu_total > 0) != (bool(view.gpus) or view.total.gpus > 0)
        ):
            self._shaken()
        self._take_over(slot, view)

    def _take_over(self, slot: Slot, view: HostView) -> None:
        row = slot.row
        self.handed_over += 1
        slot.fill(view)
        slot.attributes = self._attributes.of(view)
        self._reindex(slot, view)
        slot.tasks = sum([count for _, count in view.tasks_of_job])
        slot.takes = int(view.is_schedulable and not self.is_lost(slot.attributes))
        slot.interface_class = 0
        self._scalar_names.update(slot.scalar_totals)
        for name in _OF_SLOT:
            getattr(self, name)[row] = getattr(slot, name)
        self._is_even_known = False
        if slot.interfaces:
            self.interfaces_changed(slot)
        for name, (free, total) in self._scalars.items():
            free[row], total[row] = slot.scalar_free(name), slot.scalar_total(name)
        self.settle(slot)

    def _reindex(self, slot: Slot, view: HostView) -> None:
        """Have the indexes say what the view says; most of what is on a host stays there."""
        row, counts = slot.row, dict(view.tasks_of_job)
        if counts != slot.job_counts:
            for job_id, change in _differences(slot.job_counts, counts):
                self.jobs.change(job_id, row, change)
                self.tally(slot, job_id, change)
            slot.job_counts = counts
        images, groups = dict.fromkeys(view.images, 1), dict.fromkeys(view.security_groups, 1)
        if images != slot.images:
            for image, change in _differences(slot.images, images):
                self.images.change(image, row, change)
            slot.images = images
        if groups != slot.groups:
            for of_task, change in _differences(slot.groups, groups):
                self.groups.change(of_task, row, change)
            slot.groups = groups

    def _leave_indexes(self, slot: Slot) -> None:
        for job_id, count in slot.job_counts.items():
            self.jobs.change(job_id, slot.row, -count)
            self.tally(slot, job_id, -count)
        for image, count in slot.images.items():
            self.images.change(image, slot.row, -count)
        for groups, count in slot.groups.items():
            self.groups.change(groups, slot.row, -count)
        slot.job_counts.clear()
        slot.images.clear()
        slot.groups.clear()

    def _resize(self, length: int) -> None:
        """Give every column this many rows; storage grows by doubling."""
        capacity = len(self._storage.get("standing", ()))
        if length > capacity or not self._storage:
            capacity = max(16, length, 2 * capacity)
            self._storage = {
                name: _grown(self._storage.get(name), capacity)
                for name in (
                    *_NAMES,
                    "digests",
                    *(f"scalar {name}" for name in self._scalars),
                    *(f"total {name}" for name in self._scalars),
                )
            }
        self._storage["cpu_open"][self.length : length] = -1
        self._storage["closed"][self.length : length] = GONE
        self.length = length
        self._is_even_known = False
        for name in _NAMES:
            setattr(self, name, self._storage[name][:length])
        self._digests = self._storage["digests"][:length]
        for name in self._scalars:
            self._scalars[name] = (
                self._storage[f"scalar {name}"][:length],
                self._storage[f"total {name}"][:length],
            )
        for presence in (self.jobs, self.images, self.groups):
            presence.resized()

    def _shaken(self) -> None:
        self.version += 1
        self._counts.clear()
        self._counted.clear()

    # What follows from a host's numbers

    def is_lost(self, attributes: Mapping[str, str]) -> bool:
        """Whether the host's zone is given up as lost."""
        return bool(self.rules.lost_zones) and bool(zone_refusal(attributes, self.rules))

    def settle_new(self, rows: Array, views: Sequence[HostView]) -> None:
        """Bring the columns that follow from others up to date for new hosts without tasks."""
        guards = self._guards
        self.handed_over += 1
        launching = np.array([each.launching for each in views])
        launches = np.array([each.launches_last_minute for each in views])
        closed = np.zeros(len(rows), np.int64)
        if guards.launches_per_host_per_minute > 0:
            closed[launches >= guards.launches_per_host_per_minute] = NUMBERS["launchRate"]
        if guards.launching_per_host_max > 0:
            closed[launching >= guards.launching_per_host_max] = NUMBERS["launchingLimit"]
        closed[self.quality[rows] < guards.quality_least_milli] = NUMBERS["quality"]
        closed[self.takes[rows] == 0] = NUMBERS["lostZone"]
        closed[[not each.is_schedulable for each in views]] = NUMBERS["draining"]
        closed[[not each.is_offered for each in views]] = UNOFFERED
        self.closed[rows] = closed
        self._is_all_open = None
        self._is_even_known = False
        self.cpu_open[rows] = np.where(closed == 0, self.cpu_free[rows], -1)
        fullness = np.minimum(self.packed[rows] >> FULLNESS_SHIFT, (1 << FULLNESS_BITS) - 1)
        self.standing[rows] = (1 - self.last_choice[rows]) * FIRST_CHOICE + (fullness << RANK_BITS)
        if len(rows) <= _FEW:
            for row in rows.tolist():
                self.changed.append(row)
        else:
            self.changed.all_changed()

    def settle(self, slot: Slot) -> None:
        """Bring the columns that follow from others up to date for one row, and note the change."""
        row = slot.row
        slot.closed = self.closed[row] = closed_by(slot, self._guards)
        self._is_all_open = None
        slot.is_open = not slot.closed
        self.cpu_open[row] = slot.cpu_free if slot.is_open else -1
        self._stand(slot)
        self.changed.append(row)

    def interfaces_changed(self, slot: Slot) -> None:
        """Number the state of the host's interfaces; states that no host is in are forgotten."""
        slot.interface_class = self.interfaces.number(slot.interfaces)
        self.interface_class[slot.row] = slot.interface_class
        if self.interfaces.count > 4_096 + 4 * self.length:
            self.interfaces.forget()
            for each in self.slots:
                if each is not None:
                    each.interface_class = self.interfaces.number(each.interfaces)
                    self.interface_class[each.row] = each.interface_class

    def ranked(self) -> None:
        """Number the hosts by the digests of their ids, if any came since the last time."""
        if not self._is_unranked:
            return
        self._is_unranked = False
        order = np.argsort(self._digests, kind="stable")
        ranks = np.empty(self.length, np.int64)
        ranks[order] = np.arange(self.length)
        self.ranks = ranks
        self.rank_version += 1
        self.standing &= ~np.int64(ROWS_MAX - 1)
        self.standing |= ranks

    # Tasks come and go

    def task_counts(self, slot: Slot, job_id: JobId, change: int) -> None:
        """``change`` tasks more of the job are on the host."""
        count = slot.job_counts.get(job_id, 0) + change
        if count > 0:
            slot.job_counts[job_id] = count
        else:
            slot.job_counts.pop(job_id, None)
        slot.tasks += change
        self.jobs.change(job_id, slot.row, change)
        self.tally(slot, job_id, change)

    def devices_changed(self, slot: Slot) -> None:
        """Write what follows from the devices of the host into the columns."""
        row = slot.row
        self.gpu_free[row] = slot.gpu_free
        self.gpu_idle[row] = slot.gpu_idle
        self.share_free[row] = slot.share_free

    def amounts_changed(self, slot: Slot) -> None:
        """Write the numbers that tasks change from the slot into the columns."""
        row = slot.row
        self.cpu_free[row] = slot.cpu_free
        self.memory_free[row] = slot.memory_free
        self.packed[row] = slot.packed
        self.tasks[row] = slot.tasks
        self.services[row] = slot.services
        if self.has_launch_guards or slot.closed or slot.exclusive_job is not None:
            self.settle(slot)
            return
        self.cpu_open[row] = slot.cpu_free
        self._stand(slot)
        self.changed.append(row)

    def standing_of(self, slot: Slot) -> int:
        """The lower bits of the host's key, as full as it is now: all but its fitness."""
        return (
            (0 if slot.last_choice else FIRST_CHOICE)
            | min(slot.packed >> FULLNESS_SHIFT, (1 << FULLNESS_BITS) - 1) << RANK_BITS
            | (self.standing.item(slot.row) & (ROWS_MAX - 1))
        )

    def _stand(self, slot: Slot) -> None:
        self.standing[slot.row] = self.standing_of(slot)

    # Questions about many hosts

    def is_all_open(self) -> bool:
        """Whether every row has a host that may get tasks."""
        if self._is_all_open is None:
            self._is_all_open = self.length > 0 and not self.closed.any()
        return self._is_all_open

    def even(self) -> Even | None:
        """What all rows have in common; None where they differ."""
        if not self._is_even_known:
            self._is_even_known = True
            before, self._even = self._even, None
            of_all = [self.cpu_unit, self.memory_unit, self.agent]
            if self.length and all((each == each[0]).all() for each in of_all):
                cpu_unit, memory_unit, agent = [each.item(0) for each in of_all]
                made = Even(cpu_unit, memory_unit, agent, self.packed)
                # What others keep for hosts that are alike serves on while they are as they were.
                is_same = before and before[:3] == made[:3] and before.packed is made.packed
                self._even = before if is_same else made
        return self._even

    def offered(self) -> int:
        """How many hosts have something on offer."""
        return int(np.count_nonzero((self.closed != GONE) & (self.closed != UNOFFERED)))

    def codes(self, attribute: str) -> tuple[Array, list[str | None]]:
        """A number for each row's value of the attribute, and the values; number 0 is none."""
        return self._attributes.codes(attribute)

    def models(self) -> tuple[Array, list[str]]:
        """A number for each row's model of GPU, and the models."""
        return self._attributes.models()

    def partitions(self, attributes: tuple[str, ...]) -> list[tuple[tuple[str | None, ...], Array]]:
        """Rows with equal values of all these attributes, with the values."""
        return self._attributes.partitions(attributes)

    def values(self, attribute: str) -> tuple[str, ...]:
        """Values of the attribute among schedulable hosts outside of lost zones, sorted."""
        return self._attributes.values(attribute)

    def counts(self, job_id: JobId, attribute: str) -> Mapping[str, int]:
        """Tasks of the job by the value of their host's attribute."""
        known = self._counts.get((job_id, attribute))
        if known is None:
            known = {}
            for row, count in self.jobs.rows.get(job_id, {}).items():
                slot = self.slots[row]
                assert slot is not None
                value = slot.attributes.get(attribute)
                if value is not None:
                    known[value] = known.get(value, 0) + count
            if len(self._counts) >= 8_192:  # Jobs come and go; they are counted anew when asked.
                self._counts.clear()
                self._counted.clear()
            self._counts[job_id, attribute] = known
            self._counted.setdefault(job_id, []).append(attribute)
        return known

    def has_tasks(self, job_id: JobId) -> bool:
        """Whether any task of the job is on any host."""
        return bool(self.jobs.rows.get(job_id))

    @property
    def is_counting_jobs(self) -> bool:
        """Whether somebody asked to have the tasks of any job counted."""
        return bool(self.job_changes or self._counted)

    def tally(self, slot: Slot, job_id: JobId, change: int) -> None:
        """Count tasks of the job by the values of the host's attributes, where somebody asked."""
        if job_id in self.job_changes:
            self.job_changes[job_id] += 1
        for attribute in self._counted.get(job_id, ()):
            value = slot.attributes.get(attribute)
            if value is not None:
                counts = self._counts[job_id, attribute]
                counts[value] = counts.get(value, 0) + change

    # The names that a slot answers to as well

    def tasks_of(self, job_id: JobId) -> Array | int:
        """How many tasks of the job are on each host."""
        return self.jobs.counts(job_id, self.length)

    def has_image(self, image: str) -> Array | int:
        """1 for each host that has the image."""
        return self.images.is_on(image, self.length)

    def has_groups(self, groups: tuple[str, ...]) -> Array | int:
        """1 for each host with a task of this very set of security groups."""
        return self.groups.is_on(groups, self.length)

    def address_fitness(self, groups: tuple[str, ...], now_ms: int) -> Array:
        """How good the best address for these groups would be on each host."""
        return self.interfaces.fitness(groups, now_ms, self.interface_class)

    def scalar_free(self, name: str) -> Array:
        """What is free of a named scalar on each host."""
        return self._scalar(name)[0]

    def scalar_total(self, name: str) -> Array:
        """What there is of a named scalar on each host."""
        return self._scalar(name)[1]

    def scalar_names(self) -> tuple[str, ...]:
        """All named scalars that hosts ever had, sorted."""
        return tuple(sorted(self._scalar_names))

    def _scalar(self, name: str) -> tuple[Array, Array]:
        known = self._scalars.get(name)
        if known is None:
            capacity = len(self._storage["standing"])
            free, total = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
            self._storage[f"scalar {name}"], self._storage[f"total {name}"] = free, total
            for slot in self.slots:
                if slot is not None:
                    free[slot.row] = slot.scalar_free(name)
                    total[slot.row] = slot.scalar_total(name)
            known = self._scalars[name] = (free[: self.length], total[: self.length])
        return known


def _differences(before: dict[Key, int], after: dict[Key, int]) -> list[tuple[Key, int]]:
    """What has another count than before, and by how much."""
    found = [(key, -count) for key, count in before.items() if key not in after]
    for key, count in after.items():
        if change := count - before.get(key, 0):
            found.append((key, change))
    return found


def _grown(array: Array | None, capacity: int) -> Array:
    made = np.zeros(capacity, np.int64)
    if array is not None:
        made[: len(array)] = array
    return made
