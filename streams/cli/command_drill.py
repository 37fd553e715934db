"""`flumina drill`: an incident is made to happen, and what must follow is looked at.

The one thing to know: the exit code is true. It is 0 only if every promise of every drill that was
asked for was seen to be kept, the time to restore among them.
"""

import sys
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from streams.cli.common import DataDirOption, JsonOption, data_dir_of, settings_here
from streams.cli.interrupts import EXIT_INTERRUPTED, interruptible
from streams.cli.own_directory import fresh_directory, unused_directory
from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors, out, plain, print_json, show, table
from streams.drills.catalogue import DRILLS, drill_named
from streams.drills.drill import Drill, Options
from streams.drills.promises import Report, with_restored
from streams.drills.running import Ground, refuse_production, run_drills
from streams.errors import OperatorError

ALL: Final = "all"
TASKS: Final = 12_000
"""As many as Titus lost; what the drills run that are about many."""
HOLD_S_MAX: Final = 86_400.0


def drill(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME…", help="Which drill or drills; `all` for every one."),
    ] = None,
    *,
    is_list: Annotated[bool, typer.Option("--list", help="List the drills.")] = False,
    tasks: Annotated[
        int, typer.Option(min=50, max=50_000, help="Tasks of the drills that are about many.")
    ] = TASKS,
    hold_s: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=HOLD_S_MAX,
            metavar="S",
            help="Wait so many seconds before each drill and after it, and say where the console "
            "is: open it and watch.",
        ),
    ] = 0.0,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an incident happen on an installation of its own, and hold each promise against it.

    Everything is brought up in a directory of its own and deleted when all went well. With
    KAFKA_BROKERS, MESOS_MASTER or FLUMINA_STORE set it refuses: nobody's installation is hurt.

    Example: flumina drill control-plane-down
    """
    if is_list:
        _list(as_json=as_json)
        return
    speak_by_errors()
    chosen = _chosen(names or [])
    settings = settings_here()
    refuse_production(settings)
    directory = (
        fresh_directory(data_dir_of(settings, None), "drill")
        if data_dir is None
        else unused_directory(data_dir, "drill")
    )
    console = errors() if as_json else out()
    with interruptible():
        try:
            reports = run_drills(
                chosen,
                Ground(settings, directory, console, Options(tasks, hold_s)),
                lambda report: _tell(report, console),
            )
        except KeyboardInterrupt:
            console.print(f"Interrupted; data and logs are under {directory}.", markup=False)
            sys.exit(EXIT_INTERRUPTED)
    if as_json:
        print_json(msgspec.to_builtins(reports))
    sys.exit(0 if all(each.is_good for each in reports) else 1)


def _chosen(names: list[str]) -> list[Drill]:
    """The drills of these names, in their order; raises `OperatorError` where one is none."""
    if names == [ALL]:
        return list(DRILLS)
    known = ", ".join(each.name for each in DRILLS)
    if not names:
        raise OperatorError(
            "No drill is named.",
            f"Drills are {known}, or {ALL}.",
            "`flumina drill --list` says what each does.",
        )
    found = []
    for name in names:
        drill = drill_named(name)
        if drill is None:
            raise OperatorError(
                f"There is no drill {plain(name)!r}.",
                f"Drills are {known}, or {ALL} alone.",
                "`flumina drill --list` says what each does.",
            )
        if drill in found:
            raise OperatorError(
                f"{name} is named twice.",
                "Each drill has a directory and topics of its own name.",
                "Name it once.",
            )
        found.append(drill)
    return found


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "drill": each.name,
                    "what": each.what,
                    "promises": dict(with_restored(each.promises)),
                }
                for each in DRILLS
            ]
        )
        return
    show(out(), table("", ("drill", "what"), [(each.name, each.what) for each in DRILLS]))


def _tell(report: Report, console: Console) -> None:
    """The verdicts as a table, and the last word."""
    console.print()
    rows = [
        ("✓" if each.is_kept else "✗", each.promise, each.saw, f"{each.at_s:.1f}")
        for each in report.verdicts
    ]
    title = f"{report.drill}: what was promised, and what was seen"
    show(console, table(title, ("", "promised", "seen", "after s#"), rows))
    if report.fault:
        for line in report.fault.splitlines():
            console.print(Text(plain(line), style="red"))
    kept = sum(each.is_kept for each in report.verdicts)
    restored = (
        "never restored"
        if report.time_to_restore_s is None
        else f"restored after {report.time_to_restore_s:.1f} s"
    )
    word, style = ("✓", "bold green") if report.is_good else ("✗", "bold red")
    line = (
        f"{word} {report.drill}: {kept} of {len(report.verdicts)} promises kept, {restored}, "
        f"{report.seconds:.1f} s in all"
    )
    console.print(Text(line, style=style))
    if report.data_dir:
        console.print(f"Data and logs are under {report.data_dir}", markup=False, soft_wrap=True)
    console.print()
