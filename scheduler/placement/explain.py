"""Why a request has no host: each rule with how many hosts it refused, and which came nearest.

The one thing to know: every host on offer is counted once, under the first rule that it breaks, in
this order: rules of the system (draining, lost zone, quality, launching, launch rate, somebody
else's own), taints, the hard constraints of the request (those of attributes, then those of tasks),
constraints of plug-ins, resources, room kept for others. So what is counted under a resource would
do but for that resource. The nearest host is the one that lacks least of all resources together, in
parts of the need.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from scheduler.constraints import fixed, moving
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId
from scheduler.placement.by_cpu import NEED_MAX, SHORT_BITS, ByCpu
from scheduler.placement.closing import CLOSED_BY, GONE, UNOFFERED, why_closed
from scheduler.placement.columns import RANK_BITS, Array, Flags
from scheduler.placement.devices import lacking_devices
from scheduler.placement.hopeless import Entry
from scheduler.placement.index import Index, demanded
from scheduler.placement.interfaces import lacking_interface
from scheduler.placement.masks import moving_flags
from scheduler.placement.outcome import Refused
from scheduler.placement.prepared import Prepared
from scheduler.placement.request import Request
from scheduler.placement.scales import scales
from scheduler.placement.slot import Slot

NO_OFFERS: Final = Refused("offers", 0, None, "no host has offered resources")
_FAR: Final = np.int64(1 << 62)


class Rule(NamedTuple):
    """One rule: the rows that it refuses, and what to say of one of them."""

    name: str
    refused: Flags
    words: Callable[[Slot], str]


class Explainer:
    """What was worked out of the hosts for one answer and serves for the next."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._asked_at = -1
        self._made_at = -1
        self._by_cpu: ByCpu | None = None
        self._about: dict[int, bool] = {}
        """By manner, at ``_asked_at``: whether nothing but amounts refuses its plain requests."""

    def hopeless(self, entry: Entry) -> tuple[Refused, ...]:
        """What `refusals` answers for a request that is known to fit on no host."""
        columns, need = self._index.columns, entry.request.need
        place = columns.changed.end
        if self._asked_at != place:
            self._asked_at, self._about = place, {}
            return refusals(self._index, entry.prepared)
        if (
            not 0 <= need.cpu_milli <= NEED_MAX
            or not 0 <= need.memory_mib <= NEED_MAX
            or not self._is_about_amounts(entry)
        ):
            return refusals(self._index, entry.prepared)
        by_cpu = self._by_cpu
        if by_cpu is None or self._made_at != place:
            columns.ranked()
            by_cpu = self._by_cpu = ByCpu(columns)
            self._made_at = place
        found: tuple[Refused, ...] = ()
        nearest = by_cpu.lacking_cpu(need)
        if nearest is not None:
            missing = lacking_milli(need.cpu_milli, columns.cpu_free.item(nearest.row), "cpus")
            found = (Refused("cpu", nearest.hosts, self._host_in(nearest.row), missing),)
        nearest = by_cpu.lacking_memory(found[0].hosts if found else 0)
        if nearest is not None:
            free = columns.memory_free.item(nearest.row)
            missing = lacking(need.memory_mib, free, "MiB of memory")
            found += (Refused("memory", nearest.hosts, self._host_in(nearest.row), missing),)
        return found

    def _is_about_amounts(self, entry: Entry) -> bool:
        """`_is_about_amounts`, which requests of one manner for cpu and memory share."""
        if not entry.asks_amounts_only:
            return _is_about_amounts(self._index, entry.prepared)
        number = entry.manner.manner_number
        known = self._about.get(number)
        if known is None:
            known = self._about[number] = _is_about_amounts(self._index, entry.prepared)
        return known

    def _host_in(self, row: int) -> HostId:
        slot = self._index.columns.slots[row]
        assert slot is not None, f"there is no host in row {row}"
        return slot.host_id


