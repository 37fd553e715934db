"""A framework that asks as little of its own processor as it can: bytes in, bytes out.

The one thing to know: it does all that a framework owes - every update is acknowledged, each call
answered 202 is counted - but builds its requests from templates, so that what is measured is the
master. It speaks HTTP/1.1 over keep-alive connections, with so many calls under way on each.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

Json = dict[str, Any]

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})[^\r]*\r\n")
PATH = "/api/v1/scheduler"
NEED = {"cpus": 0.1, "mem": 32.0}
"""Of each task."""


def request(body: bytes, host: str, stream_id: str = "") -> bytes:
    """The bytes of a call."""
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    if stream_id:
        head += f"Mesos-Stream-Id: {stream_id}\r\n"
    return head.encode() + b"\r\n" + body


class Calls(asyncio.Protocol):
    """One connection for calls; the next one goes when fewer than ``window`` are under way."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._waiting: deque[bytes] = deque()
        self._under_way = 0
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.answered = 0
        self.failure = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that there is no connection any more."""
        self._transport = None
        if self._under_way:
            self.failure = self.failure or f"the connection was lost: {exc}"

    def send(self, data: bytes) -> None:
        """Send the request in its turn."""
        self._waiting.append(data)
        self._go_on()

    def _go_on(self) -> None:
        room = self._window - self._under_way
        if room > 0 and self._waiting and self._transport is not None:
            batch = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            self._under_way += len(batch)
            self._transport.write(b"".join(batch))

    def data_received(self, data: bytes) -> None:
        """Count the answers; they have no body."""
        *answers, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for answer in answers:
            found = _STATUS.match(answer)
            if found is None or found[1] != b"202":
                self.failure = self.failure or answer.decode(errors="replace")
        self._under_way -= len(answers)
        self.answered += len(answers)
        self._go_on()

    @property
    def is_idle(self) -> bool:
        """Whether everything was answered."""
        return not self._waiting and not self._under_way


class Events(asyncio.Protocol):
    """The connection of a SUBSCRIBE: says its stream's id, and each event."""

    def __init__(self, on_stream: Callable[[str], None], on_event: Callable[[Json], None]) -> None:
        self._on_stream = on_stream
        self._on_event = on_event
        self._raw = b""
        self._records = b""
        self._is_headed = False

    def data_received(self, data: bytes) -> None:
        """Take what came; chunks and records may be cut anywhere."""
        self._raw += data
        if not self._is_headed:
            head, end, rest = self._raw.partition(b"\r\n\r\n")
            if not end:
                return
            found = re.search(rb"mesos-stream-id: *([^\r]+)", head, re.IGNORECASE)
            assert found is not None, head
            self._is_headed, self._raw = True, rest
            self._on_stream(found[1].decode())
        self._unchunk()
        self._read_records()

    def _unchunk(self) -> None:
        place, pieces = 0, [self._records]
        while (end := self._raw.find(b"\r\n", place)) >= 0:
            size = int(self._raw[place:end], 16)
            if len(self._raw) < end + size + 4:
                break
            pieces.append(self._raw[end + 2 : end + 2 + size])
            place = end + size + 4
        self._raw = self._raw[place:]
        self._records = b"".join(pieces)

    def _read_records(self) -> None:
        place = 0
        while (end := self._records.find(b"\n", place)) >= 0:
            size = int(self._records[place:end])
            if len(self._records) < end + 1 + size:
                break
            self._on_event(orjson.loads(self._records[end + 1 : end + 1 + size]))
            place = end + 1 + size
        self._records = self._records[place:]


@dataclass
class Plan:
    """How much a framework launches, and on how many connections it says so."""

    tasks: int
    tasks_an_offer: int
    connections: int
    window: int


