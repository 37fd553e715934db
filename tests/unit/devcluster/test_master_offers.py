"""The master's offers: who gets them, what a refusal covers, what ACCEPT uses up."""

import pytest

from connectors.devcluster.resources import parse_resources
from tests.unit.devcluster.master_rig import Json, Rig, task_info


def cpus(offer: Json) -> float:
    return float(next(r["scalar"]["value"] for r in offer["resources"] if r["name"] == "cpus"))


def test_subscribed_then_heartbeat_then_offers() -> None:
    rig = Rig()
    rig.agent()
    assert rig.subscribe().kinds() == ["SUBSCRIBED", "HEARTBEAT", "OFFERS"]


def test_a_new_agent_is_offered_at_once() -> None:
    rig = Rig()
    framework = rig.subscribe()
    framework.fresh()
    rig.agent()
    assert len(framework.offers()) == 1


def test_all_agents_come_in_one_event() -> None:
    rig = Rig()
    for number in (1, 2, 3):
        rig.agent(number)
    framework = rig.subscribe()
    assert framework.kinds().count("OFFERS") == 1
    assert len(framework.offers()) == 3


def test_the_poorest_framework_is_served_first() -> None:
    rig = Rig()
    link = rig.agent(1)
    rich = rig.subscribe(name="rich")
    (offer,) = rich.offers()
    rich.launch([offer], task_info("big", offer, "cpus:2;mem:64"), refuse_seconds=3600)
    poor = rig.subscribe(name="poor")
    assert len(poor.offers()) == 1
    rig.agent(2)
    # The poor one holds the rest of agent 1 by now and is the richer of the two.
    assert len(rich.offers()) + len(poor.offers()) == 1
    assert link.agent_id


def test_a_refusal_covers_no_more_than_was_refused() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    framework.launch([offer], task_info("t", offer, "cpus:1;mem:64"), refuse_seconds=3600)
    rig.pass_time(5)
    assert framework.offers() == []
    # The task ends: there is more than what was refused.
    agent.update(framework.framework_id, "t", "TASK_FINISHED")
    rig.pass_time(1.1)
    (again,) = framework.offers()
    assert cpus(again) == 4.0


@pytest.mark.parametrize(
    ("refuse_seconds", "back_within"),
    [(0.0, 1.1), (0.3, 2.1), (3.0, 4.1), (-1.0, 6.1)],
)
def test_a_refusal_ends_with_an_allocation_after_its_time(
    refuse_seconds: float, back_within: float
) -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    body = {"offer_ids": [offer["id"]], "filters": {"refuse_seconds": refuse_seconds}}
    framework.call("DECLINE", body)
    rig.pass_time(max(0.0, back_within - 2.1))
    assert framework.offers() == []
    rig.pass_time(2.1)
    assert len(framework.offers()) == 1


def test_revive_makes_refusals_forgotten() -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe()
    framework.call("DECLINE", {"offer_ids": [framework.offers()[0]["id"]], "filters": {}})
    framework.call("REVIVE")
    assert len(framework.offers()) == 1


def test_a_suppressed_role_gets_nothing_and_the_other_all() -> None:
    rig = Rig()
    framework = rig.subscribe(
        capabilities=[{"type": "MULTI_ROLE"}], roles=["a", "b"], suppressed_roles=["a"]
    )
    rig.agent()
    (offer,) = framework.offers()
    assert offer["allocation_info"] == {"role": "b"}
    framework.call("SUPPRESS", {"roles": ["b", "unknown"]})
    rig.agent(2)
    assert framework.offers() == []


def test_offers_of_a_dead_stream_go_to_others() -> None:
    rig = Rig()
    rig.agent()
    first, second = rig.subscribe(name="one"), rig.subscribe(name="two")
    assert first.offers()
    assert not second.offers()
    first.close()
    rig.pass_time(1.1)
    assert second.offers()


def test_offers_of_a_new_stream_are_new_and_the_old_are_void_in_silence() -> None:
    rig = Rig()
    rig.agent()
    old = rig.subscribe()
    (void,) = old.offers()
    new = rig.subscribe(old.framework_id)
    assert old.kinds() == ["ERROR"]
    assert old.events[0]["error"]["message"] == "Framework failed over"
    assert rig.ended == [old.stream_id]
    (offer,) = new.offers()
    assert offer["id"] != void["id"]
    new.launch([void], task_info("t", void))
    (status,) = new.statuses()
    assert status["state"] == "TASK_DROPPED"


def test_an_invalid_accept_uses_its_offers_up() -> None:
    rig = Rig()
    for number in (1, 2):
        rig.agent(number)
    framework = rig.subscribe()
    both = framework.offers()
    framework.launch(both, task_info("t", both[0]))
    (status,) = framework.statuses()
    assert status["reason"] == "REASON_INVALID_OFFERS"
    rig.pass_time(1.1)
    # No filter was put on them.
    assert len(framework.offers()) == 2


def test_the_same_offer_twice_is_invalid() -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    framework.launch([offer, offer], task_info("t", offer))
    (status,) = framework.statuses()
    assert status["message"].startswith("Task launched with invalid offers: Duplicate offer ")


