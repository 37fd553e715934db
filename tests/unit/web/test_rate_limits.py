"""How often who may ask for what: buckets by the clock, rules in order, and a real server.

Proven by a clock that the test moves, by the application itself, and on a real socket: one client
that sends without end and one that reads nothing, while another is answered.
"""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from connectors.web.app import web_app
from connectors.web.limits.buckets import Buckets, RateRule
from connectors.web.limits.rules import RateLimits, read_rate_rules
from scheduler.model.reading.faults import Faults
from streams.api.rate_limits import rate_limits_of
from streams.api.server import listening_socket, server_for
from streams.errors import OperatorError
from tests.support.asgi import Answer, call
from tests.support.web_cell import WAIT_S, WebCell, descriptor, service_descriptor

DEADLINE_S = 20.0


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def _buckets(clock: Clock, callers_max: int = 10, **changes: Any) -> Buckets:
    rule = {"name": "r", "capacity": 3, "per_s": 2.0, **changes}
    return Buckets(RateRule(**rule), clock, callers_max)


# Buckets.


def test_a_bucket_empties_and_says_when_the_next_token_comes() -> None:
    clock = Clock()
    buckets = _buckets(clock)
    assert [buckets.take("ada") for _ in range(3)] == [None] * 3
    empty = buckets.take("ada")
    assert empty is not None
    assert empty.wait_s == pytest.approx(0.5)
    clock.s += 0.5
    assert buckets.take("ada") is None
    assert buckets.take("ada") is not None


@given(
    waits=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    capacity=st.integers(1, 10),
    per_s=st.floats(0.1, 20),
)
def test_nobody_gets_more_than_the_capacity_and_what_flowed_in(
    waits: list[float], capacity: int, per_s: float
) -> None:
    clock = Clock()
    buckets = _buckets(clock, capacity=capacity, per_s=per_s)
    taken: list[float] = []
    for wait in waits:
        clock.s += wait
        taken += [clock.s for _ in range(4) if buckets.take("ada") is None]
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            seconds = taken[last] - taken[first]
            assert last - first + 1 <= capacity + seconds * per_s + 1e-6


def test_who_invents_names_shares_one_bucket_and_takes_nobodys_memory() -> None:
    clock = Clock()
    buckets = _buckets(clock, callers_max=10)
    answers = [buckets.take(f"name-{number}") for number in range(1_000)]
    assert sum(each is None for each in answers) == 10 + 3, "ten of their own, three as strangers"
    assert len(buckets) == 11
    assert buckets.take("name-3") is None, "who was known is served"
    clock.s += 10
    assert buckets.take("somebody new") is None, "full buckets are forgotten, and there is room"
    assert len(buckets) == 11


def test_a_shared_rule_has_one_bucket_for_everybody() -> None:
    buckets = _buckets(Clock(), per="all")
    assert [buckets.take(name) is None for name in "abcde"] == [True, True, True, False, False]


# Rules.


def _rules(*rules: dict[str, Any]) -> RateLimits:
    faults = Faults()
    found = read_rate_rules({"rules": list(rules)}, faults)
    assert not faults, faults.all()
    return RateLimits(found, now_s=Clock())


def test_the_first_rule_that_fits_decides() -> None:
    limits = _rules(
        {"name": "robots", "caller": "robot-.*", "capacity": 1, "perSecond": 1},
        {"name": "writes", "endpoint": "(POST|PUT|DELETE) .*", "capacity": 2, "perSecond": 1},
    )
    get, post = "GET /api/v3/jobs", "POST /api/v3/jobs"
    assert limits.take("robot-1", "a", post) is None
    stopped = limits.take("robot-1", "a", get)
    assert stopped is not None
    assert stopped.rule.name == "robots"
    assert [limits.take("ada", "a", post) is None for _ in range(3)] == [True, True, False]
    assert all(limits.take("ada", "a", get) is None for _ in range(100)), "no rule is about it"


def test_a_rule_by_address_does_not_believe_names() -> None:
    limits = _rules({"name": "n", "capacity": 2, "perSecond": 1, "per": "address"})
    taken = [limits.take(f"name-{number}", "10.0.0.1", "GET /x") is None for number in range(4)]
    assert taken == [True, True, False, False]
    assert limits.take("name-1", "10.0.0.2", "GET /x") is None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "rules"),
        ({"rules": [{"capacity": 1, "perSecond": 1}]}, "rules[0].name"),
        ({"rules": [{"name": "a", "capacity": 0, "perSecond": 1}]}, "rules[0].capacity"),
        ({"rules": [{"name": "a", "capacity": 1, "perSecond": 0}]}, "rules[0].perSecond"),
        ({"rules": [{"name": "a", "capacity": 1, "perSecond": 1, "per": "x"}]}, "rules[0].per"),
        (
            {"rules": [{"name": "a", "capacity": 1, "perSecond": 1, "caller": "(a"}]},
            "rules[0].caller",
        ),
        (
            {"rules": [{"name": "a", "capacity": 1, "perSecond": 1, "caller": r"(a)\1"}]},
            "rules[0].caller",
        ),
        (
            {
                "rules": [
                    {
                        "name": "a",
                        "capacity": 1,
                        "perSecond": 1,
                        "caller": "((a{900}){900}){900}",
                    }
                ]
            },
            "rules[0].caller",
        ),
        ({"rules": [{"name": "a", "capacity": 1, "perSecond": 1, "x": 1}]}, "rules[0].x"),
        ({"rules": [{"name": "a", "capacity": 1, "perSecond": 1}] * 2}, "rules[1].name"),
    ],
)
def test_a_wrong_rule_is_named_by_its_field(document: object, field: str) -> None:
    faults = Faults()
    read_rate_rules(document, faults)
    assert field in [each.field for each in faults.all()]


