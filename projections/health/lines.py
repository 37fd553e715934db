"""Which lines of a stream deserve a look: one score in [0, 1] for each, from it and earlier ones.

The one thing to know: most of a score is how bad the line's template sounds (`severity.py`), found
once for each template and level. Being new, and standing in a burst of bad lines of one host, move
it a little; they never make an alert of a line that sounds like nothing.
"""

from collections import deque
from typing import Final, NamedTuple

from projections.health.severity import ALERT_SCORE, LEVELS, level_within, severity
from projections.health.templates import Template, TemplateMiner

NEW_LINES: Final = 200
"""Before so many lines everything is new, which means nothing."""
NEW_WEIGHT: Final = 0.1
BURST_WINDOW_MS: Final = 60_000
BURST_SEVERITY: Final = 0.25
"""Lines that sound worse than this make a burst."""
BURST_LINES: Final = 10
BURST_WEIGHT: Final = 0.15
HOSTS_MAX: Final = 20_000
"""Hosts whose bursts are followed; the one that was silent longest is forgotten first."""


class Scored(NamedTuple):
    """What was found about one line."""

    template: Template
    score: float
    is_new: bool

    @property
    def is_alert(self) -> bool:
        """Whether the line deserves a look by itself."""
        return self.score >= ALERT_SCORE


class LineScorer:
    """Scores lines one by one, in the order in which they are read."""

    def __init__(self, miner: TemplateMiner | None = None) -> None:
        self.miner = TemplateMiner() if miner is None else miner
        self.lines = 0
        self._severities: dict[tuple[int, str], float] = {}
        self._bursts: dict[str, deque[int]] = {}

    def score(self, line: str, host: str = "", level: str = "", at_ms: int = 0) -> Scored:
        """The line's score; without a level the one that its text names counts, if it does."""
        known = len(self.miner.templates)
        template = self.miner.template(line)
        is_new = len(self.miner.templates) > known and self.lines >= NEW_LINES
        self.lines += 1
        if level.strip().lower() not in LEVELS:
            level = level_within(line) or level
        key = (template.number, level)
        found = self._severities.get(key)
        if found is None:
            found = self._severities[key] = severity(template.text, level)
        raised = found
        if is_new:
            raised = 1.0 - (1.0 - raised) * (1.0 - NEW_WEIGHT)
        if found >= BURST_SEVERITY:
            burst = self._burst(host, at_ms)
            raised = 1.0 - (1.0 - raised) * (1.0 - BURST_WEIGHT * burst)
        return Scored(template, raised, is_new)

    def _burst(self, host: str, at_ms: int) -> float:
        """How much of a burst of bad lines the host is in, from 0 to 1, this line counted."""
        times = self._bursts.pop(host, None)
        if times is None:
            times = deque(maxlen=BURST_LINES)
            if len(self._bursts) >= HOSTS_MAX:
                del self._bursts[next(iter(self._bursts))]
        self._bursts[host] = times
        times.append(at_ms)
        recent = sum(1 for each in times if abs(at_ms - each) <= BURST_WINDOW_MS)
        return (recent - 1) / (BURST_LINES - 1)
