"""A request made ready: what to compare, what to add up, what depends on where its job runs.

The one thing to know: all that follows from the request and the rules alone is worked out here,
once for each class of tasks; what is left for a search is arithmetic.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from scheduler.constraints import fixed, moving
from scheduler.constraints.selectors import selected, tier_constraints
from scheduler.model.constraint import Constraint
from scheduler.model.rules import PlacementRules, Profile
from scheduler.placement.fitness.hosts import Part
from scheduler.placement.fitness.parts import (
    GROWING,
    OF_AMOUNTS,
    OF_JOB,
    OF_NEIGHBOURS,
    OF_TIME,
    PARTS,
    SAME,
)
from scheduler.placement.interfaces import group_set
from scheduler.placement.plugins import FitnessFunction
from scheduler.placement.request import Request

WEIGHTS_MAX: Final = 8_191
"""All weights together: times 1,000 this is what a key has room for. Larger ones are scaled."""
PACK: Final = "pack"
"""The profile that the mode ``failover`` gives to all work."""


NOT_ASKED: Final = "nobody asked for its keys yet"

Array = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def manner_of(request: Request) -> tuple[object, ...]:
    """All of a request that its constraints and weights depend on."""
    need = request.need
    return (
        request.tier,
        request.is_service,
        request.hard,
        request.soft,
        request.group,
        request.application,
        need.gpus > 0 or need.gpu_milli > 0,
    )


def asks_amounts_only(request: Request) -> bool:
    """Whether the request needs cpu and memory, and nothing else of a host."""
    need = request.need
    return not (
        request.image
        or request.security_groups
        or need.disk_mib
        or need.network_mbps
        or need.ports
        or need.gpus
        or need.gpu_milli
        or need.addresses
        or need.scalars
    )


class Function(NamedTuple):
    """A fitness function of others: it is asked about one host at a time."""

    call: FitnessFunction


class Prepared:
    """A request with everything that its searches need."""

    def __init__(
        self, request: Request, rules: PlacementRules, library: Mapping[str, Part | Function]
    ) -> None:
        self.manner_number = 0
        """A number that requests of one `manner` share, and no others."""
        hard, soft = request.hard, request.soft
        if rules.selectors or rules.instance_groups:
            must, should = selected(rules, request.tier, request.group, request.application)
            must = (*must, *tier_constraints(rules, request.tier))
            # A caller that made the request by `request_of` has them already: each counts once.
            hard = tuple(sorted({*hard, *must})) if must else hard
            soft = tuple(sorted({*soft, *should})) if should else soft
        self.tolerated = fixed.tolerated(hard)
        self.fixed_hard = tuple(each for each in hard if each.kind in fixed.KINDS)
        self.moving_hard = tuple(each for each in hard if each.kind in moving.KINDS)
        self.fixed_soft = tuple(each for each in soft if each.kind in fixed.KINDS)
        self.moving_soft = tuple(each for each in soft if each.kind in moving.KINDS)
        self.is_unique = any(each.kind == "uniqueHost" for each in hard)
        self.is_exclusive = any(each.kind == "exclusiveHost" for each in hard)
        self.balances = _balances(self.moving_hard, self.moving_soft, rules)
        self.others = tuple(
            [each.values[0] for each in (*hard, *soft) if each.kind in {"nearJob", "awayFromJob"}]
        )
        self.profile = profile_of(request, rules)
        weights = [(name, weight) for name, weight in self.profile.weights if weight > 0]
        self.soft_total = sum([each.weight for each in soft])
        soft_weight = self.profile.soft_weight if soft else 0
        scaled = _scaled([weight for _, weight in weights], soft_weight)
        self.soft_weight = scaled.pop()
        self.parts: list[tuple[str, int, Part]] = []
        self.functions: list[tuple[str, int, FitnessFunction]] = []
        for (name, _), weight in zip(weights, scaled, strict=True):
            part = library[name]
            if isinstance(part, Function):
                self.functions.append((name, weight, part.call))
            else:
                self.parts.append((name, weight, part))
        self.weight = sum(scaled) + self.soft_weight
        names = {name for name, _ in weights}
        good_enough = self.profile.good_enough
        self.cap = None if good_enough is None else good_enough * self.weight
        self._tell_parts(names)
        self.worths: dict[object, dict[tuple[int, ...], dict[str | None, int]]] = {}
        """What `scheduler.placement.balance` found values to be worth, by their counts."""
        self.levels: dict[object, object] = {}
        """What `levels`, `plain` and `balance_even` beside this keep for requests of a manner."""
        self.allowed: Flags | None = None
        self.soft_base: Array | int = 0
        self.allowed_version = self.soft_version = -1
        self.ask(request)

    def _tell_parts(self, names: set[str]) -> None:
        """Work out what the parts of these names, and constraints, allow a search to do."""
        self.is_growing = names <= GROWING and all(
            each.kind in moving.BALANCED for each in self.moving_soft
        )
        self.is_keepable = names <= PARTS.keys() - OF_JOB - OF_TIME and all(
            each.kind in moving.BALANCED for each in (*self.moving_hard, *self.moving_soft)
        )
        """Whether keys follow from hosts, and from what requests that differ by job share."""
        self.of_amounts = [
            (weight, part) for name, weight, part in self.parts if name in OF_AMOUNTS
        ]
        """The parts whose answers change as cpu and memory are taken, with their weights."""
        self.is_packing = [part for _, part in self.of_amounts] == [PARTS["packing"]]
        """Whether of these there is only the packing."""
        self._is_plain = not (
            self.functions
            or self.is_unique
            or self.is_exclusive
            or any(
                each.kind not in moving.BALANCED for each in (*self.moving_hard, *self.moving_soft)
            )
            or names & OF_NEIGHBOURS
            or any(PARTS.get(name) is not part for name, _, part in self.parts)
        )
        """Whether tasks change no more of a host than they take, as far as rules and parts go."""
        self.is_packed_alone = (
            self._is_plain
            and self.is_packing
            and self.cap is None
            and not self.fixed_soft
            and names <= SAME | {"packing"}
        )
        """Whether packing alone, but for balances, tells hosts apart that are otherwise alike."""
        self.is_by_packing = self.is_packed_alone and not self.soft_total and not self.balances

    def like(self, request: Request) -> "Prepared":
        """The same for another request of the same `manner`, at little cost."""
        other = Prepared.__new__(Prepared)
        other.__dict__ = self.__dict__.copy()
        other.ask(request)
        return other

    def ask(self, request: Request) -> None:
        """Work out what differs between requests of one manner."""
        need = request.need
        self.request = request
        self.asks_devices = need.gpus > 0 or need.gpu_milli > 0
        self.groups = group_set(request.security_groups) if request.security_groups else ()
        self.is_self_bound = request.job_id in self.others
        self.shape: object = NOT_ASKED
        """What `scheduler.placement.shapes` keeps for requests like this one."""
        amounts = [("memory_free", need.memory_mib)] if need.memory_mib > 0 else []
        if need.disk_mib > 0:
            amounts.append(("disk_free", need.disk_mib))
        if need.network_mbps > 0:
            amounts.append(("network_free", need.network_mbps))
        if need.ports > 0:
            amounts.append(("ports_free", need.ports))
        if need.gpus > 0:
            amounts.append(("gpu_free", need.gpus))
        if need.gpu_milli > 0:
            amounts.append(("share_free", need.gpu_milli))
        self.amounts = tuple(amounts)
        """Columns and what must be free in them, beside cpu, which is compared first."""
        self.is_plain = self._is_plain and asks_amounts_only(request)
        """Whether nothing but free cpu and memory changes as its tasks come to a host."""

    def soft_share(self, weight: int, points: int) -> int:
        """What a soft constraint of this weight adds to the weighted sum for these points."""
        total = self.soft_total
        return self.soft_weight * weight * points // total if total else 0


def profile_of(request: Request, rules: PlacementRules) -> Profile:
    """The profile for the request's tier and kind; in failover the packing one for all."""
    profiles = {each.name: each for each in rules.profiles}
    if rules.mode == "failover" and PACK in profiles:
        return profiles[PACK]
    tiers = {each.name: each for each in rules.tiers}
    tier = tiers.get(request.tier) or (rules.tiers[-1] if rules.tiers else None)
    if tier is not None:
        name = tier.service_profile if request.is_service else tier.batch_profile
        if rules.mode == "failover":
            name = tier.batch_profile
        if name in profiles:
            return profiles[name]
    return rules.profiles[0] if rules.profiles else Profile(name="none", weights=())


def _balances(
    hard: tuple[Constraint, ...], soft: tuple[Constraint, ...], rules: PlacementRules
) -> tuple[tuple[str, bool, int], ...]:
    """Attributes to balance by: name, whether it is hard, and the weight of what is soft."""
    found: dict[str, tuple[bool, int]] = {}
    for each in hard:
        if each.kind in moving.BALANCED:
            name = moving.balanced_by(each, rules)
            found[name] = (True, found.get(name, (False, 0))[1])
    for each in soft:
        if each.kind in moving.BALANCED:
            name = moving.balanced_by(each, rules)
            is_hard, weight = found.get(name, (False, 0))
            found[name] = (is_hard, weight + each.weight)
    return tuple((name, *found[name]) for name in sorted(found))


def _scaled(weights: list[int], soft_weight: int) -> list[int]:
    """The weights, the one of the soft constraints last, so that their sum is not too large."""
    every = [*weights, soft_weight]
    total = sum(every)
    if total <= WEIGHTS_MAX:
        return every
    room = WEIGHTS_MAX - len(every)
    return [max(1, each * room // total) if each else 0 for each in every]
