"""A cell's recorded log through one or more policies: a bundle's, or that of what runs here.

The one thing to know: jobs, running times and hosts are the recorded ones, the waits are not: they
are what each policy makes of them. The recorded placement rules run first, so that others are
compared with a simulation and not with the day itself, whose waits are told beside.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from projections.simulate.page import Page
from projections.simulate.recorded import RecordedDay
from streams.cli import simulate_cluster
from streams.cli.command_replay import opened, simulated
from streams.errors import OperatorError
from streams.traces.policies import NamedRules
from streams.travel.replaying import Replaying

RECORDED: Final = "as recorded"


class Recorded(msgspec.Struct, frozen=True):
    """A folded log: the day in it, and the rules in force at its end."""

    day: RecordedDay
    rules: NamedRules
    batch: int
    where: str


async def recorded(source: Path) -> Recorded:
    """The day that the log of a bundle, or of a data directory's installation, tells of."""
    is_directory = source.is_dir()  # noqa: ASYNC240 - a command has nothing else to do
    async with opened(None if is_directory else source, source) as answering:
        bounds = await answering.machine.reader.bounds()
        replaying = Replaying(answering.machine, answering.snapshots, is_traced=True)
        first = max(1, bounds.first_offset)
        await replaying.run(first, bounds.end_offset)
        view = await answering.machine.view_at(bounds.end_offset)
        assert replaying.day is not None
        policy = view.state.policy
        return Recorded(
            replaying.day,
            NamedRules(RECORDED, policy.placement),
            policy.launches_per_round_max,
            f"records {first} to {bounds.end_offset - 1} of {view.state.cell}/{bounds.generation}",
        )


def simulate_log(source: Path, policies: Sequence[NamedRules]) -> tuple[Page, dict[str, Any]]:
    """The page and the figures of the recorded day under each policy."""
    found = asyncio.run(recorded(source))
    traces = [(each, found.day.trace(each.rules)) for each in (found.rules, *policies)]
    trace = traces[0][1]
    if not trace.tasks:
        raise OperatorError(
            f"In {found.where} no task waited for a host.",
            "There is nothing to place.",
            "Name a bundle of a longer stretch.",
        )
    runs = [simulated(own, policy, found.batch) for policy, own in traces]
    waits = found.day.waits()
    each = {ran.policy: simulate_cluster.json_of(ran) for ran in runs}
    figures = {
        **each[RECORDED],
        "batch": found.batch,
        "policies": each,
        "recorded": msgspec.to_builtins(waits),
    }
    told = (
        f"The log itself: {waits.launched:,} tasks on {waits.hosts_used:,} hosts waited "
        f"{waits.median_ms / 1_000:.1f} s (median), {waits.p99_ms / 1_000:.1f} s (p99), "
        f"{waits.most_ms / 1_000:.1f} s at most."
    )
    has_gpus = any(view.gpus for view in trace.hosts)
    page = Page(
        title="A recorded log, simulated",
        subtitle=f"{found.where}, in calls of {found.batch}",
        policies=list(each),
        tables=[simulate_cluster.figures_of(runs, has_gpus=has_gpus)],
        charts=simulate_cluster.charts_of(trace, runs),
        notes=[told, "A task that got no host was offered again in each later call."],
        command="",
    )
    return page, figures
