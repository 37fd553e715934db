"""A script from a seed: a day of jobs, and what breaks in it.

The one thing to know: everything drawn here stands in the script, so that it can be left out when
a failing one is made shorter. Some seeds have few faults and some have storms, in which several
kinds at once fall into one quarter of an hour.
"""

from random import Random
from typing import Final

from streams.simulation.script import CALM_S, Deed, Script, What

DEEDS_A_HOUR: Final = 8
SNAPSHOT_S: Final = 2_400.0
QUIET_DEEDS_A_HOUR: Final = 15
SLOW_TICK_S: Final = 40.0
MORE_WORK_A_HOUR: Final = 2
"""A day with few deeds and slow ticks gets more jobs: no seed of six hours shall have less than
2,000 events, and seeds 110 and 754 had."""
EVICTIONS_A_HOUR: Final = 2
SELDOM_SHARE: Final = 1 / 16
"""So many seeds have a finding, and so many a record of Mesos that nobody can read."""
WORK: Final[tuple[tuple[What, int], ...]] = (
    ("submit-service", 16),
    ("submit-batch", 44),
    ("submit-twice", 4),
    ("submit-rubbish", 3),
    ("scale", 14),
    ("kill-job", 7),
    ("kill-task", 5),
    ("shrink", 3),
    ("set-policy", 2),
    ("drain-host", 2),
)
FAULTS: Final[tuple[tuple[What, int], ...]] = (
    ("crash", 10),
    ("crash-at-point", 14),
    ("crash-all", 4),
    ("freeze", 10),
    ("jump-clock", 5),
    ("reassign", 6),
    ("stall-kafka", 6),
    ("cut-from-kafka", 6),
    ("late-acknowledgements", 6),
    ("poison-log", 2),
    ("drop-inbound", 2),
    ("cut-from-mesos", 6),
    ("fail-over-master", 6),
    ("flap-host", 4),
    ("cut-host", 8),
    ("cut-zone", 2),
    ("kill-host", 3),
    ("rescind", 4),
    ("rescind-under-decisions", 4),
    ("shuffle-updates", 5),
    ("double-updates", 5),
    ("lose-calls", 5),
    ("delay-calls", 5),
    ("stranger-task", 2),
    ("spoil-snapshot", 4),
    ("fail-store", 2),
)


