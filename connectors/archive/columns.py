"""Parquet files of archived rows, and back: the only module that knows pyarrow's types.

The one thing to know: records stand in the order of their offsets, in small row groups, so that a
reader of a few offsets reads little; changes are sorted by job and messages by key, so that the
rows of one are together. Whoever wants them in the order of the log sorts them by offset.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.archive.ranges import Kind
from connectors.archive.rows import ArchivedChange, ArchivedMessage, ArchivedRecord, Row

GROUP_ROWS_MAX: Final = 1_000
GROUP_BYTES_MAX: Final = 2 * 1024 * 1024
"""Raw bytes of a row group: what a reader of a single record has to decompress."""
# Level 3 is zstd's own default: half the size of lz4's best on these records, at 300 MB/s.
COMPRESSION_LEVEL: Final = 3

_TEXT: Final = pa.string()
_WHOLE: Final = pa.int64()
_TIME: Final = pa.timestamp("ms")
"""Whole milliseconds since 1970 as a column that every tool shows, and SQL compares, as a time."""


def _field(name: str, kind: Any) -> Any:  # noqa: ANN401 - pyarrow has no types of its own
    return pa.field(name, kind, nullable=False)


SCHEMAS: Final[dict[str, Any]] = {
    "records": pa.schema(
        [
            _field("offset", _WHOLE),
            _field("at_ms", _TIME),
            *(_field(name, _WHOLE) for name in ("at_ms_max", "epoch")),
            _field("kinds", pa.list_(_TEXT)),
            _field("value", pa.binary()),
        ]
    ),
    "changes": pa.schema(
        [
            *(_field(name, _WHOLE) for name in ("offset", "index")),
            _field("at_ms", _TIME),
            _field("kind", _TEXT),
            *((name, _TEXT) for name in ("job_id", "task_id", "host_id", "state", "reason")),
            _field("body", pa.binary()),
            _field("place", _WHOLE),
        ]
    ),
    "messages": pa.schema(
        [
            _field("offset", _WHOLE),
            _field("at_ms", _TIME),
            ("key", pa.binary()),
            ("value", pa.binary()),
            _field(
                "headers",
                pa.list_(pa.struct([_field("name", _TEXT), _field("value", pa.binary())])),
            ),
        ]
    ),
}
SCHEMAS["notes"] = SCHEMAS["changes"]
_DELTAS: Final = ("offset", "at_ms", "at_ms_max", "index", "place")
_PLAIN: Final = ("value", "body")

_ENCODER: Final = msgspec.msgpack.Encoder()


def content_of(rows: Iterable[Row]) -> str:
    """A digest of rows, in their order: equal rows have equal ones, whatever file holds them."""
    digest = sha256()
    for row in rows:
        digest.update(_ENCODER.encode(msgspec.structs.astuple(row)))
    return digest.hexdigest()


def raw_bytes_of(row: Row) -> int:
    """How many bytes of the log's own a row holds."""
    match row:
        case ArchivedRecord():
            return len(row.value)
        case ArchivedChange():
            return len(row.body)
        case ArchivedMessage():
            return len(row.value or b"") + len(row.key or b"")


def _order(row: Row) -> tuple[Any, ...]:
    match row:
        case ArchivedRecord():
            return (row.offset,)
        case ArchivedChange():
            return (row.job_id or "", row.offset, row.index, row.place)
        case ArchivedMessage():
            return (row.key or b"", row.offset)


def _groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    total = 0
    for row in rows:
        group.append(row)
        total += raw_bytes_of(row)
        if len(group) >= GROUP_ROWS_MAX or total >= GROUP_BYTES_MAX:
            yield group
            group, total = [], 0
    if group:
        yield group


def _cells(row: Row) -> tuple[Any, ...]:
    values = msgspec.structs.astuple(row)
    if isinstance(row, ArchivedMessage):
        headers = [{"name": name, "value": value} for name, value in row.headers]
        return (*values[:4], headers)
    return values


def encode_rows(kind: Kind, rows: Sequence[Row]) -> bytes:
    """A Parquet file with these rows, which are of this kind, and at least one."""
    schema = SCHEMAS[kind]
    names = list(schema.names)
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=[name for name in names if name not in _DELTAS + _PLAIN],
        column_encoding={
            name: "PLAIN" if name in _PLAIN else "DELTA_BINARY_PACKED"
            for name in names
            if name in _DELTAS + _PLAIN
        },
        write_page_index=True,
        write_page_checksum=True,
    ) as writer:
        for group in _groups(sorted(rows, key=_order)):
            writer.write_table(arrow_table(kind, group))
    return sink.getvalue()


