"""A master without a process: time, frameworks and agents in, events and messages out.

The one thing to know: after every step the books of the master must balance
(``invariant_errors``), and whatever was put out is sorted to where it belongs.
"""

import base64
import itertools
import json
from typing import Any

from connectors.devcluster.master.model import (
    EndLink,
    EndStream,
    Record,
    SaveRegistry,
    Settings,
    ToAgent,
    ToStream,
    invariant_errors,
)
from connectors.devcluster.master.state import MasterState
from connectors.devcluster.resources import parse_attributes, parse_resources
from connectors.devcluster.wire.calls import parse_call
from tests.unit.devcluster.wire_check import check_message

Json = dict[str, Any]


RESOURCES = "cpus:4;mem:8192;disk:10000;ports:[31000-31999]"
AWARE = [{"type": "PARTITION_AWARE"}]


class Rig:
    """One master, with a clock that only the test moves."""

    def __init__(self, registry: Json | None = None, **settings: Any) -> None:
        self.now = 1000.0
        self._numbers = itertools.count(1)
        # Four, as the real Mesos of the contract tests is started.
        own: dict[str, Any] = {"missed_pings_max": 4, **settings}
        self.settings = Settings("127.0.0.1", 5050, **own)
        self.streams: dict[str, list[Json]] = {}
        self.ended: list[str] = []
        self.links: dict[str, list[Json]] = {}
        self.ended_links: list[str] = []
        self.journal: list[Json] = []
        self.registry: Json = registry or {}
        # What was put out, as words in their order, to see what precedes what.
        self.order: list[str] = []
        self.master = MasterState(
            self.settings, self.registry, lambda: f"m{next(self._numbers)}", self.now
        )
        self.settle()

    def settle(self) -> None:
        """Carry out what was put out, and check the books."""
        for output in self.master.take():
            match output:
                case ToStream():
                    is_operators = output.stream_id in self.master.cluster.operator.streams
                    room = "master" if is_operators else "scheduler"
                    check_message(f"{room}.Event", output.event)
                    self.streams.setdefault(output.stream_id, []).append(output.event)
                    self.order.append(f"event {output.event['type']}")
                case EndStream():
                    self.ended.append(output.stream_id)
                    self.order.append("end")
                case ToAgent():
                    self.links.setdefault(output.link_id, []).append(output.message)
                    self.order.append(f"message {output.message['type']}")
                case EndLink():
                    self.ended_links.append(output.link_id)
                case Record():
                    self.journal.append({"what": output.what, **output.facts})
                    self.order.append(f"record {output.what}")
                case SaveRegistry():
                    self.registry = output.registry
                    self.order.append("save")
        assert invariant_errors(self.master.cluster) == []

    def pass_time(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass in small steps, as the master's clock does."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(end, self.now + step)
            self.master.tick(self.now)
            self.settle()

    # Frameworks

    def subscribe(self, framework_id: str = "", **info: Any) -> "Scheduler":
        """A framework on a new stream."""
        details: Json = {
            "user": "u",
            "name": "f",
            "failover_timeout": 100.0,
            "checkpoint": True,
            "capabilities": AWARE,
            **info,
        }
        details = {k: v for k, v in details.items() if v is not None}
        suppressed = details.pop("suppressed_roles", [])
        call: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": details}}
        call["subscribe"]["suppressed_roles"] = suppressed
        if framework_id:
            call["framework_id"] = details["id"] = {"value": framework_id}
        stream_id = f"stream-{next(self._numbers)}"
        self.streams[stream_id] = []
        self.master.subscribe(parse_call(json.dumps(call).encode()), stream_id, self.now)
        self.settle()
        return Scheduler(self, stream_id)

    # Agents

    def agent(self, number: int = 1, agent_id: str | None = None, **report: Any) -> "AgentLink":
        """An agent that registers on a new link."""
        link_id = f"link-{next(self._numbers)}"
        self.links[link_id] = []
        message = {
            "agent_id": agent_id,
            "info": {
                "hostname": f"agent{number}",
                "ip": "127.0.0.1",
                "port": 5050 + number,
                "resources": parse_resources(RESOURCES).to_json(),
                "attributes": parse_attributes(f"zone:z{number}"),
            },
            "frameworks": [],
            "tasks": [],
            **report,
        }
        self.master.register(link_id, message, self.now)
        self.settle()
        return AgentLink(self, link_id)


class Scheduler:
    """One stream of a framework."""

    def __init__(self, rig: Rig, stream_id: str) -> None:
        self.rig = rig
        self.stream_id = stream_id
        first = self.events[0] if self.events else {}
        subscribed = first.get("subscribed", {})
        self.framework_id = subscribed.get("framework_id", {}).get("value", "")

    @property
    def events(self) -> list[Json]:
        """All events so far."""
        return self.rig.streams[self.stream_id]

    def kinds(self) -> list[str]:
        """The types of all events so far."""
        return [e["type"] for e in self.events]

    def fresh(self) -> list[Json]:
        """The events since the last look, heartbeats left out."""
        events = [e for e in self.events if e["type"] != "HEARTBEAT"]
        self.events.clear()
        return events

    def offers(self) -> list[Json]:
        """The offers among the fresh events."""
        return [o for e in self.fresh() if e["type"] == "OFFERS" for o in e["offers"]["offers"]]

    def statuses(self) -> list[Json]:
        """The statuses among the fresh events."""
        return [e["update"]["status"] for e in self.fresh() if e["type"] == "UPDATE"]

    def call(self, kind: str, body: Json | None = None, stream_id: str | None = "own") -> int:
        """The status of a call's answer."""
        message: Json = {"type": kind, "framework_id": {"value": self.framework_id}}
        if body is not None:
            message[kind.lower()] = body
        request = parse_call(json.dumps(message).encode())
        sent = self.stream_id if stream_id == "own" else stream_id
        answer = self.rig.master.call(request, sent, self.rig.now)
        self.rig.settle()
        return answer.status

    def launch(self, offers: list[Json], *tasks: Json, refuse_seconds: float = 0.0) -> None:
        """Launch the tasks on the offers."""
        body = {
            "offer_ids": [o["id"] for o in offers],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}],
            "filters": {"refuse_seconds": refuse_seconds},
        }
        assert self.call("ACCEPT", body) == 202

    def close(self) -> None:
        """Lose the connection."""
        self.rig.master.stream_closed(self.stream_id, self.rig.now)
        self.rig.settle()


