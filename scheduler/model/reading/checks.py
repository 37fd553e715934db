"""Rules for single texts: each answers None, or what is wrong and what to do.

The one thing to know: every pattern is a plain run of character classes, so that no input makes
it slow, and every rule has a limit in bytes.
"""

import re
from collections.abc import Callable
from typing import Final

from scheduler.model.ids import TaskId, job_id_fault, job_id_of
from scheduler.model.reading.faults import shown_text

Complaint = tuple[str, str]
"""What is wrong, as the end of a sentence that begins with the field; and the hint."""
Check = Callable[[str], Complaint | None]

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_TASK_ID_CHARACTERS_MAX: Final = 96


def bytes_of(text: str) -> int:
    """How many bytes ``text`` takes in UTF-8, half surrogate pairs included."""
    return len(text.encode("utf-8", "surrogatepass"))


def name_check(bytes_max: int) -> Check:
    """A check for names that people read: printable, not blank, no space around them."""
    words = words_check(bytes_max)

    def check(text: str) -> Complaint | None:
        if not text or text.isspace():
            return ("is blank", "give it a name")
        if text[0] == " " or text[-1] == " ":
            return (f"is {shown_text(text)}, with a space around it", "remove the space")
        return words(text)

    return check


def words_check(bytes_max: int) -> Check:
    """A check for a line that people read: printable, without line breaks; may be empty."""

    def check(text: str) -> Complaint | None:
        too_long = _too_long(text, bytes_max)
        if too_long is not None:
            return too_long
        if not text.isprintable():
            odd = next(each for each in text if not each.isprintable())
            return (f"holds the character U+{ord(odd):04X}", "use printable characters only")
        return None

    return check


def pattern_check(pattern: str, bytes_max: int, example: str) -> Check:
    """A check that the whole text fits ``pattern``; the hint shows ``example``."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> Complaint | None:
        too_long = _too_long(text, bytes_max)
        if too_long is not None:
            return too_long
        if not compiled.fullmatch(text):
            return (f"is {shown_text(text)}, which is not of the right form", f"like {example}")
        return None

    return check


def process_check(bytes_max: int) -> Check:
    """A check for what reaches a process as argument or variable.

    Line breaks and tabs are everyday there (scripts, certificates). NUL cannot be passed on at
    all, half a surrogate pair has no bytes, and other control characters forge terminals.
    """

    def check(text: str) -> Complaint | None:
        too_long = _too_long(text, bytes_max)
        if too_long is not None:
            return too_long
        odd = _CONTROL.search(text)
        if odd is not None:
            return (
                f"holds the character U+{ord(odd[0]):04X} at {odd.start()}",
                "of the control characters only tab and line feed are allowed",
            )
        return None

    return check


def job_id_check(text: str) -> Complaint | None:
    """What is wrong with ``text`` as a job's id."""
    why = job_id_fault(text)
    return None if why is None else (why, "an id looks like titus-12345")


def task_id_check(text: str) -> Complaint | None:
    """What is wrong with ``text`` as the id of a task that we started."""
    job_id = job_id_of(TaskId(text)) if text.isascii() else None
    is_short = len(text) <= _TASK_ID_CHARACTERS_MAX
    if job_id is None or not is_short or job_id_fault(job_id) is not None:
        return (f"is {shown_text(text)}, no task id", "a task id looks like titus-12345-worker-1-5")
    return None


def _too_long(text: str, bytes_max: int) -> Complaint | None:
    size = bytes_of(text)
    if size <= bytes_max:
        return None
    return (f"is {size} bytes long; at most {bytes_max} are allowed", "shorten it")
