"""Log lines from a file: plain text with a line each, or a column of a CSV file; gzipped or not.

The one thing to know: a file is read as it is used, so it may be longer than memory. Rows are
counted from 1, without the row that names the columns.
"""

import csv
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import msgspec

from streams.errors import OperatorError

_GZIP: Final = b"\x1f\x8b"
# A stack trace in one field; more is a quote that was never closed.
_FIELD_CHARACTERS_MAX: Final = 4 * 1024 * 1024


class Columns(msgspec.Struct, frozen=True):
    """Which columns of a CSV file hold what; no `content` means plain text."""

    content: str | None = None
    host: str | None = None
    level: str | None = None
    time: str | None = None


class FileLine(NamedTuple):
    """One line, and what other columns say of it; `at_ms` is 0 where no time is known."""

    number: int
    text: str
    host: str = ""
    level: str = ""
    at_ms: int = 0


def lines_of(path: Path, columns: Columns) -> Iterator[FileLine]:
    """The file's lines in their order; raises `OperatorError` where it cannot be read on."""
    if columns.content is None and any((columns.host, columns.level, columns.time)):
        raise OperatorError(
            "A column is named, but not the one with the lines.",
            "Without --column a file is plain text, which has no columns.",
            "Name the column of the lines with --column as well.",
        )
    number = 0
    try:
        with _opened(path) as file:
            if columns.content is None:
                for number, line in enumerate(file, start=1):
                    yield FileLine(number, line.rstrip("\r\n"))
                return
            with _long_fields():
                rows = csv.DictReader(file)
                _demand(path, rows.fieldnames or (), columns)
                for number, row in enumerate(rows, start=1):
                    yield _of_row(number, row, columns)
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        raise OperatorError(
            f"{path} cannot be read behind line {number}: {error}.",
            "The name is misspelt, the file is cut short, or it is neither text nor CSV.",
            "Name a text file, or a CSV file with --column; either may be gzipped.",
        ) from error


@contextmanager
def _long_fields() -> Iterator[None]:
    """While it lasts a field may hold a stack trace: the bound is the whole process's."""
    before = csv.field_size_limit(_FIELD_CHARACTERS_MAX)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if str(path) == "-":
        yield sys.stdin
        return
    with path.open("rb") as probe:
        is_packed = probe.read(len(_GZIP)) == _GZIP
    # Only a line feed ends a line, so that numbers agree with those of other programs.
    if is_packed:
        with gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="\n") as file:
            yield file
    else:
        with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
            yield file


def _demand(path: Path, names: object, columns: Columns) -> None:
    assert isinstance(names, tuple | list)
    wanted = [columns.content, columns.host, columns.level, columns.time]
    missing = [each for each in wanted if each is not None and each not in names]
    if missing:
        raise OperatorError(
            f"{path} has no column {', '.join(missing)}.",
            f"Its first line names {', '.join(names) or 'none'}.",
            "Name columns that it has.",
        )


def _of_row(number: int, row: dict[str, str | None], columns: Columns) -> FileLine:
    def value(column: str | None) -> str:
        return "" if column is None else row[column] or ""

    return FileLine(
        number,
        value(columns.content),
        value(columns.host),
        value(columns.level),
        time_ms(value(columns.time)),
    )


def time_ms(text: str) -> int:
    """An instant in milliseconds: a number of s, ms, µs or ns, or ISO 8601; 0 for anything else."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        try:
            found = datetime.fromisoformat(text.replace(",", "."))
        except ValueError:
            return 0
        known = found if found.tzinfo else found.replace(tzinfo=UTC)
        return round(known.timestamp() * 1_000)
    # 1e11 seconds are the year 5138, 1e11 ms were 1973: by its size a number tells its unit.
    for unit, limit in ((1_000.0, 1e11), (1.0, 1e14), (1e-3, 1e17), (1e-6, 1e20)):
        if abs(number) < limit:
            return round(number * unit)
    return 0
