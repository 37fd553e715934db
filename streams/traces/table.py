"""A CSV file as rows with their line numbers, plain or compressed with gzip.

The one thing to know: these files come from elsewhere, so everything about them is checked, and a
complaint names file, line and column, and says what to do. A byte order mark, Windows line ends,
quoted fields and empty lines are no faults.
"""

import csv
import difflib
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from streams.errors import OperatorError

EXIT_BAD_INPUT: Final = 2
GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]*)?([eE]\+?[0-9]{1,2}|[eE]-[0-9]{1,2})?|\.[0-9]+")
UNPACKED_BYTES_MAX: Final = 1024 * 1024 * 1024
FIELD_CHARACTERS_MAX: Final = 131_072
"""The csv module's own bound, checked here as well: others of this process may raise that one."""
_LONG: Final = 60
"""Of a strange cell so many characters are shown."""


class TraceError(OperatorError):
    """A file of a trace cannot be used; the words say where it is wrong."""

    exit_code = EXIT_BAD_INPUT


class Cell(NamedTuple):
    """One field, and where it stands."""

    path: Path
    line: int
    column: int
    name: str
    text: str

    def wrong(self, what: str, remedy: str) -> TraceError:
        """The complaint about this field."""
        where = f"{self.path}:{self.line}: column {self.column} ({self.name})"
        return TraceError(f"{where}: {what}.", "The file was not made for this.", remedy)


