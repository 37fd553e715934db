"""Our effects as Mesos' calls, and what an answer says of a call's fate: one line a case."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mesos import wire
from connectors.mesos.calls import (
    Verdict,
    acknowledge_call,
    call_of,
    subscribe_call,
    verdict,
)
from connectors.mesos.reserved import Part, Purse, usable
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
from scheduler.model.ids import HostId, JobId, OfferId, ProposalId, TaskId
from scheduler.model.resources import Need, PortRange

SETTINGS = MesosSettings(masters=("m:5050",), framework_id="cell-1", role="flumina")
P = ProposalId("7.0")
H = HostId("h1")
T = TaskId("job-worker-0-1")
ALLOCATED = {"allocation_info": {"role": "flumina"}}
TASK = TaskToRun(
    task_id=T,
    job_id=JobId("job"),
    index=0,
    need=Need(cpu_milli=1500, memory_mib=64, disk_mib=0, ports=3),
    ports=(31005, 31000, 31001),
    command=("sh", "-c", "echo $A"),
    environment=(("A", "b"),),
    labels=(("k", "v"),),
    kill_grace_ms=2500,
)


def scalar(name: str, value: float, **words: object) -> dict[str, object]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **ALLOCATED, **words}


def ports(*ranges: tuple[int, int], **words: object) -> dict[str, object]:
    listed = [{"begin": begin, "end": end} for begin, end in ranges]
    return {"name": "ports", "type": "RANGES", "ranges": {"range": listed}, **ALLOCATED, **words}


def test_subscribe_says_who_we_are() -> None:
    full = MesosSettings(
        masters=("m:5050",),
        framework_id="cell-1",
        principal="p",
        hostname="us",
        webui_url="http://us",
    )
    assert subscribe_call(full) == {
        "type": "SUBSCRIBE",
        "framework_id": {"value": "cell-1"},
        "subscribe": {
            "framework_info": {
                "id": {"value": "cell-1"},
                "user": "root",
                "name": "flumina",
                "roles": ["*"],
                "failover_timeout": 604800,
                "checkpoint": True,
                "capabilities": [
                    {"type": "PARTITION_AWARE"},
                    {"type": "MULTI_ROLE"},
                    {"type": "TASK_KILLING_STATE"},
                    {"type": "GPU_RESOURCES"},
                ],
                "principal": "p",
                "hostname": "us",
                "webui_url": "http://us",
            }
        },
    }


def test_what_is_not_set_is_not_sent() -> None:
    sent = subscribe_call(SETTINGS)["subscribe"]["framework_info"]
    assert not {"principal", "hostname", "webui_url"} & set(sent)


CALLS: list[tuple[Effect, dict[str, object]]] = [
    (
        AcceptOffers(P, H, (OfferId("o1"), OfferId("o2")), (TASK,), refuse_ms=1500),
        {
            "type": "ACCEPT",
            "accept": {
                "offer_ids": [{"value": "o1"}, {"value": "o2"}],
                "operations": [
                    {
                        "type": "LAUNCH",
                        "launch": {
                            "task_infos": [
                                {
                                    "name": T,
                                    "task_id": {"value": T},
                                    "agent_id": {"value": H},
                                    "command": {
                                        "shell": False,
                                        "value": "sh",
                                        "arguments": ["sh", "-c", "echo $A"],
                                        "environment": {"variables": [{"name": "A", "value": "b"}]},
                                    },
                                    "resources": [
                                        scalar("cpus", 1.5),
                                        scalar("mem", 64.0),
                                        ports((31000, 31001), (31005, 31005)),
                                    ],
                                    "labels": {"labels": [{"key": "k", "value": "v"}]},
                                    "kill_policy": {"grace_period": {"nanoseconds": 2_500_000_000}},
                                }
                            ]
                        },
                    }
                ],
                "filters": {"refuse_seconds": 1.5},
            },
        },
    ),
    (
        DeclineOffers(P, (OfferId("o1"),), refuse_ms=3_600_000),
        {
            "type": "DECLINE",
            "decline": {"offer_ids": [{"value": "o1"}], "filters": {"refuse_seconds": 3600.0}},
        },
    ),
    (
        AnswerInverseOffers(P, (OfferId("i1"),), is_accepted=True, refuse_ms=60_000),
        {
            "type": "ACCEPT_INVERSE_OFFERS",
            "accept_inverse_offers": {
                "inverse_offer_ids": [{"value": "i1"}],
                "filters": {"refuse_seconds": 60.0},
            },
        },
    ),
    (
        AnswerInverseOffers(P, (OfferId("i1"),), is_accepted=False, refuse_ms=0),
        {
            "type": "DECLINE_INVERSE_OFFERS",
            "decline_inverse_offers": {
                "inverse_offer_ids": [{"value": "i1"}],
                "filters": {"refuse_seconds": 0.0},
            },
        },
    ),
    (
        KillOnHost(P, T, H, kill_grace_ms=0),
        {
            "type": "KILL",
            "kill": {
                "task_id": {"value": T},
                "agent_id": {"value": H},
                "kill_policy": {"grace_period": {"nanoseconds": 0}},
            },
        },
    ),
    (
        AskState(P, ((T, H), (TaskId("t2"), None))),
        {
            "type": "RECONCILE",
            "reconcile": {
                "tasks": [
                    {"task_id": {"value": T}, "agent_id": {"value": H}},
                    {"task_id": {"value": "t2"}},
                ]
            },
        },
    ),
    (AskAll(P), {"type": "RECONCILE", "reconcile": {"tasks": []}}),
    (Suppress(P), {"type": "SUPPRESS"}),
    (Revive(P), {"type": "REVIVE"}),
]


@pytest.mark.parametrize(("effect", "call"), CALLS)
def test_an_effect_becomes_a_call(effect: Effect, call: dict[str, object]) -> None:
    assert call_of(effect, SETTINGS) == {"framework_id": {"value": "cell-1"}, **call}


def test_an_acknowledgement() -> None:
    assert acknowledge_call(T, H, "AAAA", SETTINGS) == {
        "type": "ACKNOWLEDGE",
        "framework_id": {"value": "cell-1"},
        "acknowledge": {"agent_id": {"value": H}, "task_id": {"value": T}, "uuid": "AAAA"},
    }


@pytest.mark.parametrize(
    "effect",
    [
        AskState(P, ()),  # on the wire this would ask for all
        AcceptOffers(P, H, (OfferId("o"),), (), 0),  # and this would decline
        AcceptOffers(P, H, (), (TASK,), 0),
        AcceptOffers(P, H, (OfferId("o"),), (msgspec.structs.replace(TASK, command=()),), 0),
        DeclineOffers(P, (OfferId("o"),), refuse_ms=-1),  # Mesos takes it for its default
    ],
)
def test_what_would_mean_something_else_is_a_mistake_of_ours(effect: Effect) -> None:
    with pytest.raises(AssertionError):
        call_of(effect, SETTINGS)


# The texts are those of a master of 1.11.0.
OTHER_STREAM = "The stream ID 'a' included in this request didn't match the stream ID currently …"


@pytest.mark.parametrize(
    ("status", "said", "fate", "is_stream_over"),
    [
        (202, "", "sent", False),
        (200, "", "sent", False),
        (400, "Failed to convert JSON into Call protobuf: …", "refused", False),
        (400, OTHER_STREAM, "refused", True),
        (400, "Framework cannot be found", "refused", True),
        (403, "Framework is not subscribed", "refused", True),
        (401, "", "refused", False),
        (307, "", "refused", True),
        (503, "Master has not finished recovery", "refused", False),
        (500, "", "unknown", True),
        (502, "", "unknown", True),
        (504, "", "unknown", True),
    ],
)
def test_what_an_answer_means(status: int, said: str, fate: str, is_stream_over: bool) -> None:
    found = verdict(status, said)
    assert (found.fate, found.is_stream_over) == (fate, is_stream_over)
    assert found == Verdict("sent") or str(status) in found.detail


def static_parts() -> tuple[Part, ...]:
    """Of the recorded host: 2 cpus, 1,024 MiB and ports 31000-31009 are reserved for us."""
    recorded = Path(__file__).parent / "recorded" / "offers_reserved_static.json"
    offers = json.loads(recorded.read_bytes())["offers"]["offers"]
    (offer,) = [each for each in offers if any(r["role"] == "flumina" for r in each["resources"])]
    return usable(msgspec.convert(offer["resources"], list[wire.Resource]))[1]


def test_reserved_resources_are_asked_for_first_and_by_their_name() -> None:
    """A real master of 1.11.0 answers TASK_ERROR to any other way of asking."""
    one = msgspec.structs.replace(TASK, ports=(31009, 32000))
    two = msgspec.structs.replace(TASK, need=Need(1500, 1000, 10), ports=())
    effect = AcceptOffers(P, H, (OfferId("o"),), (one, two), 0)
    call = call_of(effect, SETTINGS, static_parts())
    first, second = call["accept"]["operations"][0]["launch"]["task_infos"]
    ours = {"role": "flumina"}
    assert first["resources"] == [
        scalar("cpus", 1.5, **ours),
        scalar("mem", 64.0, **ours),
        ports((31009, 31009), **ours),
        ports((32000, 32000)),
    ]
    assert second["resources"] == [
        scalar("cpus", 0.5, **ours),
        scalar("cpus", 1.0),
        scalar("mem", 960.0, **ours),
        scalar("mem", 40.0),
        scalar("disk", 10.0),
    ]


OFFERED: dict[str, tuple[float, str, Any]] = {
    "network": (1000.5, "network_mbps", 1000),
    "gpus": (2.0, "gpus", 2),
    "license": (1.5, "scalars", (("license", 1500),)),
    "a b": (7.0, "scalars", ()),
    "x" * 129: (7.0, "scalars", ()),
}


@pytest.mark.parametrize("name", OFFERED)
def test_scalars_of_an_offer(name: str) -> None:
    """Network and devices in whole units, others in thousandths; odd names are left aside."""
    value, field, expected = OFFERED[name]
    offered = wire.Resource(name=name, scalar=wire.Scalar(value))
    assert getattr(usable([offered, offered])[0], field) == (
        expected * 2 if isinstance(expected, int) else tuple((n, 2 * x) for n, x in expected)
    )


def test_scalars_of_a_task() -> None:
    need = Need(500, 32, network_mbps=100, gpus=1, scalars=(("license", 1500),))
    task = msgspec.structs.replace(TASK, need=need, ports=())
    effect = AcceptOffers(P, H, (OfferId("o"),), (task,), 0)
    (info,) = call_of(effect, SETTINGS)["accept"]["operations"][0]["launch"]["task_infos"]
    assert info["resources"] == [
        scalar("cpus", 0.5),
        scalar("mem", 32.0),
        scalar("network", 100.0),
        scalar("gpus", 1.0),
        scalar("license", 1.5),
    ]


amounts = st.lists(st.integers(0, 5000), max_size=6)


@given(amounts, amounts)
def test_what_is_asked_for_is_exactly_the_need(reserved: list[int], needs: list[int]) -> None:
    parts = [Part("cpus", each, (), {"name": "cpus", "n": n}) for n, each in enumerate(reserved)]
    purse = Purse(parts)
    spent = [0] * len(parts)
    for need in needs:
        asked: list[dict[str, Any]] = list(purse.asked("cpus", need, "r"))
        assert sum(round(each["scalar"]["value"] * 1000) for each in asked) == need
        assert all(each["scalar"]["value"] > 0 for each in asked)
        for each in asked:
            if "n" in each:
                spent[each["n"]] += round(each["scalar"]["value"] * 1000)
            else:  # unreserved ones are asked for only when nothing reserved is left
                assert spent == reserved
    assert all(used <= part for used, part in zip(spent, reserved, strict=True))


@given(st.sets(st.integers(1, 40), max_size=12))
def test_each_port_is_asked_for_once(wanted: set[int]) -> None:
    parts = [
        Part("ports", 0, (PortRange(5, 10), PortRange(20, 21)), {"part": 0}),
        Part("ports", 0, (PortRange(8, 30),), {"part": 1}),
    ]
    asked = list(Purse(parts).asked_ports(wanted, "r"))
    found = [
        port
        for each in asked
        for one in each["ranges"]["range"]
        for port in range(one["begin"], one["end"] + 1)
    ]
    assert sorted(found) == sorted(wanted)
