"""Memory of a whole cell: its folded state, its index of hosts, its queue, in one process.

The cell is filled as a real one is: hosts by offers, jobs by submissions, launches by its own
rounds, carried out and seen running. What the test's cell keeps beside that (its log, the list of
changes) is thrown away as it goes. `python -m tests.benchmark.placement_memory HOSTS JOBS TASKS`
prints one JSON object.
"""

import gc
import json
import resource
import sys
import time
from collections import Counter

from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks
from scheduler.model.resources import Need, PortRange, Resources
from tests.benchmark.placement_traces import THREE_SIZES, hosts_of
from tests.support.cell import CellInMemory, batch, offer_of

OFFERS_A_RECORD = 500
ROUNDS = 50


class LargeCell(CellInMemory):
    """A cell that is not checked at every step and keeps no history of its own."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.records_a_check = 1 << 60

    def forget_history(self) -> None:
        """Throw away what only a test wants; the log keeps its length."""
        self.changes.clear()
        self.log[:] = [b""] * len(self.log)


def filled(hosts: int, jobs: int, tasks: int) -> LargeCell:
    """A cell of so many hosts, with that many jobs of so many tasks."""
    cell = LargeCell(Policy(queued_tasks_max=2_000_000, launches_per_round_max=5_000))
    cell.elect()
    cell.subscribe()
    resources = [
        offer_of(
            f"offer-of-{each.name}",
            each.name,
            Resources(each.cpu_milli, each.memory_mib, 100_000, (PortRange(31_000, 31_999),)),
        )
        for each in hosts_of(hosts)
    ]
    for first in range(0, hosts, OFFERS_A_RECORD):
        cell.offers(*resources[first : first + OFFERS_A_RECORD])
    for number in range(jobs):
        _, cpu_milli, memory_mib = THREE_SIZES[(0, 0, 0, 0, 0, 0, 1, 1, 1, 2)[number % 10]]
        cell.submit(batch(tasks, need=Need(cpu_milli, memory_mib)), f"job-{number}")
        cell.forget_history()
    return cell


def run_rounds(cell: LargeCell) -> tuple[int, float]:
    """Place, launch and start what fits, as far as so many rounds bring it; rounds and seconds."""
    deciding_s = 0.0
    for number in range(ROUNDS):
        began = time.perf_counter()
        cell.machine.decide()
        deciding_s += time.perf_counter() - began
        proposals = cell.decide()
        launches = [
            (proposal_id, each) for proposal_id, each in proposals if isinstance(each, LaunchTasks)
        ]
        if not launches:
            return number, deciding_s
        for proposal_id, proposal in launches:
            cell.carry_out(proposal_id)
            for launch in proposal.launches:
                cell.status(launch.task_id, "TASK_RUNNING")
        cell.forget_history()
    return ROUNDS, deciding_s


def main() -> None:
    """Fill a cell and say how much memory the process took at its highest."""
    hosts, jobs, tasks = (int(each) for each in sys.argv[1:4])
    before_mib = _peak_mib()
    began = time.perf_counter()
    cell = filled(hosts, jobs, tasks)
    filled_s = time.perf_counter() - began
    rounds, deciding_s = run_rounds(cell)
    gc.collect()
    kinds = Counter(type(task.state).__name__ for task in cell.state.tasks.values())
    print(
        json.dumps(
            {
                "hosts": len(cell.state.host_offers | cell.state.host_tasks),
                "tasks": len(cell.state.tasks),
                "jobs": len(cell.state.jobs),
                "peak_mib": round(_peak_mib(), 1),
                "modules_mib": round(before_mib, 1),
                "filled_s": round(filled_s, 1),
                "rounds": rounds,
                "mean_round_ms": round(1_000 * deciding_s / max(1, rounds), 1),
                **kinds,
            }
        )
    )


def _peak_mib() -> float:
    # Linux counts in KiB; see getrusage(2).
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


if __name__ == "__main__":
    main()
