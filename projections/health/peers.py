"""Which hosts of a group are unlike the others, though all do the same work.

The one thing to know: a host is an outlier as DBSCAN has it, a point without enough neighbours near
by, in units of how far healthy peers are apart; and it is sick only when it stays one. A
second role within a group (a tenth of it or more) is a cluster of its own and no outlier. Each
metric is looked at twice: at its level, and at how much it moves, for a stuck metric has the right
level and no life.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from math import log
from typing import Final, NamedTuple

PEERS_MIN: Final = 5
"""With fewer there is no saying who is unlike whom."""
MEMORY_ROUNDS: Final = 12
"""Levels and movements are those of about so many samples."""
WARM_ROUNDS: Final = 6
"""A host is judged from its sixth sample on."""
FAR: Final = 5.0
"""Outliers are so many usual distances (1.48 median absolute deviations) from the middle."""
NEAR: Final = 2.0
NEAR_PART: Final = 0.125
"""Peers so near to an outlier are its neighbours: two usual distances, or an eighth of its own."""
NEIGHBOURS_PART: Final = 0.1
NEIGHBOURS_MIN: Final = 3
"""With a tenth of the group beside it, at least three, a host has a role and is no outlier."""
SICK_SHARE: Final = 0.7
WELL_SHARE: Final = 0.3
STANDING_ROUNDS: Final = 8
FIRST_STANDING_ROUNDS: Final = 4
"""Sick is who was an outlier in most of the last rounds, well again who hardly was."""
FORGET_ROUNDS: Final = 60
"""A host that is silent for so long is gone."""
LEAST_PART: Final = 0.02
"""Differences below a fiftieth of the middle are no distance, however alike the others are."""
SKEW_PART: Final = 0.25
"""Where positive numbers scatter by more than a quarter of their middle, their logarithms are
compared: twice as much is as far as half."""
_DEVIATION: Final = 1.4826


class PeerJudged(NamedTuple):
    """What is said of one host in one round."""

    host: str
    group: str
    score: float
    """From 0 to 1; a half is as far as outliers begin."""
    is_sick: bool
    metric: str = ""
    """The metric and view in which it is farthest from its peers."""
    distance: float = 0.0
    """How far, in usual distances; below 0 where it is too low."""
    peers: int = 0


class _Host:
    """One host's levels and movements, and how often it was an outlier lately."""

    __slots__ = ("group", "is_sick", "last", "levels", "moves", "rounds", "share", "silent")

    def __init__(self, group: str, metrics: int) -> None:
        self.group = group
        self.levels: list[float | None] = [None] * metrics
        self.moves = [0.0] * metrics
        self.last: list[float | None] = [None] * metrics
        self.rounds = self.silent = 0
        self.share = 0.0
        self.is_sick = False

    def take(self, values: Sequence[float | None]) -> None:
        """Take in a sample; metrics without a number stay as they were."""
        self.rounds += 1
        part = max(1.0 / self.rounds, 1.0 / MEMORY_ROUNDS)
        for at, value in enumerate(values):
            if value is None:
                continue
            level, last = self.levels[at], self.last[at]
            self.levels[at] = value if level is None else level + (value - level) * part
            if last is not None:
                self.moves[at] += (abs(value - last) - self.moves[at]) * part
            self.last[at] = value


