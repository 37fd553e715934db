"""Reservations and volumes without processes: their arithmetic, their survival, their answers."""

from pathlib import Path
from typing import Any

from connectors.devcluster.agent.operations import OperationBook
from connectors.devcluster.agent.volumes import Volumes
from connectors.devcluster.resources import BOTH, REFINED, from_json, parse_resources
from connectors.devcluster.speciality import special
from tests.unit.devcluster.master_rig import (
    RESOURCES,
    AgentLink,
    Json,
    Rig,
    Scheduler,
    task_info,
    uuid_of,
)

PROD = {"type": "DYNAMIC", "role": "prod"}


def amount(name: str, value: float, *reservations: Json, **more: Any) -> Json:
    resource: Json = {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}
    return {**resource, "reservations": list(reservations)} if reservations else resource


def volume(size: float, path: str = "data", **more: Any) -> Json:
    disk = {"persistence": {"id": "v"}, "volume": {"container_path": path, "mode": "RW"}}
    return amount("disk", size, PROD, disk=disk, **more)


def operation(kind: str, resources: list[Json], operation_id: str | None = None) -> Json:
    field = "volumes" if kind in ("CREATE", "DESTROY") else "resources"
    body: Json = {"type": kind, kind.lower(): {field: resources}}
    return body if operation_id is None else {**body, "id": {"value": operation_id}}


def accept(scheduler: Scheduler, offer: Json, *operations: Json) -> None:
    body = {"offer_ids": [offer["id"]], "operations": list(operations)}
    assert scheduler.call("ACCEPT", {**body, "filters": {"refuse_seconds": 0.0}}) == 202


def sent(link: AgentLink, kind: str) -> list[Json]:
    return [m for m in link.fresh() if m["type"] == kind]


# Resources


def test_reserved_and_unreserved_are_never_mixed() -> None:
    both = from_json([amount("cpus", 1.0), amount("cpus", 2.0, PROD)])
    assert both.quantities == {"cpus": 3000}
    assert not both.contains(from_json([amount("cpus", 1.5)]))
    assert both.unreserved() == from_json([amount("cpus", 1.0)])
    assert both.reserved() == {"prod": from_json([amount("cpus", 2.0, PROD)])}


def test_a_reservation_is_for_its_role_and_those_below() -> None:
    both = from_json([amount("cpus", 1.0), amount("cpus", 2.0, PROD)])
    assert both.allocatable_to("prod") == both.allocatable_to("prod/db") == both
    for role in ("*", "production", "dev"):
        assert both.allocatable_to(role) == both.unreserved()


def test_the_older_form_is_the_same() -> None:
    older = {**amount("mem", 5.0), "role": "prod", "reservation": {"principal": "p"}}
    newer = amount("mem", 5.0, {**PROD, "principal": "p"})
    assert from_json([older]) == from_json([newer])
    static = {**amount("mem", 5.0), "role": "prod"}
    assert from_json([static]) == parse_resources("mem(prod):5")
    resources = from_json([newer])
    (plain,) = resources.to_json("prod")
    assert (plain["role"], plain["reservation"]) == ("prod", {"principal": "p"})
    assert "reservations" not in plain
    (refined,) = resources.to_json("prod", style=REFINED)
    assert refined["reservations"] == newer["reservations"]
    assert not {"role", "reservation"} & refined.keys()
    assert all(from_json(resources.to_json(style=s)) == resources for s in (REFINED, BOTH))


def test_a_volume_is_whole_and_found_wherever_it_is_mounted() -> None:
    owned = from_json([volume(10.0)])
    assert not owned.contains(from_json([volume(5.0)]))
    elsewhere = from_json([volume(10.0, "other")])
    assert not owned.contains(elsewhere)
    assert owned.contains(elsewhere.aligned_to(owned))


def test_what_is_shared_is_there_once_however_many_use_it() -> None:
    shared = from_json([volume(10.0, shared={})])
    assert shared + shared == shared
    assert shared - shared == shared
    assert not shared.converted(shared, from_json([]))


def test_the_text_names_reservations_and_volumes() -> None:
    labels = {"labels": [{"key": "a", "value": "b"}, {"key": "c"}]}
    refined = {"type": "DYNAMIC", "role": "prod/x", "principal": "p", "labels": labels}
    text = from_json([amount("mem", 1.0, PROD, refined)]).text("prod")
    reserved = "(reservations: [(DYNAMIC,prod),(DYNAMIC,prod/x,p,{a: b, c})])"
    assert text == f"mem(allocated: prod){reserved}:1"
    assert from_json([volume(2.0, shared={})]).text() == (
        "disk(reservations: [(DYNAMIC,prod)])[v:data]<SHARED>:2"
    )
    assert special("cpus").text == ""


