"""What tasks and hosts use, as records for the topic ``metrics``: pure.

The one thing to know: Mesos' agents tell totals since a container began; a rate needs two samples.
The agents' ``/containers`` and ``/metrics/snapshot`` are read, so a real Mesos is measured like the
dev cluster. What an agent does not tell is absent in the record, never 0.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec

from scheduler.model.provenance import VARIABLES

Json = Mapping[str, Any]

USAGE_VERSION: Final = 1
"""Of both records; it is raised when a field changes its meaning, not when one is added."""

Figure = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number as Mesos and a kernel count: a record with a longer one is not read, for whoever
divides it would end by it."""


class TaskUsage(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """What one task used, up to one moment."""

    version: int
    at_ms: Figure
    """When the agent looked, by its clock."""
    cell: str
    job_id: str
    task_id: str
    host_id: str
    host: str
    index: Figure | None = None
    image: str = ""
    provenance: dict[str, str] = {}
    """Where the image came from, by the labels ``flumina.provenance.*``."""
    container_id: str = ""
    interval_ms: Figure | None = None
    """Since the sample before it, over which ``cpu_milli`` is the mean."""
    cpu_milli: Figure | None = None
    cpu_user_ms_total: Figure | None = None
    cpu_system_ms_total: Figure | None = None
    cpu_limit_milli: Figure | None = None
    cpu_periods_total: Figure | None = None
    cpu_throttled_periods_total: Figure | None = None
    cpu_throttled_ms_total: Figure | None = None
    memory_rss_bytes: Figure | None = None
    memory_total_bytes: Figure | None = None
    """With the pages of files, which the kernel takes back when it needs them."""
    memory_limit_bytes: Figure | None = None
    disk_used_bytes: Figure | None = None
    disk_limit_bytes: Figure | None = None
    processes: Figure | None = None
    threads: Figure | None = None
    network_received_bytes_total: Figure | None = None
    network_sent_bytes_total: Figure | None = None
    """Only where the container has a network of its own; else nobody can tell whose bytes."""


class HostUsage(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """How one host stands."""

    version: int
    at_ms: Figure
    cell: str
    host_id: str
    host: str
    load_1min_milli: Figure | None = None
    cpus_milli: Figure | None = None
    memory_total_bytes: Figure | None = None
    memory_free_bytes: Figure | None = None
    allocated_cpus_milli: Figure | None = None
    allocatable_cpus_milli: Figure | None = None
    allocated_memory_mib: Figure | None = None
    allocatable_memory_mib: Figure | None = None
    tasks_running: Figure | None = None
    uptime_s: Figure | None = None
    noise_milli: Figure | None = None
    """How much its tasks wait for each other, 0 to 1,000; only of agents that divide threads."""


class CellUsage(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """What all tasks of the cell may use together, and what they do use: the second trough.

    Only of tasks of which both is known, so that the difference means something.
    """

    version: int
    at_ms: Figure
    cell: str
    tasks: Figure
    """Tasks that a record of this round tells of."""
    cpu_tasks: Figure
    """Those of which share and use of cpu are known; a rate needs two samples."""
    cpu_allocated_milli: Figure
    cpu_used_milli: Figure
    memory_tasks: Figure
    memory_allocated_bytes: Figure
    memory_used_bytes: Figure


Usage = TaskUsage | HostUsage | CellUsage


def usage_key(usage: Usage) -> str:
    """Whose figures these are: the task's, host's or cell's id."""
    match usage:
        case TaskUsage():
            return usage.task_id
        case HostUsage():
            return usage.host_id
        case CellUsage():
            return usage.cell


def cell_usage(cell: str, usages: Iterable[Usage], at_ms: int) -> CellUsage:
    """The sums over the tasks of one round."""
    tasks = [each for each in usages if isinstance(each, TaskUsage)]
    cpu = [
        (each.cpu_limit_milli, each.cpu_milli)
        for each in tasks
        if each.cpu_limit_milli is not None and each.cpu_milli is not None
    ]
    memory = [
        (each.memory_limit_bytes, each.memory_rss_bytes)
        for each in tasks
        if each.memory_limit_bytes is not None and each.memory_rss_bytes is not None
    ]
    return CellUsage(
        version=USAGE_VERSION,
        at_ms=at_ms,
        cell=cell,
        tasks=len(tasks),
        cpu_tasks=len(cpu),
        cpu_allocated_milli=sum(allocated for allocated, _ in cpu),
        cpu_used_milli=sum(used for _, used in cpu),
        memory_tasks=len(memory),
        memory_allocated_bytes=sum(allocated for allocated, _ in memory),
        memory_used_bytes=sum(used for _, used in memory),
    )


OTHER_FORM: Final = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
"""What the readers below raise for an answer of another form than Mesos': one agent's answer is
one agent's fault, so whoever asks many catches these beside each."""


class Host(msgspec.Struct, frozen=True):
    """An agent, from the master's own list."""

    host_id: str
    name: str
    url: str


class Tags(msgspec.Struct, frozen=True):
    """What a sample of a container is marked with."""

    cell: str
    job_id: str
    task_id: str
    index: int | None
    image: str
    disk_limit_bytes: int | None
    provenance: dict[str, str] = {}


class Before(msgspec.Struct, frozen=True):
    """The cpu time of a container at its last sample."""

    at_s: float
    cpu_s: float


def hosts_of(slaves: Json) -> list[Host]:
    """The agents that are connected, of the master's ``/slaves``; by its word only."""
    found = []
    for each in slaves.get("slaves", []):
        # "slave(1)@10.0.0.5:5051": the address that the agent itself registered from.
        address = str(each.get("pid", "")).rpartition("@")[2]
        if each.get("active") and _is_address(address):
            host = str(each.get("hostname", ""))
            found.append(Host(str(each.get("id", "")), host, f"http://{address}"))
    return found


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(f"http://{text}")
        return bool(parts.hostname and parts.port) and parts.netloc == text and "@" not in text
    except ValueError:
        return False


def tags_of(state: Json) -> dict[tuple[str, str], Tags]:
    """Of an agent's ``/state``: framework and executor, to what its task is called. Ours only."""
    found: dict[tuple[str, str], Tags] = {}
    for framework in state.get("frameworks", []):
        for executor in framework.get("executors", []):
            for task in (*executor.get("tasks", []), *executor.get("queued_tasks", [])):
                labels = {x.get("key"): x.get("value", "") for x in task.get("labels") or []}
                if not labels.get("flumina.job"):
                    continue
                index = str(labels.get("flumina.index", ""))
                disk_mib = (task.get("resources") or {}).get("disk", 0)
                key = (str(framework.get("id", "")), str(executor.get("id", "")))
                found[key] = Tags(
                    cell=str(labels.get("flumina.cell", "")),
                    job_id=str(labels["flumina.job"]),
                    task_id=str(task.get("id", "")),
                    index=int(index) if index.isdecimal() else None,
                    image=str(labels.get("flumina.image", "")),
                    disk_limit_bytes=int(disk_mib * 1024 * 1024) or None,
                    provenance={name: str(labels[name]) for name in VARIABLES if name in labels},
                )
    return found


def keys_of(containers: Iterable[Json]) -> set[tuple[str, str]]:
    """Framework and executor of each container."""
    return {(str(c.get("framework_id", "")), str(c.get("executor_id", ""))) for c in containers}


def task_usages(
    host: Host,
    containers: Iterable[Json],
    tags: Mapping[tuple[str, str], Tags],
    before: Mapping[str, Before],
) -> Iterator[TaskUsage]:
    """The records of one host's containers; those that are not ours are passed over."""
    for container in containers:
        (key,) = keys_of([container])
        mark, said = tags.get(key), container.get("statistics")
        if mark is None or not isinstance(said, dict) or "timestamp" not in said:
            continue
        container_id = str(container.get("container_id", ""))
        yield _task_usage(host, container_id, mark, said, before.get(container_id))


def sample_of(container: Json) -> tuple[str, Before] | None:
    """A container's id with its cpu time, for the rate of the next sample."""
    said = container.get("statistics")
    if not isinstance(said, dict) or "timestamp" not in said:
        return None
    cpu_s = _cpu_s(said)
    if cpu_s is None:
        return None
    return str(container.get("container_id", "")), Before(float(said["timestamp"]), cpu_s)


def _task_usage(
    host: Host, container_id: str, mark: Tags, said: Json, before: Before | None
) -> TaskUsage:
    at_s, cpu_s = float(said["timestamp"]), _cpu_s(said)
    interval_ms = cpu_milli = None
    if before is not None and cpu_s is not None and at_s > before.at_s:
        interval_ms = round((at_s - before.at_s) * 1000)
        # Without cgroups a process that ended unseen takes its time with it.
        cpu_milli = max(0, round((cpu_s - before.cpu_s) / (at_s - before.at_s) * 1000))
    return TaskUsage(
        version=USAGE_VERSION,
        at_ms=round(at_s * 1000),
        cell=mark.cell,
        job_id=mark.job_id,
        task_id=mark.task_id,
        host_id=host.host_id,
        host=host.name,
        index=mark.index,
        image=mark.image,
        provenance=mark.provenance,
        container_id=container_id,
        interval_ms=interval_ms,
        cpu_milli=cpu_milli,
        cpu_user_ms_total=_thousandths(said, "cpus_user_time_secs"),
        cpu_system_ms_total=_thousandths(said, "cpus_system_time_secs"),
        cpu_limit_milli=_thousandths(said, "cpus_limit") or _thousandths(said, "cpus_soft_limit"),
        cpu_periods_total=_whole(said, "cpus_nr_periods"),
        cpu_throttled_periods_total=_whole(said, "cpus_nr_throttled"),
        cpu_throttled_ms_total=_thousandths(said, "cpus_throttled_time_secs"),
        memory_rss_bytes=_whole(said, "mem_rss_bytes"),
        memory_total_bytes=_whole(said, "mem_total_bytes"),
        memory_limit_bytes=_whole(said, "mem_limit_bytes"),
        disk_used_bytes=_whole(said, "disk_used_bytes"),
        disk_limit_bytes=_whole(said, "disk_limit_bytes") or mark.disk_limit_bytes,
        processes=_whole(said, "processes"),
        threads=_whole(said, "threads"),
        network_received_bytes_total=_whole(said, "net_rx_bytes"),
        network_sent_bytes_total=_whole(said, "net_tx_bytes"),
    )


def host_usage(host: Host, cell: str, metrics: Json, at_ms: int) -> HostUsage:
    """The record of an agent's ``/metrics/snapshot``."""
    return HostUsage(
        version=USAGE_VERSION,
        at_ms=at_ms,
        cell=cell,
        host_id=host.host_id,
        host=host.name,
        load_1min_milli=_thousandths(metrics, "system/load_1min"),
        cpus_milli=_thousandths(metrics, "system/cpus_total"),
        memory_total_bytes=_whole(metrics, "system/mem_total_bytes"),
        memory_free_bytes=_whole(metrics, "system/mem_free_bytes"),
        allocated_cpus_milli=_thousandths(metrics, "slave/cpus_used"),
        allocatable_cpus_milli=_thousandths(metrics, "slave/cpus_total"),
        allocated_memory_mib=_whole(metrics, "slave/mem_used"),
        allocatable_memory_mib=_whole(metrics, "slave/mem_total"),
        tasks_running=_whole(metrics, "slave/tasks_running"),
        uptime_s=_whole(metrics, "slave/uptime_secs"),
        noise_milli=_whole(metrics, "flumina/noise_milli"),
    )


def _cpu_s(said: Json) -> float | None:
    user, system = said.get("cpus_user_time_secs"), said.get("cpus_system_time_secs")
    if not isinstance(user, int | float) or not isinstance(system, int | float):
        return None
    return float(user + system)


def _whole(said: Json, name: str) -> int | None:
    value = said.get(name)
    return round(value) if isinstance(value, int | float) else None


def _thousandths(said: Json, name: str) -> int | None:
    value = said.get(name)
    return round(value * 1000) if isinstance(value, int | float) else None
