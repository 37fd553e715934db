"""Whether an event is nested so deeply that no row of it could be written.

The one thing to know: orjson reads 1,024 levels and writes 254 of them, so what can be read may
still end whoever says it; a record that is nested so is passed over as one that cannot be read.
"""

from typing import Any, Final

import orjson

NESTED_MAX: Final = 250
"""Of the 254 that can be written: a row puts some about a value."""


def is_too_deep(data: bytes, event: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether more than `NESTED_MAX` lists and objects stand within one another."""
    if data.count(b"[") + data.count(b"{") <= NESTED_MAX:
        return False
    try:
        orjson.dumps([[[[event]]]])
    except TypeError:
        return True
    return False
