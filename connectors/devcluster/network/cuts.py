"""Network cuts: connections that stay open and carry nothing, as a partition leaves them.

The one thing to know: the side that serves does the cutting. It knows who is at the other end by
the source address, because every part of the cluster speaks from a loopback address of its own; a
framework is whoever speaks from any other. What was written during a cut is delivered after it.
"""

import asyncio
import json
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connectors.http.never_upgrading import NeverUpgrading

Cut = tuple[str, str]
"""Who sends, and who does not get it."""

SCHEDULER: Final = "scheduler"
"""All frameworks, and whoever else is no part of the cluster."""
OPERATOR: Final = "operator"
"""The cluster's own commands, which no cut holds up."""
CONTROL_VARIABLE: Final = "FLUMINA_DEV_CLUSTER_CONTROL"
# What a socket holds for a peer that does not answer is of this order (Linux: tcp_wmem).
_HELD_BYTES_MAX = 4 * 1024 * 1024
_TCP_ESTABLISHED = 1
_OPERATOR_ADDRESS = "127.0.3.1"


def address_of(node: str) -> str:
    """The loopback address that a part of the cluster speaks from."""
    if node.startswith("agent"):
        return f"127.0.1.{int(node.removeprefix('agent'))}"
    return _OPERATOR_ADDRESS


def peer_at(address: str) -> str:
    """Who speaks from this address."""
    if address == _OPERATOR_ADDRESS:
        return OPERATOR
    prefix, _, number = address.rpartition(".")
    return f"agent{number}" if prefix == "127.0.1" else SCHEDULER


class Gate:
    """What is cut at one node, and the connections there that obey it."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._cuts: frozenset[Cut] = frozenset()
        self._connections: set[GatedTransport] = set()

    def is_deaf_to(self, peer: str) -> bool:
        """Whether what the peer sends does not arrive."""
        return (peer, self.node) in self._cuts

    def is_mute_to(self, peer: str) -> bool:
        """Whether what is sent to the peer does not leave."""
        return (self.node, peer) in self._cuts

    def apply(self, cuts: Iterable[Cut]) -> None:
        """Hold what is cut now, and let go on what is not any more."""
        self._cuts = frozenset(cuts)
        for connection in list(self._connections):
            connection.obey()

    def admit(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> "GatedTransport":
        """The same connection, as far as it is not cut."""
        gated = GatedTransport(transport, protocol, self)
        self._connections.add(gated)
        gated.obey()
        return gated

    def forget(self, connection: "GatedTransport") -> None:
        """The connection has ended."""
        self._connections.discard(connection)


class GatedTransport(asyncio.Transport):
    """A connection whose two directions can each be held; its end is held with the writing."""

    def __init__(self, inner: asyncio.Transport, protocol: asyncio.Protocol, gate: Gate) -> None:
        super().__init__()
        self._inner = inner
        self._protocol = protocol
        self._gate = gate
        self._peer = peer_at((inner.get_extra_info("peername") or ("",))[0])
        self._is_read_wanted = True
        self._is_closing = False
        self._is_pressed = False
        self._held: list[bytes] = []
        self._gathered: list[bytes] = []
        # A connection that is made during a cut would not exist in a real one until its end.
        self._is_made_in_vain = self._is_deaf

    @property
    def _is_deaf(self) -> bool:
        return self._gate.is_deaf_to(self._peer)

    @property
    def _is_mute(self) -> bool:
        return self._gate.is_mute_to(self._peer)

    def obey(self) -> None:
        """Hold or let go, as the gate says now."""
        if self._is_made_in_vain and not self._is_deaf:
            self._is_made_in_vain = False
            if not self._is_peer_there():
                # Who wanted it has gone; what he meant to send was never sent.
                self.abort()
                return
        if not self._is_mute:
            self._let_go()
        self._set_reading()

    def _is_peer_there(self) -> bool:
        connection = self._inner.get_extra_info("socket")
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return bool(state == _TCP_ESTABLISHED)

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for data in held:
            self._inner.write(data)
        if self._is_pressed:
            self._is_pressed = False
            self._protocol.resume_writing()
        if self._is_closing:
            self._inner.close()

    def _set_reading(self) -> None:
        if self._inner.is_closing():
            return
        if self._is_read_wanted and not self._is_deaf:
            self._inner.resume_reading()
        else:
            self._inner.pause_reading()

    # What a protocol asks of its transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, now or when the cut is healed."""
        if not self._is_mute:
            self._gather(data)
            return
        self._send_gathered()
        self._held.append(bytes(data))
        if sum(map(len, self._held)) > _HELD_BYTES_MAX and not self._is_pressed:
            self._is_pressed = True
            self._protocol.pause_writing()

    def _gather(self, data: Any) -> None:  # noqa: ANN401 - whatever has bytes
        """Send with what else is written before the loop goes on: thousands of small events."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._send_gathered)
        self._gathered.append(bytes(data))

    def _send_gathered(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered and not self._inner.is_closing():
            self._inner.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))

    def close(self) -> None:
        """End the connection; during a cut the other side does not hear of it."""
        self._is_closing = True
        self._send_gathered()
        if not self._is_mute:
            self._inner.close()

    def abort(self) -> None:
        """End the connection without what is still to be sent."""
        self._is_closing = True
        self._gathered.clear()
        self._held.clear()
        self._inner.abort()

    def is_closing(self) -> bool:
        """Whether its end was asked for or has come."""
        return self._is_closing or self._inner.is_closing()

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._is_read_wanted = False
        self._set_reading()

    def resume_reading(self) -> None:
        """Read on, if nothing is cut."""
        self._is_read_wanted = True
        self._set_reading()

    def get_extra_info(self, name: str, default: object = None) -> Any:  # noqa: ANN401 - asyncio's
        """What is known of the connection."""
        return self._inner.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the connection to another protocol."""
        self._inner.set_protocol(protocol)


