"""The index of hosts that places requests: what a round, a simulation and a benchmark call.

The one thing to know: `Placement` is changed by what it is told (hosts) and by what it answers
(tasks that it put somewhere count from then on). It is rebuilt from hosts alone at any time, with
the same answers.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from scheduler.model.ids import HostId
from scheduler.model.rules import PlacementRules
from scheduler.placement.balance import fill_balanced
from scheduler.placement.columns import Flags
from scheduler.placement.host import HostView
from scheduler.placement.index import Index
from scheduler.placement.outcome import Choice, Outcome
from scheduler.placement.prepared import Prepared
from scheduler.placement.reasons import reason_of
from scheduler.placement.request import Request
from scheduler.placement.search import Found, fill

_PREPARED_MAX = 16_384
_NO_HOSTS: frozenset[HostId] = frozenset()


class Placement:
    """Hosts, and where tasks go on them."""

    def __init__(self, rules: PlacementRules) -> None:
        self._index = Index(rules)
        self._prepared: dict[Request, Prepared] = {}

    def put_hosts(self, views: Iterable[HostView]) -> None:
        """Take hosts over as they are now: new ones, and known ones whole."""
        self._index.columns.put(views)

    def remove_host(self, host_id: HostId) -> None:
        """Forget a host."""
        self._index.columns.remove(host_id)

    def advance(self, now_ms: int) -> None:
        """Let the clock be at ``now_ms``; it never goes back."""
        columns = self._index.columns
        columns.now_ms = max(columns.now_ms, now_ms)

    def place(
        self, request: Request, count: int, avoid: AbstractSet[HostId] = _NO_HOSTS
    ) -> Outcome:
        """Hosts for up to ``count`` tasks, none of ``avoid``; they count as launched from now."""
        self._index.columns.ranked()
        prepared = self._ready(request)
        fits = self._fits(prepared, avoid)
        found = self._search(prepared, fits, count)
        return Outcome(
            tuple(found.choices), reason_of(found.first, found.second), count - len(found.choices)
        )

    def put_back(self, request: Request, choices: Sequence[Choice]) -> None:
        """Undo choices of `place`: their tasks are not launched after all."""
        self._index.give_back(self._ready(request), choices)

    def _ready(self, request: Request) -> Prepared:
        prepared = self._prepared.get(request)
        if prepared is None:
            if len(self._prepared) >= _PREPARED_MAX:
                self._prepared.pop(next(iter(self._prepared)))
            prepared = self._prepared[request] = Prepared(request, self._index.rules)
        return prepared

    def _fits(self, prepared: Prepared, avoid: AbstractSet[HostId]) -> Flags:
        fits = self._index.fits(prepared)
        for host_id in avoid:
            row = self._index.columns.row_of.get(host_id)
            if row is not None:
                fits[row] = False
        return fits

    def _search(self, prepared: Prepared, fits: Flags, count: int) -> Found:
        if count < 1 or not fits.any():
            return Found([], None, None)
        keys = self._index.keys(prepared, fits)
        search = fill_balanced if prepared.balances else fill
        return search(self._index, prepared, keys, count)
