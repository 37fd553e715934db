"""The table of hosts, and what one request makes of it: keys to choose by, tasks put there.

The one thing to know: a key is one number for each host (`scheduler.placement.columns` says of
which bits), -1 where a hard rule or a resource refuses it. The greatest key is the best host, and
no two hosts have the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from scheduler.constraints import moving
from scheduler.model.resources import PortRange, first_ports, merged_ports, without_ports
from scheduler.model.rules import FITNESS_MAX, PlacementRules
from scheduler.placement.arrivals import arrive
from scheduler.placement.columns import SUM_MASK, SUM_SHIFT, Array, Columns, Flags
from scheduler.placement.devices import (
    chosen_devices,
    is_model_right,
    with_returned,
    with_taken,
)
from scheduler.placement.fitness.hosts import Part
from scheduler.placement.fitness.parts import EVEN, PARTS
from scheduler.placement.interfaces import NO_INTERFACE, choose, taken, undone
from scheduler.placement.interfaces import room as address_room
from scheduler.placement.masks import Masks, moving_flags, moving_points
from scheduler.placement.outcome import Choice
from scheduler.placement.plugins import (
    ConstraintFunction,
    FitnessFunction,
    PluginFailed,
    Plugins,
)
from scheduler.placement.prepared import Function, Prepared
from scheduler.placement.slot import Slot

ENDLESS: Final = 1 << 40
"""More tasks than any host has room for."""


class Index:
    """All hosts, and the questions of a search about them."""

    def __init__(self, rules: PlacementRules, plugins: Plugins, parts: Mapping[str, Part]) -> None:
        self.rules = rules
        self._launching_max = rules.guards.launching_per_host_max
        self._launches_max = rules.guards.launches_per_host_per_minute
        self.columns = Columns(rules)
        self.masks = Masks(self.columns)
        self.library: dict[str, Part | Function] = {
            **PARTS,
            **parts,
            **{name: Function(each) for name, each in plugins.fitness.items()},
        }
        self.demands = sorted(plugins.constraints.items())
        """Constraints of others by name; every request is asked."""

    # Keys of all hosts

    def fits(self, prepared: Prepared) -> Flags:
        """The rows that no resource and no hard rule refuses, balances left out."""
        columns, need = self.columns, prepared.request.need
        fits: Flags = columns.cpu_open >= max(0, need.cpu_milli)
        for name, amount in prepared.amounts:
            fits &= getattr(columns, name) >= amount
        for name, amount in need.scalars:
            fits &= columns.scalar_free(name) >= amount
        allowed = self.allowed(prepared)
        if allowed is not None:
            fits &= allowed
        if prepared.moving_hard:
            for constraint in prepared.moving_hard:
                flags = moving_flags(constraint, prepared.request.job_id, columns)
                if flags is not None:
                    fits &= flags
        if need.gpu_models and prepared.asks_devices:
            fits &= self.right_models(need.gpu_models)
        if need.addresses:
            fits &= columns.interfaces.has_room(prepared.groups, columns.interface_class)
        for name, function in self.demands:
            for row in np.flatnonzero(fits).tolist():
                slot = columns.at(row)
                fits[row] = not demanded(name, function, prepared, slot)
        return fits

    def right_models(self, models: tuple[str, ...]) -> Flags:
        """The rows whose devices are of one of these models."""
        numbers, names = self.columns.models()
        flags: Flags = np.array([name in models for name in names] or [False], np.bool_)[numbers]
        return flags

    def allowed(self, prepared: Prepared) -> Flags | None:
        """The rows that no fixed constraint refuses; None where that is all of them."""
        if prepared.allowed_version != self.columns.version:
            allowed = self.masks.tolerating(prepared.tolerated)
            for constraint in prepared.fixed_hard:
                if constraint.kind != "toleration":
                    flags = self.masks.allowed(constraint)
                    allowed = flags if allowed is None else allowed & flags
            if not self.rules.gpu_hosts_take_all and not prepared.asks_devices:
                without = self.columns.gpu_total == 0
                allowed = without if allowed is None else allowed & without
            prepared.allowed = allowed
            prepared.allowed_version = self.columns.version
        return prepared.allowed

    def keys(self, prepared: Prepared, fits: Flags) -> Array:
        """A key for each row that fits, -1 for the others."""
        columns = self.columns
        total = self.sums(prepared, fits)
        if prepared.cap is not None and not prepared.balances:
            np.minimum(total, prepared.cap, out=total)
        total <<= SUM_SHIFT
        total |= columns.standing
        np.putmask(total, ~fits, -1)
        return total

    def sums(self, prepared: Prepared, fits: Flags) -> Array:
        """The weighted sum of fitness for each row, without what balances give."""
        columns, request = self.columns, prepared.request
        now_ms = columns.now_ms
        total: Array | int = 0
        of_all = 0  # What is the same for all hosts is added once, at the end.
        even: Any = columns.even()  # As good as the columns, for those who ask no more of them.
        for name, weight, part in prepared.parts:
            is_even = even is not None and name in EVEN and part is PARTS[name]
            found = part(request, even if is_even else columns, now_ms) * weight
            if isinstance(found, int):
                of_all += found
            elif isinstance(total, int):
                total = found
            else:
                total += found
        if of_all:
            total = total + of_all
        for name, weight, function in prepared.functions:
            points = np.zeros(columns.length, np.int64)
            for row in np.flatnonzero(fits).tolist():
                points[row] = asked(name, function, prepared, columns.at(row))
            total = total + points * weight
        if prepared.soft_total:
            total = total + self._soft(prepared)
        return total if isinstance(total, np.ndarray) else np.full(columns.length, total, np.int64)

    def _soft(self, prepared: Prepared) -> Array | int:
        total: Array | int = 0
        if prepared.fixed_soft:
            if prepared.soft_version != self.columns.version:
                prepared.soft_base = self._fixed_soft(prepared)
                prepared.soft_version = self.columns.version
            total = prepared.soft_base
        for constraint in prepared.moving_soft:
            if constraint.kind not in moving.BALANCED:
                points = moving_points(constraint, prepared.request.job_id, self.columns)
                weight = prepared.soft_weight * constraint.weight
                total = total + weight * points // prepared.soft_total
        return total

    def _fixed_soft(self, prepared: Prepared) -> Array | int:
        total: Array | int = 0
        for constraint in prepared.fixed_soft:
            share = prepared.soft_share(constraint.weight, FITNESS_MAX)
            if constraint.kind == "toleration":
                total = total + share
            else:
                total = total + self.masks.allowed(constraint) * share
        return total

    # One host

    def room(self, slot: Slot, prepared: Prepared) -> int:
        """How many of the request's tasks still fit on a host that its fixed rules allow."""
        if not slot.is_open:
            return 0
        room = amounts_room(slot, prepared)
        if self._launching_max:
            room = min(room, self._launching_max - slot.launching)
        if self._launches_max:
            room = min(room, self._launches_max - slot.launches)
        if prepared.is_unique:
            room = min(room, 0 if slot.tasks_of(prepared.request.job_id) else 1)
        if prepared.is_exclusive:
            room = min(room, 0 if slot.tasks else 1)
        return self._demanded(room, slot, prepared) if self.demands and room > 0 else max(0, room)

    def _demanded(self, room: int, slot: Slot, prepared: Prepared) -> int:
        """The room that constraints of others leave: they are asked again before each task."""
        for name, function in self.demands:
            if demanded(name, function, prepared, slot):
                return 0
        return room

    def takes(self, slot: Slot, prepared: Prepared) -> bool:
        """Whether the host takes one more task of the request, by every rule."""
        allowed = self.allowed(prepared)
        if allowed is not None and not allowed[slot.row]:
            return False
        if self.room(slot, prepared) < 1:
            return False
        request = prepared.request
        if prepared.asks_devices and not is_model_right(request.need, slot.gpu_model):
            return False
        if prepared.moving_hard:
            place = self.place(slot)
            for constraint in prepared.moving_hard:
                if moving.refusal(constraint, request.job_id, place, self.columns, self.rules):
                    return False
        return True

    def key(self, slot: Slot, prepared: Prepared) -> int:
        """The key of one host for one more task; -1 where it has no room."""
        if self.room(slot, prepared) < 1:
            return -1
        total = self.sum_of(slot, prepared)
        if prepared.cap is not None and not prepared.balances:
            total = min(total, prepared.cap)
        return (total << SUM_SHIFT) | self.columns.standing.item(slot.row)

    def sum_of(self, slot: Slot, prepared: Prepared) -> int:
        """The weighted sum of fitness for one host, without what balances give."""
        request, now_ms = prepared.request, self.columns.now_ms
        total = 0
        for _, weight, part in prepared.parts:
            total += int(part(request, slot, now_ms)) * weight
        for name, weight, function in prepared.functions:
            total += asked(name, function, prepared, slot) * weight
        return total + self.soft_of(slot, prepared) if prepared.soft_total else total

    def soft_of(self, slot: Slot, prepared: Prepared) -> int:
        """What soft constraints give to one host, without balances."""
        total = 0
        for constraint in prepared.fixed_soft:
            if constraint.kind == "toleration" or self.masks.allowed(constraint)[slot.row]:
                total += prepared.soft_share(constraint.weight, FITNESS_MAX)
        for constraint in prepared.moving_soft:
            if constraint.kind not in moving.BALANCED:
                points = moving.soft_fitness(
                    constraint, prepared.request.job_id, self.place(slot), self.columns, self.rules
                )
                total += prepared.soft_share(constraint.weight, points)
        return total

    def place(self, slot: Slot) -> moving.Place:
        """The host as constraints see it."""
        return moving.Place(
            slot.host_id,
            slot.attributes,
            slot.job_counts,
            slot.exclusive_job,
            bool(slot.last_choice),
        )

    # Tasks

    def take(self, slot: Slot, prepared: Prepared, count: int) -> tuple[Choice, ...]:
        """Put ``count`` tasks on the host, which has room for them; what they get there."""
        need = prepared.request.need
        if prepared.is_plain and not self.columns.has_launch_guards:
            arrive(self.columns, prepared.request, slot, count)
            return (Choice(slot.host_id),) * count
        if need.ports or need.addresses or prepared.asks_devices:
            choices = tuple([self._with_things(slot, prepared) for _ in range(count)])
            if prepared.asks_devices:
                slot.count_gpus()
                self.columns.devices_changed(slot)
            if slot.interfaces and need.addresses:
                self.columns.interfaces_changed(slot)
        else:
            choices = (Choice(slot.host_id),) * count
        self._move(slot, prepared, count)
        return choices

    def _with_things(self, slot: Slot, prepared: Prepared) -> Choice:
        """The very ports, devices and address that one task gets."""
        need = prepared.request.need
        ports: tuple[int, ...] = ()
        gpus: tuple[int, ...] = ()
        interface = NO_INTERFACE
        if need.ports:
            ports = first_ports(slot.port_ranges, need.ports)
            slot.port_ranges = without_ports(slot.port_ranges, ports)
        if prepared.asks_devices:
            chosen = chosen_devices(slot.gpus, slot.gpu_model, need)
            assert chosen is not None, f"{slot.host_id} has no devices for {need}"
            gpus = chosen
            slot.gpus = with_taken(slot.gpus, need, gpus)
        if need.addresses and slot.interfaces:
            now_ms = self.columns.now_ms
            pick = choose(slot.interfaces, prepared.groups, now_ms)
            assert pick is not None, f"{slot.host_id} has no address for {prepared.groups}"
            interface = pick.index
            slot.interfaces = taken(slot.interfaces, interface, prepared.groups, now_ms)
        return Choice(slot.host_id, ports, interface, gpus)

    def give_back(self, prepared: Prepared, choices: Iterable[Choice]) -> None:
        """Undo what `take` did for these choices, in the reverse order."""
        columns = self.columns
        for choice in reversed(tuple(choices)):
            slot = columns.find(choice.host_id)
            if slot is None:
                continue  # The host went away meanwhile, and its tasks with it.
            self._return_things(slot, prepared, choice)
            self._move(slot, prepared, -1)

    def _return_things(self, slot: Slot, prepared: Prepared, choice: Choice) -> None:
        if choice.ports:
            back = [PortRange(port, port) for port in choice.ports]
            slot.port_ranges = merged_ports((*slot.port_ranges, *back))
        if choice.gpus:
            slot.gpus = with_returned(slot.gpus, prepared.request.need, choice.gpus)
            slot.count_gpus()
            self.columns.devices_changed(slot)
        if choice.interface != NO_INTERFACE:
            slot.interfaces = undone(slot.interfaces, choice.interface)
            self.columns.interfaces_changed(slot)

    def _move(self, slot: Slot, prepared: Prepared, count: int) -> None:
        """``count`` tasks come, or go where it is below 0."""
        request, columns = prepared.request, self.columns
        need = request.need
        row = slot.row
        slot.is_touched = True
        slot.whole_gpus_taken += count * need.gpus
        slot.cpu_free -= count * need.cpu_milli
        slot.memory_free -= count * need.memory_mib
        slot.packed += count * (need.cpu_milli * slot.cpu_unit + need.memory_mib * slot.memory_unit)
        if need.disk_mib:
            slot.disk_free -= count * need.disk_mib
            columns.disk_free[row] = slot.disk_free
        if need.network_mbps:
            slot.network_free -= count * need.network_mbps
            columns.network_free[row] = slot.network_free
        if need.ports:
            slot.ports_free -= count * need.ports
            columns.ports_free[row] = slot.ports_free
        for name, amount in need.scalars:
            slot.scalars[name] = slot.scalar_free(name) - count * amount
            columns.scalar_free(name)[row] = slot.scalars[name]
        slot.launching += count
        slot.launches += count
        if request.is_service:
            slot.services += count
        if prepared.is_exclusive:
            slot.exclusive_job = request.job_id if count > 0 else None
        columns.task_counts(slot, request.job_id, count)
        if request.image:
            _count(slot.images, request.image, count)
            columns.images.change(request.image, row, count)
        if prepared.groups:
            _count(slot.groups, prepared.groups, count)
            columns.groups.change(prepared.groups, row, count)
        columns.amounts_changed(slot)


