"""Network interfaces of a host and the addresses under them: a resource of two levels.

The one thing to know: an interface is bound to the *set* of security groups of the first task on
it, is shared by equal sets only, and is free again with its last task. A task without an address
takes no slot and binds nothing. Who is on an interface follows from the tasks on the host alone,
so a restart has nothing to forget; only the choice itself is written down, as an index.

A host declares its interfaces as Fenzo's hosts do, by an attribute ``res`` with the value
``ResourceSet-ENIs-3-8``: 3 interfaces of 8 addresses. More sets stand in ``res2``, ``res-b``, ...
(fenzo.md, F13), and are counted in the order of the attributes' names. A host that declares none
does not count addresses: tasks with an address fit there, and have no interface.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.host import Interface

NO_INTERFACE: Final = -1
"""The index of a task that has no interface."""
INTERFACES_MAX: Final = 256
"""Of one host. The largest machines of Amazon's have 15 and more on several cards; ours."""
ADDRESSES_MAX: Final = 65_536
"""Of one interface: a /16, more than any cloud gives."""

RESOURCE_SETS: Final = "res"
"""How the name of an attribute begins that declares interfaces."""
_ATTRIBUTE: Final = re.compile("res(?:[0-9]+|[-._][A-Za-z0-9._-]+)?")
_SET: Final = re.compile("ResourceSet-([A-Za-z][A-Za-z0-9_.]*)-([0-9]{1,6})-([0-9]{1,6})")
_KIND: Final = "eni"
"""How the name of a set begins that holds network interfaces; other sets are passed over."""

Interfaces = tuple[Interface, ...]
Groups = tuple[str, ...]


class Declared(msgspec.Struct, frozen=True, gc=False):
    """What a host's attributes say of its interfaces; ``faults`` are for people to read."""

    interfaces: Interfaces = ()
    faults: tuple[str, ...] = ()


class Lodger(msgspec.Struct, frozen=True, gc=False):
    """A task that is on an interface, or was: ``ended_at_ms`` is None while it is."""

    interface: int
    security_groups: Groups
    ended_at_ms: int | None = None


class Pick(msgspec.Struct, frozen=True, gc=False):
    """The interface for a task, and how good it is there: the fitness part ``interface``."""

    index: int
    fitness: int


def group_set(security_groups: Iterable[str]) -> Groups:
    """The groups as the set they are: sorted, each once."""
    return tuple(sorted(set(security_groups)))


def declared_interfaces(attributes: Iterable[tuple[str, str]]) -> Declared:
    """The interfaces that a host's attributes declare, all of them free, and what is wrong there.

    A value that cannot be read counts as one interface without addresses: who names a set wants
    addresses counted, so a slip of the pen must not give away any number of them.
    """
    found: list[Interface] = []
    faults: list[str] = []
    for name, value in sorted(attributes):
        # The first question is the quicker one, and asked of each attribute of each changed host.
        if not name.startswith(RESOURCE_SETS) or _ATTRIBUTE.fullmatch(name) is None:
            continue
        count, addresses, fault = _read_set(value)
        if not fault and len(found) + count > INTERFACES_MAX:
            count, addresses, fault = 1, 0, f"a host has at most {INTERFACES_MAX} interfaces"
        if fault:
            faults.append(f'attribute {name} = "{value}": {fault}')
        found.extend([Interface(addresses=addresses)] * count)
    return Declared(tuple(found), tuple(faults))


def _read_set(value: str) -> tuple[int, int, str]:
    """How many interfaces of how many addresses, and what is wrong with the value."""
    match = _SET.fullmatch(value)
    if match is None:
        return 1, 0, "write ResourceSet-NAME-COUNT-ADDRESSES, like ResourceSet-ENIs-3-8"
    if not match[1].lower().startswith(_KIND):
        return 0, 0, ""
    count, addresses = int(match[2]), int(match[3])
    if not count or count > INTERFACES_MAX:
        return 1, 0, f"give 1 to {INTERFACES_MAX} interfaces"
    if not addresses or addresses > ADDRESSES_MAX:
        return 1, 0, f"give 1 to {ADDRESSES_MAX} addresses to each interface"
    return count, addresses, ""


def choose(interfaces: Sequence[Interface], groups: Groups, now_ms: int) -> Pick | None:
    """The best interface for an address with these groups (a `group_set`); None: none has room.

    First those with an address that has rested: one that is bound to the same set, the fullest;
    then a free one, the smallest, so that large ones stay free for those who need many. Only where
    no such is left an address is used again before it has rested, in the same order.
    """
    best: tuple[tuple[int, int, int, int], int] | None = None
    for index, each in enumerate(interfaces):
        if not _takes(each, groups):
            continue
        is_bound = each.security_groups is not None
        key = (
            0 if _rested(each, now_ms) else 1,
            0 if is_bound else 1,
            each.addresses - each.used if is_bound else each.addresses,
            index,
        )
        if best is None or key < best[0]:
            best = key, index
    if best is None:
        return None
    return Pick(best[1], interface_fitness(interfaces[best[1]], now_ms))


