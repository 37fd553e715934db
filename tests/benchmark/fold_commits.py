"""What each kind of event costs to fold, against the last commit: in turns, in the same run.

The one thing to know: both trees fold the same recorded log with their own code, each in processes
of its own. The tree with changes is compared with the commit it stands on, a clean one with the
commit before; where git does not have that commit, there is no peer and the line says so.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from streams.kafka.embedded import EmbeddedKafka
from tests.benchmark.copies import copied_log
from tests.benchmark.figures import IS_QUICK, ROOT, Peer, print_figure
from tests.benchmark.recording import record_demo

COPIES = 2 if IS_QUICK else 200
REPEATS = 1 if IS_QUICK else 5
KINDS_SHOWN = 8
PACKAGES = ("scheduler", "streams", "projections", "connectors")
_PART = """
import json, pickle, sys, time
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
spent = {}
class Measuring(Machine):
    def _apply_event(self, event):
        began = time.perf_counter_ns()
        super()._apply_event(event)
        kind = type(event).__name__
        body = getattr(event, "body", None)
        name = kind if body is None else kind + " " + type(body).__name__
        total = spent.setdefault(name, [0, 0])
        total[0] += 1
        total[1] += time.perf_counter_ns() - began
with open(sys.argv[1], "rb") as file:
    log = pickle.load(file)
def folded(machine):
    began = time.process_time_ns()
    for offset, data in enumerate(log):
        machine.apply(offset, decode_record(data))
    return time.process_time_ns() - began
total_ns = folded(Machine())
folded(Measuring())
print(json.dumps({"total_ns": total_ns, "kinds": spent}))
"""
"""Runs under either tree, so it uses only what both have."""


def last_commit(folder: Path) -> Path | None:
    """The sources of the commit to compare with, unpacked; None where git does not have it."""
    is_changed = _git("diff", "--quiet", "HEAD", "--", *PACKAGES).returncode == 1
    packed = _git("archive", "HEAD" if is_changed else "HEAD^", *PACKAGES)
    if packed.returncode != 0:
        return None
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)  # noqa: S607
    return folder


def _git(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)  # noqa: S607


def folded_by(tree: Path, log: Path) -> dict[str, Any]:
    """Processor time of the whole fold, and count and time of each kind, by this tree's code."""
    done = subprocess.run(
        [sys.executable, "-c", _PART, str(log)],
        cwd=log.parent,
        env=os.environ | {"PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure both trees in turns."""
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            copied = copied_log(record_demo(kafka.bootstrap, "demo.", home), COPIES)
        log = home / "log.pickle"
        log.write_bytes(pickle.dumps(copied.log))
        before = last_commit(home / "before")
        ours, theirs = [], []
        for _ in range(REPEATS):
            ours.append(folded_by(ROOT, log))
            if before is not None:
                theirs.append(folded_by(before, log))
    _print(ours, theirs, copied.events)


def _print(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], events: int) -> None:
    name = "the last commit" if theirs else "none: git does not have the commit before"

    def rate(runs: list[dict[str, Any]]) -> float:
        return float(median(events * 1e9 / each["total_ns"] for each in runs))

    print_figure(
        "fold_commits",
        "decode and apply, of one core's time",
        rate(ours),
        "events/s",
        samples=REPEATS,
        peer=Peer(name, rate(theirs)) if theirs else None,
        compared_with=name,
        events=events,
    )
    kinds = ours[0]["kinds"]
    for kind in sorted(kinds, key=lambda each: -kinds[each][1])[:KINDS_SHOWN]:
        known = theirs and all(kind in each["kinds"] for each in theirs)
        print_figure(
            "fold_commits",
            f"apply one {kind}",
            _microseconds(ours, kind),
            "us",
            samples=REPEATS,
            peer=Peer(name, _microseconds(theirs, kind)) if known else None,
            events=kinds[kind][0],
        )


def _microseconds(runs: list[dict[str, Any]], kind: str) -> float:
    spent = [each["kinds"][kind] for each in runs]
    return float(median(total_ns / count / 1_000 for count, total_ns in spent))


if __name__ == "__main__":
    main()
