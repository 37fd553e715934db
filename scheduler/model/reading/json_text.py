"""Foreign bytes as a JSON value, or the fault that says why they are none.

The one thing to know: this reads with the standard library and not with msgspec, because a
stranger's mistake must be told by field: a name given twice, NaN, a number of a thousand digits
or half a surrogate pair are let through here, and refused where the field's path is known.
"""

import json
import math
from typing import Any, Final

from scheduler.model.reading.faults import Faults

_DIGITS_MAX: Final = 20
"""No quantity here needs more; also, reading digits takes quadratic time."""


class DoubledObject(dict[str, Any]):
    """A JSON object in which names stood twice; the last value of each is kept."""

    doubled: tuple[str, ...] = ()


def parsed_json(data: bytes, bytes_max: int, faults: Faults) -> object:
    """The value that ``data`` holds; None, and a fault added, where it is no JSON.

    Too many bytes are refused before any of them is looked at.
    """
    if len(data) > bytes_max:
        faults.add(
            "",
            f"is {len(data)} bytes long; at most {bytes_max} are taken",
            "send less: large inputs belong into a file that the task fetches",
        )
        return None
    if not data:
        faults.add("", "is empty", "send a JSON object")
        return None
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        faults.add("", f"is not UTF-8: {error.reason} at byte {error.start}", "encode it as UTF-8")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        faults.add("", f"is not JSON: {error.msg} ({place})", "check it with a JSON formatter")
    except RecursionError:
        faults.add("", "is nested too deeply", "a descriptor needs fewer than ten levels")
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    doubled: dict[str, None] = {}
    for name, _ in pairs:
        if name in seen:
            doubled[name] = None
        seen.add(name)
    answer = DoubledObject(found)
    answer.doubled = tuple(doubled)
    return answer


def _whole(digits: str) -> int | float:
    if len(digits) <= _DIGITS_MAX:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf


def _constant(name: str) -> float:
    return {"NaN": math.nan, "Infinity": math.inf}.get(name, -math.inf)
