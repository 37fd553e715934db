"""Lines of hosts as a histogram: by level and by template over time, new templates marked.

The one thing to know: new is a template that no line of the stretch before the range had, and that
stretch is named in the answer; nothing else is known of the past. Templates are those of
`projections.health.templates`, a function of the line, so ids are the same in every answer.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from projections.glance.waits import bucket_width_ms
from projections.health.blocks import LineRecord
from projections.health.severity import LEVELS, level_within
from projections.health.templates import TemplateMiner

LINES_MAX: Final = 300_000
"""Of range and stretch before it together; some seconds of one core."""
TEMPLATES_SHOWN_MAX: Final = 60
SAMPLE_CHARACTERS_MAX: Final = 500
NAMES: Final = ("critical", "error", "warning", "info", "debug", "none")
"""Levels from the gravest on; ``none``: the line names no level."""


class TemplateLines(msgspec.Struct, frozen=True, rename="camel"):
    """One template's lines within the range."""

    template_id: str
    text: str
    level: str
    """The gravest that a line of it named."""
    lines: int
    hosts: int
    is_new: bool
    first_ms: int
    source: str
    """Of its first line: ``topic:partition:offset:line``."""
    sample: str
    counts: tuple[int, ...]
    """Of each bucket."""


class LevelLines(msgspec.Struct, frozen=True, rename="camel"):
    """One level's lines within the range."""

    level: str
    lines: int
    counts: tuple[int, ...]


class LinesGlance(msgspec.Struct, frozen=True, rename="camel"):
    """Lines of a range."""

    from_ms: int
    to_ms: int
    before_ms: int
    """Where the stretch begins that tells what is new."""
    bucket_ms: int
    first_bucket_ms: int
    lines: int
    lines_before: int
    levels: tuple[LevelLines, ...]
    templates: tuple[TemplateLines, ...]
    """New ones first, then by how many lines they have."""
    templates_total: int
    new_total: int
    missing: tuple[str, ...]
    """What could not be read or counted, in words."""


class _Found:
    """What is gathered of one template."""

    __slots__ = ("counts", "first_ms", "hosts", "level", "sample", "source", "text")

    def __init__(self, text: str, buckets: int) -> None:
        self.text = text
        self.counts = [0] * buckets
        self.hosts: set[str] = set()
        self.level = len(NAMES) - 1
        self.first_ms = 0
        self.sample = ""
        self.source = ""


class LineCounting:
    """Counts lines of a range while records go by, in the order in which they were written."""

    def __init__(self, before_ms: int, from_ms: int, to_ms: int) -> None:
        """``before_ms``: where the stretch begins that tells what is new."""
        self._before_ms, self._from_ms, self._to_ms = before_ms, from_ms, to_ms
        self._bucket_ms = bucket_width_ms(from_ms, to_ms)
        self._first_ms = from_ms // self._bucket_ms * self._bucket_ms
        self._buckets = max(1, (to_ms - self._first_ms) // self._bucket_ms + 1)
        self._miner = TemplateMiner()
        self._known: set[str] = set()
        self._found: dict[str, _Found] = {}
        self._levels = [[0] * self._buckets for _ in NAMES]
        self.lines = 0
        self.lines_before = 0
        self.left_out = 0

    def take(self, record: LineRecord) -> None:
        """Take the lines of one record; those beyond the limit are counted and left out."""
        room = LINES_MAX - self.lines - self.lines_before
        self.left_out += max(0, len(record.lines) - room)
        for place, line in enumerate(record.lines[: max(0, room)]):
            at_ms = record.times_ms[place if len(record.times_ms) > 1 else 0]
            if not record.is_near(at_ms):
                at_ms = record.received_at_ms
            if self._from_ms <= at_ms <= self._to_ms:
                self._within(record, place, line, at_ms)
            elif self._before_ms <= at_ms < self._from_ms:
                self.lines_before += 1
                self._known.add(self._miner.template(line).template_id)

    def _within(self, record: LineRecord, place: int, line: str, at_ms: int) -> None:
        self.lines += 1
        template = self._miner.template(line)
        bucket = (at_ms - self._first_ms) // self._bucket_ms
        level = level_number(line)
        self._levels[level][bucket] += 1
        found = self._found.get(template.template_id)
        if found is None:
            found = self._found[template.template_id] = _Found(template.text, self._buckets)
        if not found.first_ms or at_ms < found.first_ms:
            found.first_ms = at_ms
            found.sample = line[:SAMPLE_CHARACTERS_MAX]
            found.source = f"{record.source}:{place}"
        found.counts[bucket] += 1
        found.hosts.add(record.host_id)
        found.level = min(found.level, level)

    def glance(self, missing: Iterable[str] = ()) -> LinesGlance:
        """What was counted."""
        is_known = self.lines_before > 0
        rows = [
            TemplateLines(
                template_id=template_id,
                text=found.text,
                level=NAMES[found.level],
                lines=sum(found.counts),
                hosts=len(found.hosts),
                is_new=is_known and template_id not in self._known,
                first_ms=found.first_ms,
                source=found.source,
                sample=found.sample,
                counts=tuple(found.counts),
            )
            for template_id, found in self._found.items()
        ]
        rows.sort(key=lambda each: (not each.is_new, -each.lines, each.template_id))
        lacking = list(missing)
        if self.left_out:
            lacking.append(f"{self.left_out} lines beyond the first {LINES_MAX}: ask for less time")
        return LinesGlance(
            from_ms=self._from_ms,
            to_ms=self._to_ms,
            before_ms=self._before_ms,
            bucket_ms=self._bucket_ms,
            first_bucket_ms=self._first_ms,
            lines=self.lines,
            lines_before=self.lines_before,
            levels=tuple(
                LevelLines(name, sum(counts), tuple(counts))
                for name, counts in zip(NAMES, self._levels, strict=True)
            ),
            templates=_shown(rows),
            templates_total=len(rows),
            new_total=sum(each.is_new for each in rows),
            missing=tuple(lacking),
        )


def _shown(rows: Sequence[TemplateLines]) -> tuple[TemplateLines, ...]:
    return tuple(rows[:TEMPLATES_SHOWN_MAX])


def level_number(line: str) -> int:
    """The level that the line names, as a place in `NAMES`."""
    weight = LEVELS.get(level_within(line).lower())
    if weight is None:
        return len(NAMES) - 1
    for number, least in enumerate((0.9, 0.6, 0.3, 0.08)):
        if weight >= least:
            return number
    return len(NAMES) - 2
