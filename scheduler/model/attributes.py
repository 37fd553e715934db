"""Attributes of a job that say more than a name: each is read by a function of its own.

The one thing to know: what is wrong is refused at admission, by the attribute's name. Whoever reads
later passes over it, because jobs of older logs were admitted before an attribute meant anything.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Readers = Mapping[str, Callable[[str], dict[str, Any]]]
"""By attribute: the text as fields of the value that is made; ValueError says what to write."""


class UnreadableAttribute(ValueError):
    """An attribute that cannot be read; ``name`` is which, the text what to write."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def read_attributes(
    attributes: Iterable[tuple[str, str]], readers: Readers, *, is_lenient: bool
) -> dict[str, Any]:
    """The fields that the attributes give; raises UnreadableAttribute for the first bad one.

    ``is_lenient`` passes over such a one.
    """
    found: dict[str, Any] = {}
    for name, text in attributes:
        reader = readers.get(name)
        if reader is None:
            continue
        try:
            found |= reader(text)
        except ValueError as error:
            if is_lenient:
                continue
            raise UnreadableAttribute(name, str(error)) from error
    return found
