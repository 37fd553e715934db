"""How a command ended, and what Mesos' command executor makes of it.

The one thing to know: a task that was asked to die is KILLED whatever its exit code, and a plain
end has no ``reason``; an absent reason is not reason 0.
"""

import os
import signal
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exit:
    """The end of a task's process as its executor saw it."""

    wait_status: int
    is_killed: bool = False
    is_over_time: bool = False
    limitation: dict[str, Any] | None = None
    """The limit that it went beyond: `reason`, `message` and `resources`, as Mesos tells it."""
    is_unhealthy: bool = False

    @staticmethod
    def of(report: dict[str, Any]) -> "Exit":
        """The end that an executor reports."""
        return Exit(
            report["wait_status"],
            report["is_killed"],
            report["is_over_time"],
            report.get("limitation"),
            report.get("is_unhealthy", False),
        )

    def verdict(self) -> tuple[str, str | None, str]:
        """The task's last state, its reason if there is one, and Mesos' sentence."""
        text = f"Command {self._words()}"
        if self.limitation is not None:
            return "TASK_FAILED", self.limitation["reason"], self.limitation["message"]
        if self.is_over_time:
            return "TASK_FAILED", "REASON_MAX_COMPLETION_TIME_REACHED", text
        if self.is_killed:
            return "TASK_KILLED", None, text
        if os.WIFEXITED(self.wait_status) and os.WEXITSTATUS(self.wait_status) == 0:
            return "TASK_FINISHED", None, text
        return "TASK_FAILED", None, text

    def _words(self) -> str:
        if os.WIFEXITED(self.wait_status):
            return f"exited with status {os.WEXITSTATUS(self.wait_status)}"
        name = signal.strsignal(os.WTERMSIG(self.wait_status))
        dumped = " (core dumped)" if os.WCOREDUMP(self.wait_status) else ""
        return f"terminated with signal {name}{dumped}"
