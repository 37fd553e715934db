"""What we have registered where, in a file that survives us.

The one thing to know: it is written *before* a registration is asked for, so whatever stands
outside because of us is in here. What is not in here is somebody else's and is never touched.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from connectors.ports import Endpoint
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.errors import OperatorError
from streams.registrar.endpoints import Place

FORMAT: Final = 1


class Held(msgspec.Struct):
    """One registration of ours."""

    place: str
    key: str
    endpoint: Endpoint
    is_sure: bool = False
    """Whether it was answered; else it is asked for again."""
    touched_ms: int = 0


class _Kept(msgspec.Struct, frozen=True):
    format: int
    cell_uuid: str
    generation: str
    offset: int
    held: list[Held]


class Memory:
    """Registrations by place and key, and how far in the log they are known."""

    def __init__(self, path: Path) -> None:
        """Raises `OperatorError` where the file is there and cannot be read."""
        self._path = path
        self.last = Place()
        self.held: dict[tuple[str, str], Held] = {}
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return
        except (OSError, *BAD_BYTES) as error:
            raise _unreadable(path, str(error)) from error
        if kept.format != FORMAT:
            raise _unreadable(path, f"it has format {kept.format}, and this build reads {FORMAT}")
        self.last = Place(kept.cell_uuid, kept.generation, kept.offset)
        self.held = {(each.place, each.key): each for each in kept.held}

    def save(self) -> None:
        """Return once it is on disk; raises `OSError`."""
        kept = _Kept(FORMAT, *self.last, list(self.held.values()))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        half = self._path.with_suffix(".half")
        with half.open("wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        half.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _unreadable(path: Path, why: str) -> OperatorError:
    return OperatorError(
        f"What was registered cannot be read from {path}: {why}.",
        "The file was damaged, or another release wrote it.",
        "Put it back from a copy; without it what is registered now counts as somebody else's and "
        "has to be deregistered by hand.",
    )
