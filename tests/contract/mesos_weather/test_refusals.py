"""A master that will not have us: an operator is paged once for each reason, and told what to do.

The endpoint is scripted; its words are those of a master of 1.11.0 where they are quoted whole.
"""

from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.mesos.refusals import REASONS_MAX, Refusals, advice
from tests.support.mesos_endpoint import STREAM_HEAD, Exchange, Handler, scripted_master
from tests.support.mesos_stream import (
    FAILED_OVER,
    REMOVED,
    answering,
    client_of,
    ended,
    everything,
    run,
)

INVALID_ROLE = "'FrameworkInfo.roles' contains invalid role: 'a b' cannot contain any whitespace"


def _error(said: str) -> dict[str, Any]:
    return {"type": "ERROR", "error": {"message": said}}


def refusing(event: dict[str, Any], *, is_open: bool = False) -> Handler:
    """Answers 200 with an ERROR, as Mesos does; ``is_open``: after SUBSCRIBED."""

    async def handler(exchange: Exchange) -> None:
        if is_open:
            await exchange.open_stream()
        else:
            await exchange.raw(STREAM_HEAD.format(stream="s1").encode())
        await exchange.event(event)
        await exchange.end()

    return handler


async def _taken(exchange: Exchange) -> None:
    await exchange.open_stream()
    await exchange.end()


def pages(*handlers: Handler) -> list[dict[str, Any]]:
    """What pages while each handler in turn answers one attempt to subscribe."""
    turns = list(handlers)

    async def in_turn(exchange: Exchange) -> None:
        await turns.pop(0)(exchange)

    async def main() -> None:
        async with scripted_master(in_turn) as master:
            client = client_of(master.address)
            for _ in handlers:
                ended(await everything(client))
            await client.close()

    with capture_logs() as lines:
        run(main())
    return [dict(line) for line in lines if line.get("page")]


@pytest.mark.parametrize("is_open", [False, True])
def test_a_refusal_pages_once_however_often_it_comes(is_open: bool) -> None:
    (page,) = pages(*[refusing(_error(INVALID_ROLE), is_open=is_open)] * 4)
    assert page["log_level"] == "critical"
    assert page["event"] == "mesos_refuses_us"
    assert INVALID_ROLE in page["why"]
    assert "--roles" in page["what_to_do"]


def test_each_reason_pages_and_pages_again_when_the_master_had_taken_us_between() -> None:
    role, principal = (
        refusing(_error(each))
        for each in (INVALID_ROLE, "Changing framework's principal is not allowed.")
    )
    assert [each["why"] for each in pages(role, principal, role, principal, _taken, role)] == [
        f"the master ended the stream: {INVALID_ROLE}",
        "the master ended the stream: Changing framework's principal is not allowed.",
        f"the master ended the stream: {INVALID_ROLE}",
    ]


@pytest.mark.parametrize("status", [401, 403])
def test_a_master_that_wants_a_login_pages_once(status: int) -> None:
    (page,) = pages(*[answering(status)] * 3)
    assert str(status) in page["why"]
    assert page["what_to_do"]


@pytest.mark.parametrize(
    "handler",
    [
        refusing(FAILED_OVER, is_open=True),
        refusing(REMOVED),
        answering(503, "Master has not finished recovery"),
        answering(404),
        _taken,
    ],
    ids=["failed over", "burnt: the feed pages", "recovering", "starting", "closed"],
)
def test_what_needs_no_operator_pages_nobody(handler: Handler) -> None:
    assert pages(handler) == []


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (INVALID_ROLE, "--roles"),
        ("Not authorized to use roles '*'", "--acls"),
        ("Changing framework's principal is not allowed.", "principal"),
        ("answered 401: nothing more", "--authenticate_http_frameworks"),
        ("User 'root' is not allowed to run frameworks", "--root_submissions"),
        ("capabilities are not supported", "PARTITION_AWARE"),
        ("The framework failover_timeout (1e+12) is invalid", "MESOS_FAILOVER_TIMEOUT_S"),
        ("something new", "docs/mesos.md"),
    ],
)
def test_the_advice_fits_the_words(said: str, names: str) -> None:
    assert names in advice(said)


def test_a_master_with_ever_other_reasons_does_not_page_for_ever() -> None:
    refusals = Refusals()
    with capture_logs() as lines:
        for number in range(REASONS_MAX * 2):
            refusals.refused(f"reason {number}")
    assert len(lines) == REASONS_MAX