# The agent


def message(uuid: str, consumed: list[Json], converted: list[Json], **more: Any) -> Json:
    return {
        "type": "APPLY_OPERATION",
        "uuid": uuid,
        "framework_id": "f",
        "operation_id": "o",
        "consumed": consumed,
        "converted": converted,
        "info": {},
        "role": "prod",
        **more,
    }


def test_an_operation_is_carried_out_once() -> None:
    book = OperationBook(parse_resources("mem:100"))
    order = message("u1", [amount("mem", 60.0)], [amount("mem", 60.0, PROD)])
    said = book.apply(order, "a", uuid_of("1"), 0.0)
    assert said["status"]["state"] == "OPERATION_FINISHED"
    assert book.apply(order, "a", uuid_of("2"), 1.0) == said
    assert book.total.quantities == {"mem": 100_000}
    assert set(book.total.reserved()) == {"prod"}


def test_an_impossible_operation_is_dropped() -> None:
    book = OperationBook(parse_resources("mem:100"))
    order = message("u1", [amount("mem", 600.0)], [amount("mem", 600.0, PROD)])
    assert book.apply(order, "a", uuid_of("1"), 0.0)["status"]["state"] == "OPERATION_DROPPED"
    assert book.total == parse_resources("mem:100")


def test_an_answer_is_repeated_ever_more_rarely_until_it_is_acknowledged() -> None:
    book = OperationBook(parse_resources("mem:100"))
    order = message("u1", [amount("mem", 1.0)], [amount("mem", 1.0, PROD)])
    said = book.apply(order, "a", uuid_of("1"), 0.0)
    times = [t for t in range(80) if book.due(float(t))]
    assert times == [10, 30, 70]
    assert not book.acknowledge("u1", uuid_of("other"))
    assert book.acknowledge("u1", said["status"]["uuid"]["value"])
    assert not book.due(1000.0)


