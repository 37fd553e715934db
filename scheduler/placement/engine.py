"""The index of hosts that places requests: what a round, a simulation and a benchmark call.

The one thing to know: `Placement` is changed by what it is told (hosts) and by what it answers
(tasks that it put somewhere count from then on). It is made anew from hosts alone at any time, with
the same answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final

from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Resources
from scheduler.model.rules import PlacementRules
from scheduler.placement import survey
from scheduler.placement.balance import fill_balanced
from scheduler.placement.explain import Explainer, refusals, wake_of
from scheduler.placement.fitness.hosts import Part
from scheduler.placement.hopeless import Hopeless
from scheduler.placement.host import HostView
from scheduler.placement.index import Index
from scheduler.placement.outcome import Choice, Outcome, Refused
from scheduler.placement.plain import NOWHERE, PlainTasks, scores_of
from scheduler.placement.plugins import NO_PLUGINS, PluginFailed, Plugins
from scheduler.placement.prepared import Prepared, asks_amounts_only, manner_of
from scheduler.placement.reasons import reason_of
from scheduler.placement.request import Request
from scheduler.placement.search import NOBODY, Found, fill
from scheduler.placement.shapes import Shapes
from scheduler.placement.singles import Singles, run_of

_PREPARED_MAX: Final = 16_384
_RUN_MIN: Final = 8
"""Single tasks from which on preparing for all of them costs less than each for itself."""
_NOWHERE: Final[frozenset[HostId]] = frozenset()


class Placement:
    """Hosts, and where tasks go on them."""

    def __init__(
        self,
        rules: PlacementRules,
        plugins: Plugins = NO_PLUGINS,
        parts: Mapping[str, Part] = MappingProxyType({}),
    ) -> None:
        """``parts`` are fitness parts beside the built-in ones, written like these."""
        self.rules = rules
        self._index = Index(rules, plugins, parts)
        self._hopeless = Hopeless(self._index)
        self._shapes = Shapes(self._index)
        self._plain = PlainTasks(self._index)
        self._explainer = Explainer(self._index)
        self._sums = survey.Sums(self._index.columns)
        self._prepared: dict[Request, Prepared] = {}
        self._manners: dict[tuple[object, ...], Prepared] = {}
        self._manners_seen = 0

    # Hosts and time

    def put_hosts(self, views: Iterable[HostView]) -> None:
        """Take hosts over as they are now: new ones, and known ones whole."""
        self._index.columns.put(views)

    def remove_host(self, host_id: HostId) -> None:
        """Forget a host; one that is not known is no fault."""
        self._index.columns.remove(host_id)

    def advance(self, now_ms: int) -> None:
        """Let the clock be at ``now_ms``; it never goes back."""
        columns = self._index.columns
        columns.now_ms = max(columns.now_ms, now_ms)

    def host(self, host_id: HostId) -> HostView | None:
        """The host as it is now, with what was placed there since; None: it is not known."""
        slot = self._index.columns.find(host_id)
        return None if slot is None else slot.view_now()

    # Tasks

    def place(
        self,
        request: Request,
        count: int,
        avoid: AbstractSet[HostId] = _NOWHERE,
        *,
        explain: bool = True,
    ) -> Outcome:
        """Hosts for up to ``count`` tasks, none of ``avoid``; they count as launched from now.

        Without ``explain`` what refused the tasks that are left is not said: `refusals` says it.
        """
        if count < 1:
            return Outcome((), None, 0)
        entry = self._hopeless.find(request)
        if entry is not None and not explain:
            return Outcome((), None, count)
        index = self._index
        if entry is not None and entry.at == index.columns.changed.end and not avoid:
            return Outcome((), None, count, entry.refused, entry.wake)
        index.columns.ranked()
        plain = self._plain_task(request) if count == 1 and not (entry or avoid) else None
        if plain is not None and plain.choices:
            return plain
        prepared = self._ready(request)
        choices: list[Choice] = []
        try:
            found = NOBODY
            if not (entry or plain):
                found = self._search(prepared, count, avoid, choices)
            reason = reason_of(found.first, found.second)
            left = count - len(choices)
            if not left:
                return Outcome(tuple(choices), reason, 0)
            refused = refusals(index, prepared, avoid) if explain else ()
        except PluginFailed as failed:
            index.give_back(prepared, choices)
            return self._failed(failed, count)
        wake = wake_of(refused, request) if explain else ""
        if not avoid:
            self._hopeless.remember(prepared, refused, wake)
        return Outcome(tuple(choices), reason, left, refused, wake)

    def place_each(
        self, asked: Sequence[tuple[Request, int]], most: int, *, is_all: bool = False
    ) -> list[Outcome]:
        """What `place`, without explaining, makes of each, in this order, of ``most`` tasks in all.

        The first behind those tasks is not placed, nor any behind it; with ``is_all`` the first
        that does not get all its hosts is the last. As many are answered as were placed.
        """
        outcomes: list[Outcome] = []
        last_run = len(asked) - _RUN_MIN
        while most > 0 and (begun := len(outcomes)) < len(asked):
            request, count = asked[begun]
            if count == 1 and begun <= last_run:
                found = self._place_run(asked, begun, most, is_all=is_all)
                if found:
                    outcomes += found
                    most -= sum([len(each.choices) for each in found])
                    if is_all and found[-1].left:
                        break
                    continue
            outcome = self.place(request, min(count, most), explain=False)
            outcomes.append(outcome)
            most -= len(outcome.choices)
            if is_all and outcome.left:
                break
        return outcomes

    def put_back(self, request: Request, choices: Sequence[Choice]) -> None:
        """Undo choices of `place`: their tasks are not launched after all."""
        self._index.give_back(self._ready(request), choices)

    # Questions

    def is_hopeless(self, request: Request) -> bool:
        """Whether the request is known to fit on no host, at next to no cost."""
        return self._hopeless.find(request) is not None

    def refusals(
        self, request: Request, avoid: AbstractSet[HostId] = _NOWHERE
    ) -> tuple[Refused, ...]:
        """Why each host on offer refuses one more task now, counted by rule."""
        entry = self._hopeless.find(request)
        if entry is not None and entry.at == self._index.columns.changed.end and not avoid:
            return entry.refused
        if entry is not None and not avoid and not self._index.demands:
            return self._explainer.hopeless(entry)
        try:
            return refusals(self._index, self._ready(request), avoid)
        except PluginFailed as failed:
            return self._failed(failed, 1).refused

    def wake(self, request: Request, refused: tuple[Refused, ...]) -> str:
        """The events that could change these refusals, in words."""
        return wake_of(refused, request)

    def nearest(self, request: Request, most: int) -> tuple[HostId, ...]:
        """Hosts that lack nothing but free amounts and could hold the task, the nearest first."""
        return survey.nearest(self._index, self._ready(request), most)

    def rooms_after(
        self,
        request: Request,
        host_id: HostId,
        freed: Resources,
        ended: Sequence[tuple[JobId, int]] = (),
    ) -> int:
        """How many tasks would fit on the host if ``freed`` came back and those had ended."""
        return survey.rooms_after(self._index, self._ready(request), host_id, freed, ended)

    def totals(self) -> survey.Totals:
        """Sums over the hosts that take tasks."""
        return self._sums.totals()

    # Inside

    def _ready(self, request: Request) -> Prepared:
        prepared = self._prepared.get(request)
        if prepared is None:
            if len(self._prepared) >= _PREPARED_MAX:
                self._prepared.pop(next(iter(self._prepared)))
            model = self._manner(request)
            self._index.allowed(model)
            prepared = self._prepared[request] = model.like(request)
        return prepared

    def _manner(self, request: Request) -> Prepared:
        """A request of the same manner, made ready."""
        manner = manner_of(request)
        model = self._manners.get(manner)
        if model is None:
            if len(self._manners) >= _PREPARED_MAX:
                self._manners.pop(next(iter(self._manners)))
            model = Prepared(request, self.rules, self._index.library)
            if self._index.demands:
                model.is_growing = False  # What others demand is asked before each task.
            self._manners_seen += 1
            model.manner_number = self._manners_seen
            self._manners[manner] = model
        return model

    def _place_run(
        self, asked: Sequence[tuple[Request, int]], begun: int, most: int, *, is_all: bool
    ) -> list[Outcome]:
        """What becomes of the run of single tasks that begins there; nothing: it is too short."""
        index = self._index
        if index.demands or index.columns.has_launch_guards:
            return []
        columns = index.columns
        columns.ranked()
        even = columns.even()
        if even is None:
            return []
        requests = run_of(asked, begun, begun + most)
        if len(requests) < _RUN_MIN:
            return []
        manner = self._manner(requests[0])
        if not manner.is_by_packing:
            return []
        singles = Singles(index, requests, manner, even)
        outcomes = singles.place(scores_of(manner, even), is_all=is_all)
        left = [
            request
            for request, outcome in zip(requests, outcomes, strict=False)
            if outcome is NOWHERE
        ]
        self._hopeless.remember_each(left, manner)
        return outcomes

    def _plain_task(self, request: Request) -> Outcome | None:
        """What `PlainTasks` makes of one task; None: the long way serves it, or serves it better.

        A need that comes again has its keys kept (`scheduler.placement.shapes`), which cost less.
        """
        index = self._index
        if index.demands or index.columns.has_launch_guards or not asks_amounts_only(request):
            return None
        manner = self._manner(request)
        if not manner.is_by_packing or not self._shapes.is_first(request, manner.manner_number):
            return None
        return self._plain.place(request, manner)

    def _search(
        self,
        prepared: Prepared,
        count: int,
        avoid: AbstractSet[HostId],
        choices: list[Choice],
    ) -> Found:
        if not prepared.is_self_bound:
            return self._search_once(prepared, count, avoid, choices)
        # Where a task of the job may be depends on the ones before it: each is looked at anew.
        found = self._search_once(prepared, 1, avoid, choices)
        placed = len(choices)
        while placed < count and placed == len(choices) and placed:
            self._search_once(prepared, 1, avoid, choices)
            placed += 1
        return found

    def _search_once(
        self,
        prepared: Prepared,
        count: int,
        avoid: AbstractSet[HostId],
        choices: list[Choice],
    ) -> Found:
        index = self._index
        keys = self._shapes.keys(prepared)
        if keys is None or not len(keys):
            return NOBODY
        for host_id in avoid:
            row = index.columns.row_of.get(host_id)
            if row is not None:
                keys[row] = -1
        search = fill_balanced if prepared.balances else fill
        return search(index, prepared, keys, count, choices)

    def _failed(self, failed: PluginFailed, count: int) -> Outcome:
        """The outcome of a request whose plug-in raised: that one alone is not placed."""
        hosts = self._index.columns.offered()
        refused = (Refused(failed.name, hosts, None, failed.said),)
        return Outcome((), None, count, refused, f"another version of the plug-in {failed.name}")
