"""How far an evacuation is: a pure fold of topic ``federation``.

The one thing to know: nothing else is remembered. Whoever leads an evacuation may die between any
two records; the next one folds them and goes on, and each of its requests is the same when it is
sent twice.
"""

from collections.abc import Iterable
from typing import assert_never

import msgspec

from connectors.federation.records import (
    CapacityChecked,
    ConfigurationSet,
    EvacuationBegan,
    EvacuationEnded,
    EvacuationTurned,
    FederationRecord,
    JobReturned,
    JobShifted,
    ModeTurned,
    SourceEmptied,
)

Step = (
    CapacityChecked
    | ModeTurned
    | JobShifted
    | SourceEmptied
    | JobReturned
    | EvacuationTurned
    | EvacuationEnded
)
"""What follows on the beginning of an evacuation."""


class Evacuation(msgspec.Struct):
    """One evacuation as folded so far."""

    name: str
    region: str
    percent: int
    per_second: int
    actor: str
    why: str
    began_at_ms: int
    checked: CapacityChecked | None = None
    modes: dict[str, str] = {}
    shifted: dict[str, JobShifted] = {}
    emptied: set[str] = set()
    returned: set[str] = set()
    is_paused: bool = False
    is_going_back: bool = False
    is_there: bool = False
    """All that was ordered has been shifted."""
    is_over: bool = False
    """Everything is back."""

    @property
    def tasks_away(self) -> int:
        """Tasks that were handed to receivers and are not back."""
        return sum(
            each.tasks for job_id, each in self.shifted.items() if job_id not in self.returned
        )

    @property
    def state(self) -> str:
        """One word for people."""
        if self.is_over:
            return "back"
        if self.is_paused:
            return "paused"
        if self.is_going_back:
            return "going back"
        return "there" if self.is_there else "shifting"


def folded(records: Iterable[FederationRecord]) -> dict[str, Evacuation]:
    """Every evacuation by its name, in the order in which they began."""
    found: dict[str, Evacuation] = {}
    for record in records:
        match record:
            case ConfigurationSet():
                continue
            case EvacuationBegan():
                found[record.evacuation] = Evacuation(
                    name=record.evacuation,
                    region=record.region,
                    percent=record.percent,
                    per_second=record.per_second,
                    actor=record.actor,
                    why=record.why,
                    began_at_ms=record.at_ms,
                )
            case _ if record.evacuation in found:
                _apply(found[record.evacuation], record)
            case _:
                continue  # Of an evacuation that never began: nothing can follow from it.
    return found


def _apply(evacuation: Evacuation, record: Step) -> None:
    match record:
        case CapacityChecked():
            evacuation.checked = record
        case ModeTurned():
            evacuation.modes[record.cell] = record.mode
        case JobShifted():
            evacuation.shifted[record.job_id] = record
            evacuation.returned.discard(record.job_id)
        case SourceEmptied():
            evacuation.emptied.add(record.job_id)
        case JobReturned():
            evacuation.returned.add(record.job_id)
            evacuation.emptied.discard(record.job_id)
        case EvacuationTurned():
            evacuation.is_paused = record.order == "pause"
            if record.order == "failback":
                evacuation.is_going_back = True
            elif record.order == "resume":
                is_further = record.percent > evacuation.percent
                evacuation.is_there = evacuation.is_there and not is_further
                evacuation.percent = max(evacuation.percent, record.percent)
        case EvacuationEnded():
            evacuation.is_there = not record.is_back
            evacuation.is_over = record.is_back
        case _:
            assert_never(record)


def open_of(records: Iterable[FederationRecord], region: str) -> Evacuation | None:
    """The region's evacuation that is not over; None where there is none."""
    found = [
        each for each in folded(records).values() if each.region == region and not each.is_over
    ]
    return found[-1] if found else None
