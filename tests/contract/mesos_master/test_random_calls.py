"""Whatever a call looks like, Mesos and this cluster judge it alike, in JSON and in protobuf.

Calls made at random (the seed is the test's parameter) are sent to the master, and its answer is
compared with what ``parse_call`` says. None has an effect: they name a framework that nobody has.
"""

import json
import re

import pytest

from connectors.devcluster.wire import codec
from connectors.devcluster.wire.calls import parse_call
from connectors.devcluster.wire.codec import JSON, PROTOBUF, CallError, ContentType
from tests.contract.mesos_master.master_client import request
from tests.contract.mesos_master.random_calls import RandomCalls

pytestmark = pytest.mark.integration

CALLS = 150
NOBODY = "Framework cannot be found"
# What a JSON reader says about a text that it cannot read is its own.
UNREADABLE = re.compile(r"(Failed to parse '[^']*' as a JSON \w+ for field '\w+': )(?!Parsed).*")


def judged(body: bytes, content_type: ContentType) -> str:
    """What is answered to a call of a framework that nobody has."""
    try:
        parse_call(body, content_type)
    except CallError as error:
        return UNREADABLE.sub(r"\1", str(error))
    return NOBODY


@pytest.mark.parametrize("seed", range(3))
def test_a_random_call_is_judged_alike(port: int, seed: int) -> None:
    calls = RandomCalls(seed)
    verdicts = set()
    for _ in range(CALLS):
        call = calls.call()
        body = json.dumps(call).encode()
        expected = judged(body, JSON)
        verdicts.add(expected)
        reply = request(port, body=body, headers={"Content-Type": JSON})
        assert (reply.status, UNREADABLE.sub(r"\1", reply.text)) == (400, expected), call
        if expected == NOBODY:
            parsed = codec.parse("scheduler.Call", JSON, body)
            packed = codec.encode("scheduler.Call", PROTOBUF, parsed)
            reply = request(port, body=packed, headers={"Content-Type": PROTOBUF})
            assert (reply.status, reply.text) == (400, NOBODY), call
    assert len(verdicts) > 10, "the calls are not random enough to prove anything"
