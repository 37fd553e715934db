"""What waits for an operator's word goes on after it: findings, and records nobody can read."""

from collections import Counter

from msgspec.structs import replace

from scheduler.model.codec import decode_record
from scheduler.model.events import Copied
from streams.simulation.drawing import drawn_script
from streams.simulation.run import run_script
from streams.simulation.script import Deed, Script
from streams.simulation.world import Outcome, World

HOURS = 1.5
QUIET = {"submit-service", "submit-batch", "scale"}


def quiet_script(seed: int, *further: Deed) -> Script:
    """Jobs, and nothing that breaks but these deeds."""
    script = drawn_script(seed, HOURS)
    deeds = [each for each in script.deeds if each.what in QUIET]
    return replace(script, deeds=tuple(sorted((*deeds, *further), key=lambda each: each.at_s)))


def run_and_count(script: Script) -> tuple[Outcome, Counter[str], World]:
    """The outcome, how often the log copied each kind of record, and the world at its end."""
    copied: Counter[str] = Counter()
    worlds: list[World] = []

    def look(world: World) -> None:
        worlds.append(world)
        for stored in world.broker.partition("cell").records:
            events = decode_record(stored.value or b"").events
            copied.update(type(each.body).__name__ for each in events if isinstance(each, Copied))

    outcome = run_script(script, look)
    return outcome, copied, worlds[0]


def test_an_unreadable_record_of_mesos_ends_each_leader_until_kafka_deletes_it() -> None:
    poison = Deed(1_200.0, "poison-mesos", for_s=20.0)
    after = Deed(1_210.0, "submit-batch", for_s=30.0, amount=4)
    outcome, copied, _ = run_and_count(quiet_script(3, poison, after))
    assert not outcome.violations, outcome.violations
    assert copied["InboundLost"] == 1  # What went with it is named, and Mesos asked for it.
    assert outcome.elections > 5


def test_a_finding_is_rejected_comes_back_and_is_confirmed() -> None:
    strangers = [Deed(900.0 + number, "stranger-task", number) for number in range(5)]
    words: Counter[str] = Counter()
    for seed in range(4):
        outcome, copied, world = run_and_count(quiet_script(seed, *strangers))
        assert not outcome.violations, outcome.violations
        orphans = world.witness.state.orphans
        assert len(orphans) == len(strangers), "strangers run on, whatever is said of them"
        assert all(each.is_confirmed for each in orphans.values())
        assert copied["FindingConfirmed"] == 1
        words.update(copied)
    assert words["FindingRejected"]
