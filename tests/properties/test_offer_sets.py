"""The offer set rebuilt from the cell log equals the one from topic `mesos`, at every copy.

Random streams of Mesos records are copied as ingest copies them (random flushes, random batches,
a fold that lags behind, crashes that begin again at the folded watermark, elections in between)
and folded three ways: from the topic, from the cell log, and by the machine.
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.offers import CellOffers, MesosOffers, Offers
from scheduler.inbound_runs import InboundRuns
from scheduler.machine import Machine
from scheduler.model.codec import RECORD_VERSION, decode_record, encode_record
from scheduler.model.events import (
    CellCreated,
    CellEvent,
    CellRecord,
    Copied,
    FoldVersion,
    LeaderElected,
    PolicySet,
)
from scheduler.model.ids import CellName, CellUuid, Generation, HostId, OfferId, StreamId, TaskId
from scheduler.model.inbound import PartitionBegan
from scheduler.model.mesos import (
    HostFacts,
    HostFailed,
    MesosRecord,
    Offer,
    OfferRescinded,
    OffersReceived,
    StatusUpdate,
    StreamEnded,
    Subscribed,
)
from scheduler.model.policy import Policy
from scheduler.model.resources import Resources

GENERATION = Generation("0a0b0c0d")
HOSTS = ("h1", "h2")


class Copying:
    """Topic `mesos`, the cell log that it is copied into, and the folds of both."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.topic: list[MesosRecord | PartitionBegan] = [PartitionBegan(generation=GENERATION)]
        self.log: list[bytes] = []
        self.machine = Machine()
        self.of_cell = CellOffers()
        self.folded = 0
        self.epoch = -1
        self.elections: list[int] = []
        self.streams: list[StreamId] = []
        self.offers_made = 0
        self.pending: list[CellEvent] = []
        created = CellCreated(CellName("t"), CellUuid("u"), GENERATION)
        self.write(created, FoldVersion(1), PolicySet(1, Policy()))
        self.elect()
        self.runs = self.begin()

    def write(self, *events: CellEvent) -> None:
        """Append a record to the cell log; the fold comes later."""
        self.log.append(encode_record(CellRecord(RECORD_VERSION, self.epoch, 1, events)))

    def elect(self) -> None:
        """A new leader begins: what the old one has not written is gone."""
        self.pending = []
        self.write(LeaderElected("c", "i"))
        self.epoch = len(self.log) - 1
        self.elections.append(self.epoch)
        self.fold()
        self.runs = self.begin()

    def begin(self) -> InboundRuns:
        """Ingest from the folded watermark on."""
        mark = self.machine.state.watermarks.get(("mesos", 0))
        self.read = 0 if mark is None else mark.offset + 1
        return InboundRuns(0, mark, self.machine.state.hosts)

    def happen(self) -> None:
        """One more record comes to the topic."""
        draw = self.data.draw
        stream = draw(st.sampled_from(self.streams[-2:])) if self.streams else None
        kind = draw(st.sampled_from(("offers", "offers", "rescind", "subscribe", "other", "end")))
        if kind == "subscribe" or stream is None:
            # Often by an older leader, whose stream the fold does not listen to.
            self.streams.append(StreamId(f"s{len(self.topic)}"))
            epoch = draw(st.sampled_from(self.elections[-2:]))
            self.topic.append(Subscribed(self.streams[-1], "f", epoch, 1))
        elif kind == "offers":
            self.topic.append(OffersReceived(stream, tuple(self.offer() for _ in range(2))))
        elif kind == "rescind":
            name = OfferId(f"o{draw(st.integers(0, self.offers_made))}")
            self.topic.append(OfferRescinded(stream, name))
        elif kind == "end":
            self.topic.append(StreamEnded(stream, "over"))
        elif draw(st.booleans()):
            self.topic.append(HostFailed(stream, HostId("h1")))
        else:
            self.topic.append(StatusUpdate(stream, TaskId("t"), "TASK_LOST"))

    def offer(self) -> Offer:
        """An offer with an id of its own, of a host whose facts change at times."""
        self.offers_made += 1
        host = self.data.draw(st.sampled_from(HOSTS))
        zone = self.data.draw(st.sampled_from(("z1", "z2")))
        facts = HostFacts(hostname=host, attributes=(("zone", zone),))
        resources = Resources(cpu_milli=self.offers_made)
        return Offer(OfferId(f"o{self.offers_made}"), HostId(host), resources, facts)

    def ingest(self, count: int) -> None:
        """Take some records of the topic in."""
        for offset in range(self.read, min(self.read + count, len(self.topic))):
            self.pending += self.runs.add(offset, self.topic[offset], 1)
            self.read = offset + 1

    def flush(self) -> None:
        """The open run is over, and what is ready is written as one record."""
        self.pending += self.runs.flush()
        self.write_pending()

    def write_pending(self) -> None:
        """Write what is ready; the open run stays open."""
        if self.pending:
            self.write(*self.pending)
            self.pending = []

    def crash(self) -> None:
        """Ingest begins again at the folded watermark; some of what it writes is there twice."""
        self.pending = []
        self.runs = self.begin()

    def fold(self) -> None:
        """Fold the cell log to its end, and compare the sets after each record."""
        for offset in range(self.folded, len(self.log)):
            record = decode_record(self.log[offset])
            self.machine.apply(offset, record)
            self.of_cell.apply(offset, record)
            self.compare()
        self.folded = len(self.log)

    def compare(self) -> None:
        """The three folds agree at this place."""
        of_cell, state = self.of_cell, self.machine.state
        of_topic = MesosOffers()
        for offset in range(of_cell.mesos_offset + 1):
            of_topic.apply(offset, self.topic[offset])
        assert of_cell.offers == whole(of_topic.offers_of(of_cell.stream_id))
        assert of_cell.stream_id == state.stream.stream_id
        mark = state.watermarks.get(("mesos", 0))
        assert of_cell.mesos_offset == (-1 if mark is None else mark.offset)
        assert state.offers.keys() == of_cell.offers.keys(), "this cell uses and declines nothing"
        for name, held in state.offers.items():
            assert held.resources == of_cell.offers[name].resources


