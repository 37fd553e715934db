"""How long single rounds take: over a million waiting tasks, and after one change.

1,000 classes of 1,000 equal tasks each wait (sizes of the three-size mix, a job each) for 10,000
hosts. Timed is what the cell does in a round: hosts that changed are handed over, the round is
planned with its refusals, and its record and launches are encoded as events of the cell log.
`python -m tests.benchmark.placement_rounds` prints one JSON object.
"""

import gc
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from scheduler.model.codec import encode_record
from scheduler.model.events import CellEvent, CellRecord
from scheduler.model.ids import HostId, JobId, OfferId, TaskId
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import PlacementRules
from scheduler.placement.engine import Placement
from scheduler.placement.host import HostView
from scheduler.placement.request import Request
from scheduler.queue.outcome import RoundOutcome
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue
from scheduler.rounds.placing import place_round
from scheduler.rounds.records import record_of
from scheduler.state import State
from tests.benchmark.figures import percentile
from tests.benchmark.placement_traces import THREE_SIZES, hosts_of

RECORD_VERSION = 1
RECORD_EVENTS = 1_000
"""A record of the cell log holds at most so many events."""


class Sizes(NamedTuple):
    """How large the cell is."""

    hosts: int
    classes: int
    tasks_a_class: int
    changes: int


class Cell:
    """Hosts, queue and usage, changed by rounds as a cell changes them."""

    def __init__(self, sizes: Sizes) -> None:
        self.rules = PlacementRules()
        self.state = State()
        self.views = {
            HostId(each.name): _view(each.name, each.cpu_milli, each.memory_mib, each.zone)
            for each in hosts_of(sizes.hosts)
        }
        self.placement = Placement(self.rules)
        self.placement.put_hosts(self.views.values())
        self.queue, self.usage = Queue(), Usage()
        self.running: list[tuple[HostId, Request]] = []
        self.told: dict[Request, int] = {}
        """Refusals that the log holds, with how many waited: as the cell, none is said twice."""
        for number in range(sizes.classes):
            # By turns, so that each size waits in its share: 6, 3 and 1 of 10.
            size = THREE_SIZES[(0, 0, 0, 0, 0, 0, 1, 1, 1, 2)[number % 10]]
            request = Request(JobId(f"job-{number}"), Need(size[1], size[2]))
            self.queue.set_waiting(request, sizes.tasks_a_class, 0, (number, 0))

    def round(self) -> tuple[RoundOutcome, int]:
        """One round, written down; its outcome and the bytes of its events."""
        outcome = place_round(
            self.placement, self.queue, self.usage, self.rules, 0, is_told=self._is_told
        )
        self.told |= {each.request: each.count for each in outcome.refused}
        self.told |= {each.request: each.count for each in outcome.held}
        by_host: dict[HostId, list[Launch]] = {}
        for placed in outcome.placed:
            job_id = placed.request.job_id
            for number, choice in enumerate(placed.outcome.choices):
                launch = Launch(
                    TaskId(f"{job_id}-worker-{number}-1"),
                    choice.ports,
                    choice.interface,
                    choice.gpus,
                )
                by_host.setdefault(choice.host_id, []).append(launch)
        events: list[CellEvent] = [
            record_of(self.state, outcome, self.queue.tasks, 0),
            *(
                LaunchTasks(host_id, (OfferId(f"offer-of-{host_id}"),), tuple(launches))
                for host_id, launches in by_host.items()
            ),
        ]
        written = 0
        for first in range(0, len(events), RECORD_EVENTS):
            chunk = tuple(events[first : first + RECORD_EVENTS])
            written += len(encode_record(CellRecord(RECORD_VERSION, 7, 0, chunk)))
        for placed in outcome.placed:
            count = len(placed.outcome.choices)
            self.queue.placed(placed.request, count, 0)
            self.usage.add(placed.request, count)
        return outcome, written

    def remember(self, outcome: RoundOutcome) -> None:
        """Keep who runs where, for tasks that end later; no part of a round."""
        for placed in outcome.placed:
            for choice in placed.outcome.choices:
                view = self.views[choice.host_id]
                self.views[choice.host_id] = _changed(view, placed.request, 1)
                self.running.append((choice.host_id, placed.request))

    def _is_told(self, request: Request, count: int) -> bool:
        return self.told.get(request) == count

    def end(self, number: int) -> None:
        """A task ends: its host is handed over with what is free now."""
        host_id, request = self.running.pop(number)
        self.views[host_id] = _changed(self.views[host_id], request, -1)
        self.usage.add(request, -1)
        self.placement.put_hosts([self.views[host_id]])

    def after_end(self, number: int) -> RoundOutcome:
        """A task ends, and the round after that."""
        self.end(number)
        return self.round()[0]


def _view(name: str, cpu_milli: int, memory_mib: int, zone: str) -> HostView:
    whole = Resources(cpu_milli, memory_mib)
    return HostView(HostId(name), free=whole, total=whole, attributes=(("zone", zone),))


def _changed(view: HostView, request: Request, sign: int) -> HostView:
    counts = dict(view.tasks_of_job)
    counts[request.job_id] = counts.get(request.job_id, 0) + sign
    free, need = view.free, request.need
    return msgspec.structs.replace(
        view,
        free=Resources(
            free.cpu_milli - sign * need.cpu_milli, free.memory_mib - sign * need.memory_mib
        ),
        tasks_of_job=tuple(sorted((job, count) for job, count in counts.items() if count)),
    )


class Took(NamedTuple):
    """Milliseconds on the wall's clock and of the processor's; a busy machine parts them."""

    wall_ms: float
    cpu_ms: float


Work = TypeVar("Work")


def timed(work: Callable[[], Work]) -> tuple[Took, Work]:
    """What it took, and what came of it."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Took(1_000 * wall, 1_000 * cpu), done


def main() -> None:
    """Measure and print."""
    sizes = Sizes(*(int(each) for each in sys.argv[1:5]))
    first: list[Took] = []
    full: list[Took] = []
    written = 0
    cell = Cell(sizes)
    for number in range(3):
        cell = Cell(sizes) if number else cell
        gc.collect()
        took, (outcome, written) = timed(cell.round)
        first.append(took)
        cell.remember(outcome)
        cell.told.clear()  # So that every refusal is worked out and written anew.
        full.append(timed(cell.round)[0])
    placed = len(cell.running)
    changes: list[Took] = []
    for number in range(sizes.changes):
        which = (number * 7_919) % len(cell.running)
        took, outcome = timed(partial(cell.after_end, which))
        changes.append(took)
        assert outcome.tasks_placed, "the room that came free was not used"
        cell.remember(outcome)
    print(
        json.dumps(
            _said("first", first, 0.5)
            | _said("full", full, 0.5)
            | _said("change_p50", changes, 0.5)
            | _said("change_p99", changes, 0.99)
            | {
                "changes": sizes.changes,
                "placed": placed,
                "waiting": sizes.classes * sizes.tasks_a_class,
                "bytes": written,
            }
        )
    )


def _said(name: str, took: list[Took], share: float) -> dict[str, float]:
    return {
        f"{name}_ms": percentile([each.wall_ms for each in took], share),
        f"{name}_cpu_ms": percentile([each.cpu_ms for each in took], share),
    }


if __name__ == "__main__":
    main()
