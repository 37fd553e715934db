"""What the bytes of a record must hold for a query to want anything of it.

The one thing to know: this is weaker than the query, never stronger: what it leaves out the query
would have left out, and the query is asked of all the rest. So records of history are passed over
without being decoded.
"""

import re
from collections.abc import Callable, Collection
from typing import Any, Final, assert_never

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from projections.masking import MASK
from projections.query.patterns import PLAIN
from projections.query.syntax import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Constant,
    Match,
    Operand,
    Property,
    StarPath,
)

_EQUAL: Final = re.compile(r"[ !#-.0-\[\]-~]+", re.ASCII)
"""Printable characters that JSON writes as they are, whoever writes it; no quote, no slashes."""
_PART: Final = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9 _-]*[A-Za-z0-9_-])?", re.ASCII)
"""No space at its ends, for inside a list there is one that the record does not have."""
_LETTER: Final = re.compile("[A-DF-Za-df-z]")
"""A part of a text with a letter other than ``e``: no part of what a number is written as."""
ESCAPED: Final = rb"\u"
"""A record with such may have written any character so, and is looked at."""


class Holds(msgspec.Struct, frozen=True):
    """These bytes stand in the record."""

    needle: bytes


class Every(msgspec.Struct, frozen=True):
    """All of these hold."""

    parts: tuple["Needed", ...]


class Some(msgspec.Struct, frozen=True):
    """One of these holds."""

    parts: tuple["Needed", ...]


Needed = Holds | Every | Some


def needed(condition: Condition | None, keys: Collection[str]) -> Needed | None:
    """What a record must hold; None: nothing is known, and each is looked at.

    ``keys``: those whose values stand in the record as they are, and are not made of others.
    """
    match condition:
        case AllOf():
            found = [needed(each, keys) for each in condition.conditions]
            parts = tuple(each for each in found if each is not None)
            return None if not parts else parts[0] if len(parts) == 1 else Every(parts)
        case AnyOf():
            all_parts = [needed(each, keys) for each in condition.conditions]
            known = tuple(each for each in all_parts if each is not None)
            return Some(known) if len(known) == len(all_parts) else None
        case Comparison():
            return _of_comparison(condition, keys)
        case Match():
            return _of_match(condition, keys)
        case _:
            return None


def _of_comparison(condition: Comparison, keys: Collection[str]) -> Needed | None:
    left, right = condition.left, condition.right
    if condition.operator == "==" and isinstance(left, Constant):
        left, right = right, left
    if not _is_known(left, keys) or not isinstance(right, Constant):
        return None
    value = right.value
    if not isinstance(value, str):
        return None
    # What is masked does not stand in the record as a query sees it.
    if condition.operator == "==" and _EQUAL.fullmatch(value) and MASK not in value:
        return Holds(b'"%s"' % value.encode())
    return _of_part(value) if condition.operator == "==+" else None


def _of_match(condition: Match, keys: Collection[str]) -> Needed | None:
    plain = PLAIN.fullmatch(condition.pattern)
    if plain is None or not _is_known(condition.operand, keys):
        return None
    return _of_part(plain["word"])


def _of_part(text: str) -> Needed | None:
    if _PART.fullmatch(text) is None or _LETTER.search(text) is None:
        return None
    # Beside a masked word there may be another one than in the record, so one word is asked for.
    word = max(text.split(), key=len)
    is_of_masked = MASK in word or word in MASK or _LETTER.search(word) is None
    return None if is_of_masked else Holds(word.encode())


def _is_known(operand: Operand | StarPath, keys: Collection[str]) -> bool:
    return (
        isinstance(operand, Property)
        and len(operand.path.steps) == 1
        and operand.path.steps[0] in keys
    )


def texts_of(condition: Condition | None, key: str) -> frozenset[str] | None:
    """The texts of which the key must be one; None where it may be any."""
    match condition:
        case AllOf():
            found = [texts_of(each, key) for each in condition.conditions]
            known = [each for each in found if each is not None]
            return frozenset.intersection(*known) if known else None
        case AnyOf():
            every = [texts_of(each, key) for each in condition.conditions]
            whole = [each for each in every if each is not None]
            return frozenset().union(*whole) if len(whole) == len(every) else None
        case Comparison(operator="=="):
            left, right = condition.left, condition.right
            if isinstance(left, Constant):
                left, right = right, left
            if _is_known(left, (key,)) and isinstance(right, Constant):
                return frozenset([right.value]) if isinstance(right.value, str) else None
            return None
        case _:
            return None


def mask_of(part: Needed) -> Callable[[Any], Any]:
    """A function of a column of records' bytes: which of them are to be looked at."""
    exact = _exact(part)

    def mask(column: Any) -> Any:
        escaped = pc.match_substring(column, ESCAPED)
        return pc.or_(escaped, exact(column)).fill_null(True)

    return mask


def _exact(part: Needed) -> Callable[[Any], Any]:
    match part:
        case Holds():
            needle = part.needle
            return lambda column: pc.match_substring(column, needle)
        case Every():
            parts = [_exact(each) for each in part.parts]
            return lambda column: _joined(pc.and_, parts, column)
        case Some():
            parts = [_exact(each) for each in part.parts]
            return lambda column: _joined(pc.or_, parts, column)
    assert_never(part)


def _joined(join: Any, parts: list[Callable[[Any], Any]], column: Any) -> Any:
    if not parts:
        return pa.array(np.zeros(len(column), dtype=bool))
    found = parts[0](column)
    for each in parts[1:]:
        found = join(found, each(column))
    return found
