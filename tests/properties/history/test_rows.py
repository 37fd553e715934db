"""What is archived is read back exactly, whatever the rows are and however ranges are put together.

Proves: any rows of any kind come back equal from a Parquet file; merging small ranges changes no
record, no chain and no answer of `verify`.
"""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.archive.archive import Archive
from connectors.archive.columns import content_of, encode_rows, log_order, typed_rows
from connectors.archive.ranges import Kind
from connectors.archive.rows import ArchivedChange, ArchivedMessage, ArchivedRecord, Row
from streams.history.limits import HistoryLimits
from streams.history.merging import merge_small
from streams.history.verifying import verify
from tests.support.kept_log import RECORDS, MemoryStore, archive_range, log_of

WHOLE = st.integers(0, 2**53)
TIME = st.integers(-1, 2**62)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
BYTES = st.binary(max_size=40)
OF_ONE = st.sampled_from([None, "", "a", "job-1", "é"])

RECORD_ROWS = st.builds(
    ArchivedRecord, WHOLE, TIME, WHOLE, WHOLE, st.lists(TEXT, max_size=3).map(tuple), BYTES
)
CHANGE_ROWS = st.builds(
    ArchivedChange,
    WHOLE,
    st.integers(0, 999),
    TIME,
    TEXT,
    *[OF_ONE] * 5,
    BYTES,
    st.integers(0, 3),
)
MESSAGE_ROWS = st.builds(
    ArchivedMessage,
    WHOLE,
    TIME,
    st.none() | BYTES,
    st.none() | BYTES,
    st.lists(st.tuples(TEXT, BYTES), max_size=2).map(tuple),
)
ROWS = st.one_of(
    st.tuples(st.just("records"), st.lists(RECORD_ROWS, min_size=1, max_size=30)),
    st.tuples(st.just("changes"), st.lists(CHANGE_ROWS, min_size=1, max_size=30)),
    st.tuples(st.just("messages"), st.lists(MESSAGE_ROWS, min_size=1, max_size=30)),
)


@given(given_rows=ROWS)
@settings(max_examples=60, deadline=None)
def test_rows_come_back_as_they_were(given_rows: tuple[Kind, list[Row]]) -> None:
    kind, rows = given_rows
    unique = list({log_order(each): each for each in rows}.values())
    unique.sort(key=log_order)
    found = typed_rows(kind, encode_rows(kind, unique))
    assert found == unique
    assert content_of(found) == content_of(unique)


@given(
    times=st.lists(st.integers(1, 50), min_size=2, max_size=60),
    cuts=st.lists(st.integers(1, 59), max_size=12),
    now_ms=st.sampled_from([0, 10_000]),
)
@settings(max_examples=60, deadline=None)
def test_ranges_put_together_are_the_same_log(
    times: list[int], cuts: list[int], now_ms: int
) -> None:
    log = log_of(times)
    archive = Archive(MemoryStore())
    bounds = sorted({0, len(log), *(each for each in cuts if each < len(log))})
    for first, end in pairwise(bounds):
        archive_range(archive, log, first, end - 1)
    before = verify(archive)[0]
    limits = HistoryLimits(merge_ranges=2, removed_after_ms=1_000)
    for at_ms in (now_ms, now_ms + 5_000, now_ms + 10_000):
        merge_small(archive, limits, at_ms, "test")
        found = verify(archive)[0]
        assert found.is_sound, found
        assert (found.chain, found.end_offset) == (before.chain, before.end_offset)
    if len(bounds) > 2:
        assert len(archive.spans(RECORDS)) == 1, "the small ones were taken out"
