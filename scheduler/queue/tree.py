"""Capacity groups as a tree: what each uses, is guaranteed, may use at most, and whose turn it is.

The one thing to know: a group that has less than its guarantee comes first, by the part of the
guarantee that it uses; above that, the one comes first whose excess is the smallest dominant share
of the cell for its weight. Both are fractions of whole numbers, never floats (fenzo.md: weighted
dominant-resource fairness; NSDI 2011, Ghodsi and others).
"""

from fractions import Fraction
from typing import Final

from scheduler.model.rules import CapacityGroup, PlacementRules

from .amounts import (
    NAMES,
    NOTHING,
    RESOURCES,
    Counted,
    Vector,
    in_words,
    most,
    of_amount,
    over,
    plain,
    plus,
)
from .usage import Usage

Key = tuple[int, Fraction, str]
"""Whose turn it is: the least."""
UNLIMITED: Final = 1 << 62
"""More tasks than there are."""
_DEFAULT: Final = "DEFAULT"
_NOT_COUNTED: Final[Counted] = (None, None, None, None, None)


class Group:
    """One node: a group of the rules, or the jobs that a group with children has of its own."""

    __slots__ = (
        "children",
        "guarantee",
        "is_guaranteed",
        "is_limited",
        "key",
        "limit",
        "name",
        "opportunistic",
        "parent",
        "reserve",
        "tier",
        "used",
        "weight",
    )

    def __init__(self, name: str, tier: int, rule: CapacityGroup | None = None) -> None:
        self.name = name
        self.tier = tier
        self.parent: Group | None = None
        self.children: list[Group] = []
        self.guarantee: Counted = _NOT_COUNTED if rule is None else of_amount(rule.guarantee)
        self.limit: Counted = _NOT_COUNTED if rule is None else of_amount(rule.limit)
        self.weight = 1 if rule is None else max(1, rule.weight)
        self.used: Vector = NOTHING
        """By ordinary tasks; the opportunistic ones count for limits only."""
        self.opportunistic: Vector = NOTHING
        self.reserve: Vector = NOTHING
        """Guaranteed and not used: what is held back from others."""
        self.key: Key | None = None
        """Where it stands among its siblings; None: not worked out since something has changed."""
        self.is_limited = False
        """Whether it, or a group above it, has a limit."""
        self.is_guaranteed = False
        """Whether it, or a group above it, is guaranteed anything."""

    def chain(self) -> list["Group"]:
        """The group, its parent, and so on up to the tier."""
        chain = [self]
        while chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        return chain


