"""All hosts of a cell in columns, for a map of ten thousand squares, and one host whole.

The one thing to know: everything is the fold's own at one offset, so the same functions answer for
now and for any instant. What a host has in all is what it offers and what our tasks take; of one
that offers nothing it is what it was once seen to have, or 0: not known (`sizes`).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from projections.glance.sizes import Size, held, size_now
from projections.host_health import host_json, is_lost
from scheduler.fold.health import hosts_meant
from scheduler.fold.instance_groups import group_name_of
from scheduler.model.host_health import HostHealth
from scheduler.model.ids import HostId
from scheduler.model.task import Task, titus_state
from scheduler.state import State
from scheduler.versions import container_of

HOSTS_MAX: Final = 20_000
"""Squares of one map; twice what one Mesos master is known to hold of ours."""
TASKS_MAX: Final = 1_000
"""Tasks of one host that are listed; more are counted."""
STANDINGS: Final = ("enabled", "lastChoice", "draining", "disabled")
HEALTHS: Final = ("well", "suspect", "trial", "spared", "away", "lost")
"""``lost``: of those that nothing else keeps away, see `projections.host_health.is_lost`."""
NOTHING: Final[Mapping[HostId, Size]] = MappingProxyType({})


class HostsGlance(msgspec.Struct, frozen=True, rename="camel"):
    """Hosts as columns: row n of each is one host; words are numbers into the lists of words."""

    at_ms: int
    offset: int
    """The last record that was folded."""
    total: int
    """Of all hosts; those beyond the limit are not listed."""
    groups: tuple[str, ...]
    zones: tuple[str, ...]
    standings: tuple[str, ...]
    healths: tuple[str, ...]
    id: tuple[str, ...]
    name: tuple[str, ...]
    group: tuple[int, ...]
    zone: tuple[int, ...]
    tasks: tuple[int, ...]
    cpu_milli_used: tuple[int, ...]
    cpu_milli: tuple[int, ...]
    memory_mib_used: tuple[int, ...]
    memory_mib: tuple[int, ...]
    """In all, as ``cpu_milli``; 0: not known."""
    score_milli: tuple[int, ...]
    """The highest score of a verdict that speaks against it; 0: none does."""
    standing: tuple[int, ...]
    health: tuple[int, ...]


class TaskThere(msgspec.Struct, frozen=True, rename="camel"):
    """A task on a host, as far as the log knows."""

    task_id: str
    job_id: str
    application: str
    state: str
    since_ms: int
    cpu_milli: int
    memory_mib: int


class HostGlance(msgspec.Struct, frozen=True, rename="camel"):
    """One host: what it is, what speaks against it, what runs there."""

    at_ms: int
    offset: int
    host_id: str
    hostname: str
    group: str
    attributes: dict[str, str]
    standing: str
    """What operators let it be used for."""
    ordered_by: str
    ordered_why: str
    marks: dict[str, str]
    noise_milli: int
    offers: int
    cpu_milli_used: int
    cpu_milli: int
    memory_mib_used: int
    memory_mib: int
    health: dict[str, Any]
    """As `/api/flumina/health/hosts/{id}` shows it."""
    tasks: tuple[TaskThere, ...]
    tasks_total: int


class _Words:
    """Words as numbers, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        """The word's number."""
        return self._numbers.setdefault(word, len(self._numbers))

    def all(self) -> tuple[str, ...]:
        """Every word, by its number."""
        return tuple(self._numbers)


def hosts_glance(state: State, sizes: Mapping[HostId, Size] = NOTHING) -> HostsGlance:
    """All hosts, by group, zone and name, so that neighbours on the map are neighbours there."""
    known = [*{*state.hosts, *state.host_tasks, *state.host_offers}]
    wanted = state.policy.placement.machine_group_attribute
    rows = sorted(_place(state, host_id, wanted) for host_id in known)
    groups, zones = _Words(), _Words()
    columns = [
        (
            host_id,
            name,
            groups.number(group),
            zones.number(zone),
            *_amounts(state, host_id, sizes),
            *_words(state, host_id),
        )
        for group, zone, name, host_id in rows[:HOSTS_MAX]
    ]
    turned: list[tuple[Any, ...]] = list(zip(*columns, strict=True)) or [()] * 12
    return HostsGlance(
        state.clock.now_ms,
        state.next_offset - 1,
        len(known),
        groups.all(),
        zones.all(),
        STANDINGS,
        HEALTHS,
        *turned,
    )


