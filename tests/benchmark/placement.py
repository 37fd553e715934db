"""Placements a second, against Fenzo in the same run; and how long rounds of a large cell take.

Both programs read the same files of hosts and tasks, take the queue in the same calls and write
what they placed; the files are compared, so that nothing is fast by placing less or worse. What is
timed is the whole path: indexes built, tasks placed, refusals explained, records encoded. Fenzo
takes minutes for 10,000 hosts: it gets a time limit, and its rate is of what it did; quality is
compared on the tasks that it came to.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tests.benchmark.fenzo import Fenzo, Figures, PeerMissing
from tests.benchmark.figures import IS_QUICK, ROOT, Peer, print_figure
from tests.benchmark.placement_traces import (
    Mix,
    TraceTask,
    hosts_of,
    tasks_of,
    write_hosts,
    write_tasks,
)

BATCH = 200
SEED = 5
PASSES = 1 if IS_QUICK else 3
PEER_LIMIT_S = 45.0
"""For one pass; 10 calls of 200 and more at every size. Fenzo's first calls are the quicker ones,
so that a cut makes it look better than it is, and never worse."""
PEER_WHOLE_S = 150.0
"""Enough for a whole pass over 10,000 hosts, which took Fenzo 94 s here: 106 tasks a second, where
its first 7,800 went at 181."""
OWN_FALL_MAX = 1 / 3
"""From 1,000 to 10,000 hosts."""
ROUND_MS_MAX = 1_000
CHANGE_P99_MS_MAX = 5
MEMORY_MIB_MAX = 1_536


class Case(NamedTuple):
    """One comparison; ``target`` is how many times Fenzo's placements a second."""

    hosts: int
    tasks: int
    mix: Mix
    soft: str
    target: float
    peer_limit_s: float = PEER_LIMIT_S

    @property
    def name(self) -> str:
        """The case in words."""
        soft = f", soft {self.soft}" if self.soft else ""
        return f"{self.tasks} tasks of the {self.mix} mix on {self.hosts} hosts{soft}"


CASES = (
    Case(1_000, 8_000, "three-size", "", 25),
    Case(5_000, 20_000, "three-size", "", 150),
    Case(10_000, 10_000, "three-size", "", 800, PEER_WHOLE_S),
    Case(1_000, 8_000, "three-size", "zone-balance", 80),
    Case(5_000, 20_000, "three-size", "zone-balance", 400),
    Case(10_000, 10_000, "three-size", "zone-balance", 1_000),
    Case(1_000, 2_400, "wide", "", 10),
    Case(1_000, 8_000, "wide", "", 10),
)
"""A queue that fits and one that does not, of the wide mix: only the first can use fewer hosts."""
QUICK_CASES = (
    Case(100, 400, "three-size", "zone-balance", 1),
    Case(30, 400, "wide", "", 1),
)


class Quality(NamedTuple):
    """What a placement file holds."""

    placed: int
    cpus: float
    """Of the tasks placed; where a queue does not fit, a count alone praises who leaves out large
    ones."""
    hosts_used: int
    skew_max: int
    """Over jobs after whose call each zone had room left for their largest task: 1 was possible."""
    skew_mean: float


class Files(NamedTuple):
    """The files of one case."""

    hosts: Path
    tasks: Path
    placement: Path


def measured(files: Files, soft: str) -> Figures:
    """What `flumina simulate` says of the same files, median of warm passes."""
    said = []
    for _ in range(PASSES):
        command = [
            *(sys.executable, "-m", "streams.cli.main", "simulate"),
            *("--hosts", files.hosts, "--tasks", files.tasks, "--placement", files.placement),
            *("--batch", str(BATCH), "--json"),
            *(("--soft", soft) if soft else ()),
        ]
        done = subprocess.run(
            [str(word) for word in command], cwd=ROOT, stdout=subprocess.PIPE, check=True
        )
        said.append(json.loads(done.stdout.splitlines()[-1]))
    rate = median(each["placed_per_sec"] for each in said)
    return Figures(
        seen=said[-1]["tasks"],
        placed=said[-1]["placed"],
        placed_per_sec=rate,
        hosts_used=said[-1]["hosts_used"],
        wall_s=median(each["wall_s"] for each in said),
        cpu_s=median(each["cpu_s"] for each in said),
        passes=PASSES,
    )


