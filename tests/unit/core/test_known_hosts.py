"""A fleet that comes and goes for ever is not remembered for ever; what is in use is."""

from msgspec.structs import replace

from scheduler.model.ids import HostId
from scheduler.model.inbound import HostNoiseMeasured, HostOrdered
from scheduler.model.mesos import HostFacts
from scheduler.model.policy import Policy
from scheduler.model.resources import Resources
from tests.support.cell import CellInMemory, offer_of, running_cell, service


def come_and_go(cell: CellInMemory, first: int, count: int) -> None:
    """New hosts offer something, and take it back."""
    for number in range(first, first + count):
        cell.rescind(cell.offer(f"gone-{number}"))


def test_hosts_that_are_gone_are_forgotten_oldest_first() -> None:
    cell = running_cell(hosts=2, policy=Policy(hosts_max=5))
    come_and_go(cell, 0, 20)
    assert len(cell.state.hosts) == len(cell.state.hosts_seen_at_ms) == 5
    assert {"gone-17", "gone-18", "gone-19"} <= cell.state.hosts.keys()


def test_hosts_in_use_are_never_forgotten() -> None:
    cell = running_cell(hosts=2, policy=Policy(hosts_max=1))
    (task_id,) = cell.run(service(1))
    used = cell.host_of(task_id)
    order = HostOrdered(host_id=HostId("gone-0"), standing="disabled", actor="ada", why="bad disk")
    come_and_go(cell, 0, 1)
    cell.copy("commands", order)
    come_and_go(cell, 1, 100)
    assert used in cell.state.hosts
    assert HostId("gone-0") in cell.state.hosts
    assert len(cell.state.hosts) <= 5


def test_what_was_measured_of_a_host_goes_with_it() -> None:
    cell = running_cell(hosts=0, policy=Policy(hosts_max=2))
    come_and_go(cell, 0, 2)
    for name in ("gone-0", "gone-1"):
        cell.copy("commands", HostNoiseMeasured(HostId(name), 300, "ada", "test"))
    come_and_go(cell, 2, 1)
    assert cell.state.host_noise == {HostId("gone-1"): 300}
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_a_host_of_which_nothing_was_told_is_forgotten_too() -> None:
    cell = running_cell(hosts=0, policy=Policy(hosts_max=1))
    offer = replace(offer_of("o", "bare", Resources(1_000, 1_024, 1_024)), facts=None)
    cell.offers(offer)
    assert list(cell.state.hosts_seen_at_ms) == ["bare"]
    cell.rescind(offer.offer_id)
    come_and_go(cell, 0, 1)
    assert list(cell.state.hosts_seen_at_ms) == list(cell.state.hosts) == ["gone-0"]


def test_an_instance_goes_with_the_host_that_last_said_it_was_it() -> None:
    cell = running_cell(hosts=0, policy=Policy(hosts_max=3))
    for host, instance in (("old", "i-1"), ("new", "i-1"), ("alone", "i-2")):
        facts = HostFacts(f"name-of-{host}", attributes=(("instance-id", instance), ("x", "y")))
        offer = replace(offer_of(f"o-{host}", host, Resources(1_000, 1_024, 1_024)), facts=facts)
        cell.offers(offer)
        cell.rescind(offer.offer_id)
    come_and_go(cell, 0, 1)
    assert "old" not in cell.state.hosts
    assert cell.state.hosts_of_instances == {"i-1": "new", "i-2": "alone"}
    come_and_go(cell, 1, 2)
    assert cell.state.hosts_of_instances == {}
