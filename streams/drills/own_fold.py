"""A fold of the cell log of a drill's own, from offset 0: what neither cell nor API can talk round.

The one thing to know: it reads Kafka and nothing else. As a program it prints the digest of the
state at an offset, so that another build, or the same one under another hash seed, can be asked:

    python -m streams.drills.own_fold BOOTSTRAP TOPIC END_OFFSET
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler.machine import Machine
from scheduler.model.changes import Change
from scheduler.model.codec import decode_record
from scheduler.model.events import CellContinued, CellCreated
from streams.history.kafka_log import KafkaLog
from streams.supervise.answering import answer_of

TIMEOUT_S: Final = 120.0


class Folded(msgspec.Struct, frozen=True):
    """What a fold from zero has come to."""

    end_offset: int
    digest: str
    tasks: dict[str, int]
    """How many tasks are in which state."""


class OwnFold:
    """Folds one cell log in this process, as far as it goes each time that it is asked."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self.machine = Machine()
        self.changes: list[Change] = []
        self.passed_over: set[int] = set()
        """Offsets that an operator has let the cell skip, and so do we."""

    def read(self, end_offset: int | None = None) -> Machine:
        """The machine after all records there are now, or all below an offset."""
        asyncio.run(self._read(end_offset))
        return self.machine

    async def _read(self, end_offset: int | None) -> None:
        log = KafkaLog(self._bootstrap, self._topic, 0)
        try:
            end = (await log.ends()).end if end_offset is None else end_offset
            async for batch in log.records(self.machine.state.next_offset, end):
                for record in batch:
                    if record.offset in self.passed_over:
                        self.machine.pass_over(record.offset)
                        continue
                    changes = self.machine.apply(record.offset, decode_record(record.value))
                    self.changes += (change for _, change in changes)
        finally:
            await log.close()

    def first_record(self) -> CellCreated | CellContinued | None:
        """The event that begins the log; None where the log is empty or begins otherwise."""
        return asyncio.run(self._first())

    async def _first(self) -> CellCreated | CellContinued | None:
        log = KafkaLog(self._bootstrap, self._topic, 0)
        try:
            async for batch in log.records(0, min(1, (await log.ends()).end)):
                event = decode_record(batch[0].value).events[0]
                if isinstance(event, CellCreated | CellContinued):
                    return event
            return None
        finally:
            await log.close()

    @property
    def folded(self) -> Folded:
        """What it has come to."""
        state = self.machine.state
        tasks = Counter(type(each.state).__name__ for each in state.tasks.values())
        return Folded(state.next_offset, self.machine.digest.value(), dict(sorted(tasks.items())))


def folded_elsewhere(
    bootstrap: str, topic: str, end_offset: int, environment: Mapping[str, str]
) -> Folded:
    """What a process of its own comes to; the environment names its build or its hash seed."""
    return answer_of(
        "streams.drills.own_fold",
        [bootstrap, topic, str(end_offset)],
        Folded,
        environment=environment,
        timeout_s=TIMEOUT_S,
        what=f"A fold of {topic} up to {end_offset}",
        advice="The log holds what that build cannot read.",
    )


def main() -> None:
    """Print what the fold of a log comes to, as JSON."""
    bootstrap, topic, end_offset = sys.argv[1:]
    fold = OwnFold(bootstrap, topic)
    fold.read(int(end_offset))
    os.write(sys.stdout.fileno(), msgspec.json.encode(fold.folded))


if __name__ == "__main__":
    main()
