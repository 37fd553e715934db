"""The queue: classes of waiting tasks with their counts, in the order of the log.

The one thing to know: a queue is kept from round to round and told only what changed. A million
waiting tasks are as many entries as there are classes, and a round sorts none of them.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

import msgspec

from scheduler.model.ids import JobId
from scheduler.placement.request import Request


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A class of tasks that wait, and since when."""

    request: Request
    count: int
    since_ms: int
    """When a task of the class was placed last, or when the class began to wait."""
    order: tuple[int, int]
    """Its place in the log: record and event. Inside a group, the first comes first."""
    launched_last_minute: int = 0
    """Launches of its job in the last minute, where `Guards.launches_per_job_per_minute` counts."""


class _Written:
    """A request in the order of its bytes, which are only asked for where places are equal."""

    __slots__ = ("request",)

    def __init__(self, request: Request) -> None:
        self.request = request

    def __lt__(self, other: "_Written") -> bool:
        return msgspec.msgpack.encode(self.request) < msgspec.msgpack.encode(other.request)


_Place = tuple[tuple[int, int], JobId, _Written]
"""Place in the log, job, and the request itself: no two classes stand at one place."""


class Queue:
    """Classes that wait, grouped by tier and capacity group, each group in the order of the log."""

    def __init__(self, waiting: Iterable[Waiting] = ()) -> None:
        self._entries: dict[Request, Waiting] = {}
        self._groups: dict[tuple[str, str], list[Request]] = {}
        self.tasks = 0
        """Tasks that wait, in all classes."""
        for each in waiting:
            self.set(each)

    def set(self, waiting: Waiting) -> None:
        """Take this for all that is known of the class; a count of 0 removes it."""
        request = waiting.request
        before = self._entries.get(request)
        if waiting.count <= 0:
            if before is not None:
                self._remove(request, before)
            return
        if before is not None and before.order != waiting.order:
            self._remove(request, before)
            before = None
        self._entries[request] = waiting
        if before is not None:
            self.tasks += waiting.count - before.count
            return
        self.tasks += waiting.count
        requests = self._groups.get((request.tier, request.group))
        if requests is None:
            self._groups[request.tier, request.group] = [request]
        elif self._entries[requests[-1]].order < waiting.order:
            requests.append(request)  # Who comes later mostly stands later.
        else:
            insort(requests, request, key=self._place)

    def set_waiting(
        self,
        request: Request,
        count: int,
        since_ms: int,
        order: tuple[int, int],
        launched_last_minute: int = 0,
    ) -> None:
        """The same as `set`, fact by fact."""
        self.set(Waiting(request, count, since_ms, order, launched_last_minute))

    def placed(self, request: Request, count: int, now_ms: int) -> None:
        """So many tasks of the class have a host now: fewer wait, and its wait begins anew."""
        before = self._entries[request]
        self.set(
            Waiting(
                request,
                before.count - count,
                now_ms,
                before.order,
                before.launched_last_minute + count,
            )
        )

    def get(self, request: Request) -> Waiting | None:
        """The class as it waits; None where none of its tasks does."""
        return self._entries.get(request)

    def groups(self) -> list[tuple[str, str]]:
        """Tier and group of all classes, sorted."""
        return sorted(self._groups)

    def of_group(self, tier: str, group: str) -> list[Waiting]:
        """The classes of a group as jobs name it, first come first."""
        entries = self._entries
        return [entries[request] for request in self._groups.get((tier, group), ())]

    def __iter__(self) -> Iterator[Waiting]:
        for tier, group in self.groups():
            yield from self.of_group(tier, group)

    def __len__(self) -> int:
        return len(self._entries)

    def _remove(self, request: Request, before: Waiting) -> None:
        requests = self._groups[request.tier, request.group]
        del requests[bisect_left(requests, self._place(request), key=self._place)]
        if not requests:
            del self._groups[request.tier, request.group]
        del self._entries[request]
        self.tasks -= before.count

    def _place(self, request: Request) -> _Place:
        return (self._entries[request].order, request.job_id, _Written(request))
