"""Reservations and volumes for the contract tests: how they are asked for, and how they end.

The one thing to know: what a test reserves would outlive it and its framework. ``Reserving`` gives
everything back when it is left, also when the test failed. It takes no offers but when it is asked
for one, so that none passes by unseen while it waits for something else.
"""

import time
from contextlib import suppress
from typing import Any

from tests.contract.mesos_master.master_client import PATIENCE_S, Framework, Json, request

PRINCIPAL = "builder"
CAPABILITIES = ("MULTI_ROLE", "PARTITION_AWARE", "RESERVATION_REFINEMENT")


def dynamic(role: str, principal: str | None = PRINCIPAL, **more: Any) -> Json:
    """A dynamic reservation."""
    named = {} if principal is None else {"principal": principal}
    return {"type": "DYNAMIC", "role": role, **named, **more}


def amount(name: str, value: float, *reservations: Json, **more: Any) -> Json:
    """A scalar, reserved in these steps."""
    resource: Json = {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}
    return {**resource, "reservations": list(reservations)} if reservations else resource


def volume(size: float, persistence_id: str, *reservations: Json, **more: Any) -> Json:
    """A persistent volume at ``data`` in the sandbox."""
    disk = {
        "persistence": {"id": persistence_id, "principal": PRINCIPAL},
        "volume": {"container_path": "data", "mode": "RW"},
    }
    return amount("disk", size, *reservations, disk=disk, **more)


def operation(kind: str, resources: list[Json], operation_id: str | None = None) -> Json:
    """RESERVE, UNRESERVE, CREATE or DESTROY."""
    field = "volumes" if kind in ("CREATE", "DESTROY") else "resources"
    return named({"type": kind, kind.lower(): {field: resources}}, operation_id)


def named(body: Json, operation_id: str | None) -> Json:
    """The operation with an id, so that it is answered."""
    return body if operation_id is None else {**body, "id": {"value": operation_id}}


