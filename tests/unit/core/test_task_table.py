"""The life of a task, as a specification: every input in every state, one line a case.

The lines are written from what Mesos promises and what Titus does, not from the table. `same` is
the very same value, `never` is what the fold must have prevented. A second block has the cells in
which a detail of the state decides.
"""

import re
from typing import Final, get_args

import pytest

from scheduler.model.ids import HostId, ProposalId
from scheduler.model.mesos import MesosTaskState
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
)
from scheduler.task_table import COLUMNS, TABLE, Given, Impossible, Input, input_of, moved

HERE: Final = OnHost(host_id=HostId("here"), ports=(31_000,), proposal_id=ProposalId("5.1"))
THERE: Final = OnHost(host_id=HostId("there"), ports=(), proposal_id=ProposalId("9.0"))
BEGAN: Final = 50
THEN: Final = 100
NOW: Final = 200

STATES: Final[dict[str, TaskState]] = {
    "Queued": Queued(since_ms=THEN, ready_at_ms=150),
    "Placed": Placed(place=HERE, since_ms=THEN),
    "Launched": Launched(place=HERE, since_ms=THEN),
    "StartInitiated": StartInitiated(place=HERE, since_ms=THEN),
    "Started": Started(place=HERE, since_ms=THEN),
    "Disconnected": Disconnected(place=HERE, since_ms=THEN, started_at_ms=BEGAN),
    "KillInitiated": KillInitiated(place=HERE, since_ms=THEN, reason="scaledDown", message="less"),
    "Finished": Finished(since_ms=THEN, reason="failed", place=HERE),
    # Details that decide.
    "Launched, answered": Launched(place=HERE, since_ms=THEN, is_answered=True),
    "Started, unhealthy": Started(place=HERE, since_ms=THEN, is_healthy=False),
    "Disconnected, never started": Disconnected(place=HERE, since_ms=THEN),
    "KillInitiated, unreachable": KillInitiated(
        place=HERE, since_ms=THEN, reason="scaledDown", message="less", is_unreachable=True
    ),
    "KillInitiated, without words": KillInitiated(place=HERE, since_ms=THEN, reason="killed"),
    "Finished, abandoned": Finished(since_ms=THEN, reason="lost", place=HERE, is_abandoned=True),
    "Finished, back": Finished(
        since_ms=THEN, reason="lost", place=HERE, is_abandoned=True, is_back=True
    ),
}


def ended(reason: str, message: str = "word", *, is_abandoned: bool = False) -> Finished:
    """The task's end on its host, now."""
    return Finished(
        since_ms=NOW,
        reason=reason,  # type: ignore[arg-type]
        message=message,
        place=HERE,
        is_abandoned=is_abandoned,
    )


def killing(reason: str, started_at_ms: int | None, *, is_unreachable: bool = False) -> TaskState:
    """The task has to end, from now on."""
    return KillInitiated(
        place=HERE,
        since_ms=NOW,
        reason=reason,  # type: ignore[arg-type]
        message="word",
        is_unreachable=is_unreachable,
        started_at_ms=started_at_ms,
    )