@dataclass
class Framework:
    """One framework on one master."""

    host: str
    port: int
    plan: Plan
    framework_id: str = ""
    launched: int = 0
    accepts: int = 0
    acknowledged: int = 0
    held: list[str] = field(default_factory=list)
    calls: list[Calls] = field(default_factory=list)
    is_launching: bool = False
    _next: int = 0
    _stream_id: str = ""

    async def subscribe(self) -> None:
        """Open the stream and the connections for calls."""
        loop = asyncio.get_running_loop()
        for _ in range(self.plan.connections):
            _, calls = await loop.create_connection(
                lambda: Calls(self.plan.window), self.host, self.port
            )
            self.calls.append(calls)
        transport, _ = await loop.create_connection(
            lambda: Events(self._opened, self._event), self.host, self.port
        )
        info = {
            "user": "bench",
            "name": "bench",
            "checkpoint": True,
            "failover_timeout": 3600.0,
            "roles": ["bench"],
            "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}],
        }
        self._subscribed: asyncio.Future[None] = loop.create_future()
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        transport.write(request(orjson.dumps(call), f"{self.host}:{self.port}"))
        await self._subscribed

    def _opened(self, stream_id: str) -> None:
        self._stream_id = stream_id

    def call(self, kind: str, **body: object) -> None:
        """Make a call, on the next of the connections."""
        self._next = (self._next + 1) % len(self.calls)
        data = request(self.body(kind, body), f"{self.host}:{self.port}", self._stream_id)
        self.calls[self._next].send(data)

    def body(self, kind: str, body: Json) -> bytes:
        """The JSON of a call."""
        value: Json = {"framework_id": {"value": self.framework_id}, "type": kind}
        if body:
            value[kind.lower()] = body
        return orjson.dumps(value)

    def accept_body(self, offer_id: str, agent_id: Json, count: int) -> bytes:
        """The JSON of an ACCEPT that launches the next so many tasks on an offer."""
        tasks = [_task(self.launched + n, agent_id) for n in range(count)]
        return self.body("ACCEPT", _accept(offer_id, tasks))

    def failure(self) -> str:
        """What went wrong on any connection."""
        return next((each.failure for each in self.calls if each.failure), "")

    def is_idle(self) -> bool:
        """Whether every call was answered."""
        return all(each.is_idle for each in self.calls)

    def _event(self, event: Json) -> None:
        match event["type"]:
            case "UPDATE":
                self._update(event["update"]["status"])
            case "OFFERS":
                self._offers(event["offers"]["offers"])
            case "SUBSCRIBED":
                self.framework_id = event["subscribed"]["framework_id"]["value"]
                self._subscribed.set_result(None)
            case _:
                return

    def _update(self, status: Json) -> None:
        assert "uuid" in status, status
        self.acknowledged += 1
        named = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
        self.call("ACKNOWLEDGE", **named)
        assert status["state"] in ("TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"), status

    def _offers(self, offers: list[Json]) -> None:
        for offer in offers:
            offer_id = offer["id"]["value"]
            left = self.plan.tasks - self.launched
            if left == 0 or not self.is_launching:
                self.held.append(offer_id)
                continue
            count = min(self.plan.tasks_an_offer, left, _room(offer))
            if count == 0:
                filters = {"refuse_seconds": 0.0}
                self.call("DECLINE", offer_ids=[{"value": offer_id}], filters=filters)
                continue
            tasks = [_task(self.launched + n, offer["agent_id"]) for n in range(count)]
            self.launched += count
            self.accepts += 1
            self.call("ACCEPT", **_accept(offer_id, tasks))


def _room(offer: Json) -> int:
    """How many of our tasks the offer has room for."""
    amounts = {each["name"]: each.get("scalar", {}).get("value", 0) for each in offer["resources"]}
    return int(min(amounts.get(name, 0) / each for name, each in NEED.items()) + 1e-6)


def _accept(offer_id: str, tasks: list[Json]) -> Json:
    return {
        "offer_ids": [{"value": offer_id}],
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}],
        "filters": {"refuse_seconds": 0.0},
    }


def _task(number: int, agent_id: Json) -> Json:
    name = f"bench-{number}"
    allocation = {"role": "bench"}
    return {
        "name": name,
        "task_id": {"value": name},
        "agent_id": agent_id,
        "command": {
            "shell": False,
            "value": "/bin/simulated",
            "arguments": ["/bin/simulated", "--of", "a", "usual", "length"],
            "environment": {"variables": [{"name": "TITUS_JOB_ID", "value": "bench"}]},
        },
        "resources": [
            {
                "name": kind,
                "type": "SCALAR",
                "scalar": {"value": value},
                "allocation_info": allocation,
            }
            for kind, value in NEED.items()
        ],
        "labels": {"labels": [{"key": "job", "value": "bench"}]},
    }
