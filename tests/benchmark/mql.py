"""How many events a second MQL tests and projects, beside the engine of Mantis on one core.

The one thing to know: both get the same made-up events, decoded, and do what a publisher does with
each: test it, and project it where it matches. Without Java, Maven or Maven Central it says so and
prints its own figures without a ratio.
"""

import random
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import orjson

from projections.query.batches import batch_of
from projections.query.columns import ColumnQuery
from projections.query.engine import Running
from projections.query.parser import parse
from projections.query.subscriptions import Subscriptions
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.contract.mql.engine import NAME, Engine, EngineMissing

BENCHMARK: Final = "mql"
EVENTS: Final = 200 if IS_QUICK else 10_000
PASSES: Final = 2 if IS_QUICK else 12
PEER_PASSES: Final = 2 if IS_QUICK else 40
"""Java's compiler needs more of them until its rate no longer rises (measured)."""
TURNS: Final = 3
SHARE_MIN: Final = 0.34
"""At least a third of the engine's rate (issue 9)."""
TIMES_MAX: Final = 10.0
"""100 subscriptions cost less than so many times one (issue 9)."""
IDLE_US_MAX: Final = 1.0
SUBSCRIPTIONS: Final = 100
QUERIES: Final = {
    "equality": "select host, code where level == 'ERROR'",
    "two predicates": "select host, code where level == 'ERROR' and code > 250",
    "contains": "select host where message ==+ 'full'",
    "mixed": "select host, message "
    "where (level == 'ERROR' or code < 50) and message ==~ /.*full.*/",
}


def main() -> None:
    """Print the figures."""
    events = made_up()
    try:
        with Engine() as engine:
            match_and_project(events, engine)
    except EngineMissing as missing:
        print(missing, file=sys.stderr)
        match_and_project(events, None)
    subscribe(events)


def made_up() -> list[dict[str, Any]]:
    """Events as a host's log shipper would send them."""
    chance = random.Random(1)
    return [
        {
            "host": f"host-{chance.randrange(1_000)}",
            "level": "ERROR" if chance.randrange(10) == 0 else "INFO",
            "code": chance.randrange(500),
            "message": f"disk {chance.randrange(1_000)} is "
            f"{'full' if chance.randrange(5) == 0 else 'fine'} on host",
            "app": f"app-{chance.randrange(20)}",
        }
        for _ in range(EVENTS)
    ]


def match_and_project(events: list[dict[str, Any]], engine: Engine | None) -> None:
    """Events a second of each query, ours and the engine's."""
    for name, mql in QUERIES.items():
        running = Running(parse(mql), lambda: 0.5, "server")
        matched = 0

        def run(running: Running = running) -> None:
            nonlocal matched
            push, matched = running.push, 0
            for event in events:
                matched += len(push(event, 0))

        rate = EVENTS / best_of(run)
        told = over_columns(name, mql, events, rate)
        peer, more = None, {}
        if engine is not None:
            said = engine.ask({"mql": mql, "events": events, "passes": PEER_PASSES})
            assert said["matched"] == matched, said
            peer = Peer(NAME, said["per_second"])
            more = {"target_ratio": SHARE_MIN, "is_ratio_met": rate >= SHARE_MIN * peer.value}
        print_figure(
            BENCHMARK,
            f"{name}: tested and projected",
            rate,
            "events/s",
            samples=PASSES,
            peer=peer,
            target=SHARE_MIN * peer.value if peer else None,
            query=mql,
            matched=matched,
            **more,
        )
        told(matched, peer)


def over_columns(
    name: str, mql: str, events: list[dict[str, Any]], dictionaries_rate: float
) -> Callable[[int, Peer | None], None]:
    """The same over a batch of columns; a function that prints it beside the engine."""
    batch = batch_of(events)
    query = ColumnQuery(parse(mql), lambda: 0, is_published=True)
    found = len(query.rows(batch))

    def run() -> None:
        query.rows(batch)

    rate = EVENTS / best_of(run)

    def told(matched: int, peer: Peer | None) -> None:
        assert found == matched, (found, matched)
        more = {} if peer is None else {"is_ratio_met": rate >= peer.value, "target_ratio": 1.0}
        print_figure(
            BENCHMARK,
            f"{name}: tested and projected over columns",
            rate,
            "events/s",
            samples=PASSES,
            peer=peer,
            target=None if peer is None else peer.value,
            query=mql,
            times_dictionaries=round(rate / dictionaries_rate, 2),
            **more,
        )

    return told


def subscribe(events: list[dict[str, Any]]) -> None:
    """What many subscriptions to a topic's records cost, decoding included."""
    records = [orjson.dumps(each) for each in events]
    kinds: dict[str, Callable[[int], str]] = {
        "equality": lambda number: f"select host, code where host == 'host-{number}'",
        "contains": lambda number: f"select message where message ==+ ' {number} is'",
        "order": lambda number: f"select host where code > {400 + number} and level == 'ERROR'",
    }
    kinds["mixed"] = lambda number: tuple(kinds.values())[number % 3](number)
    idle_us = published_us(records, Subscriptions(lambda: 0.5))
    for name, query_of in kinds.items():
        many, one = Subscriptions(lambda: 0.5), Subscriptions(lambda: 0.5)
        one.add("0", parse(query_of(0)))
        for number in range(SUBSCRIPTIONS):
            many.add(str(number), parse(query_of(number)))
        # In turn, for both to be disturbed alike.
        turns = [(published_us(records, one), published_us(records, many)) for _ in range(TURNS)]
        one_us, many_us = (min(each) for each in zip(*turns, strict=True))
        print_figure(
            BENCHMARK,
            f"{SUBSCRIPTIONS} subscriptions, {name}: a record",
            many_us,
            "us",
            samples=PASSES,
            peer=Peer("one subscription", one_us),
            target=TIMES_MAX * one_us,
        )
    print_figure(
        BENCHMARK,
        "no subscription: a record",
        idle_us,
        "us",
        samples=PASSES,
        peer=Peer("decoding it", best_of(lambda: _decode(records)) * 1e6 / EVENTS),
        target=IDLE_US_MAX,
    )


def _decode(records: list[bytes]) -> None:
    for record in records:
        orjson.loads(record)


def published_us(records: list[bytes], subscriptions: Subscriptions) -> float:
    """Microseconds for a record."""

    def run() -> None:
        publish = subscriptions.publish
        for record in records:
            publish(record, 0)

    return best_of(run) * 1e6 / len(records)


def best_of(run: Callable[[], None]) -> float:
    """Seconds of the best pass: the others were disturbed."""
    seconds = []
    for _ in range(PASSES):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    main()
