"""Hosts judged by their lines: a fold of host logs, with verdicts that carry their evidence.

The one thing to know: all time is event time. A line whose clock is far from when it was received
is quarantined: it is counted as such, and neither moves the watermark nor enters a rate. A host
falls ill at a rule's threshold and is well again below half of it, so it does not flicker.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from projections.health.blocks import Block, LineRecord
from projections.health.patterns import Matcher, matcher_of
from projections.health.rules import OddLines, Rule, RuleSet
from projections.health.severity import ALERT_SCORE, level_within, severity
from projections.health.templates import Template, TemplateMiner
from projections.health.windows import Window
from scheduler.model.health import (
    EVIDENCE_MAX,
    EVIDENCE_TEXT_MAX,
    SCORE_MAX,
    Evidence,
    HostJudged,
    HostStanding,
)
from scheduler.model.ids import HostId

DETECTOR: Final = "lines"
CLOCK_LINES: Final = 100
"""So many quarantined lines within `CLOCK_WINDOW_MS` make a host suspect by themselves."""
CLOCK_WINDOW_MS: Final = 600_000
REPEAT_MS: Final = 60_000
"""A verdict is told again after so long if it is surer than before, or sick by new lines."""
REPEAT_SUSPECT_MS: Final = 15 * 60_000
"""Suspect by new lines is told again after so long: a cell keeps a verdict for an hour."""
LINES_KEPT: Final = 3
"""Lines shown for each rule that speaks, the newest."""
HOSTS_MAX: Final = 20_000
"""Hosts with counts; beyond, the one that has been counted longest is forgotten."""
LOOK_LINES: Final = 200_000
"""Hosts that are not well are looked at again after so many lines of others, or when time is said
to have passed; looking at each after each block would cost more than the lines do."""
APPEARED_MAX: Final = 100
"""New templates told of for one block; a program's first day has more, and nobody reads them."""
ALERTS: Final = "odd-lines"
NEW_ALERTS: Final = "new-lines"
CLOCK: Final = "clock"
_NEVER: Final = 1 << 62


class Count(msgspec.Struct):
    """What one rule has counted on one host."""

    window: Window
    lines: list[tuple[str, str]] = []
    """The newest lines that counted, with their sources."""
    is_firing: bool = False
    peak: int = 0
    """The largest sum since it was last looked at: a block may span more than a window."""
    newest_ms: int = 0
    """The newest line that counted."""


class Host(msgspec.Struct):
    """One host as it stands."""

    lane: str
    counts: dict[str, Count] = {}
    standing: HostStanding = "well"
    told_at_ms: int = 0
    told_score: int = 0
    told_newest_ms: int = 0
    """The newest line that counted in what was told last."""


class Totals(msgspec.Struct):
    """What was read, since ever."""

    lines: int = 0
    quarantined: int = 0
    by_rule: dict[str, int] = {}
    """Lines that matched, by the rule's id; also what needs no pattern."""


class Memory(msgspec.Struct):
    """All that the fold knows, to be kept and read back."""

    hosts: dict[str, Host] = {}
    watermarks: dict[str, int] = {}
    """How far the clocks of lines are, by lane."""
    received: dict[str, int] = {}
    """How far the receiver's clock is, by lane."""
    totals: Totals = msgspec.field(default_factory=Totals)
    texts: list[str] = []
    """The templates, in their order."""


class Appeared(msgspec.Struct, frozen=True):
    """A template that no host had written before."""

    template: Template
    host_id: str
    source: str
    at_ms: int
    severity: float


