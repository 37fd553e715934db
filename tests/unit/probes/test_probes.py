"""The three answers: each has a meaning of its own, and whoever asks badly harms nobody.

How: a real server on loopback, asked over real sockets.
"""

import asyncio
import contextlib

import httpx
import pytest

from streams.errors import OperatorError
from streams.health.counts import BEHIND_RECORDS_MAX, HealthCounts
from streams.probes import ProbeAddress, Probes, probe_address_of, probed, run_probed

HERE = ProbeAddress("127.0.0.1", 0)


def answers_of(probes: Probes) -> tuple[int, int, int]:
    return (
        probes.answer("/live")[0],
        probes.answer("/started")[0],
        probes.answer("/ready")[0],
    )


def test_a_process_that_folds_lives_and_has_not_started() -> None:
    assert answers_of(Probes()) == (200, 503, 503)


def test_one_that_has_begun_is_all_three(capsys: pytest.CaptureFixture[str]) -> None:
    probes = Probes()
    probes.begun("ready cell-0")
    assert answers_of(probes) == (200, 200, 200)
    assert capsys.readouterr().out == "ready cell-0\n"


def test_one_that_falls_behind_lives_and_has_started_but_is_not_ready() -> None:
    probes = Probes(lambda: "main is 30000 records behind")
    probes.begun("ready")
    assert answers_of(probes) == (200, 200, 503)
    assert probes.answer("/ready")[1] == {"isReady": False, "why": "main is 30000 records behind"}


def test_a_round_that_came_to_nothing_is_the_reason_until_one_does_not() -> None:
    probes = Probes()
    probes.begun("ready")
    probes.trouble = "no master answers"
    assert probes.answer("/ready") == (503, {"isReady": False, "why": "no master answers"})
    probes.trouble = ""
    assert probes.answer("/ready")[0] == 200


def test_health_is_behind_only_when_many_records_wait() -> None:
    counts = HealthCounts(lag={0: 10, 1: BEHIND_RECORDS_MAX - 10})
    assert not counts.why_behind()
    counts.lag[2] = 1
    assert counts.why_behind() == f"{BEHIND_RECORDS_MAX + 1} records wait to be judged"


def test_they_are_answered_over_a_socket() -> None:
    async def work() -> None:
        async with probed(HERE) as probes, httpx.AsyncClient(base_url=probes.url) as http:
            assert (await http.get("/ready")).status_code == 503
            probes.begun("ready")
            ready = await http.get("/ready?verbose")
            assert (ready.status_code, ready.json()) == (200, {"isReady": True, "why": ""})
            assert (await http.head("/live")).status_code == 200
            assert (await http.get("/metrics")).status_code == 404
            assert (await http.post("/live")).status_code == 405

    asyncio.run(work())


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"x" * 20_000, b"GET /live\r\n\r\n", b"\xff\xfe"])
def test_bad_requests_get_a_short_no_and_the_next_is_answered(sent: bytes) -> None:
    async def work() -> None:
        async with probed(HERE) as probes:
            port = int(probes.url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            # With bytes of ours unread the kernel closes by a reset.
            with contextlib.suppress(ConnectionError):
                assert not (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            async with httpx.AsyncClient(base_url=probes.url) as http:
                assert (await http.get("/live")).status_code == 200

    asyncio.run(work())


def test_nobody_listens_without_an_address_and_a_taken_port_is_told() -> None:
    async def nowhere(probes: Probes) -> str:
        return probes.url

    async def twice() -> None:
        async with probed(HERE) as first:
            taken = probe_address_of(first.url.removeprefix("http://"))
            async with probed(taken):
                pytest.fail("two cannot listen on one port")

    assert not asyncio.run(run_probed(None, nowhere))
    with pytest.raises(OperatorError, match="cannot be answered"):
        asyncio.run(twice())


@pytest.mark.parametrize("text", ["7190", ":7190", "0.0.0.0:", "0.0.0.0:70000", "host:port"])
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        probe_address_of(text)


def test_an_address_may_be_of_ipv6() -> None:
    assert probe_address_of("[::]:7190") == ProbeAddress("::", 7190)