def quality(files: Files) -> Quality:
    """What came of a queue, counted from the files alone, the same way for both programs."""
    hosts = {row["name"]: row for row in _rows(files.hosts)}
    tasks = {row["id"]: row for row in _rows(files.tasks)}
    free = {name: [float(row["cpus"]), float(row["mem"])] for name, row in hosts.items()}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    used: set[str] = set()
    crowded: set[str] = set()
    placed, cpus = 0, 0.0
    rows = _rows(files.placement)
    for first in range(0, len(rows), BATCH):
        call = [(tasks[row["task"]], row["host"]) for row in rows[first : first + BATCH]]
        for task, host in call:
            if not host:
                crowded.add(task["job"])
                continue
            placed += 1
            cpus += float(task["cpus"])
            used.add(host)
            counts[task["job"]][hosts[host]["zone"]] += 1
            free[host][0] -= float(task["cpus"])
            free[host][1] -= float(task["mem"])
        if not _has_room([task for task, _ in call], hosts, free):
            crowded |= {task["job"] for task, _ in call}
    zones = sorted({row["zone"] for row in hosts.values()})
    skews = [
        max(of_job[zone] for zone in zones) - min(of_job[zone] for zone in zones)
        for job, of_job in sorted(counts.items())
        if job not in crowded
    ]
    mean = sum(skews) / len(skews) if skews else 0.0
    return Quality(placed, round(cpus, 3), len(used), max(skews, default=0), mean)


def _has_room(
    tasks: list[dict[str, str]], hosts: dict[str, dict[str, str]], free: dict[str, list[float]]
) -> bool:
    """Whether each zone still has a host for the largest task: then a skew was no necessity."""
    cpus = max(float(task["cpus"]) for task in tasks)
    memory = max(float(task["mem"]) for task in tasks)
    zones = {hosts[name]["zone"] for name, (c, m) in free.items() if c >= cpus and m >= memory}
    return zones == {row["zone"] for row in hosts.values()}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def compare(case: Case, fenzo: Fenzo | None, home: Path) -> float:
    """Measure one case with both programs; our placements a second."""
    tasks = tasks_of(case.mix, case.tasks, SEED)
    ours = _files(home, "ours", case, tasks)
    rate = measured(ours, case.soft)
    found = quality(ours)
    mine: dict[str, Any] = {
        "hosts": case.hosts,
        "tasks": case.tasks,
        "batch": BATCH,
        "placed": found.placed,
        "hosts_used": found.hosts_used,
        "cpu_s": round(rate.cpu_s, 3),
        "wall_s": round(rate.wall_s, 3),
        "skew_max": found.skew_max,
    }
    if fenzo is None:
        print_figure(
            "placement",
            f"placements a second, {case.name}",
            rate.placed_per_sec,
            "placed/s",
            samples=PASSES,
            **mine,
        )
        return rate.placed_per_sec
    theirs = _files(home, "fenzo", case, tasks)
    peer = fenzo.measured(
        *theirs,
        batch=BATCH,
        soft=case.soft,
        passes=PASSES,
        limit_s=case.peer_limit_s,
        warm_s=1 if IS_QUICK else 8,
    )
    ratio = rate.placed_per_sec / peer.placed_per_sec
    print_figure(
        "placement",
        f"placements a second, {case.name}",
        rate.placed_per_sec,
        "placed/s",
        samples=PASSES,
        peer=Peer("Fenzo 1.0.1", peer.placed_per_sec),
        **mine,
        peer_cpu_s=round(peer.cpu_s, 3),
        peer_wall_s=round(peer.wall_s, 3),
        peer_seen=peer.seen,
        peer_was_cut=peer.seen < case.tasks,
    )
    print_figure(
        "placement",
        f"times Fenzo's rate, {case.name}",
        ratio,
        "times",
        samples=PASSES,
        target=None if IS_QUICK else case.target,
        of_processor_time=round(
            (rate.placed / rate.cpu_s) / (peer.placed / peer.cpu_s) if rate.cpu_s else 0.0, 1
        ),
    )
    _print_quality(case, found, quality(theirs), _same_tasks(case, tasks[: peer.seen], ours, home))
    return rate.placed_per_sec


def _files(home: Path, name: str, case: Case, tasks: list[TraceTask]) -> Files:
    folder = home / name / str(len(list(home.glob(f"{name}/*"))))
    folder.mkdir(parents=True)
    files = Files(folder / "hosts.csv", folder / "tasks.csv", folder / "placement.csv")
    write_hosts(files.hosts, hosts_of(case.hosts))
    write_tasks(files.tasks, tasks)
    return files


def _same_tasks(case: Case, seen: list[TraceTask], ours: Files, home: Path) -> Quality:
    """What ours makes of just the tasks that Fenzo came to."""
    if len(seen) == case.tasks:
        return quality(ours)
    files = _files(home, "cut", case, seen)
    measured(files, case.soft)
    return quality(files)


