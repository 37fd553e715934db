"""SQL over archived ranges and over what Kafka has behind them, by DuckDB.

The one thing to know: a question is a stranger's text. It is one SELECT, it may touch nothing but
the tables that are handed over (no file, no network, no extension, no setting), and it ends at its
limits of rows, memory and time.
"""

import csv
import io
import threading
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import duckdb
import msgspec
import pyarrow.dataset as ds

from connectors.archive.archive import Archive, stored_file
from connectors.archive.columns import SCHEMAS
from connectors.archive.ranges import Kind, Manifest, Piece
from scheduler.model.reading.bad_bytes import BAD_BYTES

THREADS: Final = 2
"""Columns are read by pyarrow's threads; DuckDB's own need not take a whole computer."""


class SqlLimits(msgspec.Struct, frozen=True):
    """What one question may use."""

    rows_max: int = 10_000
    memory_mib: int = 512
    seconds_max: float = 60.0


class SqlAnswer(msgspec.Struct, frozen=True):
    """The rows of an answer, as Python's values."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_cut: bool
    """There were more rows than the limit allows."""


class SqlFault(Exception):
    """The question cannot be answered: what is wrong, and where in its text."""

    def __init__(self, what: str, sql: str, position: int | None) -> None:
        before = sql[: position or 0]
        self.what = what
        self.line = before.count("\n") + 1 if position is not None else 0
        self.column = len(before) - (before.rfind("\n") + 1) + 1 if position is not None else 0
        where = f" (line {self.line}, column {self.column})" if self.line else ""
        super().__init__(f"{what}{where}")


class Source(msgspec.Struct, frozen=True):
    """A part of a table: archived pieces of a series, or rows in memory, under one generation."""

    kind: Kind
    generation: str
    partition: int
    pieces: tuple[tuple[Piece, Manifest], ...] = ()
    table: Any = None
    """A pyarrow.Table of the kind's columns, behind the pieces."""


_PLACE: Final = "'{generation}' AS generation"
_TIMES: Final = "at_ms AS at_time, epoch_ms(at_ms) AS at_ms"
_DERIVED: Final = (
    f'{_PLACE}, "offset" AS log_offset, "index" AS event_index, place, {_TIMES}, kind, job_id, '
    "task_id, host_id, state, reason, try(decode(body)) AS body"
)
_SELECTED: Final[dict[str, str]] = {
    "records": (
        f'{_PLACE}, "offset" AS log_offset, {_TIMES}, epoch, kinds, '
        "octet_length(value) AS bytes_total, try(decode(value)) AS body"
    ),
    "changes": _DERIVED,
    "notes": _DERIVED,
    "messages": (
        f'{_PLACE}, {{partition}} AS partition, "offset" AS log_offset, {_TIMES}, '
        "try(decode(key)) AS key, try(decode(value)) AS body, octet_length(value) AS bytes_total, "
        "headers"
    ),
}
_EVENTS: Final = """
CREATE VIEW events AS
SELECT r.generation, r.log_offset, CAST(e.key AS INTEGER) AS event_index, r.at_time, r.at_ms,
       r.epoch, r.kinds[CAST(e.key AS INTEGER) + 1] AS kind, e.value AS body
FROM records r, json_each(r.body, '$.events') e
"""
EVENTS: Final = "events"
_LOCKS: Final = (
    "SET autoinstall_known_extensions=false",
    "SET autoload_known_extensions=false",
    "SET python_enable_replacements=false",
    # Nothing of a stranger's question goes to this computer's disk.
    "SET max_temp_directory_size='0MB'",
    "SET enable_external_access=false",
    "SET lock_configuration=true",
)


def answer(
    archive: Archive,
    sql: str,
    tables: Mapping[str, tuple[Kind, Sequence[Source]]],
    limits: SqlLimits,
) -> SqlAnswer:
    """What the question's answer is; raises `SqlFault`, and whatever the store raises.

    ``tables`` has every table that the question may name; `events` is there where `records` is.
    """
    with duckdb.connect(config={"threads": THREADS}) as connection, _faults(sql):
        connection.execute("SET errors_as_json=true")
        _check_statement(connection, sql)
        connection.execute(f"SET memory_limit='{limits.memory_mib}MB'")
        for name, (kind, sources) in tables.items():
            _define(connection, archive, name, (kind, sources))
        if "records" in tables:
            connection.execute(_EVENTS)
        for each in _LOCKS:
            connection.execute(each)
        timer = threading.Timer(limits.seconds_max, connection.interrupt)
        timer.start()
        try:
            found = connection.execute(sql)
            rows = found.fetchmany(limits.rows_max + 1)
            description = found.description or []
        finally:
            timer.cancel()
    return SqlAnswer(
        columns=tuple(str(each[0]) for each in description),
        types=tuple(str(each[1]) for each in description),
        rows=tuple(tuple(each) for each in rows[: limits.rows_max]),
        is_cut=len(rows) > limits.rows_max,
    )


