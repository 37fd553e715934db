"""hosts.csv and tasks.csv through one or more policies, with the times that it took.

The one thing to know: what is measured is the whole path: the index built, each round with its
refusals explained, each record encoded and written to a file. Reading the CSV files, looking at the
cluster for charts and writing reports are not in it. A short run is repeated, and its times are the
median of the passes after the first: a program that has just begun is slower than one that runs.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from projections.simulate.charts import Chart, Line
from projections.simulate.page import Figures
from projections.simulate.replay import CallRecord, Replay
from projections.simulate.report import (
    Observer,
    Sample,
    Spread,
    Waits,
    hosts_used,
    waits_of,
    zone_spread,
)
from projections.simulate.trace import Trace
from streams.garbage import settle
from streams.traces.output import opened
from streams.traces.policies import NamedRules

WARM_PASSES: Final = 3
"""As many as the comparison with Fenzo wants, which is measured warm as well."""
REPEATED_S_MAX: Final = 3.0
"""A pass that takes longer is not repeated unless it was asked for: its beginning hardly counts."""
SAMPLES: Final = 120
"""Moments at which the cluster is looked at for the charts."""


class Ran(msgspec.Struct, frozen=True):
    """One policy's run: what came of it, and what it took."""

    policy: str
    tasks: int
    placed: int
    hosts: int
    hosts_used: int
    hosts_busy_at_end: int
    spread: Spread
    waits: Waits
    samples: tuple[Sample, ...]
    refused: tuple[tuple[str, int], ...]
    """Tasks by the rule that refused most hosts, each time that a refusal was explained."""
    calls: int
    wall_s: float
    cpu_s: float
    index_s: float
    placing_s: float
    records_s: float
    call_p50_ms: float
    call_p99_ms: float
    passes: int
    """Of which the times are the median; the one pass there was, or those after the first."""
    placement: tuple[tuple[str, str], ...]

    @property
    def placed_per_s(self) -> float:
        """Placements in a second of wall time, over the whole path."""
        return self.placed / self.wall_s if self.wall_s else 0.0


