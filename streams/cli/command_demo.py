"""`flumina demo`: everything comes up, jobs run, all of it is hurt, and what happened is explained.

The one thing to know: the exit code is true. It is 0 only if all tasks of the batch jobs ended
well, the service runs with five, a failing task was tried again, the tasks of the lost host came
back elsewhere and those of the restarted agent went on, the account has every task once, and every
address that is named exists in the log.
"""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from connectors.client.shapes import History, Task
from streams.cli.calls import Api
from streams.cli.client import ApiConnection, ApiError
from streams.cli.commands_explain import print_why
from streams.cli.common import (
    DataDirOption,
    data_dir_of,
    refuse_many_cells,
    settings_here,
)
from streams.cli.demo_hands import Command, Hand, OwnCluster
from streams.cli.demo_run import SERVICE, Outcome, Story, examples_dir
from streams.cli.demo_screen import Screen
from streams.cli.demo_topics import PREFIX, delete_topics
from streams.cli.interrupts import EXIT_INTERRUPTED, interruptible
from streams.cli.own_directory import fresh_directory, unused_directory
from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors, out, plain, show, state_text, table
from streams.clock import elapsed_s
from streams.errors import OperatorError
from streams.settings import Settings
from streams.supervise.up import Up, UpOptions
from streams.supervise.up_file import UpView