def test_a_file_that_is_wrong_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text("rules:\n  - name: a\n    capacity: no\n    perSecond: 1\n")
    with pytest.raises(OperatorError, match=r"line 3: rules\[0\]\.capacity"):
        rate_limits_of(path)
    with pytest.raises(OperatorError, match="cannot be read"):
        rate_limits_of(tmp_path / "absent.yaml")
    path.write_text("rules:\n  - name: a\n    capacity: 2\n    perSecond: 0.5\n")
    assert [rate_limits_of(path).take("a", "b", "GET /x") is None for _ in range(1)] == [True]
    assert not rate_limits_of(None)


# The application.


def _app(*rules: dict[str, Any]) -> ASGIApp:
    web = WebCell()
    return web_app(web, web.files, wait_s=WAIT_S, rate_limits=_rules(*rules))


def _submit(app: ASGIApp, number: int, actor: str) -> Answer:
    path = f"/api/v3/jobs?jobId=job-{number}"
    return call(app, "POST", path, descriptor(), {"X-Flumina-Actor": actor})


def test_too_many_requests_are_a_429_that_says_which_rule_and_when() -> None:
    submissions = {"endpoint": "POST /api/v3/jobs", "capacity": 2, "perSecond": 0.1}
    app = _app({"name": "submissions", **submissions})
    answers = [_submit(app, number, "mallory") for number in range(3)]
    assert [each.status for each in answers] == [201, 201, 429]
    assert answers[2].headers["retry-after"] == "10"
    body = answers[2].json
    assert "submissions" in body["message"]
    assert list(body["errorContext"]["constraintViolations"]) == ["X-Flumina-Actor"]
    assert _submit(app, 7, "ada").status == 201
    assert call(app, "GET", "/api/v3/jobs", headers={"X-Flumina-Actor": "mallory"}).status == 200
    lines = call(app, "GET", "/metrics").body.decode()
    assert 'flumina_api_requests_turned_away_total{reason="rate"} 1.0' in lines


# A real server.


async def _asked(port: int, actor: str) -> tuple[int, float]:
    """The status of a GET, and the seconds that it took."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /api/v3/status HTTP/1.1\r\nHost: localhost\r\nX-Flumina-Actor: {actor}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    line = await reader.readline()
    writer.close()
    return int(line.split()[1]), loop.time() - begun_s


@pytest.mark.slow
def test_who_floods_and_who_reads_nothing_do_no_harm_to_others() -> None:
    """On a real socket: 60 requests of one name, 12 large answers nobody reads, and Ada's."""
    web = WebCell()
    for number in range(40):
        described = service_descriptor()
        described["attributes"] = {f"filling-{each}": "x" * 900 for each in range(16)}
        assert call(web.app, "POST", f"/api/v3/jobs?jobId=big-{number}", described).status == 201
    rule = {"name": "everything", "capacity": 20, "perSecond": 1}
    app = web_app(web, web.files, wait_s=WAIT_S, rate_limits=_rules(rule))

    async def run() -> None:
        started = asyncio.Event()
        listener = listening_socket("127.0.0.1", 0)
        # Small buffers on both sides, so that what nobody reads waits in the server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
        port = listener.getsockname()[1]
        server = server_for(app, started.set, of_address_max=16)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        lazy: list[asyncio.StreamWriter] = []
        try:
            async with asyncio.timeout(DEADLINE_S):
                await started.wait()
                for _ in range(12):
                    small = socket.socket()
                    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                    small.setblocking(False)
                    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", port))
                    reader, writer = await asyncio.open_connection(sock=small, limit=1)
                    lazy.append(writer)
                    writer.write(
                        b"GET /api/v3/jobs?pageSize=40 HTTP/1.1\r\nHost: localhost\r\n"
                        b"X-Flumina-Actor: lazy\r\n\r\n"
                    )
                    del reader
                flood = [await _asked(port, "mallory") for _ in range(60)]
                assert sorted({status for status, _ in flood}) == [200, 429]
                assert sum(status == 200 for status, _ in flood) == 20
                mine = [await _asked(port, "ada") for _ in range(5)]
                assert [status for status, _ in mine] == [200] * 5
                assert max(seconds for _, seconds in mine) < 2
                await _too_many_connections(port, lazy)
        finally:
            for each in lazy:
                each.close()
            server.should_exit = True
            await serving
            listener.close()

    asyncio.run(run())


async def _too_many_connections(port: int, held: list[asyncio.StreamWriter]) -> None:
    """Open connections until one is closed unanswered; those before it stay."""
    for _ in range(32):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        held.append(writer)
        try:
            async with asyncio.timeout(0.2):
                assert await reader.read(1) == b"", "nothing is said to it"
                return
        except ConnectionResetError:
            return
        except TimeoutError:
            continue
    raise AssertionError(f"{len(held)} connections of one address, and none was refused")


def test_the_rules_of_the_documentation_are_taken() -> None:
    text = Path("docs/rest.md").read_text("utf-8")
    example = text.split("```yaml\n# rate limits\n")[1].split("```")[0]
    path = Path("docs/rest.md")
    assert path.exists()
    faults = Faults()
    from streams.policy_file.reading import read_yaml  # noqa: PLC0415 - only this test reads YAML

    assert read_rate_rules(read_yaml(example, faults).document, faults)
    assert not faults, json.dumps([each.text for each in faults.all()])
