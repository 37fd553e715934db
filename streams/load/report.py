"""The report of a load: a line of JSON for machines, a page of Markdown for people.

The one thing to know: processor time for a launch is the figure that a busy computer changes least,
so the page also says what two cores would do that had nothing else to do.
"""

import os
import platform
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from streams.load import mix
from streams.load.proving import Proof
from streams.load.running import Asked, Ran

BAR_PER_S: Final = 760.0
"""A million in 22 minutes: what Nomad's C2M took for two million on a large cluster."""
AIM_PER_S: Final = 2_000.0


class Report(msgspec.Struct, frozen=True):
    """A load with its proof."""

    asked: Asked
    ran: Ran
    proof: Proof
    command: str
    commit: str
    date: str

    @property
    def broken(self) -> list[str]:
        """What did not hold, as sentences; empty where all did."""
        ran, proof = self.ran, self.proof
        found = []
        if ran.halt:
            found.append(f"the fold halted: {ran.halt}")
        if ran.launches < self.asked.launches:
            found.append(f"{ran.launches} of {self.asked.launches} tasks were seen running")
        if ran.refused:
            found.append(f"{len(ran.refused)} jobs were not taken, the first: {ran.refused[0]}")
        if any(proof.lag.values()):
            found.append(f"records were left behind: {proof.lag}")
        found += [
            f"digests at {each.offset} differ, ours {each.ours}, {each.of} {each.theirs}"
            for each in proof.digests
            if not each.is_equal
        ]
        if not proof.digests:
            found.append("no digests were compared")
        if proof.launched_twice:
            found.append(f"{proof.launched_twice} tasks were launched twice")
        return found

    @property
    def rate_per_s(self) -> float:
        """Launches a second, from the first submission to the last task seen running."""
        return self.ran.launches / self.ran.seconds if self.ran.seconds else 0.0

    @property
    def on_two_cores_per_s(self) -> float:
        """What the processor time for a launch allows on two cores that do nothing else.

        Two bounds: all parts together fill two cores, and no part fills more than one (each is one
        thread, but for the broker).
        """
        each_ms = self.ran.cpu_ms_each
        busiest = max((ms for name, ms in each_ms.items() if name != "kafka"), default=0.0)
        bound_ms = max(sum(each_ms.values()) / 2, busiest)
        return 1_000 / bound_ms if bound_ms else 0.0

    def figures(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            **msgspec.to_builtins(self),
            "rate_per_s": round(self.rate_per_s, 1),
            "on_two_cores_per_s": round(self.on_two_cores_per_s, 1),
            "bar_per_s": BAR_PER_S,
            "broken": self.broken,
            "machine": machine(),
        }

    def markdown(self) -> str:
        """The page."""
        return "\n".join(_lines(self)) + "\n"


def machine() -> str:
    """What was measured on, and how busy it is: a load above its cores makes rates worse."""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at "
        f"the end, Python {platform.python_version()}"
    )


def _lines(report: Report) -> Iterator[str]:
    asked, ran, proof = report.asked, report.ran, report.proof
    yield f"# Load: {ran.launches:,} launches through one cell, {report.date}"
    yield ""
    yield f"`{report.command}`, commit {report.commit or 'unknown'}, {machine()}."
    yield ""
    yield "| figure | value |"
    yield "| --- | ---: |"
    for name, value in _figures(report):
        yield f"| {name} | {value} |"
    yield ""
    yield "What did not hold: " + ("; ".join(report.broken) or "nothing") + "."
    yield ""
    yield "## Parts"
    yield "| part | processor time for a launch, ms | cores used | RSS first, MiB | RSS last, MiB |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    first, last = (ran.rows[0], ran.rows[-1]) if ran.rows else (None, None)
    for name, each_ms in ran.cpu_ms_each.items():
        rss = [str(row.rss_mib.get(name, "")) if row else "" for row in (first, last)]
        yield f"| {name} | {each_ms} | {ran.cores[name]} | {rss[0]} | {rss[1]} |"
    yield f"| together | {sum(ran.cpu_ms_each.values()):.3f} | {sum(ran.cores.values()):.2f} | | |"
    yield ""
    yield from _curve(report)
    if ran.faults:
        yield "## Faults"
        yield from (f"- {each}" for each in ran.faults)
        yield ""
    yield "## Ends"
    yield from (
        f"- digest at offset {each.offset}, {each.of}: {each.theirs}, "
        f"{'equal to' if each.is_equal else 'NOT'} {each.ours}"
        for each in proof.digests
    )
    yield f"- checkpoints of the leader compared on the way, all equal: {ran.checkpoints}"
    yield f"- records left behind: {proof.lag}"
    yield f"- launches in the cluster's journal: {proof.launched:,}, twice: {proof.launched_twice}"
    yield ""
    yield from _of_the_mix(asked)


