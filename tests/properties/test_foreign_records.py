"""Whatever is published into a foreign topic, decoding answers and never raises.

How: hypothesis publishes bytes, JSON of any shape, and good records with parts replaced by
anything. Each answer must be a body that the cell log can hold: it encodes, decodes to itself and
stays small; and decoding the same bytes again gives the same answer.
"""

import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scheduler.model.codec import RECORD_BYTES_MAX
from scheduler.model.foreign import (
    ForeignBody,
    decode_commands_record,
    decode_jobs_record,
)
from scheduler.model.inbound import InboundBody, InboundRejected
from tests.support.samples_foreign import BATCH_JOB

BODY = msgspec.json.Decoder(InboundBody)
NASTY_TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf"]), max_size=4),
    st.sampled_from(["", " ", "true", "titus-1", "a-worker-0-1", "sg-1", "-1", "NaN"]),
)
NASTY_NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=-(10**400), max_value=10**400),
    st.floats(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 1e308, -0.0, 0.1]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NASTY_NUMBERS, NASTY_TEXTS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NASTY_TEXTS, inner, max_size=4),
    max_leaves=12,
)
SERVICE = {k: v for k, v in BATCH_JOB.items() if k != "batch"} | {
    "service": {"capacity": {"min": 1, "max": 3, "desired": 2}, "enabled": True}
}
SAID = {"actor": "ada", "why": "a test"}
RECORDS: list[dict[str, Any]] = [
    {"type": "SubmitJob", "jobId": "titus-1", "actor": "ada", "job": BATCH_JOB},
    {"type": "SubmitJob", "jobId": "titus-1", "actor": "ada", "job": SERVICE},
    {"type": "KillJob", "jobId": "titus-1", **SAID},
    {"type": "ScaleJob", "jobId": "titus-1", "desired": 2, "min": 1, "max": 3, **SAID},
    {"type": "KillTask", "taskId": "titus-1-worker-0-1", "shrink": True, **SAID},
    {"type": "SetPolicy", "values": {"batch_size_max": 5}, **SAID},
    {"type": "SkipRecord", "offset": 1, "digest": "0" * 32, **SAID},
    {"type": "ForgetOrphan", "taskId": "x", "hostId": "S1", **SAID},
    {"type": "PartitionBegan", "generation": "1a2b3c4d"},
]


def paths_of(value: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all fields inside nested objects."""
    if not isinstance(value, dict):
        return []
    found: list[tuple[str, ...]] = []
    for name, inner in value.items():
        found.append((*path, name))
        found.extend(paths_of(inner, (*path, name)))
    return found


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good record in which up to three fields are replaced, removed or renamed."""
    record = json.loads(json.dumps(draw(st.sampled_from(RECORDS))))
    for _ in range(draw(st.integers(0, 3))):
        *parents, last = draw(st.sampled_from(paths_of(record)))
        inside = record
        for name in parents:
            inside = inside[name]
        value = inside.pop(last)
        what = draw(st.sampled_from(["replace", "remove", "rename"]))
        if what == "replace":
            inside[last] = draw(ANYTHING)
        elif what == "rename":
            inside[draw(NASTY_TEXTS)] = value
        if not paths_of(record):
            break
    text = json.dumps(record)
    if draw(st.booleans()):
        return text.encode()
    cut = draw(st.integers(0, len(text)))
    return text[:cut].encode() + draw(st.binary(max_size=3)) + text[cut:].encode()


def demand_an_answer(key: bytes | None, value: bytes | None) -> None:
    """Decode in both topics, and demand what the cell log needs of the answer."""
    for decode in (decode_jobs_record, decode_commands_record):
        body: ForeignBody = decode(key, value)
        encoded = msgspec.json.encode(body)
        assert BODY.decode(encoded) == body
        assert len(encoded) < RECORD_BYTES_MAX // 8
        assert decode(key, value) == body
        if isinstance(body, InboundRejected):
            assert body.faults
            assert body.bytes_total == len(value or b"")


QUIET = settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)  # the cores are shared; what is slow is found by the unit tests of hostile descriptors


@QUIET
@given(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=200))
@example(None, None)
@example(b"\xff", b"{}")
@example(b"k", b'{"type":"SubmitJob","job":' + b"[" * 5000)
def test_any_bytes_are_answered(key: bytes | None, value: bytes | None) -> None:
    demand_an_answer(key, value)


@QUIET
@given(ANYTHING)
def test_any_json_is_answered(value: object) -> None:
    demand_an_answer(b"titus-1", json.dumps(value).encode())


@settings(parent=QUIET, max_examples=400)
@given(damaged())
def test_damaged_records_are_answered(value: bytes) -> None:
    demand_an_answer(b"titus-1", value)


def test_the_undamaged_records_are_good_ones() -> None:
    # Without this the properties could hold because everything is refused.
    for record in RECORDS:
        value = json.dumps(record).encode()
        bodies = (decode_jobs_record(b"", value), decode_commands_record(b"", value))
        assert any(not isinstance(body, InboundRejected) for body in bodies)
