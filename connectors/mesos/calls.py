"""From our effects to Mesos' calls, and what an answer means for a call's fate: pure.

The one thing to know: 2xx means that the master has read the call, not that it has done it; what
it did comes as events, or never. There is no TEARDOWN here: it kills every task of the
framework and burns its id, and nothing in the product may ask for that.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from connectors.mesos.containers import described, labels_of
from connectors.mesos.reserved import Json, Part, Purse
from connectors.mesos.settings import MesosSettings
from scheduler.model.effects import (
    AcceptOffers,
    AnswerInverseOffers,
    AskAll,
    AskState,
    DeclineOffers,
    Effect,
    KillOnHost,
    Revive,
    Suppress,
    TaskToRun,
)
from scheduler.model.ids import HostId, OfferId, TaskId

CAPABILITIES: Final = ("PARTITION_AWARE", "MULTI_ROLE", "TASK_KILLING_STATE", "GPU_RESOURCES")
"""PARTITION_AWARE: an unreachable host's tasks are not given up as lost. MULTI_ROLE: the way to
name a role that Mesos has not deprecated. TASK_KILLING_STATE: a kill's beginning is told.
GPU_RESOURCES: without it Mesos hides hosts that have devices."""

_NANOSECONDS_IN_MS: Final = 1_000_000

Fate = Literal["sent", "refused", "unknown"]


class Verdict(msgspec.Struct, frozen=True):
    """What a complete answer means."""

    fate: Fate
    detail: str = ""
    is_stream_over: bool = False
    """True where the answer shows that the master no longer knows this stream."""


def subscribe_call(settings: MesosSettings) -> Json:
    """The SUBSCRIBE that opens a stream for this framework."""
    framework: Json = {
        "id": {"value": settings.framework_id},
        "user": settings.user,
        "name": settings.framework_name,
        "roles": [settings.role],
        "failover_timeout": settings.failover_timeout_s,
        # Without it an agent's restart ends its tasks, PARTITION_AWARE or not.
        "checkpoint": True,
        "capabilities": [{"type": each} for each in CAPABILITIES],
    }
    for name in ("principal", "hostname", "webui_url"):
        if value := getattr(settings, name):
            framework[name] = value
    return {
        "type": "SUBSCRIBE",
        "framework_id": {"value": settings.framework_id},
        "subscribe": {"framework_info": framework},
    }


def call_of(effect: Effect, settings: MesosSettings, reserved: Iterable[Part] = ()) -> Json:
    """The call that carries out ``effect``; ``reserved`` are the parts of the offers it uses."""
    call: Json
    match effect:
        case AcceptOffers():
            call = {"type": "ACCEPT", "accept": _accept(effect, settings, reserved)}
        case DeclineOffers():
            call = {
                "type": "DECLINE",
                "decline": {
                    "offer_ids": _offer_ids(effect.offer_ids),
                    "filters": _filters(effect.refuse_ms),
                },
            }
        case AnswerInverseOffers():
            kind = "accept" if effect.is_accepted else "decline"
            call = {
                "type": f"{kind.upper()}_INVERSE_OFFERS",
                f"{kind}_inverse_offers": {
                    "inverse_offer_ids": _offer_ids(effect.offer_ids),
                    "filters": _filters(effect.refuse_ms),
                },
            }
        case KillOnHost():
            call = {
                "type": "KILL",
                "kill": {
                    "task_id": {"value": effect.task_id},
                    "agent_id": {"value": effect.host_id},
                    "kill_policy": _kill_policy(effect.kill_grace_ms),
                },
            }
        case AskState():
            assert effect.tasks, "an explicit question names tasks; without any it asks for all"
            tasks = [_task_and_host(task, host) for task, host in effect.tasks]
            call = {"type": "RECONCILE", "reconcile": {"tasks": tasks}}
        case AskAll():
            call = {"type": "RECONCILE", "reconcile": {"tasks": []}}
        case Suppress():
            call = {"type": "SUPPRESS"}
        case Revive():
            call = {"type": "REVIVE"}
    return {**call, "framework_id": {"value": settings.framework_id}}


def acknowledge_call(task_id: TaskId, host_id: HostId, uuid: str, settings: MesosSettings) -> Json:
    """The ACKNOWLEDGE of the update ``uuid`` of a task, which came from ``host_id``."""
    assert uuid, "an update without uuid was made by the master and is not acknowledged"
    return {
        "type": "ACKNOWLEDGE",
        "framework_id": {"value": settings.framework_id},
        "acknowledge": {
            "agent_id": {"value": host_id},
            "task_id": {"value": task_id},
            "uuid": uuid,
        },
    }


def verdict(status: int, said: str) -> Verdict:
    """What the HTTP ``status`` and the text ``said`` tell about the call."""
    if 200 <= status < 300:
        return Verdict("sent")
    # 403: "Framework is not subscribed". 400 with these words: the master follows another stream
    # of ours, or was replaced and does not know us (all observed on 1.11.0).
    is_over = status == 403 or (
        status == 400 and ("stream ID" in said or "Framework cannot be found" in said)
    )
    if 300 <= status < 400:
        # Sent before the call is looked at: this master does not lead (any more).
        return Verdict("refused", f"this master does not lead ({status})", is_stream_over=True)
    detail = f"the master answered {status}: {said.strip() or 'nothing more'}"
    if 400 <= status < 500 or status == 503:
        return Verdict("refused", detail, is_stream_over=is_over)
    return Verdict("unknown", detail, is_stream_over=True)


def _accept(effect: AcceptOffers, settings: MesosSettings, reserved: Iterable[Part]) -> Json:
    """The body of an ACCEPT that launches the tasks."""
    assert effect.offer_ids, "an ACCEPT uses at least one offer"
    assert effect.tasks, "an ACCEPT without tasks declines; say so with DeclineOffers"
    purse = Purse(reserved)
    infos = [_task_info(each, effect.host_id, settings, purse) for each in effect.tasks]
    return {
        "offer_ids": _offer_ids(effect.offer_ids),
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": infos}}],
        "filters": _filters(effect.refuse_ms),
    }


def _task_info(task: TaskToRun, host_id: HostId, settings: MesosSettings, purse: Purse) -> Json:
    """The TaskInfo of one task, run by Mesos' own command executor."""
    assert task.command, "a task without a command cannot be launched"
    need, role = task.need, settings.role
    return {
        "name": task.task_id,
        "task_id": {"value": task.task_id},
        "agent_id": {"value": host_id},
        **described(task, settings.containerizer),
        "resources": [
            *purse.asked("cpus", need.cpu_milli, role),
            *purse.asked("mem", need.memory_mib, role),
            *purse.asked("disk", need.disk_mib, role),
            *purse.asked("network", need.network_mbps, role),
            *purse.asked("gpus", need.gpus, role),
            *(part for name, amount in need.scalars for part in purse.asked(name, amount, role)),
            *purse.asked_ports(task.ports, role),
        ],
        "labels": {"labels": labels_of(task)},
        "kill_policy": _kill_policy(task.kill_grace_ms),
    }


def _offer_ids(offer_ids: Sequence[OfferId]) -> list[Json]:
    """Offer ids in Mesos' wrapping."""
    return [{"value": each} for each in offer_ids]


def _task_and_host(task_id: str, host_id: HostId | None) -> Json:
    """One task of a question; with its host the answer is surer."""
    asked: Json = {"task_id": {"value": task_id}}
    if host_id is not None:
        asked["agent_id"] = {"value": host_id}
    return asked


def _filters(refuse_ms: int) -> Json:
    """For how long the same resources are not offered again."""
    assert refuse_ms >= 0, "Mesos takes a negative refusal for its default of 5 seconds"
    return {"refuse_seconds": refuse_ms / 1000}


def _kill_policy(grace_ms: int) -> Json:
    """The time between SIGTERM and SIGKILL."""
    assert grace_ms >= 0, "a grace cannot be negative"
    return {"grace_period": {"nanoseconds": grace_ms * _NANOSECONDS_IN_MS}}