def host_glance(
    state: State, name: str, sizes: Mapping[HostId, Size] = NOTHING
) -> HostGlance | None:
    """The host of this id or name; None where there is none."""
    found = hosts_meant(state, name)
    host_id = found[0] if found else HostId(name)
    if not found and not (host_id in state.host_tasks or host_id in state.host_offers):
        return None
    facts, order = state.hosts.get(host_id), state.host_orders.get(host_id)
    tasks, used_cpu, cpu, used_memory, memory = _amounts(state, host_id, sizes)
    there = [state.tasks[each] for each in state.host_tasks.get(host_id, ())]
    return HostGlance(
        at_ms=state.clock.now_ms,
        offset=state.next_offset - 1,
        host_id=host_id,
        hostname=state.hostname(host_id),
        group=group_name_of(state, host_id),
        attributes=dict(facts.attributes) if facts else {},
        standing=order.standing if order else STANDINGS[0],
        ordered_by=order.actor if order else "",
        ordered_why=order.why if order else "",
        marks=dict(state.host_marks.get(host_id, ())),
        noise_milli=state.host_noise.get(host_id, 0),
        offers=len(state.host_offers.get(host_id, ())),
        cpu_milli_used=used_cpu,
        cpu_milli=cpu,
        memory_mib_used=used_memory,
        memory_mib=memory,
        health=host_json(state, host_id),
        tasks=tuple(_task(state, each) for each in _oldest(there)[:TASKS_MAX]),
        tasks_total=tasks,
    )


def _oldest(tasks: Iterable[Task]) -> list[Task]:
    return sorted(tasks, key=lambda each: (each.state.since_ms, each.task_id))


def _task(state: State, task: Task) -> TaskThere:
    need = container_of(state, task).need
    job = state.jobs[task.job_id]
    return TaskThere(
        task_id=task.task_id,
        job_id=task.job_id,
        application=job.spec.application_name,
        state=titus_state(task.state),
        since_ms=task.state.since_ms,
        cpu_milli=need.cpu_milli,
        memory_mib=need.memory_mib,
    )


def _place(state: State, host_id: HostId, group_attribute: str) -> tuple[str, str, str, HostId]:
    facts = state.hosts.get(host_id)
    if facts is None:
        return ("", "", state.hostname(host_id), host_id)
    named = dict(facts.attributes)
    return (named.get(group_attribute, ""), named.get("zone", ""), facts.hostname, host_id)


def _amounts(
    state: State, host_id: HostId, sizes: Mapping[HostId, Size]
) -> tuple[int, int, int, int, int]:
    """Tasks; thousandths of cpus held and in all; MiB of memory held and in all."""
    cpu, memory = held(state, host_id)
    size = size_now(state, host_id) or _at_least(sizes.get(host_id), (cpu, memory))
    tasks = len(state.host_tasks.get(host_id, ()))
    return tasks, cpu, size[0], memory, size[1]


def _words(state: State, host_id: HostId) -> tuple[int, int, int]:
    """The anomaly score, the standing's number and the health's number."""
    order = state.host_orders.get(host_id)
    standing = STANDINGS.index(order.standing) if order else 0
    known = state.health.get(host_id)
    if known is None:
        return 0, standing, 0
    score = max((each.score_milli for each in known.verdicts), default=0)
    word = _health(known, is_lost=is_lost(state, host_id))
    return score, standing, HEALTHS.index(word)


def _health(known: HostHealth, *, is_lost: bool) -> str:
    if known.away_since_ms:
        return "away"
    if is_lost:
        return "lost"
    if known.is_spared:
        return "spared"
    if known.back_ms:
        return "trial"
    return "suspect" if known.verdicts or known.probes else "well"


def with_sizes(found: HostsGlance, sizes: Mapping[HostId, Size]) -> HostsGlance:
    """The same, where a size is not known with what is known of it elsewhere."""
    there = zip(found.id, found.cpu_milli_used, found.memory_mib_used, strict=True)
    known = [_at_least(sizes.get(HostId(each)), (cpu, memory)) for each, cpu, memory in there]
    return replace(
        found,
        cpu_milli=tuple(own or size[0] for own, size in zip(found.cpu_milli, known, strict=True)),
        memory_mib=tuple(own or size[1] for own, size in zip(found.memory_mib, known, strict=True)),
    )


def host_with_size(found: HostGlance, sizes: Mapping[HostId, Size]) -> HostGlance:
    """The same of one host."""
    size = _at_least(
        sizes.get(HostId(found.host_id)), (found.cpu_milli_used, found.memory_mib_used)
    )
    return replace(
        found, cpu_milli=found.cpu_milli or size[0], memory_mib=found.memory_mib or size[1]
    )


def _at_least(size: Size | None, taken: Size) -> Size:
    """A size that was seen, and never less than what is taken of it; nothing where none was."""
    return (max(size[0], taken[0]), max(size[1], taken[1])) if size else (0, 0)
