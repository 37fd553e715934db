"""Streams of events as a client reads them: parsed line by line, and gone on with after a break.

The one thing to know: a break is no event. The stream is opened again behind the last event that
had an id, and only where the API cannot go on there is the reader told so, with ``restart``: what
it knows is to be forgotten, and a snapshot follows.
"""

import functools
from typing import Any, Final

import msgspec

from connectors.client.shapes import Job, Task

SILENCE_S_MAX: Final = 35.0
"""Three signs of life that did not come: the connection is dead, whatever it says of itself."""
RETRY_S: Final = 0.5
RETRY_S_MAX: Final = 10.0
LINE_BYTES_MAX: Final = 4 * 1024 * 1024
_LAST: Final = frozenset(("dropped", "closing"))


class Event(msgspec.Struct, frozen=True, dict=True):
    """One event: its kind, its place in the log, and its JSON."""

    kind: str
    id: str
    data: bytes

    @functools.cached_property
    def value(self) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = msgspec.json.decode(self.data)
        return found

    @property
    def job(self) -> Job | None:
        """The job that it shows, if it shows one."""
        return msgspec.convert(self.value["job"], Job) if "job" in self.value else None

    @property
    def task(self) -> Task | None:
        """The task that it shows, if it shows one."""
        return msgspec.convert(self.value["task"], Task) if "task" in self.value else None

    @property
    def is_match(self) -> bool:
        """Whether what it shows is still what was asked for."""
        return self.value.get("matches", True) is not False


class Parser:
    """Makes events of lines, as the standard of server-sent events says."""

    def __init__(self) -> None:
        self._kind, self._id, self._data = "", "", list[str]()

    def line(self, line: str) -> Event | None:
        """The event that the line ends, if it ends one."""
        if not line:
            event = Event(self._kind, self._id, "\n".join(self._data).encode())
            is_any = bool(self._data)
            self._kind, self._id, self._data = "", "", []
            return event if is_any else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._kind = value
            case "id":
                self._id = value
            case "data":
                self._data.append(value)
            case _:
                pass  # A comment, or when to come again, which is ours to choose.
        return None


class Following:
    """Where a reader of one stream stands, over all its connections."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._is_over = False
        self._failures = 0
        self._is_in_snapshot = False

    @property
    def headers(self) -> dict[str, str]:
        """How the next connection says where it goes on."""
        found = {"Accept": "text/event-stream"}
        return {**found, "Last-Event-ID": self.last_id} if self.last_id else found

    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self._is_over

    def opened(self) -> Event | None:
        """What the reader is told first of a connection, if anything."""
        was_in_snapshot, self._is_in_snapshot = self._is_in_snapshot, not self.last_id
        if was_in_snapshot:
            return Event("restart", "", b'{"reason":"broken off inside a snapshot"}')
        return None

    def took(self, event: Event) -> Event | None:
        """The event as the reader is told it; None where it is only about the connection."""
        self._failures = 0
        if event.kind == "restart":
            self.last_id, self._is_in_snapshot = "", True
        if event.kind == "SnapshotEnd":
            self._is_in_snapshot = False
        if event.id:
            self.last_id = event.id
        if event.kind == "End":
            self._is_over = True
        return None if event.kind in _LAST else event

    def pause_s(self) -> float:
        """How long to wait before the next connection."""
        self._failures += 1
        return float(min(RETRY_S * 2 ** min(self._failures - 1, 10), RETRY_S_MAX))
