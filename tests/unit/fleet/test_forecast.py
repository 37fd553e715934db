"""What is provisioned is short less often than the plain rule and buys no more; whatever comes.

The plain rule is the largest load of the last horizon. Made-up traffic of several kinds, and where
the data is at hand the requests of the World Cup.
"""

import gzip
from math import exp, pi, sin
from pathlib import Path
from random import Random

import msgspec
import pytest

from scheduler.fleet.backtest import UNCOUNTED_MINUTES, Tally, backtest
from scheduler.fleet.forecast import LEARN_MINUTES, MINUTE_MS, LoadForecast, feed, provisioned

REQUESTS = Path(__file__).parents[3].parent / "shared" / "data" / "requests"
Figures = dict[str, float]


def traffic(seed: int, *, days: int = 8, restless: float = 0.05, bursts: int = 1) -> list[int]:
    """Loads by the minute: a daily shape, a restless level, bursts, and a rush at two o'clock."""
    random = Random(seed)
    loads, drift, burst, factor = [], 0.0, 0, 1.0
    for minute in range(days * 1_440):
        hour = minute % 1_440 / 60
        if random.random() < bursts / 1_440:
            burst, factor = random.randint(10, 60), random.uniform(1.3, 2.5)
        burst -= burst > 0
        drift = 0.97 * drift + random.gauss(0, restless / 4)
        load = max(60.0, 500 * (1 + 0.8 * sin((hour - 9) * pi / 12))) * exp(drift)
        load *= factor if burst else 1.0
        load *= 1.5 if 14 <= hour < 14.5 else 1.0
        loads.append(max(0, round(random.gauss(load, load**0.5))))
    return loads


def held(loads: list[int], horizon: int) -> tuple[Figures, Figures]:
    """The figures of ours and of the plain rule."""
    own, plain = Tally(), Tally()
    rows = ((at * MINUTE_MS, load) for at, load in enumerate(loads))
    for at, minute in enumerate(backtest(rows, horizon)):
        if at >= UNCOUNTED_MINUTES:
            own.count(minute.load, minute.provisioned)
            plain.count(minute.load, minute.maximum)
    return own.figures(), plain.figures()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "restless", "bursts"), [(11, 0.01, 0), (12, 0.05, 1), (13, 0.2, 3)]
)
def test_fewer_short_minutes_than_the_plain_rule_at_no_more_bought(
    seed: int, restless: float, bursts: int
) -> None:
    own, plain = held(traffic(seed, restless=restless, bursts=bursts), 15)
    assert own["short"] < plain["short"]
    assert own["bought"] <= plain["bought"]


@pytest.mark.slow
@pytest.mark.skipif(not REQUESTS.is_dir(), reason="the requests are not beside the checkout")
def test_the_same_on_the_last_two_weeks_of_the_world_cup() -> None:
    with gzip.open(REQUESTS / "worldcup98_per_minute.csv.gz", "rt") as file:
        loads = [int(line.split(",")[1]) for line in file.readlines()[-14 * 1_440 :]]
    own, plain = held(loads, 15)
    assert own["short"] < plain["short"]
    assert own["bought"] <= plain["bought"]


def test_what_was_provisioned_is_known_a_horizon_before() -> None:
    loads = traffic(14, days=3)
    changed = [*loads[:3_000], *(10 * load for load in loads[3_000:])]
    before, after = (
        [each.provisioned for each in backtest(((m * MINUTE_MS, y) for m, y in enumerate(it)), 15)]
        for it in (loads, changed)
    )
    assert before[:3_015] == after[:3_015]
    assert before[3_015:3_100] != after[3_015:3_100]
    assert before[:15] == [0] * 15


def test_at_first_the_plain_rule_is_followed() -> None:
    known = LoadForecast(horizon_minutes=15)
    assert provisioned(known) is None
    for minute, load in enumerate([5, 9, 7]):
        feed(known, minute * MINUTE_MS, load)
    assert provisioned(known) == 9
    for minute in range(3, LEARN_MINUTES):
        feed(known, minute * MINUTE_MS, 4)
    assert provisioned(known) == 4


def test_a_minute_counts_once_and_gaps_repeat_until_they_are_too_long() -> None:
    known = LoadForecast(horizon_minutes=15)
    feed(known, 10 * MINUTE_MS, 100)
    feed(known, 10 * MINUTE_MS + 30_000, 900)
    feed(known, 9 * MINUTE_MS, 900)
    assert known.loads == [100]
    feed(known, 14 * MINUTE_MS, 50)
    assert known.loads == [100, 100, 100, 100, 50]
    feed(known, 100 * MINUTE_MS, 70)
    assert known.loads == [70]
    assert provisioned(known) == 70


def test_minutes_behind_a_gap_stand_beside_what_was_said_before_it() -> None:
    at = [*range(100), *range(110, 130)]
    found = {m.at_ms // MINUTE_MS: m for m in backtest(((m * MINUTE_MS, 10 + m) for m in at), 15)}
    assert found[99].provisioned == found[99].maximum == 94
    assert found[112].maximum == 107, "said at minute 97"
    assert found[120].maximum == 109, "said at minute 105, which was missing and repeated 99"


def test_the_state_survives_being_written_and_read_and_stays_bounded() -> None:
    loads = traffic(15, days=4)
    known = LoadForecast(horizon_minutes=15)
    for minute, load in enumerate(loads):
        if minute == 3_333:
            known = msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=LoadForecast)
        feed(known, minute * MINUTE_MS, load)
    straight = LoadForecast(horizon_minutes=15)
    for minute, load in enumerate(loads):
        feed(straight, minute * MINUTE_MS, load)
    assert straight == known
    assert len(msgspec.msgpack.encode(known)) < 40_000


@pytest.mark.parametrize("load", [0, 1, 7, 10**12])
def test_a_load_that_never_moves_is_never_short(load: int) -> None:
    own, _ = held([load] * 5_000, 15)
    assert own["short"] == 0.0
    assert own["bought"] <= 2.0