class HealthFold:
    """Folds records of lines, and says what changed about hosts."""

    def __init__(self, rules: RuleSet, memory: Memory | None = None) -> None:
        self.memory = Memory() if memory is None else memory
        self.miner = TemplateMiner(self.memory.texts)
        self.appeared: list[Appeared] = []
        """Of the last call of `take`."""
        hosts = self.memory.hosts.items()
        self._ill = {key: None for key, host in hosts if host.standing != "well"}
        self._before: dict[str, int] = {}
        """The watermarks before the block that is being folded."""
        self._severities: list[float] = []
        self._alerting: set[int] = set()
        self._swept_at_ms = 0
        self._lines_since_look = 0
        self._by_id: dict[str, Rule] = {}
        self.set_rules(rules)

    def set_rules(self, rules: RuleSet) -> None:
        """Judge by these rules from now on; counts of rules that stayed the same go on."""
        before = self._by_id
        self._rules, self._odd = rules.rules, rules.odd_lines
        built_in = _built_in(rules.odd_lines)
        self._by_id = {each.rule_id: each for each in (*rules.rules, *built_in)}
        self._matcher: Matcher = matcher_of([each.pattern for each in rules.rules])
        changed = {key for key, rule in before.items() if self._by_id.get(key) != rule}
        for host in self.memory.hosts.values():
            host.counts = {
                key: count
                for key, count in host.counts.items()
                if key not in changed and key in self._by_id
            }

    def take(self, records: Sequence[LineRecord]) -> list[HostJudged]:
        """Fold records, and return what has changed about their hosts and others."""
        block = Block(records)
        touched: dict[str, None] = {}
        self._move_watermarks(block, touched)
        known = len(self.miner.templates)
        templates = self.miner.all_of(block.lines, block.text)
        self._rate_templates()
        for match in self._matcher.matches(block.lines, block.text):
            self._count(block, match.line, self._rules[match.pattern], touched)
        if not self._alerting.isdisjoint([each.number for each in templates]):
            rule = self._by_id[ALERTS]
            for line, each in enumerate(templates):
                if each.number in self._alerting:
                    self._count(block, line, rule, touched)
        self.appeared = []
        if len(self.miner.templates) > known:
            self._note_new(block, templates, known, touched)
        self.memory.totals.lines += len(block.lines)
        self._lines_since_look += len(block.lines)
        if self._lines_since_look >= LOOK_LINES:
            touched |= self._ill
            self._lines_since_look = 0
        return self._judged(touched)

    def passed(self, lanes: Iterable[str], now_ms: int) -> list[HostJudged]:
        """What has changed because time has passed without records of these lanes."""
        for lane in lanes:
            for marks in (self.memory.watermarks, self.memory.received):
                marks[lane] = max(marks.get(lane, 0), now_ms)
        self._lines_since_look = 0
        return self._judged(dict(self._ill))

    def kept(self) -> Memory:
        """All that the fold knows; it is the fold's own, to be encoded at once."""
        self.memory.texts = [each.text for each in self.miner.templates]
        return self.memory

    def _rate_templates(self) -> None:
        """Find how bad the templates sound that were not there before."""
        for each in self.miner.templates[len(self._severities) :]:
            found = severity(each.text, level_within(each.text))
            self._severities.append(found)
            if found >= ALERT_SCORE:
                self._alerting.add(each.number)

    def _move_watermarks(self, block: Block, touched: dict[str, None]) -> None:
        """Move watermarks by clocks that may be right, and count those that cannot be."""
        marks, received = self.memory.watermarks, self.memory.received
        self._before = dict(marks)
        for record in block.records:
            lane = record.lane
            marks[lane] = max(marks.get(lane, 0), record.newest_ms)
            received[lane] = max(received.get(lane, 0), record.received_at_ms)
            wrong = record.quarantined()
            if wrong:
                self.memory.totals.quarantined += wrong
                text = f"{wrong} lines whose clock is far from {record.received_at_ms} ms"
                count = self._counted(record, self._by_id[CLOCK])
                count.peak = max(count.peak, count.window.add(record.received_at_ms, wrong))
                count.newest_ms = record.received_at_ms
                count.lines = [*count.lines[1 - LINES_KEPT :], (text, record.source)]
                touched[record.host_id] = None

    def _count(self, block: Block, line: int, rule: Rule, touched: dict[str, None]) -> None:
        """Count one line for one rule, unless its clock cannot be right, or it comes too late."""
        record, at_ms, source = block.place(line)
        if at_ms is None or at_ms <= self._before.get(record.lane, 0) - rule.window_ms:
            return
        by_rule = self.memory.totals.by_rule
        by_rule[rule.rule_id] = by_rule.get(rule.rule_id, 0) + 1
        count = self._counted(record, rule)
        count.peak = max(count.peak, count.window.add(at_ms, rule.weight))
        count.newest_ms = max(count.newest_ms, at_ms)
        text = block.lines[line][:EVIDENCE_TEXT_MAX]
        count.lines = [*count.lines[1 - LINES_KEPT :], (text, source)]
        touched[record.host_id] = None

    def _counted(self, record: LineRecord, rule: Rule) -> Count:
        hosts = self.memory.hosts
        host = hosts.get(record.host_id)
        if host is None:
            if len(hosts) >= HOSTS_MAX:
                oldest = next((key for key in hosts if key not in self._ill), next(iter(hosts)))
                self._ill.pop(oldest, None)
                del hosts[oldest]
            host = hosts[record.host_id] = Host(record.lane)
        count = host.counts.get(rule.rule_id)
        if count is None:
            count = host.counts[rule.rule_id] = Count(Window(rule.window_ms))
        return count

    def _note_new(
        self, block: Block, templates: Sequence[Template], known: int, touched: dict[str, None]
    ) -> None:
        """Note the templates of this block that no host had written before."""
        if self.memory.totals.lines < self._odd.warm_up_lines:
            return
        first: dict[int, int] = {}
        for line, template in enumerate(templates):
            if template.number >= known:
                first.setdefault(template.number, line)
        for number, line in list(first.items())[:APPEARED_MAX]:
            record, at_ms, source = block.place(line)
            self.appeared.append(
                Appeared(
                    self.miner.templates[number],
                    record.host_id,
                    source,
                    record.received_at_ms if at_ms is None else at_ms,
                    self._severities[number],
                )
            )
            if number in self._alerting:
                self._count(block, line, self._by_id[NEW_ALERTS], touched)

    def _judged(self, touched: dict[str, None]) -> list[HostJudged]:
        """The verdicts of these hosts that have changed."""
        marks, hosts = self.memory.watermarks, self.memory.hosts
        found = []
        for host_id in touched:
            host = hosts.get(host_id)
            if host is None:
                continue
            verdict = self._verdict(host_id, host)
            if verdict is not None:
                found.append(verdict)
        for each in found:
            if each.standing == "well":
                self._ill.pop(each.host_id, None)
            else:
                self._ill[each.host_id] = None
        newest_ms = max(marks.values(), default=0)
        if newest_ms - self._swept_at_ms >= REPEAT_MS:
            self._swept_at_ms = newest_ms
            self._forget_counts()
        return found

    def _forget_counts(self) -> None:
        """Forget what has left its window, and hosts of which nothing is left."""
        for host_id, host in list(self.memory.hosts.items()):
            host.counts = {
                key: count
                for key, count in host.counts.items()
                if count.is_firing or count.window.total(self._now_ms(host, key))
            }
            if not host.counts and host.standing == "well":
                del self.memory.hosts[host_id]

    def _now_ms(self, host: Host, rule_id: str) -> int:
        """The time by which a rule's window ends; a wrong clock is counted by the receiver's."""
        marks = self.memory.received if rule_id == CLOCK else self.memory.watermarks
        return marks.get(host.lane, 0)

    def _verdict(self, host_id: str, host: Host) -> HostJudged | None:
        """The host's verdict, where it is another than the one told last."""
        firing = self._firing(host)
        now_ms = self.memory.received.get(host.lane, 0)
        standings = {each.rule.standing for each in firing}
        standing: HostStanding = (
            "sick" if "sick" in standings else "suspect" if "suspect" in standings else "well"
        )
        score = 0 if standing == "well" else max(each.score for each in firing)
        newest_ms = max((each.count.newest_ms for each in firing), default=0)
        if standing == host.standing and not _is_news(host, score, newest_ms, now_ms):
            return None
        host.standing, host.told_at_ms, host.told_score = standing, now_ms, score
        host.told_newest_ms = newest_ms
        return HostJudged(
            host_id=HostId(host_id),
            detector=DETECTOR,
            standing=standing,
            score_milli=score,
            evidence=_evidence(firing),
            # Of a block that spans hours, when it was so; being well again is found later.
            observed_at_ms=newest_ms or now_ms,
        )

    def _firing(self, host: Host) -> list["_Firing"]:
        """The rules that speak about a host, the loudest first."""
        found = []
        for rule_id, count in host.counts.items():
            rule = self._by_id[rule_id]
            total = max(count.peak, count.window.total(self._now_ms(host, rule_id)))
            count.peak = 0
            limit = (rule.threshold + 1) // 2 if count.is_firing else rule.threshold
            count.is_firing = total >= limit
            if count.is_firing:
                score = min(SCORE_MAX, total * SCORE_MAX // (2 * rule.threshold))
                found.append(_Firing(score, rule, count, total))
        return sorted(found, key=lambda each: (-each.score, each.rule.rule_id))


def _is_news(host: Host, score: int, newest_ms: int, now_ms: int) -> bool:
    """Whether a standing is worth telling again.

    A cell forgets what nobody repeats, and an operator or a runbook may have let the host back
    meanwhile; but only new lines say it anew.
    """
    since_ms = now_ms - host.told_at_ms
    if score > host.told_score:
        return since_ms >= REPEAT_MS
    again_ms = REPEAT_MS if host.standing == "sick" else REPEAT_SUSPECT_MS
    return newest_ms > host.told_newest_ms and since_ms >= again_ms


class _Firing(msgspec.Struct, frozen=True):
    """A rule that speaks about a host."""

    score: int
    rule: Rule
    count: Count
    total: int


def _built_in(odd: OddLines) -> tuple[Rule, ...]:
    """The rules that need no pattern."""
    span = odd.window_ms
    return (
        Rule(ALERTS, "", "suspect", threshold=odd.alerts or _NEVER, window_ms=span),
        Rule(NEW_ALERTS, "", "suspect", threshold=odd.new_alerts or _NEVER, window_ms=span),
        Rule(CLOCK, "", "suspect", threshold=CLOCK_LINES, window_ms=CLOCK_WINDOW_MS),
    )


def _evidence(firing: Sequence[_Firing]) -> tuple[Evidence, ...]:
    """The newest lines of the rules that speak."""
    found = [
        Evidence(
            kind="clock" if each.rule.rule_id == CLOCK else "line",
            text=f"{each.rule.rule_id}: {text}"[:EVIDENCE_TEXT_MAX],
            source=source,
            count=each.total,
        )
        for each in firing
        for text, source in each.count.lines
    ]
    return tuple(found[:EVIDENCE_MAX])
