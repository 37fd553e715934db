"""A scheduler for the contract tests: blocking, standard library only, and no code of the product.

The one thing to know: it acknowledges nothing by itself. A test asks for what it expects with
``await_event`` or ``await_state`` and says when something is acknowledged.
"""

import base64
import http.client
import json
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

Json = dict[str, Any]

JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
SCHEDULER = "/api/v1/scheduler"
# Long enough for a very busy machine: only a failure takes that long. A test that waits for nothing
# to come waits ``QUIET_S``.
PATIENCE_S = 60.0
QUIET_S = 1.2


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, with its header names in lower case."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def request(
    port: int,
    method: str = "POST",
    path: str = SCHEDULER,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """The answer to one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, dict(headers or {}))
        with connection.getresponse() as answer:
            text = answer.read().decode(errors="replace")
            return Reply(answer.status, text, {k.lower(): v for k, v in answer.getheaders()})
    finally:
        connection.close()


# Every stream that a test opened; the fixture in conftest closes them after each test.
open_streams: list["Stream"] = []


class Stream:
    """One subscription: its answer's head, and its events as they come."""

    def __init__(
        self,
        port: int,
        call: Json | bytes,
        headers: Mapping[str, str] = JSON_HEADERS,
        decode: Callable[[bytes], Json] = json.loads,
        path: str = SCHEDULER,
    ) -> None:
        self._decode = decode
        body = call if isinstance(call, bytes) else json.dumps(call)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._connection.connect()
        # http.client forgets the socket when the answer says that the connection will close.
        self._socket = self._connection.sock
        self._connection.request("POST", path, body, dict(headers))
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = {k.lower(): v for k, v in self._answer.getheaders()}
        self.events: queue.Queue[Json] = queue.Queue()
        self.has_ended = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        open_streams.append(self)
        if self.status == 200:
            self._reader.start()
        else:
            self.text = self._answer.read().decode()

    @property
    def stream_id(self) -> str:
        """The id the master gave to the stream."""
        return self.headers["mesos-stream-id"]

    def _read(self) -> None:
        # A stream that breaks off has ended; the tests look at what came before.
        with suppress(OSError, http.client.HTTPException, ValueError):
            while length := self._answer.readline():
                event = self._decode(self._answer.read(int(length)))
                event["at_s"] = time.monotonic()
                self.events.put(event)
        self.has_ended.set()
        self.events.put({"type": "END OF STREAM", "at_s": time.monotonic()})

    def close(self) -> None:
        """Break the connection, as a scheduler that dies does."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._reader.is_alive():
            self._reader.join(PATIENCE_S)
        self._answer.close()
        self._connection.close()


class Framework:
    """A framework with one stream at a time."""

    def __init__(self, port: int, **info: Any) -> None:
        self.port = port
        self.info: Json = {
            "user": "root",
            "name": "contract",
            "failover_timeout": 3600.0,
            "checkpoint": True,
            "capabilities": [{"type": "PARTITION_AWARE"}],
            **info,
        }
        self.info = {k: v for k, v in self.info.items() if v is not None}
        self.framework_id = ""
        self.subscribe_more: Json = {}

    def open(self) -> Stream:
        """Send SUBSCRIBE; the stream may carry an ERROR only."""
        return Stream(self.port, self.subscription())

    def subscription(self) -> Json:
        """The call that subscribes."""
        call: Json = {"type": "SUBSCRIBE"}
        info = dict(self.info)
        if self.framework_id:
            call["framework_id"] = info["id"] = {"value": self.framework_id}
        call["subscribe"] = {"framework_info": info, **self.subscribe_more}
        return call

    def subscribe(self) -> Self:
        """Subscribe and take the new stream for the framework's own."""
        self.stream = self.open()
        assert self.stream.status == 200, getattr(self.stream, "text", "")
        subscribed = self.await_event("SUBSCRIBED")["subscribed"]
        self.framework_id = subscribed["framework_id"]["value"]
        return self

    def __enter__(self) -> Self:
        return self.subscribe()

    def __exit__(self, *_: object) -> None:
        # Whatever the test did to it: the next test finds an empty cluster.
        with suppress(OSError, http.client.HTTPException):
            if self.call("TEARDOWN").status == 403:
                self.subscribe().call("TEARDOWN")
        self.stream.close()

    # Events

    def await_event(
        self,
        kind: str,
        where: Callable[[Json], bool] = lambda _: True,
        patience_s: float = PATIENCE_S,
    ) -> Json:
        """The next event of this kind for which ``where`` holds; others are passed over."""
        passed: list[Json] = []
        deadline = time.monotonic() + patience_s
        while True:
            try:
                event = self.stream.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} within {patience_s} s, only {passed}") from None
            if event["type"] == kind and where(event):
                return event
            passed.append(event)
            assert event["type"] != "END OF STREAM", f"no {kind}, and the stream ended: {passed}"

    def events_for(self, seconds: float = QUIET_S) -> list[Json]:
        """All events of the next seconds, heartbeats left out."""
        events = []
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with suppress(queue.Empty):
                events.append(self.stream.events.get(timeout=left))
        return [e for e in events if e["type"] != "HEARTBEAT"]

    def await_state(self, task_id: str, state: str, patience_s: float = PATIENCE_S) -> Json:
        """The status by which the task is in this state; states before it are acknowledged."""
        while True:
            status = self.await_update(task_id, patience_s)
            if status["state"] == state:
                return status
            self.acknowledge(status)

    def await_update(self, task_id: str, patience_s: float = PATIENCE_S) -> Json:
        """The next status of the task."""
        event = self.await_event(
            "UPDATE",
            lambda e: bool(e["update"]["status"]["task_id"]["value"] == task_id),
            patience_s,
        )
        return dict(event["update"]["status"])

    def offers(self, count: int = 1) -> list[Json]:
        """At least so many offers, of agents that differ."""
        found: dict[str, Json] = {}
        deadline = time.monotonic() + PATIENCE_S
        while len(found) < count:
            assert time.monotonic() < deadline, f"offers of {len(found)} agents, not of {count}"
            for offer in self.await_event("OFFERS")["offers"]["offers"]:
                found[offer["agent_id"]["value"]] = offer
        return list(found.values())

    def offer_of(self, agent_id: str) -> Json:
        """An offer of this agent; others are declined for a moment."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            offers = self.await_event("OFFERS")["offers"]["offers"]
            wanted = [o for o in offers if o["agent_id"]["value"] == agent_id]
            others = [o for o in offers if o not in wanted[:1]]
            if others:
                self.decline(others, 0.1)
            if wanted:
                return dict(wanted[0])
        raise AssertionError(f"no offer of {agent_id} within {PATIENCE_S} s")

    # Calls

    def call(self, kind: str, body: Json | None = None, **headers: str | None) -> Reply:
        """The answer to a call on the framework's stream."""
        message: Json = {"type": kind, "framework_id": {"value": self.framework_id}}
        if body is not None:
            message[kind.lower()] = body
        sent = {"Content-Type": "application/json", "Mesos-Stream-Id": self.stream.stream_id}
        for name, value in headers.items():
            header = name.replace("_", "-")
            if value is None:
                del sent[header]
            else:
                sent[header] = value
        return request(self.port, body=self.encode(message, sent), headers=sent)

    def encode(self, message: Json, _headers: dict[str, str]) -> str | bytes:
        """The body of a call; one that is no JSON says so in the headers."""
        return json.dumps(message)

    def decline(self, offers: Iterable[Json], refuse_seconds: float | None = None) -> None:
        """Decline the offers."""
        body: Json = {"offer_ids": [o["id"] for o in offers]}
        if refuse_seconds is not None:
            body["filters"] = {"refuse_seconds": refuse_seconds}
        assert self.call("DECLINE", body).status == 202

    def launch(self, offers: list[Json], tasks: list[Json], refuse_seconds: float = 0.1) -> None:
        """Launch the tasks on the offers."""
        operation = {"type": "LAUNCH", "launch": {"task_infos": tasks}}
        body = {
            "offer_ids": [o["id"] for o in offers],
            "operations": [operation],
            "filters": {"refuse_seconds": refuse_seconds},
        }
        reply = self.call("ACCEPT", body)
        assert (reply.status, reply.text) == (202, "")

    def run(self, task_id: str, script: str = "exec sleep 600", /, **more: Any) -> Json:
        """Launch a task on any offer, and give its RUNNING status, acknowledged."""
        offer = self.offers()[0]
        self.launch([offer], [task(task_id, offer, script, **more)])
        status = self.await_state(task_id, "TASK_RUNNING")
        self.acknowledge(status)
        return status

    def acknowledge(self, status: Json) -> None:
        """Acknowledge a status if it carries a uuid."""
        if "uuid" in status:
            body = {k: status[k] for k in ("agent_id", "task_id", "uuid")}
            assert self.call("ACKNOWLEDGE", body).status == 202

    def kill(self, task_id: str, **more: Any) -> None:
        """Ask for the task's end."""
        assert self.call("KILL", {"task_id": {"value": task_id}, **more}).status == 202

    def reconcile(self, *questions: tuple[str, str | None]) -> None:
        """Ask about tasks (id, agent id), or about all."""
        tasks = []
        for task_id, agent_id in questions:
            question: Json = {"task_id": {"value": task_id}}
            if agent_id is not None:
                question["agent_id"] = {"value": agent_id}
            tasks.append(question)
        assert self.call("RECONCILE", {"tasks": tasks}).status == 202


