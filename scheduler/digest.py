"""A digest of the whole state, kept up to date entity by entity.

The one thing to know: the digest is the sum, modulo 2**128, of one BLAKE2b value for each entity,
so its order does not matter and a change costs only what it touches. Two folds of the same log
have the same digest at the same offset; a difference halts, and `scheduler.digest_sums` says where
the two differ.

A digest has a version, because what it is made from may have to change. A build computes its
current one and the one before it (`RULES`), so that followers of the build before and after an
update can be compared with whichever leads.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from scheduler.digest_sums import sums_of
from scheduler.model.codec import encode_entity
from scheduler.model.events import KindSums
from scheduler.model.ids import TaskId
from scheduler.state import ENTITY_KINDS, State

_MODULUS: Final = 1 << 128
_KINDS: Final = (*ENTITY_KINDS, "cell")


NOT_MADE: Final = -1
STALE_MAX: Final = 2_000
"""Entities that may wait for the next value: 20 to 40 ms of work. An entity changes several times
in a row and rests then; among so many those that are looked at early have mostly come to rest."""


class DigestRules(NamedTuple):
    """One version of the digest: its number, and the bytes that stand for an entity."""

    version: int
    encode: Callable[[str, object, object], bytes]


RULES: Final = (DigestRules(1, encode_entity),)
"""Of the version before and of the current one, which is the last; the first build has one."""


class Digest:
    """The digest of one state, in each version that this build computes."""

    version: int = RULES[-1].version
    """The current version: the one that this build writes into checkpoints."""

    def __init__(self, state: State, rules: tuple[DigestRules, ...] = RULES) -> None:
        self.version = rules[-1].version
        self.made_at = NOT_MADE
        """The state's next offset when the last value was made."""
        self._state = state
        self._versions = {each.version: _Version(each) for each in rules}

    def value(self) -> str:
        """The digest of the state as it is now in the current version, 32 hexadecimal digits."""
        return self.values()[self.version]

    def values(self) -> dict[int, str]:
        """The digest of the state as it is now in every version."""
        state = self._state
        look_up = _look_ups(state)
        for each in self._versions.values():
            each.update(state, look_up)
        for stale in state.dirty.values():
            stale.clear()
        self.made_at = state.next_offset
        return {version: each.text() for version, each in self._versions.items()}

    def take_in(self, stale_max: int = STALE_MAX) -> None:
        """Look at stale entities ahead of the next value until no more than so many are left.

        What a value costs is bounded so: else a mark of a busy cell would stand still for as long
        as it takes to look at everything that changed since the last one.
        """
        state = self._state
        surplus = sum(map(len, state.dirty.values())) - stale_max
        if surplus <= 0:
            return
        look_up, self.made_at = _look_ups(state), NOT_MADE
        # The most numerous first: tasks and indexes come to rest, a host's failures hardly ever do.
        for kind, keys in sorted(state.dirty.items(), key=lambda each: -len(each[1])):
            some = [keys.pop() for _ in range(min(surplus, len(keys)))]
            if some:
                surplus -= len(some)
                for each in self._versions.values():
                    each.take_in(kind, some, look_up[kind])

    def sums(self, version: int) -> tuple[KindSums, ...]:
        """The sums of what the last value was made from, by which differences are found.

        They look at every entity, once where a leader writes a checkpoint and once where a fold
        finds that it differs: to keep them up to date would cost each fold an eighth of its speed.
        """
        return sums_of(self._versions[version].parts)

    def kept_parts(self, version: int) -> dict[str, dict[object, int]]:
        """A copy of what sums are made of, for somebody who makes them later or elsewhere."""
        return {kind: dict(each) for kind, each in self._versions[version].parts.items()}

    def keys(self, kind: str) -> Iterable[object]:
        """The entities of one kind that the last value was made from."""
        return self._versions[self.version].parts[kind].keys()

    def forget(self) -> None:
        """Have the next value made from every entity of the state anew."""
        self._versions = {each: _Version(old.rules) for each, old in self._versions.items()}
        for kind, keys in _entities(self._state):
            if kind != "cell":
                self._state.dirty[kind].update(keys)


class _Version:
    """The parts of one version of the digest, and their sum."""

    def __init__(self, rules: DigestRules) -> None:
        self.rules = rules
        self.parts: dict[str, dict[object, int]] = {kind: {} for kind in _KINDS}
        self._sum = 0
        self._identity: object = None
        """The cell's own names and policy as last taken in. They are many values, and seldom others
        than before: equal ones have equal bytes."""

    def update(self, state: State, look_up: Mapping[str, Callable[[Any], object]]) -> None:
        """Take in what is stale."""
        for kind, keys in state.dirty.items():
            if keys:
                self.take_in(kind, keys, look_up[kind])
        before, self._identity = self._identity, _cell(state, "identity")
        parts = _CELL_PARTS if before != self._identity else _MOVING_PARTS
        self.take_in("cell", parts, look_up["cell"])

    def take_in(self, kind: str, keys: Iterable[object], find: Callable[[Any], object]) -> None:
        """Take in what is stale of one kind."""
        encode, parts, total = self.rules.encode, self.parts[kind], self._sum
        for key in keys:
            found = find(key)
            if found is None:
                total -= parts.pop(key, 0)
                continue
            part = _number(blake2b(encode(kind, key, found), digest_size=16).digest())
            total += part - parts.get(key, 0)
            parts[key] = part
        self._sum = total % _MODULUS

    def text(self) -> str:
        return f"{self._sum:032x}"


_number = int.from_bytes


