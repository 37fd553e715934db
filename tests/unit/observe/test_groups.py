"""Groups of hosts as their stream tells them, against a count of all hosts after each record.

Chance says which hosts come, change their group or their machine, and which rules are set.
"""

import random
from typing import Any

import pytest

from projections.cell_view import CellView
from projections.observe.agents import Agents
from projections.v3_agents import group_json, groups_json
from scheduler.model.codec import decode_record
from scheduler.model.ids import HostId, OfferId
from scheduler.model.inbound import HostOrdered, RulesAsked, Standing
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.resources import Resources
from scheduler.model.rules import InstanceGroup, PlacementRules
from tests.support.cell import CellInMemory, running_cell

ROOM = Resources(4_000, 8_192, 10_000, ())


def step(cell: CellInMemory, draw: random.Random, number: int) -> None:
    """Let something happen to a host, or to the rules."""
    host = HostId(f"h{draw.randrange(6)}")
    match draw.randrange(4):
        case 0 | 1:
            attributes = tuple(
                (name, draw.choice("abc"))
                for name in ("colour", "group", "itype")
                if draw.random() < 0.8
            )
            facts = HostFacts(f"name-of-{host}", attributes=attributes)
            cell.offers(Offer(OfferId(f"o{number}"), host, ROOM, facts))
        case 2:
            groups = tuple(InstanceGroup(each) for each in "abd" if draw.random() < 0.4)
            attribute = draw.choice(("group", "group", "colour"))
            rules = PlacementRules(instance_groups=groups, machine_group_attribute=attribute)
            cell.copy("commands", RulesAsked(rules, {}, "op", "test"))
        case _:
            standing: Standing = "enabled" if draw.random() < 0.5 else "draining"
            cell.copy("commands", HostOrdered(host, standing, "op", "test"))


def shown(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Groups by name, without what changes with every other's change."""
    return {each["id"]: {**each, "policyVersion": 0} for each in groups}


@pytest.mark.parametrize("seed", range(8))
def test_a_reader_of_the_stream_knows_every_group_as_it_is(seed: int) -> None:
    draw, cell = random.Random(seed), running_cell(hosts=2)
    view, agents = CellView(), Agents()
    for offset, data in enumerate(cell.log):
        view.apply(offset, decode_record(data))
    agents.begin(view)
    known = shown(groups_json(view))
    hosts: dict[str, Any] = {}
    told = 0
    for number in range(60):
        begin = len(cell.log)
        step(cell, draw, number)
        for offset in range(begin, len(cell.log)):
            record = decode_record(cell.log[offset])
            view.apply(offset, record)
            for kind, said, name in agents.news(view, record):
                told += 1
                if kind == "InstanceGroupUpdate":
                    known |= shown([said["instanceGroup"]])
                elif kind == "InstanceGroupRemoved":
                    del known[name]
                elif kind == "AgentInstanceUpdate":
                    hosts[name] = said["instance"]["instanceGroupId"]
        assert known == shown(groups_json(view)), number
        for name, each in known.items():
            found = group_json(view, name)
            assert found is not None
            assert shown([found])[name] == each
        later = Agents()
        later.begin(view)
        assert later.news(view, decode_record(cell.log[-1])) == [], "who begins now knows it all"
    groups = {each: found for each in hosts if (found := hosts[each])}
    assert set(groups.values()) <= known.keys(), "no host is told in a group that is gone"
    assert told > 20
