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
    found = ids_of(cell)
    assert len(set(found)) == len(found)
    of_first_task = next(each for each in reversed(found) if each.endswith(".1"))
    event = of_first_task.removesuffix(".1")
    assert [each for each in found if each.startswith(event)] == [
        event,
        *(f"{event}.{number}" for number in range(1, 5)),
    ], "the answer, the job and its three tasks"
    assert parse_address(of_first_task) == parse_address(event)
    assert ids_of(cell) == found
