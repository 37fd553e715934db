"""The rated size of a cell: what it was measured to bear, and the door that is closed above it.

The one thing to know: it is asked at the edge and not by the fold. A cell above its size goes on
with what it has; new jobs are refused with 429 and `X-Flumina-Cell-Full`, at which a federation
sends a job that no route binds to this cell to another.
"""

from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from connectors.web.problems import Problem
from projections.rated import Rated
from scheduler.state import State

FULL: Final = "X-Flumina-Cell-Full"
"""Of a refusal: which part of the rated size is used up, ``hosts``, ``tasks`` or ``launches``."""
WINDOW_MS: Final = 60_000
"""Launches are counted over a minute, so that a job of a thousand tasks is no overload."""
RETRY_AFTER_S: Final = 10
PPM: Final = 1_000_000


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
        """Let a new job of so many tasks through; raises a 429 `Problem` where it is too much.

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
                raise _refusal(name, after[name], most)
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


def _refusal(name: str, wanted: int, most: int) -> Problem:
    what = "launches within a minute" if name == "launches" else name
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"The cell is at its rated size: {wanted} {what} exceed {most}",
        "Nothing was written. Send the job to another cell, send it again later, or have an "
        "operator raise FLUMINA_RATED (docs/scale.md says what it was measured by).",
        headers={"Retry-After": str(RETRY_AFTER_S), FULL: name},
    )
