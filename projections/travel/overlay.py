"""A view with some histories completed: those that began before the view's first record.

The one thing to know: the fold below is not changed. State and answers are its own; only the
histories that are asked for by name are the completed ones. What the view below could not know of
the last round and of orphans' places is filled in once, for all who look at it later.
"""

from collections.abc import Iterable

from projections.cell_view import CellView
from projections.entries import JobHistory, RoundFacts, TaskHistory
from projections.notes import OrphanNoted, RoundNoted
from projections.travel.notes import Note, decoded_note
from projections.travel.rebuilt import Rebuilt, at_the_end, job_at_the_end
from scheduler.model.ids import JobId, TaskId, job_id_of


class CompletedView(CellView):
    """Another view's fold, with completed histories laid over its own."""

    def __init__(self, base: CellView) -> None:
        # What the base made is shared, and nothing is folded here: the base is.
        self.__dict__.update(base.__dict__)
        self._jobs: dict[JobId, JobHistory] = {}
        self._tasks: dict[TaskId, TaskHistory] = {}

    def complete(self, before: Rebuilt) -> None:
        """Take histories from before the base's first record; it has folded nothing itself."""
        for job_id, job in before.jobs.items():
            self._jobs[job_id] = job_at_the_end(job, super().job_history(job_id))
        for task_id, task in before.tasks.items():
            self._tasks[task_id] = at_the_end(task, super().task_history(task_id))

    def see(self, cell_notes: Iterable[Note]) -> None:
        """Take the last round and the orphans' places of before the base's first record."""
        timeline = self.timeline
        for row in cell_notes:
            note = decoded_note(row)
            if isinstance(note, RoundNoted):
                last: RoundFacts | None = timeline.last_round
                if last is None or last.spot < note.round.spot:
                    timeline.last_round = note.round
            elif isinstance(note, OrphanNoted) and note.is_seen:
                there = timeline.orphans.get(note.task_id)
                if there is not None and there.offset < self.begins_at_offset:
                    timeline.orphans[note.task_id] = row.place

    @property
    def has_late_orphans(self) -> bool:
        """Whether of some orphan it is only known that it was there when the view began."""
        before = self.begins_at_offset - 1
        return any(each.offset == before for each in self.timeline.orphans.values())

    def job_history(self, job_id: JobId) -> JobHistory | None:
        """The completed history, else the base's."""
        return self._jobs.get(job_id) or super().job_history(job_id)

    def task_history(self, task_id: TaskId) -> TaskHistory | None:
        """The completed history, else the base's."""
        return self._tasks.get(task_id) or super().task_history(task_id)


def needs_completion(view: CellView, name: str) -> bool:
    """Whether part of what happened to the job or task was before the view's first record."""
    if view.begins_at_offset == 0:
        return False
    job_id = job_id_of(TaskId(name))
    history = view.job_history(job_id or JobId(name))
    # An offset is the high part of the place of creation.
    return history is None or history.created >> 32 < view.begins_at_offset or not history.entries