def test_two_offers_of_one_agent_are_used_together() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    framework.launch([offer], task_info("t", offer, "cpus:3;mem:64"))
    rig.pass_time(1.1)
    (rest,) = framework.offers()
    agent.update(framework.framework_id, "t", "TASK_FINISHED")
    rig.pass_time(1.1)
    (freed,) = framework.offers()
    framework.launch([rest, freed], task_info("big", offer, "cpus:3.5;mem:64"))
    assert framework.statuses() == []
    assert [m["type"] for m in agent.fresh()][-1] == "RUN_TASK"


def test_the_journal_has_each_launch_before_its_message() -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    rig.order.clear()
    framework.launch([offer], task_info("a", offer), task_info("b", offer))
    assert rig.order == [
        "record LAUNCH",
        "message RUN_TASK",
        "record LAUNCH",
        "message RUN_TASK",
    ]
    line = rig.journal[-1]
    assert line == {
        "what": "LAUNCH",
        "task_id": "b",
        "agent_id": offer["agent_id"]["value"],
        "offer_ids": [offer["id"]["value"]],
        "framework_id": framework.framework_id,
        "stream_id": framework.stream_id,
    }


def test_a_refused_task_is_not_in_the_journal() -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    framework.launch([offer], task_info("too-big", offer, "cpus:5"))
    assert [line["what"] for line in rig.journal] == ["MASTER_STARTED", "SUBSCRIBE"]


@pytest.mark.parametrize(
    ("operation", "state"),
    [
        ({"type": "RESERVE", "id": {"value": "op"}}, "OPERATION_ERROR"),
        ({"type": "RESERVE"}, None),
    ],
)
def test_an_operation_that_is_not_there_is_answered_only_by_its_id(
    operation: Json, state: str | None
) -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    framework.call("ACCEPT", {"offer_ids": [offer["id"]], "operations": [operation]})
    found = [e["update_operation_status"]["status"]["state"] for e in framework.fresh()]
    assert found == ([] if state is None else [state])


def test_what_would_end_a_real_master_is_400() -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    executor = {"executor_id": {"value": "e"}, "type": "DEFAULT"}
    twice = [task_info("t", offer), task_info("t", offer)]
    group = {"executor": executor, "task_group": {"tasks": twice}}
    wordy = task_info("w", offer) | {"resources": [{"name": "s", "type": "TEXT"}]}
    for operation in (
        {"type": "LAUNCH_GROUP", "launch_group": group},
        {"type": "LAUNCH", "launch": {"task_infos": [wordy]}},
    ):
        body = {"offer_ids": [offer["id"]], "operations": [operation]}
        assert framework.call("ACCEPT", body) == 400
    assert framework.statuses() == []


def test_agents_with_gpus_are_kept_for_those_who_know_of_them() -> None:
    rig = Rig()
    resources = parse_resources("cpus:4;mem:8192;gpus:2").to_json()
    link = rig.agent(1)
    info = {"hostname": "g", "ip": "127.0.0.1", "port": 5099, "attributes": []}
    rig.agent(2, info={**info, "resources": resources})
    plain = rig.subscribe()
    assert [o["agent_id"]["value"] for o in plain.offers()] == [link.agent_id]
    knowing = rig.subscribe(capabilities=[{"type": "GPU_RESOURCES"}])
    (offer,) = knowing.offers()
    assert "gpus" in {r["name"] for r in offer["resources"]}


def test_what_is_reserved_is_counted_in_the_share_of_its_role() -> None:
    rig = Rig()
    rig.agent(1)
    for number in (2, 3):
        rig.agent(number)
    framework = rig.subscribe(capabilities=[{"type": "MULTI_ROLE"}], roles=["a/x", "b"])
    roles = [o["allocation_info"]["role"] for o in framework.offers()]
    assert sorted(roles) in (["a/x", "a/x", "b"], ["a/x", "b", "b"])


def test_an_executor_holds_its_resources_until_it_ends() -> None:
    rig = Rig()
    link = rig.agent()
    framework = rig.subscribe()
    (offer,) = framework.offers()
    executor = {
        "executor_id": {"value": "e"},
        "command": {"value": "true"},
        "resources": parse_resources("cpus:1;mem:64").to_json(),
    }
    tasks = [task_info(n, offer, "cpus:0.5;mem:32", executor=executor) for n in ("t", "u")]
    for task in tasks:
        del task["command"]
    framework.launch([offer], *tasks)
    rig.pass_time(1.1)
    (rest,) = framework.offers()
    assert (cpus(rest), rest["executor_ids"]) == (2.0, [{"value": "e"}])
    ended = {"framework_id": framework.framework_id, "executor_id": "e", "status": 256}
    link.say({"type": "EXITED_EXECUTOR", **ended})
    (failure,) = [e["failure"] for e in framework.fresh() if e["type"] == "FAILURE"]
    assert (failure["executor_id"], failure["status"]) == ({"value": "e"}, 256)
    rig.pass_time(1.1)
    (freed,) = framework.offers()
    assert cpus(freed) == 1.0


def test_heartbeats_come_each_fifteen_seconds() -> None:
    rig = Rig()
    framework = rig.subscribe()
    assert framework.kinds().count("HEARTBEAT") == 1
    rig.pass_time(14.9)
    assert framework.kinds().count("HEARTBEAT") == 1
    rig.pass_time(0.2)
    assert framework.kinds().count("HEARTBEAT") == 2
