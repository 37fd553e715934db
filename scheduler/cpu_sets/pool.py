"""The threads that nobody owns, divided among those who share them.

The one thing to know: everybody has the whole pool unless somebody disturbs somebody. Then the
disturbed and the loud get parts of it that share no core, in different packages where that is
possible, each large enough for what its members were promised; where it is not, nothing is divided,
because a promise comes before quiet. Standard library only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from scheduler.cpu_sets.topology import Topology

MILLI: Final = 1_000
Numbers = tuple[int, ...]
Cores = list[tuple[int, Numbers]]
"""Cores, with what of them is in the pool."""


def pool_sets(
    topology: Topology,
    pool: Iterable[int],
    shared: Sequence[tuple[str, int]],
    owned: Mapping[str, Numbers],
    apart: Iterable[tuple[str, str]],
) -> dict[str, Numbers]:
    """For each of those who share the pool (name, thousandths promised): where it may run."""
    everything = tuple(sorted(pool))
    sets = dict.fromkeys((name for name, _ in shared), everything)
    foes = _foes(apart)
    promised = dict(shared)
    parted = [
        name for name, _ in shared if foes.get(name, set()) & (promised.keys() | owned.keys())
    ]
    if not parted:
        return sets
    quiet = _away_from_owners(topology, everything, parted, owned, foes)
    if len(quiet) * MILLI < sum(promised.values()):
        quiet = everything
    colours = _colours(parted, foes)
    regions = _regions(topology, quiet, _needs(parted, colours, promised))
    for name in parted:
        sets[name] = regions[colours[name]] if regions else quiet
    return sets


def _foes(apart: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one, other in apart:
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


def _away_from_owners(
    topology: Topology,
    pool: Numbers,
    parted: Sequence[str],
    owned: Mapping[str, Numbers],
    foes: Mapping[str, set[str]],
) -> Numbers:
    """The pool without the cores of which a foe of any of these owns a part."""
    hostile = {
        topology.by_number[number].core
        for name in parted
        for foe in sorted(foes[name])
        for number in owned.get(foe, ())
    }
    return tuple(number for number in pool if topology.by_number[number].core not in hostile)


def _colours(names: Sequence[str], foes: Mapping[str, set[str]]) -> dict[str, int]:
    """Each name's part of the pool: the first one in which none of its foes is."""
    colours: dict[str, int] = {}
    for name in names:
        near = {colours[foe] for foe in foes[name] if foe in colours}
        colours[name] = next(colour for colour in range(len(names)) if colour not in near)
    return colours


def _needs(
    names: Sequence[str], colours: Mapping[str, int], promised: Mapping[str, int]
) -> list[int]:
    """For each part how many threads its members were promised together, at least 1."""
    totals = [0] * (max(colours.values()) + 1)
    for name in names:
        totals[colours[name]] += promised[name]
    return [max(1, -(-total // MILLI)) for total in totals]


def _regions(topology: Topology, pool: Numbers, needs: list[int]) -> list[Numbers]:
    """The pool as parts of at least so many threads that share no core; none where it cannot be."""
    there = set(pool)
    packages: list[Cores] = []
    for cores in topology.packages.values():
        rest = [(core, tuple(n for n in topology.cores[core] if n in there)) for core in cores]
        packages.append([each for each in rest if each[1]])
    return _by_package(packages, needs) or _by_core(
        [each for package in packages for each in package], needs
    )


def _size(cores: Cores) -> int:
    return sum(len(numbers) for _, numbers in cores)


def _by_package(packages: list[Cores], needs: list[int]) -> list[Numbers]:
    """Whole packages for each part, the most needy first; the others to who has least to spare."""
    free = [each for each in packages if each]
    if len(free) < len(needs):
        return []
    parts: list[Cores] = [[] for _ in needs]
    for part in sorted(range(len(needs)), key=lambda each: (-needs[each], each)):
        best = max(range(len(free)), key=lambda each: (_size(free[each]), -each))
        parts[part] = free.pop(best)
    if any(_size(part) < need for part, need in zip(parts, needs, strict=True)):
        return []
    for package in free:
        least = min(range(len(parts)), key=lambda each: (_size(parts[each]) - needs[each], each))
        parts[least] = parts[least] + package
    return [_numbers(part) for part in parts]


def _by_core(cores: Cores, needs: list[int]) -> list[Numbers]:
    """Neighbouring cores for each part, what is left over in proportion to the needs."""
    total, spare = sum(needs), _size(cores) - sum(needs)
    parts: list[Cores] = []
    left = list(cores)
    for index, need in enumerate(needs):
        is_last = index == len(needs) - 1
        goal = need + max(0, spare) * need // total
        after = sum(needs[index + 1 :])
        part: Cores = []
        while left and (is_last or _size(part) < need or _has_more(part, left, goal, after)):
            part.append(left.pop(0))
        if _size(part) < need:
            return []
        parts.append(part)
    return [_numbers(part) for part in parts]


def _has_more(part: Cores, left: Cores, goal: int, after: int) -> bool:
    """Whether one more core belongs to this part, and the parts after it keep what they need."""
    next_size = len(left[0][1])
    return _size(part) + next_size <= goal and _size(left) - next_size >= after


def _numbers(cores: Cores) -> Numbers:
    return tuple(sorted(number for _, numbers in cores for number in numbers))
