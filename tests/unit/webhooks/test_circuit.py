"""A receiver that fails is asked later and later, and by one request at a time."""

import asyncio

import pytest

from connectors.webhooks.client import DeliveryFailed
from streams.webhooks.circuit import Circuit, Pace


def test_pauses_double_up_to_a_bound_and_are_not_in_step() -> None:
    pace = Pace(1.0, 60.0)
    for failures, whole in ((1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (10_000, 60.0)):
        drawn = [pace.pause_s(failures) for _ in range(50)]
        assert all(whole / 2 <= each <= whole for each in drawn)
        assert len(set(drawn)) > 1


async def _ask(circuit: Circuit, *, fails: bool, retry_after_s: float = 0.0) -> None:
    async with circuit.turn():
        if fails:
            raise DeliveryFailed("answered 500", retry_after_s)


def test_failures_are_counted_until_one_is_taken() -> None:
    async def run() -> None:
        circuit = Circuit(Pace(0.001, 0.002))
        for count in (1, 2, 3):
            with pytest.raises(DeliveryFailed):
                await _ask(circuit, fails=True)
            assert (circuit.failures, circuit.detail) == (count, "answered 500")
        await _ask(circuit, fails=False)
        assert (circuit.failures, circuit.detail, circuit.taken) == (0, "", 1)

    asyncio.run(run())


def test_while_it_fails_only_one_request_tries_it() -> None:
    async def run() -> None:
        circuit = Circuit(Pace(0.001, 0.002))
        with pytest.raises(DeliveryFailed):
            await _ask(circuit, fails=True)
        under_way, most = 0, 0

        async def lane() -> None:
            nonlocal under_way, most
            async with circuit.turn():
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.002)
                under_way -= 1

        await asyncio.gather(*(lane() for _ in range(8)))
        assert most == 1
        assert circuit.taken == 8

    asyncio.run(run())


def test_a_receiver_that_asks_for_a_pause_gets_it() -> None:
    async def run() -> None:
        circuit, loop = Circuit(Pace(0.001, 0.002)), asyncio.get_running_loop()
        with pytest.raises(DeliveryFailed):
            await _ask(circuit, fails=True, retry_after_s=0.2)
        began_s = loop.time()
        await _ask(circuit, fails=False)
        assert loop.time() - began_s >= 0.15

    asyncio.run(run())
