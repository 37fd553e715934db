"""One parser under many inputs: how many it refused, how slow, how much it held."""

import random
import resource
import time
from typing import Final, NamedTuple

from tests.fuzz.catalogue import found_inputs
from tests.fuzz.mutate import spoilt
from tests.fuzz.parser import Failure, Parser, tried
from tests.fuzz.planted import planted

FAILURES_MAX: Final = 20
"""Of one parser, after which the rest is left for the next run."""
MIB: Final = 1024 * 1024


class Account(NamedTuple):
    """What became of a parser's inputs; one JSON line of `python -m tests.fuzz`."""

    parser: str
    seed: int
    inputs: int
    refused: int
    slowest_ms: float
    """Of processor time, for one input."""
    peak_mib: int
    """By how much the process grew beyond what it held before."""
    elapsed_s: float
    failures: tuple[str, ...]


def campaign(
    parser: Parser, inputs: int, seed: int, *, with_planted: bool = True
) -> tuple[Account, list[Failure]]:
    """Try planted, found and ``inputs`` made inputs; the same ones for a seed, always."""
    before_mib, began = _peak_mib(), time.monotonic()
    failures: list[Failure] = []
    count = refused = 0
    slowest_ms = 0.0
    chance = random.Random(f"{parser.name} {seed}")

    def give(data: bytes) -> None:
        nonlocal count, refused, slowest_ms
        count += 1
        try:
            found = tried(parser, data)
        except Failure as failure:
            failures.append(failure)
            return
        refused += found.is_refused
        slowest_ms = max(slowest_ms, found.elapsed_ms)

    if with_planted:
        for _, data in planted(parser):
            give(data)
    for data in found_inputs(parser).values():
        give(data)
    for _ in range(inputs if parser.has_made else 0):
        if len(failures) >= FAILURES_MAX:
            break
        give(spoilt(parser.kind, parser.samples, chance))
    account = Account(
        parser.name,
        seed,
        count,
        refused,
        round(slowest_ms, 1),
        max(0, _peak_mib() - before_mib),
        round(time.monotonic() - began, 1),
        tuple(sorted({f"{each.why}" for each in failures})),
    )
    return account, failures


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
