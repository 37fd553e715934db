"""The options of `flumina simulate`, each with what it says of itself.

The one thing to know: what a file must hold is said here and in docs/placement/simulate.md; the
readers are in `streams.traces`.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from scheduler.model.constraint import Constraint

SOFT: Final = {
    "zone-balance": Constraint(kind="zoneBalance"),
    "unique-host": Constraint(kind="uniqueHost"),
}
"""Soft constraints that every task of a trace can be given."""
BATCH: Final = 200
"""Tasks in a call, as in the comparison with Fenzo."""
SEED: Final = 42
"""The first seed of the published runs; the others follow it."""

TraceArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[TRACE]", help="Directory with hosts.csv and tasks.csv, or .csv.gz."),
]
HostsOption = Annotated[
    Path | None,
    typer.Option(help="CSV name,cpus,mem,zone and more: disk, network, gpu, gpu_model, any other."),
]
TasksOption = Annotated[
    Path | None,
    typer.Option(
        help="CSV id,job,cpus,mem, if wanted gpu_milli, num_gpu, gpu_spec, arrive_s, end_s, "
        "tier, group."
    ),
]
PolicyOption = Annotated[
    list[str] | None,
    typer.Option(
        help="pack, spread, empty, failover, gpu, fgd, bestfit, or a policy file; repeat it to "
        "compare. Default: pack; for openb gpu."
    ),
]
BatchOption = Annotated[int, typer.Option(min=1, help="Tasks in a call.")]
SoftOption = Annotated[
    list[str] | None,
    typer.Option(help=f"Soft constraint for every task: {' or '.join(SOFT)}."),
]
RetryOption = Annotated[
    bool, typer.Option("--retry", help="Offer tasks again that got no host; else once only.")
]
CostOfOption = Annotated[
    str | None,
    typer.Option(help="A tier: show too what its tasks cost the others, by a run without them."),
]
LogOption = Annotated[
    Path | None,
    typer.Option(
        metavar="BUNDLE|DIR",
        help="The recorded log of a bundle, or of the installation with this data directory, "
        "instead of a trace; what was recorded is the first policy.",
    ),
]
TraceOption = Annotated[
    str | None,
    typer.Option(help="openb: the Alibaba GPU trace of 2023 under its published protocol."),
]
NodesOption = Annotated[Path | None, typer.Option(help="openb: the list of nodes.")]
PodsOption = Annotated[
    list[Path] | None, typer.Option(help="openb: a list of pods; repeat it for more mixes.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="openb: the first seed.")]
SeedsOption = Annotated[
    int, typer.Option(min=1, max=1_000, help="openb: so many seeds; figures are their medians.")
]
DemandOption = Annotated[
    int, typer.Option(min=1, max=1_000, help="openb: demand at the end, in per cent of all GPUs.")
]
PublishedOption = Annotated[
    Path | None, typer.Option(help="openb: directory with the authors' figures, to stand beside.")
]
PlacementOption = Annotated[
    Path | None,
    typer.Option(help="Write task,host; an empty host is a task that was not placed."),
]
EventsOption = Annotated[
    Path | None, typer.Option(help="Write what each call decided, one JSON a line.")
]
OutputOption = Annotated[Path | None, typer.Option(help="Write all figures as JSON.")]
HtmlOption = Annotated[Path | None, typer.Option(help="Write a page with tables and charts.")]
LastLineOption = Annotated[
    bool, typer.Option("--json", help="End with one line of JSON: the figures. openb always does.")
]
