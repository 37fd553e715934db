"""Interfaces, addresses and noise of hosts, from the log to the launch and back.

Each test writes records as a cell would, lets the machine decide, and reads where tasks went; the
whole log is folded again by `check`, so what is derived is derived from the log alone.
"""

from typing import Any

from msgspec.structs import replace

from scheduler.effects import effect_of
from scheduler.model.changes import JobRejected, ProposalRefused, RequestAccepted
from scheduler.model.effects import AcceptOffers
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_records import encode_note_noise
from scheduler.model.ids import HostId, TaskId
from scheduler.model.inbound import InboundRejected
from scheduler.model.mesos import HostFacts
from scheduler.model.policy import Policy
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import PlacementRules, Profile, Tier
from scheduler.placement.host import Interface
from scheduler.rounds.host_views import host_view
from tests.support.cell import CellInMemory, batch, offer_of, running_cell

HOST = HostId("host1")
ADDRESS = Need(cpu_milli=100, memory_mib=32, disk_mib=0, addresses=1)


def offer(
    cell: CellInMemory, res: str | None = "ResourceSet-ENIs-2-2", host: str = "host1"
) -> None:
    """Offer a host that declares its interfaces."""
    resources = Resources(4_000, 8_192, 10_000, (PortRange(31_000, 31_999),))
    made = offer_of(f"offer-{len(cell.log)}-{host}", host, resources)
    attributes = () if res is None else (("res", res),)
    cell.offers(replace(made, facts=HostFacts(hostname=host, attributes=attributes)))


def cell_with(res: str | None = "ResourceSet-ENIs-2-2") -> CellInMemory:
    cell = running_cell(hosts=0)
    offer(cell, res)
    return cell


def run(cell: CellInMemory, name: str, size: int, *groups: str, **more: Any) -> list[TaskId]:
    """Submit a job of tasks with addresses, and launch what can be; the tasks that run."""
    container = {"need": ADDRESS, "security_groups": groups, **more}
    cell.submit(batch(size=size, **container), name)
    started = cell.launched()
    for task_id in started:
        cell.status(task_id, "TASK_RUNNING")
    return started


def interfaces_of(cell: CellInMemory, *tasks: TaskId) -> list[int]:
    return sorted(cell.place(task_id).interface for task_id in tasks)


def there(cell: CellInMemory) -> tuple[Interface, ...]:
    """The host's interfaces, as placement is told of them."""
    view = host_view(cell.state, HOST)
    assert view is not None
    return view.interfaces


def end(cell: CellInMemory, task_id: TaskId) -> None:
    cell.status(task_id, "TASK_FINISHED")


def test_equal_sets_share_an_interface_and_others_have_their_own() -> None:
    cell = cell_with()
    first = run(cell, "a", 1, "sg-b", "sg-a")
    offer(cell)
    second = run(cell, "b", 1, "sg-a", "sg-b")
    offer(cell)
    third = run(cell, "c", 1, "sg-a")
    assert interfaces_of(cell, *first, *second) == [0, 0]
    assert interfaces_of(cell, *third) == [1]
    offer(cell)
    assert run(cell, "d", 1, "sg-c") == []
    assert run(cell, "e", 2, "sg-a") != []
    cell.check()


def test_no_more_tasks_than_addresses() -> None:
    cell = cell_with()
    started = run(cell, "a", 9, "sg-a")
    assert interfaces_of(cell, *started) == [0, 0, 1, 1]
    assert run(cell, "plain", 2, need=Need(cpu_milli=100, memory_mib=32)) == []
    offer(cell)
    # A task without an address takes no slot (Fenzo's F2).
    plain = cell.launched()
    assert [cell.place(task_id).interface for task_id in plain] == [-1, -1]
    cell.check()


def test_the_last_task_frees_an_interface_and_its_address_rests() -> None:
    cell = cell_with()
    (task_id,) = run(cell, "a", 1, "sg-a")
    end(cell, task_id)
    offer(cell)
    first, second = there(cell)
    assert (first.used, first.security_groups, first.resting) == (0, None, 1)
    assert second.resting == 0
    # One that has rested is left, also there: of two free ones it does not matter whose it is.
    assert len(run(cell, "b", 4, "sg-b")) == 4
    cell.check()