OUTCOMES: Final[dict[str, TaskState]] = {
    "queued again, ready": Queued(since_ms=NOW),
    "placed there": Placed(place=THERE, since_ms=NOW),
    "launched": Launched(place=HERE, since_ms=NOW),
    "launched, as before, answered": Launched(place=HERE, since_ms=THEN, is_answered=True),
    "launched, answered": Launched(place=HERE, since_ms=NOW, is_answered=True),
    "starting": StartInitiated(place=HERE, since_ms=NOW),
    "started": Started(place=HERE, since_ms=NOW),
    "started, as it was": Started(place=HERE, since_ms=BEGAN),
    "disconnected": Disconnected(place=HERE, since_ms=NOW),
    "disconnected, was started": Disconnected(place=HERE, since_ms=NOW, started_at_ms=THEN),
    "killing: killed": killing("killed", None),
    "killing: killed, was started": killing("killed", THEN),
    "killing: killed, unreachable": killing("killed", BEGAN, is_unreachable=True),
    "killing: stuck": killing("stuckInState", None),
    "killing: too long": killing("runtimeLimitExceeded", THEN),
    "killing, out of reach from now": KillInitiated(
        place=HERE, since_ms=NOW, reason="scaledDown", message="less", is_unreachable=True
    ),
    "killing, in reach": KillInitiated(
        place=HERE, since_ms=THEN, reason="scaledDown", message="less"
    ),
    "killing, stuck": KillInitiated(
        place=HERE, since_ms=THEN, reason="scaledDown", message="less", is_stuck=True
    ),
    "ended unplaced: killed": Finished(since_ms=NOW, reason="killed", message="word"),
    "ended: normal": ended("normal"),
    "ended: failed": ended("failed"),
    "ended: killed": ended("killed"),
    "ended: invalid": ended("invalidRequest"),
    "ended: lost": ended("lost"),
    "ended as asked": ended("scaledDown", "less"),
    "ended as asked, in Mesos' words": ended("killed", "word"),
    "given up: lost": ended("lost", is_abandoned=True),
    "given up: as asked": ended("scaledDown", is_abandoned=True),
    "lost as asked": ended("scaledDown", "less", is_abandoned=True),
    "settled": Finished(since_ms=THEN, reason="lost", place=HERE),
    "back": Finished(since_ms=THEN, reason="lost", place=HERE, is_abandoned=True, is_back=True),
    "away": Finished(since_ms=THEN, reason="lost", place=HERE, is_abandoned=True),
}