class PeerWatch:
    """The hosts of all groups; one round is one sample of each."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self._metrics = tuple(metrics)
        self._hosts: dict[str, _Host] = {}
        self._round: dict[str, None] = {}

    @property
    def hosts(self) -> int:
        """How many hosts are remembered."""
        return len(self._hosts)

    def feed(self, host: str, group: str, values: Sequence[float | None]) -> None:
        """A host's sample of this round, a number for each metric or None."""
        known = self._hosts.get(host)
        if known is None or known.group != group:
            known = self._hosts[host] = _Host(group, len(self._metrics))
        known.silent = 0
        known.take(values)
        self._round[host] = None

    def judged(self) -> list[PeerJudged]:
        """What is said of the round's hosts, in the order they came; the next round begins."""
        groups: dict[str, list[str]] = {}
        for host in self._round:
            groups.setdefault(self._hosts[host].group, []).append(host)
        said = {
            each.host: each for group, hosts in groups.items() for each in self._group(group, hosts)
        }
        found = [said[host] for host in self._round]
        self._round = {}
        for host, known in list(self._hosts.items()):
            known.silent += 1
            if known.silent > FORGET_ROUNDS:
                del self._hosts[host]
        return found

    def _group(self, group: str, hosts: list[str]) -> list[PeerJudged]:
        """The group's hosts: how far each is from its peers, and how it stands."""
        ripe = [host for host in hosts if self._hosts[host].rounds >= WARM_ROUNDS]
        farthest: dict[str, tuple[float, str]] = {}
        if len(ripe) >= PEERS_MIN:
            for at, metric in enumerate(self._metrics):
                for name, points in self._views(at, metric, ripe).items():
                    for host, distance in _outlying(points).items():
                        if abs(distance) > abs(farthest.get(host, (0.0, ""))[0]):
                            farthest[host] = (distance, name)
        found = []
        for host in hosts:
            known = self._hosts[host]
            distance, name = farthest.get(host, (0.0, ""))
            far = abs(distance)
            if known.rounds >= WARM_ROUNDS:
                # The first rounds weigh more: a host may be new, and was sick from the beginning.
                judged = known.rounds - WARM_ROUNDS + FIRST_STANDING_ROUNDS
                known.share += ((far >= FAR) - known.share) / min(judged, STANDING_ROUNDS)
            known.is_sick = known.share >= (WELL_SHARE if known.is_sick else SICK_SHARE)
            score = far / (far + FAR)
            peers = len(hosts) - 1
            found.append(PeerJudged(host, group, score, known.is_sick, name, distance, peers))
        return found

    def _views(self, at: int, metric: str, hosts: list[str]) -> dict[str, dict[str, float]]:
        """For each view of the metric the hosts' numbers; one that says nothing is left out."""
        levels = {
            host: level for host in hosts if (level := self._hosts[host].levels[at]) is not None
        }
        if len(levels) < PEERS_MIN:
            return {}
        views = {metric: _evened(levels)}
        moves = {host: self._hosts[host].moves[at] for host in levels}
        usual = _middle(sorted(moves.values()))
        still = sum(move <= usual * 1e-6 for move in moves.values())
        if usual > 0.0 and still <= NEIGHBOURS_PART * len(moves):
            views[f"movement of {metric}"] = {
                host: log(max(move, usual * 1e-3)) for host, move in moves.items()
            }
        return views


def _evened(levels: Mapping[str, float]) -> dict[str, float]:
    """The levels, or their logarithms where they are positive and scatter widely."""
    ordered = sorted(levels.values())
    middle = _middle(ordered)
    if ordered[0] <= 0.0 or _usual(ordered, middle) <= SKEW_PART * middle:
        return dict(levels)
    return {host: log(level) for host, level in levels.items()}


def _outlying(points: Mapping[str, float]) -> dict[str, float]:
    """How far each host is from the middle, in usual distances; 0 where it has neighbours there."""
    ordered = sorted(points.values())
    middle = _middle(ordered)
    usual = max(_usual(ordered, middle), LEAST_PART * abs(middle), 1e-12)
    wanted = max(NEIGHBOURS_MIN, int(NEIGHBOURS_PART * len(ordered)))
    found = {}
    for host, point in points.items():
        distance = (point - middle) / usual
        if abs(distance) >= FAR:
            reach = max(NEAR, NEAR_PART * abs(distance)) * usual
            if _near(ordered, point, reach) > wanted:
                distance = 0.0
        found[host] = distance
    return found


def _near(ordered: list[float], point: float, reach: float) -> int:
    """How many numbers are within reach of the point, itself among them."""
    return bisect_right(ordered, point + reach) - bisect_left(ordered, point - reach)


def _middle(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _usual(ordered: list[float], middle: float) -> float:
    return _DEVIATION * _middle(sorted(abs(each - middle) for each in ordered))
