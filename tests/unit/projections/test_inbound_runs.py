"""Copies of topic `mesos`: which records become one difference, and what closes a run."""

import pytest

from scheduler.inbound_runs import RUN_BYTES_MAX, RUN_OFFERS_MAX, InboundRuns
from scheduler.model.codec import encode_value
from scheduler.model.events import Copied
from scheduler.model.ids import Generation, HostId, OfferId, StreamId, TaskId
from scheduler.model.inbound import InboundLost, OffersChanged, PartitionBegan
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
    Unrecognised,
)
from scheduler.model.resources import Resources
from scheduler.state import Watermark

GENERATION = Generation("0a0b0c0d")
S, T = StreamId("s"), StreamId("t")
SUBSCRIBED = Subscribed(stream_id=S, framework_id="f", epoch=1, heartbeat_interval_ms=1)


def runs(facts: dict[HostId, HostFacts] | None = None) -> InboundRuns:
    """Runs that go on behind offset 9."""
    return InboundRuns(0, Watermark(GENERATION, 9), {} if facts is None else facts)


def offer(name: str, host: str = "h", zone: str = "z1") -> Offer:
    """An offer with the facts of its host, as Mesos makes it."""
    facts = HostFacts(hostname=host, attributes=(("zone", zone),))
    return Offer(OfferId(name), HostId(host), Resources(1_000), facts)


def offers(*names: str, stream_id: StreamId = S) -> OffersReceived:
    """Offers, each of a host of its own."""
    return OffersReceived(stream_id, tuple(offer(name, f"host-of-{name}") for name in names))


def rescinded(name: str, stream_id: StreamId = S) -> OfferRescinded:
    """An offer that is taken back."""
    return OfferRescinded(stream_id, OfferId(name))


def given(ours: InboundRuns, *records: MesosRecord) -> list[Copied]:
    """All copies of these records, the run at their end included."""
    copies: list[Copied] = []
    for record in records:
        copies += ours.add(ours.next_offset, record, 1_000 + ours.next_offset)
    return [*copies, *ours.flush()]


def names(body: object) -> tuple[set[str], set[str]]:
    """What a difference adds and removes."""
    assert isinstance(body, OffersChanged)
    return {each.offer_id for each in body.added}, set(body.removed)


def test_a_run_becomes_one_difference_that_names_its_first_and_last_record() -> None:
    (copy,) = given(runs(), offers("a", "b"), rescinded("old"), offers("c"))
    assert names(copy.body) == ({"a", "b", "c"}, {"old"})
    assert isinstance(copy.body, OffersChanged)
    assert copy.body.first_offset == 10
    assert (copy.source.offset, copy.source.previous_offset) == (12, 9)
    assert (copy.source.topic, copy.source.partition) == ("mesos", 0)
    assert copy.source.generation == GENERATION
    assert copy.observed_at_ms == 1_012


def test_an_offer_made_and_taken_back_inside_a_run_is_in_neither_list() -> None:
    (copy,) = given(runs(), offers("a", "b"), rescinded("a"))
    assert names(copy.body) == ({"b"}, set())
    (empty,) = given(runs(), offers("a"), rescinded("a"))
    assert names(empty.body) == (set(), set())
    assert empty.source.offset == 11, "it moves the watermark all the same"


@pytest.mark.parametrize(
    "closing",
    [
        SUBSCRIBED,
        StatusUpdate(stream_id=S, task_id=TaskId("t"), state="TASK_RUNNING"),
        HostFailed(stream_id=S, host_id=HostId("h")),
        StreamEnded(stream_id=S, why="over"),
        Unrecognised(stream_id=S, raw="{}"),
    ],
)
def test_any_other_record_closes_the_run_and_is_copied_as_it_is(closing: MesosRecord) -> None:
    first, other, last = given(runs(), offers("a"), closing, offers("b"))
    assert names(first.body) == ({"a"}, set())
    assert other.body == closing
    assert names(last.body) == ({"b"}, set())
    chain = [(each.source.previous_offset, each.source.offset) for each in (first, other, last)]
    assert chain == [(9, 10), (10, 11), (11, 12)]


def test_another_stream_closes_the_run() -> None:
    first, last = given(runs(), offers("a"), offers("b", stream_id=T), rescinded("b", T))
    assert names(first.body) == ({"a"}, set())
    assert names(last.body) == (set(), set())