class Tree:
    """All groups with their numbers, as they change during one round."""

    def __init__(self, rules: PlacementRules, usage: Usage, total: Vector, free: Vector) -> None:
        self.total = total
        self.free = free
        self.version = 0
        """Grows with every change: what was worked out before still holds while it is the same."""
        self.tiers = tuple(tier.name for tier in rules.tiers)
        self._tier_numbers = {name: number for number, name in enumerate(self.tiers)}
        self._listed = _groups(rules, self._tier_numbers)
        self._own: dict[str, Group] = {}
        self._unlisted: dict[int, Group] = {}
        self.tops: list[list[Group]] = [[] for _ in self.tiers]
        for _, group in sorted(self._listed.items()):
            if group.parent is None:
                self.tops[group.tier].append(group)
        for group in _children_first(self._listed):
            group.guarantee = _covering(group)
        self.has_guarantees = any(any(each.guarantee) for each in self._listed.values())
        """Whether any group is guaranteed anything; if not, nothing is held back."""
        for group in self._listed.values():
            _mark(group)
        for (tier, name), used in usage.ordinary():
            for node in self.leaf(tier, name).chain():
                node.used = plus(node.used, used)
        for (tier, name), used in usage.opportunistic():
            for node in self.leaf(tier, name).chain():
                node.opportunistic = plus(node.opportunistic, used)
        self.opportunistic = usage.opportunistic_total()
        for group in _children_first(self._listed):
            self._refresh(group)
        for group in (*self._own.values(), *self._unlisted.values()):
            self._refresh(group)

    def leaf(self, tier: str, name: str) -> Group:
        """The node that jobs of this tier and group are counted in.

        A group that is not listed, or listed in another tier, counts as ``DEFAULT``; where that is
        of another tier too, as a group of the job's tier that is guaranteed nothing.
        """
        number = self._tier_numbers.get(tier, len(self.tiers) - 1)
        for known in (name, _DEFAULT):
            group = self._listed.get(known)
            if group is not None and group.tier == number:
                return self._own_of(group) if group.children else group
        if number not in self._unlisted:
            self._unlisted[number] = Group(_DEFAULT, number)
            self.tops[number].append(self._unlisted[number])
            _mark(self._unlisted[number])
        return self._unlisted[number]

    def take(self, leaf: Group, need: Vector, count: int) -> None:
        """So many tasks of the group hold resources now; a negative count: no longer."""
        for node in leaf.chain():
            node.used = plus(node.used, need, count)
            self._refresh(node)
        self.free = plus(self.free, need, -count)

    def end(self, leaf: Group, need: Vector, count: int) -> None:
        """So many tasks of the group are to end: they count no more, and free nothing yet."""
        for node in leaf.chain():
            node.used = plus(node.used, need, -count)
            self._refresh(node)

    def take_opportunistic(self, leaf: Group, need: Vector, count: int) -> None:
        """The same for opportunistic tasks, which stand on what is held back for others."""
        for node in leaf.chain():
            node.opportunistic = plus(node.opportunistic, need, count)
        self.version += 1
        self.opportunistic = plus(self.opportunistic, need, count)
        self.free = plus(self.free, need, -count)

    def guaranteed(self, leaf: Group, need: Vector) -> int:
        """How many more such tasks are inside a guarantee: the group's, or one above it."""
        best = 0
        below: Group | None = None
        for node in leaf.chain():
            kept = NOTHING
            for child in node.children:
                if child is not below:
                    kept = plus(kept, child.reserve)
            best = max(best, _rooms(node.guarantee, plus(node.used, kept), need, 0))
            below = node
        return best

    def limited(self, leaf: Group, need: Vector) -> int:
        """How many more such tasks the limits of the group, and of those above it, allow."""
        return self._tightest_limit(leaf, need)[0]

    def limit_words(self, leaf: Group, need: Vector) -> str:
        """The numbers of the limit that allows least."""
        _, node, number = self._tightest_limit(leaf, need)
        used = node.used[number] + node.opportunistic[number]
        return (
            f"group {node.name} may use {in_words(number, node.limit[number] or 0)} and uses "
            f"{plain(number, used)}; a task needs {plain(number, need[number])}"
        )

    def _tightest_limit(self, leaf: Group, need: Vector) -> tuple[int, Group, int]:
        tightest = (UNLIMITED, leaf, 0)
        for node in leaf.chain():
            for number in RESOURCES:
                cap, each = node.limit[number], need[number]
                if cap is None or not each:
                    continue
                used = node.used[number] + node.opportunistic[number]
                count = max(0, cap - used) // each
                if count < tightest[0]:
                    tightest = (count, node, number)
        return tightest

    def unclaimed(self, leaf: Group, need: Vector, *, is_guaranteed: bool) -> int:
        """How many such tasks what is free allows after what is held back.

        What opportunistic tasks stand on is back at once, so that the owner can do without as much
        of what is free.
        """
        held = over(self.held_back(leaf, is_guaranteed=is_guaranteed), self.opportunistic)
        return self._beyond(held, need)[0]

    def held_back_words(self, leaf: Group, need: Vector) -> str:
        """The numbers of the resource of which least is left beside what is held back."""
        held = over(self.held_back(leaf, is_guaranteed=False), self.opportunistic)
        number = self._beyond(held, need)[1]
        return (
            f"of {in_words(number, self.free[number])} free, {plain(number, held[number])} are "
            "held back for the guarantees of other groups; a task needs "
            f"{plain(number, need[number])}"
        )

    def lendable(self, leaf: Group, need: Vector) -> int:
        """How many such tasks fit beside all that is held back: they need not borrow anything."""
        return self._beyond(self.held_back(leaf, is_guaranteed=False), need)[0]

    def _beyond(self, held: Vector, need: Vector) -> tuple[int, int]:
        fewest, tightest = UNLIMITED, 0
        for number in RESOURCES:
            # Where nothing is held back, only the hosts can tell what fits.
            if need[number] and held[number]:
                count = max(0, self.free[number] - held[number]) // need[number]
                if count < fewest:
                    fewest, tightest = count, number
        return fewest, tightest

    def held_back(self, leaf: Group, *, is_guaranteed: bool) -> Vector:
        """What is guaranteed to others with a better claim, and not used by them."""
        held = NOTHING
        chain = leaf.chain()
        if is_guaranteed:
            for tops in self.tops[: leaf.tier]:
                for top in tops:
                    held = plus(held, top.reserve)
        else:
            for tops in self.tops:
                for top in tops:
                    if top is not chain[-1]:
                        held = plus(held, top.reserve)
            for node in chain[:-1]:
                assert node.parent is not None
                for sibling in node.parent.children:
                    if sibling is not node:
                        held = plus(held, sibling.reserve)
        return held

    def may_lose(self, leaf: Group, need: Vector) -> bool:
        """Whether such a task can end and every group above it keeps what it is guaranteed."""
        for node in leaf.chain():
            for number in RESOURCES:
                amount = node.guarantee[number]
                if amount and need[number] and node.used[number] - need[number] < amount:
                    return False
        return True

    def guarantees(self) -> tuple[Vector, Vector]:
        """What all groups together are guaranteed, and what of it they do not use."""
        promised = unused = NOTHING
        for tops in self.tops:
            for top in tops:
                guarantee = _whole(top.guarantee)
                promised = plus(promised, guarantee)
                unused = plus(unused, over(guarantee, top.used))
        return promised, unused

    def allocated(self) -> Vector:
        """What all tasks together are allocated, the opportunistic ones included."""
        total = self.opportunistic
        for tops in self.tops:
            for top in tops:
                total = plus(total, top.used)
        return total

    def chunk(self, need: Vector, chunks: int) -> int:
        """How many such tasks are one turn: a part of the cell, and one task at least."""
        fewest = UNLIMITED
        for number in RESOURCES:
            if need[number]:
                fewest = min(fewest, self.total[number] // (chunks * need[number]))
        return max(1, fewest)

    def _own_of(self, group: Group) -> Group:
        if group.name not in self._own:
            own = Group(group.name, group.tier)
            own.parent = group
            group.children.append(own)
            _mark(own)
            self._own[group.name] = own
        return self._own[group.name]

    def key(self, node: Group) -> Key:
        """Where the group stands among its siblings; the least has the next turn."""
        if node.key is None:
            node.key = self._key(node)
        return node.key

    def _key(self, node: Group) -> Key:
        promised = _whole(node.guarantee)
        if any(promised):
            fullest = max(
                Fraction(node.used[number], promised[number])
                for number in RESOURCES
                if promised[number]
            )
            if fullest < 1:
                return (0, fullest, node.name)
        excess = over(node.used, promised)
        share = Fraction(0)
        for number in RESOURCES:
            if excess[number] and self.total[number]:
                share = max(share, Fraction(excess[number], self.total[number] * node.weight))
        return (1, share, node.name)

    def _refresh(self, node: Group) -> None:
        node.key = None
        self.version += 1
        if self.has_guarantees:
            kept = NOTHING
            for child in node.children:
                kept = plus(kept, child.reserve)
            node.reserve = most(kept, over(_whole(node.guarantee), node.used))


def _groups(rules: PlacementRules, tiers: dict[str, int]) -> dict[str, Group]:
    groups = {
        rule.name: Group(rule.name, tiers[rule.tier], rule)
        for rule in rules.groups
        if rule.tier in tiers
    }
    for rule in rules.groups:
        parent = groups.get(rule.parent) if rule.tier in tiers else None
        group = groups.get(rule.name)
        if parent is None or group is None or parent.tier != group.tier:
            continue
        # The check of the policy refuses circles; a round must end even with one.
        if group not in parent.chain():
            group.parent = parent
            parent.children.append(group)
    for group in groups.values():
        group.children.sort(key=lambda child: child.name)
    return groups


def _mark(group: Group) -> None:
    chain = group.chain()
    group.is_limited = any(each is not None for node in chain for each in node.limit)
    group.is_guaranteed = any(amount for node in chain for amount in node.guarantee)


def _children_first(groups: dict[str, Group]) -> list[Group]:
    return sorted(groups.values(), key=lambda group: (-len(group.chain()), group.name))


def _covering(group: Group) -> Counted:
    """The group's guarantee, and never less than its children's together."""
    own = group.guarantee
    counted: list[int | None] = []
    for number in RESOURCES:
        parts = [child.guarantee[number] for child in group.children]
        of_children = [part for part in parts if part is not None]
        amount = own[number]
        if amount is None and not of_children:
            counted.append(None)
        else:
            counted.append(max(amount or 0, sum(of_children)))
    assert len(counted) == len(NAMES)
    return (counted[0], counted[1], counted[2], counted[3], counted[4])


def _whole(counted: Counted) -> Vector:
    return (
        counted[0] or 0,
        counted[1] or 0,
        counted[2] or 0,
        counted[3] or 0,
        counted[4] or 0,
    )


def _rooms(counted: Counted, used: Vector, need: Vector, uncounted: int) -> int:
    """How many tasks fit under what is counted; ``uncounted`` where they need nothing of it."""
    fewest = UNLIMITED
    for number in RESOURCES:
        amount = counted[number]
        if amount is not None and need[number]:
            fewest = min(fewest, max(0, amount - used[number]) // need[number])
    return uncounted if fewest == UNLIMITED else fewest