def refusals(
    index: Index, prepared: Prepared, avoid: AbstractSet[HostId] = frozenset()
) -> tuple[Refused, ...]:
    """Why each host on offer refuses one more task of the request, counted by rule."""
    columns = index.columns
    columns.ranked()
    if _is_about_amounts(index, prepared) and not avoid:
        return _of_cpu_and_memory(index, prepared)
    left = (columns.closed != GONE) & (columns.closed != UNOFFERED)
    if not left.any():
        return (NO_OFFERS,)
    nearness: Array | None = None
    counts: dict[str, tuple[int, int, int, Callable[[Slot], str]]] = {}
    for rule in _rules(index, prepared, avoid):
        hit = rule.refused & left
        count = int(np.count_nonzero(hit))
        if not count:
            continue
        if nearness is None:
            nearness = _nearness(index, prepared)
        far = np.where(hit, nearness, _FAR)
        row = int(far.argmin())
        near = far.item(row)
        before = counts.get(rule.name)
        if before is None:
            counts[rule.name] = (count, near, row, rule.words)
        elif near < before[1]:
            counts[rule.name] = (count + before[0], near, row, rule.words)
        else:
            counts[rule.name] = (count + before[0], *before[1:])
        left &= ~hit
        if not left.any():
            break
    found = []
    for name, (count, _, row, words) in counts.items():
        slot = columns.at(row)
        found.append(Refused(name, count, slot.host_id, words(slot)))
    return tuple(found)


def shortfall(index: Index, prepared: Prepared) -> Array:
    """How far each row is from fitting: parts of the need, summed over the resources."""
    columns, need = index.columns, prepared.request.need
    total: Array | None = None
    asked = [(columns.cpu_free, need.cpu_milli)]
    asked += [(getattr(columns, name), amount) for name, amount in prepared.amounts]
    asked += [(columns.scalar_free(name), amount) for name, amount in need.scalars]
    for free, amount in asked:
        if amount > 0:
            missing = np.subtract(amount, free)
            np.maximum(missing, 0, out=missing)
            # Division of columns is slow; a rounded factor does as well. More than 2**30 of
            # anything (MiB: a petabyte) is missing whole or not at all.
            if amount > 1 << SHORT_BITS:
                missing = (missing > 0) * np.int64(1 << SHORT_BITS)
            else:
                missing *= (1 << SHORT_BITS) // amount
            total = missing if total is None else total + missing
    return np.zeros(columns.length, np.int64) if total is None else total


def _nearness(index: Index, prepared: Prepared) -> Array:
    """Shortfalls, and between equal ones the rank of the host's digest."""
    total = shortfall(index, prepared)
    total <<= RANK_BITS
    total += index.columns.ranks
    return total


def _is_about_amounts(index: Index, prepared: Prepared) -> bool:
    """Whether nothing but cpu and memory can refuse the request anywhere: the common case."""
    return (
        all(name == "memory_free" for name, _ in prepared.amounts)
        and not prepared.request.need.scalars
        and not prepared.request.need.addresses
        and not prepared.moving_hard
        and not index.demands
        and index.allowed(prepared) is None
        and index.columns.is_all_open()
    )


def _of_cpu_and_memory(index: Index, prepared: Prepared) -> tuple[Refused, ...]:
    """What `refusals` answers where `_is_about_amounts` is true, in fewer steps."""
    columns, need = index.columns, prepared.request.need
    nearness = _nearness(index, prepared)
    no_cpu = columns.cpu_free < need.cpu_milli
    found = _refused(index, "cpu", no_cpu, nearness, need.cpu_milli)
    if not found or found[0].hosts < columns.length:
        # Of two flags, the first and not the second.
        no_memory = np.greater(columns.memory_free < need.memory_mib, no_cpu)
        found += _refused(index, "memory", no_memory, nearness, need.memory_mib)
    return found