def test_the_number_of_offers_closes_the_run_before_it_is_too_large() -> None:
    ours = runs()
    half = [f"a{number}" for number in range(RUN_OFFERS_MAX // 2)]
    assert ours.add(10, offers(*half), 0) == ()
    assert ours.add(11, offers(*(f"b{name}" for name in half)), 0) == ()
    assert ours.run_offers == RUN_OFFERS_MAX
    (copy,) = ours.add(12, rescinded("x"), 0)
    assert copy.source.offset == 11
    assert ours.run_offers == 1


def test_the_bytes_of_a_run_close_it_too_and_no_difference_exceeds_them() -> None:
    wide = HostFacts(hostname="h", attributes=(("about", "x" * 10_000),))
    records = [
        OffersReceived(S, (Offer(OfferId(f"o{number}"), HostId(f"h{number}"), Resources(), wide),))
        for number in range(60)
    ]
    copies = given(runs(), *records)
    assert len(copies) == 3
    assert all(len(encode_value(each.body)) <= RUN_BYTES_MAX for each in copies)


def test_facts_are_told_where_they_are_new_or_changed() -> None:
    known = {HostId("h"): HostFacts(hostname="h", attributes=(("zone", "z1"),))}
    ours = runs(known)
    records = [
        OffersReceived(S, (offer("a"), offer("b", zone="z2"))),
        OffersReceived(S, (offer("c", zone="z2"), offer("d"), offer("e", "new"))),
        OffersReceived(S, (offer("f", "new"),)),
    ]
    told = {
        each.offer_id: each.facts.attributes[0][1] if each.facts else None
        for copy in given(ours, *records)
        if isinstance(copy.body, OffersChanged)
        for each in copy.body.added
    }
    assert told == {"a": None, "b": "z2", "c": None, "d": "z1", "e": "z1", "f": None}


def test_facts_of_an_offer_that_cancels_out_are_not_taken_as_told() -> None:
    ours = runs()
    given(ours, offers("a"), rescinded("a"))
    (copy,) = given(ours, offers("a"))
    assert isinstance(copy.body, OffersChanged)
    assert copy.body.added[0].facts is not None


@pytest.mark.parametrize("zone", ["z1", "z2"])
def test_facts_are_in_doubt_after_another_stream_began(zone: str) -> None:
    """The fold keeps facts of the stream that it listens to, and may yet be anywhere before."""
    known = {HostId("h"): HostFacts(hostname="h", attributes=(("zone", "z1"),))}
    before, _, after = given(
        runs(known),
        OffersReceived(S, (offer("a", zone="z2"),)),
        Subscribed(stream_id=T, framework_id="f", epoch=2, heartbeat_interval_ms=1),
        OffersReceived(T, (offer("b", zone=zone),)),
    )
    for copy in (before, after):
        assert isinstance(copy.body, OffersChanged)
        assert copy.body.added[0].facts is not None


def test_facts_told_on_one_stream_are_not_known_on_another_that_is_open_as_well() -> None:
    """An old leader's stream stands between records of the new one's; the fold ignores it."""
    ours = runs()
    copies = given(
        ours,
        SUBSCRIBED,
        Subscribed(stream_id=T, framework_id="f", epoch=0, heartbeat_interval_ms=1),
        OffersReceived(T, (offer("a"),)),
        OffersReceived(S, (offer("b"),)),
        OffersReceived(T, (offer("c"),)),
        OffersReceived(T, (offer("d"),)),
    )
    told = [
        [each.facts is not None for each in copy.body.added]
        for copy in copies
        if isinstance(copy.body, OffersChanged)
    ]
    assert told == [[True], [True], [True, False]]


def test_a_partition_begins_with_its_generation() -> None:
    ours = InboundRuns(3, None, {})
    (began,) = ours.add(0, PartitionBegan(generation="11111111"), 5)
    assert (began.source.generation, began.source.previous_offset) == ("11111111", -1)
    (copy,) = given(ours, offers("a"))
    assert (copy.source.partition, copy.source.offset, copy.source.previous_offset) == (3, 1, 0)


def test_another_generation_begins_the_chain_anew() -> None:
    ours = runs()
    ours.add(10, offers("a"), 0)
    closed, began = ours.add(0, PartitionBegan(generation="22222222"), 0)
    assert (closed.source.generation, closed.source.offset) == (GENERATION, 10)
    assert (began.source.generation, began.source.previous_offset) == ("22222222", -1)
    (copy,) = given(ours, offers("b"))
    assert (copy.source.offset, copy.source.previous_offset) == (1, 0)


def test_what_kafka_lost_is_named_and_the_chain_goes_on_behind_it() -> None:
    ours = runs()
    ours.add(10, offers("a"), 0)
    with pytest.raises(ValueError, match=r"records 11 to 14 .* are missing"):
        ours.add(15, offers("b"), 0)
    closed, lost = ours.lost(11, 14, 7)
    assert isinstance(closed.body, OffersChanged)
    assert lost.body == InboundLost(first_offset=11, last_offset=14)
    assert (lost.source.offset, lost.source.previous_offset) == (14, 10)
    ours.add(15, offers("b"), 0)
    (copy,) = ours.flush()
    assert copy.source.previous_offset == 14


def test_records_out_of_order_are_the_callers_mistake() -> None:
    ours = runs()
    with pytest.raises(ValueError, match="was given before"):
        ours.add(9, offers("a"), 0)
    with pytest.raises(ValueError, match="check the order"):
        ours.lost(10, 9, 0)
    with pytest.raises(ValueError, match="comes before the partition's first record"):
        InboundRuns(0, None, {}).add(0, offers("a"), 0)


def test_nothing_waits_after_a_flush() -> None:
    ours = runs()
    assert ours.flush() == ()
    ours.add(10, offers("a"), 0)
    assert ours.has_open_run
    assert len(ours.flush()) == 1
    assert not ours.has_open_run
    assert ours.flush() == ()
