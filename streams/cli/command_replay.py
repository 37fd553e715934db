"""`replay`: the log folded again and proven, or decided anew under another policy.

The one thing to know: it reads Kafka, the archive or a bundle, and writes nothing anywhere. With a
bundle it needs neither Kafka nor a store.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import orjson
import typer
from rich.console import Console

from connectors.client.shapes import Why
from projections.simulate.trace import Trace
from projections.travel.questions import WhyAt
from scheduler.model.address import Address
from scheduler.model.ids import CellName, Generation
from streams.cli import simulate_cluster
from streams.cli.client import decoded
from streams.cli.command_diff import INSTANT
from streams.cli.commands_explain import print_why
from streams.cli.common import DataDirOption, JsonOption, installation_here, settings_here
from streams.cli.render import cell_text, clock, out, print_json, show, table
from streams.errors import OperatorError
from streams.traces.policies import NamedRules, named_rules
from streams.travel.answering import Answering
from streams.travel.bundle_file import BundleFile
from streams.travel.bundle_log import BundleLog, BundleSnapshot
from streams.travel.opening import opened_travel
from streams.travel.replaying import Replayed, Replaying

PARTINGS_SHOWN: Final = 20
EXIT_DIFFERENT: Final = 1


def replay(  # noqa: PLR0917 - options, all by name
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="[BUNDLE]", help="A bundle's file; without, what runs here."),
    ] = None,
    first: Annotated[str, typer.Option("--from", metavar="INSTANT", help=INSTANT)] = "",
    second: Annotated[str, typer.Option("--to", metavar="INSTANT", help=INSTANT)] = "now",
    policy: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="Decide each round anew by this policy: pack, spread, a policy file, or "
            "'recorded' for this build's decisions under the policy of then.",
        ),
    ] = "",
    why: Annotated[
        str, typer.Option(metavar="NAME", help="Of a bundle: say why of a task or job in it.")
    ] = "",
    at: Annotated[str, typer.Option(metavar="INSTANT", help=f"With --why: {INSTANT}.")] = "now",
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Fold a stretch of the log again and prove it; or show what another policy had decided.

    Example: flumina replay incident.zip --policy spread
    """
    if why and bundle is None:
        raise OperatorError(
            "--why is for a bundle.", "What runs here answers itself.", "Use `flumina why --at`."
        )
    console = out()
    if why:
        raw = asyncio.run(_why(bundle, why, at))
        if as_json:
            print_json(orjson.loads(raw))
        else:
            print_why(decoded(raw, Why), console)
        return
    rules = [] if policy in {"", "recorded"} else named_rules([policy])
    asked = _Asked(bundle, data_dir, first, second, rules[0] if rules else None, bool(policy))
    found = asyncio.run(_replay(asked))
    if as_json:
        print_json(found.json())
    else:
        _print(found, console)
    if not found.replayed.is_proven:
        raise typer.Exit(EXIT_DIFFERENT)


class _Asked(msgspec.Struct, frozen=True):
    """What is to be replayed, and how."""

    bundle: Path | None
    data_dir: Path | None
    first: str
    second: str
    rules: NamedRules | None
    is_shadow: bool


class _Found(msgspec.Struct, frozen=True):
    """What came of it."""

    replayed: Replayed
    cell: str
    generation: str
    runs: tuple[simulate_cluster.Ran, ...] = ()
    """The day simulated under the policy of then, and under the other one."""
    recorded: Any = None

    def address(self, offset: int, index: int) -> str:
        """An event's address."""
        return str(Address(CellName(self.cell), Generation(self.generation), offset, index))

    def json(self) -> dict[str, Any]:
        """All of it, for machines."""
        told: dict[str, Any] = msgspec.to_builtins(self.replayed)
        told["isProven"] = self.replayed.is_proven
        comparison = told.get("comparison")
        if comparison:
            for each in comparison["partings"]:
                each["address"] = self.address(each["offset"], each["index"])
        if self.runs:
            told["simulated"] = [simulate_cluster.json_of(each) for each in self.runs]
            told["recorded"] = msgspec.to_builtins(self.recorded)
        return told


@asynccontextmanager
async def opened(bundle: Path | None, data_dir: Path | None) -> AsyncIterator[Answering]:
    """Answers about a bundle, or about the installation that is meant."""
    if bundle is None:
        async with opened_travel(installation_here(settings_here(), data_dir)) as answering:
            yield answering
        return
    file = BundleFile(bundle)
    try:
        log = BundleLog(file)
        yield Answering(log, BundleSnapshot(file), skips=log.skips)
    finally:
        file.close()