def amounts_room(slot: Slot, prepared: Prepared) -> int:
    """How many of the request's tasks fit by what is free."""
    need = prepared.request.need
    room = ENDLESS
    if need.cpu_milli > 0:
        room = slot.cpu_free // need.cpu_milli
    for name, amount in prepared.amounts:
        if name != "share_free":
            room = min(room, getattr(slot, name) // amount)
    for name, amount in need.scalars:
        room = min(room, slot.scalar_free(name) // amount)
    if need.gpu_milli:
        room = min(room, sum([each.free_milli // need.gpu_milli for each in slot.gpus]))
    if need.addresses and slot.interfaces:
        room = min(room, address_room(slot.interfaces, prepared.groups))
    return room


def total_of(key: int) -> int:
    """The weighted sum of fitness that a key holds."""
    return (key >> SUM_SHIFT) & SUM_MASK


def asked(name: str, function: FitnessFunction, prepared: Prepared, slot: Slot) -> int:
    """What a fitness function of others thinks of a host, cut to the scale."""
    try:
        points = function(prepared.request, slot.view_now())
    except Exception as fault:  # What others wrote may raise anything.
        raise PluginFailed(name, fault) from fault
    return max(0, min(FITNESS_MAX, int(points)))


def demanded(name: str, function: ConstraintFunction, prepared: Prepared, slot: Slot) -> str:
    """What a constraint of others misses on a host, in words; empty where it misses nothing."""
    try:
        return str(function(prepared.request, slot.view_now()))
    except Exception as fault:  # What others wrote may raise anything.
        raise PluginFailed(name, fault) from fault


def _count(counts: dict[Any, int], key: object, change: int) -> None:
    count = counts.get(key, 0) + change
    if count > 0:
        counts[key] = count
    else:
        counts.pop(key, None)
