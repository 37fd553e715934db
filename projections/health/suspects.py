"""What may have made hosts ill: what was newly there, more often than on hosts that stayed well.

The one thing to know: it is a count and no proof. Lift says how many times more frequent something
new is among hosts that fell ill, shortly before, than among the others; one ill host alone makes
everything that is new there a suspect, and says so by its small count.
"""

from collections.abc import Iterable, Sequence
from math import log2
from typing import Final

import msgspec

WINDOW_MS: Final = 30 * 60 * 1_000
"""How long before an anomaly something counts as new there."""
SUSPECTS_MAX: Final = 100
PLACES_MAX: Final = 5
"""Places in the log that are shown for each suspect."""
# One half is added to each count, so that what was never seen elsewhere has a finite lift.
_HALF: Final = 0.5


class Placed(msgspec.Struct, frozen=True):
    """Something became new on a host; no host where it did so on all of them."""

    kind: str
    """Such as ``job``, ``image`` or ``policy``."""
    name: str
    at_ms: int
    source: str
    """Its place in the cell log."""
    host_id: str = ""


class Anomaly(msgspec.Struct, frozen=True):
    """A host fell ill, or wrote what no host had written."""

    host_id: str
    at_ms: int
    source: str


class Suspect(msgspec.Struct, frozen=True):
    """Something new, and how often it was there shortly before an anomaly and elsewhere."""

    kind: str
    name: str
    lift: float
    ill: int
    """Hosts with an anomaly on which it was new shortly before."""
    ill_total: int
    others: int
    """Hosts without anomaly on which it became new meanwhile."""
    others_total: int
    sources: tuple[str, ...]
    """Where in the cell log it came to hosts that fell ill, the first of them."""


def suspects(
    anomalies: Iterable[Anomaly],
    placed: Sequence[Placed],
    hosts: Iterable[str],
    *,
    window_ms: int = WINDOW_MS,
) -> list[Suspect]:
    """Everything that was new on a host shortly before its first anomaly, the likeliest first.

    ``hosts`` are all there are; those of anomalies and of what was placed count in any case.
    """
    first: dict[str, Anomaly] = {}
    for each in sorted(anomalies, key=lambda one: (one.at_ms, one.source)):
        first.setdefault(each.host_id, each)
    known = {*hosts, *first, *(each.host_id for each in placed if each.host_id)}
    others_total = len(known) - len(first)
    ill: dict[tuple[str, str], dict[str, str]] = {}
    others: dict[tuple[str, str], set[str]] = {}
    for thing in sorted(placed, key=lambda one: (one.at_ms, one.source)):
        key = (thing.kind, thing.name)
        # What is new everywhere is new on each host.
        for host_id in (thing.host_id,) if thing.host_id else sorted(known):
            anomaly = first.get(host_id)
            if anomaly is None:
                others.setdefault(key, set()).add(host_id)
            elif 0 <= anomaly.at_ms - thing.at_ms <= window_ms:
                ill.setdefault(key, {}).setdefault(host_id, thing.source)
    found = [
        _suspect(key, by_host, len(first), len(others.get(key, ())), others_total)
        for key, by_host in ill.items()
    ]
    ranked = sorted(found, key=lambda one: (-_likelihood(one), one.kind, one.name))
    return ranked[:SUSPECTS_MAX]


def _likelihood(found: Suspect) -> float:
    """How far up it stands: a high lift on one ill host of many is chance more often than not."""
    return round(found.ill / found.ill_total * log2(max(found.lift, 0.01)), 6)


def _suspect(
    key: tuple[str, str], by_host: dict[str, str], ill_total: int, others: int, others_total: int
) -> Suspect:
    share_of_ill = (len(by_host) + _HALF) / (ill_total + 2 * _HALF)
    share_of_others = (others + _HALF) / (others_total + 2 * _HALF)
    return Suspect(
        kind=key[0],
        name=key[1],
        lift=round(share_of_ill / share_of_others, 2),
        ill=len(by_host),
        ill_total=ill_total,
        others=others,
        others_total=others_total,
        sources=tuple(sorted(by_host.values())[:PLACES_MAX]),
    )