async def _why(bundle: Path | None, name: str, at: str) -> bytes:
    async with opened(bundle, None) as answering:
        return await answering.ask(WhyAt(name, at))


async def _replay(asked: _Asked) -> _Found:
    async with opened(asked.bundle, asked.data_dir) as answering:
        bounds = await answering.machine.reader.bounds()
        first = bounds.first_offset
        if asked.first:
            first = await answering.traveller.begin_of(asked.first)
        end = await answering.traveller.end_of(asked.second)
        replaying = Replaying(
            answering.machine,
            answering.snapshots,
            rules=asked.rules.rules if asked.rules else None,
            is_shadow=asked.is_shadow,
            is_traced=asked.rules is not None,
        )
        replayed = await replaying.run(first, end)
        view = await answering.machine.view_at(end)
        names = (view.state.cell, bounds.generation)
        if asked.rules is None or replaying.day is None:
            return _Found(replayed, *names)
        recorded = NamedRules("as recorded", view.state.policy.placement)
        batch = view.state.policy.launches_per_round_max
        runs = tuple(
            simulated(replaying.day.trace(each.rules), each, batch)
            for each in (recorded, asked.rules)
        )
        return _Found(replayed, *names, runs, replaying.day.waits())


def simulated(trace: Trace, policy: NamedRules, batch: int) -> simulate_cluster.Ran:
    """The recorded day under a policy, tasks that found no host offered again."""
    return simulate_cluster.run_policy(
        trace,
        policy,
        batch=batch,
        is_retrying=True,
        events=None,
        on_progress=lambda _: None,
        warm_passes=0,
    )


def _print(found: _Found, console: Console) -> None:
    replayed = found.replayed
    rows: list[tuple[str, object]] = [
        ("records", f"{replayed.first_offset} to {replayed.end_offset - 1}"),
        ("begun at", replayed.began_at),
        ("folded", f"{replayed.records} records, {replayed.events} events, {replayed.wall_s} s"),
        ("checkpoints", f"{replayed.checkpoints_equal} equal, none different"),
        ("snapshots", f"{replayed.snapshots_equal} equal"),
        ("digest", replayed.digest),
    ]
    if replayed.checkpoints_unknown:
        rows.append(("", f"{replayed.checkpoints_unknown} checkpoints of marks before it"))
    rows += [
        ("different", f"snapshot {key} has another digest: it is not of this log")
        for key in replayed.snapshots_different
    ]
    show(console, table("", ("", ""), rows))
    comparison = replayed.comparison
    if comparison is None:
        return
    console.print()
    console.print(
        cell_text(
            f"{comparison.rounds} rounds: {comparison.equal} decided alike, {comparison.parted} "
            f"part, {comparison.unknown} cannot be compared. They placed "
            f"{comparison.recorded_placed} tasks, the other decisions {comparison.shadow_placed}."
        )
    )
    partings = [
        (
            clock(each.at_ms),
            found.address(each.offset, each.index),
            each.waiting,
            each.recorded_placed,
            each.shadow_placed,
            ", ".join(
                f"{one.task_id}: {one.recorded or 'none'} → {one.shadow or 'none'}"
                for one in each.elsewhere[:3]
            ),
        )
        for each in comparison.partings[:PARTINGS_SHOWN]
    ]
    if partings:
        columns = ("time", "round", "waited #", "placed #", "would place #", "for example")
        show(console, table("", columns, partings))
    if found.runs:
        _print_runs(found, console)


def _print_runs(found: _Found, console: Console) -> None:
    """What it would have changed: the day simulated under both policies."""
    console.print()
    console.print(cell_text("The same jobs and hosts, simulated:"))
    rows = [
        (
            each.policy,
            each.placed,
            f"{each.waits.median_ms / 1000:.1f}",
            f"{each.waits.p99_ms / 1000:.1f}",
            f"{each.waits.most_ms / 1000:.1f}",
            each.hosts_used,
            f"{_mean([one.cpu_milli for one in each.samples]) / 10:.1f}",
        )
        for each in found.runs
    ]
    waits = found.recorded
    rows.append(
        (
            "(the log itself)",
            waits.launched,
            f"{waits.median_ms / 1000:.1f}",
            f"{waits.p99_ms / 1000:.1f}",
            f"{waits.most_ms / 1000:.1f}",
            waits.hosts_used,
            "-",
        )
    )
    waited = ("wait p50 s #", "p99 s #", "max s #")
    columns = ("policy", "placed #", *waited, "hosts used #", "cpu % #")
    show(console, table("", columns, rows))


def _mean(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
