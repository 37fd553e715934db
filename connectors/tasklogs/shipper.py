"""One task's output on its way from the host to the store: found, shipped, freed, completed.

The one thing to know: what the next step rests on is on disk before the step. A part is written
down before it is put, so after a crash the same part is put again or found; the host's bytes are
freed after the store has them; and when the store does not answer nothing is given up but what is
over the file's limit.
"""

import contextlib
import gzip
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from connectors.ports import ObjectExists, ObjectStore
from connectors.tasklogs.layout import (
    COMPLETE,
    CUT_BY_TASK,
    OVER_QUOTA,
    Completed,
    Part,
    dropped_text,
    encoded,
    part_of,
    run_prefix,
)
from connectors.tasklogs.limits import Limits
from connectors.tasklogs.source import Entry, Folder
from connectors.tasklogs.stream import Identity, Piece, Source, Stream, StreamState

COMPRESSION: Final = 1
"""The fastest; log lines shrink to a fifth all the same."""


class TaskFacts(msgspec.Struct, frozen=True):
    """Which task it is, and where it writes."""

    cell: str
    job_id: str
    task_id: str
    framework_id: str
    run: str
    """The id of its container."""
    host: str
    sandbox: str

    @property
    def prefix(self) -> str:
        """What the keys of this run begin with."""
        return run_prefix(self.cell, self.job_id, self.task_id, self.run)


class Kept(msgspec.Struct):
    """What is kept on disk of a task's shipping."""

    facts: TaskFacts
    streams: list[StreamState] = []
    past: list[tuple[Identity, int]] = []
    """Files that were shipped and are called otherwise now, with how long they were."""
    is_complete: bool = False