AGENTS: Final = 3
"""One dies, and two have room for all its tasks at once."""
MASTERS: Final = 2
"""One is ended, the other takes over."""
PING_TIMEOUT: Final = "1s"
MAX_PING_TIMEOUTS: Final = 5
UNREACHABLE_TIMEOUT_MS: Final = 3_000
FAILOVER_TIMEOUT_S: Final = 600
"""The cell ends with the demo, so a Mesos of somebody else may forget it soon."""
CELL: Final = "cell-1"
KEEP_POLL_S: Final = 0.5
END_TIMEOUT_S: Final = 60.0


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="For scripts: end when all is shown, ask nothing.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")
    ] = False,
    disturb: Annotated[
        str | None,
        typer.Option(
            help="On a Mesos of your own: called with 'lose AGENT_ID', 'restart AGENT_ID' and "
            "'fail-over'; it does so and returns."
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Bring everything up, run some jobs, hurt all of it, and show what happened and why.

    A host is lost for good, an agent comes back in time, the master fails over, and the control
    plane is restarted. The first run downloads Kafka (44 MB). With MESOS_MASTER set it runs on
    that Mesos, and hurts it only through --disturb; with KAFKA_BROKERS set it uses that Kafka,
    under topics of its own.

    Example: flumina demo --keep
    """
    speak_by_errors()
    settings = settings_here()
    refuse_many_cells(settings)
    if disturb is not None and not settings.mesos_masters:
        raise OperatorError(
            "--disturb is given, and MESOS_MASTER is not set.",
            "The demo's own dev cluster is hurt without help.",
            "Leave --disturb out, or name your Mesos by MESOS_MASTER.",
        )
    examples_dir()
    directory = (
        fresh_directory(data_dir_of(settings, None), "demo")
        if data_dir is None
        else unused_directory(data_dir, "demo")
    )
    options = UpOptions(
        settings=_own(settings),
        data_dir=directory,
        agents=AGENTS,
        masters=MASTERS,
        ping_timeout=PING_TIMEOUT,
        max_ping_timeouts=MAX_PING_TIMEOUTS,
        policy={"unreachable_timeout_ms": UNREACHABLE_TIMEOUT_MS},
    )
    console = out()
    is_good = False
    with interruptible():
        running = Up(options, console)
        try:
            is_good = _run(running, Screen(console), disturb, once=once, keep=keep)
        except KeyboardInterrupt:
            console.print("Interrupted.")
            sys.exit(EXIT_INTERRUPTED)
        finally:
            _clear_away(running, is_wanted=keep or not is_good)
    sys.exit(0 if is_good else 1)


def _clear_away(running: Up, *, is_wanted: bool) -> None:
    """End everything; what was made is kept where somebody may want to look at it."""
    settings = running.options.settings
    running.stop()
    if is_wanted:
        text = f"Data and logs are under {running.data_dir}"
        if settings.kafka_brokers is not None:
            text += f", topics {settings.topic_prefix}* in Kafka at {settings.kafka_brokers}"
        errors().print(f"{text}.", markup=False, soft_wrap=True)
        return
    shutil.rmtree(running.data_dir)
    if settings.kafka_brokers is not None:
        asyncio.run(delete_topics(settings.kafka_brokers, settings.topic_prefix))


def _own(settings: Settings) -> Settings:
    """The settings with what keeps a demo apart from everything else on the same Kafka."""
    own = msgspec.structs.replace(settings, failover_timeout_s=FAILOVER_TIMEOUT_S)
    if settings.kafka_brokers is None:
        return own
    prefix = f"{settings.topic_prefix}{PREFIX}{secrets.token_hex(4)}."
    return msgspec.structs.replace(own, topic_prefix=prefix)


def _run(running: Up, screen: Screen, disturb: str | None, *, once: bool, keep: bool) -> bool:
    """Whether all happened as it should."""
    screen.step(f"A fresh installation under {running.data_dir}")
    screen.step(f"    {_plot(running.options.settings, disturb)}", "dim")

    def ready(part: str, address: str, _seconds: float) -> None:
        screen.step(f"{part}: {address}")

    view = running.start(ready)
    with closing(ApiConnection(view.api, running.options.settings.actor)) as connection:
        there = Api(connection)
        try:
            hand = _hand(view, disturb)
            outcome = Story(there, view, screen, hand, lambda: _end_cell(running)).tell()
            _report(outcome, screen.console)
            if keep or not (once or outcome.faults or not sys.stdin.isatty()):
                _stay(running, screen.console, keep=keep)
        finally:
            if view.dev_cluster is None:
                _end_service(there, view, screen)
    return not outcome.faults


def _plot(settings: Settings, disturb: str | None) -> str:
    """What is going to happen, for who sees it for the first time."""
    if settings.mesos_masters is None or disturb is not None:
        return (
            "Jobs will run on it; then a host dies, the master fails over, the control plane is "
            "killed, and an agent restarts. Each task must end well or be replaced, none run twice."
        )
    return "Jobs will run on it, and the control plane is killed. Each task must end well."


def _hand(view: UpView, disturb: str | None) -> Hand | None:
    """Who may hurt the Mesos below."""
    if view.dev_cluster is not None:
        return OwnCluster(Path(view.dev_cluster.data_dir))
    return None if disturb is None else Command(disturb)


def _end_cell(running: Up) -> str:
    """End the process that decides with kill -9; its keeper starts it again."""
    part = next(each for each in running.view.parts if each.name == CELL)
    assert part.pid is not None, "the cell is awaited before it is ended"
    os.kill(part.pid, signal.SIGKILL)
    return f"The control plane ({CELL}) was ended with kill -9; up starts it again"


def _report(outcome: Outcome, console: Console) -> None:
    """The table, one why, and what did not happen."""
    began_ms = min(task.status_history[0].timestamp for task in outcome.tasks)
    histories = {each.id: each for each in outcome.histories}
    told = {} if outcome.account is None else outcome.account.by_task
    rows = [
        (*_row(task, histories[task.id], began_ms), told.get(task.id, "-"))
        for task in outcome.tasks
    ]
    console.print()
    title = "Every task: states with seconds since the first submission"
    show(console, table(title, ("task", "host", "states", "cause", "by the journals"), rows))
    console.print()
    if outcome.account is not None:
        console.print(Text(f"Account: {plain(outcome.account.summary)}.", style="bold"))
        console.print()
    chosen = outcome.replaced or next(t.id for t in outcome.tasks if t.job_id == SERVICE)
    console.print(Text(f"$ flumina why {plain(chosen)}", style="bold"))
    print_why(next(each for each in outcome.whys if each.id == chosen), console)
    console.print()
    if outcome.faults:
        console.print(Text("Not all happened as it should:", style="bold red"))
        for fault in outcome.faults:
            console.print(Text(f"  ✗ {plain(fault)}", style="red"))
    else:
        console.print(Text("✓ All happened as it should.", style="bold green"))


def _row(task: Task, history: History, began_ms: int) -> tuple[object, ...]:
    states = Text()
    for number, status in enumerate((*task.status_history, task.status)):
        states.append(" → " if number else "")
        shown = "" if status.reason_code == "filledIn" else status.reason_code
        states.append_text(state_text(status.state, shown))
        states.append(f" {(status.timestamp - began_ms) / 1000:.2f}")
    first = history.lines[0] if history.lines else None
    cause = first.address if first else ""
    if task.resubmit_of:
        cause = f"in place of {task.resubmit_of}, {cause}"
    return (task.id, task.host or "-", states, cause)


def _stay(running: Up, console: Console, *, keep: bool) -> None:
    """Leave everything running until Ctrl-C, or until Enter where that was not asked for."""
    view = running.view
    console.print(
        f"\nEverything still runs. In a browser: {view.console}\nFrom another terminal:\n"
        f"  export FLUMINA_API={view.api}\n"
        f"  ./flumina tasks; ./flumina scale {SERVICE} 8; ./flumina why {SERVICE}\n"
        + (f"Stop it with Ctrl-C, or: kill {view.pid}" if keep else "Enter ends it."),
        markup=False,
    )
    if not keep:
        sys.stdin.readline()
        return
    try:
        while True:
            for event in running.changed(KEEP_POLL_S):
                console.print(f"{event.part} {event.what}: {plain(event.text)}", markup=False)
    except KeyboardInterrupt:
        console.print("Stopping …")


def _end_service(there: Api, view: UpView, screen: Screen) -> None:
    """End what would run on in somebody else's Mesos for ever."""
    try:
        there.kill(SERVICE, "the demo is over")
    except ApiError as error:
        if error.status == 404:
            return  # It did not come so far.
        raise
    deadline = elapsed_s() + END_TIMEOUT_S
    while there.job(SERVICE).status.state != "Finished":
        if elapsed_s() > deadline:
            raise OperatorError(
                f"The tasks of {SERVICE} have not ended within {END_TIMEOUT_S:.0f} s.",
                "Their hosts do not answer.",
                f"Mesos at {','.join(view.mesos)} ends them {FAILOVER_TIMEOUT_S} s from now.",
            )
        time.sleep(KEEP_POLL_S)
    screen.step(f"{SERVICE} was ended, so that nothing of the demo runs on in Mesos")
