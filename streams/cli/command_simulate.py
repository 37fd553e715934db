"""`flumina simulate`: a trace through placement policies, side by side, without a cell.

The one thing to know: the index of hosts, the queue and the round are the cell's own. What is
simulated is only the world: hosts from one file, tasks from another, time from the tasks.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from projections.simulate.contention import contention_of_trace
from projections.simulate.page import Figures, Page, page_text
from projections.simulate.trace import Trace
from scheduler.model.constraint import Constraint
from streams.cli import simulate_cluster, simulate_openb
from streams.cli import simulate_options as options
from streams.cli.render import errors, out, show, table
from streams.traces.cluster import read_cluster
from streams.traces.output import beside, demand_writable, write_placement
from streams.traces.policies import NamedRules, named_rules, notes_of_groups
from streams.traces.table import TraceError, near_match

SOURCE: Final = (
    "gpu learns what pods are like from those that came; fgd and bestfit are told, as in the "
    "paper: Weng et al., Beware of Fragmentation, USENIX ATC 2023."
)


def simulate(  # noqa: PLR0917 - options, all by name
    trace_dir: options.TraceArgument = None,
    hosts: options.HostsOption = None,
    tasks: options.TasksOption = None,
    policy: options.PolicyOption = None,
    batch: options.BatchOption = options.BATCH,
    soft: options.SoftOption = None,
    retry: options.RetryOption = False,
    cost_of: options.CostOfOption = None,
    trace: options.TraceOption = None,
    log: options.LogOption = None,
    nodes: options.NodesOption = None,
    pods: options.PodsOption = None,
    seed: options.SeedOption = options.SEED,
    seeds: options.SeedsOption = 1,
    demand: options.DemandOption = 130,
    published: options.PublishedOption = None,
    placement: options.PlacementOption = None,
    events: options.EventsOption = None,
    output: options.OutputOption = None,
    html: options.HtmlOption = None,
    as_json: options.LastLineOption = False,
) -> None:
    """Run a trace through placement policies, and compare what comes of it.

    cpus may have three decimals; mem is in MiB (any unit will do if both files use the same).
    Unplaced tasks are not offered again, unless --retry. With several policies, --placement and
    --events write the first one's; the others' files carry their names: out-spread.csv.

    Example: flumina simulate --hosts hosts.csv --tasks tasks.csv --policy pack --policy spread
    """
    written = [each for each in (output, html) if each is not None]
    of_openb = [each for each in (nodes, *(pods or ()), published) if each is not None]
    of_cluster: list[object] = [
        each for each in (trace_dir, hosts, tasks, placement, events, cost_of) if each is not None
    ]
    if log is not None:
        foreign = (*of_openb, *of_cluster, *([trace] if trace else ()), *(soft or ()))
        if foreign:
            raise _misused("--log takes only policies and outputs.", f"Leave out {foreign[0]}.")
        demand_writable(written, [log])
        report = _log(log, named_rules(policy) if policy else [])
    elif trace is not None:
        _demand_openb(trace, nodes, pods, [*of_cluster, *(soft or ())])
        assert nodes is not None
        assert pods
        demand_writable(written, of_openb)
        policies = named_rules(policy or list(simulate_openb.DEFAULT_POLICIES))
        every = range(seed, seed + seeds)
        report = _openb(OpenbAsked(nodes, pods, policies, every, demand, published))
    else:
        if of_openb:
            raise _misused(
                "--nodes, --pods and --published belong to a trace.", "Add --trace openb."
            )
        hosts, tasks = _files(trace_dir, hosts, tasks)
        policies = named_rules(policy or ["pack"])
        own = [*_of_policies(placement, policies), *_of_policies(events, policies)]
        demand_writable([*written, *own], [hosts, tasks])
        report = _cluster(
            ClusterAsked(
                hosts, tasks, policies, _soft(soft), batch, retry, placement, events, cost_of
            )
        )
    # The protocol's figures always end with their line: it is what others compare by.
    _told(report, output, html, as_json=as_json or trace is not None)


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
    cost_of: str | None = None


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


def _log(source: Path, policies: list[NamedRules]) -> Report:
    # Kafka's client and the archive's are slow to import, and no other simulation needs them.
    from streams.cli.simulate_log import simulate_log  # noqa: PLC0415

    page, figures = simulate_log(source, policies)
    return Report(msgspec.structs.replace(page, command=_command()), figures)


def _cluster(asked: ClusterAsked) -> Report:
    policies = asked.policies
    trace = read_cluster(asked.hosts, asked.tasks, asked.soft)
    for note in (*trace.notes, *notes_of_groups(trace, policies)):
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
        notes=[f"A task that got no host was {offered}.", *_costs(asked, trace, figures)],
        command=_command(),
    )
    return Report(page, figures)


def _costs(asked: ClusterAsked, trace: Trace, figures: dict[str, Any]) -> list[str]:
    """What the tasks of one tier cost the others, under each policy, in words and as figures."""
    tier = asked.cost_of
    if tier is None:
        return []
    if not any(each.request.tier == tier for each in trace.tasks):
        raise _misused(f"No task of {asked.tasks} is of tier {tier}.", "Name a tier of its column.")
    notes: list[str] = []
    figures["cost_of"] = {}
    for policy in asked.policies:
        found = contention_of_trace(trace, policy.rules, tier)
        figures["cost_of"][policy.name] = {
            "tier": tier,
            "wait_s_max": found.wait_ms_max / 1_000,
            "lost_task_seconds": dict(found.lost_task_seconds),
            "preempted": sum(each.preempted for each in found.run_with.served),
        }
        notes += [f"{policy.name}: {line}" for line in found.lines()]
    return notes


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
    # A table's own title would be folded to the width of its columns.
    out().print(figures.title, style="italic", markup=False, soft_wrap=True)
    show(out(), table("", columns, figures.rows))
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
    unknown = [word for word in words or () if word not in options.SOFT]
    if unknown:
        raise _misused(
            f"There is no soft constraint {unknown[0]!r}.{near_match(unknown[0], options.SOFT)}",
            f"Choose from {', '.join(options.SOFT)}.",
        )
    return [options.SOFT[word] for word in dict.fromkeys(words or ())]


def _demand_openb(
    trace: str, nodes: Path | None, pods: list[Path] | None, foreign: Sequence[object]
) -> None:
    """Return if the options are those of the Alibaba trace, all of them and no others."""
    if trace != "openb":
        raise _misused(
            f"There is no trace {trace!r}.", "Choose openb, or name --hosts and --tasks."
        )
    if nodes is None or not pods:
        raise _misused("--trace openb needs --nodes and --pods.", "Name both files.")
    if foreign:
        raise _misused(
            "--trace openb takes no hosts, tasks, soft constraints, placement or events.",
            f"Leave out {foreign[0]}.",
        )


def _files(directory: Path | None, hosts: Path | None, tasks: Path | None) -> tuple[Path, Path]:
    """The files of hosts and tasks that the options name."""
    if directory is not None and (hosts is not None or tasks is not None):
        raise _misused("A directory and --hosts or --tasks name two traces.", "Name one trace.")
    if directory is not None:
        return _in_directory(directory, "hosts"), _in_directory(directory, "tasks")
    if hosts is None or tasks is None:
        missing = "--tasks is" if hosts else "--hosts is" if tasks else "A trace is"
        raise _misused(
            f"{missing} missing.", "Name --hosts and --tasks, a directory, or --trace openb."
        )
    return hosts, tasks


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
