"""The detectors on series and among peers, and the forecast of loads: how good, and how fast.

The one thing to know: every figure stands beside a plain rule in the same run: a moving z-score,
river's half-space trees, a threshold round by round, the maximum of the last horizon. What needs
data that is not beside the checkout is left out, and said.
"""

import gzip
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations, groupby
from math import exp, sqrt
from pathlib import Path
from random import Random
from statistics import fmean, pstdev
from typing import Any

from projections.health import series, series_records
from projections.health.peers import FAR, PeerWatch
from projections.health.series import THRESHOLD, SeriesDetector
from scheduler.fleet.backtest import UNCOUNTED_MINUTES, Tally, backtest
from scheduler.fleet.forecast import MINUTE_MS
from tests.benchmark.figures import IS_QUICK, Peer, print_figure
from tests.support.made_up_series import made_up
from tests.support.nab_score import DATA, Labelled, alarms_worth, labelled, score
from tests.support.sick_hosts import METRICS, hosts_of, samples

NAME = "detectors"
REQUESTS = Path(__file__).parents[2].parent / "shared" / "data" / "requests"
ROWS = 2_000 if IS_QUICK else 100_000
TARGET = 70.0
"""What NAB's score should be at least, of 100."""
CHOICES = [0.40 + step / 200 for step in range(60)]
ALIKE = 1.0
"""Thresholds within a point of the best are as good; the middle of them is taken."""
Scores = list[list[float]]


def ours(one: Labelled) -> list[float]:
    """The scores of the detector."""
    detector = SeriesDetector(has_season=True)
    rows = zip(one.at_s, one.values, strict=True)
    return [detector.feed(value, at_s).score for at_s, value in rows]


def moving_z(one: Labelled, width: int = 288) -> list[float]:
    """The distance from the mean of a day, in its deviations, as a score."""
    found, window, total, squares = [], list[float](), 0.0, 0.0
    for value in one.values:
        count = max(len(window), 1)
        mean = total / count
        spread = sqrt(max(squares / count - mean * mean, 1e-12))
        far = abs(value - mean) / spread if len(window) > 10 else 0.0
        found.append(far / (far + 4.0))
        window.append(value)
        total, squares = total + value, squares + value * value
        if len(window) > width:
            old = window.pop(0)
            total, squares = total - old, squares - old * old
    return found


def worths(data: Sequence[Labelled], scores: Scores, threshold: float) -> list[float]:
    """What the alarms of each series are worth under a threshold."""
    return [
        alarms_worth(
            [row for row, each in enumerate(found) if each >= threshold],
            len(one.values),
            one.windows,
        )
        for one, found in zip(data, scores, strict=True)
    ]