class _Watch:
    """Wall and processor time of the parts of a run."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = self.last_s = 0.0
        self.of: dict[str, float] = {}
        self.calls_s: list[float] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time inside to a part."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        spent_s = time.perf_counter() - wall_s
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += spent_s
        self.of[name] = self.of.get(name, 0.0) + spent_s
        self.last_s = spent_s


def run_policy(
    trace: Trace,
    policy: NamedRules,
    *,
    batch: int,
    is_retrying: bool,
    events: Path | None,
    on_progress: Callable[[int], None],
    warm_passes: int | None = None,
) -> Ran:
    """Run the trace through one policy; with the times of ``warm_passes`` more, where so many.

    None: three more where a pass is short.
    """
    settle()
    looks = _Looks(trace, on_progress)
    with _records_to(events) as file:
        replay, watch = _one_pass(trace, policy, batch, file, looks, is_retrying=is_retrying)
    looks.end(replay)
    if warm_passes is None:
        warm_passes = WARM_PASSES if watch.wall_s <= REPEATED_S_MAX else 0
    warm = []
    for _ in range(warm_passes):
        with _records_to(None) as file:
            again, warm_watch = _one_pass(trace, policy, batch, file, is_retrying=is_retrying)
        assert again.placed == replay.placed, "the same trace was placed in another way"
        warm.append(warm_watch)
    warm.sort(key=lambda each: each.wall_s)
    return _ran(policy, replay, looks, warm[len(warm) // 2] if warm else watch, len(warm) or 1)


def _one_pass(
    trace: Trace,
    policy: NamedRules,
    batch: int,
    file: IO[bytes],
    looks: "_Looks | None" = None,
    *,
    is_retrying: bool,
) -> tuple[Replay, _Watch]:
    """The whole trace once, and what it took; who looks on is not in the times."""
    watch = _Watch()
    with watch.part("index"):
        replay = Replay(trace, policy.rules, batch=batch, is_retrying=is_retrying)
        replay.build()
        calls = replay.calls()
    if looks:
        looks.begin(replay)
    while True:
        with watch.part("placing"):
            record = next(calls, False)
        if record is False:
            break
        if isinstance(record, CallRecord):
            watch.calls_s.append(watch.last_s)
            with watch.part("records"):
                file.write(msgspec.json.encode(record) + b"\n")
        if looks:
            looks.at(replay, record)
    with watch.part("records"):
        file.flush()
    return replay, watch


class _Looks:
    """What is seen of a run beside its times: samples for charts, refusals, progress."""

    def __init__(self, trace: Trace, on_progress: Callable[[int], None]) -> None:
        self.samples: list[Sample] = []
        self.refused: dict[str, int] = {}
        self._observer = Observer(trace)
        self._due = _Due(trace)
        self._on_progress = on_progress

    def begin(self, replay: Replay) -> None:
        """The cluster before the first call."""
        self.samples.append(self._observer.sample(replay))

    def at(self, replay: Replay, record: CallRecord | bool | None) -> None:
        """The cluster after a step."""
        if isinstance(record, CallRecord):
            _count(self.refused, record)
            self._on_progress(replay.offered)
        if self._due.is_now(replay):
            self.samples.append(self._observer.sample(replay))

    def end(self, replay: Replay) -> None:
        """The cluster as it is left."""
        last = self._observer.sample(replay)
        if self.samples[-1] != last:
            self.samples.append(last)


def _ran(policy: NamedRules, replay: Replay, looks: _Looks, watch: _Watch, passes: int) -> Ran:
    trace, samples = replay.trace, looks.samples
    calls_ms = sorted(1_000 * each for each in watch.calls_s)
    return Ran(
        policy=policy.name,
        tasks=len(trace.tasks),
        placed=len(replay.placed),
        hosts=len(trace.hosts),
        hosts_used=hosts_used(replay),
        hosts_busy_at_end=samples[-1].hosts_used,
        spread=zone_spread(replay, policy.rules.zone_attribute),
        waits=waits_of(replay),
        samples=tuple(samples),
        refused=tuple(sorted(looks.refused.items(), key=lambda each: (-each[1], each[0]))),
        calls=len(calls_ms),
        wall_s=watch.wall_s,
        cpu_s=watch.cpu_s,
        index_s=watch.of.get("index", 0.0),
        placing_s=watch.of.get("placing", 0.0),
        records_s=watch.of.get("records", 0.0),
        call_p50_ms=calls_ms[len(calls_ms) // 2],
        call_p99_ms=calls_ms[99 * len(calls_ms) // 100],
        passes=passes,
        placement=tuple(
            (task.task_id, replay.host_of(index) or "") for index, task in enumerate(trace.tasks)
        ),
    )


class _Due:
    """When the cluster is looked at: by the clock of the trace, or else by tasks offered."""

    def __init__(self, trace: Trace) -> None:
        self._has_times = trace.has_times
        ends = [each.end_ms or each.arrive_ms for each in trace.tasks]
        span = max(ends) if trace.has_times else len(trace.tasks)
        self._step = max(1, span // SAMPLES)
        self._next = 0

    def is_now(self, replay: Replay) -> bool:
        """Whether another step of the way is done."""
        at = replay.now_ms if self._has_times else replay.offered
        if at < self._next:
            return False
        self._next = at + self._step
        return True


def _count(refused: dict[str, int], record: CallRecord) -> None:
    """Add the tasks of each explained refusal to the rule that refused most hosts."""
    for each in record.refused:
        rule = max(each.rules, key=lambda rule: rule[1])[0] if each.rules else "no host"
        refused[rule] = refused.get(rule, 0) + each.tasks


@contextmanager
def _records_to(events: Path | None) -> Iterator[IO[bytes]]:
    """Where records are written: the file asked for, else one that is gone afterwards."""
    if events is None:
        with tempfile.TemporaryFile(prefix="flumina-simulate-") as file:
            yield file
    else:
        with opened(events) as file:
            yield file


def json_of(ran: Ran) -> dict[str, Any]:
    """The figures of a run, for machines."""
    last = ran.samples[-1]
    return {
        "policy": ran.policy,
        "tasks": ran.tasks,
        "placed": ran.placed,
        "not_placed": ran.tasks - ran.placed,
        "placed_per_sec": round(ran.placed_per_s, 1),
        "hosts": ran.hosts,
        "hosts_used": ran.hosts_used,
        "hosts_busy_at_end": ran.hosts_busy_at_end,
        "zone_skew": ran.spread.most,
        "zone_skew_mean": ran.spread.mean_milli / 1_000,
        "cpu_used": last.cpu_milli / 1_000,
        "mem_used": last.memory_milli / 1_000,
        "gpu_used": last.gpu_milli / 1_000,
        "fragmented": last.fragmented_milli / 1_000,
        "wait_median_s": ran.waits.median_ms / 1_000,
        "wait_p99_s": ran.waits.p99_ms / 1_000,
        "wait_max_s": ran.waits.most_ms / 1_000,
        "waited": ran.waits.waited,
        "refused": dict(ran.refused),
        "calls": ran.calls,
        "call_p50_ms": round(ran.call_p50_ms, 3),
        "call_p99_ms": round(ran.call_p99_ms, 3),
        "wall_s": round(ran.wall_s, 6),
        "cpu_s": round(ran.cpu_s, 6),
        "index_s": round(ran.index_s, 6),
        "placing_s": round(ran.placing_s, 6),
        "records_s": round(ran.records_s, 6),
        "passes": ran.passes,
    }


def figures_of(runs: list[Ran], *, has_gpus: bool) -> Figures:
    """The runs side by side."""
    columns = ["policy", "placed", "hosts used", "busy at end", "zone skew", "mean skew"]
    columns += ["cpu %", "mem %", *(["gpu %"] if has_gpus else []), "fragmented %"]
    columns += ["wait p50 s", "wait p99 s", "placed/s", "call p50 ms", "call p99 ms"]
    return Figures(
        title=f"{_counted(runs[0].tasks, 'task')} on {_counted(runs[0].hosts, 'host')}",
        columns=columns,
        rows=[_row(each, has_gpus=has_gpus) for each in runs],
        note="Shares are those at the end. Placements per second are over the whole path: index "
        "built, refusals explained, records encoded and written.",
    )


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _row(ran: Ran, *, has_gpus: bool) -> list[str]:
    last = ran.samples[-1]
    return [
        ran.policy,
        f"{ran.placed:,}",
        f"{ran.hosts_used:,}",
        f"{ran.hosts_busy_at_end:,}",
        str(ran.spread.most),
        f"{ran.spread.mean_milli / 1_000:.2f}",
        f"{last.cpu_milli / 10:.1f}",
        f"{last.memory_milli / 10:.1f}",
        *([f"{last.gpu_milli / 10:.1f}"] if has_gpus else []),
        f"{last.fragmented_milli / 10:.1f}",
        f"{ran.waits.median_ms / 1_000:.1f}",
        f"{ran.waits.p99_ms / 1_000:.1f}",
        f"{ran.placed_per_s:,.0f}",
        f"{ran.call_p50_ms:.2f}",
        f"{ran.call_p99_ms:.2f}",
    ]


def charts_of(trace: Trace, runs: list[Ran]) -> list[Chart]:
    """What the runs look like over time, or over tasks offered where nothing has a time.

    A chart that would be empty is left out: no GPUs, nobody waits.
    """
    across = "seconds" if trace.has_times else "tasks offered"

    def chart(
        title: str, up: str, value: Callable[[Sample], float], top: float = 0.0, count: bool = False
    ) -> Chart:
        lines = [
            Line(
                each.policy,
                [(_at(trace, sample), value(sample)) for sample in each.samples],
                is_stepped=True,
            )
            for each in runs
        ]
        return Chart(title, across, up, lines, top, is_count=count)

    waits = Chart(
        "Waits, from arrival to placement",
        "per cent of the tasks placed that waited at most so long",
        "seconds",
        [
            Line(each.policy, [(at, ms / 1_000) for at, ms in enumerate(each.waits.by_per_cent)])
            for each in runs
        ],
        1,
    )
    lost = "per cent of what is free that typical tasks cannot use"
    charts = [
        chart("Hosts used", f"of {len(trace.hosts):,}", lambda each: each.hosts_used, count=True),
        chart("CPU in use", "per cent", lambda each: each.cpu_milli / 10, 100),
        chart("Memory in use", "per cent", lambda each: each.memory_milli / 10, 100),
        chart("Fragmentation", lost, lambda each: each.fragmented_milli / 10, 100),
        chart("Tasks running", "", lambda each: each.running, count=True),
        waits,
    ]
    if any(view.gpus for view in trace.hosts):
        charts.insert(1, chart("GPU in use", "per cent", lambda each: each.gpu_milli / 10, 100))
    if any(sample.waiting for ran in runs for sample in ran.samples):
        charts.append(chart("Tasks waiting", "", lambda each: each.waiting, 1, count=True))
    return charts


def _at(trace: Trace, sample: Sample) -> float:
    return sample.at_ms / 1_000 if trace.has_times else sample.offered
