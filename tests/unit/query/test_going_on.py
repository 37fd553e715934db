"""A reader that comes back with the id of any row gets the rows behind it, and no other.

How: a query is asked of made-up records of two partitions, whole; then once more from each of its
ids on, in batches of other sizes, as a process does that was killed and started again. Whoever
reads again begins at the spots that the id names and hands over what comes from there on.
"""

import random
from collections.abc import Sequence

import orjson
import pytest

from projections.query.parser import parse
from streams.query.places import Lane, Place, Spots, place_of, place_text
from streams.query.running import Batch, Found, QueryRun, Said

LANES: Sequence[Lane] = (("cell", 0), ("cell", 1))
BEGIN = Place(dict.fromkeys(LANES, (0, 0)))
EVENTS = 120
QUERIES = (
    "select n from tasks",
    "select n from tasks where n > 40 limit 9",
    "select n from tasks window 3",
    "select host, count(*) as 'many' from tasks window 3 group by host order by many desc",
    "select host, count(*) as 'many', sum(n) as 'all' from tasks window 6 2 group by host",
    "select count(*) as 'many' from tasks window 4 limit 3",
    "select host, sum(n) as 'all' from tasks window |7| group by host",
    "select count(*) as 'many' from tasks window |10| limit 4",
    "select host, max(n) as 'most' from tasks window 2 where n > 30 group by host having most > 50",
    "select n, m, host from tasks join hosts 3 seconds on host",
    "select count(*) as 'many' from tasks join hosts 2 seconds on host window 4",
)


def found_events(seed: int) -> list[Found]:
    """Events of two partitions and two streams, in the order in which they are read."""
    chance = random.Random(seed)
    offsets, at_ms, events = [0, 0], 1_000_000, []
    for number in range(EVENTS):
        at_ms += chance.choice((0, 0, 40, 150, 900))
        lane = chance.randrange(2)
        is_host = chance.random() < 0.3
        row = {"m" if is_host else "n": number, "host": f"h{chance.randrange(3)}"}
        stream = "hosts" if is_host else "tasks"
        # A record has one event here, or two.
        events.append(Found(LANES[lane], offsets[lane], 0, at_ms, stream, row, 10))
        if chance.random() < 0.2:
            again = {**row, "host": "h0"}
            events.append(Found(LANES[lane], offsets[lane], 1, at_ms, stream, again, 10))
        offsets[lane] += 1
    return events


def batches(events: Sequence[Found], size: int) -> list[Batch]:
    """The events in batches; a batch ends with a whole record."""
    made: list[Batch] = []
    place = 0
    while place < len(events):
        end = min(len(events), place + size)
        while end < len(events) and events[end].number:
            end += 1
        some = list(events[place:end])
        made.append(
            Batch(some, {each.lane: each.offset + 1 for each in some}, some[-1].at_ms, len(some))
        )
        place = end
    return made


def rows_of(run: QueryRun, events: Sequence[Found], size: int) -> list[Said]:
    """All that the query says of these."""
    said: list[Said] = []
    for batch in batches(events, size):
        said += run.take(batch)
        if run.is_over:
            return said
    return [*said, *run.close()]


def gone_on(text: str, id_: str, events: Sequence[Found], size: int) -> list[Said]:
    """What a new process says to a reader that comes with this id."""
    place = place_of(id_)
    assert place is not None
    run = QueryRun(parse(text), lambda: 0.0, place)
    spots: Spots = dict(place.spots)
    if run.warm_from_ms is not None:
        since_ms = run.warm_from_ms
        for lane in LANES:
            first = next(
                (each.offset for each in events if each.lane == lane and each.at_ms >= since_ms),
                spots[lane][0],
            )
            spots[lane] = min(spots[lane], (first, 0))
        run.warm(dict(spots))
    later = [each for each in events if each.offset >= spots[each.lane][0]]
    return rows_of(run, later, size)


@pytest.mark.parametrize("text", QUERIES)
def test_each_id_goes_on_behind_its_row(text: str) -> None:
    """Neither a gap nor a repeat, wherever it was broken off."""
    for seed in range(2):
        events = found_events(seed)
        whole = rows_of(QueryRun(parse(text), lambda: 0.0, BEGIN), events, 11)
        assert len(whole) > 2, "a query that says nothing shows nothing"
        for number, said in list(enumerate(whole[:-1]))[:: max(1, len(whole) // 12)]:
            rest = gone_on(text, said.id, events, size=5)
            expected = [orjson.loads(each.data) for each in whole[number + 1 :]]
            assert [orjson.loads(each.data) for each in rest] == expected, (seed, number, said.id)
            assert [each.id.partition(";")[2].split(";")[0] for each in rest] == [
                each.id.partition(";")[2].split(";")[0] for each in whole[number + 1 :]
            ]


@pytest.mark.parametrize("text", QUERIES)
def test_the_id_of_a_message_between_rows_goes_on_from_there(text: str) -> None:
    """A reader that was told how it stands, and no row since, misses nothing by coming back."""
    events = found_events(7)
    run = QueryRun(parse(text), lambda: 0.0, BEGIN)
    whole = rows_of(QueryRun(parse(text), lambda: 0.0, BEGIN), events, 9)
    heard = 0
    for batch in batches(events, 9):
        heard += len(run.take(batch))
        if run.is_over:
            break
        rest = gone_on(text, run.place_id(), events, size=4)
        assert [each.data for each in rest] == [each.data for each in whole[heard:]]


def test_what_was_taken_is_passed_over() -> None:
    """A batch that comes twice, as at a change from one reader to another, says nothing twice."""
    events = [each for each in found_events(1) if each.stream == "tasks"]
    run = QueryRun(parse("select n from tasks"), lambda: 0.0, BEGIN)
    first, second = batches(events, 30)[:2]
    said = [*run.take(first), *run.take(first), *run.take(second)]
    numbers = [orjson.loads(each.data).get("n") for each in said]
    assert len(said) == len(first.found) + len(second.found)
    assert numbers == [each.row.get("n") for each in (*first.found, *second.found)]


def test_a_window_without_events_ends_by_the_clock() -> None:
    """A reader does not wait for the next event to hear of the last ones."""
    run = QueryRun(parse("select count(*) as 'many' from tasks window 2"), lambda: 0.0, BEGIN)
    event = Found(LANES[0], 0, 0, 10_000, "tasks", {"n": 1}, 1)
    assert run.take(Batch([event], {LANES[0]: 1}, 10_000)) == []
    assert run.tick(11_999) == []
    assert [each.data for each in run.tick(12_000)] == [b'{"many":1}']


@pytest.mark.parametrize(
    "place",
    [
        Place({("cell", 0): (12, 0)}, 3),
        Place({("host-logs", 0): (1, 2), ("host-logs", 11): (0, 0)}, 0),
        Place({("cell", 0): (12, 4)}, 17, 2, 1_763_000_000_000),
        Place({("cell", 0): (12, 4)}, 17, 0, 0, 5),
    ],
)
def test_an_id_is_read_as_it_was_written(place: Place) -> None:
    """Every part of it."""
    assert place_of(place_text(place)) == place


@pytest.mark.parametrize(
    "text", ["", "x", "cell:0:-1;0", "cell:0:1;a", "cell:0:1;1;2;3;4;5", "cell:0:1;" * 9999]
)
def test_what_is_no_id_is_none(text: str) -> None:
    """Strangers write what they like into Last-Event-ID."""
    assert place_of(text) is None
