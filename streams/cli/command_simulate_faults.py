"""`flumina simulate faults`: a whole cell in one process, and a seed that tries to break it.

The one thing to know: a run is a function of its seed, or of its script. A seed that fails is
shrunk to a script of a few lines, and `--script FILE` repeats it exactly, today or next year.
"""

import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.errors import OperatorError
from streams.simulation.batch import run_seeds
from streams.simulation.drawing import drawn_script
from streams.simulation.run import run_script
from streams.simulation.script import CALM_S, Script, decode_script, encode_script
from streams.simulation.shrinking import shrunk
from streams.simulation.world import Outcome, World
from streams.told_waits import told_waits

EXIT_VIOLATED: Final = 1
HOURS_MIN: Final = CALM_S / 3_600 + 0.25
"""The calm end, and a quarter of an hour in which something can happen."""
NOTES_SHOWN: Final = 40
TOLD_EVERY: Final = 10

SeedOption = Annotated[int | None, typer.Option(help="One seed; the same log each time.")]
SeedsOption = Annotated[
    str | None, typer.Option(metavar="A-B", help="Every seed from A to B, both inside.")
]
HoursOption = Annotated[float, typer.Option(help="Simulated hours of each run.")]
ScriptOption = Annotated[
    Path | None, typer.Option(help="Run this script, as --shrink wrote it, and no seed.")
]
ShrinkOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Shrink what fails to a short script, and write it here."),
]
WorkersOption = Annotated[int, typer.Option(min=1, help="Seeds that run at the same time.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one line a run.")]


def faults(  # noqa: PLR0917 - options, all by name
    seed: SeedOption = None,
    seeds: SeedsOption = None,
    hours: HoursOption = 6.0,
    script: ScriptOption = None,
    shrink: ShrinkOption = None,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Run a whole cell through a bad day in made-up time, and check every promise it makes.

    Ends with code 1 where a promise did not hold.

    Example: flumina simulate faults --seed 7 --hours 6
    """
    console = Console(stderr=True, highlight=False)
    if script is not None:
        whole = _read(script)
        outcome = _run_one(whole, console)
    elif seeds is not None:
        outcome = _run_many(_range(seeds), _hours(hours), workers, console, as_json=as_json)
        whole = drawn_script(outcome.seed, hours)
    else:
        whole = drawn_script(0 if seed is None else seed, _hours(hours))
        outcome = _run_one(whole, console)
    _print(outcome, as_json=as_json)
    if outcome.violations and shrink is not None:
        _shrink(whole, shrink, console)
    if outcome.violations:
        raise typer.Exit(EXIT_VIOLATED)


def _hours(hours: float) -> float:
    if hours < HOURS_MIN:
        raise OperatorError(
            f"{hours:g} hours are too few for a run.",
            f"The last {CALM_S / 60:.0f} minutes are calm, so that the jobs can settle.",
            f"Give --hours {HOURS_MIN:g} or more.",
        )
    return hours


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise OperatorError(
            f"{text!r} is no range of seeds.",
            "It is written as two whole numbers with a dash, the smaller first.",
            "For example --seeds 1-1000.",
        )
    return range(int(first), int(last) + 1)


def _read(path: Path) -> Script:
    try:
        return decode_script(path.read_bytes())
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be read: {error.strerror}.", "It is not there, or not yours.", ""
        ) from error
    except BAD_BYTES as error:
        raise OperatorError(
            f"{path} is no script: {error}.",
            "It was not written by `flumina simulate faults --shrink`, or by another version.",
            "Shrink the seed again.",
        ) from error


def _run_one(script: Script, console: Console) -> Outcome:
    """Run one script, and tell what came before where a promise did not hold."""
    console.print(f"seed {script.seed}, {script.hours:g} h, {len(script.deeds)} deeds")
    notes: list[str] = []

    def keep(world: World) -> None:
        notes.extend(world.notes)

    with told_waits(console, lambda: f"{script.hours:g} simulated hours"):
        outcome = run_script(script, keep)
    if outcome.violations:
        until_s = outcome.violations[0].at_s
        before = [note for note in notes if float(note.split(" ", 1)[0]) <= until_s]
        for note in before[-NOTES_SHOWN:]:
            console.print(note, markup=False)
    return outcome


def _run_many(
    seeds: range, hours: float, workers: int, console: Console, *, as_json: bool
) -> Outcome:
    """The first outcome that breaks a promise, or the last one; each failing seed is told."""
    shown: Outcome | None = None
    failed: list[int] = []
    spent_s, events = 0.0, 0
    for number, (outcome, took_s) in enumerate(run_seeds(seeds, hours, workers), start=1):
        spent_s += took_s
        events += outcome.events
        if outcome.violations:
            failed.append(outcome.seed)
            console.print(f"seed {outcome.seed} fails: {outcome.violations[0]}", markup=False)
        if as_json and number < len(seeds):
            _print(outcome, as_json=True)
        if shown is None or not shown.violations:
            shown = outcome
        if number % TOLD_EVERY == 0 or number == len(seeds):
            console.print(
                f"{number} of {len(seeds)} seeds, {events:,} events, {spent_s / number:.2f} "
                f"processor seconds a seed, {len(failed)} failed"
            )
    if failed:
        listed = ", ".join(map(str, failed))
        console.print(f"failed: {listed}; repeat with --seed {failed[0]} --hours {hours:g}")
    assert shown is not None, "a range of seeds is not empty"
    return shown


def _shrink(script: Script, path: Path, console: Console) -> None:
    def tell(runs: int, deeds: int) -> None:
        if runs % TOLD_EVERY == 0:
            console.print(f"{runs} runs, trying {deeds} deeds")

    short = shrunk(script, run_script, tell=tell)
    path.write_bytes(encode_script(short))
    console.print(
        f"{len(script.deeds)} deeds shrunk to {len(short.deeds)}: "
        f"flumina simulate faults --script {path}"
    )


def _print(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    else:
        broken = "; ".join(f"{each.invariant} {each.what}" for each in outcome.violations)
        sys.stdout.write(
            f"seed {outcome.seed}: {outcome.events:,} events in {outcome.records:,} records, "
            f"{outcome.elections} elections, {outcome.launches} launches, {outcome.starts} starts\n"
            f"log {outcome.log_digest}, state {outcome.state_digest}\n"
            f"violations: {broken or 'none'}\n"
        )
    sys.stdout.flush()
