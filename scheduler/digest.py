"""A digest of the whole state, kept up to date entity by entity.

The one thing to know: the digest is the sum, modulo 2**128, of one BLAKE2b value for each entity,
so its order does not matter and a change costs only what it touches. Two folds of the same log
have the same digest at the same offset; a difference halts.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final

from scheduler.model.codec import encode_entity
from scheduler.state import ENTITY_KINDS, State

_MODULUS: Final = 1 << 128


class Digest:
    """The digest of one state; `value` brings it up to date."""

    version: Final = 1

    def __init__(self, state: State) -> None:
        self._state = state
        self._sum = 0
        self._parts: dict[str, dict[object, int]] = {kind: {} for kind in (*ENTITY_KINDS, "cell")}

    def value(self) -> str:
        """The digest of the state as it is now, 32 hexadecimal digits."""
        state, total = self._state, self._sum
        look_up = _look_ups(state)
        for kind, keys in (*state.dirty.items(), ("cell", _CELL_PARTS)):
            find, parts = look_up[kind], self._parts[kind]
            for key in keys:
                total -= parts.pop(key, 0)
                found = find(key)
                if found is not None:
                    body = encode_entity(kind, key, found)
                    parts[key] = part = _number(blake2b(body, digest_size=16).digest())
                    total += part
        for stale in state.dirty.values():
            stale.clear()
        self._sum = total % _MODULUS
        return f"{self._sum:032x}"

    def forget(self) -> None:
        """Have the next value made from every entity of the state anew."""
        self._sum = 0
        for parts in self._parts.values():
            parts.clear()
        for kind, keys in _entities(self._state):
            if kind != "cell":
                self._state.dirty[kind].update(keys)


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
    yield "index", sorted((job, index) for job, there in state.indexes.items() for index in there)
    for kind, container in _containers(state).items():
        yield kind, sorted(container)


def _containers(state: State) -> Mapping[str, Mapping[Any, object]]:
    return {
        "decision": state.decisions,
        "failures": state.host_failures,
        "host": state.hosts,
        "job": state.jobs,
        "launches": state.launch_seconds,
        "missing": state.missing,
        "noise": state.host_noise,
        "offer": state.offers,
        "order": state.host_orders,
        "orphan": state.orphans,
        "task": state.tasks,
        "watermark": state.watermarks,
    }


def _look_ups(state: State) -> Mapping[str, Callable[[Any], object]]:
    """What an entity is now, by its kind and its key; None where it is no more."""
    finds: dict[str, Callable[[Any], object]] = {
        kind: container.get for kind, container in _containers(state).items()
    }
    finds["index"] = lambda key: state.indexes.get(key[0], {}).get(key[1])
    finds["cell"] = lambda part: _cell(state, part)
    return finds


def _cell(state: State, part: object) -> tuple[object, ...]:
    clock, stream = state.clock, state.stream
    match part:
        case "identity":
            return (
                (state.cell, state.cell_uuid, state.generation),
                (state.fold_version, state.policy_version, state.policy),
            )
        case "epoch":
            return (state.epoch, state.leader, state.published_offset)
        case "clock":
            judging = (clock.judging_since_ms, clock.is_judging)
            return (clock.now_ms, *judging, clock.inferred_kills_at_ms, clock.preemptions)
        case "guard":
            return (
                state.safe,
                (clock.stuck_kills_at_ms, clock.kills_second, clock.kills_in_second),
                list(state.actor_kills.items()),
                list(state.paged_at_ms.items()),
            )
        case "stream":
            return (
                (stream.stream_id, stream.framework_id, stream.is_fatal, stream.mesos_offset),
                (stream.is_suppressed, stream.idle_since_ms),
                (stream.reconcile_asked_at_ms, stream.reconcile_attempts),
                (stream.is_reconcile_sent, stream.reconcile_all_at_ms),
                stream.call_failed_at_ms,
                sorted(state.unanswered),
            )
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


_CELL_PARTS: Final = ("clock", "epoch", "guard", "identity", "kept", "round", "stream")