def scalars(cpus: float = 0.1, mem: float = 32.0, **more: float) -> list[Json]:
    """Scalar resources."""
    amounts = {"cpus": cpus, "mem": mem, **more}
    return [{"name": n, "type": "SCALAR", "scalar": {"value": v}} for n, v in amounts.items()]


def ports(begin: int, end: int) -> Json:
    """A range of ports."""
    ranges = {"range": [{"begin": begin, "end": end}]}
    return {"name": "ports", "type": "RANGES", "ranges": ranges}


def task(name: str, offer: Json, script: str = "exec sleep 600", /, **more: Any) -> Json:
    """A TaskInfo for the offer's agent; ``more`` replaces or, as None, removes fields."""
    info: Json = {
        "name": "contract",
        "task_id": {"value": name},
        "agent_id": offer["agent_id"],
        "resources": scalars(),
        "command": {"value": script},
        **more,
    }
    return {k: v for k, v in info.items() if v is not None}


def until(over: Path) -> str:
    """What a task runs that ends well once this file is there."""
    return f'while [ ! -e "{over}" ]; do sleep 0.05; done'


def fresh_uuid() -> str:
    """A uuid nobody gave, as the API writes it."""
    return base64.b64encode(uuid.uuid4().bytes).decode()


def agents(port: int) -> dict[str, str]:
    """The ids of the agents that are connected now, by their zone."""
    slaves = request(port, "GET", "/slaves").json["slaves"]
    return {s["attributes"]["zone"]: s["id"] for s in slaves if s["active"]}


def await_agents(port: int, zones: set[str]) -> dict[str, str]:
    """The ids of exactly these zones' agents, once they are connected and no others are."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while agents(port).keys() != zones:
        assert time.monotonic() < deadline, f"the agents are {agents(port)}"
        time.sleep(0.05)
    return agents(port)
