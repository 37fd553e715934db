"""What is wrong with a layout, for people and for whoever moves tasks between hosts.

The one thing to know: nothing here is repaired on the host itself. Static work keeps its threads
for its life (docs/decisions/0018), so that what is reported stays until a workload leaves.
"""

from dataclasses import dataclass
from typing import Literal

from scheduler.cpu_sets.layout import MILLI, Layout
from scheduler.cpu_sets.topology import list_of

Kind = Literal["crossPackage", "crowded", "noisyNeighbours", "sharedCore"]


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One fault: its kind, whom it concerns, and what is the case, in words."""

    kind: Kind
    names: tuple[str, ...]
    text: str


def violations(layout: Layout) -> tuple[Violation, ...]:
    """All that is wrong, sorted.

    crossPackage: a static workload owns threads in several packages. sharedCore: two static ones
    own threads of one core. crowded: somebody has less than it was promised, or static work has no
    threads of its own. noisyNeighbours: two that disturb each other still share a core.
    """
    found = [*_cross_package(layout), *_shared_cores(layout), *_crowded(layout), *_noisy(layout)]
    return tuple(sorted(found))


def _cross_package(layout: Layout) -> list[Violation]:
    found = []
    for name, numbers in layout.owned.items():
        packages = sorted({layout.topology.by_number[number].package for number in numbers})
        if len(packages) > 1:
            text = f"threads {list_of(numbers)} lie in packages {list_of(packages)}"
            found.append(Violation("crossPackage", (name,), text))
    return found


def _shared_cores(layout: Layout) -> list[Violation]:
    owners: dict[int, set[str]] = {}
    for name, numbers in layout.owned.items():
        for number in numbers:
            owners.setdefault(layout.topology.by_number[number].core, set()).add(name)
    return [
        Violation("sharedCore", tuple(sorted(names)), f"each owns a part of core {core}")
        for core, names in owners.items()
        if len(names) > 1
    ]


def _crowded(layout: Layout) -> list[Violation]:
    found = []
    taken = sum(map(len, layout.owned.values()))
    pool_milli = MILLI * (len(layout.topology.threads) - taken)
    shared = [each for each in layout.workloads if each.name not in layout.owned]
    promised = sum(each.cpu_milli for each in shared)
    for each in shared:
        if each.own_threads:
            text = f"{each.own_threads} threads of its own were not to be had"
            found.append(Violation("crowded", (each.name,), text))
    if promised > pool_milli:
        names = tuple(sorted(each.name for each in shared))
        text = f"{promised} thousandths of a cpu were promised, {pool_milli} are left to share"
        found.append(Violation("crowded", names, text))
    return found


def _noisy(layout: Layout) -> list[Violation]:
    def cores_of(name: str) -> set[int]:
        return {layout.topology.by_number[number].core for number in layout.sets[name]}

    found = []
    for pair in layout.apart:
        if common := cores_of(pair[0]) & cores_of(pair[1]):
            text = f"they disturb each other and share cores {list_of(common)}"
            found.append(Violation("noisyNeighbours", pair, text))
    return found