def arrow_table(kind: Kind, rows: Sequence[Row]) -> Any:  # noqa: ANN401 - a pyarrow.Table
    """The rows as pyarrow's table, in the order given."""
    schema = SCHEMAS[kind]
    if not rows:
        return schema.empty_table()
    columns = zip(*(_cells(each) for each in rows), strict=True)
    arrays = [
        pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


class Footer:
    """What a file says of its row groups; it needs no open file, and any thread may ask."""

    def __init__(self, kind: Kind, metadata: Any) -> None:  # noqa: ANN401 - pyarrow's FileMetaData
        self.metadata = metadata
        # Columns of lists come last but for bytes, so names and leaves agree in each schema.
        self._places = {name: place for place, name in enumerate(SCHEMAS[kind].names)}

    @property
    def groups(self) -> int:
        """How many row groups the file has."""
        return int(self.metadata.num_row_groups)

    def bounds(self, group: int, column: str) -> tuple[Any, Any]:
        """The least and the largest value of a column in a row group; None where all are null."""
        statistics = self.metadata.row_group(group).column(self._places[column]).statistics
        if statistics is None or not statistics.has_min_max:
            return None, None
        return statistics.min, statistics.max


class Lookup(NamedTuple):
    """Which rows of which ids are looked for, and how many of each."""

    column: str
    ids: Sequence[str]
    kind: str | None
    """Only rows of this kind; None: of any."""
    spots_max: int


class RowFile:
    """An archived file that is open for reading, row group by row group, by one thread at a time.

    Raises whatever the file raises (`connectors.ports.StoreFailed`), and `DamagedFile` where its
    bytes are not what was written.
    """

    def __init__(self, kind: Kind, source: BinaryIO | bytes, footer: Footer | None = None) -> None:
        self.kind = kind
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with _damage():
            self._file = pq.ParquetFile(
                file,
                metadata=footer.metadata if footer else None,
                page_checksum_verification=True,
            )
        self.footer = footer or Footer(kind, self._file.metadata)

    @property
    def groups(self) -> int:
        """How many row groups it has."""
        return self.footer.groups

    def bounds(self, group: int, column: str) -> tuple[Any, Any]:
        """The least and the largest value of a column in a row group; None where all are null."""
        return self.footer.bounds(group, column)

    def rows(self, group: int) -> list[Row]:
        """All rows of a row group, as they stand in the file."""
        columns = self._columns(group, None)
        if self.kind == "records":
            kinds = [tuple(each) for each in columns[4]]
            columns[4] = kinds
            return list(map(ArchivedRecord, *columns))
        if self.kind == "messages":
            columns[4] = [
                tuple((each["name"], each["value"]) for each in headers) for headers in columns[4]
            ]
            return list(map(ArchivedMessage, *columns))
        return list(map(ArchivedChange, *columns))

    def column(self, group: int, name: str) -> list[Any]:
        """One column of a row group."""
        return self._columns(group, [name])[0]

    def values(self, group: int) -> tuple[list[int], list[bytes]]:
        """Offsets and bytes of the records of a row group: what a fold needs of them."""
        offsets, values = self._columns(group, ["offset", "value"])
        return offsets, values

    def table(self, groups: Sequence[int], names: Sequence[str]) -> Any:  # noqa: ANN401 - a pyarrow.Table
        """Some columns of some row groups, as they stand in the file."""
        with _damage():
            return self._file.read_row_groups(groups, columns=list(names), use_threads=False)

    def newest(
        self, groups: Sequence[int], lookup: Lookup, first_offset: int, end_offset: int
    ) -> dict[str, list[tuple[int, int]]]:
        """Offset and index of the newest rows of each id, in log order, of these offsets.

        Rows of one event count once. All of it is done on columns: a range has 100,000 rows.
        """
        names = ["offset", "index", "kind", lookup.column]
        with _damage():
            table = self._file.read_row_groups(groups, columns=names, use_threads=False)
        codes = pc.index_in(table[lookup.column], value_set=pa.array(lookup.ids, type=_TEXT))
        offset = table["offset"]
        chosen = pc.and_(pc.greater_equal(offset, first_offset), pc.less(offset, end_offset))
        chosen = pc.and_(chosen, pc.is_valid(codes))
        if lookup.kind is not None:
            chosen = pc.and_(chosen, pc.equal(table["kind"], lookup.kind))
        rows = [column.filter(chosen).to_numpy() for column in (codes, offset, table["index"])]
        rows = [column[np.lexsort(rows[::-1])] for column in rows]
        is_new = np.ones(len(rows[0]), dtype=bool)
        is_new[1:] = np.any([column[1:] != column[:-1] for column in rows], axis=0)
        of, offsets, indexes = (column[is_new] for column in rows)
        found: dict[str, list[tuple[int, int]]] = {}
        begin = 0
        for end in [*(np.flatnonzero(np.diff(of)) + 1).tolist(), len(of)]:
            if end > begin:
                last = slice(max(begin, end - lookup.spots_max), end)
                spots = zip(offsets[last].tolist(), indexes[last].tolist(), strict=True)
                found[lookup.ids[of[begin]]] = list(spots)
            begin = end
        return found

    def _columns(self, group: int, names: list[str] | None) -> list[list[Any]]:
        with _damage():
            table = self._file.read_row_group(group, columns=names, use_threads=False)
        return [
            (column.cast(_WHOLE) if column.type == _TIME else column).to_pylist()
            for column in table.columns
        ]


class DamagedFile(ValueError):
    """A file of the archive does not hold what was written into it."""


class _damage:  # noqa: N801 - a context manager reads as a word
    """Turns pyarrow's complaints about a file's bytes into `DamagedFile`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        is_text_broken = isinstance(error, UnicodeError)  # of a column that pyarrow did not check
        if isinstance(error, pa.ArrowException) or is_text_broken or type(error) is OSError:
            raise DamagedFile(str(error)) from error


def typed_rows(kind: Kind, data: bytes) -> list[Row]:
    """All rows of a file in the order of the log."""
    file = RowFile(kind, data)
    rows = [row for group in range(file.groups) for row in file.rows(group)]
    rows.sort(key=log_order)
    return rows


def log_order(row: Row) -> tuple[int, int, int]:
    """Where a row stands in its log."""
    if isinstance(row, ArchivedChange):
        return (row.offset, row.index, row.place)
    return (row.offset, 0, 0)