class Reserving(Framework):
    """A framework of one role that reserves; nothing it reserved is left behind."""

    def __init__(self, port: int, role: str, *, is_guest: bool = False, **info: Any) -> None:
        """A guest leaves what its role has to somebody else, who still uses it."""
        self._is_guest = is_guest
        capabilities = info.pop("capabilities", CAPABILITIES)
        super().__init__(
            port,
            **{
                "principal": PRINCIPAL,
                "capabilities": [{"type": c} for c in capabilities],
                "roles": [role] if "MULTI_ROLE" in capabilities else None,
                "role": None if "MULTI_ROLE" in capabilities else role,
                **info,
            },
        )
        self.role = role

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._is_guest or not any(self.role in s["reserved_resources"] for s in self._agents()):
            return
        capabilities = [*CAPABILITIES, "SHARED_RESOURCES"]
        cleaner = Reserving(self.port, self.role, capabilities=capabilities)
        with suppress(AssertionError):
            cleaner.subscribe().clean()
        Framework.__exit__(cleaner)

    def _agents(self) -> list[Json]:
        return list(request(self.port, "GET", "/slaves").json["slaves"])

    def clean(self) -> None:
        """Destroy and unreserve all that the role has, as it is offered."""
        deadline = time.monotonic() + PATIENCE_S
        while any(self.role in s["reserved_resources"] for s in self._agents()):
            assert time.monotonic() < deadline, f"reservations of {self.role} are left"
            self.call("REVIVE")
            for offer in self.await_event("OFFERS")["offers"]["offers"]:
                reserved = [r for r in offer["resources"] if r.get("reservations")]
                volumes = [r for r in reserved if "disk" in r]
                bare = [
                    {k: v for k, v in r.items() if k not in ("disk", "shared")} for r in volumes
                ]
                plain = [r for r in reserved if "disk" not in r]
                operations = [operation("DESTROY", [v]) for v in volumes]
                operations += [operation("UNRESERVE", [r]) for r in [*bare, *plain]]
                self.accept([offer], *operations)

    def accept(self, offers: list[Json], *operations: Json, refuse_seconds: float = 0.0) -> None:
        """Carry out operations on the offers; there are no others until ``offer_of``."""
        assert self.call("SUPPRESS").status == 202
        body = {
            "offer_ids": [o["id"] for o in offers],
            "operations": list(operations),
            "filters": {"refuse_seconds": refuse_seconds},
        }
        reply = self.call("ACCEPT", body)
        assert (reply.status, reply.text) == (202, "")

    def offer_of(self, agent_id: str) -> Json:
        """An offer of this agent, as of now."""
        assert self.call("REVIVE").status == 202
        return super().offer_of(agent_id)

    def launch(self, offers: list[Json], tasks: list[Json], refuse_seconds: float = 0.0) -> None:
        """Launch the tasks on the offers."""
        launch = {"type": "LAUNCH", "launch": {"task_infos": tasks}}
        self.accept(offers, launch, refuse_seconds=refuse_seconds)

    def await_operation(self, operation_id: str, patience_s: float = PATIENCE_S) -> Json:
        """The next status of an operation."""
        event = self.await_event(
            "UPDATE_OPERATION_STATUS",
            lambda e: bool(
                e["update_operation_status"]["status"]["operation_id"]["value"] == operation_id
            ),
            patience_s,
        )
        return dict(event["update_operation_status"]["status"])

    def acknowledge_operation(self, status: Json) -> None:
        """Acknowledge a status of an operation."""
        body = {
            "agent_id": status["agent_id"],
            "uuid": status["uuid"]["value"],
            "operation_id": status["operation_id"],
        }
        assert self.call("ACKNOWLEDGE_OPERATION_STATUS", body).status == 202

    def done(self, offer: Json, *operations: Json) -> Json:
        """Carry out operations with ids on an offer; the answer is the agent's next offer."""
        self.accept([offer], *operations)
        for item in operations:
            if "id" in item:
                status = self.await_operation(item["id"]["value"])
                assert status["state"] == "OPERATION_FINISHED", status
                self.acknowledge_operation(status)
        return self.offer_of(offer["agent_id"]["value"])

    def ask(self, *questions: tuple[str, str | None]) -> list[Json]:
        """The answers to RECONCILE_OPERATIONS about ids of operations and agents."""
        asked = []
        for operation_id, agent_id in questions:
            question: Json = {"operation_id": {"value": operation_id}}
            asked.append(question if agent_id is None else {**question, **_agent(agent_id)})
        assert self.call("RECONCILE_OPERATIONS", {"operations": asked}).status == 202
        events = self.events_for(0.4)
        kind = "UPDATE_OPERATION_STATUS"
        return [e[kind.lower()]["status"] for e in events if e["type"] == kind]


def _without_volume(resource: Json) -> Json:
    return {k: v for k, v in resource.items() if k not in ("disk", "shared")}


def _agent(agent_id: str) -> Json:
    return {"agent_id": {"value": agent_id}}


def held(offer: Json, name: str, role: str | None = None) -> float:
    """How much of a scalar an offer holds, reserved to a role (None: to nobody), volumes apart."""
    sizes = (
        r["scalar"]["value"]
        for r in offer["resources"]
        if r["name"] == name and "disk" not in r and reserved_to(r) == role
    )
    return float(sum(sizes))


def reserved_to(resource: Json) -> str | None:
    """The role that a resource is reserved to, in either form."""
    if resource.get("reservations"):
        return str(resource["reservations"][-1]["role"])
    return None if resource.get("role", "*") == "*" else str(resource["role"])


def volumes_in(offer: Json) -> dict[str, float]:
    """The sizes of the volumes in an offer, by their ids."""
    return {
        r["disk"]["persistence"]["id"]: r["scalar"]["value"]
        for r in offer["resources"]
        if "persistence" in r.get("disk", {})
    }
