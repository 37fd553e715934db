"""Pairs of events of several streams.

The one thing to know: a pair is one event with the keys of both; where both have a key, that of the
first stream counts. Both have the same value at the path, no null, and came no further
apart than the query says. What is held and what one event may become is limited; the rest is
counted.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from projections.query.limits import PAIRS_MAX, ROWS_HELD_MAX
from projections.query.syntax import Join, Query
from projections.query.values import Event, frozen, getter_of
from projections.query.windows import SECOND_MS


class Joined:
    """The pairs that come of events, one after the other."""

    def __init__(self, query: Query) -> None:
        self._streams = query.streams
        self._stages = [_Stage(each) for each in query.joins]

    @property
    def dropped(self) -> int:
        """Events and pairs for which there was no room."""
        return sum(each.dropped for each in self._stages)

    @property
    def held(self) -> int:
        """Events that wait for another."""
        return sum(each.held for each in self._stages)

    def push(self, event: Event, stream: str, now_ms: int) -> list[Event]:
        """Take an event of a stream; the pairs that it completes."""
        whole: list[Event] = [event] if stream in self._streams else []
        for stage in self._stages:
            joined = event if stream in stage.streams else None
            whole = stage.push(whole, joined, now_ms)
        return whole


class _Stage:
    """One ``JOIN``: what came before it on one side, the streams that it names on the other."""

    def __init__(self, join: Join) -> None:
        self.streams = join.streams
        self.dropped = 0
        self._within_ms = join.within_s * SECOND_MS
        self._key_of = getter_of(join.path)
        self._left = _Side()
        self._right = _Side()

    @property
    def held(self) -> int:
        """Events of both sides."""
        return self._left.held + self._right.held

    def push(self, left: Sequence[Event], right: Event | None, now_ms: int) -> list[Event]:
        """The pairs of these events with those before them; none is paired with itself."""
        for side in (self._left, self._right):
            side.forget(now_ms - self._within_ms)
        keyed = [(self._key(each), each) for each in left]
        pairs: list[Event] = []
        for key, event in keyed:
            self._pair(pairs, [(event, each) for each in self._right.of(key)])
        if right is not None:
            key = self._key(right)
            self._pair(pairs, [(each, right) for each in self._left.of(key)])
            self._hold(self._right, key, right, now_ms)
        for key, event in keyed:
            self._hold(self._left, key, event, now_ms)
        return pairs

    def _key(self, event: Event) -> Any:
        value = self._key_of(event)
        return None if value is None else frozen(value)

    def _pair(self, pairs: list[Event], found: list[tuple[Event, Event]]) -> None:
        room = PAIRS_MAX - len(pairs)
        self.dropped += max(0, len(found) - room)
        pairs += [{**right, **left} for left, right in found[:room]]

    def _hold(self, side: "_Side", key: Any, event: Event, now_ms: int) -> None:
        if key is None:
            return
        if side.held >= ROWS_HELD_MAX:
            self.dropped += 1
            return
        side.hold(key, event, now_ms)


class _Side:
    """Events by their key, as long as another may still find them."""

    def __init__(self) -> None:
        self._by_key: dict[Any, deque[Event]] = {}
        self._order: deque[tuple[int, Any]] = deque()

    @property
    def held(self) -> int:
        """How many."""
        return len(self._order)

    def of(self, key: Any) -> Sequence[Event]:
        """Those of a key, the oldest first; none of null."""
        return self._by_key.get(key, ())

    def hold(self, key: Any, event: Event, at_ms: int) -> None:
        """Keep an event of that time."""
        self._by_key.setdefault(key, deque()).append(event)
        self._order.append((at_ms, key))

    def forget(self, before_ms: int) -> None:
        """Let go of all that is older."""
        while self._order and self._order[0][0] < before_ms:
            _, key = self._order.popleft()
            events = self._by_key[key]
            events.popleft()
            if not events:
                del self._by_key[key]
