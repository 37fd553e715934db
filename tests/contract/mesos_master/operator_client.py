"""An operator for the contract tests: calls, views, and the event stream."""

import json
import queue
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.contract.mesos_master.master_client import (
    JSON_HEADERS,
    PATIENCE_S,
    Framework,
    Json,
    Reply,
    Stream,
    request,
    task,
)


def operate(port: int, kind: str, body: Json | None = None, **headers: str) -> Reply:
    """The answer to an operator's call."""
    call: Json = {"type": kind}
    if body is not None:
        call[kind.lower()] = body
    sent = {**JSON_HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return request(port, path="/api/v1", body=json.dumps(call), headers=sent)


def told(port: int, kind: str, body: Json | None = None) -> Any:
    """The body of the answer to a call that must be answered."""
    reply = operate(port, kind, body)
    assert reply.status == 200, reply.text
    return reply.json[kind.lower()]


def get(port: int, path: str) -> Any:
    """The JSON of a view."""
    reply = request(port, "GET", path)
    assert reply.status == 200, reply.text
    return reply.json


def of_agent(agent_id: str) -> Json:
    """The body of a call about one agent."""
    return {"agent_id": {"value": agent_id}}


def await_view(look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """What ``look`` sees once that is true."""
    deadline = time.monotonic() + patience_s
    while not (seen := look()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)
    return seen


class Watch(Stream):
    """An operator's event stream."""

    def __init__(self, port: int) -> None:
        super().__init__(port, {"type": "SUBSCRIBE"}, path="/api/v1")

    def next(self, kind: str, where: Callable[[Json], bool] = lambda _: True) -> Json:
        """The body of the next event of this kind for which ``where`` holds."""
        deadline = time.monotonic() + PATIENCE_S
        passed: list[str] = []
        while True:
            try:
                event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind}, only {passed}") from None
            body = event.get(kind.lower(), {})
            if event["type"] == kind and where(body):
                return dict(body)
            passed.append(event["type"])

    def kinds_for(self, seconds: float) -> list[str]:
        """The kinds of all events of the next seconds, heartbeats left out."""
        deadline = time.monotonic() + seconds
        found = []
        while (left := deadline - time.monotonic()) > 0:
            with suppress(queue.Empty):
                found.append(self.events.get(timeout=left)["type"])
        return [kind for kind in found if kind != "HEARTBEAT"]


def run_on(framework: Framework, agent_id: str, task_id: str, script: str, **more: Any) -> None:
    """Run a task on this agent, and take its offers no more."""
    offer = framework.offer_of(agent_id)
    framework.launch([offer], [task(task_id, offer, script, **more)], 3600.0)
    framework.acknowledge(framework.await_state(task_id, "TASK_RUNNING"))
