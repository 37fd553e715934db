"""The fair order: which group's class comes next, and when a class is done for this pass.

The one thing to know: a turn goes down the tree of groups, at each level to the child whose key is
the least, and then to the first class of that group which is not done.
"""

from collections.abc import Iterable

import msgspec

from scheduler.placement.outcome import Outcome
from scheduler.placement.request import Request

from .amounts import Vector, of_need
from .outcome import Held
from .tree import Group
from .waiting import Waiting


class Entry(msgspec.Struct, eq=False, gc=False):
    """A waiting class in this round: what is left of it, and what stopped it."""

    waiting: Waiting
    leaf: Group
    need: Vector
    left: int
    is_hopeless: bool = False
    refusal: Outcome | None = None
    """The answer of the hosts, once they have refused some of it."""
    held: Held | None = None
    gang_size: int = 0
    """Tasks of its whole gang, where it has one."""

    @property
    def request(self) -> Request:
        """What one of its tasks needs."""
        return self.waiting.request

    @property
    def is_open(self) -> bool:
        """Whether hosts may still be asked for it in this round."""
        return self.left > 0 and self.refusal is None and not self.is_hopeless


def entry_of(waiting: Waiting, leaf: Group, is_hopeless: bool) -> Entry:
    """The class at the beginning of a round."""
    return Entry(waiting, leaf, of_need(waiting.request.need), waiting.count, is_hopeless)


class Turns:
    """One pass over the classes of one tier."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._waiting: dict[Group, list[Entry]] = {}
        for entry in entries:
            self._waiting.setdefault(entry.leaf, []).append(entry)
        self._next = dict.fromkeys(self._waiting, 0)
        self._children: dict[Group | None, list[Group]] = {}
        for leaf in self._waiting:
            for node in leaf.chain():
                level = self._children.setdefault(node.parent, [])
                if node in level:
                    break
                level.append(node)

    @property
    def is_contested(self) -> bool:
        """Whether more than one group wants a turn."""
        return len(self._waiting) > 1

    def next(self) -> Entry | None:
        """The class whose turn it is; None when all are done."""
        level = self._children.get(None)
        if not level:
            return None
        node = level[0] if len(level) == 1 else min(level, key=_key)
        while node in self._children:
            level = self._children[node]
            node = level[0] if len(level) == 1 else min(level, key=_key)
        return self._waiting[node][self._next[node]]

    def done(self, entry: Entry) -> None:
        """The class whose turn it is gets no more in this pass."""
        leaf = entry.leaf
        assert self._waiting[leaf][self._next[leaf]] is entry, "only the next one can be done"
        self._next[leaf] += 1
        if self._next[leaf] < len(self._waiting[leaf]):
            return
        del self._waiting[leaf]
        node = leaf
        while True:
            level = self._children[node.parent]
            level.remove(node)
            if level:
                return
            del self._children[node.parent]
            if node.parent is None:
                return
            node = node.parent


def _key(group: Group) -> tuple[int, object, str]:
    return group.key
