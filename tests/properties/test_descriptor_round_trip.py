"""A descriptor, read and written back, is read as the same spec; from there nothing changes.

How: hypothesis makes good descriptors of every kind; descriptor -> spec -> descriptor -> spec must
be a fixpoint, through JSON text, and keep the digest.
"""

import string
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.descriptor import decode_descriptor, descriptor_of, spec_digest, spec_of
from scheduler.model.job import JobSpec

NAMES = st.text(string.ascii_letters + string.digits + "-_.é", min_size=1, max_size=12)
VARIABLES = st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n"))
LINES = st.text(string.printable[:95], max_size=20)
MAYBE_ATTRIBUTES = st.none() | st.dictionaries(NAMES, LINES, max_size=3)
RETRIES = st.one_of(
    st.none(),
    st.builds(lambda n: {"immediate": {"retries": n}}, st.integers(0, 9)),
    st.builds(lambda delay: {"delayed": {"delayMs": delay, "retries": 1}}, st.integers(0, 9)),
    st.builds(
        lambda a, b: {"exponentialBackOff": {"initialDelayMs": a, "maxDelayIntervalMs": a + b}},
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
)
KINDS = st.one_of(
    st.builds(
        lambda size, limit, retry, again: {
            "batch": {
                "size": size,
                "runtimeLimitSec": limit,
                "retryPolicy": retry,
                "retryOnRuntimeLimit": again,
            }
        },
        st.integers(1, 1000),
        st.none() | st.integers(5, 864_000),
        RETRIES,
        st.none() | st.booleans(),
    ),
    st.builds(
        lambda sizes, retry: {
            "service": {
                "capacity": dict(zip(("min", "desired", "max"), sorted(sizes), strict=True)),
                "retryPolicy": retry,
            }
        },
        st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
        RETRIES,
    ),
)
HOST_RULES = st.sampled_from([None, {}, {"constraints": {"UniqueHost": "true"}}])


@st.composite
def descriptors(draw: st.DrawFn) -> dict[str, Any]:
    """A good descriptor, with any of what may be left out left out."""
    attributes = draw(MAYBE_ATTRIBUTES)
    grace = draw(st.none() | st.integers(0, 3600))
    if grace is not None:
        attributes = {**(attributes or {}), "titusParameter.agent.killWaitSeconds": str(grace)}
    hard = draw(HOST_RULES)
    return {
        "owner": {"teamEmail": draw(NAMES) + "@example.com"},
        "applicationName": draw(NAMES),
        "capacityGroup": draw(st.none() | NAMES),
        "jobGroupInfo": draw(st.none() | st.fixed_dictionaries({"stack": NAMES})),
        "attributes": draw(MAYBE_ATTRIBUTES),
        "container": {
            "resources": {
                "cpu": draw(st.integers(10, 1_024_000)) / 1000,
                "memoryMB": draw(st.integers(16, 10**6)),
                "ports": draw(st.none() | st.integers(0, 9)),
            },
            "securityProfile": draw(
                st.none()
                | st.just({"securityGroups": ["sg-1", "sg-0"], "iamRole": "role/a"})
                | st.fixed_dictionaries({"attributes": MAYBE_ATTRIBUTES})
            ),
            "image": draw(st.sampled_from([None, {"name": "a/b", "tag": "1"}])),
            "attributes": attributes,
            "entryPoint": draw(st.none() | st.just(["/bin/sh", "-c"])),
            "command": ["x", *draw(st.lists(VALUES, max_size=3))],
            "env": draw(st.none() | st.dictionaries(VARIABLES, VALUES, max_size=3)),
            "hardConstraints": hard,
            "softConstraints": None if hard else draw(HOST_RULES),
        },
        **draw(KINDS),
    }


@settings(deadline=None, max_examples=150)
@given(descriptors())
def test_reading_and_writing_is_a_fixpoint(descriptor: dict[str, Any]) -> None:
    spec = decode_descriptor(msgspec.json.encode(descriptor))
    assert isinstance(spec, JobSpec), spec
    written = msgspec.json.encode(descriptor_of(spec))
    again = decode_descriptor(written)
    assert again == spec
    assert isinstance(again, JobSpec)
    assert msgspec.json.encode(descriptor_of(again)) == written
    assert spec_digest(again) == spec_digest(spec)
    # The spec also survives the cell log, where it is written by msgspec.
    assert msgspec.json.decode(msgspec.json.encode(spec), type=JobSpec) == spec
    assert spec_of(descriptor) == spec