def interface_fitness(interface: Interface, now_ms: int) -> int:
    """How good it is to put one more address there, 0 to 1,000, in Fenzo's proportions.

    Fenzo 1.0.1: idle 0.5 / (limit + 1); bound (used + need + 1) / (limit + 1), at most 1. An
    address that has to be used again before it has rested is worth nothing, but allowed.
    """
    if not _rested(interface, now_ms):
        return 0
    slots = interface.addresses + 1
    if interface.security_groups is None:
        return FITNESS_MAX // (2 * slots)
    return min(FITNESS_MAX, FITNESS_MAX * (interface.used + 2) // slots)


def room(interfaces: Sequence[Interface], groups: Groups) -> int:
    """How many more tasks with these groups fit, resting addresses included."""
    return sum(each.addresses - each.used for each in interfaces if _takes(each, groups))


def _takes(interface: Interface, groups: Groups) -> bool:
    has_slot = interface.used < interface.addresses
    return has_slot and interface.security_groups in (None, groups)


def _rested(interface: Interface, now_ms: int) -> bool:
    """Whether it has a free address that nobody gave back a moment ago."""
    resting = interface.resting if now_ms < interface.rests_until_ms else 0
    return interface.used + resting < interface.addresses


def taken(interfaces: Interfaces, index: int, groups: Groups, now_ms: int) -> Interfaces:
    """The interfaces after a task with these groups took an address on ``index``."""
    if index == NO_INTERFACE:
        return interfaces
    each = interfaces[index]
    assert _takes(each, groups), f"interface {index} has no room for {groups}"
    resting = each.resting if now_ms < each.rests_until_ms else 0
    after = Interface(
        addresses=each.addresses,
        used=each.used + 1,
        resting=min(resting, each.addresses - each.used - 1),
        security_groups=groups,
        rests_until_ms=each.rests_until_ms if resting else 0,
    )
    return (*interfaces[:index], after, *interfaces[index + 1 :])


def undone(interfaces: Interfaces, index: int) -> Interfaces:
    """The interfaces after a choice that was never carried out: its address need not rest."""
    if index == NO_INTERFACE:
        return interfaces
    each = interfaces[index]
    assert each.used, f"nobody is on interface {index}"
    groups = each.security_groups if each.used > 1 else None
    after = msgspec.structs.replace(each, used=each.used - 1, security_groups=groups)
    return (*interfaces[:index], after, *interfaces[index + 1 :])


def interfaces_of(
    attributes: Iterable[tuple[str, str]],
    lodgers: Iterable[Lodger],
    now_ms: int,
    reuse_ms: int,
) -> Interfaces:
    """The interfaces of a host as its tasks leave them: those that are there, and lately ended.

    The order of the lodgers does not matter. What no longer exists since the host declares less is
    passed over, and an interface with more tasks than addresses takes no more.
    """
    declared = declared_interfaces(attributes).interfaces
    if not declared:
        return ()
    used = [0] * len(declared)
    resting = [0] * len(declared)
    rests_until_ms = [0] * len(declared)
    groups: list[Groups | None] = [None] * len(declared)
    for each in lodgers:
        index = each.interface
        if not 0 <= index < len(declared):
            continue
        if each.ended_at_ms is None:
            used[index] += 1
            of_task = group_set(each.security_groups)
            before = groups[index]
            # They are equal unless the host was declared anew; then one of them, whatever order.
            groups[index] = of_task if before is None else min(before, of_task)
        elif each.ended_at_ms + reuse_ms > now_ms:
            resting[index] += 1
            rests_until_ms[index] = max(rests_until_ms[index], each.ended_at_ms + reuse_ms)
    return tuple(
        Interface(
            addresses=each.addresses,
            used=used[index],
            # An address that was used again meanwhile no longer rests, so never more than are free.
            resting=min(resting[index], max(0, each.addresses - used[index])),
            security_groups=groups[index],
            rests_until_ms=rests_until_ms[index],
        )
        for index, each in enumerate(declared)
    )


def interface_refusal(
    interfaces: Sequence[Interface], addresses: int, groups: Groups, index: int
) -> str:
    """Why a task may not have this interface, in words; empty where it may.

    Whether it is the best one is not asked: time has passed since it was chosen, and an address
    elsewhere may have rested meanwhile.
    """
    if not addresses or not interfaces:
        if index == NO_INTERFACE:
            return ""
        why = "the host declares none" if addresses else "it asks for no address"
        return f"interface {index} is given to a task, but {why}"
    if not 0 <= index < len(interfaces):
        return f"interface {index} is not one of the host's {len(interfaces)}"
    each = interfaces[index]
    if each.security_groups not in (None, groups):
        bound, asked = _named(each.security_groups), _named(groups)
        return f"interface {index} is bound to {bound}, not to {asked}"
    if each.used >= each.addresses:
        return f"all {each.addresses} addresses of interface {index} are in use"
    return ""


def lacking_interface(interfaces: Sequence[Interface], addresses: int, groups: Groups) -> str:
    """What a host lacks for a task that asks for an address, in words; empty where it fits."""
    if not addresses or not interfaces or any(_takes(each, groups) for each in interfaces):
        return ""
    if not any(each.addresses for each in interfaces):
        return "what its attributes say of network interfaces cannot be read"
    free = sum(max(0, each.addresses - each.used) for each in interfaces)
    if not free:
        return "every address of its interfaces is in use"
    return f"no interface is free or bound to {_named(groups)}; {free} addresses are others'"


def _named(groups: Groups | None) -> str:
    return "{" + ", ".join(groups or ()) + "}" if groups else "the empty set of groups"