def drawn_script(seed: int, hours: float) -> Script:
    """The script of a seed."""
    chance = Random(f"flumina {seed}")  # noqa: S311 - a made-up world
    ends_s = hours * 3_600 - CALM_S
    assert ends_s > 0, "a run needs more hours than its calm end has"
    deeds = [_service(chance, at_s=20.0 + 10.0 * number) for number in range(4)]
    deeds += [
        _work(chance, 60.0 + chance.random() * (ends_s - 60.0))
        for _ in range(int(hours * DEEDS_A_HOUR))
    ]
    faults = chance.choice((6, 12, 24, 48))
    deeds += [_fault(chance, chance.random() * ends_s, ends_s) for _ in range(faults)]
    for _ in range(chance.choice((0, 1, 2, 3))):
        begins_s = chance.random() * ends_s
        for _ in range(5):
            at_s = min(begins_s + chance.random() * 900.0, ends_s)
            deeds.append(_fault(chance, at_s, ends_s))
            deeds.append(_work(chance, at_s + chance.random() * 5.0))
    # A leader that hears nothing from Kafka and has something to copy meanwhile.
    cuts = [deed for deed in deeds if deed.what == "cut-from-kafka"]
    deeds += [_work(chance, min(deed.at_s + 6.0 * chance.random(), ends_s)) for deed in cuts]
    deeds += [
        Deed(number * SNAPSHOT_S, "take-snapshot", target=1)
        for number in range(1, int(ends_s // SNAPSHOT_S) + 1)
    ]
    tick_s = chance.choice((35.0, 40.0, 45.0))
    # Drawn apart from here on, so that all other seeds stay what they were.
    apart = Random(f"flumina apart {seed}")  # noqa: S311 - a made-up world
    if tick_s >= SLOW_TICK_S and len(deeds) < hours * QUIET_DEEDS_A_HOUR:
        deeds += [
            _work(apart, 60.0 + apart.random() * (ends_s - 60.0))
            for _ in range(int(hours * MORE_WORK_A_HOUR))
        ]
    deeds += _seldom(seed, ends_s)
    deeds += _evictions(seed, hours, ends_s)
    deeds.sort(key=lambda deed: deed.at_s)
    return Script(
        seed=seed,
        hours=hours,
        tick_s=tick_s,
        hosts=chance.randint(4, 8),
        deeds=tuple(deeds),
        calm_s=CALM_S,
    )


def _seldom(seed: int, ends_s: float) -> list[Deed]:
    """What waits for an operator."""
    chance = Random(f"flumina seldom {seed}")  # noqa: S311 - a made-up world
    deeds: list[Deed] = []
    if chance.random() < SELDOM_SHARE:  # More strangers than a cell takes without a question.
        begins_s = chance.random() * ends_s
        for _ in range(chance.randint(3, 6)):
            at_s = min(ends_s, begins_s + 60.0 * chance.random())
            deeds.append(Deed(round(at_s, 3), "stranger-task", chance.randrange(100)))
    if chance.random() < SELDOM_SHARE:
        at_s, for_s = chance.random() * (ends_s - 90.0), 10.0 + 30.0 * chance.random()
        deeds.append(Deed(round(at_s, 3), "poison-mesos", seed, round(for_s, 3)))
    return deeds


def _evictions(seed: int, hours: float, ends_s: float) -> list[Deed]:
    """Tasks that somebody wants evicted, whatever their budgets say."""
    chance = Random(f"flumina evictions {seed}")  # noqa: S311 - a made-up world
    return [
        Deed(
            round(60.0 + chance.random() * (ends_s - 60.0), 3),
            "evict-task",
            chance.randrange(100),
            amount=chance.randint(0, 6),
        )
        for _ in range(int(hours * EVICTIONS_A_HOUR))
    ]


def _picked(chance: Random, table: tuple[tuple[What, int], ...]) -> What:
    names = [name for name, _ in table]
    return chance.choices(names, [weight for _, weight in table])[0]


def _service(chance: Random, at_s: float) -> Deed:
    return Deed(round(at_s, 3), "submit-service", for_s=0.0, amount=chance.randint(1, 4))


def _work(chance: Random, at_s: float) -> Deed:
    at_s, what = round(at_s, 3), _picked(chance, WORK)
    match what:
        case "submit-service":
            return _service(chance, at_s)
        case "submit-batch" | "submit-twice":
            run_s = chance.choice((5, 30, 120, 600))
            failing_percent = chance.choice((0, 0, 5, 30))
            return Deed(at_s, what, failing_percent, run_s, chance.randint(1, 6))
        case "drain-host":
            return Deed(at_s, what, chance.randrange(100), float(chance.randint(60, 1_200)))
        case _:
            return Deed(at_s, what, chance.randrange(100), amount=chance.randint(0, 6))


def _fault(chance: Random, at_s: float, ends_s: float) -> Deed:
    """A fault; what lasts is over when the calm begins."""
    what, left_s = _picked(chance, FAULTS), max(1.0, ends_s - at_s)
    target, amount = chance.randrange(100), 0
    for_s = min(left_s, chance.choice((2.0, 8.0, 20.0, 60.0, 180.0, 600.0)) * chance.random())
    match what:
        case "crash" | "crash-at-point" | "freeze" | "cut-from-kafka" | "cut-from-mesos":
            target = chance.choice((0, 0, 0, 1))  # Mostly the leader.
            amount = chance.randrange(7)
            if what == "cut-from-kafka" and chance.random() < 0.5:
                for_s = min(left_s, 16.0 + 20.0 * chance.random())
        case "jump-clock":
            target = 0
            amount = int(chance.choice((-3_600, -60, -5, 5, 59, 61, 3_600)) * 1_000)
        case "late-acknowledgements":
            amount = chance.choice((500, 3_000, 12_000))
            for_s = min(left_s, 300.0)
        case "fail-over-master" | "stall-kafka":
            for_s = min(for_s, 120.0)
        case "flap-host":
            amount = min(int(left_s / 10.0), chance.randint(3, 60))
        case "kill-host" | "drop-inbound" | "spoil-snapshot":
            amount = chance.randrange(4)
        case "poison-log":
            for_s = min(left_s, 30.0 + 300.0 * chance.random())
        case "lose-calls" | "delay-calls" | "shuffle-updates" | "double-updates":
            for_s = min(left_s, 300.0 + for_s)
        case "rescind-under-decisions":
            for_s = min(left_s, 600.0 + for_s)
        case _:
            pass
    return Deed(round(at_s, 3), what, target, round(for_s, 3), amount)
