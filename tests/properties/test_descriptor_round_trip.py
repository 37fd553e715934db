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
RULES = {
    "UniqueHost": "true",
    "exclusivehost": "TRUE",
    "zoneBalance": "true",
    "availabilityZone": "b",
    "machineId": "host 1",
    "hostAttribute.rack": "a|b",
    "hostAttributeIn.rack": "b|a|b",
    "hostAttributeUnlike.itype": "m4",
    "balancedAttribute.rack.row": "true",
    "nearJob": "job-b|job-a",
    "awayFromJob.rack": "job-c",
    "nearVolume": "data|logs",
    "cpuModel": "Xeon",
}
HOST_RULES: st.SearchStrategy[dict[str, Any] | None] = (
    st.none()
    | st.just({})
    | st.fixed_dictionaries(
        {
            "constraints": st.sets(st.sampled_from(sorted(RULES)), max_size=5).map(
                lambda names: {name: RULES[name] for name in names}
            )
        }
    )
)


def soft_rules(hard: dict[str, Any] | None) -> st.SearchStrategy[dict[str, Any] | None]:
    """Soft constraints other than the hard ones, some of them with a weight."""
    taken = (hard or {}).get("constraints", {})
    left = sorted(RULES.keys() - taken)

    def made(weights: dict[str, int | None]) -> dict[str, Any]:
        return {
            "constraints": {name: RULES[name] for name in weights},
            "weights": {name: str(weight) for name, weight in weights.items() if weight},
        }

    weight = st.none() | st.integers(1, 100)
    return st.none() | st.dictionaries(st.sampled_from(left), weight, max_size=4).map(made)


DEVICES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"gpu": 2}, {"gpuMilli": 250, "gpuModels": ["V100", "A10"]}]
)
SCALARS = st.none() | st.dictionaries(
    st.sampled_from(["licences", "tpu-v4"]), st.integers(0, 10**12).map(lambda n: n / 1000)
)


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
                "allocateIP": draw(st.none() | st.booleans()),
                "scalars": draw(SCALARS),
                **draw(DEVICES),
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
            "softConstraints": draw(soft_rules(hard)),
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
