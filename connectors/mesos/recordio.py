"""RecordIO, the framing of Mesos' event streams: decimal length, newline, so many bytes.

The one thing to know: a record may come in any number of pieces and a piece may hold any number
of records. Mesos happens to write one record per HTTP chunk, but does not promise it.
"""

from collections.abc import Iterator
from typing import Final

RECORD_BYTES_MAX: Final = 64 * 1024 * 1024
"""An OFFERS event of 7,000 hosts is about 9 MB; more than this is a broken stream."""


class RecordIoError(ValueError):
    """The stream is not RecordIO, or a record is too large; nothing after it can be trusted."""


class RecordReader:
    """The records of one stream, given its bytes piece by piece."""

    def __init__(self, record_bytes_max: int = RECORD_BYTES_MAX) -> None:
        self._bytes_max = record_bytes_max
        self._digits_max = len(str(record_bytes_max))
        self._held = bytearray()
        self._length: int | None = None
        """Of the record under way; None while its length is still being read."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The records that ``piece`` completes, in order. Raises RecordIoError after the last good.

        Take all of them before the next piece is given.
        """
        held = self._held
        held += piece
        at = 0
        try:
            while True:
                if self._length is None:
                    found = self._length_from(at)
                    if found is None:
                        return
                    self._length, at = found
                if len(held) - at < self._length:
                    return
                record = bytes(held[at : at + self._length])
                at += self._length
                self._length = None
                yield record
        finally:
            del held[:at]

    @property
    def is_between_records(self) -> bool:
        """Whether the stream may end here without losing part of a record."""
        return self._length is None and not self._held

    def _length_from(self, at: int) -> tuple[int, int] | None:
        """The length that stands at ``at`` and where its record begins; None if not yet whole."""
        held = self._held
        end = held.find(b"\n", at, at + self._digits_max + 1)
        digits = bytes(held[at : end if end >= 0 else at + self._digits_max + 1])
        # bytes.isdigit knows only ASCII digits, unlike str.isdigit.
        if digits and not digits.isdigit():
            raise RecordIoError(f"a record's length must be decimal digits, but {digits!r} came")
        if end < 0:
            if len(digits) > self._digits_max:
                raise RecordIoError(
                    f"a record's length has more than {self._digits_max} digits: {digits!r}"
                )
            return None
        if not digits:
            raise RecordIoError("a record's length is empty: a newline came where digits belong")
        length = int(digits)
        if length > self._bytes_max:
            raise RecordIoError(
                f"a record of {length} bytes is announced; at most {self._bytes_max} are taken"
            )
        return length, end + 1
