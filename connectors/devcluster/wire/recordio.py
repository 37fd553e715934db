"""RecordIO framing: decimal byte length, newline, that many bytes, nothing after.

The one thing to know: chunks of a connection are not records. A reader must accept any cut.
"""

# A record is never larger than this; it bounds what a broken peer can make us hold.
RECORD_BYTES_MAX = 64 * 1024 * 1024
_LENGTH_DIGITS_MAX = 10


class FramingError(ValueError):
    """The bytes are not RecordIO; the connection cannot be trusted any more."""


def encode(record: bytes) -> bytes:
    """The record in its frame."""
    return b"%d\n%b" % (len(record), record)


class Decoder:
    """Gives whole records out of a stream of bytes that is cut anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The records that are complete now, in order."""
        self._buffer += data
        records = []
        while (record := self._next()) is not None:
            records.append(record)
        return records

    def _next(self) -> bytes | None:
        newline = self._buffer.find(b"\n", 0, _LENGTH_DIGITS_MAX + 1)
        if newline < 0:
            if len(self._buffer) > _LENGTH_DIGITS_MAX:
                raise FramingError("no length line where a RecordIO record should begin")
            return None
        head = bytes(self._buffer[:newline])
        if not head.isdigit() or int(head) > RECORD_BYTES_MAX:
            raise FramingError(f"{head!r} is not the length of a RecordIO record")
        end = newline + 1 + int(head)
        if len(self._buffer) < end:
            return None
        record = bytes(self._buffer[newline + 1 : end])
        del self._buffer[:end]
        return record
