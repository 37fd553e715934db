"""A zone of DNS as a registry: one master file a cell (RFC 1035), with SRV and address records.

The one thing to know: the file is ours as a whole, replaced by renaming, with a serial that only
grows. What is registered stands in it as comments, from which the records are made anew each time;
a name server reads the file and is none of ours. Changes by RFC 2136 are not made.
"""

import asyncio
import ipaddress
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from connectors.ports import Endpoint, RegistrationFailed
from scheduler.model.reading.bad_bytes import BAD_BYTES

MARK: Final = ";flumina "
TTL_S: Final = 5
"""What moved is found so soon; Consul's and Mesos-DNS' usual values are 0 and 60."""
LABEL_MAX: Final = 62
"""RFC 1035: a label has 63 octets at most; one is the underscore of a service."""
_SERIALS: Final = 2**32
_SERIAL: Final = re.compile(r"^@ SOA \S+ \S+ ([0-9]{1,10}) ", re.MULTILINE)


class Entry(msgspec.Struct, frozen=True):
    """One task of a service, as the file remembers it."""

    service: str
    task: str
    address: str
    port: int
    healthy: bool = True


class Zone:
    """One zone file, of one cell."""

    def __init__(
        self,
        path: Path,
        origin: str,
        name_server: str = "localhost.",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """``origin``: the zone's name, with a full stop at its end."""
        self._path = path
        self._origin = origin
        self._name_server = name_server
        self._now_s = now_s
        self._lock = asyncio.Lock()

    @property
    def renew_ms(self) -> int:
        """0: the file stays."""
        return 0

    def key_of(self, endpoint: Endpoint) -> str:
        """The task."""
        return endpoint.task_id

    async def register(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Write each into the zone; raises `RegistrationFailed`."""
        new = {
            (place, each.task_id): Entry(
                place, each.task_id, each.address, each.port, each.is_healthy
            )
            for each in endpoints
        }
        for each in endpoints:
            _check_address(each)
        async with self._lock:
            await asyncio.to_thread(self._change, new, frozenset())

    async def deregister(self, place: str, endpoints: Sequence[Endpoint]) -> None:
        """Take each out of it."""
        gone = frozenset((place, each.task_id) for each in endpoints)
        async with self._lock:
            await asyncio.to_thread(self._change, {}, gone)

    async def registered(self, place: str) -> frozenset[str]:
        """The tasks of the service in the zone."""
        text = await asyncio.to_thread(self._text)
        return frozenset(each.task for each in entries_of(text) if each.service == place)

    async def renew(
        self,
        place: str,  # noqa: ARG002 - the port's; nothing has to be done
        endpoints: Sequence[Endpoint],  # noqa: ARG002 - as above
    ) -> frozenset[str]:
        """Nothing is lost: the file stays."""
        return frozenset()

    async def close(self) -> None:
        """Nothing: no file is kept open."""

    def _text(self) -> str:
        try:
            return self._path.read_text("utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise RegistrationFailed(f"{self._path} cannot be read: {error}") from error

    def _change(self, new: dict[tuple[str, str], Entry], gone: frozenset[tuple[str, str]]) -> None:
        text = self._text()
        known = {(each.service, each.task): each for each in entries_of(text)}
        fresh = {key: each for key, each in known.items() if key not in gone} | new
        if fresh == known and text:
            return
        serial = next_serial(text, int(self._now_s()))
        lines = zone_lines(
            [fresh[key] for key in sorted(fresh)], self._origin, self._name_server, serial
        )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            half = self._path.with_suffix(".half")
            half.write_text("\n".join(lines) + "\n", "utf-8")
            half.replace(self._path)
        except OSError as error:
            raise RegistrationFailed(f"{self._path} cannot be written: {error}") from error


def entries_of(text: str) -> list[Entry]:
    """What a zone file remembers; raises `RegistrationFailed` where it is no file of ours."""
    marked = [line for line in text.splitlines() if line.startswith(MARK)]
    try:
        found = [msgspec.json.decode(each[len(MARK) :], type=Entry) for each in marked]
    except BAD_BYTES as error:
        raise RegistrationFailed(f"the zone file has a line that is not ours: {error}") from error
    if text.strip() and _SERIAL.search(text) is None:
        raise RegistrationFailed("the zone file is none of ours: name a file that nobody else has")
    return found


def next_serial(text: str, now_s: int) -> int:
    """The serial of a zone that changes: the time, and more than the last in any case."""
    found = _SERIAL.search(text)
    last = int(found[1]) if found else 0
    # A file that was lost begins at the time, which no count of changes has reached.
    return max(last + 1, now_s) % _SERIALS


def label_of(service: str) -> str:
    """The name of a service as a label of DNS; a bent one is told apart by a digest."""
    bent = re.sub("[^a-z0-9-]+", "-", service.lower()).strip("-")
    if bent == service and len(bent) <= LABEL_MAX:
        return bent
    mark = sha256(service.encode()).hexdigest()[:8]
    return f"{bent[: LABEL_MAX - 9].rstrip('-') or 'service'}-{mark}"


def host_label(address: str) -> str:
    """The label of an address: each has one, so that SRV records can name it."""
    known = ipaddress.ip_address(address)
    return f"ip-{known.exploded.replace('.', '-').replace(':', '-')}"


def zone_lines(entries: list[Entry], origin: str, name_server: str, serial: int) -> list[str]:
    """The zone: its head, the addresses, and for each service SRV and address records.

    Tasks that are not healthy are left out, unless a service has no other: DNS has no word for it.
    """
    lines = [
        f"$ORIGIN {origin}",
        f"$TTL {TTL_S}",
        # Refresh and retry are for secondaries; the last is for how long "no such name" is kept.
        f"@ SOA {name_server} hostmaster {serial} 30 10 86400 {TTL_S}",
        f"@ NS {name_server}",
    ]
    by_service: defaultdict[str, list[Entry]] = defaultdict(list)
    for each in entries:
        by_service[each.service].append(each)
    shown = {
        service: [each for each in there if each.healthy] or there
        for service, there in by_service.items()
    }
    addresses = {each.address for there in shown.values() for each in there}
    lines += [f"{host_label(each)}.addr {_record(each)}" for each in sorted(addresses)]
    for service, there in shown.items():
        label = label_of(service)
        lines += [f"{label} {_record(each)}" for each in sorted({each.address for each in there})]
        targets = sorted({(each.address, each.port) for each in there})
        lines += [
            f"_{label}._tcp SRV 0 1 {port} {host_label(address)}.addr" for address, port in targets
        ]
    return lines + [MARK + msgspec.json.encode(each).decode() for each in entries]


def _record(address: str) -> str:
    kind = "AAAA" if ipaddress.ip_address(address).version == 6 else "A"
    return f"{kind} {address}"


def _check_address(endpoint: Endpoint) -> None:
    try:
        ipaddress.ip_address(endpoint.address)
    except ValueError as error:
        # A host that announces itself by a name: a zone has no record for both.
        text = f"{endpoint.task_id} has no address but {endpoint.address}: {error}"
        raise RegistrationFailed(text) from error