EVERY_CELL: Final = """
Queued         | launch accepted       | placed there
Queued         | launch cancelled      | same
Queued         | effect started        | never
Queued         | call sent             | never
Queued         | call refused          | never
Queued         | call unknown          | never
Queued         | kill asked            | ended unplaced: killed
Queued         | deadline              | same
Queued         | TASK_STAGING          | same
Queued         | TASK_STARTING         | same
Queued         | TASK_RUNNING          | same
Queued         | TASK_KILLING          | same
Queued         | TASK_FINISHED         | same
Queued         | TASK_FAILED           | same
Queued         | TASK_KILLED           | same
Queued         | TASK_ERROR            | same
Queued         | TASK_LOST             | same
Queued         | TASK_DROPPED          | same
Queued         | TASK_UNREACHABLE      | same
Queued         | TASK_GONE             | same
Queued         | TASK_GONE_BY_OPERATOR | same
Queued         | TASK_UNKNOWN          | same

Placed         | launch accepted       | never
Placed         | launch cancelled      | queued again, ready
Placed         | effect started        | launched
Placed         | call sent             | never
Placed         | call refused          | never
Placed         | call unknown          | never
Placed         | kill asked            | ended unplaced: killed
Placed         | deadline              | same
Placed         | TASK_STAGING          | same
Placed         | TASK_STARTING         | same
Placed         | TASK_RUNNING          | same
Placed         | TASK_KILLING          | same
Placed         | TASK_FINISHED         | same
Placed         | TASK_FAILED           | same
Placed         | TASK_KILLED           | same
Placed         | TASK_ERROR            | same
Placed         | TASK_LOST             | same
Placed         | TASK_DROPPED          | same
Placed         | TASK_UNREACHABLE      | same
Placed         | TASK_GONE             | same
Placed         | TASK_GONE_BY_OPERATOR | same
Placed         | TASK_UNKNOWN          | same

Launched       | launch accepted       | never
Launched       | launch cancelled      | never
Launched       | effect started        | never
Launched       | call sent             | launched, as before, answered
Launched       | call refused          | ended: lost
Launched       | call unknown          | same
Launched       | kill asked            | killing: killed
Launched       | deadline              | killing: stuck
Launched       | TASK_STAGING          | launched, as before, answered
Launched       | TASK_STARTING         | starting
Launched       | TASK_RUNNING          | started
Launched       | TASK_KILLING          | same
Launched       | TASK_FINISHED         | ended: normal
Launched       | TASK_FAILED           | ended: failed
Launched       | TASK_KILLED           | ended: killed
Launched       | TASK_ERROR            | ended: invalid
Launched       | TASK_LOST             | given up: lost
Launched       | TASK_DROPPED          | ended: lost
Launched       | TASK_UNREACHABLE      | disconnected
Launched       | TASK_GONE             | ended: lost
Launched       | TASK_GONE_BY_OPERATOR | ended: lost
Launched       | TASK_UNKNOWN          | given up: lost

StartInitiated | launch accepted       | never
StartInitiated | launch cancelled      | never
StartInitiated | effect started        | never
StartInitiated | call sent             | same
StartInitiated | call refused          | same
StartInitiated | call unknown          | same
StartInitiated | kill asked            | killing: killed
StartInitiated | deadline              | killing: stuck
StartInitiated | TASK_STAGING          | same
StartInitiated | TASK_STARTING         | same
StartInitiated | TASK_RUNNING          | started
StartInitiated | TASK_KILLING          | same
StartInitiated | TASK_FINISHED         | ended: normal
StartInitiated | TASK_FAILED           | ended: failed
StartInitiated | TASK_KILLED           | ended: killed
StartInitiated | TASK_ERROR            | ended: invalid
StartInitiated | TASK_LOST             | given up: lost
StartInitiated | TASK_DROPPED          | ended: lost
StartInitiated | TASK_UNREACHABLE      | disconnected
StartInitiated | TASK_GONE             | ended: lost
StartInitiated | TASK_GONE_BY_OPERATOR | ended: lost
StartInitiated | TASK_UNKNOWN          | disconnected

Started        | launch accepted       | never
Started        | launch cancelled      | never
Started        | effect started        | never
Started        | call sent             | same
Started        | call refused          | same
Started        | call unknown          | same
Started        | kill asked            | killing: killed, was started
Started        | deadline              | killing: too long
Started        | TASK_STAGING          | same
Started        | TASK_STARTING         | same
Started        | TASK_RUNNING          | same
Started        | TASK_KILLING          | same
Started        | TASK_FINISHED         | ended: normal
Started        | TASK_FAILED           | ended: failed
Started        | TASK_KILLED           | ended: killed
Started        | TASK_ERROR            | ended: invalid
Started        | TASK_LOST             | given up: lost
Started        | TASK_DROPPED          | ended: lost
Started        | TASK_UNREACHABLE      | disconnected, was started
Started        | TASK_GONE             | ended: lost
Started        | TASK_GONE_BY_OPERATOR | ended: lost
Started        | TASK_UNKNOWN          | disconnected, was started

Disconnected   | launch accepted       | never
Disconnected   | launch cancelled      | never
Disconnected   | effect started        | never
Disconnected   | call sent             | same
Disconnected   | call refused          | ended: lost
Disconnected   | call unknown          | same
Disconnected   | kill asked            | killing: killed, unreachable
Disconnected   | deadline              | given up: lost
Disconnected   | TASK_STAGING          | started, as it was
Disconnected   | TASK_STARTING         | started, as it was
Disconnected   | TASK_RUNNING          | started, as it was
Disconnected   | TASK_KILLING          | started, as it was
Disconnected   | TASK_FINISHED         | ended: normal
Disconnected   | TASK_FAILED           | ended: failed
Disconnected   | TASK_KILLED           | ended: killed
Disconnected   | TASK_ERROR            | ended: invalid
Disconnected   | TASK_LOST             | given up: lost
Disconnected   | TASK_DROPPED          | ended: lost
Disconnected   | TASK_UNREACHABLE      | same
Disconnected   | TASK_GONE             | ended: lost
Disconnected   | TASK_GONE_BY_OPERATOR | ended: lost
Disconnected   | TASK_UNKNOWN          | same

KillInitiated  | launch accepted       | never
KillInitiated  | launch cancelled      | never
KillInitiated  | effect started        | never
KillInitiated  | call sent             | same
KillInitiated  | call refused          | ended as asked
KillInitiated  | call unknown          | same
KillInitiated  | kill asked            | same
KillInitiated  | deadline              | killing, stuck
KillInitiated  | TASK_STAGING          | same
KillInitiated  | TASK_STARTING         | same
KillInitiated  | TASK_RUNNING          | same
KillInitiated  | TASK_KILLING          | same
KillInitiated  | TASK_FINISHED         | ended as asked
KillInitiated  | TASK_FAILED           | ended as asked
KillInitiated  | TASK_KILLED           | ended as asked
KillInitiated  | TASK_ERROR            | ended as asked
KillInitiated  | TASK_LOST             | lost as asked
KillInitiated  | TASK_DROPPED          | ended as asked
KillInitiated  | TASK_UNREACHABLE      | killing, out of reach from now
KillInitiated  | TASK_GONE             | ended as asked
KillInitiated  | TASK_GONE_BY_OPERATOR | ended as asked
KillInitiated  | TASK_UNKNOWN          | killing, out of reach from now

Finished       | launch accepted       | never
Finished       | launch cancelled      | same
Finished       | effect started        | never
Finished       | call sent             | same
Finished       | call refused          | same
Finished       | call unknown          | same
Finished       | kill asked            | same
Finished       | deadline              | same
Finished       | TASK_STAGING          | same
Finished       | TASK_STARTING         | same
Finished       | TASK_RUNNING          | same
Finished       | TASK_KILLING          | same
Finished       | TASK_FINISHED         | same
Finished       | TASK_FAILED           | same
Finished       | TASK_KILLED           | same
Finished       | TASK_ERROR            | same
Finished       | TASK_LOST             | same
Finished       | TASK_DROPPED          | same
Finished       | TASK_UNREACHABLE      | same
Finished       | TASK_GONE             | same
Finished       | TASK_GONE_BY_OPERATOR | same
Finished       | TASK_UNKNOWN          | same
"""

