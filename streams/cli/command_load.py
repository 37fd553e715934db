"""`flumina load`: Netflix' mix through one cell of its own, with a report; `--soak` breaks things.

The one thing to know: everything runs in a directory of its own and is deleted when all held. With
KAFKA_BROKERS, MESOS_MASTER or FLUMINA_STORE set it refuses, as drills do.
"""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

import streams
from streams.cli.common import (
    DataDirOption,
    JsonOption,
    PolicyOption,
    data_dir_of,
    policy_numbers,
    settings_here,
)
from streams.cli.interrupts import EXIT_INTERRUPTED, interruptible
from streams.cli.own_directory import fresh_directory, unused_directory
from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors, out, print_json
from streams.drills.running import refuse_production
from streams.errors import OperatorError
from streams.load import mix
from streams.load.driver import Pace
from streams.load.faults import FaultPlan
from streams.load.installation import Ground, LoadInstallation
from streams.load.proving import Digest, Proof, digests_of, lag_left, launches_in, snapshot_of
from streams.load.report import BAR_PER_S, Report
from streams.load.running import Asked, Minute, Ran, Run
from streams.settings import Settings

MILLION: Final = 1_000_000
AHEAD: Final = 4_000
SEED: Final = 1
FAULT_EVERY_S: Final = 60.0