def _figures(report: Report) -> Iterator[tuple[str, str]]:
    ran = report.ran
    yield "launches a second", f"{report.rate_per_s:,.0f} ({_beside_the_bar(report)})"
    yield (
        "the same by processor time on two idle cores (computed)",
        (f"{report.on_two_cores_per_s:,.0f}"),
    )
    yield "seconds", f"{ran.seconds:,.1f}"
    yield "jobs, by HTTP", f"{ran.jobs:,}"
    yield "tasks a job, mean", f"{ran.launches / max(1, ran.jobs):.1f}"
    yield "submit to running, p50, s", _number(ran.p50_s)
    yield "submit to running, p99, s", _number(ran.p99_s)
    yield "rate at 90 % of the launches over that at 10 %", _number(ran.slope)
    yield "tasks ended meanwhile", f"{ran.finished:,}"
    yield "tasks started in another's place", f"{ran.again:,}"
    yield "answers to submissions", ", ".join(f"{n} {s}" for s, n in sorted(ran.answers.items()))


def _beside_the_bar(report: Report) -> str:
    """The bar is of a load as fast as it goes; a rate that was asked for says nothing about it."""
    asked = report.asked.pace.rate_per_s
    if asked:
        return f"{asked:g} were asked for"
    met = "met" if report.rate_per_s >= BAR_PER_S else "missed"
    return f"bar {BAR_PER_S:,.0f}: {met}"


def _curve(report: Report) -> Iterator[str]:
    rows = report.ran.rows
    if not rows:
        return
    parts = list(rows[0].cores)
    yield f"## Curve, every {report.asked.row_s:g} s"
    yield (
        "| s | launches/s | live | p50 s | p99 s | "
        + " | ".join(f"{name} cores, MiB" for name in parts)
        + " |"
    )
    yield "| ---: " * (5 + len(parts)) + "|"
    for row in rows:
        uses = " | ".join(
            f"{row.cores.get(name, 0):.2f}, {row.rss_mib.get(name, 0):.0f}" for name in parts
        )
        yield (
            f"| {row.at_s:.0f} | {row.rate_per_s:.0f} | {row.live:,} | {_number(row.p50_s)} | "
            f"{_number(row.p99_s)} | {uses} |"
        )
    yield ""


def _of_the_mix(asked: Asked) -> Iterator[str]:
    yield "## What was sent"
    pace = asked.pace
    how = f"{pace.rate_per_s:g} launches a second" if pace.rate_per_s else "as fast as it goes"
    yield (
        f"Netflix' mix, seed {asked.seed}: {asked.hosts:,} hosts of {len(mix.HOST_SORTS)} sorts, "
        f"time {asked.compress:,.1f} times as fast, {how}, at most {pace.ahead:,} tasks ahead of "
        "those that run."
    )
    yield ""
    sizes = "; ".join(f"{each.share:.0%} {each.least} to {each.most}" for each in mix.JOB_SIZES)
    lives = "; ".join(
        f"{each.share:.0%} {each.seconds_least:g} to {each.seconds_most:g} s" for each in mix.LIVES
    )
    cpus = "; ".join(f"{share:.1%} {cpu}" for cpu, share in mix.CPU_SHARES)
    yield f"- tasks of a batch job: {sizes} (ours; Netflix told launches, not jobs)"
    yield f"- how long a task runs, before time is compressed: {lives}"
    yield f"- CPUs of a task: {cpus}; memory {mix.MEMORY_GB_LEAST} to {mix.MEMORY_GB_MOST} GB, "
    yield f"  network {mix.NETWORK_MBPS_LEAST} to {mix.NETWORK_MBPS_MOST} Mbps"
    yield f"- services: {mix.SERVICE_SHARE:.0%} of the jobs, ended by a DELETE when their time came"
    yield f"- images: {mix.IMAGES:,}, a few of them popular"
    yield (
        f"- Netflix' own rate: {mix.LAUNCHES_A_WEEK:,} a week are "
        f"{mix.LAUNCHES_A_WEEK / 604_800:.1f} a second, {mix.LAUNCHES_ON_PEAK_DAY:,} on the peak "
        f"day {mix.LAUNCHES_ON_PEAK_DAY / 86_400:.1f}"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
