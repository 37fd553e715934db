"""The tail agent of a host: lines of its log files to topic ``host-logs``, in batches.

The one thing to know: a file is its own buffer. Lines count as shipped once all replicas have them
and the mark is on disk; until then they are read again, so a line may come twice and is not lost
unless its file is deleted, or is 256 MiB ahead, which is told as a line.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.clock import now_ms
from streams.health.following import FollowedFile, Mark, Taken
from streams.health.line_times import line_time_ms
from streams.health.records import LINES_MAX, HostLines, encode_lines

logger = structlog.get_logger(__name__)

ROUND_S: Final = 0.5
"""How long lines wait at most before they are shipped."""
LOOK_ROUNDS: Final = 10
"""Every so many rounds new files are looked for."""
FILES_MAX: Final = 256
PACKED: Final = frozenset({".gz", ".xz", ".bz2", ".zst"})
"""What a rotation has packed was read before."""
LINES_A_ROUND: Final = 10_000
"""Of one file; so no file takes more than 20,000 lines a second for itself."""
RECORD_BYTES_MAX: Final = 512 * 1024
"""Half of what a topic takes in one record, as escapes may make JSON longer."""


class Source(NamedTuple):
    """Files of one host: a pattern for paths, and who the host is, once that is known."""

    pattern: str
    host_id: Callable[[], str | None]


class Marks(msgspec.Struct):
    """Where each file was read to, by its path."""

    files: dict[str, Mark] = {}
    finished: list[Mark] = []
    """Renamed files that were read to their ends, while a pattern names them."""


class Tail:
    """Follows files and ships what is new in them; `round` does what there is to do now."""

    def __init__(
        self, sources: Sequence[Source], marks_file: Path, *, is_from_start: bool = False
    ) -> None:
        self._sources = sources
        self._marks_file = marks_file
        marks = _read_marks(marks_file)
        self._marks = Marks() if marks is None else marks
        # What was there before the agent ever ran is history; what comes later is new.
        self._is_from_start = is_from_start or marks is not None
        self._files: dict[str, tuple[FollowedFile, Source]] = {}
        self._rounds = 0

    async def run(self, producer: AIOKafkaProducer, topic: str, stop: asyncio.Event) -> None:
        """Ship until it is stopped; faults of Kafka are waited for."""
        while not stop.is_set():
            try:
                is_more = await self.round(producer, topic)
            except (KafkaError, OSError, TimeoutError) as error:
                logger.warning("lines cannot be shipped; trying again", why=repr(error))
                self._go_back()
                is_more = False
            if is_more:
                await asyncio.sleep(0)
                continue
            try:
                await asyncio.wait_for(stop.wait(), ROUND_S)
            except TimeoutError:
                continue
        self.close()

    async def round(self, producer: AIOKafkaProducer, topic: str) -> bool:
        """Ship what is new, and write down how far; whether any file had more than that."""
        if self._rounds % LOOK_ROUNDS == 0:
            self._look()
        self._rounds += 1
        before = dict(self._marks.files)
        is_more = False
        for key, (file, source) in self._files.items():
            host_id = source.host_id()
            if host_id is None:
                continue
            lines = 0
            while lines < LINES_A_ROUND:
                taken = file.take(LINES_MAX - 1)  # One may be our own.
                if not taken.lines:
                    break
                await _ship(producer, topic, host_id, key, taken)
                lines += len(taken.lines)
            is_more = is_more or lines >= LINES_A_ROUND
            if file.mark is not None:
                self._marks.files[key] = file.mark
            if file.finished is not None:
                self._marks.finished.append(file.finished)
                file.finished = None
        if self._marks.files != before:
            await asyncio.to_thread(_write_marks, self._marks_file, self._marks)
        return is_more

    def close(self) -> None:
        """Give back every file."""
        for file, _ in self._files.values():
            file.close()
        self._files.clear()

    def _go_back(self) -> None:
        """Read again what was not acknowledged."""
        self.close()
        self._rounds = 0

    def _look(self) -> None:
        """Follow files that are there now, and no more those that are gone and were read."""
        found: dict[str, Source] = {}
        for source in self._sources:
            for path in _matching(source.pattern):
                found.setdefault(str(path), source)
        for key, (file, _) in list(self._files.items()):
            if key not in found and file.is_quiet:
                file.close()
                del self._files[key]
        marks = self._marks.files
        self._marks.files = {k: v for k, v in marks.items() if k in found or k in self._files}
        # No longer than the file is there: another one may get its inode.
        there = {_inode(key) for key in found}
        self._marks.finished = [
            each for each in self._marks.finished if (each.device, each.inode) in there
        ]
        for key, source in sorted(found.items()):
            if key in self._files or self._is_renamed(key):
                continue
            if len(self._files) >= FILES_MAX:
                logger.warning("too many files; not all are followed", files=len(found))
                break
            mark = self._marks.files.get(key)
            file = FollowedFile(Path(key), mark, is_from_start=self._is_from_start)
            self._files[key] = (file, source)
        self._is_from_start = True

    def _is_renamed(self, key: str) -> bool:
        """Whether the file is one that is followed by the name that it had before."""
        inode = _inode(key)
        others = [mark for other, mark in self._marks.files.items() if other != key]
        return any((mark.device, mark.inode) == inode for mark in (*others, *self._marks.finished))


def _inode(path: str) -> tuple[int, int] | None:
    """What the file is, whatever its name; None where there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


async def _ship(
    producer: AIOKafkaProducer, topic: str, host_id: str, file: str, taken: Taken
) -> None:
    """Have all replicas hold these lines."""
    at_ms = now_ms()
    lines = taken.lines
    if taken.skipped_bytes:
        told = f"flumina: {taken.skipped_bytes} bytes of {file} were left out, being too far behind"
        lines = [told, *lines]
    for part in _parts(lines):
        times = [line_time_ms(each, at_ms) for each in part]
        usual = times if any(each != times[0] for each in times) else times[:1]
        value = encode_lines(HostLines(host_id, part, usual, file))
        await producer.send_and_wait(topic, value, key=host_id.encode(), timestamp_ms=at_ms)


def _parts(lines: list[str]) -> Iterable[list[str]]:
    """The lines in parts that fit into a record each."""
    part: list[str] = []
    size = 0
    for line in lines:
        if part and size + 2 * len(line) > RECORD_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(line)
        # An escape makes six bytes of one character; half a topic's limit leaves room for most.
        size += 2 * len(line) + 32
    yield part


def _matching(pattern: str) -> list[Path]:
    """The files that a pattern names now."""
    path = Path(pattern)
    anchor = Path(path.anchor or ".")
    relative = pattern.removeprefix(path.anchor)
    return [each for each in anchor.glob(relative) if each.suffix not in PACKED and each.is_file()]


def _read_marks(path: Path) -> Marks | None:
    """What was written down; None at the very first start, and where it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Marks)
    except FileNotFoundError:
        return None
    except (OSError, *BAD_BYTES) as error:
        logger.warning("marks cannot be read; files are followed from their ends", why=str(error))
        return None


def _write_marks(path: Path, marks: Marks) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(msgspec.json.encode(marks))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
