"""Causes of an event, backwards, and what followed from it, forwards.

The one thing to know: the links are those that histories carry. A launch is led to by its round,
the round by the waits of the tasks that it placed, an effect by its proposal, a call's end by its
start, an update of Mesos by the call or the update before it; lines of one event stand together.
Nothing is guessed beyond that: an event without a link begins its chain, and names the inbound
record that it is a copy of.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from projections.history import Line
from projections.words import line_text
from scheduler.model.address import parse_address

LINKS_MAX: Final = 1_000
TASKS_MAX: Final = 50
"""Tasks whose histories are followed; an event that is about more says so."""
SUCCESSORS_MAX: Final = 5

Direction = Literal["causes", "effects"]
_FROM_MESOS: Final = frozenset(("effect started", "effect ended", "status"))


class Step(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One event of a chain: what it did to whom, and which events of the chain led to it."""

    address: str
    at_ms: int
    distance: int
    """Links from the event that was asked about."""
    texts: tuple[str, ...]
    led_to_by: tuple[str, ...] = ()
    """Addresses of events before it."""
    sources: tuple[str, ...] = ()
    """Inbound records that the event is a copy of."""
    jobs: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


class Trace(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The causes or the effects of one event, oldest first."""

    address: str
    direction: Direction
    event: str
    """The event's kind, and what it says, in a few words."""
    steps: tuple[Step, ...]
    dropped: int = 0
    """Steps that are not shown, for there are too many."""
    tasks_dropped: int = 0
    """Tasks that the event is about and that were not followed."""


class Graph:
    """Events as nodes, by their address; links from an event to those that led to it."""

    def __init__(self, histories: Iterable[Sequence[Line]]) -> None:
        """Each history is that of one job or one task, oldest line first."""
        self._lines: dict[str, list[Line]] = {}
        self._parents: dict[str, dict[str, None]] = {}
        self._children: dict[str, dict[str, None]] = {}
        for lines in histories:
            self._take(lines)

    def _take(self, lines: Sequence[Line]) -> None:
        before: list[Line] = []
        for line in lines:
            there = self._lines.setdefault(line.address, [])
            if line not in there:
                there.append(line)
            for parent in _parents_of(line, before):
                self._link(parent, line.address)
            if line.what == "launch proposed" and line.cause:
                for wait in _last(before, "queued", "requeued"):
                    self._link(wait, line.cause)  # The round took up what waited.
            before.append(line)

    def _link(self, parent: str, child: str) -> None:
        if parent != child:
            self._parents.setdefault(child, {})[parent] = None
            self._children.setdefault(parent, {})[child] = None

    def trace(self, address: str, direction: Direction, event: str, known: dict[str, str]) -> Trace:
        """The chain from the event at ``address``; ``known`` has words for events without lines."""
        links = self._parents if direction == "causes" else self._children
        distances = {address: 0}
        queue = [address]
        for each in queue:
            for other in links.get(each, ()):
                if other not in distances:
                    distances[other] = distances[each] + 1
                    queue.append(other)
        ordered = sorted(distances, key=_place)
        kept = ordered[-LINKS_MAX:] if direction == "causes" else ordered[:LINKS_MAX]
        steps = tuple(self._step(each, distances[each], known) for each in kept)
        return Trace(address, direction, event, steps, dropped=len(ordered) - len(kept))

    def _step(self, address: str, distance: int, known: dict[str, str]) -> Step:
        lines = self._lines.get(address, ())
        texts = [
            f"{each.task_id or each.job_id}: {line_text(each)}" for each in lines[:TASKS_MAX]
        ] or [known.get(address, "an event that says nothing of one job or task")]
        return Step(
            address=address,
            at_ms=lines[0].at_ms if lines else 0,
            distance=distance,
            texts=tuple(dict.fromkeys(texts)),
            led_to_by=tuple(sorted(self._parents.get(address, ()), key=_place)),
            sources=tuple(dict.fromkeys(each.source for each in lines if each.source)),
            jobs=tuple(dict.fromkeys(each.job_id for each in lines)),
            tasks=tuple(dict.fromkeys(each.task_id for each in lines if each.task_id)),
        )


def _place(address: str) -> tuple[int, int]:
    found = parse_address(address)
    return (found.offset, found.index)


def _parents_of(line: Line, before: Sequence[Line]) -> list[str]:
    """Addresses of the events that led to this line, by the history that it stands in."""
    found = [line.cause] if line.cause else []
    match line.what:
        case "launch proposed" | "round refused" if not found:
            found += _last(before, "queued", "requeued")
        case "effect ended":
            found = _last_of_proposal(before, line.proposal) or found
        case "status" | "deadline":
            found += _last_with_state(line, before)
        case "requeued":
            found += _last(before, "launch proposed")
        case "kill asked" | "replaced" | "kill proposed" if not found:
            found += _last_with_state(line, before)
        case _:
            pass
    return found


def _last(before: Sequence[Line], *whats: str) -> list[str]:
    return next(([each.address] for each in reversed(before) if each.what in whats), [])


def _last_of_proposal(before: Sequence[Line], proposal: str) -> list[str]:
    return next(
        (
            [each.address]
            for each in reversed(before)
            if each.what == "effect started" and each.proposal == proposal
        ),
        [],
    )


def _last_with_state(line: Line, before: Sequence[Line]) -> list[str]:
    """The last thing that happened between the cell and Mesos, or changed the state.

    What the same event says besides (states that were filled in) is no cause of it.
    """
    return next(
        (
            [each.address]
            for each in reversed(before)
            if each.address != line.address and (each.what in _FROM_MESOS or each.state)
        ),
        [],
    )
