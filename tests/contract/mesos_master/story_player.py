"""A story, played on a cluster: what each step does, and what must follow before the next.

The one thing to know: after each step it waits for what must follow from it, and then for a moment
of quiet, so that both clusters are as far when the next step begins.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

from tests.contract.mesos_master.master_client import (
    Json,
    Stream,
    agents,
    fresh_uuid,
    ports,
    request,
    scalars,
    task,
)
from tests.contract.mesos_master.stories import Step
from tests.contract.mesos_master.story_ear import Ear, described, names_of, size_of

TERMINAL: Final = {
    "TASK_FINISHED",
    "TASK_FAILED",
    "TASK_KILLED",
    "TASK_ERROR",
    "TASK_LOST",
    "TASK_DROPPED",
    "TASK_GONE",
    "TASK_GONE_BY_OPERATOR",
}
SCRIPTS: Final = {
    "good": "true",
    "failing": "exit 7",
    "signalled": "kill -9 $$",
    "short": "sleep 0.4",
}
WAIT_S: Final = 8.0
OFFERS_S: Final = 3.2


class Player(Ear):
    """One story on one cluster."""

    def play(self) -> list[Any]:
        """What came of every step."""
        self.zones = agents(self.cluster.port)
        self.framework.subscribe()
        try:
            for number, step in enumerate(self.story.steps):
                getattr(self, "_" + step.kind.lower().replace(" ", "_"))(step.what)
                self.quiet()
                self.tell(number, step)
        finally:
            self._leave()
        return self.told

    def _look(self, _: Json) -> None:
        self.pump(lambda: False, 2.4)
        held: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for offer in self.offers.values():
            for resource in offer["resources"]:
                held[self.zone_of(offer["agent_id"]) or "?"][described(resource)] += size_of(
                    resource
                )
        self.heard["offered"].append(
            {z: {k: round(v, 3) for k, v in sorted(r.items())} for z, r in sorted(held.items())}
        )
        self.heard["pages"].append(self.pages())

    def _offers_of(self, zone: str, *, at_least: float = 0.5) -> list[Json]:
        """The offers that are held of a zone, once they are large enough or time has passed."""

        def held() -> list[Json]:
            agent = self.zones[zone]
            return [o for o in self.offers.values() if o["agent_id"]["value"] == agent]

        def cpus() -> float:
            return sum(size_of(r) for o in held() for r in o["resources"] if r["name"] == "cpus")

        if not self.pump(lambda: cpus() >= at_least, OFFERS_S):
            self.heard["no offers"].append(zone)
        return held()

    def _take(self, offers: list[Json]) -> list[Json]:
        for offer in offers:
            self.offers.pop(offer["id"]["value"], None)
        self.used_offers = offers or self.used_offers
        return [o["id"] for o in offers]

    def _info_of(self, one: Json, offers: list[Json], role: str | None = None) -> Json:
        zone = self.zone_of(offers[0]["agent_id"]) if offers else "z1"
        name, kind = one["name"], one["kind"]
        self.policy[name] = one["acknowledged"]
        agent = {"value": self.zones[zone or "z1"]}
        more: Json = {}
        match kind:
            case "too big":
                more["resources"] = scalars(cpus=64)
            case "much memory":
                more["resources"] = scalars(mem=99999)
            case "wrong agent":
                other = next(z for z in ("z1", "z2") if z != zone)
                agent = {"value": self.zones[other]}
            case "no resources":
                more["resources"] = []
            case "no command":
                more["command"] = None
            case "two commands":
                more["executor"] = {"executor_id": {"value": "x"}, "command": {"value": "true"}}
            case "bad id":
                more["task_id"] = {"value": name + "/../x"}
            case "negative":
                more["resources"] = scalars(cpus=-1)
            case "ports":
                more["resources"] = [*scalars(), ports(31010, 31011)]
            case _:
                pass
        info = task(name, {"agent_id": agent}, SCRIPTS.get(kind, "exec sleep 600"), **more)
        allocated = offers[0].get("allocation_info", {}).get("role") if offers else None
        if allocated and role is None:
            for resource in info.get("resources", []):
                resource["allocation_info"] = {"role": allocated}
        return info

    def _accept(self, what: Json) -> None:
        offers = self._offers_of(what["zone"])
        if not offers:
            return
        # Offers of two roles do not go together: one role's are used.
        role = min(o.get("allocation_info", {}).get("role", "") for o in offers)
        offers = [o for o in offers if o.get("allocation_info", {}).get("role", "") == role]
        infos = [self._info_of(one, offers) for one in what["tasks"]]
        operation = {"type": "LAUNCH", "launch": {"task_infos": infos}}
        expected = self.updates + Counter(info["task_id"]["value"] for info in infos)
        self._accept_with(offers, [operation], what["refuse"])
        names = [info["task_id"]["value"] for info in infos]
        for info in infos:
            self.where.setdefault(info["task_id"]["value"], self.zone_of(info["agent_id"]) or "")
        if what["kill"]:
            self.call("KILL", {"task_id": {"value": names[0]}})
        self.pump(lambda: self.updates >= expected, WAIT_S)
        self._await_tasks(what["tasks"], names)
        self._await_return(what["zone"], what["refuse"])

    def _accept_with(self, offers: list[Json], operations: list[Json], refuse: float) -> None:
        filters = {"refuse_seconds": refuse}
        body = {"offer_ids": self._take(offers), "operations": operations, "filters": filters}
        for operation in operations:
            for info in operation.get("launch", {}).get("task_infos", []):
                self.launches[info["task_id"]["value"]] += 1
        self.call("ACCEPT", body)

    def _await_tasks(self, ones: list[Json], names: list[str]) -> None:
        def settled(one: Json, name: str) -> bool:
            state = self.states.get(name, "")
            stays = one["kind"] in ("long", "ports", "same id") or name in self.pending
            return state in TERMINAL or (state == "TASK_RUNNING" and stays)

        pairs = list(zip(ones, names, strict=True))
        if not self.pump(lambda: all(settled(one, name) for one, name in pairs), WAIT_S):
            silent = [name for one, name in pairs if not settled(one, name)]
            self.heard["silent"].append(silent)

    def _accept_oddly(self, what: Json) -> None:
        one = what["task"]
        first, second = self._offers_of("z1"), self._offers_of("z2")
        match what["how"]:
            case "no offers":
                offers: list[Json] = []
            case "ghost":
                offers = [{"id": {"value": "ghost-O1"}, "agent_id": {"value": self.zones["z1"]}}]
            case "two agents":
                offers = first[:1] + second[:1]
            case "used":
                offers = self.used_offers
            case "same twice":
                offers = [*first[:1], *first[:1]]
            case _:
                self._accept_with(first[:1], [], 0.1)
                return
        infos = [self._info_of(one, offers)]
        operation = {"type": "LAUNCH", "launch": {"task_infos": infos}}
        self._accept_with(offers, [operation], 0.1)
        self.pump(lambda: one["name"] in self.states, 2)

    def _agent_named(self, name: str, agent: str | None) -> Json:
        match agent:
            case None:
                return {}
            case "right":
                zone = self.where.get(name, "z1") or "z1"
                return {"agent_id": {"value": self.zones[zone]}}
            case "nobody":
                return {"agent_id": {"value": "nobody-S1"}}
            case zone:
                return {"agent_id": {"value": self.zones[zone]}}

    def _kill(self, what: Json) -> None:
        name = what["task"]
        live = self.states.get(name) == "TASK_RUNNING" and name not in self.pending
        body = {"task_id": {"value": name}, **self._agent_named(name, what["agent"])}
        for _ in range(1 + what["twice"]):
            self.call("KILL", body)
        self.pump(lambda: self.states.get(name) in TERMINAL, 1.5 if live else 0.3)

    def _reconcile(self, what: Json) -> None:
        tasks = [{"task_id": {"value": n}, **self._agent_named(n, a)} for n, a in what["tasks"]]
        self.call("RECONCILE", {"tasks": tasks})

    def _decline(self, what: Json) -> None:
        offers = self._offers_of(what["zone"])
        body = {"offer_ids": self._take(offers), "filters": {"refuse_seconds": what["refuse"]}}
        self.call("DECLINE", body)
        self._await_return(what["zone"], what["refuse"])

    def _await_return(self, zone: str, refuse: float) -> None:
        """What is refused for a moment is offered again before anything else happens."""
        if refuse < 1:
            agent = self.zones[zone]
            self.pump(
                lambda: any(o["agent_id"]["value"] == agent for o in self.offers.values()),
                OFFERS_S,
            )

    def _suppress(self, what: Json) -> None:
        self.call("SUPPRESS", {"roles": what["roles"]} if what["roles"] else None)

    def _revive(self, what: Json) -> None:
        self.call("REVIVE", {"roles": what["roles"]} if what["roles"] else None)

    def _acknowledge_all(self, _: Json) -> None:
        while self.pending:
            for name in list(self.pending):
                self.policy[name] = "at once"
                self.acknowledge_pending(name)
            self.quiet()

    def _acknowledge(self, what: Json) -> None:
        name = what["task"]
        status = self.pending.get(name) or self.acknowledged.get(name)
        if status is None:
            status = {"agent_id": {"value": self.zones["z1"]}, "uuid": fresh_uuid()}
        names = {**names_of(status), "task_id": {"value": name}}
        match what["how"]:
            case "right" if name in self.pending:
                self.acknowledge_pending(name)
                return
            case "wrong uuid":
                names["uuid"] = fresh_uuid()
            case "unknown task":
                names["task_id"] = {"value": "ghost9"}
            case "wrong agent":
                other = next(a for a in self.zones.values() if a != names["agent_id"]["value"])
                names["agent_id"] = {"value": other}
            case "again" if name in self.acknowledged:
                names = names_of(self.acknowledged[name])
            case _:
                return
        self.call("ACKNOWLEDGE", names)

    def _subscribe(self, _: Json) -> None:
        old, old_id = self.framework.stream, self.framework.stream.stream_id
        self.framework.subscribe()
        self.offers.clear()
        self.heard["old stream"] = self._rest_of(old)
        reply = self.framework.call("REVIVE", Mesos_Stream_Id=old_id)
        self.heard["replies"].append((reply.status, self.text(reply.text)))

    def _rest_of(self, stream: Stream) -> list[Any]:
        stream.has_ended.wait(WAIT_S)
        rest = []
        while not stream.events.empty():
            event = stream.events.get()
            if event["type"] in ("ERROR", "END OF STREAM", "RESCIND", "FAILURE"):
                rest.append((event["type"], self.text(event.get("error"))))
        return rest

    def _return(self, what: Json) -> None:
        self.framework.stream.close()
        self._await_page(lambda: not self._is_active())
        if what["meanwhile"] == "KILL":
            self.call("KILL", {"task_id": {"value": "t0"}})
        elif what["meanwhile"] is not None:
            self.call(what["meanwhile"])
        self.heard["pages"].append(self.pages())
        self._come_back()

    def _come_back(self) -> None:
        while not self.framework.stream.events.empty():
            event = self.framework.stream.events.get()
            if event["type"] == "UPDATE":
                self.seen.discard(event["update"]["status"].get("uuid", ""))
        self.framework.subscribe()
        self.offers.clear()
        self.has_ended = False

    def _is_active(self) -> bool:
        found = request(self.cluster.port, "GET", "/frameworks").json["frameworks"]
        return any(f["id"] == self.framework.framework_id and f["active"] for f in found)

    def _await_page(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "the master's pages do not come to it"
            time.sleep(0.05)

    def _update_framework(self, what: Json) -> None:
        info = {**self.framework.info, "id": {"value": self.framework.framework_id}}
        capabilities = [c for c in info["capabilities"] if c["type"] != "PARTITION_AWARE"]
        body: Json = {"framework_info": info}
        match what["change"]:
            case "aware":
                info["capabilities"] = [*capabilities, {"type": "PARTITION_AWARE"}]
            case "unaware":
                info["capabilities"] = capabilities
            case "user" | "principal" | "hostname" as field:
                info[field] = "somebody else"
            case "name":
                info["name"] = info["name"] + "+"
            case "checkpoint":
                info["checkpoint"] = not info["checkpoint"]
            case "roles":
                info["roles"] = ["other"]
            case "bad role":
                info["role" if "role" in info else "roles"] = "a/" if "role" in info else ["a/"]
            case "suppressed":
                body["suppressed_roles"] = info.get("roles", [info.get("role", "*")])
            case "failover_timeout":
                info["failover_timeout"] = 1800.0
            case _:
                info["labels"] = {"labels": [{"key": "k", "value": "v"}]}
        if self.call("UPDATE_FRAMEWORK", body).status == 200:
            self.framework.info = {k: v for k, v in info.items() if k != "id"}

    def _silent_call(self, what: Json) -> None:
        agent = {"value": self.zones["z1"]}
        bodies: dict[str, Json] = {
            "REQUEST": {"requests": []},
            "MESSAGE": {"agent_id": agent, "executor_id": {"value": "none"}, "data": "aGk="},
            "SHUTDOWN": {"agent_id": agent, "executor_id": {"value": "none"}},
            "RECONCILE_OPERATIONS": {"operations": []},
        }
        self.call(what["kind"], bodies[what["kind"]])

    # Reservations

    def _reserve(self, what: Json) -> None:
        offers = self._offers_of(what["zone"])[:1]
        if not offers:
            return
        how = what["how"]
        role = offers[0].get("allocation_info", {}).get("role") or self.framework.info.get("role")
        held = [r for r in offers[0]["resources"] if _is_reserved(r)]
        operation = self._operation(how, str(role), held)
        if operation is None:
            return
        if how != "unnamed":
            operation["id"] = {"value": f"{how}-{len(self.told)}"}
        operations = [operation]
        if how == "launch on it":
            info = self._info_of(what["task"] | {"kind": "good"}, offers, role="given")
            info["resources"] = operation["reserve"]["resources"]
            operations.append({"type": "LAUNCH", "launch": {"task_infos": [info]}})
        self._accept_with(offers, operations, 0.1)
        self.pump(lambda: any(key.startswith("operation") for key in self.heard), 2)
        if how == "launch on it":
            self._await_tasks([what["task"] | {"kind": "good"}], [what["task"]["name"]])

    def _operation(self, how: str, role: str, held: list[Json]) -> Json | None:
        amount = 9999.0 if how == "too much" else 0.5
        role = "elsewhere" if how == "other role" else role
        principal = None if how == "no principal" else "teller"
        resource: Json = {"name": "cpus", "type": "SCALAR", "scalar": {"value": amount}}
        memory: Json = {"name": "mem", "type": "SCALAR", "scalar": {"value": 64.0}}
        refines = {"type": "RESERVATION_REFINEMENT"} in self.framework.info["capabilities"]
        for each in (resource, memory):
            if refines:
                each["reservations"] = [
                    {"type": "DYNAMIC", "role": role}
                    | ({"principal": principal} if principal else {})
                ]
            else:
                each["role"] = role
                each["reservation"] = {"principal": principal} if principal else {}
            if {"type": "MULTI_ROLE"} in self.framework.info["capabilities"]:
                each["allocation_info"] = {"role": role}
        match how:
            case "unreserve" | "create" | "destroy":
                plain = [r for r in held if "disk" not in r]
                volumes = [r for r in held if "disk" in r]
                chosen = volumes if how == "destroy" else plain
                if not chosen:
                    return None
                if how == "create":
                    chosen = [r for r in chosen if r["name"] == "disk"]
                    if not chosen:
                        return None
                field = "resources" if how == "unreserve" else "volumes"
                return {"type": how.upper(), how: {field: chosen}}
            case _:
                return {"type": "RESERVE", "reserve": {"resources": [resource, memory]}}

    # Weather

    def _restart(self, what: Json) -> None:
        node = "agent" + what["zone"][1:]
        self.cluster.kill(node)
        # A master that has not noticed the end says less: both are given the time to.
        self._await_page(lambda: what["zone"] not in agents(self.cluster.port))
        self._start_node(node)

    def _lose(self, what: Json) -> None:
        self.cluster.kill("agent" + what["zone"][1:])
        agent = self.zones[what["zone"]]

        def is_lost() -> bool:
            slaves = request(self.cluster.port, "GET", "/slaves").json["slaves"]
            return agent not in {each["id"] for each in slaves}

        self._await_page(is_lost)
        self.pump(lambda: "failure" in self.heard, 2)

    def _start(self, what: Json) -> None:
        self._start_node("agent" + what["zone"][1:])

    def _start_node(self, node: str) -> None:
        self.cluster.start(node)
        self.cluster.await_agent(node)
        self._await_page(lambda: node.replace("agent", "z") in agents(self.cluster.port))
        self.pump(lambda: False, 1.5)

    def _restart_master(self, _: Json) -> None:
        self.cluster.kill("master")
        self.has_new_master = True
        self.pump(lambda: self.has_ended, WAIT_S)
        self.cluster.start("master")
        self.cluster.await_master()
        # A master that reads its registry answers 503 to whatever it is asked.
        headers = {"Content-Type": "application/json"}
        self._await_page(
            lambda: request(self.cluster.port, body="{}", headers=headers).status != 503
        )
        self._come_back()
        self._await_page(lambda: set(agents(self.cluster.port)) == set(self.zones))
        self.pump(lambda: False, 1.5)

    def _leave(self) -> None:
        for zone in self.zones:
            if zone not in agents(self.cluster.port):
                self._start({"zone": zone})
        if "principal" in self.story.info:
            self._give_back()
        self.framework.__exit__()
        self.heard["pages"].append(self.pages())
        self.tell(len(self.story.steps), Step("TEARDOWN", {}))

    def _give_back(self) -> None:
        """What was reserved would outlive the story."""
        for each in request(self.cluster.port, "GET", "/slaves").json["slaves"]:
            for held in each["reserved_resources_full"].values():
                for resource in held:
                    body = {"agent_id": {"value": each["id"]}, "resources": [resource]}
                    call = {"type": "UNRESERVE_RESOURCES", "unreserve_resources": body}
                    self.framework.call("SUPPRESS")
                    reply = request(
                        self.cluster.port,
                        path="/api/v1",
                        body=json.dumps(call),
                        headers={"Content-Type": "application/json"},
                    )
                    self.heard["given back"].append((reply.status, self.text(reply.text)))


def _is_reserved(resource: Json) -> bool:
    return bool(resource.get("reservations")) or resource.get("role", "*") != "*"
