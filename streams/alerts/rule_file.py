"""The rules of alerts from their YAML file: read, checked, and read anew when it changes.

The one thing to know: a file with a fault changes nothing. The rules of before stay in force, at
first the delivered ones, and the fault is told once for each change of the file.
"""

from pathlib import Path
from typing import Final, NamedTuple

import structlog

from projections.alerts.rules import RuleBook, joined, read_alert_rules
from scheduler.model.reading.faults import Faults
from streams.errors import OperatorError
from streams.policy_file.reading import FILE_BYTES_MAX, YamlText, read_yaml

logger = structlog.get_logger(__name__)

DEFAULT: Final = Path(__file__).with_name("default_rules.yaml")


class Read(NamedTuple):
    """A file's rules, and everything that is wrong with it."""

    rules: RuleBook
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
    faults = Faults()
    found = read_yaml(text, faults)
    rules = RuleBook() if faults else read_alert_rules(found.document, faults)
    return Read(rules, found, faults)


def told(path: Path, found: Read) -> list[str]:
    """A line for each fault, with its place."""
    lines = []
    for each in found.faults.all():
        place = found.text.place_of(each.field)
        at = f"{path}:{place.line}:{place.column}" if place else str(path)
        hint = f": {each.hint}" if each.hint else ""
        lines.append(f"{at} {each.field} {each.text}{hint}")
    return lines


def rules_of(path: Path | None) -> RuleBook:
    """The delivered rules, and those of a file; raises `OperatorError` with every fault of it."""
    delivered = read_file(DEFAULT).rules
    if path is None:
        return delivered
    found = read_file(path)
    if found.faults:
        raise OperatorError(
            f"{path} has no rules that can be used.",
            "\n".join(told(path, found)),
            "Mend it; `flumina alerts check FILE` checks it.",
        )
    return joined(found.rules, delivered)


class RuleFile:
    """Rules that follow their file while a process runs."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.is_own = path is not None
        """Whether there is a file that may change."""
        self._stamp: tuple[object, ...] = ()
        self.rules = read_file(DEFAULT).rules
        self.fault = ""
        """Why the file's rules are not in force; empty while they are."""
        self.refresh()

    def refresh(self) -> bool:
        """Whether there are other rules now, because the file is another and has no fault."""
        if self._path is None:
            return False
        try:
            status = self._path.stat()
            stamp: tuple[object, ...] = (status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            self.rules = rules_of(self._path)
        except (OSError, OperatorError) as error:
            if str(error) != self.fault:
                logger.warning("rules of alerts of before stay in force", why=str(error))
            self.fault = str(error)
            return False
        self.fault = ""
        logger.info("rules of alerts are in force", file=str(self._path))
        return True
