"""Cuts: who is held up, what waits, what is delivered afterwards, and what a command may ask.

The gate is tried on a real server and real sockets of this process; nothing is waited for that a
condition does not tell.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.devcluster.network import cuts
from connectors.devcluster.network.cuts import Gate, address_of, gated_protocol, peer_at
from connectors.devcluster.network.partitions import Partitions
from connectors.devcluster.node import ClusterConfig, ConfigError
from connectors.devcluster.supervise import consequences

CUT_OFF = [("agent1", "master"), ("master", "agent1")]
REQUEST = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
PATIENCE_S = 5.0
QUIET_S = 0.05


class Served:
    """A server behind a gate, which counts what reaches it."""

    def __init__(self) -> None:
        self.gate = Gate("master")
        self.count = 0
        self.arrived = asyncio.Event()
        self.port = 0

    async def _answer(self, _request: Request) -> Response:
        self.count += 1
        self.arrived.set()
        return Response("hello")

    async def start(self) -> uvicorn.Server:
        app = Starlette(routes=[Route("/x", self._answer)])
        protocol = gated_protocol(self.gate)
        config = uvicorn.Config(app, port=0, http=protocol, lifespan="off", log_level="error")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        self.port = server.servers[0].sockets[0].getsockname()[1]
        return server

    async def connect(self, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))


def served(story: Callable[[Served], Awaitable[None]]) -> None:
    async def run() -> None:
        there = Served()
        server = await there.start()
        try:
            await asyncio.wait_for(story(there), 2 * PATIENCE_S)
        finally:
            there.gate.apply([])
            await server.shutdown()

    asyncio.run(run())


async def is_silent(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes for a moment, not even the end."""
    try:
        await asyncio.wait_for(reader.read(1), QUIET_S)
    except TimeoutError:
        return True
    return False


async def answered(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"hello"), PATIENCE_S)


def test_who_speaks_from_where() -> None:
    assert peer_at(address_of("agent7")) == "agent7"
    assert peer_at(address_of(cuts.OPERATOR)) == cuts.OPERATOR
    assert peer_at("127.0.0.1") == cuts.SCHEDULER
    assert peer_at("10.1.2.3") == cuts.SCHEDULER


def test_what_is_sent_during_a_cut_arrives_after_it() -> None:
    async def story(there: Served) -> None:
        reader, writer = await there.connect(address_of("agent1"))
        writer.write(REQUEST)
        await answered(reader)
        there.gate.apply(CUT_OFF)
        writer.write(REQUEST)
        assert await is_silent(reader)
        assert there.count == 1
        there.gate.apply([])
        await answered(reader)
        assert there.count == 2
        writer.close()

    served(story)


def test_only_those_who_are_cut_off_wait() -> None:
    async def story(there: Served) -> None:
        there.gate.apply(CUT_OFF)
        for source in (address_of("agent2"), address_of(cuts.OPERATOR), "127.0.0.1"):
            reader, writer = await there.connect(source)
            writer.write(REQUEST)
            await answered(reader)
            writer.close()

    served(story)


def test_a_cut_of_one_way_lets_the_other_pass() -> None:
    async def story(there: Served) -> None:
        reader, writer = await there.connect(address_of("agent1"))
        there.gate.apply([("master", "agent1")])
        writer.write(REQUEST)
        await asyncio.wait_for(there.arrived.wait(), PATIENCE_S)
        assert await is_silent(reader)
        there.gate.apply([])
        await answered(reader)
        writer.close()

    served(story)


