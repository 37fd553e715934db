"""Which devices a task takes: one line a case, on the devices' free thousandths.

A digit group is a device: `1000` is untouched, `300` has 300 thousandths left, `-` is no device.
"""

import pytest

from scheduler.model.resources import Need
from scheduler.placement.devices import (
    are_devices_free,
    chosen_devices,
    idle_milli,
    lacking_devices,
    untouched,
    with_returned,
    with_taken,
)
from scheduler.placement.host import GpuDevice


def devices(text: str) -> tuple[GpuDevice, ...]:
    return tuple(GpuDevice(int(each)) for each in text.split() if each != "-")


def need(text: str) -> Need:
    """`2 whole`, `300 share`, `none`, each with models after it."""
    amount, _, rest = text.partition(" ")
    kind, *models = [amount] if amount == "none" else rest.split()
    return Need(
        cpu_milli=1,
        memory_mib=1,
        gpus=int(amount) if kind == "whole" else 0,
        gpu_milli=int(amount) if kind == "share" else 0,
        gpu_models=tuple(models),
    )


CHOSEN = """
none           | -                 |    |
none           | 0 0               |    |
1 whole        | 1000 1000         |    | 0
1 whole        | 900 1000          |    | 1
2 whole        | 1000 900 1000     |    | 0 2
3 whole        | 1000 900 1000     |    | no
1 whole        | -                 |    | no
1 whole        | 999               |    | no
300 share      | 1000              |    | 0
300 share      | 1000 500 300      |    | 2
300 share      | 1000 500 299      |    | 1
300 share      | 500 500           |    | 0
300 share      | 299 0             |    | no
300 share      | -                 |    | no
1 whole T4     | 1000              | T4 | 0
1 whole T4 P4  | 1000              | P4 | 0
1 whole T4     | 1000              | P4 | no
300 share T4   | 1000              | P4 | no
300 share T4   | 1000              |    | no
none T4        | 1000              | P4 |
"""


@pytest.mark.parametrize("case", CHOSEN.strip().splitlines())
def test_devices_are_chosen_best_fit_first(case: str) -> None:
    asked, there, model, answer = (each.strip() for each in case.split("|"))
    wanted = None if answer == "no" else tuple(int(each) for each in answer.split())

    chosen = chosen_devices(devices(there), model, need(asked))

    assert chosen == wanted
    assert bool(lacking_devices(devices(there), model, need(asked))) == (wanted is None)
    if chosen is not None:
        assert are_devices_free(devices(there), need(asked), chosen)


REFUSED = """
1 whole   | 1000 1000 | 0 1
1 whole   | 1000 1000 |
2 whole   | 1000 1000 | 0 0
1 whole   | 900       | 0
1 whole   | 1000      | 1
1 whole   | 1000      | -1
300 share | 200       | 0
300 share | 1000 1000 | 0 1
none      | 1000      | 0
"""


@pytest.mark.parametrize("case", REFUSED.strip().splitlines())
def test_a_wrong_decision_about_devices_is_seen(case: str) -> None:
    asked, there, chosen = (each.strip() for each in case.split("|"))

    assert not are_devices_free(devices(there), need(asked), [int(each) for each in chosen.split()])


LACKING = """
1 whole      | -        |    | it has no GPU
2 whole      | 1000 900 |    | 1 of 2 untouched GPUs missing
300 share    | 200 100  |    | 100 of 300 thousandths of one GPU missing
1 whole A B  | 1000     | T4 | its GPUs are of model T4, not A or B
1 whole A    | 1000     |    | its GPUs are of model unknown, not A
"""


@pytest.mark.parametrize("case", LACKING.strip().splitlines())
def test_what_is_missing_is_said(case: str) -> None:
    asked, there, model, words = (each.strip() for each in case.split("|"))

    assert lacking_devices(devices(there), model, need(asked)) == words


@pytest.mark.parametrize(
    ("asked", "there", "chosen", "left"),
    [
        ("2 whole", "1000 500 1000", (0, 2), "0 500 0"),
        ("300 share", "1000 500", (1,), "1000 200"),
        ("none", "1000", (), "1000"),
    ],
)
def test_what_is_taken_comes_back_whole(
    asked: str, there: str, chosen: tuple[int, ...], left: str
) -> None:
    after = with_taken(devices(there), need(asked), chosen)

    assert after == devices(left)
    assert with_returned(after, need(asked), chosen) == devices(there)


def test_idle_and_untouched_are_counted() -> None:
    assert idle_milli(devices("1000 500 0")) == 1_500
    assert untouched(devices("1000 500 0 1000")) == 2
    assert untouched((GpuDevice(500, 500),)) == 1, "a device of half the size is whole as well"
