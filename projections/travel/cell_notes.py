"""Notes of what happens to the cell as a whole, and of verdicts that are news.

The one thing to know: whether something is news is read from the folded state and never remembered
here, so notes are the same wherever a fold began.
"""

from collections.abc import Iterator

from projections.notes import CellEntered, HostEntered
from projections.obeyed import Obeyed
from projections.words import duration
from scheduler.fold.health import hosts_meant
from scheduler.model.changes import CellPaged, SafeBegan, SafeEnded, TimeGapped
from scheduler.model.events import Copied, LeaderElected
from scheduler.model.health import HostJudged
from scheduler.state import State

EVIDENCE_CHARACTERS_MAX = 200
"""Of the first piece of evidence in a note; the record has all of it."""


class CellNotes:
    """Tells what each event did to the cell itself."""

    def __init__(self, state: State) -> None:
        """``state``: the fold's, before the first event is told."""
        self._state = state
        self._policy_version = state.policy_version

    def of(self, obeyed: Obeyed) -> Iterator[CellEntered]:
        """The notes of one event."""
        event = obeyed.event
        body = event.body if isinstance(event, Copied) else None
        source = str(event.source) if isinstance(event, Copied) else ""
        actor = getattr(body, "actor", "") or ""
        if isinstance(event, LeaderElected):
            yield CellEntered("leader", f"{event.candidate} was elected")
        if self._state.policy_version != self._policy_version:
            self._policy_version = self._state.policy_version
            why = getattr(body, "why", "") or ""
            text = f"policy {self._policy_version} was set{f': {why}' if why else ''}"
            yield CellEntered("policy", text, actor, source)
        for change in obeyed.changes:
            match change:
                case SafeBegan():
                    yield CellEntered("safe", f"the cell became safe: {change.why}", "", source)
                case SafeEnded():
                    why = f": {change.why}" if change.why else ""
                    text = f"the cell is safe no longer, {change.how}{why}"
                    yield CellEntered("safe", text, change.actor, source)
                case CellPaged():
                    yield CellEntered("paged", f"{change.what}: {change.why}", "", source)
                case _:
                    pass


def gap_note(gap: TimeGapped) -> CellEntered:
    """The note of a jump of the log's clock, which is of a record and of none of its events."""
    span = duration(gap.to_ms - gap.from_ms)
    return CellEntered("time gap", f"time went on by {span} at once")


def verdict_note(state: State, body: HostJudged, at_ms: int, source: str) -> HostEntered | None:
    """What a detector said that is news of a host; None where it says what it has said before."""
    for host_id in hosts_meant(state, body.host_id):
        known = state.health.get(host_id)
        for verdict in known.verdicts if known else ():
            if verdict.detector == body.detector and verdict.since_ms == at_ms:
                pieces = [each.text for each in verdict.evidence]
                text = f"{body.detector}: {pieces[0]}" if pieces else body.detector
                more = f" (and {len(pieces) - 1} more)" if len(pieces) > 1 else ""
                short = " ".join(text.split())[:EVIDENCE_CHARACTERS_MAX]
                return HostEntered(
                    host_id, f"verdict: {verdict.standing}", short + more, "", source
                )
    return None