def load(
    *,
    launches: Annotated[int, typer.Option(min=1, max=10_000_000, help="Tasks.")] = MILLION,
    hosts: Annotated[int, typer.Option(min=5, max=7_000, help="Simulated hosts.")] = mix.HOSTS,
    rate: Annotated[
        float, typer.Option(min=0, help="Launches a second; 0: as fast as the cell takes them.")
    ] = 0.0,
    ahead: Annotated[
        int, typer.Option(min=1, help="So many tasks may wait to be seen running.")
    ] = AHEAD,
    compress: Annotated[
        float | None, typer.Option(min=1, help="Time runs so much faster; default: as hosts allow.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the mix and the cluster's chances.")] = SEED,
    soak: Annotated[bool, typer.Option("--soak", help="Break something now and then.")] = False,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="With --rate: as many launches as that is long.")
    ] = None,
    fault_every: Annotated[float, typer.Option(min=1, help="Seconds.")] = FAULT_EVERY_S,
    row: Annotated[float, typer.Option(min=1, help="Seconds between rows of the curve.")] = 60.0,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page; default docs/reports/DATE-load.md."),
    ] = None,
    policy: PolicyOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drive Netflix' mix of jobs through one cell of its own, by HTTP, and report what it bore.

    Broker, cell, api and thousands of simulated hosts are brought up and taken down again. Ends
    with 1 where something did not hold: a task that never ran, records left behind, a digest that
    differs, a task launched twice.

    Example: flumina load --launches 20000 --hosts 1000
    """
    speak_by_errors()
    settings = settings_here()
    refuse_production(settings)
    launches = launches if minutes is None else _launches_of(minutes, rate)
    speed = compress or round(mix.compression(hosts, rate or BAR_PER_S), 1)
    asked = Asked(
        launches=launches,
        hosts=hosts,
        seed=seed,
        compress=speed,
        pace=Pace(ahead=ahead, rate_per_s=rate, compress=speed),
        row_s=row,
        faults=FaultPlan(fault_every, seed) if soak else None,
    )
    directory = _directory(settings, data_dir)
    console = errors() if as_json else out()
    ground = _ground_of(asked, policy_numbers(policy))
    here = LoadInstallation(ground, settings, directory, console)
    with interruptible():
        try:
            found = _run(here, asked, console)
        except KeyboardInterrupt:
            console.print(f"Interrupted; data and logs are under {directory}.", markup=False)
            sys.exit(EXIT_INTERRUPTED)
    if as_json:
        print_json(found.figures())
    _tell(found, _written(found, report), console)
    if found.broken:
        console.print(f"Data and logs are under {directory}.", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    shutil.rmtree(directory)


def _directory(settings: Settings, data_dir: Path | None) -> Path:
    if data_dir is not None:
        return unused_directory(data_dir, "load")
    return fresh_directory(data_dir_of(settings, None), "load")


def _written(found: Report, report: Path | None) -> Path:
    """The file of the page, once it is there."""
    page = report or _page_path(found)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(found.markdown(), "utf-8")
    return page


def _ground_of(asked: Asked, policy: dict[str, int]) -> Ground:
    """Two cell processes where one of them will be ended."""
    processes = 2 if asked.faults else 1
    return Ground(asked.hosts, asked.compress, asked.seed, processes, policy)


def _launches_of(minutes: float, rate: float) -> int:
    if not rate:
        raise OperatorError(
            "--minutes needs --rate.",
            "Without a rate it is not known how many launches that many minutes are.",
            "Name --rate, or --launches instead of --minutes.",
        )
    return max(1, int(minutes * 60 * rate))


def _run(here: LoadInstallation, asked: Asked, console: Console) -> Report:
    def tell(row: Minute) -> None:
        console.print(
            f"{row.at_s:7.0f} s  {row.rate_per_s:7.0f} launches/s  {row.live:7,} live  "
            f"p99 {row.p99_s or 0:6.2f} s  cores "
            + " ".join(f"{name} {share:.2f}" for name, share in row.cores.items()),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    try:
        here.start(lambda part, address, _: console.print(f"{part}: {address}", style="dim"))
        ran, proof = asyncio.run(_drive(here, asked, tell))
    except TimeoutError as error:
        raise OperatorError(
            f"The load did not begin: {error}.",
            "The cluster or the cell is not well.",
            f"Read the logs under {here.data_dir / 'logs'}.",
        ) from error
    finally:
        here.stop()
    launched, twice = launches_in(here)
    return Report(
        asked,
        ran,
        Proof(*proof, launched=launched, launched_twice=twice),
        command=" ".join(["flumina", *sys.argv[1:]]),
        commit=_commit(),
        date=datetime.now(UTC).date().isoformat(),
    )


async def _drive(
    here: LoadInstallation, asked: Asked, tell: Callable[[Minute], None]
) -> tuple[Ran, tuple[dict[str, int], list[Digest], str]]:
    run = Run(here, asked, tell)
    ran = await run.go()
    watch = run.watch
    if watch.follower.halt is not None:
        return ran, ({}, [], "")
    key = await snapshot_of(here, watch.follower)
    # The fold goes on behind the snapshot, so that there is a tail to be read.
    async with watch.watching():
        lag = await lag_left(here, watch)
    return ran, (lag, await digests_of(here, watch), key)


def _page_path(found: Report) -> Path:
    word = "soak" if found.asked.faults else "load"
    root = Path(streams.__file__).parent.parent
    home = root / "docs" / "reports"
    return (home if home.is_dir() else Path.cwd()) / f"{found.date}-{word}.md"


def _commit() -> str:
    """The commit of this checkout; empty without git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10"],  # noqa: S607 - user's git
            cwd=Path(streams.__file__).parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=10.0,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _tell(found: Report, page: Path, console: Console) -> None:
    ran = found.ran
    each = ", ".join(f"{name} {ms:.2f}" for name, ms in ran.cpu_ms_each.items())
    console.print(
        f"{ran.launches:,} launches of {ran.jobs:,} jobs in {ran.seconds:.1f} s: "
        f"{found.rate_per_s:.0f} a second; p50 {ran.p50_s or 0:.2f} s, p99 {ran.p99_s or 0:.2f} s\n"
        f"processor time for a launch, ms: {each}; on two idle cores "
        f"{found.on_two_cores_per_s:.0f} a second\n"
        f"report: {page}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for line in found.broken:
        console.print(f"did not hold: {line}", style="bold red", markup=False, soft_wrap=True)