def whole(offers: Offers) -> dict[OfferId, Offer]:
    """The offers of the topic, which always come with their facts."""
    assert all(each.facts is not None for each in offers.values())
    return dict(offers)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_both_sources_give_the_same_offers_at_every_copy(data: st.DataObject) -> None:
    copying = Copying(data)
    steps = st.sampled_from(
        (
            "happen",
            "happen",
            "happen",
            "ingest",
            "ingest",
            "write",
            "flush",
            "fold",
            "crash",
            "elect",
        )
    )
    for step in data.draw(st.lists(steps, min_size=10, max_size=60)):
        if step == "ingest":
            copying.ingest(data.draw(st.integers(1, 6)))
        elif step == "write":
            copying.write_pending()
        else:
            getattr(copying, step)()
    copying.flush()
    copying.fold()
    copying.crash()
    copying.ingest(len(copying.topic))
    copying.flush()
    copying.fold()
    assert copying.of_cell.mesos_offset == len(copying.topic) - 1, "the watermarks end equal"


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_flush_points_change_the_number_of_copies_and_nothing_else(data: st.DataObject) -> None:
    copying = Copying(data)
    for _ in range(30):
        copying.happen()
    ends: list[dict[OfferId, Offer]] = []
    for sizes in ([1] * 40, [7] * 6, [40]):
        machine = Machine()
        again = CellOffers()
        log = [decode_record(each) for each in copying.log]
        for offset, record in enumerate(log):
            machine.apply(offset, record)
            again.apply(offset, record)
        runs = InboundRuns(0, None, machine.state.hosts)
        at = 0
        for size in sizes:
            copies: list[Copied] = []
            for offset in range(at, min(at + size, len(copying.topic))):
                copies += runs.add(offset, copying.topic[offset], 1)
            at = min(at + size, len(copying.topic))
            copies += runs.flush()
            if copies:
                record = CellRecord(RECORD_VERSION, copying.epoch, 1, tuple(copies))
                machine.apply(machine.state.next_offset, record)
                again.apply(again.next_offset, record)
        assert again.mesos_offset == len(copying.topic) - 1
        ends.append(dict(again.offers))
    assert ends[0] == ends[1] == ends[2]
