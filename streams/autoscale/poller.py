"""Which metric is asked for when, and which source is left alone: the circuit breaker.

The one thing to know: only what a policy asks for is asked. A source that fails for a policy is
asked again after a pause that doubles; after the third failure in a row the cell is told, and the
policy is in error until a sensible value comes. A value that makes no sense is a failure like any.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from connectors.metrics.translate import point_of
from connectors.ports import AskedMetric, MetricFailed, MetricSource
from scheduler.model.autoscaling import OURS, OWN_NAMESPACE, MetricFailure, MetricPoint, PolicyId

PERIOD_SHARE: Final = 3
"""So many samples make a period, where a source has only the moment."""
PAUSE_MS_MIN: Final = 1_000
PAUSE_MS_MAX: Final = 30_000
FAILURE_PAUSE_MS_MAX: Final = 300_000
FAILURES_TOLD: Final = 3
AT_ONCE_MAX: Final = 16
CLOUDWATCH: Final = ""
"""The source of every namespace that is none of ours."""


class Line(msgspec.Struct):
    """What is known of one policy's metric between two questions."""

    asked: AskedMetric
    due_ms: int = 0
    failures: int = 0
    why: str = ""
    told: dict[int, int] = {}
    """Values of whole periods that the cell was told, by time."""


class Poller:
    """The metrics of all policies; `round` asks for those that are due."""

    def __init__(self, sources: Mapping[str, MetricSource]) -> None:
        """``sources`` are by namespace; `CLOUDWATCH` is the one of all others."""
        self._sources = sources
        self._lines: dict[tuple[PolicyId, int], Line] = {}
        self._gate = asyncio.Semaphore(AT_ONCE_MAX)

    @property
    def failing(self) -> dict[PolicyId, str]:
        """Why metrics cannot be read, by policy."""
        return {each.asked.policy_id: each.why for each in self._lines.values() if each.failures}

    def follow(self, asked: Iterable[AskedMetric]) -> None:
        """Ask for these from now on, and for no others."""
        wanted = {
            (each.policy_id, each.version): each
            for each in asked
            if each.metric.namespace != OWN_NAMESPACE
        }
        self._lines = {key: self._lines.get(key) or Line(each) for key, each in wanted.items()}

    def next_ms(self, default_ms: int) -> int:
        """When the next question is due; ``default_ms`` where none is."""
        return min((each.due_ms for each in self._lines.values()), default=default_ms)

    async def round(self, now_ms: int) -> tuple[list[MetricPoint], list[MetricFailure]]:
        """What the sources say to all questions that are due."""
        due = [each for each in self._lines.values() if each.due_ms <= now_ms]
        found = await asyncio.gather(*(self._ask(each, now_ms) for each in due))
        points = [point for some in found if isinstance(some, list) for point in some]
        failures = [each for each in found if isinstance(each, MetricFailure)]
        return points, failures

    async def _ask(self, line: Line, now_ms: int) -> Sequence[MetricPoint] | MetricFailure | None:
        asked = line.asked
        try:
            async with self._gate:
                readings = await self._source(asked).read(asked, now_ms)
            points = [point_of(asked, each) for each in readings]
        except MetricFailed as error:
            return self._failed(line, str(error), now_ms)
        line.failures, line.why = 0, ""
        line.due_ms = now_ms + pause_ms(asked)
        news = [each for each in points if not _is_told(line, each)]
        line.told = {each.at_ms: each.value_milli for each in points if each.is_whole}
        return news

    def _source(self, asked: AskedMetric) -> MetricSource:
        namespace = asked.metric.namespace
        name = namespace if namespace.startswith(OURS) else CLOUDWATCH
        source = self._sources.get(name)
        if source is None:
            raise MetricFailed(f"there is no source for {namespace}; see docs/autoscaling.md")
        return source

    def _failed(self, line: Line, why: str, now_ms: int) -> MetricFailure | None:
        line.failures, line.why = line.failures + 1, why
        pause = min(pause_ms(line.asked) << min(line.failures, 10), FAILURE_PAUSE_MS_MAX)
        line.due_ms = now_ms + pause
        if line.failures < FAILURES_TOLD:
            return None
        text = f"{why} ({line.failures} times in a row)"[:500]
        printable = "".join(each if each.isprintable() else " " for each in text)
        return MetricFailure(line.asked.policy_id, line.asked.version, printable)


def pause_ms(asked: AskedMetric) -> int:
    """How long after an answer the same is asked again."""
    if not asked.metric.namespace.startswith(OURS):
        return asked.period_ms  # CloudWatch costs money by the question, and has whole periods.
    return min(max(asked.period_ms // PERIOD_SHARE, PAUSE_MS_MIN), PAUSE_MS_MAX)


def _is_told(line: Line, point: MetricPoint) -> bool:
    return point.is_whole and line.told.get(point.at_ms) == point.value_milli
