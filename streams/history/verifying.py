"""Proves an archive: every range is read back whole, and ranges hang together without a gap.

The one thing to know: a range says of itself what it holds (SHA-256 of its file, a digest of its
rows, and of a cell log the chain before and after). All of it is computed anew here, from the rows.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from connectors.archive.archive import Archive, DamagedRange
from connectors.archive.columns import content_of, log_order
from connectors.archive.ranges import ROOT, Manifest, Series, Span, gaps
from connectors.archive.rows import ArchivedRecord, Row
from connectors.ports import NoSuchObject
from scheduler.chain import Chain
from streams.history.heads import archived_record
from streams.history.resuming import NO_CHAIN

Progress = Callable[[Manifest], None]


class SeriesReport(msgspec.Struct, frozen=True):
    """What was found of one series."""

    series: Series
    ranges: int
    first_offset: int
    end_offset: int
    rows: int
    file_bytes: int
    gaps: tuple[Span, ...]
    faults: tuple[str, ...]
    chain: str
    """Of a cell log's records up to its end, where no gap is before it."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing and nothing is damaged."""
        return not self.gaps and not self.faults


def verify(
    archive: Archive, prefix: str = f"{ROOT}/", progress: Progress = lambda _: None
) -> list[SeriesReport]:
    """What is to be said of every series whose keys begin so; raises what the store raises."""
    return [_verified(archive, each, progress) for each in archive.series(prefix)]


def _verified(archive: Archive, series: Series, progress: Progress) -> SeriesReport:
    faults: list[str] = []
    manifests: list[Manifest] = []
    chains: dict[int, str] = {0: Chain().hex}
    """The chain before an offset, by every range that says it."""
    spans = archive.spans(series)
    for span in spans:
        try:
            manifest = archive.manifest(series, span)
            rows = archive.rows(manifest)
        except (DamagedRange, NoSuchObject) as error:
            faults.append(str(error))
            continue
        faults += [
            f"{series} {span.first_offset} to {span.last_offset}: {each}"
            for each in (
                *_faults_of_rows(manifest, rows),
                *_faults_of_chain(manifest, rows, chains),
            )
        ]
        manifests.append(manifest)
        progress(manifest)
    first = min((each.first_offset for each in spans), default=0)
    end = max((each.last_offset + 1 for each in spans), default=0)
    # A cell's log begins at 0; of another topic Kafka may have dropped before it was archived.
    begin = first if series.kind == "messages" else 0
    missing = tuple(gaps((each.span for each in manifests), begin, end))
    return SeriesReport(
        series=series,
        ranges=len(spans),
        first_offset=first,
        end_offset=end,
        rows=sum(each.rows for each in manifests),
        file_bytes=sum(each.file_bytes for each in manifests),
        gaps=missing,
        faults=tuple(faults),
        chain="" if missing or series.kind != "records" else chains.get(end, ""),
    )


def _faults_of_rows(manifest: Manifest, rows: Sequence[Row]) -> Iterator[str]:
    if content_of(sorted(rows, key=log_order)) != manifest.content:
        yield "its rows are not those that were archived"
    offsets = [each.offset for each in rows]
    if offsets and not manifest.first_offset <= offsets[0] <= offsets[-1] <= manifest.last_offset:
        yield f"it has offsets {offsets[0]} to {offsets[-1]}"
    if manifest.kind == "records":
        wanted = range(manifest.first_offset, manifest.last_offset + 1)
        if offsets != list(wanted):
            yield "records of its offsets are missing in it"
        yield from _faults_of_heads(rows)
    elif manifest.kind == "messages" and offsets != sorted(set(offsets)):
        yield "it has an offset twice"


def _faults_of_heads(rows: Sequence[Row]) -> Iterator[str]:
    """Whether the columns beside the bytes say what the bytes say."""
    before = None
    for row in rows:
        assert isinstance(row, ArchivedRecord)
        least = row.at_ms_max if before is None else before
        if row != archived_record(row.offset, row.value, least) and not (
            before is None and row.at_ms_max >= row.at_ms
        ):
            yield f"record {row.offset} has columns that do not follow from its bytes"
            return
        before = row.at_ms_max


def _faults_of_chain(
    manifest: Manifest, rows: Sequence[Row], chains: dict[int, str]
) -> Iterator[str]:
    if manifest.kind != "records":
        return
    before = manifest.chain_before
    known = chains.setdefault(manifest.first_offset, before)
    if before not in {known, NO_CHAIN}:
        yield "its chain does not go on with the range before it: they are of two logs"
    chain = Chain.restored(before) if before != NO_CHAIN else Chain()
    for row in rows:
        assert isinstance(row, ArchivedRecord)
        chain.take(row.value)
    if chain.hex != manifest.chain_after:
        yield "its chain ends otherwise than its manifest says"
    elif chains.setdefault(manifest.last_offset + 1, chain.hex) != chain.hex:
        yield "its chain ends otherwise than that of another range that ends there"