def test_a_new_process_finds_reservations_volumes_and_answers(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    book = OperationBook(parse_resources("mem:100;disk:100"))
    kept = Volumes(tmp_path)
    book.apply(message("u1", [amount("disk", 9.0)], [volume(9.0)]), "a", uuid_of("1"), 0.0)
    kept.keep(book)
    folder = tmp_path / "work/volumes/roles/prod/.volumes/v"
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    (folder / "f").write_text("kept")
    kept.link(sandbox, {"resources": [volume(9.0)]})
    assert (sandbox / "data" / "f").read_text() == "kept"
    kept.link(sandbox, {"resources": [volume(9.0, "/absolute"), volume(9.0, "../up")]})
    assert not (tmp_path / "up").exists()
    again = OperationBook(parse_resources("mem:100;disk:100"))
    Volumes(tmp_path).restore(again)
    assert (again.total, again.resume(0.0)) == (book.total, book.resume(0.0))
    again.apply(message("u2", [volume(9.0)], [amount("disk", 9.0)]), "a", uuid_of("2"), 0.0)
    Volumes(tmp_path).keep(again)
    assert not folder.exists()


# The master


def reserved_by(rig: Rig, *operations: Json) -> tuple[Scheduler, AgentLink, list[Json]]:
    """A framework, an agent, and the operations that the agent was sent."""
    link = rig.agent()
    framework = rig.subscribe(role="prod")
    (offer,) = framework.offers()
    link.fresh()
    accept(framework, offer, *operations)
    return framework, link, sent(link, "APPLY_OPERATION")


def answer(link: AgentLink, order: Json) -> Json:
    """Have the agent answer an operation; the result is the message."""
    said = OperationBook(parse_resources(RESOURCES)).apply(
        order, link.agent_id, uuid_of(order["uuid"]), link.rig.now
    )
    link.say(said)
    return said


def test_an_operation_that_never_arrived_is_dropped_and_undone() -> None:
    rig = Rig()
    reserve = operation("RESERVE", [amount("mem", 64.0, PROD)], "o")
    framework, link, _ = reserved_by(rig, reserve)
    framework.fresh()
    link.close()
    rig.agent(1, link.agent_id)
    (event,) = [e for e in framework.fresh() if e["type"] == "UPDATE_OPERATION_STATUS"]
    assert event["update_operation_status"]["status"]["state"] == "OPERATION_DROPPED"
    agent = rig.master.cluster.agents[link.agent_id]
    assert agent.total == parse_resources(RESOURCES)


def test_a_task_on_what_never_was_reserved_holds_nothing() -> None:
    rig = Rig()
    link = rig.agent()
    framework = rig.subscribe(role="prod")
    (offer,) = framework.offers()
    mine = [amount("mem", 64.0, PROD)]
    launched = task_info("t", offer) | {"resources": mine}
    launch = {"type": "LAUNCH", "launch": {"task_infos": [launched]}}
    accept(framework, offer, operation("RESERVE", mine, "o"), launch)
    link.close()
    again = rig.agent(1, link.agent_id)
    (registered,) = [m for m in again.messages if m["type"] == "REGISTERED"]
    assert [lost["info"]["name"] for lost in registered["reconciliations"]] == ["t"]


def test_an_operation_without_id_is_acknowledged_by_the_master() -> None:
    rig = Rig()
    framework, link, (order,) = reserved_by(rig, operation("RESERVE", [amount("mem", 64.0, PROD)]))
    said = answer(link, order)
    assert not [e for e in framework.fresh() if e["type"] == "UPDATE_OPERATION_STATUS"]
    (acknowledged,) = sent(link, "ACKNOWLEDGE_OPERATION")
    assert acknowledged["status_uuid"] == said["status"]["uuid"]["value"]
    assert not rig.master.cluster.agents[link.agent_id].operations


def test_a_torn_down_frameworks_operations_are_acknowledged() -> None:
    rig = Rig()
    reserve = operation("RESERVE", [amount("mem", 64.0, PROD)], "o")
    framework, link, (order,) = reserved_by(rig, reserve)
    framework.call("TEARDOWN")
    answer(link, order)
    assert sent(link, "ACKNOWLEDGE_OPERATION")
    assert not rig.master.cluster.agents[link.agent_id].operations


def test_a_growing_volume_is_held_until_the_agent_has_answered() -> None:
    rig = Rig()
    grow = {
        "type": "GROW_VOLUME",
        "grow_volume": {"volume": volume(10.0), "addition": amount("disk", 5.0, PROD)},
    }
    framework, link, orders = reserved_by(
        rig,
        operation("RESERVE", [amount("disk", 20.0, PROD)]),
        operation("CREATE", [volume(10.0)]),
        grow,
    )
    cluster = rig.master.cluster
    assert len(cluster.agents[link.agent_id].operations) == 3
    rig.pass_time(1.1)
    (offer,) = framework.offers()
    assert not [r for r in offer["resources"] if "disk" in r]
    book = OperationBook(parse_resources(RESOURCES))
    link.say(*(book.apply(o, link.agent_id, uuid_of(o["uuid"]), rig.now) for o in orders))
    assert cluster.agents[link.agent_id].total == book.total
    assert from_json([volume(15.0)]).aligned_to(book.total).scalars.items() <= (
        book.total.scalars.items()
    )


def test_a_new_master_hears_of_operations_before_their_framework_is_back() -> None:
    rig = Rig()
    reserve = operation("RESERVE", [amount("mem", 64.0, PROD)], "o")
    framework, link, (order,) = reserved_by(rig, reserve)
    book = OperationBook(parse_resources(RESOURCES))
    book.apply(order, link.agent_id, uuid_of("1"), rig.now)
    new = Rig(registry=rig.registry)
    link = new.agent(1, link.agent_id, **book.registration())
    (said,) = book.resume(new.now)
    link.say(said)
    assert not sent(link, "ACKNOWLEDGE_OPERATION")
    again = new.subscribe(framework.framework_id, role="prod")
    again.fresh()
    again.call("RECONCILE_OPERATIONS", {"operations": []})
    (event,) = again.fresh()
    assert event["update_operation_status"]["status"]["state"] == "OPERATION_FINISHED"
    body = {
        "agent_id": {"value": link.agent_id},
        "operation_id": {"value": "o"},
        "uuid": said["status"]["uuid"]["value"],
    }
    again.call("ACKNOWLEDGE_OPERATION_STATUS", body)
    assert sent(link, "ACKNOWLEDGE_OPERATION")
