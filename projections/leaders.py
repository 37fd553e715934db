"""Who was elected to lead a cell, when, and how often: from the elections in its log.

The one thing to know: a candidate that was never elected has written nothing, so the log cannot
know it. Of a view that began from a snapshot, earlier elections are not here; who leads always is.
"""

from typing import Final

import msgspec

from projections.obeyed import Obeyed
from scheduler.model.events import LeaderElected

CANDIDATES_MAX: Final = 100
"""Names of processes that ever led; a name is a worker's, and workers keep theirs."""


class Leadership(msgspec.Struct, frozen=True):
    """The last election of one candidate."""

    candidate: str
    epoch: int
    elected_at_ms: int
    first_elected_at_ms: int
    elections: int
    build: str = ""


class Leaders:
    """The last election of each candidate, who was elected last at the end."""

    def __init__(self) -> None:
        self.by_candidate: dict[str, Leadership] = {}

    def apply(self, obeyed: Obeyed) -> None:
        """Remember an election."""
        event = obeyed.event
        if not isinstance(event, LeaderElected):
            return
        place, known = obeyed.place, self.by_candidate.pop(event.candidate, None)
        self.by_candidate[event.candidate] = Leadership(
            event.candidate,
            epoch=place.offset,
            elected_at_ms=place.at_ms,
            first_elected_at_ms=known.first_elected_at_ms if known else place.at_ms,
            elections=known.elections + 1 if known else 1,
            build=event.build,
        )
        if len(self.by_candidate) > CANDIDATES_MAX:
            del self.by_candidate[next(iter(self.by_candidate))]
