"""Our answer beside the engine's, and which differences docs/mql.md names.

The one thing to know: a named difference is told from the question and from the engine's answer,
never from ours; where none is named, both must be the same to the kind of each number.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from projections.query.engine import Running
from projections.query.parser import parse
from projections.query.rows import named
from projections.query.scanner import QueryError
from projections.query.syntax import (
    Aggregate,
    Negated,
    Operand,
    Prefixed,
    Query,
    StarPath,
    TimeWindow,
)
from tests.contract.mql.engine import Answer, Question

OTHER_PLACE = "another place"
BROKEN_LINE = re.compile(r"sample\s+\{[^}]*\n", re.IGNORECASE)
"""The engine wants a sample's words on one line."""
FALSE_WORD = re.compile(r"""e\[(?!['"^*0-9-])|\bnot\s*(?:,|$)""", re.IGNORECASE)
"""The engine reads a word where a path or a negation does not go on."""

REFUSED = ("The sample", "sample needs keys", "A window ", "A limit ", "cannot be used")
"""What the table of docs/mql.md says that we refuse, by our words for it."""

Rows = list[dict[str, Any]]


def ours(question: Question) -> Answer:
    """What we answer, under the engine's names of columns."""
    try:
        running = Running(parse(question["mql"]), lambda: 0.5, question["mode"], is_compat=True)
    except QueryError as error:
        return {"refused": str(error), "at": _utf_16_column(error)}
    rows: Rows = []
    for at_ms, event in enumerate(question["events"]):
        rows += running.push(event, at_ms)
    return {"rows": rows + running.close()}


def _utf_16_column(error: QueryError) -> str:
    """The place as Java counts it: letters beyond the first 65,536 are two."""
    line = error.text.split("\n")[error.line - 1][: error.column - 1]
    column = len(line.encode("utf-16-le", "surrogatepass")) // 2 + 1
    return f"Parse error at line: {error.line} column: {column}."


def difference(question: Question, theirs: Answer, mine: Answer) -> str:
    """What differs and is not named in docs/mql.md; empty if nothing."""
    if "died" in theirs:
        # What ends the engine is answered, or refused with the place.
        return ""
    if "refused" in theirs:
        if "refused" not in mine:
            return "" if BROKEN_LINE.search(question["mql"]) else "only the engine refuses it"
        place = theirs["refused"].split(" Expected")[0]
        return "" if mine["at"] == place else OTHER_PLACE
    if "refused" in mine:
        is_named = FALSE_WORD.search(question["mql"]) or any(map(mine["refused"].count, REFUSED))
        return "" if is_named else "only we refuse it"
    query = parse(question["mql"])
    if question["mode"] == "server":
        lists = {steps[0] for steps in _places(query)}
        left, right = _without(flat(theirs["rows"]), lists), _without(mine["rows"], lists)
    else:
        left, right = flat(theirs["rows"]), mine["rows"]
        if _is_named(query, question["events"], left, is_nothing=not right):
            return ""
    if any(_meets_text(event, each) for event in question["events"] for each in _stars(query)):
        return ""
    return "" if is_same(left, right) else "other rows"


def _is_named(query: Query, events: Rows, theirs: Rows, *, is_nothing: bool) -> bool:
    """Whether docs/mql.md names what may differ in the rows of such a query."""
    return (
        _is_of_plain_properties(query)
        or (query.is_aggregate and any(map(_is_nameless, query.items)))
        or query.streams != ("stream",)
        or (isinstance(query.window, TimeWindow) and is_nothing and _is_of_nothing(theirs))
        or any(_meets_text(event, steps) for event in events for steps in _places(query))
    )


def _is_of_plain_properties(query: Query) -> bool:
    """A window or group of properties: the engine gives nothing that can be read."""
    if query.is_aggregate:
        return False
    if query.items:
        return query.window is not None or bool(query.group)
    if query.order is not None:
        return query.window is not None or bool(query.group)
    return bool(query.group) and query.limit is not None


def _is_nameless(item: Operand | Aggregate) -> bool:
    """What the engine calls by an empty name in rows of aggregates."""
    operand = item.operand if isinstance(item, Aggregate) else item
    return isinstance(operand, Prefixed | Negated)


def _places(query: Query) -> list[tuple[str | int, ...]]:
    """The paths that go through places of lists."""
    steps = [each for each in named(query) if isinstance(each, tuple)]
    return [each for each in steps if any(isinstance(step, int) for step in each)]


def _stars(part: Any) -> Iterator[tuple[str | int, ...]]:
    """The paths that go through a star, with a place for it."""
    if isinstance(part, StarPath):
        yield (*part.before, 0)
    elif isinstance(part, tuple):
        for each in part:
            yield from _stars(each)
    elif isinstance(part, msgspec.Struct):
        yield from _stars(tuple(getattr(part, name) for name in part.__struct_fields__))


def _meets_text(event: Any, steps: tuple[str | int, ...]) -> bool:
    """Whether a place is asked of a string: the engine gives a letter that equals no string."""
    for step in steps:
        if isinstance(step, int) and isinstance(event, str):
            return True
        if isinstance(step, str) and isinstance(event, dict):
            event = event.get(step)
        elif isinstance(step, int) and isinstance(event, list) and -len(event) <= step < len(event):
            event = event[step]
        else:
            return False
    return False


def _is_of_nothing(rows: Rows) -> bool:
    """One row of a window without events, of which the engine tells as well."""
    return len(rows) == 1 and not any(rows[0].values())


def _without(rows: Rows, keys: set[str | int]) -> Rows:
    return [{key: value for key, value in row.items() if key not in keys} for row in rows]


def flat(rows: list[Any]) -> Rows:
    """Rows one after the other: the engine gives those of a window as a list."""
    found: Rows = []
    for row in rows:
        found += row if isinstance(row, list) else [row]
    return found


def is_same(left: Any, right: Any) -> bool:
    """Whether both are the same, to the kind of each number; floats to their last digits."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(is_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-12)
    return type(left) is type(right) and bool(left == right)