def _refused(
    index: Index, name: str, refused: Flags, nearness: Array, amount: int
) -> tuple[Refused, ...]:
    count = int(np.count_nonzero(refused))
    if not count:
        return ()
    if count < len(refused):
        nearness = np.where(refused, nearness, _FAR)
    slot = index.columns.at(int(nearness.argmin()))
    if name == "cpu":
        return (Refused(name, count, slot.host_id, lacking(amount, slot.cpu_free, "")),)
    missing = lacking(amount, slot.memory_free, "MiB of memory")
    return (Refused(name, count, slot.host_id, missing),)


def _rules(index: Index, prepared: Prepared, avoid: AbstractSet[HostId]) -> Iterator[Rule]:
    """All rules in the order in which they are asked; each only when its turn comes."""
    columns = index.columns
    if columns.closed.any():
        for number in range(UNOFFERED + 1, len(CLOSED_BY)):
            yield Rule(
                CLOSED_BY[number],
                columns.closed == number,
                lambda slot: why_closed(slot, index.rules),
            )
    yield from _of_attributes(index, prepared)
    yield from _of_tasks(index, prepared)
    yield from _of_others(index, prepared)
    yield from _of_amounts(index, prepared)
    if avoid:
        kept = np.zeros(columns.length, np.bool_)
        kept[[columns.row_of[each] for each in sorted(avoid) if each in columns.row_of]] = True
        yield Rule("reserved", kept, lambda _: "its room is kept for others")


def _of_attributes(index: Index, prepared: Prepared) -> Iterator[Rule]:
    rules = index.rules
    tolerating = index.masks.tolerating(prepared.tolerated)
    if tolerating is not None:
        tolerated = prepared.tolerated
        yield Rule(
            "toleration",
            ~tolerating,
            lambda slot: fixed.taint_refusal(tolerated, slot.attributes, rules),
        )
    if not rules.gpu_hosts_take_all and not prepared.asks_devices:
        yield Rule("gpuHosts", index.columns.gpu_total > 0, lambda _: fixed.DEVICES_KEPT)
    for constraint in prepared.fixed_hard:
        if constraint.kind != "toleration":

            def words(slot: Slot, asked: Constraint = constraint) -> str:
                hostname = slot.view.hostname if slot.view is not None else ""
                return fixed.refusal(asked, slot.attributes, slot.host_id, hostname, rules)

            yield Rule(constraint.kind, ~index.masks.allowed(constraint), words)


def _of_tasks(index: Index, prepared: Prepared) -> Iterator[Rule]:
    job_id = prepared.request.job_id
    for constraint in prepared.moving_hard:

        def words(slot: Slot, asked: Constraint = constraint) -> str:
            place = index.place(slot)
            return moving.refusal(asked, job_id, place, index.columns, index.rules)

        flags = moving_flags(constraint, job_id, index.columns)
        if flags is None:
            flags = _balanced(index, prepared, moving.balanced_by(constraint, index.rules))
        yield Rule(constraint.kind, ~flags, words)


def _balanced(index: Index, prepared: Prepared, attribute: str) -> Flags:
    """The rows whose value of the attribute may have one more task."""
    codes, values = index.columns.codes(attribute)
    made = dict(
        zip(
            [name for name, _, _ in prepared.balances], scales(index.columns, prepared), strict=True
        )
    )
    scale = made[attribute]
    flags: Flags = np.array([scale.of(value) >= 0 for value in values], np.bool_)[codes]
    return flags


def _of_others(index: Index, prepared: Prepared) -> Iterator[Rule]:
    columns = index.columns
    for name, function in index.demands:
        refused = np.zeros(columns.length, np.bool_)
        for row in np.flatnonzero(columns.closed == 0).tolist():
            refused[row] = bool(demanded(name, function, prepared, columns.at(row)))

        def words(slot: Slot, asked: str = name, by: object = function) -> str:
            assert callable(by)
            return demanded(asked, by, prepared, slot)

        yield Rule(name, refused, words)


