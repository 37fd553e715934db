"""The size that a cell is rated for: numbers by which its door refuses and its alert is raised."""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from scheduler.state import State

WINDOW_MS: Final = 60_000
"""Launches are counted over a minute, so that a job of a thousand tasks is no overload."""
PPM: Final = 1_000_000


class Full(Exception):
    """The cell is at its rated size; ``name`` is which part of it."""

    def __init__(self, name: str, wanted: int, most: int) -> None:
        super().__init__(f"{wanted} {name} exceed {most}")
        self.name, self.wanted, self.most = name, wanted, most


class Rated(NamedTuple):
    """How large a cell may be; 0 is no limit."""

    hosts: int = 0
    tasks: int = 0
    """Of its unfinished jobs, ended ones included until their job ends: what its memory holds."""
    launches_per_s: int = 0
    """Asked for, on average over a minute."""


class RatedDoor:
    """Counts what is asked for, and refuses what is too much."""

    def __init__(self, rated: Rated | None = None, now_ms: Callable[[], int] = lambda: 0) -> None:
        self.rated = rated or Rated()
        self._now_ms = now_ms
        self._asked: deque[tuple[int, int]] = deque()
        """When jobs were let through, and how many tasks each had, within the window."""
        self._asked_tasks = 0
        self.refused = 0

    def demand(self, state: State, tasks: int) -> None:
        """Let a new job of so many tasks through; raises `Full` where it is too much.

        A single job that is larger than a minute's launches is let through an idle door.
        """
        rated, used = self.rated, self._used(state)
        after = {
            "hosts": used["hosts"],
            "tasks": used["tasks"] + tasks,
            "launches": used["launches"] + (tasks if used["launches"] else 0),
        }
        full = {
            "hosts": rated.hosts,
            "tasks": rated.tasks,
            "launches": rated.launches_per_s * WINDOW_MS // 1_000,
        }
        for name, most in full.items():
            if most and after[name] > most:
                self.refused += 1
                raise Full(name, after[name], most)
        if rated.launches_per_s:
            self._asked.append((self._now_ms(), tasks))
            self._asked_tasks += tasks

    def full_ppm(self, state: State) -> int:
        """The part of the rated size that is used, in millionths, of that which is used most."""
        used, rated = self._used(state), self.rated
        pairs = (
            (used["hosts"], rated.hosts),
            (used["tasks"], rated.tasks),
            (used["launches"], rated.launches_per_s * WINDOW_MS // 1_000),
        )
        return max((now * PPM // most for now, most in pairs if most), default=0)

    def _used(self, state: State) -> dict[str, int]:
        since_ms = self._now_ms() - WINDOW_MS
        while self._asked and self._asked[0][0] <= since_ms:
            self._asked_tasks -= self._asked.popleft()[1]
        return {
            "hosts": len(state.hosts),
            "tasks": len(state.tasks) - state.tasks_of_finished_jobs,
            "launches": self._asked_tasks,
        }
