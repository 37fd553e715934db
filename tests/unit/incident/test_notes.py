"""Notes of operators: read from a record, kept by the fold within a bound; nothing else moves."""

from typing import Any

import msgspec
import pytest

from scheduler.model.changes import RequestAccepted
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_incident import encode_note_incident
from scheduler.model.inbound import InboundRejected
from scheduler.model.incident_notes import NOTE_BYTES_MAX, NOTES_MAX, IncidentNoted
from tests.support.cell import BEGAN_AT_MS, CellInMemory

NOTED = IncidentNoted("disk of h1 was full", "ada", BEGAN_AT_MS, BEGAN_AT_MS + 5_000, "h1")


def test_what_is_written_is_read_back() -> None:
    data = encode_note_incident(
        NOTED.text, NOTED.actor, from_ms=NOTED.from_ms, to_ms=NOTED.to_ms, about=NOTED.about
    )
    assert decode_commands_record(b"", data) == NOTED
    short = encode_note_incident("x", "ada")
    assert decode_commands_record(b"", short) == IncidentNoted("x", "ada")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": "x" * (NOTE_BYTES_MAX + 1)}, "text"),
        ({"text": "terminal \x1b[31m escape"}, "text"),
        ({"actor": ""}, "actor"),
        ({"fromMs": 2, "toMs": 1}, "toMs"),
        ({"fromMs": -1}, "fromMs"),
        ({"toMs": 10**18}, "toMs"),
        ({"about": "x" * 256}, "about"),
        ({"wrong": 1}, "wrong"),
    ],
)
def test_what_cannot_be_a_note_is_refused_by_its_field(given: dict[str, Any], field: str) -> None:
    record = {"type": "NoteIncident", "text": "x", "actor": "ada"} | given
    body = decode_commands_record(b"", msgspec.json.encode(record))
    assert isinstance(body, InboundRejected)
    assert [each.field for each in body.faults] == [field]


def test_a_note_is_kept_with_its_address() -> None:
    cell = CellInMemory()
    cell.elect()
    cell.copy("commands", NOTED)
    (note,) = cell.state.incident_notes.values()
    assert note.address == f"test/0a0b0c0d:{len(cell.log) - 1}[1]"
    assert (note.text, note.actor, note.about) == (NOTED.text, "ada", "h1")
    assert (note.at_ms, note.from_ms, note.to_ms) == (cell.now_ms, NOTED.from_ms, NOTED.to_ms)
    assert any(isinstance(each, RequestAccepted) for _, _, each in cell.changes)


def test_a_note_without_times_is_of_now() -> None:
    cell = CellInMemory()
    cell.elect()
    cell.tick()
    cell.copy("commands", IncidentNoted("x", "ada"))
    (note,) = cell.state.incident_notes.values()
    assert note.from_ms == note.to_ms == cell.now_ms


def test_a_note_that_is_sent_again_is_one() -> None:
    cell = CellInMemory()
    cell.elect()
    cell.copy("commands", NOTED)
    cell.copy("commands", NOTED)
    cell.copy("commands", IncidentNoted("x", "ada"))
    cell.tick()
    cell.copy("commands", IncidentNoted("x", "ada"))
    cell.copy("commands", IncidentNoted("x", "bob"))
    assert [each.actor for each in cell.state.incident_notes.values()] == ["ada", "ada", "bob"]


def test_the_oldest_note_is_forgotten_and_the_digest_is_as_of_all_anew() -> None:
    cell = CellInMemory()
    cell.elect()
    for number in range(NOTES_MAX + 3):
        cell.copy("commands", IncidentNoted(f"note {number}", "ada"))
    assert list(cell.state.incident_notes) == list(range(4, NOTES_MAX + 4))
    digest = cell.machine.digest.value()
    cell.machine.digest.forget()
    assert cell.machine.digest.value() == digest
