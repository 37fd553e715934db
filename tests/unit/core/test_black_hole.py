"""A black hole from its first line to the instance that takes its place, as the log tells it.

How: five hosts of a cloud group; one fails each task in 50 ms, so it always looks free. The runbook
is the one of ``docs/examples/runbooks.yaml``.
"""

from pathlib import Path

from ruamel.yaml import YAML

from scheduler.model.changes import FleetChanged, HealingChanged, HostHealthChanged
from scheduler.model.fleet import CloudGroupObserved, CloudInstance, EndInstance
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_healing import encode_set_runbooks
from scheduler.model.healing import RunbooksAsked
from scheduler.model.health import Evidence, HostJudged
from scheduler.model.ids import HostId, TaskId
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.resources import PortRange, Resources
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.derived import check_digest
from tests.support.snapshot_and_tail import check_snapshots

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "runbooks.yaml"
HOLE = HostId("host1")
HOSTS = 5


def offer(cell: CellInMemory, number: int, cpus: int = 4) -> None:
    """Offer an instance of the group as a host."""
    host_id = HostId(f"host{number}")
    attributes = (("group", "flex"), ("instance-id", f"i-{number}"))
    resources = Resources(cpus * 1_000, 8_192, 10_000, (PortRange(31_000, 31_999),))
    facts = HostFacts(hostname=f"name-of-{host_id}", attributes=attributes)
    offer_id = f"offer-{len(cell.log)}-{host_id}"
    cell.offers(Offer(offer_id, host_id, resources, facts))  # type: ignore[arg-type]  # the tests' own words


def cell_with_group() -> CellInMemory:
    """A cell of five hosts, all of one cloud group, with the example's runbooks."""
    cell = running_cell(hosts=0)
    cell.records_a_check = 20
    instances = tuple(CloudInstance(f"i-{n}", "inService") for n in range(1, HOSTS + 1))
    cell.copy(
        "hosts",
        CloudGroupObserved("flex", "aws", "us-east-1", 1, HOSTS, 10, instances, cell.now_ms),
    )
    for number in range(1, HOSTS + 1):
        offer(cell, number)
    documents = YAML(typ="safe").load(EXAMPLE.read_text())["runbooks"]
    body = decode_commands_record(b"", encode_set_runbooks(documents, "ann", "a test"))
    assert isinstance(body, RunbooksAsked), body
    cell.copy("commands", body)
    return cell


def work(cell: CellInMemory, minutes: int) -> int:
    """Let tasks come and run, except on the hole; how many that got."""
    given = 0
    ends: dict[TaskId, int] = {}
    for second in range(0, minutes * 60, 3):
        if second % 6 == 0:
            cell.submit(batch(size=2), f"job-{second}")
        for task_id in cell.launched():
            cell.status(task_id, "TASK_RUNNING")
            if cell.host_of(task_id) == HOLE:
                given += 1
                cell.now_ms += 50
                cell.status(task_id, "TASK_FAILED", message="Command exited with status 1")
            else:
                ends[task_id] = cell.now_ms + 120_000
        for task_id in [each for each, end_ms in ends.items() if end_ms <= cell.now_ms]:
            del ends[task_id]
            cell.status(task_id, "TASK_FINISHED")
        for number in range(1, HOSTS + 1):
            host_id = HostId(f"host{number}")
            busy = len(cell.state.host_tasks.get(host_id, ()))
            if host_id not in cell.state.host_offers and busy < 8:
                offer(cell, number, cpus=4 - busy // 2)
        cell.tick(3_000)
    return given


def test_a_black_hole_is_drained_and_replaced_and_the_log_tells_the_story() -> None:
    cell = cell_with_group()
    line = Evidence("line", "containerd: failed to create shim task", "host-logs:3:42", 3)
    cell.copy("verdicts", HostJudged(HOLE, "lines", "suspect", 600, (line,)))
    given = work(cell, 6)
    assert 0 < given < 20
    away = cell.said(HostHealthChanged)[0]
    assert (away.host_id, away.standing) == (HOLE, "away")
    assert away.why.startswith("tasks: ")
    assert "Command exited with status 1" in away.evidence[1].text
    said = cell.said(HealingChanged)
    assert [(each.runbook, each.step, each.outcome) for each in said] == [
        ("black-hole", "", ""),
        ("black-hole", "drain", "done"),
        ("black-hole", "terminate", "done"),
        ("black-hole", "", ""),
    ]
    assert said[-1].state == "replaced"
    replaced = [each for each in cell.said(FleetChanged) if each.what == "hostReplaced"]
    assert [(each.group, each.instance_id, each.host_id) for each in replaced] == [
        ("flex", "i-1", HOLE)
    ]
    assert said[0].run_id in replaced[0].why
    orders = [each.effect for each in cell.state.fleet_orders.values()]
    ended = [each for each in orders if isinstance(each, EndInstance)]
    assert all(each.instance_id == "i-1" and not each.is_decrement for each in ended)
    assert cell.state.health[HOLE].verdicts[0].evidence == (line,), "and the line that began it"
    check_digest(cell.machine)
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_a_snapshot_in_the_middle_of_it_goes_on_as_the_log_does() -> None:
    cell = cell_with_group()
    cell.copy("verdicts", HostJudged(HostId("host2"), "lines", "sick", 900))
    assert work(cell, 4) < 20
    length = len(cell.log)
    check_snapshots(cell.log, [length // 4, length // 2, length * 3 // 4])
