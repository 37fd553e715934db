"""A cell whose policy looks at GPU fragments: the mix is that of the jobs that the state has.

`CellInMemory.decide` also checks, each time, that the same state gives the same answer.
"""

from projections.simulate.policies import gpu
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks
from scheduler.model.resources import Need, Resources
from scheduler.rounds.planner import Planner
from tests.support.cell import CellInMemory, batch, offer_of, running_cell


def declared(cell: CellInMemory, host: str, gpus: int, model: str) -> None:
    resources = Resources(8_000, 8_192, gpus=gpus)
    bare = offer_of(f"{host}-{len(cell.log)}", host, resources)
    facts = HostFacts(hostname=host, attributes=(("gpu_model", model),))
    cell.offers(Offer(bare.offer_id, bare.host_id, resources, facts))


def gpu_cell() -> CellInMemory:
    """Hosts with four devices, two, and three of a rare model."""
    cell = running_cell(hosts=0, policy=Policy(placement=gpu()))
    for host, gpus, model in (("four", 4, "P100"), ("two", 2, "P100"), ("rare", 3, "T4")):
        declared(cell, host, gpus, model)
    return cell


def hosts_of(cell: CellInMemory) -> list[str]:
    return sorted(each.host_id for each in cell.proposed(LaunchTasks) for _ in each.launches)


def test_four_devices_are_kept_for_those_that_need_four() -> None:
    cell = gpu_cell()
    cell.submit(batch(1, need=Need(100, 32, gpus=1)), "small")
    cell.submit(batch(5, need=Need(9_000, 32, gpus=4)), "large")  # Fits nowhere yet, and is known.
    cell.submit(batch(5, need=Need(100, 32, gpus=4)), "four")

    cell.decide_and_carry_out()

    assert cell.host_of(cell.task(0, "four").task_id) == "four"
    assert cell.host_of(cell.task(0, "small").task_id) in {"two", "rare"}


def test_a_mix_is_counted_from_jobs_and_hosts() -> None:
    cell = gpu_cell()
    cell.submit(batch(3, need=Need(100, 32, gpus=1)), "small")
    planner = Planner(cell.state)
    planner.plan()

    mix = planner._mix.fitness.mix
    assert mix.tasks == 3
    assert mix.capacity == (("P100", 6), ("T4", 3))
