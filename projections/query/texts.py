"""Values as text, for ``==+``, ``==~``, sticky samples and the names of constants.

The one thing to know: the text is what Java's ``toString`` gives, for that is what Mantis' engine
looks at: ``1.0E-7``, ``true``, ``[a, null]``, ``{k=1}``.
"""

from collections.abc import Mapping
from decimal import Decimal
from math import isfinite, isnan
from typing import Any, Final

PLAIN_FROM: Final = 1e-3
PLAIN_BELOW: Final = 1e7
"""Between these a float is written without exponent (Java SE, ``Double.toString``)."""


def text_of_value(value: Any) -> str | None:
    """The value's text; None for null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return text_of_float(value)
    if isinstance(value, Mapping):
        inside = (f"{key}={text_of_part(each)}" for key, each in value.items())
        return f"{{{', '.join(inside)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text_of_part, value))}]"
    return str(value)


def text_of_part(value: Any) -> str:
    """The text of a value inside another, where null has one."""
    return "null" if value is None else str(text_of_value(value))


def text_of_float(value: float) -> str:
    """A float as Java writes it."""
    if not isfinite(value):
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or PLAIN_FROM <= abs(value) < PLAIN_BELOW:
        text = format(Decimal(repr(value)), "f")
        return text if "." in text else f"{text}.0"
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    shown = "".join(map(str, digits))
    power = exponent + len(shown) - 1
    rest = shown[1:].rstrip("0") or "0"
    return f"{'-' if sign else ''}{shown[0]}.{rest}E{power}"
