"""What is wrong with an input, collected, and how its parts are shown to people.

The one thing to know: everything here ends up in the cell log and on terminals, so it is short,
printable ASCII wherever it repeats what a stranger sent, and limited in number.
"""

import difflib
import math
import re
from collections.abc import Iterable
from typing import Final

from scheduler.model.inbound import Fault

FAULTS_MAX: Final = 32
"""More than a person reads; a broken producer must not fill the cell log with complaints."""
SHOWN_CHARACTERS_MAX: Final = 48
PATH_CHARACTERS_MAX: Final = 200
NAMES_SHOWN_MAX: Final = 60
"""Of the names that would do; time zones alone are 500."""
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Faults:
    """Collects faults in the order they are found, up to a limit; the rest are counted."""

    def __init__(self) -> None:
        self._found: list[Fault] = []
        self._unsaid = 0

    def add(self, field: str, text: str, hint: str = "") -> None:
        """Remember one fault, or count it where there are already enough."""
        if len(self._found) < FAULTS_MAX:
            self._found.append(Fault(field[:PATH_CHARACTERS_MAX], text, hint))
        else:
            self._unsaid += 1

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self._found)

    @property
    def is_full(self) -> bool:
        """Whether further faults are only counted, so that looking for words is wasted."""
        return len(self._found) >= FAULTS_MAX

    def all(self) -> tuple[Fault, ...]:
        """Every fault, and at the end how many more there were."""
        if not self._unsaid:
            return tuple(self._found)
        more = Fault("", f"has {self._unsaid} more faults that are not listed", "mend these first")
        return (*self._found, more)


def shown_text(text: str) -> str:
    """``text`` in quotes, printable ASCII, and cut short."""
    cut = text[:SHOWN_CHARACTERS_MAX]
    return ascii(cut) + ("..." if len(text) > len(cut) else "")


def shown(value: object) -> str:
    """A JSON value as people would name it: short, printable, never the whole of a large one."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float() if math.isinf(value):
            return "a number too large to count"
        case int() | float():
            return str(value)[:SHOWN_CHARACTERS_MAX]
        case str():
            return f"the text {shown_text(value)}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def path_below(path: str, name: str) -> str:
    """The path of field ``name`` inside the object at ``path``."""
    if not _PLAIN_NAME.fullmatch(name):
        return f"{path}[{shown_text(name)}]"
    return f"{path}.{name}" if path else name


def nearest_name(name: str, known: Iterable[str]) -> str:
    """A hint that names the known name most like ``name``, or all of them if none is like it."""
    by_lower = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(name[:64].lower(), by_lower, n=1)
    if close:
        return f"did you mean '{by_lower[close[0]]}'?"
    if not by_lower:
        return "leave it out"
    names = list(by_lower.values())
    more = len(names) - NAMES_SHOWN_MAX
    rest = f", and {more} more" if more > 0 else ""
    return f"known here: {', '.join(names[:NAMES_SHOWN_MAX])}{rest}"
