"""Masters and members: who leads and who led, and how the leader is asked to stop."""

from typing import Any

from scheduler.model.membership import MemberLabelled
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


def test_labels_are_written_on_a_member_and_removed() -> None:
    web = WebCell()
    leader = web.cell.state.leader
    path = f"{MEMBERS}/{leader}/labels"
    given = {"memberId": leader, "labels": {"rack": "7", "owner": "ada"}}
    assert call(web.app, "POST", path, given, ACTOR).json == {"id": leader}
    labels = call(web.app, "GET", f"{MEMBERS}/{leader}").json["labels"]
    assert (labels["rack"], labels["owner"]) == ("7", "ada")
    assert "flumina.epoch" in labels
    assert call(web.app, "GET", f"{MASTERS}/{leader}").json["labels"] == labels
    before = web.cell.machine.digest.value()
    assert web.cell.refolded().digest.value() == before
    assert call(web.app, "DELETE", f"{path}?keys=rack,none&why=moved", headers=ACTOR).status == 200
    assert call(web.app, "DELETE", f"{path}?keys=owner", headers=ACTOR).status == 200
    assert not web.cell.state.member_labels
    assert "rack" not in call(web.app, "GET", f"{MEMBERS}/{leader}").json["labels"]


def test_labels_of_the_cell_itself_are_neither_written_nor_removed() -> None:
    web = WebCell()
    path = f"{MEMBERS}/{web.cell.state.leader}/labels"
    written = call(web.app, "POST", path, {"labels": {"flumina.epoch": "7"}}, ACTOR)
    removed = call(web.app, "DELETE", f"{path}?keys=flumina.epoch", headers=ACTOR)
    assert (written.status, removed.status) == (400, 400)
    assert "is written by the cell itself" in removed.json["message"]
    assert removed.json["faults"][0]["field"] == "removed"


def test_labels_that_cannot_be_are_refused() -> None:
    web = WebCell()
    path = f"{MEMBERS}/{web.cell.state.leader}/labels"
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"labels": {}},
        {"labels": ["a"]},
        {"labels": {"a": 1}},
        {"labels": {"flumina.epoch": "7"}},
        {"labels": {"a": "1"}, "memberId": "other"},
        {"labels": {str(each): "x" for each in range(51)}},
    )
    for body in wrong:
        assert call(web.app, "POST", path, body, ACTOR).status == 400, body
    assert call(web.app, "POST", path, {"labels": {"a": "1"}}).status == 400  # By nobody.
    assert call(web.app, "DELETE", path, headers=ACTOR).status == 400
    nobody = f"{MEMBERS}/nobody/labels"
    assert call(web.app, "POST", nobody, {"labels": {"a": "1"}}, ACTOR).status == 404
    for number in range(50):
        web.cell.copy(
            "commands", MemberLabelled(web.cell.state.leader, ((f"l{number}", ""),), (), "op", "x")
        )
    assert call(web.app, "POST", path, {"labels": {"a": "1"}}, ACTOR).status == 429
