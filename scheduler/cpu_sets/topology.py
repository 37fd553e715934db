"""A host's processors: packages, their cores, and the threads of each core.

The one thing to know: a package here is a place with memory of its own: a NUMA node, or a socket
where one node spans several. Work that stays in one package has all its memory near.
Standard library only, for agents know no other part of the scheduler than this folder.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_COLUMNS: Final = ("CPU", "Core", "Socket", "Node")
"""The columns of `lscpu -p` (util-linux 2.x) that matter, by their names in its last comment."""
_DESCRIPTION: Final = re.compile("([1-9][0-9]{0,2})x([1-9][0-9]{0,2})x([1-9])")


class TopologyError(ValueError):
    """A text that describes no processors; it says which line, and what is expected."""


@dataclass(frozen=True, slots=True, order=True)
class Thread:
    """A hardware thread: its number as the kernel counts, and where it is, counted from 0."""

    number: int
    core: int
    package: int


@dataclass(frozen=True)
class Topology:
    """All threads of a host that are online, by number."""

    threads: tuple[Thread, ...]

    @cached_property
    def by_number(self) -> dict[int, Thread]:
        """Each thread by its number."""
        return {each.number: each for each in self.threads}

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all threads, ascending."""
        return tuple(sorted(self.by_number))

    @cached_property
    def cores(self) -> dict[int, tuple[int, ...]]:
        """The threads of each core, by core."""
        found: dict[int, list[int]] = {}
        for each in self.threads:
            found.setdefault(each.core, []).append(each.number)
        return {core: tuple(sorted(found[core])) for core in sorted(found)}

    @cached_property
    def packages(self) -> dict[int, tuple[int, ...]]:
        """The cores of each package, by package."""
        found: dict[int, set[int]] = {}
        for each in self.threads:
            found.setdefault(each.package, set()).add(each.core)
        return {package: tuple(sorted(found[package])) for package in sorted(found)}

    def only(self, numbers: Iterable[int]) -> "Topology":
        """The same without the threads that are not among these (an agent may not use them all)."""
        kept = set(numbers)
        return Topology(tuple(each for each in self.threads if each.number in kept))

    def part(self, index: int, count: int) -> "Topology":
        """What the ``index``-th of ``count`` agents on one computer may give out.

        Threads go to agents in the order of packages and cores, so that few cores are shared; where
        there are more agents than threads, several have the same one.
        """
        in_order = sorted(self.threads, key=lambda each: (each.package, each.core, each.number))
        total = len(in_order)
        if count > total:
            return Topology((in_order[index % total],))
        begin, end = index * total // count, (index + 1) * total // count
        return Topology(tuple(sorted(in_order[begin:end])))


def _made(rows: Iterable[tuple[int, object, object]]) -> Topology:
    """From number, key of the core, key of the package: cores and packages counted from 0."""
    cores: dict[object, int] = {}
    packages: dict[object, int] = {}
    threads = []
    for number, core, package in sorted(rows, key=lambda row: row[0]):
        package_index = packages.setdefault(package, len(packages))
        core_index = cores.setdefault((package, core), len(cores))
        threads.append(Thread(number, core_index, package_index))
    if not threads:
        raise TopologyError("no processor is named; give the output of lscpu -p")
    if len({each.number for each in threads}) < len(threads):
        raise TopologyError("a processor is named twice")
    return Topology(tuple(threads))


def from_lscpu(text: str) -> Topology:
    """The topology in the output of ``lscpu -p``, with whatever columns, in whatever order."""
    names: list[str] = list(_COLUMNS)
    rows: list[tuple[int, object, object]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            found = line.lstrip("# ").split(",")
            names = found if "CPU" in found and "Core" in found else names
            continue
        if not line.strip():
            continue
        fields = dict(zip(names, line.strip().split(","), strict=False))
        cpu, core = fields.get("CPU", ""), fields.get("Core", "")
        if not cpu.isdecimal() or not core.isdecimal():
            raise TopologyError(f"line {number}: {line.strip()!r} has no numbers of CPU and Core")
        rows.append((int(cpu), int(core), (fields.get("Node", ""), fields.get("Socket", ""))))
    return _made(rows)


def from_sys(files: Mapping[str, str]) -> Topology:
    """The topology in files of ``/sys/devices/system``, by their paths below it.

    Read are ``cpu/online``, ``cpu/cpuN/topology/{physical_package_id,die_id,core_id}`` and
    ``node/nodeN/cpulist``; what is absent counts as one die and one node, as on small machines.
    """
    node_of: dict[int, int] = {}
    for path in sorted(files):
        if match := re.fullmatch("node/node([0-9]+)/cpulist", path):
            node_of |= dict.fromkeys(numbers_of(files[path]), int(match[1]))
    online = set(numbers_of(files["cpu/online"])) if "cpu/online" in files else None
    rows: list[tuple[int, object, object]] = []
    for path in sorted(files):
        match = re.fullmatch("cpu/cpu([0-9]+)/topology/core_id", path)
        if match is None or (online is not None and int(match[1]) not in online):
            continue
        cpu = int(match[1])
        package = files.get(f"cpu/cpu{cpu}/topology/physical_package_id", "0").strip()
        die = files.get(f"cpu/cpu{cpu}/topology/die_id", "0").strip()
        rows.append((cpu, (die, files[path].strip()), (node_of.get(cpu, 0), package)))
    return _made(rows)


def from_description(text: str) -> Topology:
    """The topology of ``2x4x2``: 2 packages of 4 cores of 2 threads, numbered as Linux does.

    Linux counts the first threads of all cores and then the second ones.
    """
    match = _DESCRIPTION.fullmatch(text)
    if match is None:
        raise TopologyError(f"{text!r}: write PACKAGESxCORESxTHREADS, like 2x4x2")
    packages, cores, threads = map(int, match.groups())
    total = packages * cores
    return _made(
        (thread * total + core, core, core // cores)
        for thread in range(threads)
        for core in range(total)
    )


def numbers_of(text: str) -> tuple[int, ...]:
    """The numbers in the kernel's way of writing lists: ``0-3,8,10-11``."""
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        match = re.fullmatch("([0-9]{1,6})(?:-([0-9]{1,6}))?", part.strip())
        if match is None:
            raise TopologyError(f"{text.strip()!r} is no list of processors like 0-3,8")
        found.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(found)


def list_of(numbers: Iterable[int]) -> str:
    """Numbers in the kernel's way of writing lists."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
