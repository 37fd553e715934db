"""`flumina simulate`: a trace through placement policies, side by side, without a cell.

The one thing to know: the index of hosts, the queue and the round are the cell's own. What is
simulated is only the world: hosts from one file, tasks from another, time from the tasks.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from projections.simulate.page import Figures, Page, page_text
from scheduler.model.constraint import Constraint
from streams.cli import simulate_cluster, simulate_openb
from streams.cli.render import errors, out, show, table
from streams.traces.cluster import read_cluster
from streams.traces.output import beside, demand_writable, write_placement
from streams.traces.policies import NamedRules, named_rules
from streams.traces.table import TraceError, near_match

SOFT: Final = {
    "zone-balance": Constraint(kind="zoneBalance"),
    "unique-host": Constraint(kind="uniqueHost"),
}
"""Soft constraints that every task of a trace can be given."""
BATCH: Final = 200
"""Tasks in a call, as in the comparison with Fenzo."""
SEED: Final = 42
"""The first seed of the published runs; the others follow it."""
SOURCE: Final = (
    "gpu learns what pods are like from those that came; fgd and bestfit are told, as in the "
    "paper: Weng et al., Beware of Fragmentation, USENIX ATC 2023."
)


def simulate(  # noqa: PLR0917 - options, all by name
    trace_dir: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TRACE]", help="Directory with hosts.csv and tasks.csv, plain or .gz."
        ),
    ] = None,
    hosts: Annotated[
        Path | None,
        typer.Option(help="CSV `name,cpus,mem,zone` and more: disk, network, gpu, gpu_model, ..."),
    ] = None,
    tasks: Annotated[
        Path | None,
        typer.Option(
            help="CSV `id,job,cpus,mem`, if wanted gpu_milli, num_gpu, gpu_spec, arrive_s, end_s."
        ),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="pack, spread, empty, failover, gpu, fgd, bestfit, or a policy file; repeat it "
            "to compare. Default pack; for openb gpu, fgd and bestfit."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Tasks in a call.")] = BATCH,
    soft: Annotated[
        list[str] | None,
        typer.Option(help=f"Soft constraint for every task: {' or '.join(SOFT)}."),
    ] = None,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Offer tasks again that got no host; else once only."),
    ] = False,
    trace: Annotated[
        str | None,
        typer.Option(help="`openb`: the Alibaba GPU trace under its published protocol."),
    ] = None,
    nodes: Annotated[Path | None, typer.Option(help="openb: the list of nodes.")] = None,
    pods: Annotated[
        list[Path] | None, typer.Option(help="openb: a list of pods; repeat it for more mixes.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="openb: the first seed.")] = SEED,
    seeds: Annotated[
        int, typer.Option(min=1, max=1_000, help="openb: so many seeds, one after the other.")
    ] = 1,
    demand: Annotated[
        int,
        typer.Option(min=1, max=1_000, help="openb: demand in per cent of all GPUs, at the end."),
    ] = 130,
    published: Annotated[
        Path | None, typer.Option(help="openb: directory with the authors' figures.")
    ] = None,
    placement: Annotated[
        Path | None,
        typer.Option(help="Write `task,host`; an empty host is a task that was not placed."),
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="Write what each call decided, one JSON a line.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write all figures as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with tables and charts.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="End with one line of JSON: the figures.")
    ] = False,
) -> None:
    """Run a trace through placement policies, and compare what comes of it.

    cpus may have three decimals; mem is in MiB (any unit will do if both files use the same).
    Unplaced tasks are not offered again, unless --retry. With several policies, --placement and
    --events write the first one's; the others' files carry their names: out-spread.csv.

    Example: flumina simulate --hosts hosts.csv --tasks tasks.csv --policy pack --policy spread
    """
    if trace_dir is not None and hosts is None and tasks is None:
        hosts, tasks = _in_directory(trace_dir, "hosts"), _in_directory(trace_dir, "tasks")
    elif trace_dir is not None:
        raise _misused("A directory and --hosts or --tasks name two traces.", "Name one trace.")
    written = [each for each in (output, html) if each is not None]
    if trace is not None:
        _demand_openb(trace, hosts or tasks, placement or events)
        if nodes is None or not pods:
            raise _misused("--trace openb needs --nodes and --pods.", "Name both files.")
        demand_writable(written, [nodes, *pods])
        policies = named_rules(policy or list(simulate_openb.DEFAULT_POLICIES))
        asked = OpenbAsked(nodes, pods, policies, range(seed, seed + seeds), demand, published)
        report = _openb(asked)
    else:
        if hosts is None or tasks is None:
            raise _misused(
                "There is no trace.", "Name --hosts and --tasks, a directory, or --trace openb."
            )
        if nodes or pods or published:
            raise _misused("--nodes, --pods and --published are for --trace openb.", "Add it.")
        policies = named_rules(policy or ["pack"])
        demand_writable(
            [*written, *_of_policies(placement, policies), *_of_policies(events, policies)],
            [hosts, tasks],
        )
        report = _cluster(
            ClusterAsked(hosts, tasks, policies, _soft(soft), batch, retry, placement, events)
        )
    _told(report, output, html, as_json=as_json)


class ClusterAsked(NamedTuple):
    """What is to be simulated of hosts.csv and tasks.csv."""

    hosts: Path
    tasks: Path
    policies: list[NamedRules]
    soft: list[Constraint]
    batch: int
    is_retrying: bool
    placement: Path | None
    events: Path | None


class OpenbAsked(NamedTuple):
    """What is to be simulated of the Alibaba trace."""

    nodes: Path
    pods: list[Path]
    policies: list[NamedRules]
    seeds: range
    demand: int
    published: Path | None


class Report(NamedTuple):
    """What a simulation found, for people and for machines."""

    page: Page
    figures: dict[str, Any]


def _cluster(asked: ClusterAsked) -> Report:
    policies = asked.policies
    trace = read_cluster(asked.hosts, asked.tasks, asked.soft)
    for note in trace.notes:
        errors().print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)
    events = _of_policies(asked.events, policies)
    runs: list[simulate_cluster.Ran] = []
    with _progress("tasks", len(trace.tasks) * len(policies)) as advance:
        for number, policy in enumerate(policies):
            begun = number * len(trace.tasks)

            def on_progress(done: int, begun: int = begun) -> None:
                advance(begun + done)

            runs.append(
                simulate_cluster.run_policy(
                    trace,
                    policy,
                    batch=asked.batch,
                    is_retrying=asked.is_retrying,
                    events=events[number] if events else None,
                    on_progress=on_progress,
                )
            )
    for path, ran in zip(_of_policies(asked.placement, policies), runs, strict=False):
        write_placement(path, ran.placement)
    each = {ran.policy: simulate_cluster.json_of(ran) for ran in runs}
    figures = {
        **each[policies[0].name],
        "batch": asked.batch,
        "soft": [one.kind for one in asked.soft],
    }
    if len(runs) > 1:
        figures["policies"] = each
    has_gpus = any(view.gpus for view in trace.hosts)
    offered = "offered again in each later call" if asked.is_retrying else "not offered again"
    page = Page(
        title="Placement, simulated",
        subtitle=f"{asked.tasks} on {asked.hosts}, in calls of {asked.batch}",
        policies=[each.policy for each in runs],
        tables=[simulate_cluster.figures_of(runs, has_gpus=has_gpus)],
        charts=simulate_cluster.charts_of(trace, runs),
        notes=[f"A task that got no host was {offered}."],
        command=_command(),
    )
    return Report(page, figures)


def _openb(asked: OpenbAsked) -> Report:
    policies, seeds = asked.policies, asked.seeds
    done = 0
    with _progress("runs", len(asked.pods) * len(policies) * len(seeds)) as advance:

        def on_progress() -> None:
            nonlocal done
            done += 1
            advance(done)

        mixes = simulate_openb.run_mixes(
            asked.nodes,
            asked.pods,
            policies,
            seeds=seeds,
            demand=asked.demand,
            published=asked.published,
            on_progress=on_progress,
        )
    verdicts = [simulate_openb.verdict(mixes, policy.name) for policy in policies]
    page = Page(
        title="Alibaba GPU trace, published protocol",
        subtitle=f"{len(mixes)} mixes, demand to {asked.demand} %, median of {len(seeds)} seeds",
        policies=[each.name for each in policies],
        tables=simulate_openb.tables_of(mixes, policies),
        charts=[chart for mix in mixes for chart in simulate_openb.charts_of(mix)],
        notes=[*(each for each in verdicts if each), SOURCE],
        command=_command(),
    )
    return Report(page, simulate_openb.json_of(mixes, policies, seeds, asked.demand))


def _told(report: Report, output: Path | None, html: Path | None, *, as_json: bool) -> None:
    if output is not None:
        output.write_text(json.dumps(report.figures, indent=2) + "\n", "utf-8")
    if html is not None:
        html.write_text(page_text(report.page), "utf-8")
    for each in report.page.tables:
        _show(each)
    for note in report.page.notes:
        out().print(note, markup=False, soft_wrap=True)
    if as_json:
        print(json.dumps(report.figures))


def _show(figures: Figures) -> None:
    columns = [figures.columns[0], *(f"{each}#" for each in figures.columns[1:])]
    show(out(), table(figures.title, columns, figures.rows))
    print()


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal."""
    console = errors()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        number = progress.add_task(what, total=total)
        yield lambda done: progress.update(number, completed=done)