def canonical_bytes(state: State) -> bytes:
    """The whole state, sorted, as bytes: what two folds of one log must agree on to the byte."""
    look_up = _look_ups(state)
    lines = [
        encode_entity(kind, key, look_up[kind](key))
        for kind, keys in _entities(state)
        for key in keys
    ]
    return b"\n".join(lines)


def _entities(state: State) -> Iterable[tuple[str, Iterable[object]]]:
    yield "cell", _CELL_PARTS
    yield "held", sorted(task_id for there in state.held.values() for task_id in there)
    yield "index", sorted((job, index) for job, there in state.indexes.items() for index in there)
    for kind, container in _containers(state).items():
        yield kind, sorted(container)


def _containers(state: State) -> Mapping[str, Mapping[Any, object]]:
    return {
        "cloud group": state.cloud_groups,
        "cloud instance": state.cloud_instances,
        "decision": state.decisions,
        "deployment": state.deployments,
        "evictions": state.evictions,
        "failures": state.host_failures,
        "fleet forecast": state.fleet_forecasts,
        "fleet order": state.fleet_orders,
        "hold": state.holds,
        "failing kind": state.failing_kinds,
        "healing run": state.healing_runs,
        "early health": state.early_health,
        "health": state.health,
        "host": state.hosts,
        "incident note": state.incident_notes,
        "instance network": state.instance_networks,
        "job": state.jobs,
        "job scaling": state.job_scalings,
        "launches": state.launch_seconds,
        "load balancers": state.load_balancers,
        "loop": state.crash_loops,
        "maintenance": state.maintenance,
        "mark": state.host_marks,
        "member labels": state.member_labels,
        "missing": state.missing,
        "noise": state.host_noise,
        "offer": state.offers,
        "order": state.host_orders,
        "orphan": state.orphans,
        "scaling policy": state.scaling_policies,
        "plan": state.plans,
        "registry health": state.registry_health,
        "relocated": state.relocated,
        "relocating": state.jobs_marked_at_ms,
        "runbook": state.runbooks,
        "runbook standing": state.runbook_standings,
        "silent": state.silent,
        "sla": state.slas,
        "slaStart": state.sla_starts,
        "task": state.tasks,
        "volume": state.volumes,
        "warm pool": state.warm_pools,
        "watermark": state.watermarks,
        "webhook": state.webhooks,
    }


def _look_ups(state: State) -> Mapping[str, Callable[[Any], object]]:
    """What an entity is now, by its kind and its key; None where it is no more."""
    finds: dict[str, Callable[[Any], object]] = {
        kind: container.get for kind, container in _containers(state).items()
    }
    finds["index"] = lambda key: state.indexes.get(key[0], {}).get(key[1])
    finds["held"] = lambda task_id: _held(state, task_id)
    finds["cell"] = lambda part: _cell(state, part)
    return finds


def _held(state: State, task_id: TaskId) -> bool | None:
    """Whether the start limit holds the task back; whose turn comes first follows from numbers."""
    task = state.tasks.get(task_id)
    return True if task is not None and task_id in state.held.get(task.job_id, ()) else None


def _cell(state: State, part: object) -> tuple[object, ...]:
    clock, stream = state.clock, state.stream
    match part:
        case "identity":
            return (
                (state.cell, state.cell_uuid, state.generation),
                (state.fold_version, state.policy_version, state.policy),
            )
        case "epoch":
            return (state.epoch, state.leader, state.published_offset, state.dismissed_epoch)
        case "clock":
            judging = (clock.judging_since_ms, clock.is_judging)
            looks = (clock.ticked_at_ms, clock.planned_at_ms, clock.descheduled_at_ms)
            kills = (clock.inferred_kills_at_ms, clock.preemptions)
            return (clock.now_ms, *judging, *kills, looks, state.eviction_tokens)
        case "guard":
            return (
                state.safe,
                (clock.stuck_kills_at_ms, clock.kills_second, clock.kills_in_second),
                list(state.actor_kills.items()),
                list(state.paged_at_ms.items()),
                (clock.stuck_turn_ms, list(state.stuck_turns.items()), clock.collected_at_ms),
            )
        case "stream":
            return (
                (stream.stream_id, stream.framework_id, stream.is_fatal, stream.mesos_offset),
                (stream.is_suppressed, stream.idle_since_ms),
                (stream.reconcile_asked_at_ms, stream.reconcile_attempts),
                (stream.is_reconcile_sent, stream.reconcile_all_at_ms),
                (stream.call_failed_at_ms, state.updates_without_news),
                sorted(state.unanswered),
            )
        case "fleet":
            fleet = state.fleet
            tokens = (fleet.up_tokens_milli, fleet.down_tokens_milli, fleet.tokens_at_ms)
            rules = (fleet.rules, fleet.rules_version)
            return (*rules, fleet.looked_at_ms, *tokens, list(state.fleet_orders))
        case "kept":  # Oldest first: the order says what is forgotten next.
            floors = sorted(state.number_floors.items())
            rests = sorted(state.address_rests.items())
            kept = (list(state.finished_tasks), list(state.finished_jobs))
            return (
                *kept,
                floors,
                rests,
                sorted(state.network_hosts),
                sorted(state.hosts_seen_at_ms.items()),
            )
        case _:
            seen = (state.placement_inputs, state.placement_seen, state.round_again_at_ms)
            return (*seen, state.promises, state.is_quality_suspended)


_CELL_PARTS: Final = ("clock", "epoch", "fleet", "guard", "identity", "kept", "round", "stream")
_MOVING_PARTS: Final = tuple(part for part in _CELL_PARTS if part != "identity")
