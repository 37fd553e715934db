"""Pages of the documentation that are drawn from the code, so that they cannot disagree with it.

`python -m tests.support.draw` writes them; a test compares them with what is drawn.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scheduler import task_table
from scheduler.model import task as task_model
from scheduler.model.ids import HostId, ProposalId
from scheduler.model.task import (
    Disconnected,
    Finished,
    KillInitiated,
    Launched,
    OnHost,
    Placed,
    Queued,
    Started,
    StartInitiated,
    TaskState,
    titus_state,
)
from scheduler.task_table import COLUMNS, Given, Impossible, Input, moved

TASK_STATES: Final = Path(__file__).parents[2] / "docs" / "task-states.md"

_PLACE: Final = OnHost(host_id=HostId("host"), ports=(), proposal_id=ProposalId("1.0"))
_THEN: Final = 1
_NOW: Final = 2
_SAMPLES: Final[tuple[tuple[TaskState, ...], ...]] = (
    (Queued(since_ms=_THEN),),
    (Placed(place=_PLACE, since_ms=_THEN),),
    (Launched(place=_PLACE, since_ms=_THEN),),
    (StartInitiated(place=_PLACE, since_ms=_THEN),),
    (Started(place=_PLACE, since_ms=_THEN),),
    (
        Disconnected(place=_PLACE, since_ms=_THEN),
        Disconnected(place=_PLACE, since_ms=_THEN, started_at_ms=_THEN),
    ),
    (
        KillInitiated(place=_PLACE, since_ms=_THEN, reason="killed"),
        KillInitiated(place=_PLACE, since_ms=_THEN, reason="killed", is_unreachable=True),
    ),
    (
        Finished(since_ms=_THEN, reason="normal", place=_PLACE),
        Finished(since_ms=_THEN, reason="lost", place=_PLACE, is_abandoned=True),
        Finished(since_ms=_THEN, reason="lost", place=_PLACE, is_abandoned=True, is_back=True),
    ),
)
"""Of each column, one state of every kind that the table tells apart."""

_HEAD: Final = """\
<!-- Drawn from scheduler/task_table.py by `python -m tests.support.draw`; do not edit. -->
# Task states

"""

_LEGEND: Final = """\
How to read it: a row is what happens, a column the state in which it finds the task.
`·` nothing changes; `—` the fold never lets it come to this; where two outcomes stand in a cell, a
detail of the state decides. `abandoned` is a task that we gave up unheard, `back` one that was
heard of again all the same: it is ended. What a task is asked to end for (killed, scaledDown,
stuckInState, runtimeLimitExceeded) stays its reason, however it then ends.

"""


def task_states_page() -> str:
    """The page of the task's life: theory, diagram, table, and Titus' names."""
    parts = (_HEAD, _theory(), "\n", _diagram(), "\n## Every cell\n\n", _LEGEND, _table())
    return "".join(parts) + "\n## What Titus calls them\n\n" + _names()


def _theory() -> str:
    """The theory in the table's own module, as one paragraph for each of its own."""
    text = task_table.__doc__ or ""
    _, _, theory = text.partition("Theory. ")
    theory, _, _ = theory.partition("\n\nThe table is")
    return theory.strip() + "\n"


def _outcomes(column: int, what: Input) -> list[tuple[TaskState, TaskState | None]]:
    """Before and after for each kind of the column's state; None after what can never be."""
    found: list[tuple[TaskState, TaskState | None]] = []
    for state in _SAMPLES[column]:
        # A deadline is the runtime limit of a started task, and a stuck state of any other.
        given = Given(_NOW, place=_PLACE, reason=_reason_given(state, what))
        try:
            found.append((state, moved(state, what, given)))
        except Impossible:
            found.append((state, None))
    return found


def _reason_given(state: TaskState, what: Input) -> task_model.FinishReason:
    if what is not Input.DEADLINE:
        return "killed"
    return "runtimeLimitExceeded" if isinstance(state, Started) else "stuckInState"


def _word(before: TaskState, after: TaskState | None) -> str:
    if after is None:
        return "—"
    if after is before:
        return "·"
    name, is_same_state = type(after).__name__, type(after) is type(before)
    detail = ""
    match after:
        case Finished() if is_same_state:
            detail = ", back" if after.is_back else ", settled"
            detail = ", abandoned" if after.is_abandoned and not after.is_back else detail
        case Finished():
            detail = f": {after.reason}{', abandoned' if after.is_abandoned else ''}"
        case KillInitiated() if is_same_state:
            detail = ", unreachable" if after.is_unreachable else ", in reach"
            detail = ", stuck" if after.is_stuck else detail
        case KillInitiated():
            detail = f": {after.reason}"
        case Launched() if is_same_state:
            detail = ", answered"
        case _:
            pass
    return name + detail


def _cell(column: int, what: Input) -> str:
    words = [_word(before, after) for before, after in _outcomes(column, what)]
    told = list(dict.fromkeys(words))
    if len(told) > 1 and "·" in told:
        told = [*(word for word in told if word != "·"), "·"]
    return " / ".join(told)


def _table() -> str:
    header = ["", *(column.__name__ for column in COLUMNS)]
    columns = range(len(COLUMNS))
    rows = [[what.value, *(_cell(column, what) for column in columns)] for what in Input]
    return "".join(_rows(header, rows))


def _rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |\n"
    yield f"|{' --- |' * len(header)}\n"
    for row in rows:
        yield f"| {' | '.join(row)} |\n"


def _diagram() -> str:
    """The moves between states as a diagram that GitHub renders."""
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for what in Input:
        for column in range(len(COLUMNS)):
            for before, after in _outcomes(column, what):
                if after is None or type(after) is type(before):
                    continue
                ends = (type(before).__name__, type(after).__name__)
                if what.value not in arrows[ends]:
                    arrows[ends].append(what.value)
    lines = ["```mermaid\n", "stateDiagram-v2\n", "    [*] --> Queued\n"]
    for (before_name, after_name), inputs in sorted(arrows.items()):
        words = ", ".join(each.removeprefix("TASK_") for each in inputs)
        lines.append(f"    {before_name} --> {after_name}: {words}\n")
    return "".join([*lines, "    Finished --> [*]\n", "```\n"])


def _names() -> str:
    rows = [
        [f"`{type(samples[0]).__name__}`", titus_state(samples[0]), _meaning(samples[0])]
        for samples in _SAMPLES
    ]
    return "".join(_rows(["state", "Titus", "meaning"], rows))


def _meaning(state: TaskState) -> str:
    return " ".join((type(state).__doc__ or "").split())


if __name__ == "__main__":
    TASK_STATES.write_text(task_states_page(), "utf-8")
