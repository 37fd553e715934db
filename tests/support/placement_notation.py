"""Hosts, tasks and rules of placement in a few words, for tables of tests.

The one thing to know: what a row does not say is ordinary. A host has 8 cpu, 32 GiB and nothing
else; a task asks for 1 cpu and 1 GiB; the rules pack by cpu and memory and guard nothing.

Hosts, separated by ``;``: names, then a colon and phrases, separated by commas.
    a b c: cpu 4, zone A; d: ports 31000-31003, eni 1x2, gpus 2 of T4
Requests: a job, how many tasks, and phrases.
    web x3: cpu 0.5, hard uniqueHost, soft zoneBalance, ports 2, groups sg1+sg2
Constraints: the kind, then attribute and values as they need them.
    uniqueHost   availabilityZone=A   hostAttributeIn(rack)=r1+r2   nearJob(zone)=other
Rules: phrases, separated by commas.
    weights cpu 1 memory 1, good enough 900, launching 1, quality 500, lost A
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast, get_args

import msgspec

from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.rules import (
    Amount,
    CapacityGroup,
    PlacementRules,
    Profile,
    Selector,
    Tier,
)
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.request import Request

replace = msgspec.structs.replace
KINDS = get_args(ConstraintKind)
PLAIN_RULES = PlacementRules(
    profiles=(
        Profile(name="pack", weights=(("packing", 1),), soft_weight=1),
        Profile(name="spread", weights=(("packing", 1),), soft_weight=1),
    ),
    tiers=(
        Tier(name="Critical", service_profile="spread", batch_profile="pack"),
        Tier(name="Flex", service_profile="pack", batch_profile="pack"),
    ),
)
_CONSTRAINT = re.compile(r"(?P<kind>\w+)(?:\((?P<attribute>\w+)\))?(?:=(?P<values>\S+))?")


def milli(text: str) -> int:
    """A decimal number in whole thousandths."""
    thousandths = Decimal(text) * 1_000
    assert thousandths == int(thousandths), f"{text} is finer than a thousandth"
    return int(thousandths)


def mib(text: str) -> int:
    """An amount of memory or disk in MiB: ``512``, or ``8g``."""
    return 1_024 * int(text[:-1]) if text.endswith("g") else int(text)


def constraint(text: str) -> Constraint:
    """A constraint from its kind, attribute and values."""
    found = _CONSTRAINT.fullmatch(text)
    assert found is not None, f"no constraint: {text}"
    assert found["kind"] in KINDS, f"no kind of constraint: {text}"
    values = tuple(found["values"].split("+")) if found["values"] else ()
    kind = cast("ConstraintKind", found["kind"])
    return Constraint(kind, attribute=found["attribute"] or "", values=values)


def _phrases(text: str) -> Iterator[tuple[str, str]]:
    for phrase in text.split(","):
        word, _, rest = phrase.strip().partition(" ")
        if word:
            yield word, rest.strip()


def hosts(text: str) -> list[HostView]:
    """The hosts of a row."""
    found = []
    for part in text.split(";"):
        names, _, phrases = part.partition(":")
        found += [host(name, phrases) for name in names.split()]
    return found


def host(name: str, phrases: str = "") -> HostView:
    """One host. ``used`` is what others already have of its cpu; ``mem used`` of its memory."""
    facts: dict[str, Any] = {"attributes": {}, "of_job": {}, "used": 0, "ports": ()}
    free: dict[str, Any] = {"cpu_milli": 8_000, "memory_mib": 32 * 1_024}
    more: dict[str, Any] = {}
    for word, rest in _phrases(phrases):
        _host_phrase(word, rest, facts, free, more)
    total = Resources(**free)
    free["cpu_milli"] -= facts["used"]
    return HostView(
        host_id=HostId(name),
        hostname=f"{name}.example",
        free=Resources(**free, ports=facts["ports"]),
        total=total,
        attributes=tuple(sorted(facts["attributes"].items())),
        tasks_of_job=tuple(sorted(facts["of_job"].items())),
        **more,
    )


def _host_phrase(  # noqa: C901, PLR0912 - one arm a word
    word: str, rest: str, facts: dict[str, Any], free: dict[str, Any], more: dict[str, Any]
) -> None:
    match word:
        case "cpu":
            free["cpu_milli"] = milli(rest)
        case "mem" | "disk":
            free["memory_mib" if word == "mem" else "disk_mib"] = mib(rest)
        case "net":
            free["network_mbps"], more["accounts_network"] = int(rest), True
        case "used":
            facts["used"] = milli(rest)
        case "ports":
            pairs = (each.split("-") for each in rest.split("+"))
            facts["ports"] = tuple(PortRange(int(begin), int(end)) for begin, end in pairs)
        case "scalar":
            name, amount = rest.split()
            free["scalars"] = (*free.get("scalars", ()), (name, milli(amount)))
        case "gpus":
            count, _, model = rest.partition(" of ")
            free["gpus"], more["gpu_model"] = int(count), model
            more["gpus"] = tuple(GpuDevice(1_000) for _ in range(int(count)))
        case "eni":
            count, addresses = rest.split("x")
            one = Interface(addresses=int(addresses))
            more["interfaces"] = (*more.get("interfaces", ()), *[one] * int(count))
        case "runs":
            job, _, count = rest.partition(" x")
            facts["of_job"][JobId(job)] = int(count or 1)
        case "exclusive":
            facts["of_job"][JobId(rest)], more["exclusive_job"] = 1, JobId(rest)
        case "image":
            more["images"] = (*more.get("images", ()), rest)
        case "groups":
            more["security_groups"] = (*more.get("security_groups", ()), tuple(rest.split("+")))
        case "last":
            more["is_last_choice"] = True
        case "services" | "launching":
            more[word] = int(rest)
        case "quality":
            more["quality_milli"] = int(rest)
        case "rate":
            more["launches_last_minute"] = int(rest)
        case "expires":
            more["expires_at_ms"] = int(rest)
        case "attr":
            name, _, value = rest.partition("=")
            facts["attributes"][name] = value
        case "zone" | "itype" | "group" | "taints" | "volumes" | "rack":
            facts["attributes"][word] = rest.replace("+", ",")
        case _:
            raise AssertionError(f"no word of a host: {word} {rest}")


def request(text: str) -> tuple[Request, int]:
    """A request, and how many tasks of it."""
    head, _, phrases = text.partition(":")
    job, _, count = head.strip().partition(" x")
    need: dict[str, Any] = {"cpu_milli": 1_000, "memory_mib": 1_024}
    facts: dict[str, Any] = {}
    for word, rest in _phrases(phrases):
        _request_phrase(word, rest, need, facts)
    for strength in ("hard", "soft"):
        facts[strength] = tuple(sorted(facts.get(strength, ())))
    return Request(job_id=JobId(job.strip()), need=Need(**need), **facts), int(count or 1)


def _request_phrase(  # noqa: C901 - one arm a word
    word: str, rest: str, need: dict[str, Any], facts: dict[str, Any]
) -> None:
    match word:
        case "cpu":
            need["cpu_milli"] = milli(rest)
        case "mem" | "disk":
            need["memory_mib" if word == "mem" else "disk_mib"] = mib(rest)
        case "net":
            need["network_mbps"] = int(rest)
        case "ports" | "addresses":
            need[word] = int(rest)
        case "gpu":
            amount, _, models = rest.partition(" of ")
            whole = milli(amount) >= 1_000
            need["gpus" if whole else "gpu_milli"] = milli(amount) // (1_000 if whole else 1)
            need["gpu_models"] = tuple(sorted(models.split("+"))) if models else ()
        case "scalar":
            name, amount = rest.split()
            need["scalars"] = (*need.get("scalars", ()), (name, milli(amount)))
        case "hard" | "soft":
            facts[word] = [*facts.get(word, ()), constraint(rest)]
        case "groups":
            # Who has security groups has an address; the order of the groups says nothing.
            need["addresses"] = 1
            facts["security_groups"] = tuple(sorted(rest.split("+")))
        case "tier" | "group" | "image":
            facts[word] = rest
        case "service":
            facts["is_service"] = True
        case "opportunistic":
            facts["is_opportunistic"] = True
        case "runtime":
            facts["runtime_ms"] = int(rest)
        case _:
            raise AssertionError(f"no word of a request: {word} {rest}")


def rules(text: str) -> PlacementRules:
    """The rules of a row; an empty text is the plain ones."""
    found = PLAIN_RULES
    for word, rest in _phrases(text):
        found = _rule(found, word, rest)
    return found


def _rule(  # noqa: PLR0911 - one arm a word
    found: PlacementRules, word: str, rest: str
) -> PlacementRules:
    match word:
        case "weights":
            words = rest.split()
            weights = tuple(sorted(zip(words[::2], map(int, words[1::2]), strict=True)))
            return _profiles(found, weights=weights)
        case "good":
            return _profiles(found, good_enough=int(rest.removeprefix("enough ")))
        case "launching":
            return _guards(found, launching_per_host_max=int(rest))
        case "rate":
            return _guards(found, launches_per_host_per_minute=int(rest))
        case "job-rate":
            return _guards(found, launches_per_job_per_minute=int(rest))
        case "quality":
            return _guards(found, quality_least_milli=int(rest))
        case "rest":
            return _guards(found, address_reuse_ms=int(rest))
        case "lost":
            return replace(found, lost_zones=tuple(rest.split()))
        case "aging":
            return replace(found, aging_ms=int(rest))
        case "group":
            groups = {each.name: each for each in (*found.groups, _group(rest))}
            return replace(found, groups=tuple(groups[name] for name in sorted(groups)))
        case "must" | "should":
            each = Selector(name=rest, strength=word, constraint=constraint(rest))
            return replace(found, selectors=(*found.selectors, each))
        case _:
            raise AssertionError(f"no word of the rules: {word} {rest}")


def _group(text: str) -> CapacityGroup:
    """``NAME TIER cpu 4 limit 8 weight 2 under PARENT``: guaranteed cpu, limit of cpu."""
    name, tier, *words = text.split()
    said = dict(zip(words[::2], words[1::2], strict=True))
    guarantee = Amount(cpu_milli=milli(said["cpu"])) if "cpu" in said else Amount()
    limit = Amount(cpu_milli=milli(said["limit"])) if "limit" in said else Amount()
    return CapacityGroup(
        name=name,
        tier=tier,
        guarantee=guarantee,
        limit=limit,
        weight=int(said.get("weight", "1")),
        parent=said.get("under", ""),
    )


def _profiles(found: PlacementRules, **changes: object) -> PlacementRules:
    return replace(found, profiles=tuple(replace(each, **changes) for each in found.profiles))


def _guards(found: PlacementRules, **changes: object) -> PlacementRules:
    return replace(found, guards=replace(found.guards, **changes))
