"""What is measured of tasks and hosts, and who is kept apart from whom because of it."""

from dataclasses import replace

import pytest

from scheduler.cpu_sets.layout import Layout, Workload, arrived, parted
from scheduler.cpu_sets.noise import (
    LOUD_PERCENT,
    NOISE_MAX,
    Sample,
    disturbers,
    noise_of_load,
    noise_of_samples,
    sampled,
)
from scheduler.cpu_sets.topology import from_description


def shared(*cpu_milli: int) -> Layout:
    layout = Layout(from_description("1x4x1"))
    for name, amount in zip("abc", cpu_milli, strict=False):
        layout = arrived(layout, Workload(name, amount, is_burst=True))
    return layout


@pytest.mark.parametrize(
    ("load_milli", "cpus_milli", "noise"),
    [(0, 4_000, 0), (4_000, 4_000, 0), (8_000, 4_000, 500), (40_000, 4_000, 900), (5, 0, 1_000)],
)
def test_the_noise_of_a_host_by_its_load(load_milli: int, cpus_milli: int, noise: int) -> None:
    assert noise_of_load(load_milli, cpus_milli) == noise


def test_the_noise_of_a_host_by_its_tasks() -> None:
    assert noise_of_samples([]) == 0
    assert noise_of_samples([Sample("a", 1_000, 0), Sample("b", 0, 0)]) == 0
    assert noise_of_samples([Sample("a", 3_000, 0), Sample("b", 500, 500)]) == 125
    assert noise_of_samples([Sample("a", 0, 1)]) == 1_000


def test_a_sample_from_two_counters() -> None:
    assert sampled("a", ran_ms=500, waited_ms=250, interval_ms=1_000) == Sample("a", 500, 250)
    assert sampled("a", -5, -5, 0) == Sample("a", 0, 0)
    assert Sample("a", 500, 250).waiting_milli == 333
    assert Sample("a", 0, 0).waiting_milli == 0


def test_the_loudest_is_kept_from_whom_it_disturbs() -> None:
    samples = [Sample("a", 500, 500), Sample("b", 2_000, 0), Sample("c", 1_500, 0)]
    assert disturbers(shared(1_000, 1_000, 1_000), samples) == {("a", "b")}


def test_nobody_is_blamed_who_uses_what_was_promised() -> None:
    samples = [Sample("a", 500, 500), Sample("b", 1_000, 0)]
    assert disturbers(shared(1_000, 1_000), samples) == frozenset()


def test_nobody_is_blamed_while_nobody_waits() -> None:
    samples = [Sample("a", 1_000, 200), Sample("b", 3_000, 0)]
    assert disturbers(shared(1_000, 1_000), samples) == frozenset()


def test_who_shares_no_core_disturbs_nobody_and_known_pairs_stay() -> None:
    layout = parted(shared(1_000, 1_000), [("a", "b")])
    samples = [Sample("a", 500, 500), Sample("b", 2_000, 0)]
    assert disturbers(layout, samples) == {("a", "b")}
    assert disturbers(layout, []) == {("a", "b")}


def test_samples_of_those_who_left_mean_nothing() -> None:
    assert disturbers(shared(1_000), [Sample("a", 1, 9), Sample("gone", 9_000, 0)]) == frozenset()


def test_loud_is_who_runs_just_as_much_more_than_promised_as_the_limit_says() -> None:
    layout, least = shared(1_000, 1_000), 1_000 * LOUD_PERCENT // 100
    waiting = Sample("a", 500, 500)
    assert disturbers(layout, [waiting, Sample("b", least, 0)]) == {("a", "b")}
    assert disturbers(layout, [waiting, Sample("b", least - 10, 0)]) == frozenset()


def test_who_has_cores_of_its_own_is_not_to_blame() -> None:
    layout = parted(shared(1_000, 1_000), [("a", "b")])
    left = replace(layout, apart=frozenset())
    assert disturbers(left, [Sample("a", 500, 500), Sample("b", 2_000, 0)]) == frozenset()


def test_no_load_is_no_noise() -> None:
    assert noise_of_load(0, 0) == 0
    assert noise_of_load(1, 0) == NOISE_MAX
