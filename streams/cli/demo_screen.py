"""What a demo shows while it runs: its steps with their times, and the states of its tasks.

The one thing to know: in a terminal the states are one picture that changes; without one, each
change is a line. Both say the same.
"""

from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from connectors.client.shapes import Task
from streams.cli.render import cell_text, plain, state_text
from streams.clock import elapsed_s

REFRESH_PER_S: Final = 8.0
SILENCE_S: Final = 2.0
"""Without a terminal, a wait that is longer says what for."""


class Screen:
    """The display of one demo; its clock begins when it is made."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began_s = elapsed_s()
        self._told: dict[str, str] = {}

    def step(self, text: str, style: str = "") -> None:
        """Say what was done."""
        line = Text(f"{self._time()}  ", style="dim")
        line.append(plain(text), style=style)
        self.console.print(line)

    def watch(self, waiting_for: str) -> "Watch":
        """A display of tasks' states, until it is left."""
        return Watch(self, waiting_for)

    def changes(self, jobs: dict[str, Counter[str]]) -> None:
        """Say which jobs' tasks have other states than when we spoke of them last."""
        for job, counted in jobs.items():
            text = _counts(counted)
            if self._told.get(job) != text:
                self._told[job] = text
                self.step(f"    {job}: {text}", "dim")

    def _time(self) -> str:
        return f"{elapsed_s() - self._began_s:5.1f} s"


class Watch:
    """The changing picture of one wait."""

    def __init__(self, screen: Screen, waiting_for: str) -> None:
        self._screen = screen
        self._waiting_for = waiting_for
        self._live: Live | None = None
        self._began_s = elapsed_s()
        self._is_told = False

    def __enter__(self) -> Self:
        if self._screen.console.is_terminal:
            self._live = Live(
                self._picture({}),
                console=self._screen.console,
                refresh_per_second=REFRESH_PER_S,
                transient=True,
            )
            self._live.start()
        return self

    def show(self, tasks: Iterable[Task]) -> None:
        """Show how the tasks stand now."""
        jobs: dict[str, Counter[str]] = {}
        for task in tasks:
            counted = jobs.setdefault(task.job_id, Counter())
            counted[_state(task)] += 1
        if self._live is not None:
            self._live.update(self._picture(jobs))
            return
        self._screen.changes(jobs)
        if not self._is_told and elapsed_s() - self._began_s > SILENCE_S:
            self._is_told = True
            self._screen.step(f"    waiting for {self._waiting_for} …", "dim")

    def _picture(self, jobs: dict[str, Counter[str]]) -> Table:
        picture = Table(box=None, pad_edge=False, show_header=False)
        picture.add_row(cell_text(f"         waiting for {self._waiting_for} …", "italic"))
        for job, counted in jobs.items():
            line = Text(f"           {plain(job)}: ")
            for number, (state, count) in enumerate(sorted(counted.items())):
                word, _, reason = state.partition(" ")
                line.append(f"{', ' if number else ''}{count} ")
                line.append_text(state_text(word, reason))
            picture.add_row(line)
        return picture

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()


def _state(task: Task) -> str:
    return f"Finished {task.status.reason_code}" if task.is_finished else task.status.state


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counted.items()))
