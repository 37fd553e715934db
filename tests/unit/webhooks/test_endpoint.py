"""One webhook: what it sends, in which order, how it stands, and when it is given up.

How: events from a list, real receivers on loopback.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.discovery.asking import Answer, Asking
from connectors.ports import RegistrationFailed
from connectors.webhooks.addresses import networks_of
from connectors.webhooks.client import Sender
from connectors.webhooks.secrets import Secrets
from connectors.webhooks.translate import Event
from streams.clock import now_ms
from streams.webhooks.circuit import Pace
from streams.webhooks.endpoint import TRIES_MAX, Endpoint, Outside
from streams.webhooks.told import Applications, Filter, Hook
from tests.support.webhook import Receiver, receiver

QUICK = Pace(0.01, 0.05)


class Listed:
    """Events of a list, in pieces of three; keeps how far it was remembered."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.read_count = self.kept = 0

    async def open(self) -> None:
        """Begin where it was remembered."""
        self.read_count = self.kept

    async def read(self) -> list[Event]:
        """The next three."""
        await asyncio.sleep(0.001)
        found = self.events[self.read_count : self.read_count + 3]
        self.read_count += len(found)
        return found

    async def keep(self) -> None:
        """Remember."""
        self.kept = self.read_count

    async def close(self) -> None:
        """Nothing."""


class Api(Asking):
    """Knows the applications of some jobs; at first it does not answer."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.asked: list[str] = []

    async def __call__(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        assert method == "GET"
        self.asked.append(path)
        if len(self.asked) == 1:
            raise RegistrationFailed("the API does not answer")
        job = path.rsplit("/", 1)[1]
        application = {"jobDescriptor": {"applicationName": f"of-{job}"}}
        return Answer(200, json.dumps(application).encode())


def events(*names: str) -> list[Event]:
    """One event of each name's job."""
    return [
        Event(f"main/1a2b3c4d:{place}[0]", "JobChanged", "/flumina/cells/main", name, b"{}")
        for place, name in enumerate(names)
    ]


def hook(url: str, **more: Any) -> Hook:
    return replace(Hook("ci", url, "1a2b3c4d", 0, 0), **more)


def run(
    feed: Listed, webhook: Hook, until: Callable[[Endpoint], bool], api: Api | None = None
) -> Endpoint:
    """The endpoint, once it is so."""

    async def inside() -> Endpoint:
        outside = Outside(
            Sender(networks_of("127.0.0.0/8")),
            Secrets(Path("/nowhere"), {}),
            Applications(api or Api()),
        )
        endpoint = Endpoint(webhook, outside, lambda _: feed, QUICK)
        running = asyncio.create_task(endpoint.run())
        try:
            async with asyncio.timeout(10):
                while not until(endpoint):
                    await asyncio.sleep(0.005)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return endpoint

    return asyncio.run(inside())


def ids(there: Receiver, job: str) -> list[str]:
    of_job = [each for each in there.sent if each.json.get("subject") == job]
    return [each.headers["Flumina-Event-Id"] for each in of_job]


def test_each_job_in_order_and_nothing_remembered_before_it_was_taken() -> None:
    feed = Listed(events(*"abacbabcab"))
    with receiver() as there:
        there.statuses = [200, 503, None, 500]
        endpoint = run(feed, hook(there.url), lambda _: feed.kept == 10)
        for job in "abc":
            addresses = [each.id for each in feed.events if each.subject == job]
            assert list(dict.fromkeys(ids(there, job))) == addresses
    assert endpoint.standing == "delivering"


def test_who_fails_is_failing_and_given_up_after_his_time() -> None:
    feed = Listed(events("a"))
    with receiver() as there:
        there.statuses = [503] * 10_000
        endpoint = run(feed, hook(there.url), lambda each: each.standing == "failing")
        assert feed.kept == 0
        assert "503" in endpoint.circuit.detail
        # It has failed for long already, says the cell: a new process does not count anew.
        long_ago = now_ms() - 3_600_000
        old = hook(there.url, standing="failing", standing_since_ms=long_ago, pause_after_s=3_600)
        endpoint = run(feed, old, lambda each: each.standing != "")
        assert endpoint.standing == "paused"


def test_an_event_that_the_receiver_cannot_take_is_set_aside_and_those_behind_it_are_sent() -> None:
    feed = Listed(events(*"aaab"))
    second = feed.events[1].id
    with receiver() as there:
        there.unfit = frozenset((second,))
        endpoint = run(feed, hook(there.url), lambda _: feed.kept == 4)
        sent = ids(there, "a")
        assert sent.count(second) == TRIES_MAX
        assert list(dict.fromkeys(sent)) == [each.id for each in feed.events[:3]]
        assert [each.json["type"] for each in there.sent].count("flumina.Test") == 1
    assert endpoint.set_aside == 1
    assert endpoint.standing == "delivering"
    assert endpoint.detail.startswith("1 event was set aside, for the receiver takes others: ")
    assert second in endpoint.detail


def test_a_receiver_that_refuses_everything_is_waited_for_and_loses_nothing() -> None:
    feed = Listed(events("a"))
    with receiver() as there:
        there.statuses = [400] * 10_000
        endpoint = run(feed, hook(there.url), lambda each: each.circuit.failures > 2 * TRIES_MAX)
        assert feed.kept == 0
        there.statuses = []
        assert endpoint.set_aside == 0
        assert endpoint.standing == "failing"
        assert endpoint.detail.endswith("answered 400")


def test_a_missing_secret_is_a_failure_and_nothing_is_sent() -> None:
    feed = Listed(events("a"))
    with receiver() as there:
        secret = hook(there.url, secret="env:CI")  # noqa: S106 - a name
        endpoint = run(feed, secret, lambda each: each.standing == "failing")
        assert not there.sent
    assert "WEBHOOK_SECRET_CI is not set" in endpoint.circuit.detail


@pytest.mark.slow
def test_only_jobs_of_an_application_and_each_asked_once() -> None:
    feed, api = Listed(events(*"abab")), Api()
    wanted = Filter(applications=frozenset({"of-b"}))
    with receiver() as there:
        run(feed, hook(there.url, filter=wanted), lambda _: feed.kept == 4, api)
        assert ids(there, "a") == []
        assert len(ids(there, "b")) == 2
    assert len(api.asked) == 3, "one did not answer, and then each job once"


@pytest.mark.slow
def test_a_feed_that_breaks_is_opened_again_where_it_was() -> None:
    class Breaking(Listed):
        async def read(self) -> list[Event]:
            if self.read_count == 3 and not self.broke:
                self.broke = True
                raise ConnectionError("Kafka is away")
            return await super().read()

        broke = False

    feed = Breaking(events(*"aaaa"))
    with receiver() as there:
        run(feed, hook(there.url), lambda _: feed.kept == 4)
        assert len(set(ids(there, "a"))) == 4