def gated_protocol(gate: Gate) -> type[HttpToolsProtocol]:
    """The HTTP protocol of uvicorn, on connections that obey this gate."""

    class GatedProtocol(NeverUpgrading):
        _gated: GatedTransport

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self._gated = gate.admit(transport, self)
            super().connection_made(self._gated)

        def connection_lost(self, exc: Exception | None) -> None:
            gate.forget(self._gated)
            super().connection_lost(exc)

    return GatedProtocol


# The word between supervisor and node


def told_by_supervisor(node: str) -> Gate:
    """A gate that obeys the supervisor, which has told what is cut before the node was started."""
    gate = Gate(node)
    text = os.environ.get(CONTROL_VARIABLE)
    if not text:
        return gate
    control = socket.socket(fileno=int(text))
    os.set_inheritable(control.fileno(), False)
    _hear(gate, control)
    control.setblocking(False)
    asyncio.get_running_loop().add_reader(control, _hear, gate, control)
    return gate


def _hear(gate: Gate, control: socket.socket) -> None:
    """Take one message, which is one datagram, and say that it is in force."""
    try:
        message = control.recv(1 << 16)
    except BlockingIOError:
        return
    if not message:
        # The supervisor is gone; the lifeline ends this process.
        asyncio.get_running_loop().remove_reader(control)
        control.close()
        return
    gate.apply((sender, receiver) for sender, receiver in json.loads(message))
    with suppress(OSError):
        control.send(b"ok")


def tell(control: socket.socket, cuts: Iterable[Cut], timeout: float) -> bool:
    """Tell a node what is cut; whether it has answered in time that this is in force."""
    control.settimeout(0.0)
    with suppress(OSError):
        while control.recv(16):  # an answer that came too late for whoever waited
            pass
    control.settimeout(timeout)
    try:
        control.send(json.dumps(sorted(cuts)).encode())
        return timeout == 0 or bool(control.recv(16))
    except OSError:
        # It has ended or does not run on; it will be told when it does.
        return False
