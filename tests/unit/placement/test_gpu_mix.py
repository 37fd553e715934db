"""Fragmentation by hand: what idle devices are worth to a mix of tasks."""

import pytest

from scheduler.placement.gpu_mix import (
    Mix,
    Shape,
    feed_of,
    fragments,
    mix_of,
    sought_milli,
    typical,
    unfed_milli,
    usable_milli,
)
from scheduler.placement.host import GpuDevice

WHOLE = Shape(cpu_milli=4_000, gpus=1)
PAIR = Shape(cpu_milli=8_000, gpus=2)
SHARE = Shape(cpu_milli=1_000, gpu_milli=500)
PLAIN = Shape(cpu_milli=1_000)
OF_T4 = Shape(cpu_milli=1_000, gpus=1, gpu_models=("T4",))


def devices(*frees: int) -> tuple[GpuDevice, ...]:
    return tuple(GpuDevice(free) for free in frees)


@pytest.mark.parametrize(
    ("shape", "cpu_free", "frees", "usable"),
    [
        (WHOLE, 4_000, (1_000, 400), 1_000),
        (WHOLE, 4_000, (1_000, 1_000), 2_000),
        (WHOLE, 3_999, (1_000, 1_000), 0),
        (PAIR, 8_000, (1_000, 400), 0),
        (PAIR, 8_000, (1_000, 1_000, 300), 2_000),
        (SHARE, 1_000, (1_000, 500, 499), 1_500),
        (SHARE, 999, (1_000,), 0),
        (PLAIN, 64_000, (1_000, 1_000), 0),
        (OF_T4, 64_000, (1_000,), 0),
    ],
)
def test_what_a_task_could_use(
    shape: Shape, cpu_free: int, frees: tuple[int, ...], usable: int
) -> None:
    assert usable_milli(shape, cpu_free, devices(*frees), "P100") == usable


def test_fragments_are_what_the_mix_cannot_use_summed_over_its_tasks() -> None:
    mix = mix_of({WHOLE: 3, SHARE: 1, PLAIN: 1}, {"P100": 2})
    # 1,400 idle; the three whole tasks cannot use 400, the share can use all, the plain one none.
    frees = devices(1_000, 400)

    assert fragments(mix, 4_000, frees, "P100") == 3 * 400 + 1 * 400 + 1 * 1_400


def test_devices_that_the_cpu_cannot_feed_are_counted() -> None:
    feed = feed_of(mix_of({WHOLE: 1, SHARE: 2, PLAIN: 5}, {}))
    assert (feed.gpu_milli, feed.cpu_milli) == (2_000, 6_000)

    assert unfed_milli(feed, 3_000, devices(1_000)) == 0
    assert unfed_milli(feed, 3_000, devices(1_000, 1_000)) == 1_000
    assert unfed_milli(feed, 0, devices(700)) == 700
    assert unfed_milli(feed_of(Mix()), 0, devices(700)) == 0


def test_a_model_is_sought_after_by_those_that_can_take_no_other() -> None:
    mix = mix_of({WHOLE: 8, OF_T4: 2}, {"P100": 90, "T4": 10})
    # A fifth of what is asked for must be T4, which are a tenth of all devices.
    assert sought_milli(mix) == {"P100": 0, "T4": 2_000}


def test_models_that_nobody_has_are_sought_in_vain() -> None:
    assert sought_milli(mix_of({OF_T4: 2}, {"P100": 90})) == {"P100": 0}


def test_typical_shapes_are_the_frequent_ones() -> None:
    counts = {WHOLE: 60, SHARE: 35, PAIR: 4, PLAIN: 1}

    assert typical(counts) == {WHOLE: 60, SHARE: 35}
    assert typical(counts, 96) == {WHOLE: 60, SHARE: 35, PAIR: 4}
    assert typical({}) == {}
