"""Operators' commands about the fleet, read from records of topic ``commands``, and written.

The one thing to know: `scheduler.model.foreign` hooks the readers in. The document of the rules has
the names of `FleetRules` in camel case, times in milliseconds; what it leaves out has its default.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from scheduler.model.fleet_rules import (
    FLEET_GROUPS_MAX,
    DeploymentAsked,
    DeploymentOrder,
    DeploymentOrdered,
    FleetAsked,
    FleetRequest,
    FleetRules,
    GroupRule,
    GroupSizeAsked,
    NetworkRules,
)
from scheduler.model.reading.checks import name_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_said
from scheduler.model.rules import Amount
from scheduler.model.warm_pools import POOL_STATES, WarmPoolAsked, WarmPoolRule

NUMBER_MAX: Final = 10**12
HOSTS_MAX: Final = 100_000
ATTRIBUTES_MAX: Final = 64
SUBNETS_MAX: Final = 64
BATCH_MAX: Final = 50
"""AWS gives an interface no more addresses."""
ORDERS: Final[tuple[DeploymentOrder, ...]] = ("pause", "resume", "rollback")
_NAME: Final = name_check(255)
_LEAST: Final[Mapping[str, int]] = {
    "look_ms": 1_000,
    "tokens_max": 1,
    "tokens_per_min": 1,
    "change_window_ms": 1_000,
    "change_hosts_min": 1,
    "silence_ms": 10_000,
    "join_timeout_ms": 10_000,
}
"""What is done again and again must have a pause, and what is limited must be possible."""


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


_NUMBERS: Final = tuple(
    each.name for each in msgspec.structs.fields(FleetRules) if each.type is int
)


def read_rules(fields: Fields) -> FleetRules:
    """The rules that ``fields`` describe, whole; faults are added to theirs."""
    default = FleetRules()
    numbers: dict[str, Any] = {
        name: fields.whole(
            _camel(name), _LEAST.get(name, 0), NUMBER_MAX, default=getattr(default, name)
        )
        for name in _NUMBERS
    }
    groups = tuple(_read_group(each) for each in fields.objects("groups", FLEET_GROUPS_MAX))
    names = [each.name for each in groups]
    for name in sorted({each for each in names if names.count(each) > 1}):
        fields.fault("groups", f"name {name!a} twice", "keep one of them")
    attribute = fields.text("instanceAttribute", _NAME, default=default.instance_attribute)
    is_paused = fields.truth("isPaused", default=False)
    inside = fields.inner_if_given("network")
    network = None if inside is None else _read_network(inside)
    fields.close()
    return FleetRules(
        network=network,
        groups=tuple(sorted(groups, key=lambda each: each.name)),
        instance_attribute=attribute,
        is_paused=is_paused,
        **numbers,
    )


def _read_network(fields: Fields) -> NetworkRules:
    default = NetworkRules()
    subnets = tuple(
        sorted(
            (zone, found.text(zone, _NAME))
            for found in (fields.inner("subnets"),)
            for zone, _ in found.items(SUBNETS_MAX)
        )
    )
    rules = NetworkRules(
        subnets=subnets,
        batch=fields.whole("batch", 1, BATCH_MAX, default=default.batch),
        idle_ms=fields.whole("idleMs", 10_000, NUMBER_MAX, default=default.idle_ms),
        look_ms=fields.whole("lookMs", 1_000, NUMBER_MAX, default=default.look_ms),
        is_paused=fields.truth("isPaused", default=False),
    )
    fields.close()
    return rules


def _read_group(fields: Fields) -> GroupRule:
    name = fields.text("name", _NAME)
    shape = _read_shape(fields.inner("shape"))
    price = fields.whole("priceMicro", 0, NUMBER_MAX, default=0)
    attributes: tuple[tuple[str, str], ...] = ()
    inside = fields.inner_if_given("attributes")
    if inside is not None:
        attributes = tuple(
            (key, inside.text(key, _NAME)) for key, _ in inside.items(ATTRIBUTES_MAX)
        )
    idle_min = fields.whole("idleMin", 0, HOSTS_MAX, default=0)
    idle_max = fields.whole("idleMax", 0, HOSTS_MAX, default=max(5, idle_min))
    size_min = fields.whole("sizeMin", 0, HOSTS_MAX, default=0)
    size_max = fields.whole("sizeMax", 0, HOSTS_MAX, default=0)
    if idle_max < idle_min:
        fields.fault("idleMax", f"is {idle_max}, below idleMin", "hosts would come and go")
    if size_max and size_max < size_min:
        fields.fault("sizeMax", f"is {size_max}, below sizeMin", "0 means what the cloud says")
    is_protecting = fields.truth("isProtecting", default=True)
    is_paused = fields.truth("isPaused", default=False)
    fields.close()
    return GroupRule(
        name=name,
        shape=shape,
        price_micro=price,
        attributes=attributes,
        idle_min=idle_min,
        idle_max=idle_max,
        size_min=size_min,
        size_max=size_max,
        is_protecting=is_protecting,
        is_paused=is_paused,
    )


def _read_shape(fields: Fields) -> Amount:
    cpu = fields.thousandths("cpu", 1, NUMBER_MAX)
    memory = fields.whole("memoryMB", 1, NUMBER_MAX)
    disk, network, gpus = (
        fields.whole(name, 0, NUMBER_MAX) if fields.has(name) else None
        for name in ("diskMB", "networkMbs", "gpu")
    )
    fields.close()
    return Amount(cpu, memory, disk, network, gpus)


def rules_document(rules: FleetRules) -> dict[str, Any]:
    """The rules as `read_rules` reads them."""
    document: dict[str, Any] = {_camel(name): getattr(rules, name) for name in _NUMBERS}
    document |= {"instanceAttribute": rules.instance_attribute, "isPaused": rules.is_paused}
    if rules.network is not None:
        network = rules.network
        document["network"] = {
            "subnets": dict(network.subnets),
            "batch": network.batch,
            "idleMs": network.idle_ms,
            "lookMs": network.look_ms,
            "isPaused": network.is_paused,
        }
    document["groups"] = [_group_document(each) for each in rules.groups]
    return document


def _group_document(rule: GroupRule) -> dict[str, Any]:
    shape = rule.shape
    given = {"diskMB": shape.disk_mib, "networkMbs": shape.network_mbps, "gpu": shape.gpus}
    return {
        "name": rule.name,
        "shape": {
            "cpu": (shape.cpu_milli or 0) / 1_000,
            "memoryMB": shape.memory_mib or 0,
            **{name: value for name, value in given.items() if value is not None},
        },
        "priceMicro": rule.price_micro,
        "attributes": dict(rule.attributes),
        "idleMin": rule.idle_min,
        "idleMax": rule.idle_max,
        "sizeMin": rule.size_min,
        "sizeMax": rule.size_max,
        "isProtecting": rule.is_protecting,
        "isPaused": rule.is_paused,
    }


def _set_fleet(fields: Fields) -> FleetAsked:
    # Paths are those of the document, as the REST API gives them.
    rules = read_rules(fields.inner("rules", path=""))
    actor, why = read_said(fields, is_required=True)
    if_version = fields.whole("ifVersion", 0, NUMBER_MAX) if fields.has("ifVersion") else None
    return FleetAsked(rules, actor, why, if_version)


def _set_size(fields: Fields) -> GroupSizeAsked:
    group = fields.text("group", _NAME)
    desired = fields.whole("desired", 0, HOSTS_MAX)
    return GroupSizeAsked(group, desired, *read_said(fields, is_required=True))


def _set_warm_pool(fields: Fields) -> WarmPoolAsked:
    group = fields.text("group", _NAME)
    inside = fields.inner_if_given("pool")
    rule = None if inside is None else _read_pool(inside)
    is_removed = fields.truth("remove", default=False)
    if is_removed == (rule is not None):
        hint = 'give either pool, as {"minSize": 2}, or "remove": true'
        fields.fault("pool", "stands beside remove" if is_removed else "is missing", hint)
    return WarmPoolAsked(group, rule, *read_said(fields, is_required=True))


def _read_pool(fields: Fields) -> WarmPoolRule:
    minimum = fields.whole("minSize", 0, HOSTS_MAX, default=0)
    most = fields.whole("maxPrepared", 0, HOSTS_MAX) if fields.has("maxPrepared") else None
    if most is not None and most < minimum:
        hint = "group and pool together cannot be fewer than the pool"
        fields.fault("maxPrepared", f"is {most}, below minSize", hint)
    said = fields.text("state", _NAME, default=POOL_STATES[0])
    state = next((each for each in POOL_STATES if each == said), None)
    if state is None:
        fields.fault("state", f"is {said!a}", f"one of {', '.join(POOL_STATES)}")
    rule = WarmPoolRule(
        minimum=minimum,
        prepared_max=most,
        state=state or POOL_STATES[0],
        is_reusing=fields.truth("reuseOnScaleIn", default=False),
    )
    fields.close()
    return rule


def pool_document(rule: WarmPoolRule) -> dict[str, Any]:
    """The rule of a warm pool as `SetWarmPool` has it; what has no bound is left out."""
    most = {} if rule.prepared_max is None else {"maxPrepared": rule.prepared_max}
    return {
        "minSize": rule.minimum,
        **most,
        "state": rule.state,
        "reuseOnScaleIn": rule.is_reusing,
    }


def _deploy(fields: Fields) -> DeploymentAsked:
    new, old = fields.text("new", _NAME), fields.text("old", _NAME)
    actor, why = read_said(fields, is_required=True)
    return DeploymentAsked(
        new=new,
        old=old,
        actor=actor,
        why=why,
        size=fields.whole("size", 0, HOSTS_MAX, default=0),
        hosts_at_once=fields.whole("hostsAtOnce", 0, HOSTS_MAX, default=0),
        bake_ms=fields.whole("bakeMs", 0, NUMBER_MAX, default=600_000),
        timeout_ms=fields.whole("timeoutMs", 60_000, NUMBER_MAX, default=3_600_000),
        is_group_kept=fields.truth("keepGroup", default=False),
    )


def _order_deployment(fields: Fields) -> DeploymentOrdered:
    name, said = fields.text("name", _NAME), fields.text("order", _NAME)
    order = next((each for each in ORDERS if each == said), None)
    if order is None:
        fields.fault("order", f"is {said!a}", f"one of {', '.join(ORDERS)}")
    return DeploymentOrdered(name, order or "pause", *read_said(fields, is_required=True))


FLEET_REQUESTS: Final[Mapping[str, Callable[[Fields], FleetRequest]]] = {
    "SetFleet": _set_fleet,
    "SetGroupSize": _set_size,
    "SetWarmPool": _set_warm_pool,
    "DeployFleet": _deploy,
    "OrderDeployment": _order_deployment,
}
"""The reader of each type of record."""


def encode_fleet_request(kind: str, fields: Mapping[str, Any], actor: str, why: str) -> bytes:
    """The value of a record of one of `FLEET_REQUESTS`."""
    assert kind in FLEET_REQUESTS, kind
    return msgspec.json.encode({"type": kind, **fields, "actor": actor, "why": why})
