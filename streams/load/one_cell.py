"""One cell of many, in memory and in a process of its own: what it costs, as a line of JSON.

The one thing to know: machine, codec, rounds and placement are the cell's own, and every record is
encoded, decoded and folded. Hosts and time are modelled; Kafka and HTTP are not there, and their
share is measured by `flumina load`. A process of its own gives its memory back, so a hundred of
them fit a small computer.

    python -m streams.load.one_cell '{"cell": "cell-0", "hosts": 10000, ...}'
"""

import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

import msgspec
from msgspec.structs import replace

from connectors.federation.routing import hashed
from projections.failover.cell import STREAM, DrillCell
from scheduler.model.descriptor import decode_descriptor, spec_digest
from scheduler.model.effects import AcceptOffers
from scheduler.model.ids import HostId, JobId, OfferId, TaskId
from scheduler.model.inbound import JobSubmitted, OffersChanged
from scheduler.model.job import JobSpec
from scheduler.model.mesos import HostFacts, MesosTaskState, Offer, StatusUpdate
from scheduler.model.policy import Policy
from scheduler.model.resources import PortRange, Resources
from streams.load import mix

BEGAN_AT_MS: Final = 1_700_000_000_000
OFFERS_TOGETHER: Final = 400
ZONES: Final = 3
STEP_MS: Final = 1_000
STEPS_MAX: Final = 1_000


class AskedCell(msgspec.Struct, frozen=True):
    """Which cell, among which others, of what size."""

    cell: str
    cells: int
    hosts: int
    launches: int
    """Of this cell; the mix is made for all, and each cell takes what is routed to it."""
    seed: int


class CellFigures(msgspec.Struct, frozen=True):
    """What one cell did and what it cost; seconds are of a processor."""

    cell: str
    hosts: int
    jobs: int
    launches: int
    started: int
    offers_s: float
    """To take in the offers of all its hosts."""
    launches_s: float
    """From submissions to the last task started: fold, rounds, placement, codec."""
    events: int
    records: int
    bytes_written: int
    rss_mib: float
    digest: str

    @property
    def launches_per_s(self) -> float:
        """On one core that does nothing else."""
        return self.launches / self.launches_s if self.launches_s else 0.0


def run_cell(asked: AskedCell) -> CellFigures:
    """Bring up the cell's hosts, and launch what the federation's hash sends there."""
    spent = Spent()
    cell = DrillCell(Policy(), BEGAN_AT_MS, spent.measured)
    hosts = Hosts(cell, asked.hosts)
    hosts.offer(hosts.all_ids())
    cell.decide()
    offers_s, spent.seconds = spent.seconds, 0.0
    jobs = list(_jobs_of(asked))
    launches = sum(each.spec.desired for each in jobs)
    cell.copy("jobs", jobs)
    started = 0
    for _ in range(STEPS_MAX):
        started += _step(cell, hosts)
        if started >= launches:
            break
    return CellFigures(
        cell=asked.cell,
        hosts=len(cell.state.hosts),
        jobs=len(jobs),
        launches=launches,
        started=started,
        offers_s=round(offers_s, 3),
        launches_s=round(spent.seconds, 3),
        events=cell.events,
        records=cell.records,
        bytes_written=cell.bytes_written,
        # Kibibytes on Linux.
        rss_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024, 1),
        digest=cell.machine.digest.value(),
    )


class Spent:
    """Processor time of the cell's own work."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count what is done inside."""
        began_s = time.process_time()
        yield
        self.seconds += time.process_time() - began_s


