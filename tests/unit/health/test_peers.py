"""Sick hosts stand out of their group, whatever ails them; bursts, roles and loads do not.

Made-up groups from seeds that were never looked at when numbers were chosen.
"""

from itertools import groupby

import pytest

from projections.health.peers import FORGET_ROUNDS, PEERS_MIN, PeerJudged, PeerWatch
from tests.support.sick_hosts import KINDS, METRICS, hosts_of, samples

SEEDS = range(500, 504)


def found_sick(seed: int, hosts: int) -> tuple[set[str], dict[str, str | None]]:
    known = hosts_of(seed, hosts=hosts)
    watch, found = PeerWatch(METRICS), set[str]()
    for _, rows in groupby(samples(seed, known), key=lambda each: each.at):
        for row in rows:
            watch.feed(row.host, row.group, row.values)
        found |= {each.host for each in watch.judged() if each.is_sick}
    return found, known


@pytest.mark.integration  # Days of a hundred hosts.
def test_one_sick_host_of_a_hundred_is_found_with_few_false() -> None:
    hit = false = missed = 0
    kinds = set[str]()
    for seed in SEEDS:
        found, known = found_sick(seed, 700)
        sick = {host for host, kind in known.items() if kind}
        assert len(sick) == 7
        hit += len(found & sick)
        false += len(found - sick)
        missed += len(sick - found)
        kinds |= {str(known[host]) for host in found & sick}
    assert hit / (hit + false) >= 0.93
    assert hit / (hit + missed) >= 0.87
    assert kinds == set(KINDS), "every kind is found somewhere"


def rounds(watch: PeerWatch, values: dict[str, float], count: int) -> dict[str, PeerJudged]:
    said: list[PeerJudged] = []
    for _ in range(count):
        for host, value in values.items():
            watch.feed(host, "g", (value,))
        said = watch.judged()
    return {each.host: each for each in said}


def group(count: int, value: float = 10.0) -> dict[str, float]:
    return {f"h{number}": value + 0.3 * (number % 5) for number in range(count)}


def test_who_differs_for_a_round_is_scored_and_not_sick_and_who_stays_is() -> None:
    watch = PeerWatch(("load",))
    rounds(watch, group(20), 12)
    odd = {**group(20), "h3": 60.0}
    first = rounds(watch, odd, 1)["h3"]
    assert first.score > 0.5
    assert not first.is_sick
    last = rounds(watch, odd, 20)["h3"]
    assert last.is_sick
    assert last.metric == "load"
    assert last.distance > 0
    assert not rounds(watch, group(20), 80)["h3"].is_sick, "it is well again"


def test_a_second_role_is_no_illness() -> None:
    watch = PeerWatch(("load",))
    readers = {f"reader{number}": 90.0 + number for number in range(4)}
    said = rounds(watch, {**group(30), **readers}, 30)
    assert not [host for host, each in said.items() if each.is_sick]


def test_small_groups_and_equal_ones_say_nothing() -> None:
    watch = PeerWatch(("load",))
    few = {**group(PEERS_MIN - 2), "odd": 500.0}
    assert not rounds(watch, few, 30)["odd"].is_sick
    alike = PeerWatch(("load",))
    said = rounds(alike, dict.fromkeys([f"h{number}" for number in range(20)], 4.0), 30)
    assert {each.score for each in said.values()} == {0.0}
    assert {each.is_sick for each in said.values()} == {False}


def test_metrics_may_be_missing_and_gone_hosts_are_forgotten() -> None:
    watch = PeerWatch(("load", "disk"))
    for _ in range(20):
        for number in range(10):
            watch.feed(f"h{number}", "g", (10.0 + number % 3, None))
        assert len(watch.judged()) == 10
    for _ in range(FORGET_ROUNDS + 1):
        watch.feed("h0", "g", (10.0, None))
        watch.judged()
    assert watch.hosts == 1
