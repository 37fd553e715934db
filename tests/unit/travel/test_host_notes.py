"""Notes of hosts: windows of maintenance, noise, and verdicts, which are news once."""

from projections.notes import HostEntered
from projections.travel.cell_notes import EVIDENCE_CHARACTERS_MAX
from projections.travel.notes import Noted, decoded_note
from scheduler.model.codec import decode_record
from scheduler.model.events import Tick
from scheduler.model.health import Evidence, HostJudged, HostStanding
from scheduler.model.ids import HostId, OfferId
from scheduler.model.inbound import HostNoiseMeasured
from scheduler.model.mesos import InverseOffer, InverseOffersReceived
from tests.support.cell import CellInMemory, running_cell

HOST = HostId("host1")


def told(cell: CellInMemory) -> list[HostEntered]:
    """All notes of hosts, but that they were offered first."""
    noted = Noted()
    rows = [
        each for at, data in enumerate(cell.log) for each in noted.take(at, decode_record(data))
    ]
    notes = [each for each in map(decoded_note, rows) if isinstance(each, HostEntered)]
    return [each for each in notes if each.what not in {"offered first", "health: away"}]


def judged(
    cell: CellInMemory, standing: HostStanding, *texts: str, detector: str = "lines"
) -> None:
    """A detector speaks of the host."""
    evidence = tuple(Evidence("line", each, "host-logs:0:1:0") for each in texts)
    cell.copy("verdicts", HostJudged(HOST, detector, standing, 700, evidence))


def test_a_window_of_maintenance_is_told_with_its_record_and_later_without() -> None:
    cell = running_cell(1)
    window = InverseOffer(OfferId("inverse"), HOST, cell.now_ms + 60_000, 30_000)
    cell.copy("mesos", InverseOffersReceived(cell.stream_id, (window,)))
    cell.pass_ms(120_000)
    notes = told(cell)
    first, last = notes[0], notes[-1]
    assert (first.what, first.host_id) == ("maintenance: announced", HOST)
    assert first.source == f"mesos/0a0b0c0d:0:{cell.inbound['mesos']}"
    assert first.text
    assert (last.what, last.source) == ("maintenance: over", "")


def test_noise_is_told_with_who_measured_it() -> None:
    cell = running_cell(1)
    cell.copy("commands", HostNoiseMeasured(HOST, 250, "ada", "top"))
    (note,) = told(cell)
    assert note == HostEntered(
        HOST, "noise measured", "noise 250 of 1000", "ada", "commands/0a0b0c0d:0:1"
    )


def test_a_verdict_is_told_when_it_is_news_and_by_its_own_detector() -> None:
    cell = running_cell(1)
    judged(cell, "suspect", "disk  slow", "fan slow", detector="peers")
    cell.tick()
    judged(cell, "suspect")
    cell.tick()
    judged(cell, "suspect")
    judged(cell, "suspect", "disk slow", detector="peers")
    cell.tick()
    judged(cell, "sick", "x" * 900, detector="peers")
    assert [(each.what, each.text) for each in told(cell)] == [
        ("verdict: suspect", "peers: disk slow (and 1 more)"),
        ("verdict: suspect", "lines"),
        ("verdict: sick", f"peers: {'x' * 900}"[:EVIDENCE_CHARACTERS_MAX]),
    ]


def test_a_verdict_of_a_host_that_nobody_knows_is_no_news_and_one_by_name_is() -> None:
    cell = running_cell(1)
    named = HostJudged(HostId("name-of-host1"), "lines", "suspect", 700)
    cell.copy("verdicts", HostJudged(HostId("nobody"), "lines", "suspect", 700), named)
    cell.write(Tick())
    assert [(each.host_id, each.what) for each in told(cell)] == [(HOST, "verdict: suspect")]


def test_what_is_said_well_of_a_host_is_no_news() -> None:
    cell = running_cell(1)
    judged(cell, "well")
    assert told(cell) == []
