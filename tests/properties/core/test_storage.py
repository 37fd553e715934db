"""Whatever happens: no volume and no address has two tasks, and none starts without its own.

How: hypothesis draws a day (launches, ends, silence, failed works, orders, elections) for two jobs
that share addresses and have volumes; the invariants of `scheduler.volumes.invariants` hold after
every record, and the log folds to the same digest again, and from what is kept.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.ids import TaskId
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import Finished
from scheduler.model.volumes import (
    AddressAllocation,
    HoldsReleased,
    VolumeClaim,
    VolumeOrdered,
    VolumeWorkEnded,
    VolumeWorkStarted,
)
from tests.support.cell import CellInMemory, running_cell, service

ADDRESSES = tuple(AddressAllocation(f"a{n}", f"10.0.0.{n}") for n in range(3))
SPEC = replace(
    service(2, maximum=3),
    volumes=(
        VolumeClaim("data", "/data", size_mib=10),
        VolumeClaim("disk", "/disk", "ebs", 10, retention="delete"),
    ),
    addresses=ADDRESSES,
)
ENDS: Any = ("TASK_FAILED", "TASK_KILLED", "TASK_GONE", "TASK_LOST", "TASK_UNREACHABLE")
ORDERS: Any = ("snapshot", "clone", "move", "archive", "restore", "delete", "undelete", "retry")


def tasks_of(cell: CellInMemory) -> list[TaskId]:
    return sorted(cell.state.tasks)


def round_of(cell: CellInMemory, _: int) -> None:
    """A round, and the outbox: a launch whose volumes are not there does not leave."""
    cell.decide()
    for proposal_id, decision in list(cell.state.decisions.items()):
        if proposal_id not in cell.state.decisions:
            continue
        cell.start(proposal_id)
        if cell.state.decisions[proposal_id].is_started:
            cell.end(proposal_id)
        else:
            assert isinstance(decision.proposal, LaunchTasks), "only launches wait for a volume"


def work(cell: CellInMemory, draw: int) -> None:
    """One work of some volume, done or refused."""
    volume_ids = sorted(cell.state.volume_works)
    if not volume_ids:
        return
    volume_id = volume_ids[draw % len(volume_ids)]
    begun = cell.state.volumes[volume_id].work
    assert begun is not None
    cell.write(VolumeWorkStarted(volume_id, begun.number))
    fate: Any = "refused" if draw == 7 else "done"
    is_away = begun.verb in {"move", "restore"}
    told: Any = {
        "host": begun.argument if is_away else begun.host,
        "zone": begun.argument if is_away else begun.zone,
        "reference": "r",
        "path": "/p",
    }
    cell.write(VolumeWorkEnded(volume_id, begun.number, fate, **told))


def works(cell: CellInMemory, draw: int) -> None:
    """Many works, as time brings them."""
    for number in range(8):
        work(cell, (draw + number) % 7)
    round_of(cell, draw)


def end(cell: CellInMemory, draw: int) -> None:
    """Mesos says something of some task."""
    if task_ids := tasks_of(cell):
        state: Any = "TASK_RUNNING" if draw == 6 else ENDS[draw % len(ENDS)]
        cell.status(task_ids[draw % len(task_ids)], state)


def order(cell: CellInMemory, draw: int) -> None:
    """An order for some volume, possible or not."""
    if volume_ids := sorted(cell.state.volumes):
        argument = "name-of-host1" if draw % 2 else f"n{len(cell.log)}"
        volume_id = volume_ids[draw % len(volume_ids)]
        cell.copy("commands", VolumeOrdered(volume_id, ORDERS[draw], "a", "t", argument))


def release(cell: CellInMemory, draw: int) -> None:
    """An operator releases what some task holds, if he may."""
    if holders := sorted(cell.state.holders):
        cell.copy("commands", HoldsReleased(holders[draw % len(holders)], "a", "t"))


def elect(cell: CellInMemory, _: int) -> None:
    """Another leader, on another stream."""
    cell.elect()
    cell.subscribe()
    cell.offer("host1", cpus=16)


ACTS: dict[str, Callable[[CellInMemory, int], None]] = {
    "round": round_of,
    "work": work,
    "works": works,
    "end": end,
    "tick": lambda cell, draw: cell.tick(20_000, 1 + draw),
    "offer": lambda cell, draw: void(cell.offer(f"host{draw % 3}", cpus=16)),
    "order": order,
    "release": release,
    "elect": elect,
    "scale": lambda cell, draw: cell.scale(desired=draw % 4, job_id="a"),
    "kill job": lambda cell, draw: cell.kill_job("a" if draw < 2 else f"job{draw}"),
    "submit": lambda cell, draw: void(cell.submit(SPEC, f"job{draw}")),
}
days = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 7)), max_size=60)


def void(_: object) -> None:
    """Drop an answer."""


@settings(max_examples=60, deadline=None)
@given(days)
def test_no_volume_and_no_address_ever_has_two_tasks(day: list[tuple[str, int]]) -> None:
    cell = running_cell(3, cpus=16)
    cell.set_policy(volume_grace_ms=60_000, finished_jobs_max=2, finished_tasks_max=4)
    for job_id in ("a", "b"):
        cell.submit(SPEC, job_id)
    for what, draw in day:
        ACTS[what](cell, draw)
    assert cell.refolded().digest.value() == cell.machine.digest.value()
    half = Machine()
    for offset, data in enumerate(cell.log):
        if offset == len(cell.log) // 2:
            half = Machine.restored(half.kept())
        half.apply(offset, decode_record(data))
    assert half.digest.value() == cell.machine.digest.value()
    for task in cell.state.tasks.values():
        if isinstance(task.state, Finished) and not task.state.is_abandoned:
            assert task.task_id not in cell.state.holders
