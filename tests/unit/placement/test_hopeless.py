"""Proves that what fits nowhere is known at once, and only for as long as it is true."""

import msgspec
import pytest

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import PlacementRules
from scheduler.placement import hopeless
from scheduler.placement.engine import Placement
from scheduler.placement.host import HostView
from scheduler.placement.request import Request

ZONES = Constraint("zoneBalance")


def host(name: str, cpu_milli: int, **facts: object) -> HostView:
    amounts = Resources(cpu_milli, 64_000)
    view = HostView(host_id=HostId(name), free=amounts, total=amounts)
    return msgspec.structs.replace(view, **facts)


def ask(job: str, cpu_milli: int, *hard: Constraint) -> Request:
    return Request(job_id=JobId(job), need=Need(cpu_milli, 1), hard=hard)


def full(*hosts: HostView) -> Placement:
    index = Placement(PlacementRules())
    index.put_hosts(hosts)
    return index


def test_nothing_is_known_before_it_was_tried() -> None:
    index = full(host("a", 1_000))
    assert not index.is_hopeless(ask("j", 2_000))
    index.place(ask("j", 2_000), 1)
    assert index.is_hopeless(ask("j", 2_000))
    assert not index.is_hopeless(ask("k", 2_000))


def test_a_host_that_improves_for_others_changes_nothing() -> None:
    index = full(host("a", 1_000), host("b", 500))
    index.place(ask("small", 2_000), 1)
    index.place(ask("large", 8_000), 1)
    index.put_hosts([host("b", 3_000)])
    assert not index.is_hopeless(ask("small", 2_000))
    assert index.is_hopeless(ask("large", 8_000))


def test_once_somebody_took_the_room_it_is_known_again() -> None:
    index = full(host("a", 1_000))
    for job in ("j", "k"):
        index.place(ask(job, 2_000), 1)
    index.put_hosts([host("a", 2_500)])
    assert not index.is_hopeless(ask("k", 2_000))
    assert len(index.place(ask("j", 2_000), 1).choices) == 1
    assert index.is_hopeless(ask("k", 2_000))
    assert index.place(ask("k", 2_000), 1).left == 1


def test_a_fixed_rule_keeps_it_hopeless_on_hosts_with_room() -> None:
    wanted = ask("j", 2_000, Constraint("availabilityZone", values=("A",)))
    index = full(host("a", 1_000, attributes=(("zone", "A"),)), host("b", 1_000))
    index.place(wanted, 1)
    index.put_hosts([host("b", 9_000)])
    assert index.is_hopeless(wanted)
    index.put_hosts([host("a", 9_000, attributes=(("zone", "A"),))])
    assert not index.is_hopeless(wanted)


def test_an_answer_that_hangs_on_other_hosts_is_asked_anew() -> None:
    a, b = (("zone", "A"),), (("zone", "B"),)
    wanted = ask("j", 1_000, ZONES)
    index = full(host("a", 4_000, attributes=a), host("b", 500, attributes=b))
    assert len(index.place(wanted, 2).choices) == 1
    assert index.is_hopeless(wanted)
    # A task of the job in zone B makes room in zone A, where nothing has changed.
    index.put_hosts([host("b", 500, attributes=b, tasks_of_job=((JobId("j"), 1),))])
    assert not index.is_hopeless(wanted)
    assert index.place(wanted, 1).choices[0].host_id == "a"


def test_a_new_host_and_one_that_opens_are_changes() -> None:
    index = full(host("a", 1_000))
    index.place(ask("j", 2_000), 1)
    index.put_hosts([host("b", 4_000, is_schedulable=False)])
    assert index.is_hopeless(ask("j", 2_000))
    index.put_hosts([host("b", 4_000)])
    assert not index.is_hopeless(ask("j", 2_000))
    index.remove_host(HostId("b"))
    assert index.is_hopeless(ask("j", 2_000))


def test_the_table_is_bounded_and_never_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hopeless, "REMEMBERED_MAX", 10)
    index = full(host("a", 1_000))
    asked = [ask(f"j{n}", 1_100 + n) for n in range(25)]
    for each in asked:
        index.place(each, 1)
    assert index.is_hopeless(asked[-1])
    index.put_hosts([host("a", 1_105)])
    for _ in range(3):
        for each in asked[-10:]:
            index.place(each, 1)
    for each in asked:
        assert not (index.is_hopeless(each) and each.need.cpu_milli <= 1_105)


def test_more_changes_than_are_worth_looking_at_forget_everything() -> None:
    index = full(*[host(f"h{n}", 1_000) for n in range(300)])
    index.place(ask("j", 2_000), 1)
    index.put_hosts([host(f"h{n}", 1_001) for n in range(300)])
    assert not index.is_hopeless(ask("j", 2_000))
    assert index.place(ask("j", 2_000), 1).left == 1
    assert index.is_hopeless(ask("j", 2_000))
