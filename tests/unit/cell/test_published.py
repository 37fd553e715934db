"""What is published has an id of its own, the same whoever publishes it."""

from scheduler.model.address import parse_address
from scheduler.model.codec import decode_record
from streams.cell.publisher import identified
from tests.support.cell import CellInMemory, batch, running_cell


def ids_of(cell: CellInMemory) -> list[str]:
    machine, found = type(cell.machine)(), []
    for offset, data in enumerate(cell.log):
        changes = machine.apply(offset, decode_record(data))
        found += [event_id for event_id, _ in identified(machine.state, offset, changes)]
    return found


def test_changes_that_one_event_made_have_an_id_each_which_names_the_event() -> None:
    cell = running_cell(1)
    cell.submit(batch(3))
    offset = len(cell.log) - 1
    found = ids_of(cell)
    assert len(set(found)) == len(found)
    of_submission = [each for each in found if f":{offset}[0]" in each]
    assert len(of_submission) >= 4, "the job and its tasks"
    assert [each.partition("]")[2] for each in of_submission[:3]] == ["", ".1", ".2"]
    assert {parse_address(each).offset for each in of_submission} == {offset}
    assert ids_of(cell) == found
