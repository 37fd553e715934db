"""A zone file: SRV and address records of services, a serial that grows, and nobody else's file.

How: the file is read back by a reader of master files that is the test's own, as small as the form.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from connectors.discovery.opening import checked_url, open_registry
from connectors.discovery.zone import Zone, label_of, next_serial
from connectors.ports import Endpoint, RegistrationFailed

ONE = Endpoint("job-0-1", "job", "10.0.0.1", 31_000, (31_000,), "main", "uuid", "1.4")
TWO = replace(ONE, task_id="job-1-2", address="10.0.0.2", port=31_005)
SIX = replace(ONE, task_id="job-2-3", address="fd00::2", port=8_080)


def zone(tmp_path: Path, now_s: float = 1_000.0) -> Zone:
    return Zone(tmp_path / "main.zone", "main.svc.example.org.", now_s=lambda: now_s)


def register(registry: Zone, place: str, endpoints: Sequence[Endpoint]) -> None:
    asyncio.run(registry.register(place, endpoints))


def records(tmp_path: Path) -> dict[tuple[str, str], list[str]]:
    """The records of the file by name and kind; names are those below the origin."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for line in (tmp_path / "main.zone").read_text("ascii").splitlines():
        if line.startswith((";", "$")):
            continue
        name, kind, rest = line.split(" ", 2)
        found[name, kind].append(rest)
    return dict(found)


def serial(tmp_path: Path) -> int:
    return int(records(tmp_path)["@", "SOA"][0].split()[2])


def test_a_service_is_found_by_srv_and_by_address(tmp_path: Path) -> None:
    register(zone(tmp_path), "web", [ONE, TWO, SIX])
    found = records(tmp_path)
    assert found["web", "A"] == ["10.0.0.1", "10.0.0.2"]
    assert found["web", "AAAA"] == ["fd00::2"]
    six = "ip-fd00-0000-0000-0000-0000-0000-0000-0002.addr"
    assert found["_web._tcp", "SRV"] == [
        "0 1 31000 ip-10-0-0-1.addr",
        "0 1 31005 ip-10-0-0-2.addr",
        f"0 1 8080 {six}",
    ]
    # Each target of an SRV record has an address of its own.
    assert found["ip-10-0-0-1.addr", "A"] == ["10.0.0.1"]
    assert found[six, "AAAA"] == ["fd00::2"]
    assert len(found["@", "NS"]) == len(found["@", "SOA"]) == 1
    assert (tmp_path / "main.zone").read_text("ascii").startswith("$ORIGIN main.svc.example.org.\n")


def test_who_is_not_healthy_is_left_out_unless_nobody_else_is_there(tmp_path: Path) -> None:
    ill = replace(TWO, is_healthy=False)
    register(zone(tmp_path), "web", [ONE, ill])
    assert records(tmp_path)["web", "A"] == ["10.0.0.1"]
    asyncio.run(zone(tmp_path).deregister("web", [ONE]))
    assert records(tmp_path)["web", "A"] == ["10.0.0.2"]
    assert asyncio.run(zone(tmp_path).registered("web")) == {TWO.task_id}


def test_the_serial_grows_with_each_change_and_stays_without_one(tmp_path: Path) -> None:
    register(zone(tmp_path, 1_000), "web", [ONE])
    assert serial(tmp_path) == 1_000
    register(zone(tmp_path, 1_000), "web", [ONE])
    assert serial(tmp_path) == 1_000
    register(zone(tmp_path, 1_000), "web", [TWO])
    assert serial(tmp_path) == 1_001
    register(zone(tmp_path, 500), "api", [TWO])  # A clock that was set back.
    assert serial(tmp_path) == 1_002
    register(zone(tmp_path, 2_000), "api", [ONE])
    assert serial(tmp_path) == 2_000
    assert next_serial("@ SOA a. b 4294967295 30 10 86400 5", 1) == 0


def test_services_of_any_name_have_labels_of_their_own(tmp_path: Path) -> None:
    assert label_of("web-1") == "web-1"
    names = ["Web-1", "web_1", "web/1", "web.1", "-web-1", "w" * 80, "w" * 81, "ü", "..."]
    labels = [label_of(each) for each in names]
    assert len(set(labels)) == len(labels)
    assert all(len(each) <= 62 and each.strip("-") == each for each in labels)
    register(zone(tmp_path), "orders\n/v2 A 6.6.6.6", [ONE])
    assert ("orders", "A") not in records(tmp_path)
    assert "6.6.6.6" not in [each for there in records(tmp_path).values() for each in there]


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "main.zone"
    for text in ("$ORIGIN example.org.\n", ";flumina {\n"):
        path.write_text(text, "ascii")
        with pytest.raises(RegistrationFailed, match="ours"):
            register(zone(tmp_path), "web", [ONE])
        assert path.read_text("ascii") == text


def test_a_host_without_an_address_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RegistrationFailed, match="no address"):
        register(zone(tmp_path), "web", [replace(ONE, address="agent-1")])
    assert not (tmp_path / "main.zone").exists()


def test_addresses_of_zones() -> None:
    good = "dns:///var/zones?domain=svc.example.org&ns=ns1.example.org"
    assert checked_url(good) == good
    assert isinstance(open_registry(good, "main"), Zone)
    for bad in ("dns:///a", "dns://a/b?domain=c", "dns:///a?domain=a b", "dns:///a?domain=b&x=1"):
        with pytest.raises(ValueError, match="wanted"):
            checked_url(bad)
