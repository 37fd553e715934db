"""RESERVE, CREATE and the other operations of ACCEPT: what they do, and what they are answered."""

import pytest

from tests.contract.mesos_master.master_client import (
    QUIET_S,
    Framework,
    Json,
    fresh_uuid,
    request,
    scalars,
    task,
)
from tests.contract.mesos_master.reservations import (
    Reserving,
    amount,
    dynamic,
    held,
    named,
    operation,
    volume,
    volumes_in,
)

pytestmark = pytest.mark.integration

GOLD = dynamic("gold")
OURS = {"role": "gold", "reservation": {"principal": "builder"}}
ON_AGENT = "; on agent "
MALFORMED = "Operation attempted with invalid resources: "


def unreserved(name: str, value: float) -> Json:
    """A scalar that is reserved to nobody."""
    return amount(name, value)


def grow(size: float, by: Json, operation_id: str | None = None) -> Json:
    """GROW_VOLUME of the volume ``v``."""
    body = {"volume": volume(size, "v", GOLD), "addition": by}
    return named({"type": "GROW_VOLUME", "grow_volume": body}, operation_id)


def shrink(size: float, by: float, operation_id: str | None = None) -> Json:
    """SHRINK_VOLUME of the volume ``v``."""
    body = {"volume": volume(size, "v", GOLD), "subtract": {"value": by}}
    return named({"type": "SHRINK_VOLUME", "shrink_volume": body}, operation_id)


def make_volume(framework: Reserving, offer: Json) -> Json:
    """The next offer, with 100 of disk reserved and 60 of it the volume ``v``."""
    return framework.done(
        offer,
        operation("RESERVE", [amount("disk", 100.0, GOLD)], "reserve"),
        operation("CREATE", [volume(60.0, "v", GOLD)], "create"),
    )


