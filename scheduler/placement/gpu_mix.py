"""What idle GPU capacity is worth to the mix of tasks that arrive: fragmentation, in whole numbers.

The one thing to know: idle devices are fragments as far as a task of the mix could not use them
where they are. This is the measure of Weng et al., "Beware of Fragmentation", USENIX ATC 2023,
beside two of our own: devices that the host's free cpu cannot feed, and how sought after a model
is. The functions here take one host; `scheduler.placement.fitness.gpu` asks the same of all hosts
at once, and a property test compares the two.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from scheduler.model.resources import Need
from scheduler.placement.devices import (
    asks_for_devices,
    idle_milli,
    untouched,
)
from scheduler.placement.host import GpuDevice

TYPICAL_PER_CENT: Final = 95
"""Weng et al. take the most frequent shapes that together are so much of the workload."""


class Shape(msgspec.Struct, frozen=True, order=True, gc=False):
    """What the mix knows of a kind of task; memory is not looked at, as in the paper."""

    cpu_milli: int
    gpus: int = 0
    gpu_milli: int = 0
    gpu_models: tuple[str, ...] = ()

    @property
    def asked_milli(self) -> int:
        """What it needs of devices, in thousandths of one."""
        return self.gpus * 1_000 if self.gpus else self.gpu_milli


class Mix(msgspec.Struct, frozen=True):
    """Shapes of tasks with how often each came, and how many devices of each model there are."""

    shapes: tuple[tuple[Shape, int], ...] = ()
    capacity: tuple[tuple[str, int], ...] = ()

    @property
    def tasks(self) -> int:
        """How many tasks it was learned from."""
        return sum(count for _, count in self.shapes)


class Feed(msgspec.Struct, frozen=True):
    """Devices, in thousandths, and cpu that the GPU tasks of a mix ask for together."""

    gpu_milli: int
    cpu_milli: int


def shape_of(need: Need) -> Shape:
    """The shape of a task with this need."""
    models = need.gpu_models if asks_for_devices(need) else ()
    return Shape(need.cpu_milli, need.gpus, 0 if need.gpus else need.gpu_milli, models)


def mix_of(counts: Mapping[Shape, int], capacity: Mapping[str, int]) -> Mix:
    """The mix of all that came."""
    return Mix(tuple(sorted(counts.items())), tuple(sorted(capacity.items())))


def typical(counts: Mapping[Shape, int], per_cent: int = TYPICAL_PER_CENT) -> dict[Shape, int]:
    """The most frequent shapes that together are ``per_cent`` of all tasks."""
    kept: dict[Shape, int] = {}
    wanted = per_cent * sum(counts.values())
    for shape, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        if 100 * sum(kept.values()) >= wanted:
            break
        kept[shape] = count
    return kept


def usable_milli(shape: Shape, cpu_free: int, devices: Sequence[GpuDevice], model: str) -> int:
    """How much of a host's idle devices a task of the shape could use; 0 where it does not fit.

    A task without GPUs can use none of them: to it all idle devices are fragments.
    """
    if not shape.asked_milli or shape.cpu_milli > cpu_free:
        return 0
    if shape.gpu_models and model not in shape.gpu_models:
        return 0
    if shape.gpus:
        whole = untouched(devices)
        return 1_000 * whole if whole >= shape.gpus else 0
    return sum(each.free_milli for each in devices if each.free_milli >= shape.gpu_milli)


def fragments(mix: Mix, cpu_free: int, devices: Sequence[GpuDevice], model: str) -> int:
    """Idle thousandths that a task of the mix could not use, summed over all tasks of the mix.

    Divided by `Mix.tasks` this is the mean: what Weng et al. call the host's fragmentation.
    """
    idle = idle_milli(devices)
    return sum(
        count * (idle - usable_milli(shape, cpu_free, devices, model))
        for shape, count in mix.shapes
    )


def feed_of(mix: Mix) -> Feed:
    """What the GPU tasks of the mix ask for."""
    asking = [(shape, count) for shape, count in mix.shapes if shape.asked_milli]
    return Feed(
        sum(shape.asked_milli * count for shape, count in asking),
        sum(shape.cpu_milli * count for shape, count in asking),
    )


def unfed_milli(feed: Feed, cpu_free: int, devices: Iterable[GpuDevice]) -> int:
    """Idle thousandths of devices beyond what the free cpu can feed at the mix's cpu per GPU."""
    if not feed.cpu_milli:
        return 0
    return max(0, idle_milli(devices) - max(0, cpu_free) * feed.gpu_milli // feed.cpu_milli)


def sought_milli(mix: Mix) -> dict[str, int]:
    """How sought after each model is by tasks that cannot take any other, in thousandths.

    1,000: its part of what such tasks ask for is just its part of all devices, if all GPU tasks
    asked so.
    """
    capacity = dict(mix.capacity)
    total = sum(capacity.values())
    asked = feed_of(mix).gpu_milli
    sought = dict.fromkeys(capacity, 0)
    for shape, count in mix.shapes:
        there = sum(capacity.get(model, 0) for model in set(shape.gpu_models))
        if not there or not shape.asked_milli:
            continue
        for model in sorted(set(shape.gpu_models) & capacity.keys()):
            sought[model] += 1_000_000 * shape.asked_milli * count * total // (there * asked)
    return {model: amount // 1_000 for model, amount in sought.items()}
