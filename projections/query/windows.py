"""Which events are looked at together.

The one thing to know: a window of time closes by the clock it is given, or at the end of the
stream; one without any event says nothing. What a window holds is limited, and what does not fit
is counted.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol, assert_never

from projections.query.limits import ROWS_HELD_MAX
from projections.query.syntax import CountWindow, TimeWindow
from projections.query.values import Event

SECOND_MS: Final = 1_000


class Window(Protocol):
    """Holds events until a window of them is whole."""

    dropped: int
    """Events for which there was no room."""

    @property
    def held(self) -> int:
        """Events that it holds now."""
        ...

    def push(self, event: Event, now_ms: int, /) -> list[list[Event]]:
        """Take an event; the windows that are whole by then."""
        ...

    def tick(self, now_ms: int, /) -> list[list[Event]]:
        """The windows that are whole by then."""
        ...

    def close(self) -> list[list[Event]]:
        """What is left at the end of the stream."""
        ...


class CountedEvents:
    """So many events at a time; the last window may have fewer."""

    def __init__(self, window: CountWindow) -> None:
        self._size = window.events
        self._held: list[Event] = []
        self.dropped = 0

    @property
    def held(self) -> int:
        """Events that it holds now."""
        return len(self._held)

    def push(self, event: Event, _now_ms: int, /) -> list[list[Event]]:
        """Take an event; the window that it fills."""
        self._held.append(event)
        return self._all() if len(self._held) >= self._size else []

    def tick(self, _now_ms: int, /) -> list[list[Event]]:
        """No window: time closes none."""
        return []

    def close(self) -> list[list[Event]]:
        """The events since the last whole window."""
        return self._all() if self._held else []

    def _all(self) -> list[list[Event]]:
        held, self._held = self._held, []
        return [held]


class TimedEvents:
    """Windows of a span every shift, from the first event on."""

    def __init__(self, window: TimeWindow) -> None:
        self._span_ms = max(1, round(window.span_s * SECOND_MS))
        self._shift_ms = max(1, round(window.shift_s * SECOND_MS))
        self._held: deque[tuple[int, Event]] = deque()
        self.begins_ms: int | None = None
        """When the oldest window that has not been said begins; set where a query goes on."""
        self.dropped = 0

    @property
    def held(self) -> int:
        """Events that it holds now."""
        return len(self._held)

    def push(self, event: Event, now_ms: int) -> list[list[Event]]:
        """Take an event; the windows that had ended before it."""
        if self.begins_ms is None:
            self.begins_ms = now_ms
        whole = self.tick(now_ms)
        if len(self._held) >= ROWS_HELD_MAX:
            self.dropped += 1
        elif now_ms >= self.begins_ms:
            self._held.append((now_ms, event))
        return whole

    def tick(self, now_ms: int) -> list[list[Event]]:
        """The windows that have ended by then, without the empty ones."""
        return list(self._ended(now_ms))

    def _ended(self, now_ms: int) -> Iterator[list[Event]]:
        while self.begins_ms is not None and self.begins_ms + self._span_ms <= now_ms:
            if not self._held:
                # Nothing is between here and now: the next window begins where it would have.
                behind_ms = now_ms - self._span_ms - self.begins_ms
                self.begins_ms += (behind_ms // self._shift_ms + 1) * self._shift_ms
                return
            ends_ms = self.begins_ms + self._span_ms
            inside = [event for at_ms, event in self._held if at_ms < ends_ms]
            self.begins_ms += self._shift_ms
            while self._held and self._held[0][0] < self.begins_ms:
                self._held.popleft()
            yield inside

    def close(self) -> list[list[Event]]:
        """The events that no window has shown whole."""
        held, self._held = [event for _, event in self._held], deque()
        return [held] if held else []


class WholeStream:
    """One window over all that comes, for what can only be said at the end."""

    def __init__(self) -> None:
        self._held: list[Event] = []
        self.dropped = 0

    @property
    def held(self) -> int:
        """Events that it holds now."""
        return len(self._held)

    def push(self, event: Event, _now_ms: int, /) -> list[list[Event]]:
        """Take an event."""
        if len(self._held) >= ROWS_HELD_MAX:
            self.dropped += 1
        else:
            self._held.append(event)
        return []

    def tick(self, _now_ms: int, /) -> list[list[Event]]:
        """No window: only the end closes it."""
        return []

    def close(self) -> list[list[Event]]:
        """All of it, even if that is nothing."""
        held, self._held = self._held, []
        return [held]


def window_of(window: TimeWindow | CountWindow | None) -> Window:
    """What holds the events of a query with this window; without one, all until the end."""
    match window:
        case None:
            return WholeStream()
        case CountWindow():
            return CountedEvents(window)
        case TimeWindow():
            return TimedEvents(window)
    assert_never(window)
