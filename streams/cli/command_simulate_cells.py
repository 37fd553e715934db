"""`flumina simulate cells`: many cells behind the federation's front, in made-up time.

The one thing to know: it needs no Kafka and touches nothing. Cells run in processes of their own,
so that a hundred cells with a million hosts fit a small computer, one after another.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors
from streams.load.cells import markdown, measure_front, run_cells
from streams.load.report import machine


def simulate_cells(
    *,
    cells: Annotated[int, typer.Option(min=1, max=1_000, help="Cells.")] = 100,
    hosts: Annotated[int, typer.Option(min=10, max=20_000, help="Hosts of each.")] = 10_000,
    launches: Annotated[int, typer.Option(min=1, help="Launches of each.")] = 5_000,
    seed: Annotated[int, typer.Option(help="Of the mix.")] = 1,
    at_once: Annotated[int, typer.Option(min=1, help="Cells that run at the same time.")] = 1,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a Markdown page.")
    ] = None,
) -> None:
    """Launch Netflix' mix in many simulated cells behind the federation's front: rates and memory.

    Prints a line of JSON for each cell as it ends, and one for the front. Ends with 1 where a task
    did not start.

    Example: flumina simulate cells --cells 4 --hosts 1000 --launches 1000
    """
    speak_by_errors()
    found = []
    for each in run_cells(cells, hosts, launches, seed, at_once):
        figures = msgspec.to_builtins(each)
        print(json.dumps({**figures, "launches_per_s": round(each.launches_per_s, 1)}), flush=True)
        found.append(each)
    front = measure_front(cells, seed)
    print(json.dumps({"front": msgspec.to_builtins(front)}))
    if report is not None:
        words = " ".join(["flumina", *sys.argv[1:]])
        date = datetime.now(UTC).date().isoformat()
        report.write_text(markdown(found, front, words, date, machine()), "utf-8")
        errors().print(f"report: {report}", markup=False, soft_wrap=True)
    if any(each.started < each.launches for each in found):
        raise typer.Exit(1)
