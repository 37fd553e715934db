"""Long days: hundreds of deeds in a row, chosen by a seed, with all that `AnyDay` checks.

Hypothesis finds the small and the odd; what needs a history (tasks given up that come back, budgets
that run out, jobs that are forgotten) needs days that are longer than it likes to try. A failing
seed is in the name of the test, and repeats the day exactly.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, get_args

import pytest
from msgspec.structs import replace

from scheduler.model.changes import (
    CellPaged,
    JobChanged,
    OrphanGone,
    OrphanSeen,
    ProposalRefused,
    TaskChanged,
    TimeGapped,
)
from scheduler.model.constraint import Constraint
from scheduler.model.job import Batch, JobSpec, RetryPolicy, Service
from scheduler.model.mesos import MesosTaskState
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.task import FinishReason
from tests.support.any_day import HOSTS, JOBS, AnyDay
from tests.support.cell import spec_of

DEEDS_A_DAY: Final = 250
SEEDS: Final = range(1, 13)
SAID: Counter[str] = Counter()


def any_spec(chance: random.Random) -> JobSpec:
    """A job of any kind."""
    kind: Batch | Service = Service(minimum=0, desired=chance.randrange(5), maximum=6)
    if chance.random() < 0.6:
        limit_ms = chance.choice([10_000, 10**9, 10**9])
        kind = Batch(chance.randint(1, 4), limit_ms, chance.random() < 0.5)
    container = {
        "need": Need(chance.choice([100, 700, 1_500]), 32, ports=chance.choice([0, 0, 1, 3])),
        "hard_constraints": chance.choice([(), (), (Constraint("uniqueHost"),)]),
    }
    retry = RetryPolicy("exponentialBackOff", chance.randrange(3), 3_000, 12_000)
    sequence = chance.choice(["", "", "001"])
    return replace(spec_of(kind, 0, container), retry=retry, sequence=sequence)


def any_resources(chance: random.Random) -> Resources:
    """What a host may offer, also very little."""
    low = chance.choice([31_000, 31_002])
    ports = (PortRange(low, low + chance.randrange(4)),)
    return Resources(chance.choice([0, 800, 4_000]), chance.choice([0, 4_000]), 500, ports)


Deed = Callable[[AnyDay, random.Random], Any]
FATES: Final = ("sent", "sent", "sent", "refused", "unknown")
DEEDS: Final[tuple[tuple[int, Deed], ...]] = (
    (12, lambda day, c: day.work(c.choices(FATES, k=2), [c.randrange(12) for _ in range(4)])),
    (12, lambda day, c: day.go_on(c.randrange(12))),
    (8, lambda day, c: day.time_passes(c.choice([500, 1_000, 5_000, 20_000, 59_000]), True)),
    (1, lambda day, c: day.time_passes(c.choice([61_000, 600_000]), c.random() < 0.5)),
    (5, lambda day, c: day.submit(c.choice(JOBS), any_spec(c))),
    (3, lambda day, c: day.scale(c.choice(JOBS), (c.randrange(6), None, None))),
    (2, lambda day, c: day.kill_task(c.randrange(12), c.random() < 0.5)),
    (
        2,
        lambda day, c: day.ask_of_what_lives(
            c.choice(JOBS),
            c.choice(JOBS),
            c.randrange(12),
            (c.choice([None, True, False]), c.choice([None, True, False])),
            c.choice([None, None, 1, 2]),
        ),
    ),
    (1, lambda day, c: day.order(c.choice(JOBS), "orphans_max", 2, c.randrange(12))),
    (
        4,
        lambda day, c: day.status(
            c.randrange(12),
            c.choice(get_args(MesosTaskState)),
            c.random() < 0.5,
            c.randrange(12),
            c.choice([None, True, False]),
        ),
    ),
    (
        2,
        lambda day, c: day.offers(
            c.choice(HOSTS), any_resources(c), c.randrange(12), c.randrange(30)
        ),
    ),
    (1, lambda day, c: day.streams_change(c.randrange(12), c.randrange(12))),
    (1, lambda day, c: day.leaders_change(c.randrange(12))),
    (1, lambda day, c: day.ingest_is_confused(c.randrange(40), 2, 1)),
    (1, lambda day, _: day.marked()),
    (2, lambda day, _: day.decide()),
    (2, lambda day, c: day.effects(c.randrange(6), c.randrange(6), c.choice(FATES))),
    (
        3,
        lambda day, c: day.propose_nonsense(
            c.choice([*range(8), 8, 8, 8, 8, 8]),
            c.randrange(6),
            c.choice(HOSTS),
            [c.randrange(12) for _ in range(c.randrange(3))],
            c.sample(range(31_000, 31_005), k=c.randrange(3)),
        ),
    ),
)


def lived(seed: int) -> AnyDay:
    """A long day."""
    chance = random.Random(seed)
    day = AnyDay()
    day.begin(True, any_spec(chance))
    weights = [weight for weight, _ in DEEDS]
    for _, deed in chance.choices(DEEDS, weights, k=DEEDS_A_DAY):
        deed(day, chance)
        day.an_offer_is_used_once()
        if len(day.epochs) > 1 and chance.random() < 0.05:
            day.an_old_leader_writes(chance.randrange(12))
        if "mesos" in day.cell.inbound and chance.random() < 0.01:
            day.kafka_loses(2)
    return day


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_day(seed: int) -> None:
    day = lived(seed)
    for change in day.cell.said(TaskChanged):
        SAID[f"{change.state} {change.reason}".strip()] += 1
    for kind in (JobChanged, ProposalRefused, OrphanSeen, OrphanGone, CellPaged, TimeGapped):
        SAID[kind.__name__] += len(day.cell.said(kind))
    SAID["came back"] += sum("inferred" in repr(each) for each in day.cell.log)
    day.teardown()


def test_the_long_days_were_worth_their_while() -> None:
    """A day on which nothing is ever given up cannot show that it is safe to give up."""
    if SAID.total() == 0:
        pytest.skip("the long days did not run in this session, so there is nothing to count")
    reasons = {f"Finished {reason}" for reason in get_args(FinishReason)}
    wanted = {
        *reasons,
        "Disconnected",
        "KillInitiated stuckInState",
        "KillInitiated runtimeLimitExceeded",
        "ProposalRefused",
        "OrphanSeen",
        "OrphanGone",
        "TimeGapped",
        "came back",
    }
    missing = sorted(each for each in wanted if not SAID[each])
    assert not missing, f"{missing} did not happen; what did: {dict(SAID)}"
