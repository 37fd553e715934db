"""What `flumina run` says while a job runs: for a person, or a JSON object a line.

The one thing to know: what a task writes goes where it wrote it, with the task's name in front; all
that is said about tasks goes to standard error, so that output can be piped away. With JSON all is
on standard output.
"""

import sys
from typing import Final, Protocol

import orjson

from scheduler.model.changes import TaskChanged
from streams.cli.render import plain
from streams.clock import now_ms
from streams.local.output import Channel

TOLD_STATES: Final = frozenset({"Started", "Finished", "KillInitiated"})
"""Of a task's life; the rest is of interest where several hosts could have it."""


class Teller(Protocol):
    """Who hears what happens."""

    def line(self, task_id: str, channel: Channel, text: str) -> None:
        """A task wrote a line."""
        ...

    def task(self, change: TaskChanged, again_in_ms: int | None) -> None:
        """A task's state is another; ``again_in_ms``: after so long it is started again."""
        ...

    def note(self, text: str) -> None:
        """Something else that one should know."""
        ...

    def job(self, job_id: str, reason: str, succeeded: int, wanted: int) -> None:
        """The job is over."""
        ...


class TextTeller:
    """Lines for people; tasks are called by what differs in their names."""

    def __init__(self, job_id: str) -> None:
        self._prefix = f"{job_id}-"

    def _name(self, task_id: str) -> str:
        return task_id.removeprefix(self._prefix)

    def line(self, task_id: str, channel: Channel, text: str) -> None:
        """As the task wrote it, without what would move a terminal's cursor."""
        stream = sys.stdout if channel == "stdout" else sys.stderr
        shown = "\t".join(plain(part) for part in text.split("\t"))
        print(f"{self._name(task_id)} | {shown}", file=stream, flush=True)

    def task(self, change: TaskChanged, again_in_ms: int | None) -> None:
        """One line about it."""
        if change.state not in TOLD_STATES:
            return
        words = {"Started": "started", "KillInitiated": "is being ended"}.get(change.state)
        if words is None:
            words = "succeeded" if change.reason == "normal" else f"ended: {change.reason}"
        why = f" ({plain(change.message)})" if change.message and change.reason != "normal" else ""
        again = "" if again_in_ms is None else f"; again in {again_in_ms / 1000:g} s"
        self.note(f"{self._name(change.task_id)} {words}{why}{again}")

    def note(self, text: str) -> None:
        """To standard error."""
        print(text, file=sys.stderr, flush=True)

    def job(self, job_id: str, reason: str, succeeded: int, wanted: int) -> None:
        """The last line."""
        how = "succeeded" if reason == "normal" else f"ended: {reason}"
        self.note(f"{job_id} {how}; {succeeded} of {wanted} tasks succeeded")


class JsonTeller:
    """One object a line."""

    def _print(self, **facts: object) -> None:
        line = orjson.dumps({"atMs": now_ms(), **facts}, option=orjson.OPT_APPEND_NEWLINE)
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    def line(self, task_id: str, channel: Channel, text: str) -> None:
        """``type`` is ``line``."""
        self._print(type="line", task=task_id, stream=channel, text=text)

    def task(self, change: TaskChanged, again_in_ms: int | None) -> None:
        """``type`` is ``task``; every state is told."""
        more = {} if again_in_ms is None else {"againInMs": again_in_ms}
        self._print(
            type="task",
            task=change.task_id,
            state=change.state,
            step=change.step,
            reason=change.reason,
            message=change.message,
            **more,
        )

    def note(self, text: str) -> None:
        """``type`` is ``note``."""
        self._print(type="note", text=text)

    def job(self, job_id: str, reason: str, succeeded: int, wanted: int) -> None:
        """``type`` is ``job``; it is the last line."""
        counts = {"succeeded": succeeded, "wanted": wanted}
        self._print(type="job", job=job_id, reason=reason, **counts)