def test_a_launch_that_never_left_leaves_no_address_to_rest() -> None:
    cell = cell_with()
    cell.submit(batch(need=ADDRESS, security_groups=("sg-a",)), "a")
    (_, proposal), *_ = [each for each in cell.decide() if isinstance(each[1], LaunchTasks)]
    assert isinstance(proposal, LaunchTasks)
    assert [each.used for each in there(cell)] == [1, 0]
    cell.rescind(*proposal.offer_ids)
    offer(cell)
    assert [(each.used, each.resting) for each in there(cell)] == [(0, 0), (0, 0)]
    cell.check()


def test_the_fold_refuses_an_interface_that_is_not_to_be_had() -> None:
    cell = cell_with()
    run(cell, "a", 1, "sg-a")
    offer(cell)
    cell.submit(batch(need=ADDRESS, security_groups=("sg-b",)), "b")
    queued = next(iter(cell.state.queue[cell.state.tasks[cell.task(job_id="b").task_id].job_id]))
    (offer_id,) = cell.state.host_offers[HOST]
    for index, words in ((0, "is bound to {sg-a}"), (2, "not one of"), (-1, "not one of")):
        launch = LaunchTasks(host_id=HOST, offer_ids=(offer_id,), launches=())
        launch = replace(launch, launches=(_launch(queued, index),))
        cell.write(launch)
        (refused,) = cell.said(ProposalRefused)[-1:]
        assert words in refused.why
    cell.check()


def _launch(task_id: TaskId, index: int) -> Any:
    return Launch(task_id, (), index)


def test_hosts_that_declare_none_count_no_addresses() -> None:
    cell = cell_with(res=None)
    assert interfaces_of(cell, *run(cell, "a", 5, "sg-a")) == [-1] * 5


def test_what_cannot_be_read_gives_no_address() -> None:
    cell = cell_with(res="ResourceSet-ENIs-many")
    assert run(cell, "a", 1, "sg-a") == []


def test_the_effect_names_the_interface() -> None:
    cell = cell_with()
    cell.submit(batch(need=ADDRESS, security_groups=("sg-a",)), "a")
    ((proposal_id, _),) = (x for x in cell.decide() if isinstance(x[1], LaunchTasks))
    cell.start(proposal_id)
    effect = effect_of(cell.state, cell.state.decisions[proposal_id])
    assert isinstance(effect, AcceptOffers)
    assert [each.interface for each in effect.tasks] == [0]


def quiet_rules() -> Policy:
    """Only noise counts."""
    profile = Profile(name="quiet", weights=(("noise", 1),))
    tier = Tier(name="Flex", service_profile="quiet", batch_profile="quiet")
    return Policy(placement=PlacementRules(profiles=(profile,), tiers=(tier,)))


def tell_noise(cell: CellInMemory, host: str, noise_milli: int) -> bool:
    """Publish what was measured; whether it was taken."""
    cell.copy(
        "commands", decode_commands_record(None, encode_note_noise(HostId(host), noise_milli))
    )
    (answer,) = [x for x in cell.said_last() if isinstance(x, JobRejected | RequestAccepted)]
    return isinstance(answer, RequestAccepted)


def test_later_rounds_avoid_a_noisy_host() -> None:
    for noisy, quiet in (("host1", "host2"), ("host2", "host1")):
        cell = running_cell(hosts=2, policy=quiet_rules())
        assert tell_noise(cell, noisy, 600)
        view = host_view(cell.state, HostId(noisy))
        assert view is not None
        assert view.noise_milli == 600
        cell.submit(batch(size=2), "a")
        assert {cell.host_of(task_id) for task_id in cell.launched()} == {quiet}
        assert tell_noise(cell, noisy, 0)
        assert cell.state.host_noise == {}
        again = cell.refolded()
        assert again.digest.value() == cell.machine.digest.value()


def test_noise_of_hosts_that_nobody_knows_is_refused() -> None:
    assert not tell_noise(running_cell(hosts=1), "host9", 5)


def test_noise_is_a_number_of_thousandths() -> None:
    for wrong in (b"-1", b"1001", b'"5"', b"0.5", b"null"):
        value = b'{"type":"NoteNoise","hostId":"h","noiseMilli":%b}' % wrong
        body = decode_commands_record(None, value)
        assert isinstance(body, InboundRejected)
        assert [each.field for each in body.faults] == ["noiseMilli"]
