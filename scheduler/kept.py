"""What a machine is kept by: all that its later behaviour depends on, as values in containers.

The one thing to know: a copy takes the containers and shares the values, which are frozen. So it
costs milliseconds on a cell of 100,000 tasks, and nothing that is folded later can change it.
Nothing is chosen here: every field of the state is copied, the derived ones too, for the order of
a derived dict may decide what is proposed first. Only what is stale of the digest is left out, and
what is only kept where somebody plans by this state: a machine that is made of a copy begins them
anew.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from scheduler.fold.context import Deadline
from scheduler.model.ids import TaskId
from scheduler.state import State

BEGUN_ANEW: Final = frozenset(("dirty", "is_planned", "offers_by_age"))
"""Fields of the state that a restored machine has as a new one has them."""


@dataclass(slots=True)
class Kept:
    """A machine's state and what stands beside it; nobody else holds these containers."""

    state: State
    deadlines: list[Deadline]
    looked_at_ms: dict[TaskId, int]
    marks: dict[int, str]
    marked: tuple[int, dict[int, str]]

    def copied(self) -> "Kept":
        """The same once more, in containers of its own."""
        return Kept(
            copied_state(self.state),
            list(self.deadlines),
            dict(self.looked_at_ms),
            dict(self.marks),
            self.marked,
        )


def copied_state(state: State) -> State:
    """The state in containers of its own, as a machine that plans nothing would have it."""
    copy = State()
    for each in fields(State):
        if each.name not in BEGUN_ANEW:
            setattr(copy, each.name, _copied(getattr(state, each.name)))
    return copy


def _copied(value: Any) -> Any:  # noqa: ANN401 - a field of the state: whatever it is, its copy
    """The value itself where it is frozen; else containers of its own, at every depth."""
    if isinstance(value, dict):
        first = next(iter(value.values()), None)
        if isinstance(first, dict | list | set):
            return {key: _copied(each) for key, each in value.items()}
        return value.copy()
    if isinstance(value, list | set):
        return value.copy()
    if is_dataclass(value) and not isinstance(value, type):
        inner = {each.name: _copied(getattr(value, each.name)) for each in fields(value)}
        return type(value)(**inner)
    return value
