"""Updates in bad weather: late, doubled, without what they should have, or of a state of tomorrow.

The connector passes on what it can read and names the task where it cannot; the feed of a leader
acknowledges both, once the record is written, because Mesos holds back what comes after.
"""

import asyncio
from typing import Any, get_args

import pytest

from scheduler.model.codec import decode_mesos, encode_mesos
from scheduler.model.ids import HostId, TaskId
from scheduler.model.mesos import (
    MesosRecord,
    MesosTaskState,
    OfferRescinded,
    StatusUpdate,
    Subscribed,
    Unrecognised,
)
from tests.support.mesos_endpoint import Exchange, scripted_master
from tests.support.mesos_stream import RESCIND, S1, Opened, client_of, everything, run

UUID = "x3bSgzWTRzS0vq2JcZuG4w=="
RUNNING: dict[str, Any] = {
    "task_id": {"value": "t"},
    "agent_id": {"value": "h"},
    "state": "TASK_RUNNING",
    "source": "SOURCE_EXECUTOR",
    "uuid": UUID,
    "timestamp": 1_700_000_000.25,
}


def update(**changes: Any) -> dict[str, object]:
    """An UPDATE event; a field that is given as None is left out."""
    status = {name: each for name, each in (RUNNING | changes).items() if each is not None}
    return {"type": "UPDATE", "update": {"status": status}}


def heard(*events: object) -> list[MesosRecord]:
    """What a stream of these events brings, less its beginning and its end."""
    found: list[MesosRecord] = []

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        for event in (*events, RESCIND):
            await exchange.event(event)
        await exchange.end()

    async def main() -> None:
        async with scripted_master(stream) as master:
            found.extend(await everything(client_of(master.address)))

    run(main())
    assert isinstance(found[0], Subscribed)
    assert isinstance(found[-2], OfferRescinded), "the stream lives on"
    for record in found:
        assert decode_mesos(encode_mesos(record)) == record
    return found[1:-2]


PLAIN = StatusUpdate(
    S1,
    TaskId("t"),
    "TASK_RUNNING",
    HostId("h"),
    source="SOURCE_EXECUTOR",
    uuid=UUID,
    observed_at_ms=1_700_000_000_250,
)


@pytest.mark.parametrize("state", get_args(MesosTaskState))
def test_each_state_is_read(state: str) -> None:
    (record,) = heard(update(state=state))
    assert isinstance(record, StatusUpdate)
    assert record.state == state


def test_what_comes_twice_is_told_twice_and_with_the_same_uuid() -> None:
    """Who repeats is Mesos; that a repetition changes nothing is the fold's matter."""
    assert heard(update(), update(), update()) == [PLAIN] * 3


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"uuid": None}, "uuid", ""),
        ({"agent_id": None}, "host_id", None),
        ({"source": None}, "source", ""),
        ({"reason": None}, "reason", ""),
        ({"reason": "REASON_OF_TOMORROW"}, "reason", "REASON_OF_TOMORROW"),
        ({"timestamp": None}, "observed_at_ms", 0),
        ({"timestamp": -1}, "observed_at_ms", 0),
        ({"timestamp": 0}, "observed_at_ms", 0),
        ({"timestamp": 1e300}, "observed_at_ms", 0),
        ({"timestamp": 2**63}, "observed_at_ms", 0),
        ({"timestamp": 1_700_000_000}, "observed_at_ms", 1_700_000_000_000),
        ({"healthy": False}, "is_healthy", False),
        ({"healthy": True}, "is_healthy", True),
        ({}, "is_healthy", None),
        ({"message": "x" * 10**6}, "uuid", UUID),
        ({"data": "QUJD" * 10**5}, "uuid", UUID),
        ({"executor_id": {"value": "e"}, "labels": {"labels": []}}, "uuid", UUID),
        ({"unreachable_time": {"nanoseconds": 1}}, "uuid", UUID),
        ({"check_status": {"type": "HTTP", "http": {"status_code": 503}}}, "uuid", UUID),
        ({"limitation": {"resources": [{"name": "mem"}]}}, "uuid", UUID),
        (
            {"container_status": {"network_infos": [{"ip_addresses": [{"ip_address": "::1"}]}]}},
            "container_ip",
            "::1",
        ),
        ({"container_status": {"container_id": {"value": "c"}}}, "container_ip", ""),
    ],
)
def test_what_an_update_lacks_or_has_more_is_borne(
    changes: dict[str, Any], field: str, value: object
) -> None:
    (record,) = heard(update(**changes))
    assert isinstance(record, StatusUpdate)
    assert getattr(record, field) == value
    assert (record.task_id, record.state) == ("t", "TASK_RUNNING")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"state": "TASK_OF_TOMORROW"}, "TASK_OF_TOMORROW"),
        ({"state": 1}, ""),
        ({"state": None}, ""),
        ({"state": "task_running"}, "task_running"),
        ({"reason": 7}, "TASK_RUNNING"),
        ({"source": 1}, "TASK_RUNNING"),
        ({"timestamp": "now"}, "TASK_RUNNING"),
        ({"healthy": "yes"}, "TASK_RUNNING"),
        ({"container_status": 7}, "TASK_RUNNING"),
        ({"reason": "R" * 10**6}, "TASK_RUNNING"),
        ({"state": "S" * 10**6}, ""),
    ],
)
def test_an_update_that_cannot_be_read_names_its_task(changes: dict[str, Any], state: str) -> None:
    (record,) = heard(update(**changes))
    assert isinstance(record, Unrecognised)
    assert (record.task_id, record.host_id, record.uuid) == ("t", "h", UUID)
    assert record.state == state


@pytest.mark.parametrize(
    "changes",
    [
        {"task_id": None},
        {"task_id": {}},
        {"task_id": 7},
        {"task_id": {"value": ""}},
        {"task_id": {"value": "t" * 10**6}},
    ],
)
def test_an_update_of_no_task_is_kept_and_names_none(changes: dict[str, Any]) -> None:
    (record,) = heard(update(**changes))
    assert isinstance(record, Unrecognised)
    assert record.task_id is None


@pytest.mark.parametrize("changes", [{}, {"state": "TASK_OF_TOMORROW"}])
def test_both_kinds_of_update_can_be_acknowledged(changes: dict[str, Any]) -> None:
    """By the words that Mesos gave: agent, task and uuid."""

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.event(update(**changes))
        told.set()

    told = asyncio.Event()

    async def main() -> None:
        async with scripted_master(stream) as master, Opened(master) as it:
            await told.wait()
            while len(it.records) < 2:
                await asyncio.sleep(0.005)
            record = it.records[1]
            assert isinstance(record, StatusUpdate | Unrecognised)
            assert (await it.client.acknowledge(record, S1)).fate == "sent"
            assert master.heard[1].body["acknowledge"] == {
                "agent_id": {"value": "h"},
                "task_id": {"value": "t"},
                "uuid": UUID,
            }

    run(main())
