"""The Alibaba GPU trace under the published protocol, beside what its authors published.

The one thing to know: a figure is the median over seeds, as theirs is. The draw of a seed is ours
and not theirs (they used another generator), so single seeds differ and medians agree.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from projections.simulate.charts import Chart, Line
from projections.simulate.openb import Queue, median_series, points_of, series_of
from projections.simulate.page import Figures
from scheduler.placement.host import HostView
from streams.traces.openb import drawn, read_nodes, read_pods
from streams.traces.policies import NamedRules
from streams.traces.published import mix_name, read_published
from streams.traces.table import TraceError

MARKS: Final = (90, 95, 100, 130)
"""Demand in per cent at which figures are given, as far as demand goes."""
TIE: Final = 0.5
"""Points within which two shares count as equal (the protocol's own word)."""
DEFAULT_POLICIES: Final = ("gpu",)
ALLOCATED: Final = "GPU allocated, per cent of all"
FRAGMENTED: Final = "Idle GPU that typical pods cannot use, per cent"
Series = dict[int, tuple[float, float]]


class Mix(msgspec.Struct, frozen=True):
    """One file of pods, and what came of it under each policy."""

    name: str
    pods: int
    series: dict[str, Series]
    published: dict[str, dict[str, float]]

    def figures(self, policy: str) -> dict[str, float]:
        """The policy's figures at the marks."""
        found: dict[str, float] = {}
        for mark in self.marks(policy):
            allocated, fragmented = self.series[policy][mark]
            found[f"gpu_allocated_at_{mark}"] = round(allocated, 2)
            found[f"fragmented_at_{mark}"] = round(fragmented, 2)
        return found

    def marks(self, policy: str) -> list[int]:
        """The marks that demand reached, highest first; its end if it reached none."""
        series = self.series[policy]
        return sorted((mark for mark in MARKS if mark in series), reverse=True) or [max(series)]


def run_mixes(
    nodes: Path,
    pods: Sequence[Path],
    policies: Sequence[NamedRules],
    *,
    seeds: range,
    demand: int,
    published: Path | None,
    on_progress: Callable[[], None],
) -> list[Mix]:
    """All mixes, policies and seeds, one after the other."""
    names = [mix_name(path) for path in pods]
    for name in names:
        if names.count(name) > 1:
            raise TraceError(
                f"Mix {name} is named twice.",
                "Two --pods options name one file, or files of one name.",
                "Name each list of pods once.",
            )
    hosts = read_nodes(nodes)
    files = [(path, read_pods(path)) for path in pods]
    marks = tuple(mark for mark in MARKS if mark <= demand)
    beside = {path: read_published(published, mix_name(path), marks) for path in pods if published}
    capacity_milli = 1_000 * sum(len(view.gpus) for view in hosts)
    mixes = []
    for path, requests in files:
        queues = [drawn(requests, capacity_milli, demand, seed) for seed in seeds]
        series = {policy.name: _series(hosts, queues, policy, on_progress) for policy in policies}
        mixes.append(Mix(mix_name(path), len(requests), series, beside.get(path, {})))
    return mixes


def _series(
    hosts: list[HostView],
    queues: list[Queue],
    policy: NamedRules,
    on_progress: Callable[[], None],
) -> Series:
    runs = []
    for queue in queues:
        points = points_of(hosts, queue, policy.rules, is_learning=policy.is_learning)
        runs.append(series_of(list(points)))
        on_progress()
    return median_series(runs)


def json_of(mixes: Sequence[Mix], policies: Sequence[NamedRules], seeds: range, demand: int) -> Any:  # noqa: ANN401 - JSON
    """The figures of the first mix and policy, and all of them below ``mixes``."""
    first = mixes[0].figures(policies[0].name)
    return {
        **first,
        "mix": mixes[0].name,
        "policy": policies[0].name,
        "seeds": list(seeds),
        "demand": demand,
        "mixes": {
            mix.name: {
                "policies": {policy.name: mix.figures(policy.name) for policy in policies},
                "published": mix.published,
            }
            for mix in mixes
        },
    }


def tables_of(mixes: Sequence[Mix], policies: Sequence[NamedRules]) -> list[Figures]:
    """A row for each mix, ours and the published side by side, at the marks that were reached."""
    asked = [("gpu_allocated", 100, ALLOCATED), ("fragmented", 90, FRAGMENTED)]
    if len(mixes) == 1:
        asked[1:1] = [("gpu_allocated", 95, ALLOCATED), ("gpu_allocated", 90, ALLOCATED)]
    reached = [set(mix.marks(each.name)) for mix in mixes for each in policies]
    common = set.intersection(*reached)
    if not common.intersection(MARKS):
        asked = [
            (figure, mark, title)
            for mark in sorted(common)
            for figure, title in (("gpu_allocated", ALLOCATED), ("fragmented", FRAGMENTED))
        ]
    return [
        _table(mixes, policies, f"{figure}_at_{mark}", f"{title}, at {mark} % demand")
        for figure, mark, title in asked
        if mark in common
    ]


def _table(
    mixes: Sequence[Mix],
    policies: Sequence[NamedRules],
    key: str,
    title: str,
) -> Figures:
    theirs = [
        name
        for name in ("FGD", "BestFit", "GpuPacking", "GpuClustering", "DotProd", "Random")
        if any(key in mix.published.get(name, {}) for mix in mixes)
    ]
    columns = ["mix", *(each.name for each in policies), *(f"published {each}" for each in theirs)]
    rows: list[list[str]] = []
    best: list[tuple[int, int]] = []
    for number, mix in enumerate(mixes):
        values = [mix.figures(each.name).get(key) for each in policies]
        values += [mix.published.get(each, {}).get(key) for each in theirs]
        known = [value for value in values if value is not None]
        leading = max(known) if title.startswith(ALLOCATED) else min(known)
        rows.append([mix.name, *("" if each is None else f"{each:.2f}" for each in values)])
        best += [(number, at) for at, each in enumerate(values, 1) if each == leading]
    return Figures(title, columns, rows, best)


def verdict(mixes: Sequence[Mix], policy: str) -> str:
    """How a policy stands beside the published FGD at 100 per cent of demand, in one sentence."""
    pairs = [
        (mix.figures(policy)["gpu_allocated_at_100"], mix.published["FGD"]["gpu_allocated_at_100"])
        for mix in mixes
        if "FGD" in mix.published and "gpu_allocated_at_100" in mix.figures(policy)
    ]
    if not pairs:
        return ""
    above = sum(ours > theirs for ours, theirs in pairs)
    worst = min(ours - theirs for ours, theirs in pairs)
    held = sum(ours >= theirs - TIE for ours, theirs in pairs)
    return (
        f"{policy}: above the published FGD on {above} of {len(pairs)} mixes, within {TIE} below "
        f"or better on {held}; the least difference is {worst:+.2f} points."
    )


def charts_of(mix: Mix) -> list[Chart]:
    """Share allocated and fragmentation over demand."""
    # Up to there nearly all that comes is placed, so a share tells nothing.
    begins = 70.0 if _end(mix) > 70 else 0.0
    allocated = [
        Line(name, [(float(at), v[0]) for at, v in series.items() if at >= begins])
        for name, series in mix.series.items()
    ]
    ideal = [(float(at), float(min(at, 100))) for at in range(int(begins), _end(mix) + 1)]
    fragmented = [
        Line(name, [(float(at), v[1]) for at, v in series.items()])
        for name, series in mix.series.items()
    ]
    across = "GPU demand that arrived, per cent of all"
    return [
        Chart(
            f"{mix.name}: GPU allocated",
            across,
            "per cent; dashed: all of it",
            [Line("all that arrived", ideal, is_dashed=True), *allocated],
            100,
            begins,
        ),
        Chart(f"{mix.name}: fragmented", across, "per cent of idle GPU", fragmented, 100),
    ]


def _end(mix: Mix) -> int:
    return max(max(series) for series in mix.series.values())
