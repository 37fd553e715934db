"""hosts.csv and tasks.csv: hosts and tasks of a cluster, ours or of others.

The one thing to know: cpus may have three decimals, memory is in MiB and may as well (then it is
counted in thousandths). A further column of hosts.csv is a resource where tasks.csv has the same
column, and an attribute of the host otherwise.

hosts.csv: ``name,cpus,mem,zone``; of further columns ``disk`` (MiB), ``network`` (Mbps), ``gpu``
(devices) and ``gpu_model`` are known. tasks.csv: ``id,job,cpus,mem``, and if wanted ``disk``,
``network``, ``num_gpu`` (devices), ``gpu_milli`` (thousandths of one device, where num_gpu is 1
or not given), ``gpu_spec`` (models separated by ``|``), ``arrive_s`` and ``end_s``, and ``tier``
and capacity ``group`` of the policy's queues.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from projections.simulate.trace import Trace, TraceTask
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.placement.host import GpuDevice, HostView
from scheduler.placement.request import Request
from streams.traces.table import (
    Cell,
    Table,
    TraceError,
    demand_rows,
    near_match,
    read_table,
    thousandths_of,
    whole_of,
)

HOST_COLUMNS: Final = ("name", "cpus", "mem", "zone")
TASK_COLUMNS: Final = ("id", "job", "cpus", "mem")
CPUS_MAX: Final = 1_000_000
"""More than any computer has; what is above is a wrong unit."""
MEMORY_MIB_MAX: Final = 1 << 36
"""64 PiB."""
GPUS_MAX: Final = 1_024
AMOUNT_MAX: Final = 1 << 40
"""Of disk, bandwidth and further resources."""
SECONDS_MAX: Final = 1 << 37
"""Four thousand years."""
_HOST_KNOWN: Final = ("disk", "network", "gpu", "gpu_model")
_TASK_KNOWN: Final = (
    *("disk", "network", "num_gpu", "gpu_milli", "gpu_spec", "arrive_s", "end_s"),
    *("tier", "group"),
)
_Row = tuple[int, list[str]]


def read_cluster(hosts: Path, tasks: Path, soft: Sequence[Constraint] = ()) -> Trace:
    """Both files as one trace; every task asks for ``soft`` as well."""
    host_table = read_table(hosts, HOST_COLUMNS)
    demand_rows(host_table, "hosts")
    task_table = read_table(tasks, TASK_COLUMNS)
    demand_rows(task_table, "tasks")
    further = [name for name in host_table.columns if name not in (*HOST_COLUMNS, *_HOST_KNOWN)]
    shared = tuple(
        sorted(name for name in further if name in task_table and name not in _TASK_KNOWN)
    )
    reader = _Tasks(task_table, shared, tuple(sorted(soft)))
    found = _Hosts(host_table, shared).read()
    rows = reader.read()
    is_whole = all(view.total.memory_mib % 1000 == 0 for view in found) and all(
        request.need.memory_mib % 1000 == 0 for request in reader.requests.values()
    )
    if is_whole:
        found = [_whole_host(view) for view in found]
        whole = {request: _whole_request(request) for request in set(reader.requests.values())}
        rows = [
            TraceTask(each.task_id, whole[each.request], each.arrive_ms, each.end_ms)
            for each in rows
        ]
    return Trace(
        hosts=found,
        tasks=rows,
        has_times="arrive_s" in task_table or "end_s" in task_table,
        memory_per_mib=1 if is_whole else 1_000,
        notes=_unused(task_table, shared),
    )


class _Hosts:
    def __init__(self, table: Table, shared: tuple[str, ...]) -> None:
        self.table = table
        self.shared = shared
        known = (*HOST_COLUMNS[:3], "disk", "network", "gpu", *shared)
        self.attributes = [name for name in table.columns if name not in known]

    def read(self) -> list[HostView]:
        """A view of each row; memory is in thousandths."""
        lines: dict[str, int] = {}
        views = []
        for row in self.table.lines():
            view = self._view(row)
            if view.host_id in lines:
                raise _doubled(self._cell(row, "name"), lines[view.host_id])
            lines[view.host_id] = row[0]
            views.append(view)
        return views

    def _view(self, row: _Row) -> HostView:
        name = _word(self._cell(row, "name"))
        gpus = self._whole(row, "gpu", GPUS_MAX, "GPUs")
        attributes = {
            attribute: text.strip()
            for attribute in self.attributes
            if (text := row[1][self.table.at(attribute)]).strip()
        }
        total = Resources(
            cpu_milli=thousandths_of(self._cell(row, "cpus"), CPUS_MAX, "cpus"),
            memory_mib=thousandths_of(self._cell(row, "mem"), MEMORY_MIB_MAX, "MiB of memory"),
            disk_mib=self._whole(row, "disk", AMOUNT_MAX, "MiB of disk"),
            network_mbps=self._whole(row, "network", AMOUNT_MAX, "Mbps"),
            gpus=gpus,
            scalars=_scalars(self.table, row, self.shared),
        )
        return HostView(
            host_id=HostId(name),
            free=total,
            total=total,
            attributes=tuple(sorted(attributes.items())),
            hostname=name,
            gpu_model=attributes.get("gpu_model", ""),
            gpus=(GpuDevice(free_milli=1_000),) * gpus,
            accounts_network="network" in self.table,
        )

    def _cell(self, row: _Row, name: str) -> Cell:
        return self.table.cell(*row, name)

    def _whole(self, row: _Row, name: str, most: int, unit: str) -> int:
        return _optional_whole(self.table, row, name, most, unit)


class _Tasks:
    def __init__(self, table: Table, shared: tuple[str, ...], soft: tuple[Constraint, ...]) -> None:
        self.table = table
        self.shared = shared
        self.soft = soft
        self.requests: dict[tuple[str, ...], Request] = {}
        times = {"id", "arrive_s", "end_s"}
        self._of_class = [table.at(name) for name in table.columns if name not in times]

    def read(self) -> list[TraceTask]:
        """A task of each row; memory is in thousandths."""
        lines: dict[str, int] = {}
        tasks = []
        has_times = "arrive_s" in self.table or "end_s" in self.table
        id_at = self.table.at("id")
        for row in self.table.lines():
            line, fields = row
            task_id = fields[id_at].strip()
            if not task_id or task_id in lines:
                _word(self.table.cell(line, fields, "id"))
                raise _doubled(self.table.cell(line, fields, "id"), lines[task_id])
            lines[task_id] = line
            key = tuple([fields[number] for number in self._of_class])
            request = self.requests.get(key)
            if request is None:
                request = self.requests[key] = self._request(row)
            arrive_ms, end_ms = self._times(row) if has_times else (0, None)
            tasks.append(TraceTask(task_id, request, arrive_ms, end_ms))
        return tasks

    def _request(self, row: _Row) -> Request:
        gpus, gpu_milli, models = self._gpu(row)
        need = Need(
            cpu_milli=thousandths_of(self._cell(row, "cpus"), CPUS_MAX, "cpus"),
            memory_mib=thousandths_of(self._cell(row, "mem"), MEMORY_MIB_MAX, "MiB of memory"),
            disk_mib=_optional_whole(self.table, row, "disk", AMOUNT_MAX, "MiB of disk"),
            network_mbps=_optional_whole(self.table, row, "network", AMOUNT_MAX, "Mbps"),
            gpus=gpus,
            gpu_milli=gpu_milli,
            gpu_models=models,
            scalars=_scalars(self.table, row, self.shared),
        )
        job = _word(self._cell(row, "job"))
        return Request(
            job_id=JobId(job),
            need=need,
            soft=self.soft,
            tier=self._text(row, "tier") or "Flex",
            group=self._text(row, "group") or "DEFAULT",
        )

    def _text(self, row: _Row, name: str) -> str:
        return self._cell(row, name).text.strip() if name in self.table else ""

    def _gpu(self, row: _Row) -> tuple[int, int, tuple[str, ...]]:
        count = self._number(row, "num_gpu", GPUS_MAX, "GPUs")
        milli = self._number(row, "gpu_milli", 1_000 * GPUS_MAX, "thousandths of a GPU")
        models: tuple[str, ...] = ()
        if "gpu_spec" in self.table:
            text = self._cell(row, "gpu_spec").text
            models = tuple(sorted({each.strip() for each in text.split("|")} - {""}))
        if not count and not milli:
            return 0, 0, ()
        cell = self._cell(row, "gpu_milli" if "gpu_milli" in self.table else "num_gpu")
        if count == 0:
            raise cell.wrong("a part of a GPU is asked for, of 0 GPUs", "Write num_gpu 1.")
        if count is None:
            count = 1
        if count == 1 and milli is not None:
            if milli > 1_000:
                raise cell.wrong(
                    f"{milli} thousandths of one GPU", "Write at most 1000, or more in num_gpu."
                )
            if not milli:
                raise cell.wrong("0 thousandths of 1 GPU", "Write 1000 for the whole of it.")
            if milli < 1_000:
                return 0, milli, models
        return count, 0, models

    def _number(self, row: _Row, name: str, most: int, unit: str) -> int | None:
        if name not in self.table or not self._cell(row, name).text.strip():
            return None
        return whole_of(self._cell(row, name), most, unit)

    def _times(self, row: _Row) -> tuple[int, int | None]:
        times = []
        for name in ("arrive_s", "end_s"):
            is_there = name in self.table and self._cell(row, name).text.strip()
            times.append(
                thousandths_of(self._cell(row, name), SECONDS_MAX, "seconds") if is_there else None
            )
        arrive_ms, end_ms = times[0] or 0, times[1]
        if end_ms is not None and end_ms < arrive_ms:
            raise self._cell(row, "end_s").wrong(
                f"the task ends at {end_ms / 1000:g} s and arrives at {arrive_ms / 1000:g} s",
                "Write an end that is not before the arrival, or leave it empty.",
            )
        return arrive_ms, end_ms

    def _cell(self, row: _Row, name: str) -> Cell:
        return self.table.cell(*row, name)


def _unused(table: Table, shared: tuple[str, ...]) -> tuple[str, ...]:
    """A note for each column of the tasks that means nothing here."""
    known = (*TASK_COLUMNS, *_TASK_KNOWN, *shared)
    return tuple(
        f"{table.path}: column {number} ({name}) is not used: it is neither one of "
        f"{', '.join((*TASK_COLUMNS, *_TASK_KNOWN))} nor a column of the hosts' file."
        f"{near_match(name, known)}"
        for number, name in enumerate(table.columns, 1)
        if name not in known
    )


def _optional_whole(table: Table, row: _Row, name: str, most: int, unit: str) -> int:
    if name not in table or not table.cell(*row, name).text.strip():
        return 0
    return whole_of(table.cell(*row, name), most, unit)


def _scalars(table: Table, row: _Row, names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    amounts = [
        (name, thousandths_of(table.cell(*row, name), AMOUNT_MAX, name))
        for name in names
        if table.cell(*row, name).text.strip()
    ]
    return tuple(each for each in amounts if each[1])


def _word(cell: Cell) -> str:
    text = cell.text.strip()
    if not text:
        raise cell.wrong("the field is empty", f"Give each line a {cell.name}.")
    return text


def _doubled(cell: Cell, line: int) -> TraceError:
    return cell.wrong(
        f"{cell.text.strip()!r} is there twice, first in line {line}",
        "Give each line one of its own.",
    )


def _whole_host(view: HostView) -> HostView:
    total = msgspec.structs.replace(view.total, memory_mib=view.total.memory_mib // 1000)
    return msgspec.structs.replace(view, total=total, free=total)


def _whole_request(request: Request) -> Request:
    need = msgspec.structs.replace(request.need, memory_mib=request.need.memory_mib // 1000)
    return msgspec.structs.replace(request, need=need)