def _print_quality(case: Case, found: Quality, theirs: Quality, same: Quality) -> None:
    """Placed count, hosts and balance, on the tasks that both programs saw."""
    is_full = theirs.hosts_used == case.hosts
    hosts_max = theirs.hosts_used - (1 if case.mix == "wide" and not is_full else 0)
    print_figure(
        "placement",
        f"hosts used, {case.name}",
        same.hosts_used,
        "hosts",
        samples=1,
        peer=Peer("Fenzo 1.0.1", theirs.hosts_used),
        target=hosts_max,
    )
    print_figure(
        "placement",
        f"tasks placed, {case.name}",
        same.placed,
        "tasks placed",
        samples=1,
        peer=Peer("Fenzo 1.0.1", theirs.placed),
        target=theirs.placed,
        cpus=same.cpus,
        peer_cpus=theirs.cpus,
    )
    if case.soft:
        print_figure(
            "placement",
            f"largest zone skew of a job that had room, {case.name}",
            found.skew_max,
            "tasks",
            samples=1,
            peer=Peer("Fenzo 1.0.1", theirs.skew_max),
            target=1,
            skew_mean=round(found.skew_mean, 2),
            peer_skew_mean=round(theirs.skew_mean, 2),
        )


def rounds() -> None:
    """Rounds over a million waiting tasks, and rounds after one change."""
    sizes = (50, 20, 50, 20) if IS_QUICK else (10_000, 1_000, 1_000, 1_000)
    said = _told_by("placement_rounds", *sizes)
    more: dict[str, Any] = {"hosts": sizes[0], "classes": sizes[1], "waiting": said["waiting"]}
    print_figure(
        "placement",
        "one round over all that waits, on empty hosts",
        said["first_ms"],
        "ms",
        samples=3,
        target=ROUND_MS_MAX,
        cpu_ms=round(said["first_cpu_ms"], 3),
        placed=said["placed"],
        **more,
    )
    print_figure(
        "placement",
        "one round over all that waits, on full hosts, every refusal written anew",
        said["full_ms"],
        "ms",
        samples=3,
        target=ROUND_MS_MAX,
        cpu_ms=round(said["full_cpu_ms"], 3),
        **more,
    )
    print_figure(
        "placement",
        "round after one change, p99",
        said["change_p99_ms"],
        "ms",
        samples=said["changes"],
        target=CHANGE_P99_MS_MAX,
        p50=round(said["change_p50_ms"], 3),
        cpu_ms=round(said["change_p99_cpu_ms"], 3),
        p50_cpu_ms=round(said["change_p50_cpu_ms"], 3),
        **more,
    )


def memory() -> None:
    """Memory of a whole cell, state and index, in a process of its own."""
    sizes = (50, 20, 50) if IS_QUICK else (10_000, 1_000, 1_000)
    said = _told_by("placement_memory", *sizes)
    print_figure(
        "placement",
        f"peak memory of a cell with {said['hosts']} hosts and {said['tasks']} tasks",
        said["peak_mib"],
        "MiB",
        samples=1,
        target=MEMORY_MIB_MAX,
        **{name: value for name, value in said.items() if name != "peak_mib"},
    )


def _told_by(module: str, *sizes: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmark.{module}", *map(str, sizes)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def main() -> None:
    """Compare case by case, each program after the other; then rounds and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument(
        "--only", default="", help="cases with this in their name (`wide`), or `rounds`, `memory`"
    )
    only = parser.parse_args().only
    if only not in {"rounds", "memory"}:
        comparisons(only)
    if only in {"", "rounds"}:
        rounds()
    if only in {"", "memory"}:
        memory()


def comparisons(only: str) -> None:
    """All cases whose name has the text."""
    try:
        fenzo = Fenzo()
    except PeerMissing as why:
        print(f"placement: {why}", file=sys.stderr)
        fenzo = None
    rates: dict[Case, float] = {}
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        for case in QUICK_CASES if IS_QUICK else CASES:
            if only in case.name:
                rates[case] = compare(case, fenzo, Path(folder))
    plain = {
        case.hosts: rate for case, rate in rates.items() if not case.soft and case.mix != "wide"
    }
    if {1_000, 10_000} <= plain.keys():
        print_figure(
            "placement",
            "our own rate at 10,000 hosts, as a part of that at 1,000",
            plain[10_000] / plain[1_000],
            "of it",
            samples=PASSES,
            target=round(1 - OWN_FALL_MAX, 3),
            at_1000=round(plain[1_000]),
            at_10000=round(plain[10_000]),
        )


if __name__ == "__main__":
    main()
