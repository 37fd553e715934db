"""How well a host suits a task where GPUs are what is scarce: fragments, feed, models, best fit.

The one thing to know: a part compares the host before and after the task, in devices; 30 points
are one device, 500 is no change. All of them look at the `Mix` of tasks that arrived, which the
caller learns and hands over: `GpuFitness(mix).parts()` go to `Placement`. Answers about all hosts
are kept for each need, and only rows that changed are worked out again.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from scheduler.model.resources import Need
from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.columns import Columns
from scheduler.placement.devices import asked_milli, asks_for_devices, chosen_devices, with_taken
from scheduler.placement.fitness.hosts import Hosts, Numbers, Part
from scheduler.placement.gpu_mix import (
    Mix,
    feed_of,
    fragments,
    sought_milli,
    unfed_milli,
)
from scheduler.placement.host import GpuDevice
from scheduler.placement.request import Request
from scheduler.placement.slot import Slot

Array = npt.NDArray[np.int64]

POINTS_OF_DEVICE: Final = 30
"""Points for one device more or less; 16 devices on either side of 500 before it is cut off."""
NO_CHANGE: Final = FITNESS_MAX // 2
BEST_FIT_CPU_MILLI: Final = 128_000
"""The largest host of the trace has 128 cpu and 8 devices; best fit weighs both by half."""
BEST_FIT_GPU_MILLI: Final = 8_000
DEVICE_MILLI: Final = 1_000
FGD_LEVELS: Final = 100
"""The authors' scheduler rounds fitness down to whole numbers up to this; it matters (0017)."""
FGD_THRESHOLDS: Final = tuple(
    int((Decimal(level) / Decimal(FGD_LEVELS - level)).ln() * 1_000_000)
    for level in range(1, FGD_LEVELS)
)
"""Millionths of a device less fragmented at which a sigmoid in devices passes 1/100, 2/100, ..."""

FRAGMENTS: Final = "gpuFragments"
FEED: Final = "gpuFeed"
MODELS: Final = "gpuModels"
BEST_FIT: Final = "gpuBestFit"
FGD: Final = "fgd"
GPU_PARTS: Final = (FRAGMENTS, FEED, MODELS, BEST_FIT, FGD)


