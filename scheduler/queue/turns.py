"""The fair order: which group's class comes next, and when a class is done for this pass.

The one thing to know: a turn goes down the tree of groups, at each level to the child whose key is
the least, and then to the first class of that group which is not done.
"""

from collections.abc import Iterable

import msgspec

from scheduler.placement.outcome import Outcome
from scheduler.placement.request import Request

from .amounts import Vector, of_need
from .kept import Claim
from .outcome import Held
from .tree import Group, Tree
from .waiting import Waiting


class Entry(msgspec.Struct, eq=False, gc=False):
    """A waiting class in this round: what is left of it, and what stopped it."""

    waiting: Waiting
    request: Request
    """What one of its tasks needs."""
    leaf: Group
    need: Vector
    left: int
    is_closed: bool = False
    """Whether hosts have refused some of it, or are known to refuse all of it."""
    claim: Claim = (0, 0)
    """The claim with which hosts were asked last."""
    gang_size: int = 0
    """Tasks of its whole gang, where it has one."""
    gang_answer: Outcome | Held | None = None
    """Why its gang does not start."""

    @property
    def is_open(self) -> bool:
        """Whether hosts may still be asked for it in this round."""
        return self.left > 0 and not self.is_closed


def entry_of(waiting: Waiting, leaf: Group) -> Entry:
    """The class at the beginning of a round."""
    request = waiting.request
    return Entry(waiting, request, leaf, of_need(request.need), waiting.count)


class Turns:
    """One pass over the classes of one tier."""

    def __init__(self, entries: Iterable[Entry], tree: Tree) -> None:
        self._tree = tree
        self._leaf: Group | None = None
        self._version = -1
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
        if self._leaf is None or self._version != self._tree.version:
            level = self._children.get(None)
            if not level:
                return None
            node = self._first(level)
            while node in self._children:
                node = self._first(self._children[node])
            self._leaf, self._version = node, self._tree.version
        return self._waiting[self._leaf][self._next[self._leaf]]

    def _first(self, level: list[Group]) -> Group:
        return level[0] if len(level) == 1 else min(level, key=self._tree.key)

    def done(self, entry: Entry) -> None:
        """The class whose turn it is gets no more in this pass."""
        leaf = entry.leaf
        assert self._waiting[leaf][self._next[leaf]] is entry, "only the next one can be done"
        self._next[leaf] += 1
        if self._next[leaf] < len(self._waiting[leaf]):
            return
        del self._waiting[leaf]
        self._leaf = None
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