WHERE_A_DETAIL_DECIDES: Final = """
Launched, answered           | call sent             | same
Launched, answered           | TASK_STAGING          | same
Launched, answered           | TASK_UNKNOWN          | given up: lost

Started, unhealthy           | TASK_RUNNING          | same

Disconnected, never started  | kill asked            | killing: killed, unreachable, not started
Disconnected, never started  | TASK_STAGING          | launched, answered
Disconnected, never started  | TASK_STARTING         | starting
Disconnected, never started  | TASK_RUNNING          | started
Disconnected, never started  | TASK_KILLING          | launched, answered

KillInitiated, unreachable   | deadline              | given up: as asked
KillInitiated, unreachable   | TASK_STAGING          | killing, in reach
KillInitiated, unreachable   | TASK_STARTING         | killing, in reach
KillInitiated, unreachable   | TASK_RUNNING          | killing, in reach
KillInitiated, unreachable   | TASK_KILLING          | killing, in reach
KillInitiated, unreachable   | TASK_UNREACHABLE      | same
KillInitiated, unreachable   | TASK_UNKNOWN          | same
KillInitiated, unreachable   | TASK_KILLED           | ended as asked
KillInitiated, without words | TASK_KILLED           | ended as asked, in Mesos' words

Finished, abandoned          | call refused          | settled
Finished, abandoned          | call sent             | same
Finished, abandoned          | call unknown          | same
Finished, abandoned          | TASK_STAGING          | back
Finished, abandoned          | TASK_STARTING         | back
Finished, abandoned          | TASK_RUNNING          | back
Finished, abandoned          | TASK_KILLING          | back
Finished, abandoned          | TASK_UNREACHABLE      | same
Finished, abandoned          | TASK_UNKNOWN          | same
Finished, abandoned          | TASK_FINISHED         | settled
Finished, abandoned          | TASK_FAILED           | settled
Finished, abandoned          | TASK_KILLED           | settled
Finished, abandoned          | TASK_ERROR            | settled
Finished, abandoned          | TASK_LOST             | same
Finished, abandoned          | TASK_DROPPED          | settled
Finished, abandoned          | TASK_GONE             | settled
Finished, abandoned          | TASK_GONE_BY_OPERATOR | settled
Finished, back               | TASK_RUNNING          | same
Finished, back               | TASK_UNREACHABLE      | away
Finished, back               | TASK_UNKNOWN          | away
Finished, back               | TASK_LOST             | away
Finished, back               | TASK_KILLED           | settled
Finished, back               | TASK_GONE             | settled
"""

