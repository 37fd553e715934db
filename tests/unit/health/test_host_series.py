"""Verdicts about hosts by their metrics: suspect by a surprise, sick where peers differ too."""

from random import Random

import pytest

from projections.health.host_series import (
    HOSTS_MAX,
    PEERS,
    ROUND_MS,
    SERIES,
    SILENT_ROUNDS_MAX,
    SUSPECT_ROUNDS,
    HostSample,
    HostSeriesFold,
)
from scheduler.model.codec import decode_verdict, encode_verdict
from scheduler.model.health import HostJudged

HOSTS = [f"h{number}" for number in range(12)]
WARM = 60


def day(
    fold: HostSeriesFold, rounds: range, odd: dict[str, dict[str, float] | None], seed: int = 1
) -> list[HostJudged]:
    """So many rounds of all hosts; ``odd`` hosts tell other metrics, or with None nothing."""
    random, found = Random(seed), list[HostJudged]()
    for at in rounds:
        for host in HOSTS:
            metrics = {
                "load": random.gauss(0.5, 0.02),
                "memory": random.gauss(0.6, 0.01),
                "docker_latency": random.gauss(0.2, 0.01),
            }
            told = odd.get(host, {})
            if told is None:
                continue
            at_ms = at * ROUND_MS + 1_000
            source = f"metrics:0:{at}"
            found += fold.take([HostSample(host, "g", at_ms, {**metrics, **told}, source)])
    return found


def of(found: list[HostJudged], host: str) -> list[tuple[str, str]]:
    return [(each.detector, each.standing) for each in found if each.host_id == host]


def test_a_host_that_turns_is_sick_with_evidence_and_well_again() -> None:
    fold = HostSeriesFold()
    day(fold, range(1, WARM), {})
    found = day(fold, range(WARM, WARM + 20), {"h3": {"docker_latency": 4.0}})
    told = of(found, "h3")
    assert told[0] == (SERIES, "suspect")
    assert (PEERS, "sick") in told
    sick = next(each for each in found if each.detector == PEERS)
    assert [each.kind for each in sick.evidence] == ["series", "peers"]
    assert "docker_latency" in sick.evidence[-1].text
    assert sick.evidence[-1].source.startswith("metrics:0:")
    assert 500 <= sick.score_milli <= 1_000
    later = of(day(fold, range(WARM + 20, WARM + 120), {}, seed=2), "h3")
    assert later[-1] == (PEERS, "well")
    assert all(decode_verdict(encode_verdict(each)) == each for each in found)


def test_a_host_with_other_work_is_suspect_at_most() -> None:
    fold = HostSeriesFold()
    day(fold, range(1, WARM), {})
    told = of(day(fold, range(WARM, WARM + 20), {"h3": {"load": 4.0}}), "h3")
    assert (PEERS, "suspect") in told
    assert (PEERS, "sick") not in told


def test_what_all_hosts_do_makes_none_of_them_sick() -> None:
    fold = HostSeriesFold()
    day(fold, range(1, WARM), {})
    everybody: dict[str, dict[str, float] | None] = {host: {"load": 3.0} for host in HOSTS}
    found = day(fold, range(WARM, WARM + 20), everybody)
    assert {each.detector for each in found} == {SERIES}
    assert {each.standing for each in found} <= {"suspect", "well"}


def test_a_surprise_is_remembered_for_half_an_hour() -> None:
    fold = HostSeriesFold()
    day(fold, range(1, WARM), {})
    found = day(fold, range(WARM, WARM + 1), {"h5": {"memory": 0.99}})
    found += day(fold, range(WARM + 1, WARM + SUSPECT_ROUNDS + 4), {}, seed=3)
    mine = [each for each in found if each.host_id == "h5" and each.detector == SERIES]
    assert [each.standing for each in mine] == ["suspect", "well"]
    between_ms = mine[1].observed_at_ms - mine[0].observed_at_ms
    assert between_ms == SUSPECT_ROUNDS * ROUND_MS


def test_silence_makes_a_host_suspect_and_then_it_is_forgotten() -> None:
    fold = HostSeriesFold()
    day(fold, range(1, WARM), {})
    found = day(fold, range(WARM, WARM + SILENT_ROUNDS_MAX + 3), {"h7": None})
    assert (SERIES, "suspect") in of(found, "h7")
    assert "heartbeat" in next(each for each in found if each.host_id == "h7").evidence[0].text
    assert fold.hosts == len(HOSTS) - 1


@pytest.mark.slow
def test_clocks_far_ahead_and_too_many_hosts_are_refused() -> None:
    fold = HostSeriesFold()
    day(fold, range(1, 3), {})
    assert fold.take([HostSample("h1", "g", 10**15, {"load": 1.0})]) == []
    assert fold.refused == 1
    fold.take([HostSample(f"n{n}", "g", 3 * ROUND_MS, {}) for n in range(HOSTS_MAX)])
    assert fold.hosts == HOSTS_MAX
    assert fold.refused == 1 + len(HOSTS)
