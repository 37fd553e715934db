"""How much the tasks of a host disturb each other, from what is measured of them.

The one thing to know: a neighbour is felt as waiting: time in which a thread could have run and
another one ran instead. Linux counts it for each thread (`/proc/PID/task/TID/schedstat`), and the
load tells it of a whole host. Being throttled is not it: that is a task's own limit, at work.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from scheduler.cpu_sets.layout import Layout, Pair

NOISE_MAX: Final = 1_000
WAITING_MILLI_MAX: Final = 200
"""A workload is disturbed that waits for more than a fifth of the time it wants to run. Ours: below
it the kernel's own balancing, which moves threads every few milliseconds, makes as much."""
LOUD_PERCENT: Final = 125
"""A workload is loud that runs by a quarter more than it was promised."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One workload over one interval: what it ran and waited, in thousandths of a thread."""

    name: str
    ran_milli: int
    waited_milli: int

    @property
    def waiting_milli(self) -> int:
        """The share of the time it wanted to run in which it could not, 0 to 1,000."""
        wanted = self.ran_milli + self.waited_milli
        return NOISE_MAX * self.waited_milli // wanted if wanted > 0 else 0


def sampled(name: str, ran_ms: int, waited_ms: int, interval_ms: int) -> Sample:
    """The sample of a workload from how far its two counters went in an interval."""
    span = max(1, interval_ms)
    return Sample(name, 1_000 * max(0, ran_ms) // span, 1_000 * max(0, waited_ms) // span)


def noise_of_samples(samples: Iterable[Sample]) -> int:
    """How much a host's tasks wait for each other, 0 to 1,000, each counted by what it wanted."""
    ran = waited = 0
    for each in samples:
        ran += each.ran_milli
        waited += each.waited_milli
    return NOISE_MAX * waited // (ran + waited) if ran + waited > 0 else 0


def noise_of_load(load_1min_milli: int, cpus_milli: int) -> int:
    """The same from the load of a host: the part of its runnable threads that finds no cpu.

    For hosts that count no waiting by task; the load also counts threads that wait for a disk.
    """
    if load_1min_milli <= 0 or load_1min_milli <= cpus_milli:
        return 0
    return NOISE_MAX * (load_1min_milli - max(0, cpus_milli)) // load_1min_milli


def disturbers(layout: Layout, samples: Iterable[Sample]) -> frozenset[Pair]:
    """Whom to keep apart from now on: the pairs known so far, and who disturbs whom in the samples.

    For each disturbed workload it is the loudest of those that share a core with it: one at a
    time, since the next round measures again. A pair is forgotten when one of the two leaves.
    """
    by_name = {each.name: each for each in samples}
    promised = {each.name: each.cpu_milli for each in layout.workloads}
    cores = {
        name: {layout.topology.by_number[number].core for number in numbers}
        for name, numbers in layout.sets.items()
    }
    pairs = set(layout.apart)
    for name in sorted(by_name.keys() & promised.keys()):
        if by_name[name].waiting_milli <= WAITING_MILLI_MAX:
            continue
        loud = [
            (by_name[other].ran_milli - promised[other], other)
            for other in sorted(by_name.keys() & promised.keys())
            if other != name
            and 100 * by_name[other].ran_milli >= LOUD_PERCENT * max(1, promised[other])
            and cores[name] & cores[other]
        ]
        if loud:
            other = max(loud)[1]
            pairs.add((min(name, other), max(name, other)))
    return frozenset(pairs)