def _of_amounts(index: Index, prepared: Prepared) -> Iterator[Rule]:
    columns, need = index.columns, prepared.request.need
    for name, column, amount, unit in (
        ("cpu", "cpu_free", need.cpu_milli, ""),
        ("memory", "memory_free", need.memory_mib, "MiB of memory"),
        ("disk", "disk_free", need.disk_mib, "MiB of disk"),
        ("network", "network_free", need.network_mbps, "Mbps of network"),
    ):
        if amount > 0:

            def words(
                slot: Slot, column: str = column, amount: int = amount, unit: str = unit
            ) -> str:
                return lacking(amount, getattr(slot, column), unit)

            yield Rule(name, getattr(columns, column) < amount, words)
    if prepared.asks_devices:
        yield Rule(
            "gpu",
            ~_has_devices(index, prepared),
            lambda slot: lacking_devices(slot.gpus, slot.gpu_model, need),
        )
    if need.ports:
        yield Rule(
            "ports",
            columns.ports_free < need.ports,
            lambda slot: lacking(need.ports, slot.ports_free, "ports"),
        )
    for name, amount in need.scalars:

        def lacks(slot: Slot, name: str = name, amount: int = amount) -> str:
            return lacking_milli(amount, slot.scalar_free(name), name)

        yield Rule(name, columns.scalar_free(name) < amount, lacks)
    if need.addresses:
        yield Rule(
            "addresses",
            ~columns.interfaces.has_room(prepared.groups, columns.interface_class),
            lambda slot: lacking_interface(slot.interfaces, need.addresses, prepared.groups),
        )


def _has_devices(index: Index, prepared: Prepared) -> Flags:
    columns, need = index.columns, prepared.request.need
    flags: Flags = columns.gpu_free >= need.gpus
    flags &= columns.share_free >= need.gpu_milli
    return flags & index.right_models(need.gpu_models) if need.gpu_models else flags


def lacking(amount: int, free: int, unit: str) -> str:
    """How much of what was asked is missing, in words; without a unit it is cpu."""
    if not unit:
        return lacking_milli(amount, free, "cpus")
    return f"{amount - max(0, free)} of {amount} {unit} missing"


def lacking_milli(amount: int, free: int, unit: str) -> str:
    """The same for what is counted in thousandths."""
    return f"{_thousandths(amount - max(0, free))} of {_thousandths(amount)} {unit} missing"


@lru_cache(maxsize=8_192)  # Few sizes are asked for again and again, of hosts that lack as much.
def _thousandths(amount: int) -> str:
    whole, rest = divmod(amount, 1_000)
    return f"{whole}.{rest:03}".rstrip("0") if rest else str(whole)


_RESOURCES: Final = frozenset({"cpu", "memory", "disk", "network", "gpu", "ports", "addresses"})
_MORE: Final = "an offer with more resources, or the end of a task"
_WAKES: Final = {
    "offers": "an offer of any host",
    "draining": "a host that is enabled again, or well again (`flumina host health`)",
    "lostZone": "a zone that is regained",
    "quality": "a host that recovers",
    "launchingLimit": "the start of a task that is being launched",
    "launchRate": "a minute without launches on a host",
    "exclusiveHost": "a host without tasks",
    "uniqueHost": "an offer of a host without a task of the job, or the end of one of its tasks",
    "zoneBalance": "room in a zone with fewer tasks of the job",
    "balancedAttribute": "room on a host whose value has fewer tasks of the job",
    "nearJob": "room near a task of the other job",
    "awayFromJob": "the end of a task of the other job",
    "reserved": "the end of a reservation",
}


def wake_of(refused: tuple[Refused, ...], request: Request) -> str:
    """The events that could change the answer, in words."""
    if len(refused) == 1 and refused[0].rule in _RESOURCES:
        return _MORE
    named = {name for name, _ in request.need.scalars}
    wakes: list[str] = []
    for each in refused:
        if each.rule in _RESOURCES or each.rule in named:
            wake = _MORE
        else:
            wake = _WAKES.get(each.rule, f"a host that {each.rule} allows")
        if wake not in wakes:
            wakes.append(wake)
    return "; ".join(wakes) or "the next round"
