"""Rules of operators from a YAML file: read, checked, and read anew when the file changes.

The one thing to know: a file with a fault changes nothing. The rules of before stay in force, and
the fault is told once for each change of the file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import structlog

from scheduler.model.reading.faults import Faults
from streams.errors import OperatorError
from streams.policy_file.reading import FILE_BYTES_MAX, YamlText, read_yaml

logger = structlog.get_logger(__name__)

Rules = TypeVar("Rules")


class Kind(NamedTuple, Generic[Rules]):
    """What a file of such rules is."""

    read: Callable[[object, Faults], Rules]
    empty: Rules
    default: Path
    """The delivered file, named as an example."""
    check: str
    """The command that checks a file."""


class Read(NamedTuple, Generic[Rules]):
    """A file's rules, and everything that is wrong with it."""

    rules: Rules
    text: YamlText
    faults: Faults


def read_file(path: Path, kind: Kind[Rules]) -> Read[Rules]:
    """The rules of a file; raises `OperatorError` where there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"{path} cannot be read: {error}.",
            "The name is misspelt, or it is no text.",
            f"Name a file of rules; {kind.default} is one.",
        ) from error
    if not text.strip() or len(data) > FILE_BYTES_MAX:
        fault = f"longer than {FILE_BYTES_MAX} bytes" if text.strip() else "empty"
        raise OperatorError(
            f"{path} is {fault}.",
            "It is no file of rules, or nothing was saved.",
            f"Name a file of rules; {kind.default} is one to begin with.",
        )
    faults = Faults()
    found = read_yaml(text, faults)
    rules = kind.empty if faults else kind.read(found.document, faults)
    return Read(rules, found, faults)


def told(path: Path, found: Read[Rules]) -> list[str]:
    """A line for each fault, with its place."""
    lines = []
    for each in found.faults.all():
        place = found.text.place_of(each.field)
        at = f"{path}:{place.line}:{place.column}" if place else str(path)
        words = " ".join(word for word in (str(at), each.field, each.text) if word)
        lines.append(f"{words}{f': {each.hint}' if each.hint else ''}")
    return lines


def usable_rules(path: Path, kind: Kind[Rules]) -> Rules:
    """The rules of a file; raises `OperatorError` with every fault of it."""
    found = read_file(path, kind)
    if found.faults:
        raise OperatorError(
            f"{path} has no rules that can be used.",
            "\n".join(told(path, found)),
            f"Mend it; `{kind.check}` checks it.",
        )
    return found.rules


class RuleFile(Generic[Rules]):
    """Rules that follow their file while a process runs; without a name the delivered ones.

    A file that `may_lack` may come and go; any other that is not there is a fault.
    """

    def __init__(
        self,
        own: Path | None,
        rules_of: Callable[[Path | None], Rules],
        *,
        may_lack: bool = False,
    ) -> None:
        self._own = own
        self._rules_of = rules_of
        self._may_lack = may_lack
        self._stamp: tuple[object, ...] = ()
        # A file with faults, and nothing of before: the delivered rules are better than none.
        self.rules = rules_of(None)
        self.fault = ""
        """Why the file's rules are not in force; empty while they are."""
        self.refresh()

    def refresh(self) -> bool:
        """Whether there are other rules now, because the file is another and has no fault."""
        if self._own is None:
            return False
        lacks = self._may_lack and not self._own.exists()
        path = None if lacks else self._own
        try:
            stamp = () if path is None else _stamp(path)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            self.rules = self._rules_of(path)
        except (OSError, OperatorError) as error:
            if str(error) != self.fault:
                logger.warning("rules of before stay in force", file=str(path), why=str(error))
            self.fault = str(error)
            return False
        self.fault = ""
        logger.info("rules are in force", file=str(path or "delivered"))
        return True


def _stamp(path: Path) -> tuple[object, ...]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
