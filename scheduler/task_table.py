"""The life of a task, as one table: every input in every state, written out.

Theory. A task moves forward only: Queued, Placed, Launched, StartInitiated, Started,
KillInitiated, Finished. Two moves lead back, and both are safe: a launch that never left the cell
goes back to the queue, and a task on an unreachable host (Disconnected) comes back to where it was
when its host does. Finished is final; a task that we gave up unheard (``is_abandoned``) may be
heard of again, and then stays Finished while it is ended. Mesos repeats, delays and shuffles what
it says, so every cell has an answer; ``never`` marks what our own fold must have prevented.

The table is `TABLE`; a test walks all of its cells, and `docs/task-states.md` is drawn from it.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from scheduler.model.mesos import MesosTaskState
from scheduler.model.task import (
    Disconnected,
    Finished,
    FinishReason,
    KillInitiated,
    Launched,
    OnHost,
    Placed,
    Queued,
    Started,
    StartInitiated,
    TaskState,
)


class Input(StrEnum):
    """What can happen to a task."""

    LAUNCH_ACCEPTED = "launch accepted"
    LAUNCH_CANCELLED = "launch cancelled"
    EFFECT_STARTED = "effect started"
    CALL_SENT = "call sent"
    CALL_REFUSED = "call refused"
    CALL_UNKNOWN = "call unknown"
    KILL_ASKED = "kill asked"
    DEADLINE = "deadline"
    STAGING = "TASK_STAGING"
    STARTING = "TASK_STARTING"
    RUNNING = "TASK_RUNNING"
    KILLING = "TASK_KILLING"
    FINISHED = "TASK_FINISHED"
    FAILED = "TASK_FAILED"
    KILLED = "TASK_KILLED"
    ERROR = "TASK_ERROR"
    LOST = "TASK_LOST"
    DROPPED = "TASK_DROPPED"
    UNREACHABLE = "TASK_UNREACHABLE"
    GONE = "TASK_GONE"
    GONE_BY_OPERATOR = "TASK_GONE_BY_OPERATOR"
    UNKNOWN = "TASK_UNKNOWN"


class Given(msgspec.Struct, frozen=True, gc=False):
    """What an input brings along; each input reads only what it needs."""

    at_ms: int
    place: OnHost | None = None
    reason: FinishReason = "killed"
    message: str = ""
    is_healthy: bool | None = None
    """None where the input says nothing of it."""
    observed_at_ms: int = 0
    failure: FinishReason = "failed"
    """What a failure is, where Mesos says more than that it is one."""
    address: str = ""
    """The container's; empty where the input says nothing of it."""


Step = Callable[[TaskState, Given], TaskState]


class Impossible(AssertionError):
    """An input that the fold must not have let through: our own mistake, it halts the cell."""


def keep(state: TaskState, given: Given) -> TaskState:
    """The input says nothing new here."""
    return state


def never(state: TaskState, given: Given) -> TaskState:
    """The fold checks this before it asks the table."""
    raise Impossible(f"{given} cannot happen to {state}")


def _place(state: TaskState, given: Given) -> TaskState:
    assert given.place is not None
    return Placed(place=given.place, since_ms=given.at_ms)


def _requeue(state: TaskState, given: Given) -> TaskState:
    return Queued(since_ms=given.at_ms)


def _launch(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Placed)
    return Launched(place=state.place, since_ms=given.at_ms)


def _answered(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Launched)
    return state if state.is_answered else replace(state, is_answered=True)


def _starting(state: TaskState, given: Given) -> TaskState:
    return StartInitiated(place=_where(state), since_ms=given.at_ms)


def _started(state: TaskState, given: Given) -> TaskState:
    is_healthy = given.is_healthy is not False
    place = _addressed(_where(state), given)
    return Started(place=place, since_ms=given.at_ms, is_healthy=is_healthy)


def _addressed(place: OnHost, given: Given) -> OnHost:
    """The place with the address that was told, if one was; the very same if it is not news."""
    is_news = given.address and given.address != place.address
    return replace(place, address=given.address) if is_news else place


def _health(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Started)
    place = _addressed(state.place, given)
    if place is not state.place:
        state = replace(state, place=place)
    if given.is_healthy is None or given.is_healthy == state.is_healthy:
        return state
    since_ms = given.at_ms if given.is_healthy else 0
    return replace(state, is_healthy=given.is_healthy, healthy_since_ms=since_ms)


