"""What is registered follows what is wanted, through faults, restarts and other people's targets.

How: a lane over load balancers in memory and a file of its own; the clock is an argument.
"""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.ports import Endpoint
from streams.errors import OperatorError
from streams.registrar.endpoints import (
    EndpointsUnknown,
    Place,
    Told,
    Wanted,
    next_place,
)
from streams.registrar.lane import (
    CALLS_BURST,
    COOLDOWN_MS,
    PAGED_AFTER_MS,
    PAUSE_MS_MAX,
    PLANS_MAX,
    RECONCILE_MS,
    Lane,
)
from streams.registrar.memory import Memory
from tests.support.places import Balancers

NOW = 1_700_000_000_000


class There:
    """A lane whose process can die, and its clock."""

    def __init__(self, home: Path) -> None:
        self.path = home / "registrar" / "balancers.json"
        self.balancers = Balancers("lb")
        self.now_ms = NOW
        self.again()

    def again(self) -> None:
        """Another process begins with what the last one has written."""
        self.memory = Memory(self.path)
        self.lane = Lane("balancers", self.balancers, self.memory)

    def round(self, *ports: int, after_ms: int = 1_000, place: str = "lb") -> set[str]:
        """The targets after a look in which these ports are wanted."""
        self.now_ms += after_ms
        asyncio.run(self.lane.round(wanted(*ports, place=place), self.now_ms))
        return self.balancers.targets["lb"]


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There(tmp_path)


def wanted(*ports: int, place: str = "lb") -> Wanted:
    found = [Endpoint(f"task-{port}", "job", "10.0.0.1", port) for port in ports]
    return {(place, f"{each.address}:{each.port}"): each for each in found}


def test_targets_follow_what_is_wanted_in_batches(there: There) -> None:
    assert there.round(1, 2, 3) == {"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"}
    assert there.round(1, 2, 3) == {"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"}
    assert there.round(3, 4) == {"10.0.0.1:3", "10.0.0.1:4"}
    assert [(word, len(keys)) for word, _, keys in there.balancers.asked] == [
        ("register", 3),
        ("deregister", 2),
        ("register", 1),
    ]


def test_what_others_registered_is_never_touched(there: There) -> None:
    there.balancers.targets["lb"] |= {"10.0.0.1:1", "10.9.9.9:80"}
    assert there.round(1, 2) == {"10.0.0.1:1", "10.0.0.1:2", "10.9.9.9:80"}
    assert there.round() == {"10.0.0.1:1", "10.9.9.9:80"}
    # When the other one has taken it away, ours is registered after a while, and is ours.
    there.round(1)
    there.balancers.targets["lb"].clear()
    assert there.round(1, after_ms=RECONCILE_MS) == {"10.0.0.1:1"}
    assert there.round() == set()


def test_a_dead_registrar_leaves_nothing_over(there: There) -> None:
    there.round(1, 2)
    there.again()
    assert there.round(2, 3) == {"10.0.0.1:2", "10.0.0.1:3"}
    there.again()
    assert there.round() == set()


def test_who_dies_before_an_answer_still_knows_what_he_asked_for(there: There) -> None:
    class Died(BaseException):
        """The process ends right behind the call."""

    register = there.balancers.register

    async def dying(place: str, endpoints: list[Endpoint]) -> None:
        await register(place, endpoints)
        raise Died

    there.balancers.register = dying  # type: ignore[assignment,method-assign]
    with pytest.raises(Died):
        there.round(1)
    there.balancers.register = register  # type: ignore[method-assign]
    assert there.balancers.targets["lb"] == {"10.0.0.1:1"}
    there.again()
    assert there.round() == set()


def test_a_place_that_is_away_loses_nothing_and_is_left_alone_longer_each_time(
    there: There,
) -> None:
    there.round(1, 2)
    there.balancers.fault = "throttled"
    calls = len(there.balancers.asked)
    with capture_logs() as lines:
        for _ in range(PAGED_AFTER_MS // 1_000 + 120):
            there.round(2, 3)
    assert there.balancers.targets["lb"] == {"10.0.0.1:1", "10.0.0.1:2"}
    assert len(there.balancers.asked) - calls < 20
    assert sum(bool(each.get("page")) for each in lines) == 1
    there.balancers.fault = ""
    assert there.round(2, 3, after_ms=PAUSE_MS_MAX) == {"10.0.0.1:2", "10.0.0.1:3"}


def test_what_is_missing_is_registered_again_but_not_what_was_just_touched(there: There) -> None:
    there.round(1)
    there.balancers.targets["lb"].clear()
    assert there.round(1, after_ms=RECONCILE_MS) == set()
    assert there.round(1, after_ms=COOLDOWN_MS) == {"10.0.0.1:1"}


def test_a_load_balancer_that_is_gone_is_let_go(there: There) -> None:
    there.round(1)
    del there.balancers.targets["lb"]
    there.balancers.targets["other"] = set()
    asyncio.run(there.lane.round(wanted(1, place="other"), there.now_ms + 1_000))
    assert there.balancers.targets["other"] == {"10.0.0.1:1"}
    assert set(there.memory.held) == {("other", "10.0.0.1:1")}


@pytest.mark.slow
def test_many_places_are_paced(tmp_path: Path) -> None:
    names = [f"lb-{number}" for number in range(PLANS_MAX + 5)]
    balancers = Balancers(*names)
    lane = Lane("balancers", balancers, Memory(tmp_path / "memory.json"))
    asked = {key: each for name in names for key, each in wanted(1, place=name).items()}
    loop = asyncio.new_event_loop()
    began = loop.time()
    loop.run_until_complete(lane.round(asked, NOW))
    assert len(balancers.asked) == PLANS_MAX
    assert loop.time() - began >= (PLANS_MAX - CALLS_BURST) / 20 * 0.9
    loop.run_until_complete(lane.round(asked, NOW + 1_000))
    loop.close()
    assert len(balancers.asked) == len(names)


def test_a_memory_that_cannot_be_read_stops_the_registrar(there: There) -> None:
    there.round(1)
    there.path.write_bytes(there.path.read_bytes()[:-5])
    with pytest.raises(OperatorError, match="cannot be read"):
        there.again()


def test_nothing_is_registered_that_cannot_be_written_down(there: There) -> None:
    there.path.parent.mkdir(parents=True)
    there.path.mkdir()
    with pytest.raises(OSError, match="irectory"):
        there.round(1)
    assert not there.balancers.asked


def told(**fields: object) -> Told:
    values = {
        "cell": "main",
        "cell_uuid": "u",
        "generation": "g",
        "offset": 7,
        "is_current": True,
        "items": (),
    }
    return Told(**(values | fields))  # type: ignore[arg-type]


def test_only_who_knows_is_believed() -> None:
    last = next_place(told(), Place())
    assert last == Place("u", "g", 7)
    assert next_place(told(generation="h", offset=1), last) == Place("u", "h", 1)
    for wrong in (told(is_current=False), told(cell_uuid="v"), told(offset=6)):
        with pytest.raises(EndpointsUnknown):
            next_place(wrong, last)