class Table:
    """The columns of a file and its rows."""

    def __init__(
        self, path: Path, columns: Sequence[str], rows: Sequence[tuple[int, list[str]]]
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self._rows = rows
        self._at = {name: number for number, name in enumerate(self.columns)}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Line numbers and fields, as they stand in the file."""
        return iter(self._rows)

    def at(self, name: str) -> int:
        """The place of a column in a row."""
        return self._at[name]

    def cell(self, line: int, fields: Sequence[str], name: str) -> Cell:
        """One field of a row, for complaints."""
        number = self._at[name]
        return Cell(self.path, line, number + 1, name, fields[number])


def _too_long(path: Path, line: int) -> TraceError:
    return TraceError(
        f"{path}:{line}: a field has more than {FIELD_CHARACTERS_MAX:,} characters.",
        "A quote was opened and not closed, or the file is no table.",
        "Close the quote; a name or number is shorter than that.",
    )


def read_table(path: Path, required: Sequence[str]) -> Table:
    """The file's rows; raises `TraceError` where it is no such table."""
    text = _text(path, _bytes(path))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    header: list[str] | None = None
    line = 1
    try:
        for fields in reader:
            if not fields:
                line = reader.line_num + 1
                continue
            if any(len(each) > FIELD_CHARACTERS_MAX for each in fields):
                raise _too_long(path, line)
            if any(each.strip() for each in fields):
                if header is None:
                    header = _header(path, line, fields, required)
                elif len(fields) != len(header):
                    raise _ragged(path, line, len(fields), len(header))
                else:
                    rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise _too_long(path, line) from error
        raise TraceError(
            f"{path}:{line}: this line is no CSV: {error}.",
            "A quote was opened and not closed, or stands inside a field.",
            'Write a quote inside a quoted field twice: "a ""b"" c".',
        ) from error
    if header is None:
        raise TraceError(
            f"{path} is empty.",
            "Nothing was written into it, or it is another file.",
            f"Its first line must name the columns: {','.join(required)}.",
        )
    return Table(path, header, rows)


def demand_rows(table: Table, what: str) -> None:
    """Return if there is any row; raises `TraceError` for a header alone."""
    if not len(table):
        raise TraceError(
            f"{table.path} has a header and no {what}.",
            "It was cut short, or its rows were filtered away.",
            f"Add at least one line below `{','.join(table.columns)}`.",
        )


def decimal_of(cell: Cell, most: int, unit: str) -> Decimal:
    """The number in a field, at least 0; raises `TraceError` where it is none."""
    text = cell.text.strip()
    if not _NUMBER.fullmatch(text):
        raise cell.wrong(_said(text), f"Write {unit} as a number from 0, for example 1 or 0.5.")
    value = Decimal(text)
    if value > most:
        raise cell.wrong(
            f"{_shown(text)} is too large", f"Write at most {most:,} {unit}; is the unit right?"
        )
    return value


def whole_of(cell: Cell, most: int, unit: str) -> int:
    """The whole number in a field, at least 0; raises `TraceError` where it is none."""
    value = decimal_of(cell, most, unit)
    if value != value.to_integral_value():
        raise cell.wrong(f"{_shown(cell.text)} is not whole", f"Write whole {unit}.")
    return int(value)


def thousandths_of(cell: Cell, most: int, unit: str) -> int:
    """The number in a field in thousandths, rounded as Mesos rounds scalars (half to even)."""
    return int((decimal_of(cell, most, unit) * 1000).to_integral_value())


def near_match(word: str, known: Iterable[str]) -> str:
    """A question for the nearest known word, with a blank before it; empty where none is near."""
    by_folded = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    return f" Did you mean {by_folded[found[0]]}?" if found else ""


def _said(text: str) -> str:
    if not text:
        return "the field is empty"
    if text.startswith("-") and _NUMBER.fullmatch(text[1:]):
        return f"{_shown(text)} is negative"
    return f"{_shown(text)} is no number"


def _shown(text: str) -> str:
    short = text if len(text) <= _LONG else f"{text[:_LONG]}..."
    return repr(short)


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TraceError(
            f"{path} cannot be read: {error.strerror or error}.",
            "The path is misspelt, or the file belongs to somebody else.",
            "Name a file that exists and that you may read.",
        ) from error
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        # No more than may be: a kilobyte of gzip can say gigabytes.
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            found = packed.read(UNPACKED_BYTES_MAX + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TraceError(
            f"{path} cannot be decompressed: {error}.",
            "The file was cut short or damaged on its way.",
            f"Fetch it again; `gzip -t {path}` tells whether it is whole.",
        ) from error
    if len(found) > UNPACKED_BYTES_MAX:
        raise TraceError(
            f"{path} unpacks to more than {UNPACKED_BYTES_MAX} bytes.",
            "It is no trace, or one of many months.",
            "Take a part of it.",
        )
    return found


def _text(path: Path, data: bytes) -> str:
    try:
        if data.startswith(_UTF_16):
            raise UnicodeDecodeError("utf-8", data, 0, 1, "a byte order mark of UTF-16")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        byte = error.start - (before.rfind(b"\n") + 1) + 1
        raise TraceError(
            f"{path}:{line}: byte {byte} of the line is not UTF-8: {error.reason}.",
            "The file was saved in another encoding, or is no text.",
            f"Convert it: iconv -f UTF-16 -t UTF-8 (or -f LATIN1) {path.name} > new.csv.",
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise TraceError(
            f"{path}:{line}: the line holds a zero byte.",
            "The file is no text.",
            "Name a CSV file, plain or compressed with gzip.",
        )
    return text


def _header(path: Path, line: int, fields: Sequence[str], required: Sequence[str]) -> list[str]:
    header = [each.strip() for each in fields]
    if header == [*header[:1]] and ";" in header[0]:
        raise TraceError(
            f"{path}:{line}: the fields are separated by semicolons.",
            "A spreadsheet wrote the file in a country where the comma is a decimal sign.",
            "Separate them by commas.",
        )
    if header == [*header[:1]] and "\t" in header[0]:
        raise TraceError(
            f"{path}:{line}: the fields are separated by tabs.",
            "The file is TSV, or was copied out of a table.",
            "Separate them by commas.",
        )
    missing = [name for name in required if name not in header]
    if missing:
        told = "column" if len(missing) == 1 else "columns"
        are = "is" if len(missing) == 1 else "are"
        # A column that is right as it is cannot have been meant for another.
        hint = near_match(missing[0], [name for name in header if name not in required])
        raise TraceError(
            f"{path}:{line}: {told} {' and '.join(missing)} {are} missing.",
            f"The columns there are {', '.join(header)}.{hint}",
            f"The first line must name {','.join(required)}.",
        )
    for number, name in enumerate(header, 1):
        if not name or name in header[: number - 1]:
            what = f"{name} is there twice" if name else "has no name"
            raise TraceError(
                f"{path}:{line}: column {number} {what}.",
                "Two tables were joined, or a comma is left over.",
                "Give each column a name of its own.",
            )
    return header


def _ragged(path: Path, line: int, found: int, wanted: int) -> TraceError:
    return TraceError(
        f"{path}:{line}: the line has {found} fields and the header {wanted}.",
        "A comma is missing or left over, or a field with a comma is not quoted.",
        'Write fields that hold a comma in quotes: "a,b".',
    )