def test_reserve_and_unreserve_are_answered_and_seen_in_offers(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = framework.offers(2)[0]
        agent_id = offer["agent_id"]
        framework.accept([offer], operation("RESERVE", [amount("cpus", 1.5, GOLD)], "o1"))
        status = framework.await_operation("o1")
        assert set(status) == {"operation_id", "state", "uuid", "agent_id"}
        assert (status["state"], status["agent_id"]) == ("OPERATION_FINISHED", agent_id)
        framework.acknowledge_operation(status)
        offer = framework.offer_of(agent_id["value"])
        assert (held(offer, "cpus", "gold"), held(offer, "cpus")) == (1.5, 2.5)
        (mine,) = [r for r in offer["resources"] if r.get("reservations")]
        assert mine == {
            "name": "cpus",
            "type": "SCALAR",
            "scalar": {"value": 1.5},
            "allocation_info": {"role": "gold"},
            "reservations": [GOLD],
        }
        offer = framework.done(offer, operation("UNRESERVE", [amount("cpus", 0.5, GOLD)], "o2"))
        assert (held(offer, "cpus", "gold"), held(offer, "cpus")) == (1.0, 3.0)


def test_a_framework_without_refinement_uses_the_older_form(port: int) -> None:
    with Reserving(port, "gold", capabilities=["PARTITION_AWARE"]) as framework:
        offer = framework.offers(2)[0]
        offer = framework.done(offer, operation("RESERVE", [{**amount("mem", 64.0), **OURS}], "o"))
        (mine,) = [r for r in offer["resources"] if r["role"] == "gold"]
        assert mine["reservation"] == {"principal": "builder"}
        assert "reservations" not in mine
        assert all(r["role"] == "*" for r in offer["resources"] if r is not mine)


def test_reserved_resources_are_offered_to_their_role_only(port: int) -> None:
    with Reserving(port, "gold") as gold:
        offer = gold.done(gold.offers(2)[0], operation("RESERVE", [amount("cpus", 1.0, GOLD)], "o"))
        agent_id = offer["agent_id"]["value"]
        gold.decline([offer], 3600.0)
        with Framework(port, role="silver") as silver:
            theirs = silver.offer_of(agent_id)
            assert (held(theirs, "cpus", "gold"), held(theirs, "cpus")) == (0.0, 3.0)
        below = [{"type": "MULTI_ROLE"}]
        with Framework(port, capabilities=below, roles=["gold/leaf"]) as leaf:
            # What is reserved to a role may be used by those below it.
            assert held(leaf.offer_of(agent_id), "cpus", "gold") == 1.0


def test_the_state_shows_what_is_reserved(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = make_volume(framework, framework.offers(2)[0])
        slaves = request(port, "GET", "/slaves").json["slaves"]
        (slave,) = [s for s in slaves if s["id"] == offer["agent_id"]["value"]]
        assert slave["reserved_resources"]["gold"]["disk"] == 100.0
        assert slave["unreserved_resources"]["disk"] == 9900.0
        full = slave["reserved_resources_full"]["gold"]
        assert sorted(r["scalar"]["value"] for r in full) == [40.0, 60.0]
        assert all(r["role"] == "gold" and r["reservations"] == [GOLD] for r in full)


def test_a_task_of_the_same_accept_uses_what_was_just_reserved(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = framework.offers(2)[0]
        mine = amount("mem", 48.0, GOLD)
        info = task("quick", offer, "exec sleep 600", resources=[unreserved("cpus", 0.1), mine])
        launch = {"type": "LAUNCH", "launch": {"task_infos": [info]}}
        framework.accept([offer], operation("RESERVE", [mine], "o"), launch)
        assert framework.await_operation("o")["state"] == "OPERATION_FINISHED"
        framework.acknowledge(framework.await_state("quick", "TASK_RUNNING"))
        rest = framework.offer_of(offer["agent_id"]["value"])
        assert held(rest, "mem", "gold") == 0.0
        framework.kill("quick")
        framework.await_state("quick", "TASK_KILLED")
        again = framework.offer_of(offer["agent_id"]["value"])
        assert held(again, "mem", "gold") == 48.0


def test_labels_tell_reservations_apart(port: int) -> None:
    labels = {"labels": [{"key": "x", "value": "y"}, {"key": "z"}]}
    labelled = dynamic("gold", labels=labels)
    with Reserving(port, "gold") as framework:
        offer = framework.offers(2)[0]
        offer = framework.done(
            offer,
            operation("RESERVE", [amount("mem", 32.0, labelled)], "o1"),
            operation("RESERVE", [amount("mem", 16.0, GOLD)], "o2"),
        )
        sizes = [r["scalar"]["value"] for r in offer["resources"] if r.get("reservations")]
        assert sorted(sizes) == [16.0, 32.0]
        framework.accept([offer], operation("UNRESERVE", [amount("mem", 99.0, labelled)], "o3"))
        message = framework.await_operation("o3")["message"]
        text = "mem(allocated: gold)(reservations: [(DYNAMIC,gold,builder,{x: y, z})])"
        assert message.endswith(f" does not contain {text}:99")


def test_a_volume_keeps_what_was_written(port: int, is_real: bool) -> None:
    with Reserving(port, "gold") as framework:
        offer = make_volume(framework, framework.offers(2)[0])
        assert volumes_in(offer) == {"v": 60.0}
        with_volume = [*scalars(), volume(60.0, "v", GOLD)]
        # The stand-in for Mesos' containerizer mounts no volumes.
        write, read = ("true", "true") if is_real else ("echo kept >data/f", "grep kept data/f")
        for name, script in (("writer", write), ("reader", read)):
            framework.launch([offer], [task(name, offer, script, resources=with_volume)])
            framework.acknowledge(framework.await_state(name, "TASK_FINISHED"))
            offer = framework.offer_of(offer["agent_id"]["value"])
            while not volumes_in(offer):
                framework.decline([offer], 0.0)
                offer = framework.offer_of(offer["agent_id"]["value"])


def test_a_volume_is_used_whole_and_by_one_task(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = make_volume(framework, framework.offers(2)[0])
        half = [*scalars(), volume(30.0, "v", GOLD)]
        whole = [*scalars(), volume(60.0, "v", GOLD)]
        tasks = [
            task("half", offer, resources=half),
            task("first", offer, resources=whole),
            task("second", offer, resources=whole),
            task("twice", offer, resources=[*whole, volume(60.0, "v", GOLD)]),
        ]
        framework.launch([offer], tasks)
        refused = {s["task_id"]["value"]: s for s in (framework.await_update("half"),)}
        for name in ("second", "twice"):
            refused[name] = framework.await_update(name)
        assert {s["state"] for s in refused.values()} == {"TASK_ERROR"}
        for name in ("half", "second"):
            assert refused[name]["message"].startswith("Total resources ")
        assert refused["twice"]["message"] == (
            "Task uses duplicate persistence ID: Persistence ID 'v' is not unique"
        )


def test_a_volume_in_use_is_not_destroyed(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = make_volume(framework, framework.offers(2)[0])
        whole = [*scalars(), volume(60.0, "v", GOLD)]
        launch = {
            "type": "LAUNCH",
            "launch": {"task_infos": [task("user", offer, resources=whole)]},
        }
        framework.accept([offer], launch, operation("DESTROY", [volume(60.0, "v", GOLD)], "o"))
        assert framework.await_operation("o")["message"].startswith("Persistent volumes in use; on")


def test_a_volume_grows_and_shrinks(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = make_volume(framework, framework.offers(2)[0])
        offer = framework.done(offer, grow(60.0, amount("disk", 15.0, GOLD), "o1"))
        assert (volumes_in(offer), held(offer, "disk", "gold")) == ({"v": 75.0}, 25.0)
        offer = framework.done(offer, shrink(75.0, 70.0, "o2"))
        # A real allocator offers only a part of the freed disk while this framework lives.
        assert volumes_in(offer) == {"v": 5.0}


def test_a_growing_volume_cannot_be_used_in_the_same_accept(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = make_volume(framework, framework.offers(2)[0])
        grown = [*scalars(), volume(70.0, "v", GOLD)]
        launch = {
            "type": "LAUNCH",
            "launch": {"task_infos": [task("hasty", offer, resources=grown)]},
        }
        framework.accept([offer], grow(60.0, amount("disk", 10.0, GOLD)), launch)
        assert framework.await_update("hasty")["state"] == "TASK_ERROR"
        offer = framework.offer_of(offer["agent_id"]["value"])
        while not volumes_in(offer):
            framework.decline([offer], 0.0)
            offer = framework.offer_of(offer["agent_id"]["value"])
        assert volumes_in(offer) == {"v": 70.0}


# Name to (operation without id, how the message begins).
REFUSED: dict[str, tuple[Json, str]] = {
    "reserve too much": (
        operation("RESERVE", [amount("mem", 99999.0, GOLD)]),
        "* does not contain mem(allocated: gold):99999",
    ),
    "reserve nothing": (
        operation("RESERVE", []),
        "Invalid resources: The resources have multiple resource providers: ; on agent ",
    ),
    "reserve what stays unreserved": (
        operation("RESERVE", [unreserved("mem", 8.0)]),
        "Resource mem(allocated: gold):8 is not dynamically reserved; on agent ",
    ),
    "reserve statically": (
        operation("RESERVE", [amount("mem", 8.0, {"type": "STATIC", "role": "gold"})]),
        (
            "Resource mem(allocated: gold)(reservations: [(STATIC,gold)]):8 is not dynamically "
            "reserved; on agent "
        ),
    ),
    "reserve for another principal": (
        operation("RESERVE", [amount("mem", 8.0, dynamic("gold", "mallory"))]),
        (
            "A reserve operation was attempted by authenticated principal 'builder', which does "
            "not match a reserved resource in the request with principal 'mallory'; on agent "
        ),
    ),
    "reserve for nobody": (
        operation("RESERVE", [amount("mem", 8.0, dynamic("gold", None))]),
        (
            "A reserve operation was attempted by principal 'builder', but there is a reserved "
            "resource in the request with no principal set; on agent "
        ),
    ),
    "reserve for another role": (
        operation("RESERVE", [amount("mem", 8.0, dynamic("silver"))]),
        (
            "A reserve operation was attempted for a resource with role 'silver', but the "
            "resource was allocated to role 'gold'; on agent "
        ),
    ),
    "refine for a role below": (
        operation("RESERVE", [amount("mem", 8.0, GOLD, dynamic("gold/a"))]),
        (
            "A reserve operation was attempted for a resource with role 'gold/a', but the "
            "resource was allocated to role 'gold'; on agent "
        ),
    ),
    "refine for a stranger": (
        operation("RESERVE", [amount("mem", 8.0, GOLD, dynamic("silver"))]),
        (
            f"{MALFORMED}Resource 'mem(reservations: [(DYNAMIC,gold,builder),(DYNAMIC,silver,"
            "builder)]):8' is invalid: Invalid refined reservation: role 'silver' is not a "
            "refinement of 'gold'"
        ),
    ),
    "reserve for everybody": (
        operation("RESERVE", [amount("mem", 8.0, dynamic("*"))]),
        (
            f"{MALFORMED}Resource 'mem(reservations: [(DYNAMIC,*,builder)]):8' is invalid: "
            'Invalid reservation: role "*" cannot be reserved'
        ),
    ),
    "reserve for no role": (
        operation("RESERVE", [amount("mem", 8.0, dynamic("gold//x"))]),
        (
            f"{MALFORMED}Resource 'mem(reservations: [(DYNAMIC,gold//x,builder)]):8' is invalid: "
            "Role 'gold//x' cannot contain two adjacent slashes"
        ),
    ),
    "reservation without type": (
        operation("RESERVE", [amount("mem", 8.0, {"role": "gold", "principal": "builder"})]),
        (
            f"{MALFORMED}Resource 'mem(reservations: [(UNKNOWN,gold,builder)]):8' is invalid: "
            "Invalid reservation: 'Resource.ReservationInfo.type' field must be set."
        ),
    ),
    "both forms": (
        operation("RESERVE", [amount("mem", 8.0, GOLD, role="gold")]),
        (
            f"{MALFORMED}Resource 'mem(reservations: [(DYNAMIC,gold,builder)]):8' is invalid: "
            "Invalid resource format: 'Resource.role' and 'Resource.reservation' must either be "
            "both set or both not set if the single reservation in 'Resource.reservations' is "
            "DYNAMIC"
        ),
    ),
    "reserve revocable": (
        operation("RESERVE", [amount("mem", 8.0, GOLD, revocable={})]),
        (
            "Invalid resources: Invalid ReservationInfo: Dynamically reserved resource "
            "mem(allocated: gold)(reservations: [(DYNAMIC,gold,builder)]){REV}:8 cannot be "
            "created from revocable resources; on agent "
        ),
    ),
    "reserve less than nothing": (
        operation("RESERVE", [amount("mem", -8.0, GOLD)]),
        (
            f"{MALFORMED}Resource 'mem(reservations: [(DYNAMIC,gold,builder)]):-8' is invalid: "
            "Invalid scalar resource: value <= 0"
        ),
    ),
    "unreserve what is unreserved": (
        operation("UNRESERVE", [unreserved("mem", 8.0)]),
        "Resource mem(allocated: gold):8 is not dynamically reserved; on agent ",
    ),
    "unreserve what is not there": (
        operation("UNRESERVE", [amount("mem", 8.0, GOLD)]),
        ("* does not contain mem(allocated: gold)(reservations: [(DYNAMIC,gold,builder)]):8"),
    ),
    "unreserve a volume": (
        operation("UNRESERVE", [volume(8.0, "x", GOLD)]),
        (
            "A dynamically reserved persistent volume disk(allocated: gold)(reservations: "
            "[(DYNAMIC,gold,builder)])[x:data]:8 cannot be unreserved directly. Please destroy "
            "the persistent volume first then unreserve the resource; on agent "
        ),
    ),
    "create on what is unreserved": (
        operation("CREATE", [volume(8.0, "x")]),
        (
            "Invalid resources: Invalid DiskInfo: Persistent volumes cannot be created from "
            "unreserved resources; on agent "
        ),
    ),
    "create on what is not there": (
        operation("CREATE", [volume(8.0, "x", GOLD)]),
        ("* does not contain disk(allocated: gold)(reservations: [(DYNAMIC,gold,builder)]):8"),
    ),
    "create of memory": (
        operation("CREATE", [{**volume(8.0, "x", GOLD), "name": "mem"}]),
        (
            f"{MALFORMED}Resource 'mem(reservations: [(DYNAMIC,gold,builder)])[x:data]:8' is "
            "invalid: DiskInfo should not be set for mem resource"
        ),
    ),
    "create without volume": (
        operation("CREATE", [amount("disk", 8.0, GOLD)]),
        (
            "Not a persistent volume: Resource disk(allocated: gold)(reservations: "
            "[(DYNAMIC,gold,builder)]):8 does not have DiskInfo; on agent "
        ),
    ),
    "create with a bad id": (
        operation("CREATE", [volume(8.0, "a/b", GOLD)]),
        (
            "Invalid resources: Invalid DiskInfo: Invalid persistence ID for persistent volume: "
            "'a/b' contains invalid characters; on agent "
        ),
    ),
    "create shared without the capability": (
        operation("CREATE", [volume(8.0, "x", GOLD, shared={})]),
        (
            "Create volume operation for 'disk(allocated: gold)(reservations: "
            "[(DYNAMIC,gold,builder)])[x:data]<SHARED>:8' has been attempted by framework "
        ),
    ),
    "create the same twice": (
        operation("CREATE", [volume(8.0, "x", GOLD), volume(8.0, "x", GOLD)]),
        "Persistence ID 'x' is not unique; on agent ",
    ),
    "destroy what is not there": (
        operation("DESTROY", [volume(8.0, "x", GOLD)]),
        "Persistent volumes not found; on agent ",
    ),
    "destroy what is no volume": (
        operation("DESTROY", [amount("disk", 8.0, GOLD)]),
        (
            "Not a persistent volume: Resource disk(reservations: [(DYNAMIC,gold,builder)]):8 "
            "does not have DiskInfo; on agent "
        ),
    ),
    "grow by nothing": (
        grow(8.0, amount("disk", 0.0, GOLD)),
        "The size of 'GrowVolume.addition' field must be greater than zero; on agent ",
    ),
    "grow by what is unreserved": (
        grow(8.0, unreserved("disk", 8.0)),
        "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields; on ",
    ),
    "grow what is not there": (
        grow(8.0, amount("disk", 8.0, GOLD)),
        "Invalid GROW_VOLUME operation: ",
    ),
    "shrink by less than nothing": (
        shrink(8.0, -1.0),
        "Value of 'ShrinkVolume.subtract' must be greater than zero; on agent ",
    ),
    "shrink to nothing": (
        shrink(8.0, 8.0),
        (
            "Value of 'ShrinkVolume.subtract' must be smaller than the size of "
            "'ShrinkVolume.volume'; on agent "
        ),
    ),
    "create disk": (
        {
            "type": "CREATE_DISK",
            "create_disk": {"source": unreserved("disk", 8.0), "target_type": "MOUNT"},
        },
        "'source' is not managed by a resource provider; on agent ",
    ),
    "destroy disk": (
        {"type": "DESTROY_DISK", "destroy_disk": {"source": unreserved("disk", 8.0)}},
        "'source' is not managed by a resource provider; on agent ",
    ),
    "no RESERVE in it": (
        {"type": "RESERVE"},
        (f"{MALFORMED}A RESERVE offer operation must have the Offer.Operation.reserve field set."),
    ),
    "no UNRESERVE in it": (
        {"type": "UNRESERVE"},
        (
            f"{MALFORMED}An UNRESERVE offer operation must have the Offer.Operation.unreserve "
            "field set."
        ),
    ),
    "no GROW_VOLUME in it": (
        {"type": "GROW_VOLUME"},
        (f"{MALFORMED}A GROW_VOLUME operation must have the Offer.Operation.grow_volume field set"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_operation_is_an_error_with_mesos_words(port: int, name: str) -> None:
    body, begin = REFUSED[name]
    with Reserving(port, "gold") as framework:
        offer = framework.offers()[0]
        framework.accept([offer], named(body, "wrong"))
        status = framework.await_operation("wrong")
        assert (status["state"], set(status)) == (
            "OPERATION_ERROR",
            {"operation_id", "state", "message"},
        )
        if begin.startswith("*"):
            assert status["message"].endswith(begin[1:])
        elif begin.endswith(ON_AGENT):
            agent = f"{offer['agent_id']['value']} at slave(1)@127.0.0.1:"
            assert status["message"].startswith(begin + agent)
        else:
            assert status["message"].startswith(begin)


def test_an_invalid_operation_without_id_is_dropped_silently(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = framework.offers()[0]
        too_much = operation("RESERVE", [amount("mem", 99999.0, GOLD)])
        framework.accept([offer], too_much, {"type": "RESERVE"}, refuse_seconds=3600.0)
        events = framework.events_for(QUIET_S)
        assert not [e for e in events if e["type"] == "UPDATE_OPERATION_STATUS"]


def test_operations_on_offers_that_are_not_there(port: int) -> None:
    with Reserving(port, "gold") as framework:
        reserve = operation("RESERVE", [amount("mem", 8.0, GOLD)], "o")
        framework.accept([{"id": {"value": "ghost"}}], reserve)
        status = framework.await_operation("o")
        text = "Operation attempted with invalid offers: Offer ghost is no longer valid"
        assert (status["state"], status["message"]) == ("OPERATION_ERROR", text)
        framework.accept([], reserve)
        text = "Operation attempted with invalid offers: No offers specified"
        assert framework.await_operation("o")["message"] == text


def test_a_launch_cannot_have_an_id(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        launch = {
            "type": "LAUNCH",
            "id": {"value": "o"},
            "launch": {"task_infos": [task("t", offer)]},
        }
        framework.call("ACCEPT", {"offer_ids": [offer["id"]], "operations": [launch]})
        status = framework.await_update("t")
        assert status["message"] == "The `id` field cannot be set on LAUNCH operations"


def test_feedback_is_reconciled_until_it_is_acknowledged(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = framework.offers(2)[0]
        agent_id = offer["agent_id"]["value"]
        assert framework.ask() == []
        framework.accept([offer], operation("RESERVE", [amount("mem", 8.0, GOLD)], "o"))
        status = framework.await_operation("o")
        known = {
            "operation_id": {"value": "o"},
            "state": "OPERATION_FINISHED",
            "agent_id": {"value": agent_id},
        }
        assert framework.ask() == [known]
        for asked_agent in (None, agent_id, "nobody"):
            assert framework.ask(("o", asked_agent)) == [known]
        body = {"agent_id": {"value": agent_id}, "operation_id": {"value": "o"}}
        foreign = {**body, "uuid": fresh_uuid()}
        assert framework.call("ACKNOWLEDGE_OPERATION_STATUS", foreign).status == 202
        assert framework.ask() == [known]
        framework.acknowledge_operation(status)
        assert framework.ask() == []
        framework.acknowledge_operation(status)


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (None, "Operation is unknown and no 'agent_id' was provided"),
        ("own", "Operation is unknown"),
        ("nobody", "Both operation and agent are unknown"),
    ],
)
def test_an_unknown_operation_is_reconciled(port: int, agent: str | None, message: str) -> None:
    with Reserving(port, "gold") as framework:
        agent_id = framework.offers()[0]["agent_id"]["value"] if agent == "own" else agent
        (status,) = framework.ask(("ghost", agent_id))
        assert status["state"] == "OPERATION_UNKNOWN"
        assert status["message"] == f"Reconciliation: {message}"
        assert status.get("agent_id", {}).get("value") == agent_id


def test_feedback_is_repeated_after_ten_seconds(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = framework.offers(2)[0]
        framework.accept([offer], operation("RESERVE", [amount("mem", 8.0, GOLD)], "o"))
        first = framework.await_operation("o")
        event = framework.await_event("UPDATE_OPERATION_STATUS", patience_s=14.0)
        assert event["update_operation_status"]["status"] == first
        framework.acknowledge_operation(first)


def test_an_id_may_be_used_again(port: int) -> None:
    with Reserving(port, "gold") as framework:
        offer = framework.offers(2)[0]
        reserve = operation("RESERVE", [amount("mem", 1.0, GOLD)], "same")
        framework.accept([offer], reserve, reserve)
        first, second = framework.await_operation("same"), framework.await_operation("same")
        assert first["state"] == second["state"] == "OPERATION_FINISHED"
        assert first["uuid"] != second["uuid"]


def test_acknowledging_an_operation_needs_its_agent(port: int) -> None:
    with Reserving(port, "gold") as framework:
        body = {"uuid": fresh_uuid(), "operation_id": {"value": "o"}}
        reply = framework.call("ACKNOWLEDGE_OPERATION_STATUS", body)
        assert reply.status == 400
        text = "Failed to validate scheduler::Call: Expecting 'agent_id' to be present"
        assert reply.text == text


def test_a_shared_volume_is_used_by_two_tasks(port: int) -> None:
    capabilities = ["MULTI_ROLE", "RESERVATION_REFINEMENT", "SHARED_RESOURCES"]
    with Reserving(port, "gold", capabilities=capabilities) as framework:
        offer = framework.offers(2)[0]
        shared = volume(8.0, "s", GOLD, shared={})
        offer = framework.done(
            offer,
            operation("RESERVE", [amount("disk", 8.0, GOLD)], "o1"),
            operation("CREATE", [shared], "o2"),
        )
        both = [task(n, offer, resources=[*scalars(), shared]) for n in ("one", "two")]
        framework.launch([offer], both)
        for name in ("one", "two"):
            framework.acknowledge(framework.await_state(name, "TASK_RUNNING"))
        offer = framework.offer_of(offer["agent_id"]["value"])
        assert volumes_in(offer) == {"s": 8.0}
        agent_id = offer["agent_id"]["value"]
        framework.decline([offer], 3600.0)
        with Reserving(port, "gold", is_guest=True) as unaware:
            assert volumes_in(unaware.offer_of(agent_id)) == {}