def test_an_end_during_a_cut_is_heard_after_it() -> None:
    async def story(there: Served) -> None:
        reader, writer = await there.connect(address_of("agent1"))
        there.gate.apply([("master", "agent1")])
        writer.write(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        await asyncio.wait_for(there.arrived.wait(), PATIENCE_S)
        assert await is_silent(reader)
        there.gate.apply([])
        await answered(reader)
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()

    served(story)


def test_a_connection_made_during_a_cut_hangs_and_is_made_at_its_end() -> None:
    async def story(there: Served) -> None:
        there.gate.apply(CUT_OFF)
        reader, writer = await there.connect(address_of("agent1"))
        writer.write(REQUEST)
        assert await is_silent(reader)
        there.gate.apply([])
        await answered(reader)
        writer.close()

    served(story)


def test_what_was_asked_on_a_connection_that_never_came_about_is_not_done() -> None:
    async def story(there: Served) -> None:
        there.gate.apply(CUT_OFF)
        reader, writer = await there.connect(address_of("agent1"))
        writer.write(REQUEST)
        assert await is_silent(reader)
        writer.close()
        await writer.wait_closed()
        there.gate.apply([])
        reader, writer = await there.connect(address_of("agent1"))
        writer.write(REQUEST)
        await answered(reader)
        assert there.count == 1
        writer.close()

    served(story)


def test_a_node_is_told_before_it_serves_and_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptor = theirs.detach()
        monkeypatch.setenv(cuts.CONTROL_VARIABLE, str(descriptor))
        assert cuts.tell(ours, CUT_OFF, timeout=0.0)
        gate = cuts.told_by_supervisor("master")
        assert gate.is_deaf_to("agent1")
        assert gate.is_mute_to("agent1")
        has_obeyed = await asyncio.to_thread(cuts.tell, ours, [("agent1", "master")], PATIENCE_S)
        assert has_obeyed
        assert gate.is_deaf_to("agent1")
        assert not gate.is_mute_to("agent1")
        ours.close()
        while is_open(descriptor):
            await asyncio.sleep(0)

    asyncio.run(story())


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_node_that_does_not_run_has_not_obeyed() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    assert not cuts.tell(ours, CUT_OFF, timeout=0.01)
    assert json.loads(theirs.recv(4096)) == [list(cut) for cut in CUT_OFF]
    ours.close()
    theirs.close()


# What a command may ask


def partitions(**options: Any) -> Partitions:
    return Partitions(ClusterConfig(data_dir="/nowhere", token="t", **options))  # noqa: S106


def test_a_partition_has_two_directions_and_an_end() -> None:
    there = partitions()
    there.make({"a": "master", "b": "agent1", "seconds": 30}, now=100.0)
    assert there.cuts == frozenset(CUT_OFF)
    assert there.patience_ms(129.0) == pytest.approx(1001.0)
    assert [cut["heals_in_seconds"] for cut in there.view(110.0)] == [20.0, 20.0]
    assert not there.expire(129.9)
    assert there.expire(130.0)
    assert there.cuts == frozenset()
    assert there.patience_ms(131.0) is None


def test_one_way_and_every_master_at_once() -> None:
    there = partitions(masters=2)
    there.make({"a": "frameworks", "b": "master", "one_way": True}, now=0.0)
    assert there.cuts == {("scheduler", "master1"), ("scheduler", "master2")}
    there.heal({"a": "scheduler", "b": "master1"})
    assert there.cuts == {("scheduler", "master2")}
    there.make({"a": "agent1", "b": "scheduler"}, now=0.0)
    assert len(there.heal({})) == 3
    assert there.cuts == frozenset()


@pytest.mark.parametrize(
    ("a", "b", "part"),
    [
        ("agent1", "agent2", "agents do not speak"),
        ("master1", "master2", "masters share a disk"),
        ("scheduler", "frameworks", "frameworks do not speak"),
        ("master", "nobody", "nothing here is called 'nobody'"),
        ("master", "agent0", "nothing here is called 'agent0'"),
        ("master", "agent65", "nothing here is called 'agent65'"),
        ("master", None, "nothing here is called None"),
    ],
)
def test_what_cannot_be_cut_is_refused(a: str, b: object, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        partitions(masters=2).make({"a": a, "b": b}, now=0.0)


def test_simulated_agents_have_no_network() -> None:
    there = partitions(simulate=10, agents=0)
    with pytest.raises(ConfigError, match="have no network to cut"):
        there.make({"a": "master", "b": "agent1"}, now=0.0)
    there.make({"a": "master", "b": "scheduler"}, now=0.0)


def test_nothing_is_cut_off_loopback() -> None:
    with pytest.raises(ConfigError, match="exist on loopback only"):
        partitions(host="10.0.0.1").make({"a": "master", "b": "agent1"}, now=0.0)


def test_a_cut_that_is_not_there_cannot_be_healed() -> None:
    there = partitions()
    with pytest.raises(ConfigError, match="are not cut off from each other"):
        there.heal({"a": "master", "b": "agent1"})
    assert there.heal({}) == []


def test_what_follows_is_said_in_this_clusters_numbers() -> None:
    config = ClusterConfig(data_dir="/nowhere", token="t", ping_timeout_seconds=2.0)  # noqa: S106
    assert "5 missed pings of 2 s: in about 10 s" in consequences.of_kill(config, "agent1", None)
    assert "7 processes" in consequences.of_kill(config, "agent1", 7)
    assert "10 min" in consequences.of_kill(config, "master", None)
    assert "start master" in consequences.of_kill(config, "master", None)
    assert "TASK_UNREACHABLE" in consequences.of_partition(config, CUT_OFF)
    assert "no heartbeat" in consequences.of_partition(config, [("scheduler", "master")])
    assert "Sandboxes" in consequences.of_partition(config, [("agent1", "scheduler")])
