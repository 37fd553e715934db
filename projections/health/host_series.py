"""Hosts judged by their metrics: each against its own past, and against its peers.

The one thing to know: samples are put together into rounds of five minutes by their own times, and
a round is judged when the next begins. A surprise makes a host suspect for half an hour; so does
being unlike its peers. Sick is who is both, in a metric that does not hang on its tasks: load and
memory differ from host to host because the work does.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from projections.health.peers import PeerJudged, PeerWatch
from projections.health.series import THRESHOLD, Judged, SeriesDetector
from scheduler.model.health import EVIDENCE_TEXT_MAX, Evidence, HostJudged, HostStanding
from scheduler.model.ids import HostId

SERIES: Final = "series"
PEERS: Final = "peers"
METRICS: Final = ("load", "memory", "disk", "noise", "docker_latency", "heartbeat")
"""Load a cpu, used shares of memory and disk, waiting of tasks for each other, seconds of a call of
the container daemon, and the longest silence: what a host does not tell is left out."""
HEARTBEAT: Final = METRICS.index("heartbeat")
ALIKE: Final = ("disk", "docker_latency", "heartbeat")
"""What should be alike on all hosts of a group, whatever runs there."""
ROUND_MS: Final = 300_000
SUSPECT_ROUNDS: Final = 6
"""So long a surprise is remembered: half an hour."""
HOSTS_MAX: Final = 20_000
"""Hosts that are remembered; beyond, new ones are not judged. Some 20 KB each, of four metrics."""
SILENT_ROUNDS_MAX: Final = 12
"""After an hour of silence a host is forgotten: that it is gone is for the cell to say."""
AHEAD_MS: Final = 3_600_000
"""A clock that is so far ahead of all others' moves no round."""


class HostSample(msgspec.Struct, frozen=True):
    """What one host told once; metrics by the names of `METRICS`."""

    host_id: str
    group: str
    at_ms: int
    metrics: Mapping[str, float]
    source: str = ""
    """Where the record stands: ``topic:partition:offset``."""


class _Host:
    """One host: the sums of this round, its detectors, and what was told of it."""

    __slots__ = (
        "counts",
        "detectors",
        "gap_ms",
        "group",
        "last_ms",
        "silent",
        "source",
        "sums",
        "surprise",
        "surprised",
        "told",
    )

    def __init__(self, group: str, at_ms: int) -> None:
        self.group = group
        self.detectors: list[SeriesDetector | None] = [None] * len(METRICS)
        self.sums = [0.0] * len(METRICS)
        self.counts = [0] * len(METRICS)
        self.last_ms = at_ms
        self.gap_ms = 0
        self.silent = 0
        self.source = ""
        self.surprised = 0
        """Rounds for which the last surprise is still remembered."""
        self.surprise: tuple[str, Judged] | None = None
        self.told: dict[str, HostStanding] = {SERIES: "well", PEERS: "well"}

    def take(self, sample: HostSample) -> None:
        """Add a sample to the round."""
        for at, name in enumerate(METRICS):
            value = sample.metrics.get(name)
            if value is not None:
                self.sums[at] += value
                self.counts[at] += 1
        self.gap_ms = max(self.gap_ms, sample.at_ms - self.last_ms)
        self.last_ms = max(self.last_ms, sample.at_ms)
        self.group, self.source = sample.group, sample.source

    def round(self, end_ms: int) -> list[float | None]:
        """The means of the round that ends; the next begins."""
        self.silent = 0 if any(self.counts) else self.silent + 1
        found: list[float | None] = [
            total / count if count else None
            for total, count in zip(self.sums, self.counts, strict=True)
        ]
        found[HEARTBEAT] = max(self.gap_ms, end_ms - self.last_ms, 0) / 1_000
        self.sums, self.counts = [0.0] * len(METRICS), [0] * len(METRICS)
        self.gap_ms = 0
        return found