OUTCOMES["killing: killed, unreachable, not started"] = killing("killed", None, is_unreachable=True)


def lines_of(text: str) -> list[tuple[str, str, str]]:
    """State, input and outcome of each line."""
    found = [re.split(r"\s*\|\s*", line.strip()) for line in text.splitlines() if line]
    return [(state, what, outcome) for state, what, outcome in found]


def given(what: Input, state: TaskState) -> Given:
    """What the fold hands over with such an input."""
    if what is Input.LAUNCH_ACCEPTED:
        return Given(NOW, place=THERE)
    if what is Input.DEADLINE:
        is_limit = isinstance(state, Started)
        reason = "runtimeLimitExceeded" if is_limit else "stuckInState"
        return Given(NOW, reason=reason, message="word")  # type: ignore[arg-type]
    return Given(NOW, reason="killed", message="word")


@pytest.mark.parametrize(
    ("name", "what", "outcome"), lines_of(EVERY_CELL) + lines_of(WHERE_A_DETAIL_DECIDES)
)
def test_cell(name: str, what: str, outcome: str) -> None:
    state = STATES[name]
    if outcome == "never":
        with pytest.raises(Impossible, match=r"cannot happen"):
            moved(state, Input(what), given(Input(what), state))
        return
    after = moved(state, Input(what), given(Input(what), state))
    if outcome == "same":
        assert after is state
    else:
        assert after == OUTCOMES[outcome]


def test_no_cell_is_missing() -> None:
    wanted = {(column.__name__, what.value) for column in COLUMNS for what in Input}
    lines = [(state, what) for state, what, _ in lines_of(EVERY_CELL)]
    assert len(wanted) == 8 * 22
    assert sorted(lines) == sorted(wanted)
    assert set(TABLE) == set(Input)


def test_every_outcome_is_used() -> None:
    used = {outcome for _, _, outcome in lines_of(EVERY_CELL + WHERE_A_DETAIL_DECIDES)}
    assert used == {*OUTCOMES, "same", "never"}


def test_every_state_of_mesos_is_an_input() -> None:
    states = get_args(MesosTaskState)
    assert {input_of(state).value for state in states} == set(states)
    assert {each.value for each in Input if each.value.startswith("TASK_")} == set(states)


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (True, None, True),
        (True, True, True),
        (True, False, False),
        (False, None, False),
        (False, False, False),
        (False, True, True),
    ],
)
def test_health_is_what_was_said_last_and_silence_says_nothing(
    before: bool, said: bool | None, after: bool
) -> None:
    state = Started(place=HERE, since_ms=THEN, is_healthy=before)
    found = moved(state, Input.RUNNING, Given(NOW, is_healthy=said))
    since_ms = NOW if after and not before else 0
    assert found == Started(HERE, THEN, is_healthy=after, healthy_since_ms=since_ms)
    assert (found is state) == (before == after)


@pytest.mark.parametrize("said", [None, True, False])
@pytest.mark.parametrize("name", ["Launched", "StartInitiated", "Disconnected, never started"])
def test_a_task_begins_healthy_unless_it_is_said_to_be_ill(name: str, said: bool | None) -> None:
    after = moved(STATES[name], Input.RUNNING, Given(NOW, is_healthy=said))
    assert after == Started(place=HERE, since_ms=NOW, is_healthy=said is not False)
