"""The gate before a leader's writing hand: nothing passes that a live reader cannot read.

The one thing to know: a record is written in the highest version that every live reader knows, and
an event of a kind that one of them does not know waits until that one has ended or was upgraded.
Where this build cannot write the older version, nothing can be written, so it waits to lead.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from scheduler.model.codec import RECORD_VERSION, lowest_written
from scheduler.model.events import CellEvent, Copied
from streams.upgrade.reader import Common, Roll

logger = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
TELL_S: Final = 30.0


class Gate:
    """Says in which version events may be written, once they may."""

    def __init__(self, roll: Roll, *, is_at_once: bool = False) -> None:
        """``is_at_once``: an operator wants what is new written whoever cannot read it."""
        self._roll = roll
        self._is_at_once = is_at_once
        self._version = 0

    async def version_for(self, events: Sequence[CellEvent]) -> int:
        """The version in which these may be written, as soon as they may.

        It never falls: what the log holds already cannot be kept from anybody.
        """
        waited_s = 0.0
        while True:
            common = self._roll.common()
            if self._may(events, common):
                self._version = max(self._version, common.records)
                return RECORD_VERSION if self._is_at_once else self._version
            if waited_s % TELL_S == 0:
                logger.warning(
                    "a new kind of record waits until every reader knows it",
                    readers=list(common.holding),
                    remedy="upgrade or end them; `flumina upgrade status` lists all",
                )
            await asyncio.sleep(LOOK_S)
            waited_s += LOOK_S

    def _may(self, events: Sequence[CellEvent], common: Common) -> bool:
        if self._is_at_once:
            return True
        if max(self._version, common.records) < lowest_written():
            return False
        return not common.unknown or common.unknown.isdisjoint(_names(events))


def _names(events: Sequence[CellEvent]) -> set[str]:
    names = {type(each).__name__ for each in events}
    return names | {type(each.body).__name__ for each in events if isinstance(each, Copied)}
