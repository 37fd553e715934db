"""The rules of health from their YAML file: read, checked, and read anew when it changes.

The one thing to know: a file with a fault changes nothing. The rules of before stay in force, and
the fault is told once for each change of the file.
"""

from pathlib import Path
from typing import Final, NamedTuple

import structlog

from projections.health.rules import RuleSet, read_rules
from scheduler.model.reading.faults import Faults
from streams.errors import OperatorError
from streams.policy_file.reading import FILE_BYTES_MAX, YamlText, read_yaml

logger = structlog.get_logger(__name__)

DEFAULT: Final = Path(__file__).with_name("default_rules.yaml")
PLACE: Final = Path("health") / "rules.yaml"
"""Where a data directory has rules of its own."""


class Read(NamedTuple):
    """A file's rules, and everything that is wrong with it."""

    rules: RuleSet
    text: YamlText
    faults: Faults


def read_file(path: Path) -> Read:
    """The rules of a file; raises `OperatorError` where there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"{path} cannot be read: {error}.",
            "The name is misspelt, or it is no text.",
            f"Name a file of rules; {DEFAULT} is one.",
        ) from error
    if not text.strip() or len(data) > FILE_BYTES_MAX:
        fault = f"longer than {FILE_BYTES_MAX} bytes" if text.strip() else "empty"
        raise OperatorError(
            f"{path} is {fault}.",
            "It is no file of rules, or nothing was saved.",
            f"Name a file of rules; {DEFAULT} is one to begin with.",
        )
    faults = Faults()
    found = read_yaml(text, faults)
    rules = RuleSet() if faults else read_rules(found.document, faults)
    return Read(rules, found, faults)


def told(path: Path, found: Read) -> list[str]:
    """A line for each fault, with its place."""
    lines = []
    for each in found.faults.all():
        place = found.text.place_of(each.field)
        at = f"{path}:{place.line}:{place.column}" if place else str(path)
        lines.append(f"{at} {each.field} {each.text}{f': {each.hint}' if each.hint else ''}")
    return lines


def rules_of(path: Path) -> RuleSet:
    """The rules of a file; raises `OperatorError` with every fault of it."""
    found = read_file(path)
    if found.faults:
        raise OperatorError(
            f"{path} has no rules that can be used.",
            "\n".join(told(path, found)),
            "Mend it; `flumina health rules FILE` checks it.",
        )
    return found.rules


class RuleFile:
    """Rules that follow their file while a process runs; without a file the usual ones."""

    def __init__(self, own: Path) -> None:
        self._own = own
        self._stamp: tuple[object, ...] = ()
        self.rules = RuleSet()
        if not self.refresh():
            # A file with faults, and nothing of before: the usual rules are better than none.
            self.rules = rules_of(DEFAULT)

    def refresh(self) -> bool:
        """Whether there are other rules now, because the file is another and has no fault."""
        path = self._own if self._own.exists() else DEFAULT
        try:
            status = path.stat()
            stamp = (path, status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            self.rules = rules_of(path)
        except (OSError, OperatorError) as error:
            logger.warning("rules of before stay in force", why=str(error))
            return False
        logger.info("rules are in force", file=str(path), rules=len(self.rules.rules))
        return True
