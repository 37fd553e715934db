"""`flumina failover drill`: a region's tasks into a fleet that was spread, in made-up time.

The one thing to know: it needs nothing and touches nothing. The cell that decides is a real one in
memory; what it decides about is modelled, by numbers that the report names.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from projections.failover.drill import Drill, Way, WayResult
from projections.failover.numbers import Numbers
from projections.failover.report import DrillReport, markdown, report_of, rows_of
from streams.cli.common import JsonOption
from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors, out, print_json, show, table


def failover_drill(
    tasks: Annotated[
        int, typer.Option(min=100, max=100_000, help="Tasks that come from the other region.")
    ] = 7_500,
    per_second: Annotated[
        int, typer.Option(min=1, max=10_000, help="Tasks handed over in a second.")
    ] = Numbers().submitted_per_second,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a Markdown page.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let a region's tasks come to a fleet that was spread, packed and spread side by side.

    Ends with 1 where a promise was not kept: packed under 5 minutes of modelled time and ahead of
    spread, and the control plane's own share under 60 s.

    Example: flumina failover drill --tasks 7500 --json
    """
    speak_by_errors()
    numbers = Numbers(tasks=tasks, submitted_per_second=per_second)
    found = report_of(numbers, [_run(numbers, "spread"), _run(numbers, "pack")])
    if report is not None:
        report.write_text(markdown(found), "utf-8")
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print(found)
    raise typer.Exit(1 if found.broken else 0)


def _run(numbers: Numbers, way: Way) -> WayResult:
    stopwatch = Stopwatch()
    return Drill(numbers, way, stopwatch.running, lambda: stopwatch.spent_s).run()


class Stopwatch:
    """Processor seconds of what ran inside `running`."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what is done in the block."""
        began_s = time.process_time()
        try:
            yield
        finally:
            self.spent_s += time.process_time() - began_s


def _print(report: DrillReport) -> None:
    show(out(), table("", ("", "spread #", "pack #"), rows_of(report)))
    for each in report.broken:
        errors().print(f"Not kept: {each}.", markup=False)
    if not report.broken:
        errors().print("All promises of the drill were kept.", markup=False)
