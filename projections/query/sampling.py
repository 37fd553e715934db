"""Which events a query looks at.

The one thing to know: a sticky sample is made of the events' own values, so that every publisher
and every replay takes the same ones. Its hash is Mantis', bit for bit: Java's hash of the string,
then murmur3 of that number.
"""

from collections.abc import Callable
from typing import Final

from projections.query.syntax import Sample
from projections.query.testing import Clock
from projections.query.texts import text_of_value
from projections.query.values import Event

Take = Callable[[Event], bool]
Draw = Callable[[], float]
"""A number from 0 up to 1, another each time."""

MASK: Final = 0xFFFF_FFFF
SIGN: Final = 0x8000_0000
SECOND_MS: Final = 1_000


def taker_of(sample: Sample, clock: Clock, draw: Draw) -> Take:
    """Whether an event is looked at."""
    if sample.strategy == "RPS":
        return _first_of_each_second(sample, clock)
    factor, threshold = sample.factor, sample.threshold
    if sample.strategy == "RANDOM":
        return lambda _: draw() * factor < threshold
    if threshold >= factor:
        return lambda _: True
    keys, salt = sample.keys, str(sample.salt)

    def take(event: Event) -> bool:
        values = [text_of_value(event.get(key)) or "" for key in keys]
        text = "".join(values)
        if not text:
            return False
        return abs(murmur3_of(java_hash_of(text + salt))) % factor < threshold

    return take


def _first_of_each_second(sample: Sample, clock: Clock) -> Take:
    second, taken = -1, 0

    def take(_: Event) -> bool:
        nonlocal second, taken
        now = clock() // SECOND_MS
        if now != second:
            second, taken = now, 0
        taken += 1
        return taken <= sample.threshold

    return take


def java_hash_of(text: str) -> int:
    """What Java's ``String.hashCode`` gives, over UTF-16 units, as a signed number."""
    value = 0
    units = text.encode("utf-16-le", "surrogatepass")
    for place in range(0, len(units), 2):
        value = (31 * value + units[place] + (units[place + 1] << 8)) & MASK
    return _signed(value)


def murmur3_of(number: int) -> int:
    """Murmur3 of one 32-bit number with seed 0 (Austin Appleby's x86_32), as a signed number.

    Zero is zero, as Clojure's hash has it.
    """
    if number == 0:
        return 0
    mixed = (number & MASK) * 0xCC9E2D51 & MASK
    mixed = (mixed << 15 | mixed >> 17) & MASK
    mixed = mixed * 0x1B873593 & MASK
    value = (mixed << 13 | mixed >> 19) & MASK
    value = (value * 5 + 0xE6546B64) & MASK
    value ^= 4
    value ^= value >> 16
    value = value * 0x85EBCA6B & MASK
    value ^= value >> 13
    value = value * 0xC2B2AE35 & MASK
    return _signed(value ^ value >> 16)


def _signed(value: int) -> int:
    return value - (SIGN << 1) if value & SIGN else value