class Hosts:
    """The hosts of a cell, and the master that offers what is free of them."""

    def __init__(self, cell: DrillCell, count: int) -> None:
        self._cell = cell
        self._free = {HostId(f"host-{number}"): _resources(number) for number in range(count)}
        self._zones = {host_id: f"zone-{n % ZONES}" for n, host_id in enumerate(self._free)}
        self._known: set[HostId] = set()
        self._offers = 0

    def offer(self, host_ids: Iterable[HostId]) -> None:
        """Offer all that is free of these hosts."""
        left = iter(host_ids)
        while some := list(islice(left, OFFERS_TOGETHER)):
            added = tuple(self._offer(host_id) for host_id in some)
            first = self._cell.next_offset("mesos")
            changed = OffersChanged(stream_id=STREAM, first_offset=first, added=added)
            self._cell.copy("mesos", [changed])

    def all_ids(self) -> list[HostId]:
        """Every host."""
        return list(self._free)

    def take(self, launched: AcceptOffers) -> None:
        """Take from a host what the launched tasks need."""
        free = self._free[launched.host_id]
        for task in launched.tasks:
            need = task.need
            free = replace(
                free,
                cpu_milli=free.cpu_milli - need.cpu_milli,
                memory_mib=free.memory_mib - need.memory_mib,
                disk_mib=free.disk_mib - need.disk_mib,
                network_mbps=free.network_mbps - need.network_mbps,
            )
        assert min(free.cpu_milli, free.memory_mib, free.network_mbps) >= 0, launched.host_id
        self._free[launched.host_id] = free

    def _offer(self, host_id: HostId) -> Offer:
        self._offers += 1
        facts = None
        if host_id not in self._known:
            self._known.add(host_id)
            facts = HostFacts(hostname=host_id, attributes=(("zone", self._zones[host_id]),))
        return Offer(
            offer_id=OfferId(f"offer-{self._offers}"),
            host_id=host_id,
            resources=self._free[host_id],
            facts=facts,
        )


def _resources(number: int) -> Resources:
    sort = mix.HOST_SORTS[number % len(mix.HOST_SORTS)]
    ports = (PortRange(31_000, 31_999),)
    memory_mib = sort.memory_gb * 1_000
    return Resources(sort.cpus * 1_000, memory_mib, 2_000_000, ports, sort.network_mbps)


def _jobs_of(asked: AskedCell) -> Iterator[JobSubmitted]:
    """Of the mix that comes to the front, what its hash gives to this cell."""
    names = cell_names(asked.cells)
    left = asked.launches
    for plan in mix.jobs(asked.seed, asked.launches * asked.cells * 4):
        if hashed(names, plan.job_id) != asked.cell:
            continue
        spec = decode_descriptor(plan.body)
        assert isinstance(spec, JobSpec), spec
        yield JobSubmitted(job_id=JobId(plan.job_id), spec=spec, digest=spec_digest(spec))
        left -= plan.tasks
        if left <= 0:
            return


def _step(cell: DrillCell, hosts: Hosts) -> int:
    """Decide, and let what was launched run a second later; how many tasks began to."""
    updates: list[StatusUpdate] = []
    used: dict[HostId, None] = {}
    for effect in cell.decide():
        if isinstance(effect, AcceptOffers):
            hosts.take(effect)
            used[effect.host_id] = None
            updates += [
                _update(task.task_id, effect.host_id, state)
                for task in effect.tasks
                for state in STATES
            ]
    cell.now_ms += STEP_MS
    cell.tick()
    cell.copy("mesos", updates)
    hosts.offer(used)
    return len(updates) // len(STATES)


STATES: Final[tuple[MesosTaskState, ...]] = ("TASK_STARTING", "TASK_RUNNING")


def _update(task_id: TaskId, host_id: HostId, state: MesosTaskState) -> StatusUpdate:
    return StatusUpdate(
        stream_id=STREAM,
        task_id=task_id,
        state=state,
        host_id=host_id,
        uuid=f"{task_id}-{state}",
    )


def cell_names(cells: int) -> tuple[str, ...]:
    """The names of so many cells."""
    return tuple(f"cell-{number}" for number in range(cells))


def main() -> None:
    """Run the cell that the first word asks for, and print its figures."""
    figures = run_cell(msgspec.json.decode(sys.argv[1], type=AskedCell))
    os.write(sys.stdout.fileno(), msgspec.json.encode(figures) + b"\n")


if __name__ == "__main__":
    main()
