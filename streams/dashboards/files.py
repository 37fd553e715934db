"""Dashboards from their YAML files: those delivered here, and those of an operator's folder.

The one thing to know: a file's name is its dashboard's, an own one goes before a delivered one of
the same name, and a file with a fault is told with its line and hides none of the others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from projections.dashboards.model import Dashboard
from projections.dashboards.reading import read_dashboard
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import Faults
from streams.errors import OperatorError
from streams.policy_file.reading import FILE_BYTES_MAX, Place, read_yaml

DELIVERED: Final = Path(__file__).parent
ENDING: Final = ".yaml"
FILES_MAX: Final = 1_000
PLACE: Final = "dashboards"
"""The folder of own ones in the data directory, unless a setting names another."""


class FaultInFile(NamedTuple):
    """What is wrong with a file, and where in it."""

    path: Path
    place: Place | None
    fault: Fault

    def __str__(self) -> str:
        """A line for people: place, field, what, and what to do."""
        at = f"{self.path}:{self.place.line}:{self.place.column}" if self.place else str(self.path)
        words = [each for each in (self.fault.field, self.fault.text) if each]
        return f"{at} {' '.join(words)}{f': {self.fault.hint}' if self.fault.hint else ''}"


class Found(NamedTuple):
    """A dashboard and the file it is from, or what is wrong with that file."""

    path: Path
    is_own: bool
    dashboard: Dashboard | None
    faults: tuple[FaultInFile, ...] = ()


def read_file(path: Path, *, is_own: bool = True) -> Found:
    """What a file says; raises `OSError` where it cannot be read."""
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    faults = Faults()
    try:
        text = read_yaml(data.decode(), faults, "docs/dashboards.md has one to begin with")
    except UnicodeDecodeError:
        fault = Fault("", "is no UTF-8", "save it as UTF-8 text")
        return Found(path, is_own, None, (FaultInFile(path, None, fault),))
    dashboard = None if faults else read_dashboard(text.document, faults)
    if dashboard is not None and not faults and dashboard.name != path.stem:
        hint = f"call the file {dashboard.name}{ENDING}, or the dashboard {path.stem}"
        faults.add("name", f"is {dashboard.name}, and the file's is {path.stem}", hint)
    told = tuple(FaultInFile(path, text.place_of(each.field), each) for each in faults.all())
    return Found(path, is_own, None if told else dashboard, told)


def checked_file(path: Path) -> Dashboard:
    """The dashboard of a file; raises `OperatorError` with every fault of it."""
    try:
        found = read_file(path)
    except OSError as error:
        raise OperatorError(
            f"{path} cannot be read: {error.strerror or error}.",
            "The name is misspelt, or it is no file.",
            f"Name a dashboard's file; {DELIVERED / 'cell.yaml'} is one.",
        ) from error
    if found.dashboard is None:
        raise OperatorError(
            f"{path} describes no dashboard that can be shown.",
            "\n".join(map(str, found.faults)) + ".",
            "Mend these places; docs/dashboards.md has every field.",
        )
    return found.dashboard


class Dashboards:
    """All dashboards there are; files are read anew when they changed."""

    def __init__(self, own: Path) -> None:
        self._own = own
        self._read: dict[Path, tuple[tuple[int, int, int], Found]] = {}

    def all(self) -> list[Found]:
        """One a name, by name: own ones first, then what is wrong with which file."""
        found: dict[str, Found] = {}
        faulty: list[Found] = []
        for each in self._files():
            if each.dashboard is None:
                faulty.append(each)
            else:
                found.setdefault(each.dashboard.name, each)
        return [*(found[name] for name in sorted(found)), *faulty]

    def find(self, name: str) -> Found | None:
        """The dashboard of that name, or what is wrong with the file that should have it."""
        found = [each for each in self.all() if each.path.stem == name]
        return found[0] if found else None

    def _files(self) -> Iterator[Found]:
        for folder, is_own in ((self._own, True), (DELIVERED, False)):
            try:
                paths = sorted(folder.glob(f"*{ENDING}"))
            except OSError as error:
                yield _unreadable(folder, is_own, error)
                continue
            for path in paths[:FILES_MAX]:
                try:
                    yield self._file(path, is_own)
                except OSError as error:
                    yield _unreadable(path, is_own, error)

    def _file(self, path: Path, is_own: bool) -> Found:
        status = path.stat()
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = stamp, read_file(path, is_own=is_own)
            self._read[path] = known
        return known[1]


def _unreadable(path: Path, is_own: bool, error: OSError) -> Found:
    what = Fault("", f"cannot be read: {error.strerror or error}", "mend its permissions")
    return Found(path, is_own, None, (FaultInFile(path, None, what),))
