"""Marks by which tasks, jobs and hosts say that something has to move, or may not: attributes.

The one thing to know: the names are Titus'. A mark that cannot be read counts as none; one by time
means tasks that came to their host before it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

PREFIX: Final = "titus.relocation."
REQUIRED: Final = PREFIX + "required"
REQUIRED_IMMEDIATELY: Final = PREFIX + "requiredImmediately"
REQUIRED_BY: Final = PREFIX + "requiredBy"
REQUIRED_BY_IMMEDIATELY: Final = PREFIX + "requiredByImmediately"
NOT_ALLOWED: Final = PREFIX + "notAllowed"
MARKS: Final = (
    NOT_ALLOWED,
    REQUIRED,
    REQUIRED_BY,
    REQUIRED_BY_IMMEDIATELY,
    REQUIRED_IMMEDIATELY,
)
_DIGITS_MAX: Final = 15


class Marks(msgspec.Struct, frozen=True):
    """What the attributes of one task, job or host say."""

    is_required: bool = False
    is_immediate: bool = False
    before_ms: int = 0
    """What came before this instant has to move; 0: nothing for its age."""
    immediately_before_ms: int = 0
    is_not_allowed: bool = False

    def wants(self, since_ms: int) -> bool:
        """Whether what came to its host at ``since_ms`` has to leave it."""
        return self.is_required or since_ms < self.before_ms or self.hurries(since_ms)

    def hurries(self, since_ms: int) -> bool:
        """The same, without a plan and notice."""
        return self.is_immediate or since_ms < self.immediately_before_ms


NONE: Final = Marks()


def has_mark(attributes: Iterable[tuple[str, str]]) -> bool:
    """Whether a mark is among some attributes, be it one that cannot be read."""
    return any(name.startswith(PREFIX) for name, _ in attributes)


def marks_of(attributes: Iterable[tuple[str, str]]) -> Marks:
    """The marks among some attributes; `NONE` itself where there are none."""
    found = {name: text for name, text in attributes if name.startswith(PREFIX)}
    if not found:
        return NONE
    return Marks(
        is_required=_truth(found.get(REQUIRED)),
        is_immediate=_truth(found.get(REQUIRED_IMMEDIATELY)),
        before_ms=_instant_ms(found.get(REQUIRED_BY)),
        immediately_before_ms=_instant_ms(found.get(REQUIRED_BY_IMMEDIATELY)),
        is_not_allowed=_truth(found.get(NOT_ALLOWED)),
    )


def _truth(text: str | None) -> bool:
    return text == "true"


def _instant_ms(text: str | None) -> int:
    is_number = text is not None and text.isascii() and text.isdecimal()
    return int(text) if text and is_number and len(text) <= _DIGITS_MAX else 0