class TaskShipper:
    """Ships one run of one task; `step` by one thread, `read` by any."""

    def __init__(
        self,
        kept: Kept,
        keep: Callable[[bytes], None],
        limits: Limits,
    ) -> None:
        self.facts = kept.facts
        self._kept = kept
        self._keep = keep
        self._limits = limits
        self._lock = threading.Lock()
        self._looking = threading.RLock()
        self._saving = threading.Lock()
        self._streams = {each.name: Stream(each, limits) for each in kept.streams}
        self._past: dict[Identity, int] = dict(kept.past)
        self._folder: Folder | None = None
        # What was under way when the last process ended, or when the store failed.
        self._uncertain = {each.name for each in kept.streams if each.plan is not None}
        self._is_restored = bool(kept.streams)

    @property
    def is_complete(self) -> bool:
        """Whether the store has all that it ever will."""
        return self._kept.is_complete

    def names(self) -> list[str]:
        """The files that were found so far."""
        with self._lock:
            return sorted(self._streams)

    def read(self, name: str, offset: int | None, count: int) -> Piece | None:
        """A piece of a file as the host has it; None where no such file was found."""
        with self._lock:
            stream = self._streams.get(name)
        return None if stream is None else stream.read(offset, count)

    def close(self) -> None:
        """Give back every file."""
        with self._lock:
            for each in self._streams.values():
                each.close()
            if self._folder is not None:
                self._folder.close()
                self._folder = None

    # Looking

    def look(self, now_ms: int, *, is_ended: bool) -> None:
        """See what the task has written; needs no store, and any thread may."""
        with self._looking:
            before = self._shape()
            while True:
                self._find(now_ms)
                has_more = [s.look(now_ms, is_ended=is_ended) for s in self._streams.values()]
                if not (is_ended and any(has_more)):
                    break
            if self._shape() != before:
                # Which file is which is known as long as somebody has seen them change.
                self._save()
            for stream in self._streams.values():
                if stream.over_quota():
                    self._save()
                    stream.punch_dropped()

    def _shape(self) -> list[tuple[int, int]]:
        """Something that is another one when files came, went, were cut or renamed."""
        states = (each.state for each in self._streams.values())
        return [(len(each.sources), len(each.incoming)) for each in states]

    def _find(self, now_ms: int) -> None:
        if self._folder is None:
            try:
                self._folder = Folder(Path(self.facts.sandbox))
            except OSError:
                return  # It was cleaned away: what is shipped by now is all there is.
        owners = {id_: s for s in self._streams.values() for id_ in s.identities()}
        known = {*owners, *self._past}
        found = list(self._folder.files(known))
        if self._is_restored:
            self._reattach(found, owners)
        sizes = {each.identity: each.size for each in found}
        # One that is shorter than it was is another file that got the same number.
        past = self._past.items()
        self._past = {each: size for each, size in past if sizes.get(each, -1) >= size}
        for each in found:
            if each.identity not in owners and each.identity not in self._past:
                self._take(each.name, each.identity, now_ms)

    def _reattach(self, found: list[Entry], owners: dict[Identity, Stream]) -> None:
        """After a restart: open what we read before, by whatever name it has now."""
        self._is_restored = False
        assert self._folder is not None
        for each in found:
            stream = owners.get(each.identity)
            if stream is None or stream.is_attached(each.identity):
                continue
            if (opened := self._folder.open(each.name, each.identity)) is not None:
                stream.attach(opened)
        for stream in self._streams.values():
            stream.lose_missing()

    def _take(self, name: str, identity: Identity, now_ms: int) -> None:
        assert self._folder is not None
        stream = self._streams.get(name)
        if stream is None and len(self._streams) >= self._limits.files_max:
            self._folder.refused.add(name)
            return
        opened = self._folder.open(name, identity)
        if opened is None:
            return
        if stream is not None:
            stream.follow(opened)
            return
        state = StreamState(name, now_ms, [Source(identity, 0)])
        stream = Stream(state, self._limits)
        stream.attach(opened)
        with self._lock:
            self._streams[name] = stream

    # Shipping

    def ship(self, store: ObjectStore, now_ms: int, *, is_ended: bool) -> None:
        """Put what is due into the store. Raises `StoreFailed`; calling again goes on."""
        for stream in list(self._streams.values()):
            self._settle(stream, store, now_ms)
            self._tell_dropped(stream, store, now_ms)
            while stream.is_due(now_ms, is_ended=is_ended):
                if not self._ship_one(stream, store, now_ms):
                    break
            self._let_go(stream)
        if is_ended and not self.is_complete:
            self._complete(store, now_ms)

    def _prefix(self, stream: Stream) -> str:
        return f"{self.facts.prefix}{encoded(stream.state.name)}/"

    def _settle(self, stream: Stream, store: ObjectStore, now_ms: int) -> None:
        """Learn whether the store took the part of which we did not hear."""
        name, plan = stream.state.name, stream.state.plan
        if name not in self._uncertain:
            return
        if plan is not None:
            key = self._prefix(stream) + plan.word
            if any(each.key == key for each in store.facts(key)):
                again = stream.next_part(now_ms)
                data = again[1] if again is not None and again[0] == plan else b""
                stream.shipped(plan, data, now_ms)
            else:
                stream.state.plan = None
            self._save()
        self._uncertain.discard(name)

    def _ship_one(self, stream: Stream, store: ObjectStore, now_ms: int) -> bool:
        """Whether a part was shipped."""
        following = stream.next_part(now_ms)
        if following is None:
            return False
        part, data = following
        self._save()
        if part.kind == "dropped":
            content = dropped_text(part.begin, part.end, CUT_BY_TASK)
        else:
            content = gzip.compress(data, COMPRESSION, mtime=0)
        self._uncertain.add(stream.state.name)
        with contextlib.suppress(ObjectExists):  # Put before, unheard: it is the same.
            store.put_new(self._prefix(stream) + part.word, content)
        self._uncertain.discard(stream.state.name)
        stream.shipped(part, data, now_ms)
        self._save()
        return True

    def _tell_dropped(self, stream: Stream, store: ObjectStore, now_ms: int) -> None:
        """Say in the store that the middle is dropped, and remove what was shipped of it."""
        state, head_end = stream.state, self._limits.head_bytes
        if state.is_drop_told:
            return
        prefix = self._prefix(stream)
        listed = [
            (each.key, part_of(each.key.removeprefix(prefix))) for each in store.facts(prefix)
        ]
        parts = [(key, part) for key, part in listed if part is not None]
        straddling = [
            part
            for _, part in parts
            if part.kind == "gz" and part.begin < state.drop_to < part.end <= state.shipped
        ]
        if straddling and straddling[0].begin >= head_end:
            stream.round_drop(straddling[0].begin)
        if state.drop_to > head_end:
            told = Part(head_end, state.drop_to, now_ms, "dropped")
            is_told = any(p.kind == "dropped" and p.end == told.end for _, p in parts)
            if not is_told:
                text = dropped_text(told.begin, told.end, OVER_QUOTA)
                with contextlib.suppress(ObjectExists):
                    store.put_new(prefix + told.word, text)
            for key, part in parts:
                if part.begin >= head_end and part.end <= told.end and part != told:
                    if part.kind == "dropped" and part.end == told.end:
                        continue  # Told before we were ended.
                    store.delete(key)
        state.is_drop_told = True
        self._save()

    def _let_go(self, stream: Stream) -> None:
        with self._looking:
            for _ in stream.let_go():
                self._save()
            self._past.update(stream.past)
            stream.past.clear()

    def _complete(self, store: ObjectStore, now_ms: int) -> None:
        refused = 0 if self._folder is None else len(self._folder.refused)
        facts = self.facts
        done = Completed(
            task_id=facts.task_id,
            host=facts.host,
            ended_at_ms=now_ms,
            files={name: each.totals() for name, each in self._streams.items()},
            files_refused=refused,
        )
        with contextlib.suppress(ObjectExists):
            store.put_new(facts.prefix + COMPLETE, msgspec.json.encode(done))
        self._kept.is_complete = True
        self._save()

    def _save(self) -> None:
        with self._saving:
            self._kept.streams = [each.state for each in self._streams.values()]
            self._kept.past = list(self._past.items())
            self._keep(msgspec.json.encode(self._kept))
