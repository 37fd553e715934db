"""A reader of server-sent events, without a socket: it can stop reading, leave, and come again."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

WAIT_S = 10.0


@dataclass(frozen=True)
class Event:
    """One event as it came."""

    kind: str
    id: str
    data: Any


def events_of(text: str) -> list[Event]:
    """The events that a piece of a stream holds, whole ones only."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in fields:
            found.append(Event(fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found


class Reader:
    """Reads one stream of an ASGI application while it is entered."""

    def __init__(
        self,
        app: ASGIApp,
        target: str,
        last_id: str = "",
        address: str = "10.0.0.1",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        path, _, query = target.partition("?")
        more = {name.lower(): value for name, value in (headers or {}).items()}
        if last_id:
            more["last-event-id"] = last_id
        self._app = app
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in more.items()],
            "client": (address, 50_000),
            "server": ("127.0.0.1", 7_100),
            "state": {},
        }
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.taking = asyncio.Event()
        """Cleared, it reads nothing more, like a peer whose window is full."""
        self.taking.set()
        self._came = asyncio.Event()
        self._leaves = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def events(self) -> list[Event]:
        """All that has come."""
        return events_of(self.body.decode())

    @property
    def last_id(self) -> str:
        """The last id that has come, as an `EventSource` remembers it."""
        return next((each.id for each in reversed(self.events) if each.id), "")

    @property
    def is_over(self) -> bool:
        """Whether the application has ended the stream."""
        return self._task is not None and self._task.done()

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._app(self._scope, self._receive, self._send))
        await self._until(lambda: self.status > 0, "a head")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaves.set()
        self.taking.set()
        assert self._task is not None
        await asyncio.wait_for(self._task, WAIT_S)

    async def until(self, kind: str, count: int = 1) -> list[Event]:
        """All events, once so many of a kind have come."""

        def is_there() -> bool:
            return sum(each.kind == kind for each in self.events) >= count

        await self._until(is_there, f"{count} {kind}")
        return self.events

    async def first(self) -> Event:
        """The first event, once it has come."""
        await self._until(lambda: self.events, "event")
        return self.events[0]

    async def until_over(self) -> list[Event]:
        """All events, once the application has ended the stream."""
        assert self._task is not None
        await asyncio.wait_for(asyncio.shield(self._task), WAIT_S)
        return self.events

    async def _until(self, condition: Any, what: str) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                assert not self.is_over, f"no {what}: {self.status} {self.body!r}"
                self._came.clear()
                waiting = asyncio.ensure_future(self._came.wait())
                await asyncio.wait(
                    (waiting, *filter(None, (self._task,))), return_when=asyncio.FIRST_COMPLETED
                )
                waiting.cancel()

    async def _receive(self) -> Message:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.taking.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): each.decode() for name, each in message["headers"]}
        else:
            self.body += message.get("body", b"")
        self._came.set()
