"""`flumina bench`: runs the benchmarks of this checkout, one JSON line for each figure.

The one thing to know: each is a module of `tests/benchmark/` with a process of its own, and prints
its figures beside a peer that was measured in the same run.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

import streams
from streams.errors import OperatorError

BENCHMARKS = (
    "submission",
    "fold_rate",
    "fold_commits",
    "rebuild",
    "snapshots",
    "history_rate",
    "end_to_end",
    "api_load",
    "simulated_master",
    "placement",
    "health_lines",
    "detectors",
    "mql",
)


def bench(
    only: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(BENCHMARKS)}; may be repeated.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes, to see that it runs.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write docs/reports/DATE-bench.md as well.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="End with code 1 when a figure misses its target.")
    ] = False,
) -> None:
    """Run the benchmarks of this checkout: one JSON line for each figure.

    Example: flumina bench --only fold_rate
    """
    root = Path(streams.__file__).parent.parent
    names = tuple(only or BENCHMARKS)
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        raise OperatorError(
            f"There is no benchmark {', '.join(unknown)}.",
            "The name is misspelt.",
            f"Choose from {', '.join(BENCHMARKS)}.",
        )
    if not (root / "tests" / "benchmark").is_dir():
        raise OperatorError(
            f"There are no benchmarks beside {root / 'streams'}.",
            "flumina was installed as a package, without its checkout.",
            "Clone the repository and run ./flumina bench there.",
        )
    figures = [figure for name in names for figure in _figures(root, name, quick)]
    if report:
        print(f"report: {_written(root, names, figures)}", file=sys.stderr)
    if check and not all(figure.get("met", True) for figure in figures):
        raise typer.Exit(1)


def _figures(root: Path, name: str, quick: bool) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", f"tests.benchmark.{name}", *(["--quick"] if quick else [])]
    environment = os.environ | {"PYTHONPATH": str(root)}
    figures = []
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            figures.append(json.loads(line))
    if process.returncode != 0:
        raise OperatorError(
            f"Benchmark {name} ended with code {process.returncode}.",
            "Its last words are above.",
            f"Run `python -m tests.benchmark.{name}` by itself to see more.",
        )
    return figures


def _written(root: Path, names: tuple[str, ...], figures: list[dict[str, Any]]) -> Path:
    """The report of these figures, dated."""
    today = datetime.now(UTC).date().isoformat()
    path = root / "docs" / "reports" / f"{today}-bench.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = figures[0]
    lines = [
        f"# Benchmarks, {today}",
        "",
        f"Command: `./flumina bench --report {' '.join(f'--only {name}' for name in names)}`.",
        f"Commit {first['commit']}, {first['machine']}.",
        "",
        "| benchmark | figure | value | target | peer in the same run | ratio | samples |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(each) for each in figures]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _row(figure: dict[str, Any]) -> str:
    """One figure as a row; what it does not have is left empty."""
    unit = figure["unit"]
    value, peer = f"{figure['value']} {unit}", ""
    if figure["peer"] is not None:
        peer = f"{figure['peer']}: {figure['peer_value']} {unit}"
    target = "" if figure["target"] is None else f"{figure['target']} "
    target += {True: "(met)", False: "(missed)"}.get(figure["met"], "")
    ratio = "" if figure["ratio"] is None else figure["ratio"]
    cells = [figure["benchmark"], figure["figure"], value, target, peer, ratio, figure["samples"]]
    return f"| {' | '.join(str(cell) for cell in cells)} |"
