"""Both offer sets where streams come late, twice, or in too great a number; else see properties."""

from projections.offers import STREAMS_MAX, CellOffers, MesosOffers
from scheduler.model.codec import decode_record
from scheduler.model.events import CellRecord, Tick
from scheduler.model.ids import Generation, OfferId, StreamId
from scheduler.model.inbound import PartitionBegan
from scheduler.model.mesos import HostFailed, InverseOffersReceived, OffersReceived, Subscribed
from scheduler.model.resources import Resources
from tests.support.cell import copied, offer_of, running_cell, subscription

ONE = Resources(cpu_milli=1_000, memory_mib=100)


def stream(number: int) -> Subscribed:
    """The subscription of a stream."""
    return subscription(StreamId(f"s{number}"), 1)


def offers(number: int, *names: str) -> OffersReceived:
    """Offers that came by a stream."""
    return OffersReceived(StreamId(f"s{number}"), tuple(offer_of(each, "h", ONE) for each in names))


def folded(*records: Subscribed | OffersReceived | PartitionBegan) -> MesosOffers:
    """The set behind these records of the topic."""
    found = MesosOffers()
    for offset, record in enumerate(records):
        found.apply(offset, record)
    return found


def names(found: MesosOffers, number: int) -> list[str]:
    """The offers of a stream."""
    return list(found.offers_of(StreamId(f"s{number}")))


def test_the_stream_subscribed_first_is_forgotten_when_there_are_too_many() -> None:
    many = [stream(number) for number in range(STREAMS_MAX)]
    found = folded(*many, offers(0, "a"), offers(1, "b"))
    assert (names(found, 0), names(found, 1)) == (["a"], ["b"])
    found.apply(STREAMS_MAX + 2, stream(STREAMS_MAX))
    assert (names(found, 0), names(found, 1)) == ([], ["b"])


def test_offers_of_a_stream_that_is_not_open_count_for_nothing() -> None:
    found = folded(offers(1, "a"), stream(1))
    assert names(found, 1) == []
    assert found.offers_of(None) == {}


def test_a_partition_that_begins_again_has_no_offers_and_is_read_from_its_beginning() -> None:
    began = PartitionBegan(generation=Generation("0a0b0c0d"))
    found = folded(began, stream(1), offers(1, "a"))
    found.apply(0, began)
    assert names(found, 1) == ["a"], "the same beginning, read again"
    assert found.next_offset == 3
    found.apply(0, PartitionBegan(generation=Generation("1b1b1b1b")))
    assert names(found, 1) == []
    assert found.next_offset == 1
    found.apply(1, stream(1))
    found.apply(2, PartitionBegan(generation=Generation("1b1b1b1b")))
    found.apply(3, offers(1, "b"))
    assert names(found, 1) == ["b"], "no other generation, so the stream is as open as before"


def test_what_says_nothing_of_offers_takes_none() -> None:
    found = folded(stream(1), offers(1, "a"))
    host = HostFailed(StreamId("s1"), offer_of("a", "h", ONE).host_id)
    found.apply(2, host)
    found.apply(3, InverseOffersReceived(StreamId("s1"), ()))
    assert names(found, 1) == ["a"]
    assert found.next_offset == 4


def test_the_cells_set_is_of_the_open_stream_and_heeds_no_record_twice() -> None:
    cell = running_cell(hosts=2)
    found = CellOffers()
    for _ in range(2):
        for offset, data in enumerate(cell.log):
            found.apply(offset, decode_record(data))
    assert set(found.offers) == set(cell.state.offers)
    assert found.stream_id == cell.stream_id
    assert found.next_offset == len(cell.log)
    first = OfferId(next(iter(found.offers)))
    facts = found.offers[first].facts
    assert facts is not None
    assert facts.hostname == "name-of-host1"


def test_copies_of_other_topics_do_not_move_the_place_in_topic_mesos() -> None:
    cell = running_cell(hosts=1)
    found = CellOffers()
    for offset, data in enumerate(cell.log):
        found.apply(offset, decode_record(data))
    at, before = found.mesos_offset, dict(found.offers)
    assert at == cell.inbound["mesos"]
    began = copied("jobs", 0, -1, PartitionBegan(generation=Generation("0a0b0c0d")))
    offset = len(cell.log)
    found.apply(offset, CellRecord(1, cell.epoch, cell.now_ms, (began, Tick())))
    assert (found.mesos_offset, found.offers) == (at, before)
    assert found.next_offset == offset + 1


def test_an_offer_without_facts_has_those_that_its_host_was_offered_with_last() -> None:
    cell = running_cell(hosts=1)
    bare = offer_of("later", "host1", ONE)
    stranger = offer_of("other", "host9", ONE)
    cell.offers(*(type(each)(each.offer_id, each.host_id, ONE) for each in (bare, stranger)))
    found = CellOffers()
    for offset, data in enumerate(cell.log):
        found.apply(offset, decode_record(data))
    assert found.offers[OfferId("later")] == bare
    assert found.offers[OfferId("other")].facts is None
