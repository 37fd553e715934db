"""The Alibaba GPU trace of 2023 ("openb"): nodes, pods, and the queue that its protocol draws.

The one thing to know: a queue is the pods of a mix, more of them drawn with replacement (or some
dropped) until they ask for a given share of all GPUs, and then shuffled; all by a seed. Chance
stays out here, what comes of the queue is pure (`projections.simulate.openb`).
Weng et al., "Beware of Fragmentation", USENIX ATC 2023.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from projections.simulate.openb import Queue
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.placement.devices import asked_milli
from scheduler.placement.host import GpuDevice, HostView
from scheduler.placement.request import Request
from streams.traces.cluster import CPUS_MAX, GPUS_MAX, MEMORY_MIB_MAX
from streams.traces.table import Cell, Table, TraceError, demand_rows, read_table, whole_of

NODE_COLUMNS: Final = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
POD_COLUMNS: Final = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
JOB: Final = JobId("openb")
"""Pods of the trace belong to no job; equal pods are one class."""
_Row = tuple[int, list[str]]


def read_nodes(path: Path) -> list[HostView]:
    """A host of each node."""
    table = read_table(path, NODE_COLUMNS)
    demand_rows(table, "nodes")
    lines: dict[str, int] = {}
    views = []
    for row in table.lines():
        name = _name(table, row, "sn", lines)
        gpus = whole_of(table.cell(*row, "gpu"), GPUS_MAX, "GPUs")
        cpu_milli, memory_mib = _sizes(table, row)
        total = Resources(cpu_milli=cpu_milli, memory_mib=memory_mib, gpus=gpus)
        model = table.cell(*row, "model").text.strip()
        views.append(
            HostView(
                host_id=HostId(name),
                free=total,
                total=total,
                attributes=(("gpu_model", model),) if model else (),
                hostname=name,
                gpu_model=model,
                gpus=(GpuDevice(free_milli=1_000),) * gpus,
            )
        )
    if not any(view.gpus for view in views):
        raise TraceError(
            f"{path} has no node with a GPU.",
            "It is not the list of nodes, or not the one of the GPU subset.",
            "Name openb_node_list_gpu_node.csv.gz.",
        )
    return views


def read_pods(path: Path) -> list[Request]:
    """The request of each pod, in the order of the file."""
    table = read_table(path, POD_COLUMNS)
    demand_rows(table, "pods")
    lines: dict[str, int] = {}
    requests: dict[Need, Request] = {}
    pods = []
    for row in table.lines():
        _name(table, row, "name", lines)
        need = _need(table, row)
        pods.append(requests.setdefault(need, Request(job_id=JOB, need=need)))
    if not any(asked_milli(each.need) for each in pods):
        raise TraceError(
            f"{path} has no pod that asks for a GPU.",
            "It is not a list of pods of this trace.",
            "Name one of openb_pod_list_*.csv.gz.",
        )
    return pods


def drawn(pods: Sequence[Request], capacity_milli: int, demand: int, seed: int) -> Queue:
    """The queue of a seed: pods that ask for ``demand`` per cent of the capacity, shuffled."""
    chance = random.Random(seed)  # noqa: S311 - a protocol, no secret
    queue = list(pods)
    asked = sum(asked_milli(each.need) for each in queue)
    while 100 * asked > capacity_milli * demand:
        gone = queue.pop(chance.randrange(len(queue)))
        asked -= asked_milli(gone.need)
    while 100 * asked < capacity_milli * demand:
        more = chance.choice(pods)
        queue.append(more)
        asked += asked_milli(more.need)
    chance.shuffle(queue)
    return Queue(tuple(queue), tuple(pods))


def _need(table: Table, row: _Row) -> Need:
    count = whole_of(table.cell(*row, "num_gpu"), GPUS_MAX, "GPUs")
    cell = table.cell(*row, "gpu_milli")
    milli = whole_of(cell, 1_000 * GPUS_MAX, "thousandths of a GPU") if count == 1 else 0
    if count == 1 and not 0 < milli <= 1_000:
        raise cell.wrong(f"{milli} thousandths of one GPU", "Write 1 to 1000.")
    text = table.cell(*row, "gpu_spec").text if "gpu_spec" in table and count else ""
    models = tuple(sorted({each.strip() for each in text.split("|")} - {""}))
    cpu_milli, memory_mib = _sizes(table, row)
    is_share = count == 1 and milli < 1_000
    return Need(
        cpu_milli=cpu_milli,
        memory_mib=memory_mib,
        gpus=0 if is_share else count,
        gpu_milli=milli if is_share else 0,
        gpu_models=models,
    )


def _sizes(table: Table, row: _Row) -> tuple[int, int]:
    cpu_milli = whole_of(table.cell(*row, "cpu_milli"), 1_000 * CPUS_MAX, "thousandths of a cpu")
    return cpu_milli, whole_of(table.cell(*row, "memory_mib"), MEMORY_MIB_MAX, "MiB")


def _name(table: Table, row: _Row, column: str, lines: dict[str, int]) -> str:
    cell: Cell = table.cell(*row, column)
    name = cell.text.strip()
    if not name:
        raise cell.wrong("the field is empty", "Give each line a name.")
    if name in lines:
        raise cell.wrong(
            f"{name!r} is there twice, first in line {lines[name]}",
            "Give each line one of its own.",
        )
    lines[name] = row[0]
    return name