def _soft(words: list[str] | None) -> list[Constraint]:
    unknown = [word for word in words or () if word not in SOFT]
    if unknown:
        raise _misused(
            f"There is no soft constraint {unknown[0]!r}.{near_match(unknown[0], SOFT)}",
            f"Choose from {', '.join(SOFT)}.",
        )
    return [SOFT[word] for word in dict.fromkeys(words or ())]


def _demand_openb(trace: str, cluster: Path | None, own: Path | None) -> None:
    if trace != "openb":
        raise _misused(
            f"There is no trace {trace!r}.", "Choose openb, or name --hosts and --tasks."
        )
    if cluster is not None:
        raise _misused("--trace openb has --nodes and --pods.", "Leave out --hosts and --tasks.")
    if own is not None:
        raise _misused(
            "--trace openb has many runs and writes neither placements nor events.",
            "Leave out --placement and --events.",
        )


def _in_directory(directory: Path, name: str) -> Path:
    for path in (directory / f"{name}.csv", directory / f"{name}.csv.gz"):
        if path.is_file():
            return path
    raise _misused(
        f"{directory} has no {name}.csv.",
        "Name a directory with hosts.csv and tasks.csv, or use --hosts and --tasks.",
    )


def _of_policies(path: Path | None, policies: list[NamedRules]) -> list[Path]:
    if path is None:
        return []
    return [path, *(beside(path, each.name) for each in policies[1:])]


def _misused(what: str, remedy: str) -> TraceError:
    return TraceError(what, "The options do not say what to simulate.", remedy)


def _command() -> str:
    return "flumina " + " ".join(sys.argv[1:])
