"""Where a trace stands: its id, the span that went before, and whether anybody wants to see it.

The one thing to know: the id of a span is derived from its trace and from the address of the record
that it is about. So two processes that fold the same log name the same span without telling each
other, and a record that is folded twice is one span.
"""

import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from hashlib import blake2b
from typing import Final, NamedTuple

TRACEPARENT: Final = "traceparent"
"""Of HTTP and of Kafka alike: W3C Trace Context, and its binding to Kafka's headers."""
_CHARACTERS: Final = 55
_SAMPLED: Final = 1
_HEX: Final = frozenset("0123456789abcdef")
_SHARE_BITS: Final = 63
"""Of the trace id, by which OpenTelemetry's ratio sampler draws as well."""


class TraceContext(NamedTuple):
    """A place in a trace."""

    trace_id: int
    """Of 128 bits, never 0."""
    span_id: int
    """Of 64 bits: the span that what follows is part of; 0 where a trace begins."""
    is_sampled: bool

    @property
    def traceparent(self) -> str:
        """The context as a header has it."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.is_sampled):02x}"

    def at(self, span_id: int) -> "TraceContext":
        """The same trace, behind this span."""
        return TraceContext(self.trace_id, span_id, self.is_sampled)


CURRENT: Final[ContextVar[TraceContext | None]] = ContextVar("flumina_trace", default=None)
"""The request that is being answered, where it is traced."""


def read_traceparent(text: str) -> TraceContext | None:
    """The context that a header names; None for whatever is none, which is never an error.

    Later versions may be longer, and begin with what version 00 has.
    """
    parts = text[: _CHARACTERS + 1].strip().split("-")
    if [len(each) for each in parts[:4]] != [2, 32, 16, 2] or not _HEX.issuperset("".join(parts)):
        return None
    version, trace_id, span_id, flags = parts[0], *(int(each, 16) for each in parts[1:4])
    is_whole = len(parts) == 4 if version == "00" else version != "ff"
    if not (is_whole and trace_id and span_id):
        return None
    return TraceContext(trace_id, span_id, bool(flags & _SAMPLED))


def traceparent_of(headers: Iterable[tuple[str, bytes]]) -> TraceContext | None:
    """The context in the headers of a record; None where there is none."""
    for name, value in headers:
        if name == TRACEPARENT and value is not None:
            return read_traceparent(value.decode("latin-1"))
    return None


def begun(share: float, of: str = "") -> TraceContext:
    """A trace that begins here, sampled with this probability.

    ``of``: the record that it is about; the same record begins the same trace wherever it is read.
    """
    trace_id = _number(16, "trace", of) if of else secrets.randbits(128) or 1
    is_sampled = trace_id & ((1 << _SHARE_BITS) - 1) < share * (1 << _SHARE_BITS)
    return TraceContext(trace_id, 0, is_sampled)


def span_id_of(trace_id: int, kind: str, address: object) -> int:
    """The id of the span of this kind that is about the record at the address."""
    return _number(8, f"{trace_id:032x}", kind, str(address))


def new_span_id() -> int:
    """An id for a span that is about no record."""
    return secrets.randbits(64) or 1


def _number(size_bytes: int, *texts: str) -> int:
    digest = blake2b("\0".join(texts).encode(), digest_size=size_bytes, person=b"flumina-trace")
    return int.from_bytes(digest.digest()) or 1
