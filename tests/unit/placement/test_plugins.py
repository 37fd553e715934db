"""Functions of others in placement: they weigh and refuse, and one that throws hurts its task only.

Fenzo (F6) loses the whole pass when one plug-in throws for one task.
"""

from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need
from scheduler.model.rules import PlacementRules, Plugin, Profile
from scheduler.placement.engine import Placement
from scheduler.placement.host import HostView
from scheduler.placement.plugins import Plugins
from scheduler.placement.request import Request
from tests.support.placement_notation import hosts

RULES = PlacementRules(
    profiles=(
        Profile(name="pack", weights=(("theirs", 1),)),
        Profile(name="spread", weights=(("packing", 1),)),
    ),
    plugins=(
        Plugin("constraint", "odd", "theirs", "1.0"),
        Plugin("fitness", "theirs", "theirs", "1.0"),
    ),
)


def _fitness(request: Request, host: HostView) -> int:
    if request.image == "poison":
        raise ValueError("no such thing")
    return 900 if host.host_id == "b" else 100


def _constraint(request: Request, host: HostView) -> str:
    is_odd = len(host.host_id) % 2 == 1
    return "" if is_odd or not request.image else "its name is not odd"


PLUGINS = Plugins(fitness={"theirs": _fitness}, constraints={"odd": _constraint})


def _placement(of_hosts: str) -> Placement:
    placement = Placement(RULES, PLUGINS)
    placement.put_hosts(hosts(of_hosts))
    return placement


def _request(job: str, image: str = "") -> Request:
    return Request(JobId(job), Need(1_000, 1_024), image=image)


def test_a_plugin_weighs() -> None:
    outcome = _placement("a; b; c").place(_request("j"), 1)
    assert [choice.host_id for choice in outcome.choices] == ["b"]
    assert outcome.reason is not None
    assert outcome.reason.parts == (("theirs", 900),)


def test_a_plugin_refuses_in_its_own_words() -> None:
    outcome = _placement("aa; bb").place(_request("j", image="nginx"), 1)
    assert not outcome.choices
    (refused,) = outcome.refused
    assert (refused.rule, refused.hosts, refused.missing) == ("odd", 2, "its name is not odd")


def test_a_plugin_that_throws_fails_its_task_alone() -> None:
    placement = _placement("a; b")
    assert len(placement.place(_request("before"), 1).choices) == 1
    failed = placement.place(_request("poisoned", image="poison"), 1)
    assert not failed.choices
    assert failed.left == 1
    assert "ValueError: no such thing" in failed.refused[0].missing
    after = placement.place(_request("after"), 2)
    assert [choice.host_id for choice in after.choices] == [HostId("b"), HostId("b")]
