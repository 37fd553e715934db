"""What the dev cluster's master and agents have written down: the witness of every drill.

The one thing to know: it is not our log. A master writes LAUNCH and KILL before it obeys, an agent
STARTED and ENDED for the process itself, so "no task was ended" is said by who would have ended it.
"""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from connectors.devcluster.journal import read_journal
from streams.drills.promises import Seen

Line = dict[str, Any]
NAMES_SHOWN = 3


class Journals(msgspec.Struct, frozen=True):
    """The lines of all journals of one dev cluster, as they were when they were read."""

    master: tuple[Line, ...]
    agents: tuple[Line, ...]

    @classmethod
    def read(cls, directory: Path) -> Self:
        """What stands in them now."""
        lines: list[Line] = []
        for path in sorted(directory.glob("agent*/journal.jsonl")):
            lines += ({"agent": path.parent.name, **line} for line in read_journal(path))
        return cls(tuple(read_journal(directory / "journal.jsonl")), tuple(lines))

    @property
    def killed(self) -> list[str]:
        """The tasks that the master was told to end, one entry for each call."""
        return [str(line["task_id"]) for line in self.master if line["what"] == "KILL"]

    def first_kills(self) -> list[int]:
        """When the master was told to end each task for the first time, in order."""
        first: dict[str, int] = {}
        for line in self.master:
            if line["what"] == "KILL":
                first.setdefault(str(line["task_id"]), int(line["at_ms"]))
        return sorted(first.values())

    @property
    def launched(self) -> list[str]:
        """The tasks that the master was told to launch, one entry for each."""
        return [str(line["task_id"]) for line in self.master if line["what"] == "LAUNCH"]

    @property
    def alive(self) -> frozenset[str]:
        """The tasks whose process was started and not seen to end."""
        ended = {line["container_id"] for line in self.agents if line["what"] == "ENDED"}
        return frozenset(
            str(line["task_id"])
            for line in self.agents
            if line["what"] == "STARTED" and line["container_id"] not in ended
        )

    def process_of(self, task_id: str) -> int:
        """The process id of a task that was started, on an agent that really runs it."""
        return next(
            int(line["pid"])
            for line in reversed(self.agents)
            if line["what"] == "STARTED" and line["task_id"] == task_id
        )

    def starts(self, task_ids: Collection[str]) -> list[int]:
        """When processes of these tasks were started, by the agents' clock, in order."""
        return sorted(
            int(line["at_ms"])
            for line in self.agents
            if line["what"] == "STARTED" and line["task_id"] in task_ids
        )

    def none_killed(self) -> Seen:
        """Whether the master was never told to end a task."""
        killed = self.killed
        return Seen(not killed, f"{len(killed)} KILL in the master's journal{few(killed)}")

    def still_alive(self, task_ids: Collection[str]) -> Seen:
        """Whether each of these tasks runs on, in the process that it had."""
        gone = sorted(set(task_ids) - self.alive)
        text = f"{len(task_ids) - len(gone)} of {len(task_ids)} run on in the same process"
        return Seen(not gone, text + few(gone))

    def launched_once(self) -> Seen:
        """Whether no task was launched or started twice."""
        started = [str(line["task_id"]) for line in self.agents if line["what"] == "STARTED"]
        twice = sorted({each for names in (self.launched, started) for each in _repeated(names)})
        text = f"{len(self.launched)} launches, {len(started)} starts, {len(twice)} twice"
        return Seen(not twice, text + few(twice))


def is_process(pid: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def few(names: Sequence[str]) -> str:
    """The first names in brackets, or nothing where there is none."""
    if not names:
        return ""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f" ({', '.join(names[:NAMES_SHOWN])}{more})"


def _repeated(names: Sequence[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}
