"""The best host for one task the slow way: the fitness of every host, by the words of each part.

The one thing to know: this is what `scheduler.placement` must answer, task by task; written from
the docstrings of the parts, the constraints and the rules, with fractions instead of columns.
"""

from fractions import Fraction
from hashlib import blake2b

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId
from scheduler.model.rules import PlacementRules, Profile
from scheduler.placement.host import HostView
from scheduler.placement.request import Request
from tests.support.naive_hosts import NaiveHosts, group_set

DAY_MS = 86_400_000
Standing = tuple[bool, Fraction, int, int]
"""Not a last choice, weighted sum, how full, and the digest of its id: the greatest is the best."""


class NaivePlacer:
    """Rules and hosts, asked about one task at a time."""

    def __init__(self, hosts: NaiveHosts, rules: PlacementRules) -> None:
        self.hosts = hosts
        self.rules = rules

    def best(self, request: Request) -> HostId | None:
        """The host that the next task of the request must get; None where none will do."""
        standings = self.standings(request)
        return max(standings, key=standings.__getitem__) if standings else None

    def standings(self, request: Request) -> dict[HostId, Standing]:
        """How each host stands that no hard rule refuses."""
        request = with_selectors(request, self.rules)
        return {
            host_id: self.standing(view, request)
            for host_id, view in self.hosts.views.items()
            if not self.hosts.broken(host_id, request, self.rules)
        }

    def standing(self, view: HostView, request: Request) -> Standing:
        """How one host stands for one more task."""
        profile = profile_of(request, self.rules)
        total = Fraction(0)
        weight_of_all = 0
        for name, weight in profile.weights:
            total += weight * self.part(name, view, request)
            weight_of_all += weight
        if request.soft and profile.soft_weight:
            total += profile.soft_weight * self.soft(view, request)
            weight_of_all += profile.soft_weight
        if profile.good_enough is not None:
            total = min(total, Fraction(profile.good_enough * weight_of_all))
        digest = blake2b(view.host_id.encode(), digest_size=8).digest()
        return not view.is_last_choice, total, fullness(view), int.from_bytes(digest, "big") >> 1

    def is_any_good_enough(self, request: Request) -> bool:
        """Whether the search may end at any good host, and zones or the like are balanced."""
        balances = {"zoneBalance", "balancedAttribute"}
        has_cap = profile_of(request, self.rules).good_enough is not None
        return has_cap and any(each.kind in balances for each in request.hard)

    def soft(self, view: HostView, request: Request) -> Fraction:
        """The weighted mean of all soft constraints."""
        points = [(each.weight, self.soft_points(each, view, request)) for each in request.soft]
        return Fraction(sum(w * p for w, p in points), sum(w for w, _ in points))

    def soft_points(self, rule: Constraint, view: HostView, request: Request) -> int:
        """What one soft constraint thinks of the host."""
        if rule.kind == "uniqueHost":
            there = dict(view.tasks_of_job).get(request.job_id, 0)
            return 250 // there if there else 1_000
        if rule.kind in {"zoneBalance", "balancedAttribute"}:
            name = self.rules.zone_attribute if rule.kind == "zoneBalance" else rule.attribute
            values = self.hosts.values(name, self.rules)
            mine = dict(view.attributes).get(name)
            if mine not in values:
                return 0
            held = self.hosts.counts(request.job_id, name)
            ranks = sorted({held[value] for value in values})
            steps = len(ranks) - 1
            return 1_000 * (steps - ranks.index(held[mine])) // steps if steps else 1_000
        alone = Request(job_id=request.job_id, need=request.need, hard=(rule,))
        return 0 if rule.kind in self.hosts.broken(view.host_id, alone, self.rules) else 1_000

    def part(  # noqa: PLR0911 - one arm a part
        self, name: str, view: HostView, request: Request
    ) -> int:
        """One part of the fitness, 0 to 1,000."""
        if name in {"packing", "spread", "cpu", "memory", "disk", "network", "weighted"}:
            return _share(name, view, request)
        now_ms = self.hosts.now_ms
        of_job = dict(view.tasks_of_job)
        tasks = sum(of_job.values())
        match name:
            case "agent":
                return view.quality_milli * (1 if view.is_last_choice else 100) // 100
            case "age":
                return min(1_000, max(0, now_ms - view.since_ms) * 1_000 // (7 * DAY_MS))
            case "expiry":
                return _expiry(view, request, now_ms)
            case "jobSpread":
                there = of_job.get(request.job_id, 0)
                return 500 // there if there else 1_000
            case "jobType":
                alike = view.services if request.is_service else tasks - view.services
                return 1_000 * alike // tasks if tasks else 700
            case "image" | "imageSpread":
                is_there = request.image in view.images
                return _there(name, "imageSpread", is_there=is_there) if request.image else 1_000
            case "securityGroup" | "groupSpread":
                groups = group_set(request)
                is_there = groups in view.security_groups
                return _there(name, "groupSpread", is_there=is_there) if groups else 1_000
            case "noise":
                return 1_000 - view.noise_milli
            case _:
                raise AssertionError(f"no part of the fitness: {name}")


def _there(name: str, opposite: str, *, is_there: bool) -> int:
    return 1_000 if is_there != (name == opposite) else 10


def _expiry(view: HostView, request: Request, now_ms: int) -> int:
    if view.expires_at_ms is None:
        return 1_000
    left = max(0, view.expires_at_ms - now_ms)
    if request.runtime_ms is not None:
        return 1_000 if left >= request.runtime_ms else 0
    return 999 if left >= DAY_MS else left * 1_000 // DAY_MS


def _share(name: str, view: HostView, request: Request) -> int:
    need, free, total = request.need, view.free, view.total

    def share(used: int, of: int) -> Fraction:
        return Fraction(1_000 * used, of) if of else Fraction(0)

    cpu = share(total.cpu_milli - free.cpu_milli + need.cpu_milli, total.cpu_milli)
    memory = share(total.memory_mib - free.memory_mib + need.memory_mib, total.memory_mib)
    disk = share(total.disk_mib - free.disk_mib + need.disk_mib, total.disk_mib)
    network = Fraction(0)
    if view.accounts_network:
        used = total.network_mbps - free.network_mbps + need.network_mbps
        network = share(used, total.network_mbps)
    match name:
        case "packing":
            return int((cpu + memory) / 2)
        case "spread":
            return 1_000 - int((cpu + memory) / 2)
        case "weighted":
            asked = [(cpu, need.cpu_milli), (memory, need.memory_mib), (disk, need.disk_mib)]
            parts = [int(part) for part, amount in (*asked, (network, need.network_mbps)) if amount]
            return sum(parts) // len(parts)
        case _:
            return int({"cpu": cpu, "memory": memory, "disk": disk, "network": network}[name])


def fullness(view: HostView) -> int:
    """How full the host is already, finely: what tells hosts of equal fitness apart."""
    whole = Fraction(0)
    for used, total in (
        (view.total.cpu_milli - view.free.cpu_milli, view.total.cpu_milli),
        (view.total.memory_mib - view.free.memory_mib, view.total.memory_mib),
    ):
        whole += Fraction(1_000 * max(0, used), total) if total else 1_000
    return int(whole * 64)  # 17 bits for 2**11 points.


def profile_of(request: Request, rules: PlacementRules) -> Profile:
    """The profile of the request's tier and kind; in failover all work is packed."""
    if rules.mode == "failover":
        return next(each for each in rules.profiles if each.name == "pack")
    tier = next(each for each in rules.tiers if each.name == request.tier)
    name = tier.service_profile if request.is_service else tier.batch_profile
    return next(each for each in rules.profiles if each.name == name)


def with_selectors(request: Request, rules: PlacementRules) -> Request:
    """The request with what operators ask on top, each rule once."""
    hard, soft = set(request.hard), set(request.soft)
    for each in rules.selectors:
        is_for = (
            (not each.tiers or request.tier in each.tiers)
            and (not each.groups or request.group in each.groups)
            and (not each.applications or request.application in each.applications)
        )
        if is_for:
            (hard if each.strength == "must" else soft).add(each.constraint)
    facts = {name: getattr(request, name) for name in Request.__struct_fields__}
    return Request(**facts | {"hard": tuple(sorted(hard)), "soft": tuple(sorted(soft))})