def chosen(table: dict[float, list[float]], data: Sequence[Labelled], on: Sequence[int]) -> float:
    """The threshold chosen on some series: the middle of those within a point of the best."""
    windows = sum(len(data[at].windows) for at in on)
    sums = {each: score(sum(found[at] for at in on), windows) for each, found in table.items()}
    best = max(sums.values())
    alike = [each for each, value in sums.items() if value >= best - ALIKE]
    return alike[len(alike) // 2]


def on_halves(table: dict[float, list[float]], data: Sequence[Labelled]) -> list[float]:
    """The scores of each half of the series, with the threshold that the other half chose."""
    everything, found = range(len(data)), []
    for half in combinations(everything, len(data) // 2):
        others = [at for at in everything if at not in half]
        for on, other in ((half, others), (others, half)):
            worth = table[chosen(table, data, on)]
            windows = sum(len(data[at].windows) for at in other)
            found.append(score(sum(worth[at] for at in other), windows))
    return found


def nab() -> None:
    """The score on the eleven series: with our threshold, with chosen ones, and a plain rule's."""
    data = labelled()
    figures: dict[str, dict[str, float]] = {}
    for name, method in (("ours", ours), ("moving z-score", moving_z)):
        scores = [method(each) for each in data]
        table = {each: worths(data, scores, each) for each in CHOICES}
        everything = range(len(data))
        windows = sum(len(each.windows) for each in data)
        kept = figures[name] = {}
        kept["best threshold"] = max(score(sum(found), windows) for found in table.values())
        if name == "ours":
            kept["threshold 0.5"] = score(sum(worths(data, scores, THRESHOLD)), windows)
        alone = [chosen(table, data, [o for o in everything if o != at]) for at in everything]
        left_out = sum(table[each][at] for at, each in enumerate(alone))
        kept["threshold chosen without each series"] = score(left_out, windows)
        for label, on in (("even", range(0, len(data), 2)), ("odd", range(1, len(data), 2))):
            others = [at for at in everything if at not in on]
            at_threshold = table[chosen(table, data, on)]
            part = sum(len(data[at].windows) for at in others)
            figure = f"threshold chosen on {label} series, on the others"
            kept[figure] = score(sum(at_threshold[at] for at in others), part)
        halves = on_halves(table, data)
        kept["threshold chosen on any half, on the other: mean"] = fmean(halves)
        kept["threshold chosen on any half, on the other: deviation"] = pstdev(halves)
        least = sum(each >= TARGET for each in halves) / len(halves)
        kept["halves that have 70 with the threshold of the other"] = 100 * least
    rows = sum(len(each.values) for each in data)
    for figure, value in figures["ours"].items():
        plain = figures["moving z-score"].get(figure)
        print_figure(
            NAME,
            f"NAB standard: {figure}",
            value,
            "of 100 of it",
            samples=rows,
            peer=None if plain is None else Peer("moving z-score", plain),
            target=TARGET if figure == "threshold 0.5" else None,
        )


def made_up_ones() -> None:
    """The score on series that nobody recorded, under our threshold: what is not fitted to NAB."""
    found: dict[str, list[float]] = {"ours": [], "moving z-score": []}
    rows = 0
    for seed in range(900, 901 if IS_QUICK else 904):
        data = made_up(seed, of_each=1 if IS_QUICK else 3)
        windows = sum(len(each.windows) for each in data)
        rows += sum(len(each.values) for each in data)
        own = [ours(each) for each in data]
        found["ours"].append(score(sum(worths(data, own, THRESHOLD)), windows))
        plain = [moving_z(each) for each in data]
        best = max(score(sum(worths(data, plain, each)), windows) for each in CHOICES)
        found["moving z-score"].append(best)
    print_figure(
        NAME,
        "made-up series: threshold 0.5",
        fmean(found["ours"]),
        "of 100 of it",
        samples=rows,
        peer=Peer("moving z-score, its best threshold", fmean(found["moving z-score"])),
        worst=round(min(found["ours"]), 3),
    )


def nab_moved() -> None:
    """The score where all lengths and numbers are others, at random: what the choice is worth."""
    data = labelled()
    windows = sum(len(each.windows) for each in data)
    random = Random(4)
    best, left_out = [], []
    for _ in range(1 if IS_QUICK else 10):
        with moved(random):
            scores = [ours(each) for each in data]
        table = {each: worths(data, scores, each) for each in CHOICES}
        best.append(max(score(sum(found), windows) for found in table.values()))
        everything = range(len(data))
        alone = [chosen(table, data, [o for o in everything if o != at]) for at in everything]
        left_out.append(score(sum(table[each][at] for at, each in enumerate(alone)), windows))
    for figure, values in (
        ("best threshold", best),
        ("threshold chosen without each series", left_out),
    ):
        print_figure(
            NAME,
            f"NAB standard, all numbers moved by up to half: {figure}",
            sum(values) / len(values),
            "of 100 of it",
            samples=len(values),
            worst=round(min(values), 3),
        )


@contextmanager
def moved(random: Random) -> Iterator[None]:
    """Every number of the detector times something between 2/3 and 3/2."""
    whole = [(series, name) for name in ("HOUR_ROWS", "NEAR_ROWS", "HOLD_ROWS", "QUIET_ROWS")]
    parts = [(series_records, name) for name in ("NEW_PART", "SCATTER_PARTS")]
    fixed = [(series, name) for name in ("FAR_ROWS", "FAR_ROWS_MIN", "KEPT_ROWS")]
    names = [*whole, *parts, *fixed]
    before = [(module, name, getattr(module, name)) for module, name in names]
    try:
        for module, name, value in before:
            factor = exp(random.uniform(-0.4, 0.4))
            is_part = (module, name) in parts
            setattr(module, name, value * factor if is_part else max(2, round(value * factor)))
        # The means have to stay in their proportion, and fit into what is kept.
        vars(series)["FAR_ROWS"] = 8 * series.NEAR_ROWS
        vars(series)["FAR_ROWS_MIN"] = 4 * series.NEAR_ROWS
        vars(series)["KEPT_ROWS"] = 9 * series.NEAR_ROWS
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def rate_of(feed: Callable[[float], object], rows: int) -> float:
    """Rows a second of processor time."""
    random = Random(1)
    values = [random.gauss(50, 5) for _ in range(rows)]
    began = time.process_time()
    for each in values:
        feed(each)
    return rows / max(time.process_time() - began, 1e-9)


def speed() -> None:
    """Rows a second, and bytes of a series, beside river's half-space trees."""
    from river.anomaly import HalfSpaceTrees  # noqa: PLC0415 - 0.8 s, only for this figure

    trees: Any = HalfSpaceTrees(n_trees=10, height=8, window_size=250, seed=1)

    def grow(value: float) -> None:
        point = {"value": value / 100}
        trees.score_one(point)
        trees.learn_one(point)

    detector = SeriesDetector()
    peer_rows = ROWS // 20
    print_figure(
        NAME,
        "rows of a series",
        rate_of(detector.feed, ROWS),
        "rows/s",
        samples=ROWS,
        peer=Peer("river HalfSpaceTrees, 10 trees", rate_of(grow, peer_rows)),
        target=20_000,
    )
    tracemalloc.start()
    many = [SeriesDetector() for _ in range(100)]
    random = Random(2)
    for each in many:
        for _ in range(400):
            each.feed(random.random())
    size = tracemalloc.get_traced_memory()[0] / len(many)
    tracemalloc.stop()
    print_figure(NAME, "memory of a series without season", size, "bytes", samples=len(many))


def peers() -> None:
    """Precision and recall at one sick host of a hundred, beside one threshold and no memory."""
    hit, false, missed = [0, 0], [0, 0], [0, 0]
    rows, spent = 0, 0.0
    for seed in range(900, 901 if IS_QUICK else 905):
        known = hosts_of(seed, hosts=200 if IS_QUICK else 1_000)
        sick = {host for host, kind in known.items() if kind}
        watch, found, plain = PeerWatch(METRICS), set[str](), set[str]()
        told = samples(seed, known)
        for _, several in groupby(told, key=lambda each: each.at):
            began = time.process_time()
            for each in several:
                watch.feed(each.host, each.group, each.values)
            judged = watch.judged()
            spent += time.process_time() - began
            found |= {each.host for each in judged if each.is_sick}
            plain |= {each.host for each in judged if abs(each.distance) >= FAR}
        rows += len(told)
        for at, which in enumerate((found, plain)):
            hit[at] += len(which & sick)
            false[at] += len(which - sick)
            missed[at] += len(sick - which)
    precision = [h / max(h + f, 1) for h, f in zip(hit, false, strict=True)]
    recall = [h / max(h + m, 1) for h, m in zip(hit, missed, strict=True)]
    name = "the same distance, any one round"
    for figure, value, target in (("precision", precision, 0.93), ("recall", recall, 0.87)):
        print_figure(
            NAME,
            f"sick hosts among peers: {figure}",
            value[0],
            "of it",
            samples=hit[0] + missed[0],
            peer=Peer(name, value[1]),
            target=target,
        )
    print_figure(NAME, "rows of hosts among peers", rows / max(spent, 1e-9), "rows/s", samples=rows)


def forecast() -> None:
    """Short minutes and what was bought on the requests of the World Cup, beside the maximum."""
    with gzip.open(REQUESTS / "worldcup98_per_minute.csv.gz", "rt") as file:
        loads = [int(line.split(",")[1]) for line in file.readlines()[1:]]
    loads = loads[: UNCOUNTED_MINUTES + 1_000] if IS_QUICK else loads
    for horizon in (15,) if IS_QUICK else (5, 15, 30, 60):
        own, plain = Tally(), Tally()
        minutes = backtest(((at * MINUTE_MS, load) for at, load in enumerate(loads)), horizon)
        for at, minute in enumerate(minutes):
            if at >= UNCOUNTED_MINUTES:
                own.count(minute.load, minute.provisioned)
                plain.count(minute.load, minute.maximum)
        mine, rule = own.figures(), plain.figures()
        for figure in ("short", "bought", "error"):
            print_figure(
                NAME,
                f"provisioned {horizon} minutes ahead: {figure}",
                mine[figure] if figure == "bought" else 100 * mine[figure],
                "provisioned / load" if figure == "bought" else "%",
                samples=own.minutes,
                peer=Peer(
                    "maximum of the last horizon",
                    rule[figure] if figure == "bought" else 100 * rule[figure],
                ),
            )


def main() -> None:
    """All figures; those that need data only where it is."""
    if DATA.is_dir():
        nab()
        nab_moved()
    else:
        print(f"{NAME}: {DATA} is not there; no figures on it", file=sys.stderr)
    made_up_ones()
    speed()
    peers()
    if REQUESTS.is_dir():
        forecast()
    else:
        print(f"{NAME}: {REQUESTS} is not there; no figures on it", file=sys.stderr)


if __name__ == "__main__":
    main()
