"""A good v3 descriptor becomes the spec that it says, with the documented defaults.

How: small descriptors are read, and single fields of the spec compared; what is written back is
read again and must be the same spec. The descriptors under ``docs/examples`` are read as well.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from scheduler.model.constraint import Constraint
from scheduler.model.descriptor import decode_descriptor, descriptor_of, spec_digest, spec_of
from scheduler.model.job import Batch, JobSpec, RetryPolicy, Service

EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*.json"))


def small(**changes: Any) -> dict[str, Any]:
    """The smallest descriptor there is, with top-level changes."""
    return {
        "owner": {"teamEmail": "team@example.com"},
        "applicationName": "worker",
        "container": {"resources": {"cpu": 0.5, "memoryMB": 64}, "command": ["/bin/true"]},
        "batch": {"size": 1},
        **changes,
    }


def container(**changes: Any) -> dict[str, Any]:
    """The smallest descriptor with changes of its container."""
    return small(container={**small()["container"], **changes})


def read(descriptor: dict[str, Any]) -> JobSpec:
    """The spec of a descriptor that must be good, by way of its JSON text."""
    spec = decode_descriptor(json.dumps(descriptor).encode())
    assert isinstance(spec, JobSpec), spec
    return spec


def test_defaults_are_the_documented_ones() -> None:
    spec = read(small())
    assert spec.capacity_group == "DEFAULT"
    assert spec.kind == Batch(size=1, runtime_limit_ms=432_000_000)
    assert spec.retry == RetryPolicy(kind="immediate", retries=0)
    assert spec.container.need.cpu_milli == 500  # not raised to Titus' floors
    assert spec.container.need.memory_mib == 64
    assert spec.container.need.disk_mib == 0
    assert spec.container.need.ports == 0
    assert spec.container.kill_grace_ms == 10_000
    assert spec.group_name == ""


def test_everything_that_is_supported_is_read() -> None:
    spec = read(
        {
            "owner": {"teamEmail": "team@example.com"},
            "applicationName": "shop",
            "capacityGroup": "Shop",
            "jobGroupInfo": {"stack": "main", "detail": "eu", "sequence": "v001"},
            "attributes": {"b": "2", "a": "1"},
            "container": {
                "resources": {
                    "cpu": 1.25,
                    "memoryMB": 512,
                    "diskMB": 1000,
                    "networkMbps": 128,
                    "ports": 2,
                },
                "securityProfile": {
                    "securityGroups": ["sg-2", "sg-1"],
                    "iamRole": "arn:aws:iam::1:role/shop",
                    "attributes": {"k": "v"},
                },
                "image": {"name": "team/shop", "tag": "v1", "digest": "sha256:" + "0a" * 32},
                "attributes": {"x": "y", "titusParameter.agent.killWaitSeconds": "30"},
                "entryPoint": ["/bin/sh", "-c"],
                "command": ["echo one\n\techo two"],
                "env": {"_b": "", "A1": "ü\n"},
                "softConstraints": {"constraints": {}},
                "hardConstraints": {"constraints": {"UniqueHOST": "True"}},
            },
            "service": {
                "capacity": {"min": 0, "max": 9, "desired": 3},
                "enabled": True,
                "retryPolicy": {"delayed": {"delayMs": 1500, "retries": 4}},
            },
        }
    )
    assert spec.group_name == "shop-main-eu-v001"
    assert spec.attributes == (("a", "1"), ("b", "2"))
    assert spec.kind == Service(minimum=0, desired=3, maximum=9)
    assert spec.retry == RetryPolicy("delayed", 4, 1500, 1500)
    inside = spec.container
    assert inside.need.cpu_milli == 1250
    assert inside.need.ports == 2
    assert inside.command == ("/bin/sh", "-c", "echo one\n\techo two")
    assert inside.entry_point_words == 2
    assert inside.environment == (("A1", "ü\n"), ("_b", ""))
    assert inside.security_groups == ("sg-2", "sg-1")
    assert inside.security_attributes == (("k", "v"),)
    assert inside.hard_constraints == (Constraint("uniqueHost"),)
    assert inside.kill_grace_ms == 30_000
    assert inside.attributes == (("x", "y"),)
    assert spec_of(descriptor_of(spec)) == spec


def test_switches_of_a_service_are_read_and_written_and_left_out_where_they_are_not_given() -> None:
    plain = {"capacity": {"min": 0, "max": 9, "desired": 3}}
    given = plain | {
        "enabled": False,
        "serviceJobProcesses": {"disableDecreaseDesired": True},
        "migrationPolicy": {"selfManaged": {}},
    }
    descriptor = {name: value for name, value in small().items() if name != "batch"}
    spec = read({**descriptor, "service": given})
    assert (spec.is_enabled, spec.is_increase_disabled, spec.is_decrease_disabled) == (
        False,
        False,
        True,
    )
    assert spec.migration == "selfManaged"
    assert spec_of(descriptor_of(spec)) == spec
    written = descriptor_of(read({**descriptor, "service": plain}))["service"]
    assert not written.keys() & {"serviceJobProcesses", "migrationPolicy"}
    assert written["enabled"] is True


@pytest.mark.parametrize("cpu", [0.01, 0.29, 0.57, 1, 1.0, 1.005, 64, 1024])
def test_cpu_is_exact_in_thousandths(cpu: float) -> None:
    spec = read(container(resources={"cpu": cpu, "memoryMB": 64}))
    assert spec.container.need.cpu_milli == int(f"{cpu:.3f}".replace(".", ""))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"immediate": {}}, RetryPolicy("immediate", 0)),
        ({"immediate": {"retries": 3}}, RetryPolicy("immediate", 3)),
        (
            {"exponentialBackOff": {"initialDelayMs": 10, "maxDelayIntervalMs": 90, "retries": 1}},
            RetryPolicy("exponentialBackOff", 1, 10, 90),
        ),
    ],
)
def test_retry_policies(given: dict[str, Any], wanted: RetryPolicy) -> None:
    assert read(small(batch={"size": 2, "retryPolicy": given})).retry == wanted


def test_null_and_empty_values_of_unsupported_fields_say_nothing() -> None:
    spec = read(small(volumes=[], disruptionBudget=None, capacityGroup="", jobGroupInfo=None))
    assert spec == read(small())


@pytest.mark.parametrize("where", ["job", "container"])
def test_attributes_of_the_control_plane_are_stripped(where: str) -> None:
    given = {"titus.sanitization.x": "1", "titus.runtimePrediction.y": "2", "titus.z": "3"}
    if where == "job":
        assert read(small(attributes=given)).attributes == (("titus.z", "3"),)
    else:
        assert read(container(attributes=given)).container.attributes == (("titus.z", "3"),)


def test_a_default_kill_grace_given_by_attribute_leaves_no_trace() -> None:
    given = container(attributes={"titusParameter.agent.killWaitSeconds": "10"})
    assert read(given) == read(small())


def test_digest_names_the_content_and_not_the_spelling() -> None:
    one = read(small(attributes={"a": "1", "b": "2"}))
    same = read(small(attributes={"b": "2", "a": "1"}, capacityGroup="DEFAULT"))
    other = read(small(attributes={"a": "1", "b": "3"}))
    assert spec_digest(one) == spec_digest(same)
    assert spec_digest(one) != spec_digest(other)
    assert len(spec_digest(one)) == 32


def test_digest_of_a_known_spec_stays_for_ever() -> None:
    # A golden value: the same submission sent again after an upgrade must still be the same.
    assert spec_digest(read(small())) == "cd979b464325af854c204891dc24a8c7"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.name))
def test_each_example_is_a_good_descriptor_for_a_small_host(path: Path) -> None:
    spec = decode_descriptor(path.read_bytes())
    assert isinstance(spec, JobSpec), spec
    assert spec.container.need.cpu_milli <= 4_000
    assert spec.container.need.memory_mib <= 8_192
    assert spec_of(descriptor_of(spec)) == spec


def test_the_examples_of_the_demo_are_there() -> None:
    desired = {path.stem: read(json.loads(path.read_text())).desired for path in EXAMPLES}
    assert desired["batch-20"] == 20
    assert desired["service-5"] == 5
    assert desired["fails-and-retries"] == 1