def _disconnect(state: TaskState, given: Given) -> TaskState:
    started_at_ms = state.since_ms if isinstance(state, Started) else None
    return Disconnected(place=_where(state), since_ms=given.at_ms, started_at_ms=started_at_ms)


def _back_staging(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Disconnected)
    if state.started_at_ms is not None:
        return Started(place=state.place, since_ms=state.started_at_ms)
    return Launched(place=state.place, since_ms=given.at_ms, is_answered=True)


def _back_starting(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Disconnected)
    if state.started_at_ms is not None:
        return Started(place=state.place, since_ms=state.started_at_ms)
    return StartInitiated(place=state.place, since_ms=given.at_ms)


def _back_running(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Disconnected)
    since_ms = given.at_ms if state.started_at_ms is None else state.started_at_ms
    is_healthy = given.is_healthy is not False
    place = _addressed(state.place, given)
    return Started(place=place, since_ms=since_ms, is_healthy=is_healthy)


def _kill(state: TaskState, given: Given) -> TaskState:
    started_at_ms = state.started_at_ms if isinstance(state, Disconnected) else None
    if isinstance(state, Started):
        started_at_ms = state.since_ms
    return KillInitiated(
        place=_where(state),
        since_ms=given.at_ms,
        reason=given.reason,
        message=given.message,
        is_unreachable=isinstance(state, Disconnected),
        started_at_ms=started_at_ms,
    )


def _reachable(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, KillInitiated)
    return replace(state, is_unreachable=False) if state.is_unreachable else state


def _kill_unreachable(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, KillInitiated)
    if state.is_unreachable:
        return state
    return replace(state, is_unreachable=True, since_ms=given.at_ms)


def _end_unplaced(state: TaskState, given: Given) -> TaskState:
    """A kill of what has not left the cell ends it at once."""
    return Finished(since_ms=given.at_ms, reason=given.reason, message=given.message)


def _end(reason: FinishReason) -> Step:
    def step(state: TaskState, given: Given) -> TaskState:
        place = _where(state)
        return Finished(since_ms=given.at_ms, reason=reason, message=given.message, place=place)

    return step


def _end_killed(state: TaskState, given: Given) -> TaskState:
    """However it ended, it ended because it was asked to: the reason of the kill stands."""
    assert isinstance(state, KillInitiated)
    message = state.message or given.message
    return Finished(since_ms=given.at_ms, reason=state.reason, message=message, place=state.place)


def _give_up(state: TaskState, given: Given) -> TaskState:
    """Ended by us, unheard: it might still come back, so it is remembered as abandoned."""
    reason = state.reason if isinstance(state, KillInitiated) else "lost"
    return Finished(
        since_ms=given.at_ms,
        reason=reason,
        message=given.message,
        place=_where(state),
        is_abandoned=True,
    )


def _lose(state: TaskState, given: Given) -> TaskState:
    """Lost by Mesos' word, which is not final: the host may come back with the task running."""
    is_killed = isinstance(state, KillInitiated)
    ended = _end_killed(state, given) if is_killed else _lost(state, given)
    assert isinstance(ended, Finished)
    return replace(ended, is_abandoned=True)


def _alive_again(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Finished)
    if not state.is_abandoned or state.is_back:
        return state
    return replace(state, is_back=True)


def _away_again(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Finished)
    return replace(state, is_back=False) if state.is_back else state


def _settled(state: TaskState, given: Given) -> TaskState:
    assert isinstance(state, Finished)
    if not state.is_abandoned:
        return state
    return replace(state, is_abandoned=False, is_back=False)


def _deadline_kill(state: TaskState, given: Given) -> TaskState:
    return _kill(state, given)


def _deadline_killing(state: TaskState, given: Given) -> TaskState:
    """Only an unreachable host ends the wait; elsewhere kills are repeated until it has ended."""
    assert isinstance(state, KillInitiated)
    if state.is_unreachable:
        return _give_up(state, given)
    return state if state.is_stuck else replace(state, is_stuck=True)


def _where(state: TaskState) -> OnHost:
    place: OnHost | None = getattr(state, "place", None)
    assert place is not None
    return place


def _failed(state: TaskState, given: Given) -> TaskState:
    return _end(given.failure)(state, given)


_normal, _killed = _end("normal"), _end("killed")
_lost, _invalid = _end("lost"), _end("invalidRequest")

COLUMNS: Final[tuple[type[TaskState], ...]] = (
    Queued,
    Placed,
    Launched,
    StartInitiated,
    Started,
    Disconnected,
    KillInitiated,
    Finished,
)

