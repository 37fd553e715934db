"""One file of a task as a stream of bytes whose offsets never change, however the task rotates it.

The one thing to know: the stream is a chain of sources, each a range of a real file. A file that
was renamed and begun anew, or cut, is followed by another source; bytes that a cut took away before
they were shipped are a source that is lost, so that they keep their place and are told. Below
``freed`` the host has nothing any more, and the store has all of it.
"""

import os
import threading
from collections.abc import Iterator
from typing import Literal

import msgspec

from connectors.tasklogs.layout import CUT_BY_TASK, OVER_QUOTA, FileTotals, Part
from connectors.tasklogs.limits import Limits
from connectors.tasklogs.source import Found, free, read_at, size_of

FINGERPRINT_BYTES = 64
SOURCES_MAX = 8
"""Of files that stay open behind the one being written, once they are shipped."""
SOURCES_WAITING_MAX = 64
"""Of files that a task may have rotated while the store does not answer."""

Identity = tuple[int, int]
NOBODY: Identity = (0, 0)


class Source(msgspec.Struct):
    """A range of the stream, and where its bytes are."""

    identity: Identity
    """`NOBODY` for bytes that are lost."""
    base: int
    """Its first byte in the stream."""
    file_begin: int = 0
    """The same byte in the file."""
    end: int | None = None
    """Behind its last byte in the stream; None while it is being written."""


class StreamState(msgspec.Struct):
    """What is kept on disk of a stream."""

    name: str
    began_at_ms: int
    sources: list[Source]
    incoming: list[Identity] = []
    """Files that had the name since, in order; each is gone on with when its turn comes."""
    shipped: int = 0
    """All before it is in the store, or told there as dropped."""
    freed: int = 0
    """All before it is in no file any more."""
    drop_to: int = 0
    """Where it is above the head's end: all from there to here is dropped."""
    is_drop_told: bool = True
    """Whether the store says so as well."""
    bytes_lost: int = 0
    """Of those that the task took away."""
    pending_since_ms: int | None = None
    plan: Part | None = None
    """What is being put into the store: written down first, so that it is not cut anew."""
    tail: bytes = b""
    """The bytes before ``shipped``: by them a file is known that was cut and has grown again."""


class Piece(msgspec.Struct, frozen=True):
    """What a host answers to somebody who reads."""

    kind: Literal["bytes", "dropped", "below"]
    """Bytes; a range that is kept nowhere; or: up to there the host has no more, ask the store."""
    offset: int
    next_offset: int
    size: int
    """The end of the stream as far as the host sees it."""
    data: bytes = b""
    why: str = ""


