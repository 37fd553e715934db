"""A Parquet file's rows as events for one query, such as a file of the archive.

The one thing to know: of each row group only the columns that the query names are read, a group
that its statistics rule out not at all, and rows are tested as columns before they are events.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from projections.query.batches import ColumnBatch
from projections.query.bounds import NOTHING, Bounds, may_hold
from projections.query.columns import ColumnQuery
from projections.query.syntax import Query
from streams.query.parquet_statistics import ParquetFault, demand_whole_statistics

BATCH_ROWS: Final = 10_000


DAMAGE: Final = (pa.ArrowException, ValueError, OverflowError, OSError)
"""What pyarrow raises for a damaged file: of texts, dates and numbers Python's own errors."""


class ParquetEvents:
    """The events of a file that a query may want, in their order."""

    def __init__(self, path: Path, query: Query, time_field: str | None = None) -> None:
        """``time_field``: a column that is wanted in any case. Raises `ParquetFault`."""
        self._query = ColumnQuery(_of_one_event(query), lambda: 0)
        keys = None if query.joins else self._query.keys
        times = () if time_field is None else (time_field, time_field.partition(".")[0])
        self._keys = None if keys is None else {*keys, *times}
        try:
            self._file = pq.ParquetFile(path)
        except DAMAGE as error:
            raise ParquetFault(str(error)) from error
        self._has_bounds = self._query.query.where is not None
        if self._has_bounds:
            demand_whole_statistics(path)
        self.groups_read = 0
        self.groups_passed = 0
        """Row groups that statistics ruled out."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = self._file.schema_arrow.names
        # A key such as ``a.b`` may be a column of that name, or one within another.
        wanted = names if self._keys is None else [name for name in names if name in self._keys]
        try:
            for group in range(self._file.num_row_groups):
                if not self._may_have(group):
                    self.groups_passed += 1
                    continue
                self.groups_read += 1
                table = self._file.read_row_group(group, columns=wanted, use_threads=False)
                for batch in table.to_batches(max_chunksize=BATCH_ROWS):
                    yield from self._events(batch)
        except DAMAGE as error:
            raise ParquetFault(str(error)) from error

    def _events(self, batch: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - pyarrow has no types
        columns = {
            name: plain_column(column)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        whole = ColumnBatch(columns, batch.num_rows)
        return [dict(each) for each in whole.taken(self._query.places(whole)).rows()]

    def _may_have(self, group: int) -> bool:
        if not self._has_bounds:
            return True
        metadata = self._file.metadata.row_group(group)
        places = {metadata.column(n).path_in_schema: n for n in range(metadata.num_columns)}
        names = self._file.schema_arrow.names

        def bounds_of(key: str) -> Bounds | None:
            if key not in names:
                return NOTHING  # No event of the file has it.
            if key not in places or not _is_plain(self._file.schema_arrow.field(key).type):
                return None
            column = metadata.column(places[key])
            statistics = column.statistics
            if statistics is None or not statistics.has_min_max:
                is_empty = statistics is not None and statistics.null_count == column.num_values
                return NOTHING if is_empty else None
            return Bounds(statistics.min, statistics.max)

        return may_hold(self._query.query.where, bounds_of)


def _of_one_event(query: Query) -> Query:
    """The query without what columns cannot say of one event before all others are looked at."""
    sample = query.sample
    counts_all = sample is not None and sample.strategy != "STICKY"
    if query.joins or counts_all or "Tick(" in repr(query.where):
        return msgspec.structs.replace(query, where=None)
    return query


def _is_plain(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind))


def plain_column(column: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The column in one of the types that queries know: texts, numbers, truth values, or values.

    Times become milliseconds since 1970, and bytes the text that they are in UTF-8.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain_column(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _text_column(column)
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return column.cast(pa.int64())
    if pa.types.is_floating(kind):
        return column.cast(pa.float64())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    return column if pa.types.is_boolean(kind) else column.to_pylist()


def _text_column(column: Any) -> Any:  # noqa: ANN401 - as above
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        values = column.to_pylist()
        texts = [None if each is None else each.decode("utf-8", "replace") for each in values]
        return pa.array(texts, type=pa.string())