# fmt: off
TABLE: Final[Mapping[Input, tuple[Step, Step, Step, Step, Step, Step, Step, Step]]] = {
    #                       Queued         Placed         Launched        StartInitiated  Started         Disconnected    KillInitiated      Finished  # noqa: E501 - a table is read by its columns
    Input.LAUNCH_ACCEPTED:  (_place,        never,         never,          never,          never,          never,          never,             never),  # noqa: E501
    Input.LAUNCH_CANCELLED: (keep,          _requeue,      never,          never,          never,          never,          never,             keep),  # noqa: E501
    Input.EFFECT_STARTED:   (never,         _launch,       never,          never,          never,          never,          never,             never),  # noqa: E501
    Input.CALL_SENT:        (never,         never,         _answered,      keep,           keep,           keep,           keep,              keep),  # noqa: E501
    Input.CALL_REFUSED:     (never,         never,         _lost,          keep,           keep,           _lost,          _end_killed,       _settled),  # noqa: E501
    Input.CALL_UNKNOWN:     (never,         never,         keep,           keep,           keep,           keep,           keep,              keep),  # noqa: E501
    Input.KILL_ASKED:       (_end_unplaced, _end_unplaced, _kill,          _kill,          _kill,          _kill,          keep,              keep),  # noqa: E501
    Input.DEADLINE:         (keep,          keep,          _deadline_kill, _deadline_kill, _deadline_kill, _give_up,       _deadline_killing, keep),  # noqa: E501
    Input.STAGING:          (keep,          keep,          _answered,      keep,           keep,           _back_staging,  _reachable,        _alive_again),  # noqa: E501
    Input.STARTING:         (keep,          keep,          _starting,      keep,           keep,           _back_starting, _reachable,        _alive_again),  # noqa: E501
    Input.RUNNING:          (keep,          keep,          _started,       _started,       _health,        _back_running,  _reachable,        _alive_again),  # noqa: E501
    Input.KILLING:          (keep,          keep,          keep,           keep,           keep,           _back_staging,  _reachable,        _alive_again),  # noqa: E501
    Input.FINISHED:         (keep,          keep,          _normal,        _normal,        _normal,        _normal,        _end_killed,       _settled),  # noqa: E501
    Input.FAILED:           (keep,          keep,          _failed,        _failed,        _failed,        _failed,        _end_killed,       _settled),  # noqa: E501
    Input.KILLED:           (keep,          keep,          _killed,        _killed,        _killed,        _killed,        _end_killed,       _settled),  # noqa: E501
    Input.ERROR:            (keep,          keep,          _invalid,       _invalid,       _invalid,       _invalid,       _end_killed,       _settled),  # noqa: E501
    Input.LOST:             (keep,          keep,          _lose,          _lose,          _lose,          _lose,          _lose,             _away_again),  # noqa: E501
    Input.DROPPED:          (keep,          keep,          _lost,          _lost,          _lost,          _lost,          _end_killed,       _settled),  # noqa: E501
    Input.UNREACHABLE:      (keep,          keep,          _disconnect,    _disconnect,    _disconnect,    keep,           _kill_unreachable, _away_again),  # noqa: E501
    Input.GONE:             (keep,          keep,          _lost,          _lost,          _lost,          _lost,          _end_killed,       _settled),  # noqa: E501
    Input.GONE_BY_OPERATOR: (keep,          keep,          _lost,          _lost,          _lost,          _lost,          _end_killed,       _settled),  # noqa: E501
    Input.UNKNOWN:          (keep,          keep,          _give_up,       _disconnect,    _disconnect,    keep,           _kill_unreachable, _away_again),  # noqa: E501
}
# fmt: on

_STEPS: Final[Mapping[Input, Mapping[type, Step]]] = {
    what: dict(zip(COLUMNS, row, strict=True)) for what, row in TABLE.items()
}
_STATUS: Final[Mapping[str, Input]] = {
    each.value: each for each in Input if each.value.startswith("TASK_")
}


def moved(state: TaskState, what: Input, given: Given) -> TaskState:
    """The state after ``what`` happened; the same object where nothing changed.

    Raises `Impossible` where the fold let through what its table forbids.
    """
    return _STEPS[what][type(state)](state, given)


def input_of(status: MesosTaskState) -> Input:
    """The input that a Mesos task state is."""
    return _STATUS[status]
