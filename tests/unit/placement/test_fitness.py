"""Proves what each part of the fitness answers, case by case, for one host and for all at once."""

from typing import Any

import msgspec
import pytest

from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import FITNESS_NAMES, PlacementRules
from scheduler.placement.columns import Columns
from scheduler.placement.fitness.gpu import GPU_PARTS
from scheduler.placement.fitness.parts import GROWING, OF_TIME, PARTS
from scheduler.placement.host import GpuDevice, HostView, Interface
from scheduler.placement.request import Request

DAY_MS = 86_400_000
EMPTY: dict[str, Any] = {}
SG = ("sg1", "sg2")


def used(cpu_milli: int, memory_mib: int, **more: Any) -> dict[str, Any]:
    """A host of 4 cpu and 8 GiB with so much in use."""
    return {"free": Resources(4_000 - cpu_milli, 8_192 - memory_mib, 1_000), **more}


def busy(services: int, batch: int, **more: Any) -> dict[str, Any]:
    """A host with so many tasks of others."""
    tasks = tuple((JobId(f"o{n}"), 1) for n in range(services + batch))
    return {"tasks_of_job": tasks, "services": services, **more}


NETWORK = {"accounts_network": True, "free": Resources(network_mbps=600)}
NETWORK["total"] = Resources(network_mbps=1_000)
DEVICES = {"gpus": (GpuDevice(1_000), GpuDevice(500)), "total": Resources(gpus=2)}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
    # part, host, request, fitness
    ("packing", used(0, 0), {}, 187),  # (250 + 125) / 2, rounded down
    ("packing", used(3_000, 7_168), {}, 1_000),
    ("packing", used(2_000, 0), {}, 437),
    ("packing", {"total": Resources(0, 8_192), "free": Resources(0, 8_192)}, {"cpu": 0}, 562),
    ("packing", used(0, 9_000), {"memory": 0}, 625),  # More in use than there is: full.
    ("spread", used(0, 0), {}, 813),
    ("spread", used(3_000, 7_168), {}, 0),
    ("cpu", used(1_000, 0), {}, 500),
    ("cpu", used(3_000, 0), {}, 1_000),
    ("memory", used(0, 4_096), {}, 625),
    ("disk", used(0, 0), {"disk": 300}, 300),
    ("network", NETWORK, {"network": 100}, 500),
    ("network", EMPTY, {"network": 100}, 0),
    ("weighted", used(1_000, 1_024), {}, 375),
    ("weighted", used(1_000, 1_024), {"disk": 750}, 500),
    ("weighted", used(2_000, 2_048), {"cpu": 0, "memory": 0}, 375),  # As packing: nothing asked.
    ("gpu", DEVICES, {"gpus": 1}, 750),
    ("gpu", EMPTY, {}, 0),
    ("jobSpread", EMPTY, {}, 1_000),
    ("jobSpread", {"tasks_of_job": ((JobId("o"), 3),)}, {}, 1_000),  # Others do not crowd it.
    ("jobSpread", {"tasks_of_job": ((JobId("j"), 1),)}, {}, 500),
    ("jobSpread", {"tasks_of_job": ((JobId("j"), 4),)}, {}, 125),
    ("jobType", EMPTY, {}, 700),
    ("jobType", busy(0, 2), {}, 1_000),
    ("jobType", busy(3, 1), {}, 250),
    ("jobType", busy(3, 1), {"is_service": True}, 750),
    ("jobType", busy(2, 0), {}, 0),
    ("image", EMPTY, {}, 1_000),
    ("image", EMPTY, {"image": "nginx"}, 10),
    ("image", {"images": ("nginx",)}, {"image": "nginx"}, 1_000),
    ("imageSpread", EMPTY, {"image": "nginx"}, 1_000),
    ("imageSpread", {"images": ("nginx",)}, {"image": "nginx"}, 10),
    ("imageSpread", {"images": ("nginx",)}, {}, 1_000),
    ("securityGroup", EMPTY, {"security_groups": SG}, 10),
    ("securityGroup", {"security_groups": (SG,)}, {"security_groups": SG}, 1_000),
    ("securityGroup", {"security_groups": (SG,)}, {"security_groups": ("sg1",)}, 10),
    ("securityGroup", EMPTY, {}, 1_000),
    ("groupSpread", {"security_groups": (SG,)}, {"security_groups": SG}, 10),
    ("groupSpread", EMPTY, {"security_groups": SG}, 1_000),
    ("agent", EMPTY, {}, 1_000),
    ("agent", {"quality_milli": 400}, {}, 400),
    ("agent", {"quality_milli": 400, "is_last_choice": True}, {}, 4),
    ("age", {"since_ms": 100 * DAY_MS}, {}, 0),
    ("age", {"since_ms": 200 * DAY_MS}, {}, 0),
    ("age", {"since_ms": 98 * DAY_MS}, {}, 285),
    ("age", {"since_ms": 0}, {}, 1_000),
    ("expiry", EMPTY, {}, 1_000),
    ("expiry", {"expires_at_ms": 105 * DAY_MS}, {}, 999),
    ("expiry", {"expires_at_ms": 100 * DAY_MS + DAY_MS // 2}, {}, 500),
    ("expiry", {"expires_at_ms": 99 * DAY_MS}, {}, 0),
    ("expiry", {"expires_at_ms": 101 * DAY_MS}, {"runtime_ms": DAY_MS}, 1_000),
    ("expiry", {"expires_at_ms": 101 * DAY_MS}, {"runtime_ms": DAY_MS + 1}, 0),
    ("expiry", EMPTY, {"runtime_ms": DAY_MS}, 1_000),
    ("interface", EMPTY, {}, 1_000),
    ("interface", EMPTY, {"addresses": 1}, 1_000),
    ("interface", {"interfaces": (Interface(4),)}, {"addresses": 1}, 100),
    ("interface", {"interfaces": (Interface(4, 2, 0, SG),)}, {"addresses": 1}, 0),
    (
        "interface",
        {"interfaces": (Interface(4, 2, 0, SG),)},
        {"addresses": 1, "security_groups": SG},
        800,
    ),
    ("noise", EMPTY, {}, 1_000),
    ("noise", {"noise_milli": 300}, {}, 700),
]


def request(**facts: Any) -> Request:
    """A batch task of 1 cpu and 1 GiB, and what else is given."""
    need = Need(
        facts.pop("cpu", 1_000),
        facts.pop("memory", 1_024),
        facts.pop("disk", 0),
        network_mbps=facts.pop("network", 0),
        gpus=facts.pop("gpus", 0),
        addresses=facts.pop("addresses", 0),
    )
    return Request(job_id=JobId("j"), need=need, **facts)


def host(name: str, **facts: Any) -> HostView:
    """An empty host of 4 cpu, 8 GiB and 1,000 MiB of disk, and what else is given."""
    total = Resources(4_000, 8_192, 1_000)
    view = HostView(host_id=HostId(name), free=total, total=total)
    return msgspec.structs.replace(view, **facts)


@pytest.mark.parametrize(("part", "facts", "asked", "fitness"), CASES)
def test_a_part_answers(
    part: str, facts: dict[str, Any], asked: dict[str, Any], fitness: int
) -> None:
    columns = Columns(PlacementRules())
    columns.put([host("before"), host("h", **facts), host("after", quality_milli=1)])
    now_ms, wanted = 100 * DAY_MS, request(**asked)
    row = columns.row_of[HostId("h")]
    of_all = PARTS[part](wanted, columns, now_ms)
    of_one = PARTS[part](wanted, columns.at(row), now_ms)
    assert int(of_one) == fitness
    assert (of_all if isinstance(of_all, int) else int(of_all[row])) == fitness


def test_every_part_has_a_case() -> None:
    assert {part for part, *_ in CASES} == set(PARTS)


def test_the_names_of_rules_are_the_parts_there_are() -> None:
    assert sorted(FITNESS_NAMES) == sorted({*PARTS, *GPU_PARTS})
    assert set(PARTS) >= GROWING
    assert set(PARTS) >= OF_TIME
