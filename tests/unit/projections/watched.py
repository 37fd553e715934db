"""A cell in memory with a view that follows it, checked against the fold after every record."""

from collections.abc import Iterator

from projections.cell_view import CellView
from projections.history import HistoryOf, Line, history_of_job, history_of_task
from projections.v3_query import JOB_STATES, TASK_STATES
from projections.why import Why, why
from scheduler.model.address import parse_address
from scheduler.model.codec import decode_record
from scheduler.model.events import CellEvent
from scheduler.model.ids import JobId, TaskId
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask, LaunchTasks
from scheduler.model.task import titus_state
from tests.support.cell import CellInMemory


class WatchedCell(CellInMemory):
    """Whatever is written is folded by a view as well, from the same bytes."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.view = CellView()
        super().__init__(policy)

    def write(self, *events: CellEvent, epoch: int | None = None) -> int:
        """Append one record, fold it twice, and compare what the two folds know."""
        offset = super().write(*events, epoch=epoch)
        self.view.apply(offset, decode_record(self.log[offset]))
        check_view(self)
        return offset

    def history(self, task_id: TaskId) -> tuple[Line, ...]:
        """The lines of a task that the view knows."""
        found = history_of_task(self.view, task_id)
        assert found is not None
        return found.lines

    def job_history(self, job_id: str = "job") -> tuple[Line, ...]:
        """The lines of a job that the view knows."""
        found = history_of_job(self.view, JobId(job_id))
        assert found is not None
        return found.lines

    def why(self, name: str) -> Why:
        """The answer about a name that the view knows."""
        found = why(self.view, name)
        assert isinstance(found, Why), found
        return found

    def says(self, name: str) -> str:
        """The sentences about a name, as one text."""
        return " ".join(self.why(name).sentences)

    def has_event(self, address: str) -> bool:
        """Whether an address names an event of the log."""
        found = parse_address(address)
        is_ours = (found.cell, found.generation) == (self.state.cell, self.state.generation)
        if not is_ours or found.offset >= len(self.log):
            return False
        return found.index < len(decode_record(self.log[found.offset]).events)

    def event(self, address: str) -> CellEvent:
        """The event of the log that an address names; fails where there is none."""
        assert self.has_event(address), address
        found = parse_address(address)
        return decode_record(self.log[found.offset]).events[found.index]


def watched_cell(hosts: int = 1, policy: Policy | None = None) -> WatchedCell:
    """A watched cell with a leader, an open stream, and an offer of each of some hosts.

    With one host there is no question which is chosen.
    """
    cell = WatchedCell(policy)
    cell.elect()
    cell.subscribe()
    for number in range(1, hosts + 1):
        cell.offer(f"host{number}")
    return cell


def check_view(cell: WatchedCell) -> None:
    """Assert that the read models agree with the fold, at this record."""
    view, state = cell.view, cell.state
    assert view.next_offset == state.next_offset == len(cell.log)
    assert view._obedience.epoch == state.epoch
    assert view._obedience.watermarks == state.watermarks
    asked = {
        proposal_id
        for proposal_id, decision in state.decisions.items()
        if isinstance(decision.proposal, LaunchTasks | KillTask)
    }
    assert view.timeline.open_proposals == asked
    assert view.timeline.orphans.keys() == state.orphans.keys()
    histories = view.timeline.histories
    for task_id, task in state.tasks.items():
        history = histories.tasks[task_id]
        assert history.state == titus_state(task.state), task_id
        assert (
            task.resubmit_of is None
            or task.resubmit_of not in histories.tasks
            or (histories.tasks[task.resubmit_of].replaced_by == task_id)
        )
    for job_id, there in state.indexes.items():
        assert histories.jobs[job_id].task_ids.keys() >= set(there.values())
    for ordered in (histories.jobs.values(), histories.tasks.values()):
        places = [history.created for history in ordered]
        assert places == sorted(set(places)), "histories are in the order of creation"
    owned: dict[str, set[JobId]] = {}
    for job_id in histories.jobs:
        job = view.job(job_id)
        if job is not None:
            owned.setdefault(job.spec.owner_email, set()).add(job_id)
    assert {name: set(ids) for name, ids in histories.jobs_of_owner.items()} == owned
    _check_lists(view)


def _check_lists(view: CellView) -> None:
    """Assert that lists by state, which are kept as things change, hold each thing once."""
    histories = view.timeline.histories
    for job_id in view.state.jobs:
        assert histories.jobs[job_id].state == view.state.jobs[job_id].state, job_id
    for known, listed, states in (
        (histories.jobs, histories.jobs_by_state, JOB_STATES),
        (histories.tasks, histories.tasks_by_state, TASK_STATES),
    ):
        for state in states:
            found = [name for _, name in listed.page({state}, -1, len(known)).places]
            assert found == [name for name, each in known.items() if each.state == state], state
        assert listed.page(states, -1, 0).total == len(known)


def lines_of(view: CellView) -> Iterator[Line]:
    """All lines of all histories."""
    found: list[HistoryOf | None] = []
    found += [history_of_job(view, job_id) for job_id in view.timeline.histories.jobs]
    found += [history_of_task(view, task_id) for task_id in view.timeline.histories.tasks]
    for each in found:
        assert each is not None
        yield from each.lines


def check_addresses(cell: WatchedCell) -> None:
    """Assert that every address and every source that any line names is there to be read."""
    copies = {
        str(event.source)
        for data in cell.log
        for event in decode_record(data).events
        if hasattr(event, "source")
    }
    for line in lines_of(cell.view):
        for address in (line.address, line.cause, line.proposal, line.last_address):
            assert not address or cell.has_event(address)
        assert not line.source or line.source in copies
