"""How far the fold behind an answer is to be trusted: halted, behind, or without a leader.

The one thing to know: reads are always answered, and say so when they are stale. Only writes need
a leader, and it is looked for before anything is published: a record nobody copies is a promise
that nobody keeps.
"""

from typing import Final

import msgspec

from connectors.web.cell import Cell, Progress
from connectors.web.problems import unavailable

LEADER_SILENT_MS_MAX: Final = 10_000
"""A leader stamps the log every second, and another is elected within 15 s; by wall clock."""
LAG_RECORDS_MAX: Final = 1_000
"""A fold takes these in less than a second; one that is further behind is catching up."""
KAFKA_SILENT_MS_MAX: Final = 15_000
"""Three questions for the log's end without an answer."""
NO_EPOCH: Final = -1
_HEADER_CHARACTERS_MAX: Final = 300


class Standing(msgspec.Struct, frozen=True):
    """What this process knows of its cell, and how well."""

    cell: str
    generation: str
    leader: str
    epoch: int
    offset: int
    """The last offset of the cell log that was folded."""
    lag_records: int
    leader_silent_ms: int | None
    """Wall time since the leader's last record; None where no leader was ever elected."""
    halt: str
    safe: str
    """Why nothing that is only inferred is done; empty where the cell trusts what it hears."""
    stale: str
    """Why an answer from this fold may be old; empty where it is not."""
    is_healthy: bool
    """Whether the fold goes on and is as far as the log, be there a leader or not."""


def header_of(stale: str) -> str:
    """Why an answer may be old, as a header's value."""
    text = stale.encode("ascii", "replace").decode("ascii")
    line = "".join(each if each.isprintable() else " " for each in text)
    # A value that ends with a space is none: the server would break off instead of answering.
    return line[:_HEADER_CHARACTERS_MAX].strip()


def standing_of(cell: Cell) -> Standing:
    """How the cell stands right now, as this process sees it."""
    state, progress = cell.view.machine.state, cell.progress()
    silent_ms = _leader_silent_ms(cell)
    unhealthy = _unhealthy(progress, state.next_offset)
    return Standing(
        cell=state.cell,
        generation=state.generation,
        leader=state.leader,
        epoch=state.epoch,
        offset=state.next_offset - 1,
        lag_records=progress.lag_records,
        leader_silent_ms=silent_ms,
        halt=progress.halt,
        safe=state.safe.why if state.safe else "",
        stale=unhealthy or _leaderless(silent_ms),
        is_healthy=not unhealthy,
    )


def why_stale(cell: Cell) -> str:
    """Why an answer from the fold may be old; empty where it is not. Asked for each answer."""
    unhealthy = _unhealthy(cell.progress(), cell.view.machine.state.next_offset)
    return unhealthy or _leaderless(_leader_silent_ms(cell))


def _unhealthy(progress: Progress, next_offset: int) -> str:
    """Why the fold does not go on, or is not as far as the log; empty where it is."""
    kafka_silent_ms = progress.kafka_silent_ms
    if progress.halt:
        return f"halted: {progress.halt}"
    if next_offset == 0:
        return "the cell log has not been read yet, or is empty"
    if kafka_silent_ms is None or kafka_silent_ms > KAFKA_SILENT_MS_MAX:
        return "Kafka does not answer, so nobody knows whether the log has gone on"
    if progress.lag_records > LAG_RECORDS_MAX:
        return f"behind the cell log by {progress.lag_records} records"
    return ""


def _leader_silent_ms(cell: Cell) -> int | None:
    state = cell.view.machine.state
    return None if state.epoch == NO_EPOCH else max(0, cell.now_ms() - state.clock.now_ms)


def _leaderless(silent_ms: int | None) -> str:
    if silent_ms is None:
        return "no leader was ever elected"
    if silent_ms > LEADER_SILENT_MS_MAX:
        return f"the leader was last heard {silent_ms // 1_000} s ago"
    return ""


def demand_leader(cell: Cell) -> None:
    """Return if somebody is there to take a request; raises a 503 `Problem` else."""
    standing = standing_of(cell)
    without = _leaderless(standing.leader_silent_ms)
    if not (standing.halt or without):
        return
    what = "its fold is halted" if standing.halt else without
    raise unavailable(
        f"The cell takes no requests now: {what}",
        "Nothing was written. Send it again a little later; /health says how the cell stands.",
    )
