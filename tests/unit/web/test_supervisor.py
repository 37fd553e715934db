"""Masters and members: who leads and who led, and how the leader is asked to stop."""

from tests.support.asgi import call
from tests.support.web_cell import WebCell

MASTERS, MEMBERS = "/api/v3/supervisor/instances", "/api/v3/clustermembership/members"
STOP = "/api/v3/supervisor/self/stopBeingLeader"
ACTOR = {"X-Flumina-Actor": "ada"}


def test_the_leader_is_shown_with_its_state_and_its_epoch() -> None:
    web = WebCell()
    state = web.cell.state
    leader = call(web.app, "GET", f"{MASTERS}/leader").json
    assert (leader["instanceId"], leader["status"]["state"]) == (state.leader, "LeaderActivated")
    assert leader["labels"]["flumina.epoch"] == str(state.epoch)
    assert call(web.app, "GET", f"{MASTERS}/{state.leader}").json == leader
    assert call(web.app, "GET", MASTERS).json == {"items": [leader]}
    (member,) = call(web.app, "GET", MEMBERS).json["items"]
    assert (member["leadershipState"], member["active"]) == ("Leader", True)
    assert call(web.app, "GET", f"{MEMBERS}/{state.leader}").json == member
    status = call(web.app, "GET", "/api/v3/status").json
    assert (status["servingStatus"], status["leader"]) == ("SERVING", state.leader)
    assert status["leaderSinceMs"] == leader["status"]["timestamp"] > 0
    assert call(web.app, "GET", "/api/v2/status").json == status
    told = call(web.app, "GET", "/api/v2/leader").json
    assert told == {"hostname": state.leader, "cell": "test", "epoch": state.epoch}
    assert call(web.app, "GET", f"{MASTERS}/nobody").status == 404
    assert call(web.app, "GET", f"{MEMBERS}/nobody").status == 404


def test_who_led_before_is_no_leader_any_more() -> None:
    web = WebCell()
    first = web.cell.state.leader
    web.cell.elect("second")
    shown = call(web.app, "GET", MASTERS).json["items"]
    states = [(each["instanceId"], each["status"]["state"]) for each in shown]
    assert states == [("second", "LeaderActivated"), (first, "NonLeader")]


def test_the_leader_is_dismissed_by_a_record_of_its_epoch() -> None:
    web = WebCell()
    done = call(web.app, "DELETE", f"{STOP}?why=upgrade", headers=ACTOR)
    assert (done.status, done.json) == (200, {"id": web.cell.state.leader})
    assert web.cell.state.dismissed_epoch == web.cell.state.epoch
    other = call(web.app, "POST", f"{MEMBERS}/nobody/stopBeingLeader", headers=ACTOR)
    assert other.status == 409
    named = f"{MEMBERS}/{web.cell.state.leader}/stopBeingLeader"
    assert call(web.app, "POST", named, headers=ACTOR).status == 200
    assert call(web.app, "DELETE", STOP).status == 400  # Nobody has said who asks.