class Stream:
    """The bytes of one file, in order; only `Piece`s are asked for by other threads."""

    def __init__(self, state: StreamState, limits: Limits) -> None:
        self.state = state
        self.is_freeable = True
        self._limits = limits
        self._open: dict[Identity, int] = {}
        self._lock = threading.Lock()
        self._seen = max(state.shipped, state.sources[-1].base if state.sources else 0)
        self._size_before = -1
        self._incoming: list[Found] = []
        self.past: list[tuple[Identity, int]] = []
        """Files that we are through with, and how long they were."""

    # Files come and go

    def identities(self) -> set[Identity]:
        """The files that this stream reads."""
        own = {each.identity for each in self.state.sources} - {NOBODY}
        return own | set(self.state.incoming)

    def attach(self, found: Found) -> None:
        """Take the descriptor of one of our files."""
        with self._lock:
            if found.identity in self.state.incoming:
                self._incoming.append(found)
                self._incoming.sort(key=lambda each: self.state.incoming.index(each.identity))
            else:
                self._open[found.identity] = found.descriptor

    def is_attached(self, identity: Identity) -> bool:
        """Whether that file is open here."""
        return identity in self._open or any(each.identity == identity for each in self._incoming)

    def lose_missing(self) -> None:
        """After a restart: what was in files that are no more is lost, and keeps its place."""
        kept: list[Source] = []
        for source in self.state.sources:
            end = source.end
            is_gone = source.identity != NOBODY and source.identity not in self._open
            if end is None or not is_gone or end <= self.state.shipped:
                kept.append(source)
                continue
            begin = max(source.base, self.state.shipped)
            if source.base < begin:
                kept.append(Source(source.identity, source.base, source.file_begin, begin))
            kept.append(Source(NOBODY, begin, end=end))
            self.state.bytes_lost += end - begin
        self.state.sources = kept
        self.state.incoming = [each.identity for each in self._incoming]
        self._seen = max([self._seen, *(each.end or each.base for each in kept)])

    def follow(self, found: Found) -> None:
        """The name means this file now; what was written before is finished first."""
        with self._lock:
            if len(self.state.sources) + len(self._incoming) >= SOURCES_WAITING_MAX:
                os.close(found.descriptor)
                return
            self._incoming.append(found)
            self.state.incoming.append(found.identity)

    def close(self) -> None:
        """Give back every file."""
        with self._lock:
            for each in self._open.values():
                os.close(each)
            self._open.clear()
            for found in self._incoming:
                os.close(found.descriptor)
            self._incoming.clear()

    def look(self, now_ms: int, *, is_ended: bool) -> bool:
        """See what has been written since the last look; whether there is more to see at once."""
        with self._lock:
            current = self.state.sources[-1]
            descriptor = self._open.get(current.identity)
            if descriptor is None:
                self._lose_unopened(current)
                return self._advance()
            size = size_of(descriptor)
            self._find_cut(current, descriptor, size)
            current = self.state.sources[-1]
            self._seen = max(self._seen, current.base + size - current.file_begin)
            if self._seen > self.state.shipped and self.state.pending_since_ms is None:
                self.state.pending_since_ms = now_ms
            is_settled = is_ended or size == self._size_before
            self._size_before = size
            if not self._incoming or not is_settled:
                return False
            current.end = current.base + size - current.file_begin
            return self._advance()

    def _advance(self) -> bool:
        """Go on with the file that has the name now."""
        if not self._incoming:
            return False
        found = self._incoming.pop(0)
        self.state.incoming.remove(found.identity)
        self._open[found.identity] = found.descriptor
        base = self.state.sources[-1].end
        assert base is not None
        self.state.sources.append(Source(found.identity, base))
        self._size_before = -1
        return True

    def _lose_unopened(self, current: Source) -> None:
        """The task has removed the file, and this process never had it open: it is over."""
        if current.end is None:
            current.end = max(self.state.shipped, current.base)
            self._seen = current.end

    def _find_cut(self, current: Source, descriptor: int, size: int) -> None:
        """Begin another source where the task has cut the file that it writes."""
        state = self.state
        if not self._is_same(current, descriptor, size):
            kept_end, file_begin = max(state.shipped, current.base), 0
        elif current.base + size - current.file_begin < self._seen:
            kept_end, file_begin = current.base + size - current.file_begin, size
        else:
            return
        lost_end = max(self._seen, kept_end)
        current.end = kept_end
        if lost_end > kept_end:
            state.sources.append(Source(NOBODY, kept_end, end=lost_end))
            state.bytes_lost += lost_end - kept_end
        state.sources.append(Source(current.identity, lost_end, file_begin))
        self._size_before = -1

    def _is_same(self, current: Source, descriptor: int, size: int) -> bool:
        """Whether the file still holds what was shipped of it last."""
        state = self.state
        if state.shipped < current.base:
            return size >= current.file_begin
        place = state.shipped - current.base + current.file_begin
        if size < place:
            return False
        count = min(len(state.tail), place - current.file_begin)
        if count == 0:
            return True
        return read_at(descriptor, place - count, count) == state.tail[-count:]

    # What is shipped

    @property
    def seen(self) -> int:
        """The end of the stream as it was last seen."""
        return self._seen

    def totals(self) -> FileTotals:
        """What became of the stream."""
        over_quota = max(0, self.state.drop_to - self._limits.head_bytes)
        return FileTotals(self._seen, over_quota + self.state.bytes_lost)

    def is_due(self, now_ms: int, *, is_ended: bool) -> bool:
        """Whether something has to be shipped now."""
        pending = self._seen - self.state.shipped
        if pending <= 0:
            return False
        if is_ended or pending >= self._limits.part_bytes_max or self.state.plan is not None:
            return True
        since = self.state.pending_since_ms
        age_ms = now_ms - self.state.began_at_ms
        return since is not None and now_ms - since >= self._limits.patience_ms(age_ms)

    def over_quota(self) -> bool:
        """Whether the middle must be dropped; from now on it is, and the store is to be told."""
        state = self.state
        drop_to = self._limits.drop_to(self._seen, state.drop_to)
        if drop_to <= state.drop_to:
            return False
        with self._lock:
            state.drop_to = drop_to
            state.is_drop_told = False
            if state.shipped >= self._limits.head_bytes and state.shipped < drop_to:
                self._pass(drop_to, b"")
        return True

    def round_drop(self, drop_to: int) -> None:
        """Drop less, up to where a part begins; only for what was shipped already."""
        with self._lock:
            self.state.drop_to = drop_to

    def next_part(self, now_ms: int) -> tuple[Part, bytes] | None:
        """The next range to ship and its bytes (none where they are lost); None if there is none.

        The range is written into the state; the caller keeps it before the store hears of it.
        """
        with self._lock:
            state, limits = self.state, self._limits
            source = self._source_of(state.shipped)
            if source is None:
                return None
            end = self._end_of(source)
            at_ms = state.pending_since_ms or now_ms
            if source.identity == NOBODY:
                part = Part(state.shipped, end, at_ms, "dropped")
                state.plan = part
                return part, b""
            end = min(end, state.shipped + limits.part_bytes_max)
            if state.shipped < limits.head_bytes:
                end = min(end, limits.head_bytes)
            if state.plan is not None and state.plan.kind == "gz":
                # As it was cut before: the store may have it.
                end, at_ms = min(end, state.plan.end), state.plan.at_ms
            data = self._bytes(source, state.shipped, end - state.shipped)
            if not data:
                return None
            state.plan = Part(state.shipped, state.shipped + len(data), at_ms)
            return state.plan, data

    def shipped(self, part: Part, data: bytes, now_ms: int) -> None:
        """Note that the store has this part."""
        with self._lock:
            tail = b"" if part.kind == "dropped" else (self.state.tail + data)[-FINGERPRINT_BYTES:]
            self._pass(part.end, tail)
            state = self.state
            if state.drop_to > self._limits.head_bytes == state.shipped:
                self._pass(state.drop_to, b"")
            state.pending_since_ms = now_ms if self._seen > state.shipped else None

    def _pass(self, shipped: int, tail: bytes) -> None:
        self.state.plan = None
        self.state.shipped = shipped
        self.state.tail = tail

    # What the host gives back

    def let_go(self) -> Iterator[None]:
        """Free what the host need not have; yields when the state must be kept before it is done.

        A byte is taken as freed first, and freed then: nobody reads zeros for bytes.
        """
        state, limits = self.state, self._limits
        begin, end = state.freed, 0
        if self.is_freeable:
            end = state.shipped - limits.host_bytes_max
        is_crowded = len(state.sources) > SOURCES_MAX
        if is_crowded:
            end = max(end, min(state.shipped, state.sources[-SOURCES_MAX].base))
        # In lumps: it costs a system call and a write of the state.
        if end - begin >= limits.part_bytes_max or (is_crowded and end > begin):
            with self._lock:
                state.freed = end
            yield
            self._punch(begin, end)
        while len(state.sources) > 1 and (state.sources[0].end or 0) <= state.freed:
            with self._lock:
                source = state.sources.pop(0)
                gone = source.identity
                if gone != NOBODY and gone not in self.identities():
                    self.past.append((gone, self._end_of(source) - source.base + source.file_begin))
                    if gone in self._open:
                        os.close(self._open.pop(gone))

    def punch_dropped(self) -> None:
        """Give back the blocks of the middle that is dropped."""
        head_end = self._limits.head_bytes
        # Where it was shipped already, the host has given it back long ago.
        if (
            self.is_freeable
            and self.state.drop_to > head_end
            and (self.state.shipped <= self.state.drop_to)
        ):
            self._punch(max(head_end, self.state.freed), self.state.drop_to)

    def _punch(self, begin: int, end: int) -> None:
        for source in self.state.sources:
            descriptor = self._open.get(source.identity)
            first, last = max(begin, source.base), min(end, self._end_of(source))
            if descriptor is None or first >= last or not self.is_freeable:
                continue
            shift = source.file_begin - source.base
            self.is_freeable = free(descriptor, first + shift, last + shift)

    # What others read

    def read(self, offset: int | None, count: int) -> Piece:
        """Up to ``count`` bytes from there on, or the last ones where it is None."""
        with self._lock:
            state, head_end = self.state, self._limits.head_bytes
            current = state.sources[-1]
            descriptor = self._open.get(current.identity)
            if descriptor is not None:
                size = size_of(descriptor)
                if not self._is_same(current, descriptor, size):
                    # Cut since the last look: what is lost is not known before the next one.
                    offset = self._seen if offset is None else offset
                    return Piece("bytes", offset, offset, self._seen)
                self._seen = max(self._seen, current.base + size - current.file_begin)
            if offset is None:
                offset = max(0, self._seen - count)
            if head_end <= offset < state.drop_to:
                return Piece("dropped", offset, state.drop_to, self._seen, why=OVER_QUOTA)
            if offset < state.freed:
                return Piece("below", offset, state.freed, self._seen)
            source = self._source_of(offset)
            if source is None:
                return Piece("bytes", offset, offset, self._seen)
            end = self._end_of(source)
            if source.identity == NOBODY:
                return Piece("dropped", offset, end, self._seen, why=CUT_BY_TASK)
            if offset < head_end < state.drop_to:
                end = min(end, head_end)
            data = self._bytes(source, offset, min(count, end - offset))
            return Piece("bytes", offset, offset + len(data), self._seen, data)

    def _source_of(self, offset: int) -> Source | None:
        for source in self.state.sources:
            if source.base <= offset < self._end_of(source):
                return source
        return None

    def _end_of(self, source: Source) -> int:
        return self._seen if source.end is None else source.end

    def _bytes(self, source: Source, offset: int, count: int) -> bytes:
        descriptor = self._open.get(source.identity)
        if descriptor is None:
            return b""
        return read_at(descriptor, offset - source.base + source.file_begin, count)