class GpuFitness:
    """The parts for one mix, with what is known of one table of hosts."""

    def __init__(self, mix: Mix) -> None:
        self.set_mix(mix)

    def set_mix(self, mix: Mix) -> None:
        """Look at hosts with another mix from now on."""
        self.mix = mix
        self.tasks = mix.tasks
        self.feed_asked = feed_of(mix)
        self.sought = sought_milli(mix)
        self._tables = _Tables(mix)
        self._known: _Known | None = None

    def parts(self) -> dict[str, Part]:
        """The parts by the names that profiles use, for `Placement`."""
        return {
            FRAGMENTS: self.fragments,
            FEED: self.feed,
            MODELS: self.models,
            BEST_FIT: best_fit,
            FGD: self.fgd,
        }

    def fragments(self, request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG002
        """500 and 30 points for each device that the mix can use better than before."""
        if isinstance(hosts, Slot):
            if (known := self._of_table(request, hosts)) is not None:
                return known.fragments.item(hosts.row)
            change = self._fragments_less(request.need, hosts)
            return _cut(NO_CHANGE + POINTS_OF_DEVICE * change // (DEVICE_MILLI * self.tasks or 1))
        return self._all(request, hosts).fragments

    def feed(self, request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG002
        """500 less 30 points for each idle device that the cpu left cannot feed any more."""
        if isinstance(hosts, Slot):
            if (known := self._of_table(request, hosts)) is not None:
                return known.feed.item(hosts.row)
            after = _after(request.need, hosts)
            change = 0
            if after is not None:
                before = unfed_milli(self.feed_asked, hosts.cpu_free, hosts.gpus)
                change = before - unfed_milli(self.feed_asked, after[0], after[1])
            return _cut(NO_CHANGE + POINTS_OF_DEVICE * change // DEVICE_MILLI)
        return self._all(request, hosts).feed

    def models(self, request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG002
        """1,000 less 30 points for each device taken of a model that others must have."""
        asked = asked_milli(request.need)
        if isinstance(hosts, Slot):
            sought = self.sought.get(hosts.gpu_model, 0)
            return _cut(FITNESS_MAX - POINTS_OF_DEVICE * sought * asked // 1_000_000)
        known = self._synchronised(hosts)
        cost = POINTS_OF_DEVICE * known.sought * asked // 1_000_000
        return np.maximum(FITNESS_MAX - cost, 0)

    def fgd(self, request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG002
        """The fitness of Weng et al.: a sigmoid of what fragmentation falls, in 100 steps of 10."""
        if isinstance(hosts, Slot):
            if (known := self._of_table(request, hosts)) is not None:
                return known.fgd.item(hosts.row)
            millionths = 1_000 * self._fragments_less(request.need, hosts) // (self.tasks or 1)
            return 10 * sum(millionths >= each for each in FGD_THRESHOLDS)
        return self._all(request, hosts).fgd

    def _fragments_less(self, need: Need, slot: Slot) -> int:
        after = _after(need, slot)
        if after is None:
            return 0
        before = fragments(self.mix, slot.cpu_free, slot.gpus, slot.gpu_model)
        return before - fragments(self.mix, after[0], after[1], slot.gpu_model)

    # All hosts

    def _of_table(self, request: Request, slot: Slot) -> "_Answers | None":
        """Answers for all hosts where this slot is one of theirs: it is asked about again."""
        known = self._known
        if known is None or slot.row >= known.length:
            return None
        if known.columns.slots[slot.row] is not slot:
            return None
        return self._all(request, known.columns)

    def _synchronised(self, columns: Hosts) -> "_Known":
        assert isinstance(columns, Columns)
        known = self._known
        if known is None or known.columns is not columns:
            known = self._known = _Known(columns, self.sought)
        known.read_on(self._tables)
        return known

    def _all(self, request: Request, columns: Hosts) -> "_Answers":
        known = self._synchronised(columns)
        need = request.need
        answers = known.answers.get(need)
        if answers is None:
            answers = known.answers[need] = _Answers(known.length)
        rows = known.rows_since(answers.read)
        answers.read = len(known.log)
        if len(rows):
            self._fill(answers, need, known, rows)
        return answers

    def _fill(self, answers: "_Answers", need: Need, known: "_Known", rows: Array) -> None:
        cpu = known.cpu[rows] - need.cpu_milli
        devices = known.devices[rows]
        if asks_for_devices(need):
            _take(devices, need)
        idle = devices.sum(axis=1)
        models = known.models[rows]
        usable = self._tables.usable(cpu, devices, models)
        idle_less = known.idle[rows] - idle
        change = self.tasks * idle_less - known.usable[rows] + usable
        points = NO_CHANGE + POINTS_OF_DEVICE * change // (DEVICE_MILLI * self.tasks or 1)
        answers.fragments[rows] = np.clip(points, 0, FITNESS_MAX)
        millionths = 1_000 * change // (self.tasks or 1)
        answers.fgd[rows] = 10 * np.searchsorted(FGD_THRESHOLDS, millionths, side="right")
        change = known.unfed[rows] - self._tables.unfed(cpu, idle)
        points = NO_CHANGE + POINTS_OF_DEVICE * change // DEVICE_MILLI
        answers.feed[rows] = np.clip(points, 0, FITNESS_MAX)


def best_fit(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """1,000 for a host that is left with nothing; free cpu and free devices count by half."""
    cpu = (hosts.cpu_free - request.need.cpu_milli) * NO_CHANGE // BEST_FIT_CPU_MILLI
    gpu = (hosts.gpu_idle - asked_milli(request.need)) * NO_CHANGE // BEST_FIT_GPU_MILLI
    points = FITNESS_MAX - cpu - gpu
    # What does not fit leaves less than nothing, and gets no key; what is larger has 0.
    return points * (points > 0)


class _Tables:
    """The mix as tables: by cpu, by model and by how much of a device is free."""

    def __init__(self, mix: Mix) -> None:
        self.feed = feed_of(mix)
        names = {model for shape, _ in mix.shapes for model in shape.gpu_models}
        self.model_codes = {model: code for code, model in enumerate(sorted(names), 1)}
        self.cpu_steps = np.array(sorted({shape.cpu_milli for shape, _ in mix.shapes}), np.int64)
        most = max((shape.gpus for shape, _ in mix.shapes), default=0)
        size = (len(self.cpu_steps) + 1, len(names) + 1)
        shares = np.zeros((*size, DEVICE_MILLI + 1), np.int64)
        wholes = np.zeros((*size, most + 2), np.int64)
        for shape, count in mix.shapes:
            if not shape.asked_milli:
                continue
            step = int(np.searchsorted(self.cpu_steps, shape.cpu_milli)) + 1
            codes = (
                [self.model_codes[model] for model in set(shape.gpu_models)]
                if shape.gpu_models
                else list(range(len(names) + 1))
            )
            if shape.gpus:
                wholes[step, codes, shape.gpus] += count
            else:
                shares[step, codes, shape.gpu_milli] += count
        self.shares: Array = shares.cumsum(axis=0).cumsum(axis=2)
        self.wholes: Array = wholes.cumsum(axis=0).cumsum(axis=2)

    def usable(self, cpu: Array, devices: Array, models: Array) -> Array:
        """Thousandths of idle devices that tasks of the mix can use, summed over the mix."""
        steps = np.searchsorted(self.cpu_steps, cpu, side="right")
        by_share = self.shares[steps[:, None], models[:, None], devices]
        whole = (devices == DEVICE_MILLI).sum(axis=1)
        by_whole = self.wholes[steps, models, np.minimum(whole, self.wholes.shape[2] - 1)]
        usable: Array = (by_share * devices).sum(axis=1) + DEVICE_MILLI * whole * by_whole
        return usable

    def unfed(self, cpu: Array, idle: Array) -> Array:
        """Thousandths of idle devices beyond what the free cpu can feed."""
        if not self.feed.cpu_milli:
            return np.zeros_like(idle)
        fed = np.maximum(cpu, 0) * self.feed.gpu_milli // self.feed.cpu_milli
        unfed: Array = np.maximum(idle - fed, 0)
        return unfed


class _Answers:
    """What one need gets on each row, and how far the log of changes is read."""

    def __init__(self, length: int) -> None:
        self.read = -1
        self.fragments = np.zeros(length, np.int64)
        self.feed = np.zeros(length, np.int64)
        self.fgd = np.zeros(length, np.int64)


class _Known:
    """The devices of all hosts as an array, and what follows from them without any task."""

    def __init__(self, columns: Columns, sought: Mapping[str, int]) -> None:
        self.columns = columns
        self._sought = sought
        self._version = -1
        self._read = 0
        self.length = -1
        self.log: list[int] = []
        self.answers: dict[Need, _Answers] = {}

    def read_on(self, tables: _Tables) -> None:
        """Take over the rows that changed since the last time."""
        columns = self.columns
        if self._read == columns.changed.end and self._version == columns.version:
            return
        rows = columns.changed.since(self._read, columns.length)
        if rows is None or self._version != columns.version or self.length != columns.length:
            self._read_all(tables)
        elif rows:
            self._take_over(np.array(rows, np.int64), tables)
            self.log += rows
        self._read = columns.changed.end

    def rows_since(self, read: int) -> Array:
        """Rows that changed since this place in the log; all of them for one before it."""
        if read < 0 or len(self.log) - read > self.length:
            return np.arange(self.length)
        return np.array(sorted(set(self.log[read:])), np.int64)

    def _read_all(self, tables: _Tables) -> None:
        columns = self.columns
        self._version = columns.version
        self.length = length = columns.length
        most = max((len(slot.gpus) for slot in columns.slots if slot is not None), default=0)
        self.devices = np.zeros((length, max(1, most)), np.int64)
        self.models = np.zeros(length, np.int64)
        self.sought = np.zeros(length, np.int64)
        self.cpu = np.zeros(length, np.int64)
        self.idle = np.zeros(length, np.int64)
        self.usable = np.zeros(length, np.int64)
        self.unfed = np.zeros(length, np.int64)
        for slot in columns.slots:
            if slot is not None:
                self.models[slot.row] = tables.model_codes.get(slot.gpu_model, 0)
                self.sought[slot.row] = self._sought.get(slot.gpu_model, 0)
        self._take_over(np.arange(length), tables)
        self.log.clear()
        self.answers.clear()

    def _take_over(self, rows: Array, tables: _Tables) -> None:
        slots = self.columns.slots
        for row in rows.tolist():
            slot = slots[row]
            frees = [each.free_milli for each in slot.gpus] if slot is not None else []
            self.devices[row, : len(frees)] = frees
        cpu = self.columns.cpu_free[rows]
        devices = self.devices[rows]
        idle = devices.sum(axis=1)
        self.cpu[rows] = cpu
        self.idle[rows] = idle
        self.usable[rows] = tables.usable(cpu, devices, self.models[rows])
        self.unfed[rows] = tables.unfed(cpu, idle)


def _take(devices: Array, need: Need) -> None:
    """Take what the need asks for of each row of devices, as `chosen_devices` does.

    Rows without room are left as they are: no key is made for them.
    """
    if need.gpus:
        is_whole = devices == DEVICE_MILLI
        order = is_whole.cumsum(axis=1)
        taken = is_whole & (order <= need.gpus) & (order[:, -1:] >= need.gpus)
        devices[taken] = 0
        return
    frees = np.where(devices >= need.gpu_milli, devices, 2 * DEVICE_MILLI)
    best = frees.argmin(axis=1)
    rows = np.flatnonzero(frees[np.arange(len(frees)), best] <= DEVICE_MILLI)
    devices[rows, best[rows]] -= need.gpu_milli


def _after(need: Need, slot: Slot) -> tuple[int, tuple[GpuDevice, ...]] | None:
    """Free cpu and devices once the task is there; None where it has no room."""
    chosen = chosen_devices(slot.gpus, slot.gpu_model, need)
    if chosen is None:
        return None
    return slot.cpu_free - need.cpu_milli, with_taken(slot.gpus, need, chosen)


def _cut(points: int) -> int:
    return max(0, min(FITNESS_MAX, points))