class HostSeriesFold:
    """Folds samples of hosts, and says what has changed about them."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}
        self._watch = PeerWatch(METRICS)
        self._round = 0
        self.refused = 0
        """Samples of hosts beyond the most that are remembered, and of impossible clocks."""

    @property
    def hosts(self) -> int:
        """How many hosts are remembered."""
        return len(self._hosts)

    def take(self, samples: Sequence[HostSample]) -> list[HostJudged]:
        """Fold samples in their order, and return the verdicts that have changed."""
        found: list[HostJudged] = []
        for each in samples:
            number = each.at_ms // ROUND_MS
            if self._round and each.at_ms > (self._round + 1) * ROUND_MS + AHEAD_MS:
                self.refused += 1
                continue
            if number > self._round:
                found += self.passed(each.at_ms)
            host = self._hosts.get(each.host_id)
            if host is None:
                if len(self._hosts) >= HOSTS_MAX:
                    self.refused += 1
                    continue
                host = self._hosts[each.host_id] = _Host(each.group, each.at_ms)
            host.take(each)
        return found

    def passed(self, now_ms: int) -> list[HostJudged]:
        """What has changed because time has come so far, with samples or without."""
        number = now_ms // ROUND_MS
        if not self._round:
            self._round = number
        found: list[HostJudged] = []
        # After a long stop of ours the rounds of silence are not made up for.
        if number > self._round + SILENT_ROUNDS_MAX:
            found += self._judged()
            self._round = number
        while self._round < number:
            found += self._judged()
            self._round += 1
        return found

    def _judged(self) -> list[HostJudged]:
        """Judge the round that ends."""
        end_ms = (self._round + 1) * ROUND_MS
        for host_id, host in list(self._hosts.items()):
            means = host.round(end_ms)
            if host.silent > SILENT_ROUNDS_MAX:
                del self._hosts[host_id]
                continue
            self._surprise(host, means)
            self._watch.feed(host_id, host.group, means)
        found: list[HostJudged] = []
        for said in self._watch.judged():
            host = self._hosts[said.host]
            found += _verdicts(said, host, end_ms)
        return found

    def _surprise(self, host: _Host, means: Sequence[float | None]) -> None:
        """Hold the host's means against its own past."""
        host.surprised = max(0, host.surprised - 1)
        for at, value in enumerate(means):
            if value is None:
                continue
            detector = host.detectors[at]
            if detector is None:
                detector = host.detectors[at] = SeriesDetector()
            judged = detector.feed(value)
            if judged.score >= THRESHOLD and (
                not host.surprised or host.surprise is None or judged.score > host.surprise[1].score
            ):
                host.surprise, host.surprised = (METRICS[at], judged), SUSPECT_ROUNDS


def _verdicts(said: PeerJudged, host: _Host, at_ms: int) -> list[HostJudged]:
    """The verdicts of both detectors, where they are others than those told last."""
    surprise = host.surprise if host.surprised else None
    peers: HostStanding = "well"
    if said.is_sick:
        is_own = surprise is not None and said.metric.endswith(ALIKE)
        peers = "sick" if is_own else "suspect"
    standings: dict[str, tuple[HostStanding, float]] = {
        SERIES: ("well", 0.0) if surprise is None else ("suspect", surprise[1].score),
        PEERS: (peers, said.score if said.is_sick else 0.0),
    }
    found = []
    for detector, (standing, score) in standings.items():
        if standing == host.told[detector]:
            continue
        host.told[detector] = standing
        evidence = () if standing == "well" else _evidence(detector, said, host, surprise)
        found.append(
            HostJudged(
                host_id=HostId(said.host),
                detector=detector,
                standing=standing,
                score_milli=round(1_000 * score),
                evidence=evidence,
                observed_at_ms=at_ms,
            )
        )
    return found


def _evidence(
    detector: str, said: PeerJudged, host: _Host, surprise: tuple[str, Judged] | None
) -> tuple[Evidence, ...]:
    """What speaks for a verdict."""
    found = []
    if surprise is not None:
        metric, judged = surprise
        text = (
            f"{metric}: the {judged.view} was {judged.number:.4g}, beyond all before by"
            f" {judged.margin:.0%} of its usual range"
        )
        found.append(Evidence("series", text[:EVIDENCE_TEXT_MAX], host.source))
    if detector == PEERS:
        text = (
            f"{said.metric}: {said.distance:+.1f} usual distances from the middle of"
            f" {said.peers} peers in {said.group or 'the cell'}"
        )
        found.append(Evidence("peers", text[:EVIDENCE_TEXT_MAX], host.source, max(said.peers, 1)))
    return tuple(found)
