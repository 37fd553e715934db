"""The master's frameworks: streams, failover, time-outs, teardown, updates of their information."""

import pytest

from tests.unit.devcluster.master_rig import Json, Rig, Scheduler, task_info


def running(framework: Scheduler, task_id: str = "t") -> None:
    (offer,) = framework.offers()
    framework.launch([offer], task_info(task_id, offer))


def test_a_framework_without_failover_timeout_is_removed_when_its_stream_ends() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe(failover_timeout=None)
    running(framework)
    agent.fresh()
    framework.close()
    assert [m["type"] for m in agent.fresh()] == ["SHUTDOWN_FRAMEWORK"]
    again = rig.subscribe(framework.framework_id)
    assert [e["type"] for e in again.events] == ["ERROR"]
    assert again.events[0]["error"]["message"] == "Framework has been removed"
    assert again.stream_id in rig.ended


def test_a_framework_has_its_failover_timeout_to_return() -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe(failover_timeout=10.0)
    running(framework)
    framework.close()
    rig.pass_time(9.9)
    back = rig.subscribe(framework.framework_id, failover_timeout=10.0)
    assert back.kinds()[0] == "SUBSCRIBED"
    rig.pass_time(60)
    back.call("RECONCILE", {"tasks": []})
    assert [s["state"] for s in back.statuses()] == ["TASK_STAGING"]
    back.close()
    rig.pass_time(10.1)
    assert rig.subscribe(framework.framework_id).kinds() == ["ERROR"]


def test_the_closing_of_an_old_stream_does_not_touch_the_new_one() -> None:
    rig = Rig()
    old = rig.subscribe(failover_timeout=0.0)
    new = rig.subscribe(old.framework_id, failover_timeout=0.0)
    old.close()
    assert new.call("REVIVE") == 202


def test_teardown_is_in_the_journal_before_it_happens() -> None:
    rig = Rig()
    rig.agent()
    framework = rig.subscribe()
    running(framework)
    rig.order.clear()
    assert framework.call("TEARDOWN") == 202
    assert rig.order == ["record TEARDOWN", "message SHUTDOWN_FRAMEWORK", "end"]
    assert framework.call("REVIVE") == 400


def test_calls_are_refused_by_who_calls_on_which_stream() -> None:
    rig = Rig()
    framework = rig.subscribe()
    assert framework.call("REVIVE", stream_id=None) == 400
    assert framework.call("REVIVE", stream_id="other") == 400
    framework.close()
    assert framework.call("REVIVE", stream_id=None) == 403
    assert framework.call("REVIVE") == 403
    framework.framework_id = "nobody"
    assert framework.call("REVIVE") == 400


def test_user_and_checkpoint_stay_as_they_were() -> None:
    rig = Rig()
    first = rig.subscribe(user="one", checkpoint=True)
    rig.subscribe(first.framework_id, user="two", checkpoint=False)
    info = rig.master.cluster.frameworks[first.framework_id].info
    assert (info["user"], info["checkpoint"]) == ("one", True)


def test_another_principal_is_refused_and_the_old_stream_lives() -> None:
    rig = Rig()
    first = rig.subscribe(principal="me")
    other = rig.subscribe(first.framework_id, principal="you")
    assert other.kinds() == ["ERROR"]
    assert first.call("REVIVE") == 202


@pytest.mark.parametrize(
    ("info", "part"),
    [
        ({"role": "/a"}, "start with a slash"),
        ({"role": "a//b"}, "two adjacent slashes"),
        ({"role": "."}, "cannot include '.' as a component"),
        ({"role": "-x"}, "starts with a dash"),
        ({"role": "a b"}, "contains backspace or whitespace"),
        ({"capabilities": [{"type": "MULTI_ROLE"}], "roles": ["a", "a"]}, "duplicate items"),
        ({"suppressed_roles": ["x"]}, "not contained in the list of roles"),
    ],
)
def test_an_invalid_framework_hears_why(info: Json, part: str) -> None:
    framework = Rig().subscribe(**info)
    assert framework.kinds() == ["ERROR"]
    assert part in framework.events[0]["error"]["message"]


def test_a_lost_role_takes_its_offers_along() -> None:
    rig = Rig()
    rig.agent()
    capabilities = [{"type": "MULTI_ROLE"}]
    framework = rig.subscribe(capabilities=capabilities, roles=["a"])
    (offer,) = framework.offers()
    info = {
        "user": "u",
        "name": "f",
        "checkpoint": True,
        "capabilities": capabilities,
        "roles": ["b"],
        "id": {"value": framework.framework_id},
    }
    assert framework.call("UPDATE_FRAMEWORK", {"framework_info": info}) == 200
    events = framework.fresh()
    assert events[0] == {"type": "RESCIND", "rescind": {"offer_id": offer["id"]}}
    assert events[1]["offers"]["offers"][0]["allocation_info"] == {"role": "b"}
    bad = {**info, "user": "other"}
    assert framework.call("UPDATE_FRAMEWORK", {"framework_info": bad}) == 400


def test_only_so_many_removed_frameworks_are_remembered() -> None:
    rig = Rig()
    first = rig.subscribe(failover_timeout=0.0)
    first.close()
    for _ in range(50):
        rig.subscribe(failover_timeout=0.0).close()
    # As in Mesos, an id that was forgotten can be used again.
    assert rig.subscribe(first.framework_id).kinds()[0] == "SUBSCRIBED"


def test_a_returning_framework_makes_agents_send_again_and_a_new_one_does_not() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe()
    agent.fresh()
    rig.subscribe(name="newcomer")
    assert agent.fresh() == []
    rig.subscribe(framework.framework_id)
    assert [m["type"] for m in agent.fresh()] == ["FRAMEWORK"]
