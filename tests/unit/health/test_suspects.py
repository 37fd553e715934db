"""Suspects: what is new on hosts that fell ill is told apart from what is new everywhere."""

from projections.health.suspects import WINDOW_MS, Anomaly, Placed, suspects

HOSTS = [f"h{number}" for number in range(20)]
NOW = 1_800_000_000_000


def ill(*hosts: str, at_ms: int = NOW) -> list[Anomaly]:
    return [Anomaly(each, at_ms, f"verdicts:0:{each}") for each in hosts]


def placed(name: str, *hosts: str, before_ms: int = 60_000, kind: str = "image") -> list[Placed]:
    return [Placed(kind, name, NOW - before_ms, f"main/0:{name}-{each}", each) for each in hosts]


def test_what_came_to_the_ill_and_not_to_the_others_is_first() -> None:
    bad = placed("bad", "h1", "h2", "h3")
    common = placed("common", *HOSTS)
    rare = placed("rare", "h1", "h9", "h10")
    found = suspects(ill("h1", "h2", "h3"), [*common, *rare, *bad], HOSTS)
    assert [each.name for each in found] == ["bad", "rare", "common"]
    first = found[0]
    assert (first.ill, first.ill_total, first.others, first.others_total) == (3, 3, 0, 17)
    assert first.lift == round((3.5 / 4) / (0.5 / 18), 2)
    assert first.sources == ("main/0:bad-h1", "main/0:bad-h2", "main/0:bad-h3")
    assert found[-1].lift < 1.1


def test_what_was_there_long_before_or_came_later_is_none() -> None:
    before = placed("before", "h1", before_ms=WINDOW_MS + 1)
    later = placed("later", "h1", before_ms=-1)
    assert suspects(ill("h1"), [*before, *later], HOSTS) == []


def test_the_first_anomaly_of_a_host_counts() -> None:
    twice = [*ill("h1"), *ill("h1", at_ms=NOW + WINDOW_MS)]
    later = placed("later", "h1", before_ms=-60_000)
    assert suspects(twice, later, HOSTS) == []


def test_what_is_new_everywhere_has_no_lift() -> None:
    policy = Placed("policy", "main/0:7", NOW - 1, "main/0:7")
    (found,) = suspects(ill("h1"), [policy], HOSTS)
    assert (found.kind, found.others) == ("policy", 19)
    assert found.lift < 1.0


def test_without_anomalies_there_are_no_suspects() -> None:
    assert suspects([], placed("x", *HOSTS), HOSTS) == []


def test_the_order_of_what_came_in_does_not_matter() -> None:
    things = [*placed("a", "h1", "h2"), *placed("b", "h1"), *placed("c", "h2", "h5")]
    ways = [suspects(ill("h1", "h2"), each, HOSTS) for each in (things, things[::-1])]
    assert ways[0] == ways[1]
