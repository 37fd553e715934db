"""Who may ask, who shares with whom, and what all together may hold; without a Kafka.

How: sessions are made as the process makes them, and none of them reads.
"""

import asyncio
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry

from connectors.web.query.problems import QueryProblem
from projections.masking import DEFAULT_PATTERNS
from streams.query.asked import Asked, asked_of
from streams.query.budget import Budget
from streams.query.kafka import Kafka
from streams.query.kept import KeptQueries
from streams.query.masking import EventMasker
from streams.query.places import Lane, Place
from streams.query.ports import NoHistory
from streams.query.questions import Answers
from streams.query.running import Batch, Found
from streams.query.serving import READERS_MAX, READERS_OF_ALL_MAX, Serving
from streams.query.session import PART_ROWS, Session, parts_of
from streams.settings import settings_of

LANE: Lane = ("job-events", 0)
NOW_MS = 1_763_800_000_000


def serving() -> Serving:
    """What serves, of a Kafka that nobody reaches."""
    return Serving(Kafka("127.0.0.1:9", "", 1), NoHistory(), EventMasker(DEFAULT_PATTERNS))


def asked(**parameters: str) -> Asked:
    """A question."""
    return asked_of({"mql": "select n from tasks", **parameters}, "", NOW_MS)


def readers(of: Serving, *questions: Asked) -> list[Session]:
    """A session for each."""
    made = []
    for number, each in enumerate(questions):
        session = Session(f"reader-{number}", each, of, Place({LANE: (0, 0)}))
        of.sessions[session.name] = session
        made.append(session)
    return made


def events(count: int) -> list[Found]:
    """Events in a row."""
    return [Found(LANE, each, 0, NOW_MS, "tasks", {"n": each}, 10) for each in range(count)]


def test_subscriptions_of_a_client_share_and_clients_do_not() -> None:
    """Each event goes to one of a client's subscriptions, and to every client."""
    there = serving()
    sessions = readers(
        there,
        asked(client="a", subscription="1"),
        asked(client="a", subscription="2"),
        asked(client="b", subscription="1"),
    )
    taken = {
        each.name: [found.offset for found in events(1_000) if there.is_share(each, found)]
        for each in sessions
    }
    first, second, other = taken.values()
    assert sorted(first + second) == list(range(1_000)) == other
    assert min(len(first), len(second)) > 300
    del there.sessions["reader-1"]
    assert all(there.is_share(sessions[0], found) for found in events(100))


def test_there_is_an_end_to_readers() -> None:
    """One more is told to come later, before anything is read for it."""
    there = serving()
    readers(there, *(asked(delivery="all") for _ in range(READERS_OF_ALL_MAX)))
    with pytest.raises(QueryProblem, match="delivery=all") as caught:
        asyncio.run(there.open(asked(delivery="all")))
    assert caught.value.status == 429
    readers(there, *(asked() for _ in range(READERS_MAX)))
    with pytest.raises(QueryProblem, match=f"{READERS_MAX} readers"):
        asyncio.run(there.open(asked()))
    assert there.refused == 2


def test_all_queries_together_hold_so_much() -> None:
    """The one that wants more is told; those that want less may; what ended counts no more."""
    budget = Budget(held_max=100)
    assert budget.is_within("a", 60)
    assert budget.is_within("b", 40)
    assert not budget.is_within("b", 41)
    assert budget.is_within("a", 59)
    budget.forget("b")
    assert budget.total == 59
    assert budget.is_within("c", 41)


def test_a_large_batch_is_taken_in_parts() -> None:
    """A slow reader has few rows written out; what was read to the end is said with the last."""
    whole = Batch(events(PART_ROWS * 3 + 1), {LANE: 900}, NOW_MS, 1_000)
    parts = parts_of(whole)
    assert [len(each.found) for each in parts] == [PART_ROWS] * 3 + [1]
    assert [each for part in parts for each in part.found] == whole.found
    assert Counter(bool(each.ends) for each in parts) == {False: 3, True: 1}
    assert sum(each.read for each in parts) == 1_000
    assert parts_of(Batch([], {LANE: 1}, 1)) == [Batch([], {LANE: 1}, 1)]


def test_the_text_of_a_query_and_the_name_of_one_are_not_asked_together() -> None:
    """Which of the two was meant is nobody's to guess."""
    kept = KeptQueries(settings_of({"KAFKA_BROKERS": "127.0.0.1:9"}))
    answers = Answers(serving(), kept, CollectorRegistry())
    given = {"mql": "select * from tasks", "saved": "lost"}
    with pytest.raises(QueryProblem, match="not both"):
        asyncio.run(answers.open(given, ""))