def _check_statement(connection: Any, sql: str) -> None:  # noqa: ANN401 - untyped library
    """Return if the text is one SELECT; raises `SqlFault` else."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise SqlFault(f"one statement is wanted, and there are {len(statements)}", sql, None)
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise SqlFault(f"history is read only: {kind.name} is no SELECT", sql, 0)


def _define(
    connection: Any,  # noqa: ANN401 - untyped library
    archive: Archive,
    name: str,
    table: tuple[Kind, Sequence[Source]],
) -> None:
    """Make a view of all parts of a table; without any it is empty, and has its columns."""
    kind, sources = table
    parts: list[str] = []
    for number, source in enumerate(sources or (Source(kind, "", 0),)):
        select = _SELECTED[kind].format(
            generation=source.generation.replace("'", ""), partition=source.partition
        )
        for place, (data, where) in enumerate(_data_of(archive, kind, source)):
            part = f"_{name}_{number}_{place}"
            connection.register(part, data)
            parts.append(f'SELECT {select} FROM "{part}"{where}')  # noqa: S608 - all of it is ours
    connection.execute(f'CREATE VIEW "{name}" AS {" UNION ALL ".join(parts)}')


def _data_of(archive: Archive, kind: Kind, source: Source) -> list[tuple[Any, str]]:
    """What of pyarrow's holds a source's rows, and which of them are meant."""
    whole: list[Any] = []
    data: list[tuple[Any, str]] = []
    for piece, manifest in source.pieces:
        if not manifest.file:
            continue
        fragment = _fragment(archive, manifest)
        if (piece.first_offset, piece.end_offset - 1) == (
            manifest.first_offset,
            manifest.last_offset,
        ):
            whole.append(fragment)
        else:
            where = f' WHERE "offset" BETWEEN {piece.first_offset} AND {piece.end_offset - 1}'
            data.append((_dataset(kind, [fragment]), where))
    if whole:
        data.append((_dataset(kind, whole), ""))
    if source.table is not None:
        data.append((source.table, ""))
    return data or [(SCHEMAS[kind].empty_table(), "")]


def _fragment(archive: Archive, manifest: Manifest) -> Any:  # noqa: ANN401 - untyped library
    """A range's file, which is opened only if the question can need something of it."""
    offset = ds.field("offset")
    return ds.ParquetFileFormat().make_fragment(
        stored_file(archive.store, manifest),
        partition_expression=(offset >= manifest.first_offset) & (offset <= manifest.last_offset),
    )


def _dataset(kind: Kind, fragments: list[Any]) -> Any:  # noqa: ANN401 - untyped library
    return ds.FileSystemDataset(fragments, SCHEMAS[kind], ds.ParquetFileFormat())


class _FaultBody(msgspec.Struct):
    exception_type: str = ""
    exception_message: str = ""
    position: str = ""


@contextmanager
def _faults(sql: str) -> Any:  # noqa: ANN401 - a generator of nothing
    """Turns DuckDB's complaints into `SqlFault`."""
    try:
        yield
    except duckdb.InterruptException as error:
        raise SqlFault("it took longer than its time allows; ask for less", sql, None) from error
    except duckdb.Error as error:
        text = str(error)
        begin = text.find("{")
        try:
            told = msgspec.json.decode(text[begin:] if begin >= 0 else "", type=_FaultBody)
        except BAD_BYTES:
            raise SqlFault(text, sql, None) from error
        what = told.exception_message.split("\n\nPossible solutions")[0] or text
        raise SqlFault(
            f"{told.exception_type}: {what}", sql, _characters(sql, told.position)
        ) from error


def _characters(sql: str, position: str) -> int | None:
    """A position in characters, of one in the bytes of UTF-8; None where there is none."""
    if not position.isdecimal():
        return None
    return len(sql.encode()[: int(position)].decode(errors="ignore"))


def csv_text(found: SqlAnswer) -> str:
    """The answer as CSV, with a line of names; no cell of it is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(found.columns)
    for row in found.rows:
        writer.writerow([_safe(each) for each in row])
    return out.getvalue()


def _safe(value: object) -> object:
    # What begins so is run by spreadsheets; a quote before it is what they understand.
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return "" if value is None else value
