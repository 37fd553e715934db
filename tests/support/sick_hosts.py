"""Made-up groups of hosts, a few of them sick in one of several ways, from a seed.

The one thing to know: healthy hosts differ too. They carry shares of the load of their own, take
bursts, and some groups have two roles; what is sick differs from its peers, not from a constant.
"""

from dataclasses import dataclass
from math import exp, pi, sin
from random import Random

METRICS = ("load", "memory", "latency", "heartbeat_age")
KINDS = ("busy", "idle", "slow", "leaking", "restless", "stuck", "silent")


@dataclass(frozen=True)
class Sample:
    """One host's metrics at one time."""

    at: int
    host: str
    group: str
    values: tuple[float, ...]


def hosts_of(seed: int, *, hosts: int = 600, sick_share: float = 0.01) -> dict[str, str | None]:
    """Every host, and what it is sick of, or None."""
    random = Random(seed)
    names = [f"host-{number:04}" for number in range(hosts)]
    sick = random.sample(names, round(hosts * sick_share))
    kinds = {name: KINDS[at % len(KINDS)] for at, name in enumerate(sick)}
    return {name: kinds.get(name) for name in names}


def samples(
    seed: int, known: dict[str, str | None], *, rounds: int = 48, groups: int = 6
) -> list[Sample]:
    """The samples of all hosts, round by round; the sick fall ill after a third of the rounds."""
    random = Random(seed + 1_000_003)
    share = {host: exp(random.gauss(0.0, 0.12)) for host in known}
    quick = {host: exp(random.gauss(0.0, 0.10)) for host in known}
    burst = dict.fromkeys(known, 0)
    found, last = [], dict[str, tuple[float, ...]]()
    for at in range(rounds):
        tide = 1.0 + 0.5 * sin(2 * pi * at / 288 + seed)
        for number, (host, kind) in enumerate(known.items()):
            group = number % groups
            # Group 0 has a second role: every fourth host serves reads and is loaded less.
            role = 0.45 if group == 0 and (number // groups) % 4 == 0 else 1.0
            if random.random() < 0.01:
                burst[host] = 3
            burst[host] -= burst[host] > 0
            load = 30 * tide * role * share[host] * exp(random.gauss(0, 0.08))
            load *= 1.5 if burst[host] else 1.0
            memory = 50 + 8 * role * share[host] + random.gauss(0, 0.6)
            latency = 12 * quick[host] * exp(random.gauss(0, 0.15)) * (1 + load / 200)
            beat = abs(random.gauss(2.0, 0.5))
            values: tuple[float, ...] = (load, memory, latency, beat)
            since = at - rounds // 3
            if kind is not None and since >= 0:
                values = _ill(random, kind, values, last[host], since)
            last[host] = values
            found.append(Sample(at, host, f"group-{group}", values))
    return found


def _ill(
    random: Random,
    kind: str,
    values: tuple[float, ...],
    last: tuple[float, ...],
    since: int,
) -> tuple[float, ...]:
    """What a sick host shows instead."""
    load, memory, latency, beat = values
    match kind:
        case "busy":
            return load * 2.2, memory, latency * 1.3, beat
        case "idle":
            return load * 0.05, memory, latency, beat
        case "slow":
            return load, memory, latency * 2.5, beat
        case "leaking":
            return load, memory + 0.7 * since, latency, beat
        case "restless":
            return load * exp(random.gauss(0, 0.8)), memory, latency, beat
        case "stuck":
            return last
        case _:
            return load, memory, latency, beat + 5.0 + since
