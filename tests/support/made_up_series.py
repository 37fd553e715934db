"""Made-up metrics with incidents at known rows, of the kinds that collections of series hold.

The one thing to know: nothing here is taken from recorded data; shapes and sizes are drawn from a
seed. So a change of a detector that only fits the few recorded series is seen to lose here. Windows
are laid around incidents as NAB lays them: a tenth of the rows, shared by the incidents.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.support.nab_score import Labelled

Values = NDArray[np.float64]
ROWS: Final = 4_032
"""Two weeks, a row every five minutes."""
STEP_S: Final = 300.0
BEGIN_S: Final = 1_400_000_000.0
DAY_ROWS: Final = 288
WINDOW_SHARE: Final = 0.1
APART_SHARE: Final = 0.08
"""Incidents of one series are this share of its rows apart, or more."""


class Made(NamedTuple):
    """The values of a series, and the rows at which something goes wrong."""

    values: Values
    incidents: list[int]


def _places(chance: Generator, rows: int, incidents: int) -> list[int]:
    """Rows in the later three quarters, apart from each other."""
    found: list[int] = []
    while len(found) < incidents:
        row = int(chance.integers(int(0.25 * rows), int(0.95 * rows)))
        if all(abs(row - each) > APART_SHARE * rows for each in found):
            found.append(row)
    return found


def _spikes(chance: Generator, rows: int, share: float, low: float, high: float) -> Values:
    """Short spikes that belong to the series."""
    values = np.zeros(rows)
    for row in np.flatnonzero(chance.random(rows) < share):
        values[row : row + int(chance.integers(1, 4))] += chance.uniform(low, high)
    return values


def _wave(rows: int, period: int, phase: float = 0.0) -> Values:
    return np.sin(2 * np.pi * np.arange(rows) / period + phase)


def _busy(chance: Generator) -> Made:
    """A busy processor: a burst or a drop, and a level that moves."""
    level = chance.uniform(20, 80)
    values = level + chance.normal(0, 0.04 * level, ROWS)
    values += _spikes(chance, ROWS, 0.004, 0.1 * level, 0.3 * level)
    burst, step = places = _places(chance, ROWS, 2)
    sign = chance.choice([-1, 1])
    values[burst : burst + int(chance.integers(3, 40))] += sign * level * chance.uniform(0.3, 0.6)
    values[step:] += chance.choice([-1, 1]) * level * chance.uniform(0.15, 0.35)
    return Made(values, places)


def _idle(chance: Generator) -> Made:
    """An idle processor, whose numbers come in steps: a burst, and some hours of a little more."""
    values = 0.066 + 0.002 * chance.integers(0, 4, ROWS) + _spikes(chance, ROWS, 0.003, 0.02, 1.5)
    burst, more = places = _places(chance, ROWS, 2)
    values[burst : burst + int(chance.integers(2, 12))] += chance.uniform(2, 6)
    values[more : more + int(chance.integers(60, 200))] += chance.uniform(0.05, 0.2)
    return Made(values, places)


def _well(chance: Generator) -> Made:
    """An idle processor without an incident."""
    values = 0.066 + 0.002 * chance.integers(0, 4, ROWS) + _spikes(chance, ROWS, 0.004, 0.02, 1.5)
    return Made(values, [])


def _network(chance: Generator) -> Made:
    """Network bytes with heavy tails and a regular copy: bursts, and hours of much more."""
    values = np.exp(chance.normal(12, 0.5, ROWS))
    values[:: int(chance.integers(20, 60))] *= chance.uniform(8, 15)
    burst, more = places = _places(chance, ROWS, 2)
    values[burst : burst + 30] *= chance.uniform(8, 20)
    values[more : more + 80] += values.max() * chance.uniform(0.3, 0.8)
    return Made(values, places)


def _disk(chance: Generator) -> Made:
    """Written bytes, nothing most of the time: one flood."""
    values = _spikes(chance, ROWS, 0.02, 1e6, 8e6) * chance.exponential(1, ROWS)
    (flood,) = places = _places(chance, ROWS, 1)
    values[flood : flood + int(chance.integers(5, 40))] += chance.uniform(2e7, 8e7)
    return Made(values, places)


def _requests(chance: Generator) -> Made:
    """Requests with a daily shape: a spike, and two hours of three times as many."""
    mean = 60 * (1 + 0.6 * _wave(ROWS, DAY_ROWS, chance.uniform(0, 6)))
    more_at_times = 1 + (chance.random(ROWS) < 0.02) * chance.uniform(1, 2.5, ROWS)
    values: Values = chance.poisson(mean) * more_at_times
    spike, more = places = _places(chance, ROWS, 2)
    values[spike : spike + 3] += chance.uniform(400, 700)
    values[more : more + 24] *= chance.uniform(2.5, 4)
    return Made(values, places)


def _mentions(chance: Generator) -> Made:
    """Counts of what people write, with a daily shape and heavy tails: bursts that fade."""
    rows = 3 * ROWS
    values = 0.5 * chance.negative_binomial(2, 0.08, rows) * np.exp(0.8 * _wave(rows, DAY_ROWS))
    values += _spikes(chance, rows, 0.002, 60, 160)
    places = _places(chance, rows, 3)
    for row in places:
        length = int(chance.integers(6, 30))
        fading = np.exp(-np.arange(length) / 8)
        values[row : row + length] += chance.uniform(250, 600) * fading
    return Made(np.round(values), places)


def _speeds(chance: Generator) -> Made:
    """Speeds on a road: a jam, and a time without traffic."""
    values = 65 + 8 * _wave(ROWS, DAY_ROWS) + chance.normal(0, 3, ROWS)
    values -= _spikes(chance, ROWS, 0.01, 5, 20)
    jam, free = places = _places(chance, ROWS, 2)
    values[jam : jam + 8] -= chance.uniform(28, 45)
    values[free : free + 40] += chance.uniform(10, 18)
    return Made(values, places)


def _room(chance: Generator) -> Made:
    """A temperature that wanders: a slow fall, and a jump."""
    values = np.zeros(2 * ROWS)
    for row, push in enumerate(chance.normal(0, 0.6, len(values))):
        values[row] = 0.985 * values[row - 1] + push
    values += 70 + 1.5 * _wave(len(values), 24)
    fall, jump = places = _places(chance, len(values), 2)
    values[fall : fall + 120] -= np.linspace(0, 15, 120)
    values[jump : jump + 60] += chance.uniform(10, 15)
    return Made(values, places)


def _daily(chance: Generator) -> Made:
    """A plateau every day: once higher, lower, missing or flat."""
    hour = np.arange(ROWS) % DAY_ROWS
    values = 20 + chance.uniform(0, 3, ROWS) + 60.0 * ((hour > 100) & (hour < 220))
    begin = DAY_ROWS * int(chance.integers(8, 12)) + 101
    kind = int(chance.integers(0, 4))
    if kind == 0:
        values[begin + 50 : begin + 110] += 50
    elif kind == 1:
        values[begin + 10 : begin + 110] -= 50
    elif kind == 2:
        values[begin : begin + 119] = 20 + chance.uniform(0, 3, 119)
    else:
        values[begin + 10 : begin + 110] = 50.0
    return Made(values, [begin])


KINDS: Final[tuple[Callable[[Generator], Made], ...]] = (
    _busy,
    _idle,
    _well,
    _network,
    _disk,
    _requests,
    _mentions,
    _speeds,
    _room,
    _daily,
)


def made_up(seed: int, of_each: int = 3) -> list[Labelled]:
    """So many series of each kind; the same for the same seed."""
    found = []
    for number, kind in enumerate(KINDS):
        for copy in range(of_each):
            values, incidents = kind(np.random.default_rng([seed, number, copy]))
            rows = len(values)
            half = int(WINDOW_SHARE * rows / max(len(incidents), 1) / 2)
            windows: list[tuple[int, int]] = []
            for row in sorted(incidents):
                begin = max(row - half, windows[-1][1] + 1 if windows else 0)
                windows.append((begin, min(row + half, rows - 1)))
            times = [BEGIN_S + STEP_S * row for row in range(rows)]
            found.append(Labelled(f"{kind.__name__[1:]}-{copy}", times, values.tolist(), windows))
    return found
