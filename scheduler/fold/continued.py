"""A cell that goes on in another Kafka: its state stays, its offsets begin again.

The one thing to know: nothing of the old log's numbering may be mistaken for the new one's. No
decision survives the move (their ids are offsets), nobody leads, and the place where a job was
accepted becomes a negative number: before the beginning, and still in the old order.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.mesos import close_stream
from scheduler.model.changes import CellPaged
from scheduler.model.events import CellContinued
from scheduler.state import NO_OFFSET, State


def continuation_fault(state: State, event: CellContinued) -> str:
    """Why this state is not the one that the log continues, or empty."""
    if event.cell_uuid != state.cell_uuid:
        return f"it continues cell {event.cell_uuid}, this is the state of {state.cell_uuid}"
    if event.previous_generation != state.generation:
        return (
            f"it continues generation {event.previous_generation}, this is a state of generation "
            f"{state.generation}"
        )
    last = state.next_offset - 1
    if event.previous_offset != last:
        return f"it continues after offset {event.previous_offset}, this state ends at {last}"
    return ""


def cell_continued(fold: Fold, event: CellContinued, ended_offset: int) -> None:
    """Take the state over into the new log, whose first record this is.

    ``ended_offset`` is the offset behind the old log's last record. Launches that had not left
    the cell go back to the queue; of those that had, only Mesos can say what became of them.
    """
    state = fold.state
    close_stream(fold)
    state.generation = event.generation
    state.epoch = NO_OFFSET
    state.leader = ""
    state.published_offset = NO_OFFSET
    state.clock.is_judging = False
    for job_id, job in state.jobs.items():
        state.jobs[job_id] = replace(job, accepted_offset=job.accepted_offset - ended_offset)
        fold.touch("job", job_id)
        state.jobs_changed[job_id] = None
    for lane, mark in state.watermarks.items():
        state.watermarks[lane] = replace(mark, is_of_old_kafka=True)
        fold.touch("watermark", lane)
    fold.wake_placement()
    fold.report(
        CellPaged(
            what="the cell goes on in another Kafka",
            why=(
                f"the log continues generation {event.previous_generation} after offset "
                f"{event.previous_offset}; records that were not archived are gone, and so is what "
                "stood in the inbound topics and was not copied: producers send again what was not "
                "answered"
            ),
        )
    )