class AgentLink:
    """One link of an agent."""

    def __init__(self, rig: Rig, link_id: str) -> None:
        self.rig = rig
        self.link_id = link_id
        self.agent_id = next(
            (m["agent_id"] for m in self.messages if m["type"] == "REGISTERED"), ""
        )

    @property
    def messages(self) -> list[Json]:
        """All messages so far."""
        return self.rig.links[self.link_id]

    def fresh(self) -> list[Json]:
        """The messages since the last look, pings left out."""
        messages = [m for m in self.messages if m["type"] != "PING"]
        self.messages.clear()
        return messages

    def say(self, *messages: Json) -> bool:
        """Send messages to the master."""
        is_current = self.rig.master.from_agent(self.link_id, list(messages))
        self.rig.settle()
        return is_current

    def update(self, framework_id: str, task_id: str, state: str, latest: str = "") -> Json:
        """Report a task's state; the answer is the status."""
        status = {
            "task_id": {"value": task_id},
            "agent_id": {"value": self.agent_id},
            "state": state,
            "uuid": uuid_of(f"{task_id} {state}"),
            "source": "SOURCE_EXECUTOR",
            "timestamp": self.rig.now,
        }
        update = {
            "framework_id": framework_id,
            "status": status,
            "latest_state": latest or state,
        }
        assert self.say({"type": "UPDATE", "update": update})
        return status

    def close(self) -> None:
        """Lose the link."""
        self.rig.master.link_closed(self.link_id, self.rig.now)
        self.rig.settle()


def uuid_of(text: str) -> str:
    """A uuid that is the same for the same text."""
    raw = bytearray(text.encode().ljust(16, b".")[:16])
    raw[6] = 0x40 | (raw[6] & 0x0F)
    return base64.b64encode(bytes(raw)).decode()


def task_info(task_id: str, offer: Json, resources: str = "cpus:0.5;mem:64", **more: Any) -> Json:
    """A TaskInfo for the offer's agent."""
    return {
        "name": task_id,
        "task_id": {"value": task_id},
        "agent_id": offer["agent_id"],
        "resources": parse_resources(resources).to_json(),
        "command": {"value": "true"},
        **more,
    }
