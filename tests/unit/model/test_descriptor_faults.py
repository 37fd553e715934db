"""A bad descriptor is refused with the path of every fault, a reason and a hint.

How: each case breaks one field of a good descriptor, and says which path must be named and which
words must stand in the reason. One case breaks many fields and demands all of them at once.
"""

import copy
import json
import time
from typing import Any

import pytest

from scheduler.model.descriptor import decode_descriptor, spec_of
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec
from scheduler.model.reading.faults import FAULTS_MAX

GOOD: dict[str, Any] = {
    "owner": {"teamEmail": "team@example.com"},
    "applicationName": "worker",
    "jobGroupInfo": {"stack": "main"},
    "attributes": {"a": "1"},
    "container": {
        "resources": {"cpu": 1, "memoryMB": 64, "diskMB": 10, "networkMbps": 1, "ports": 1},
        "securityProfile": {"securityGroups": ["sg-1"], "iamRole": "role"},
        "image": {"name": "team/worker", "tag": "latest"},
        "command": ["/bin/true"],
        "env": {"A": "b"},
        "hardConstraints": {"constraints": {"uniqueHost": "true"}},
    },
    "batch": {"size": 1, "retryPolicy": {"immediate": {"retries": 1}}},
}
RESOURCES = "container.resources"
HUGE = int("9" * 4000)
CONTROL = "\x1b[31m"


def changed(path: str, value: object) -> dict[str, Any]:
    """`GOOD` with the field at ``path`` set; ``...`` as the value removes it."""
    descriptor = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    inside = descriptor
    for name in parents:
        inside = inside.setdefault(name, {})
    if value is ...:
        del inside[last]
    else:
        inside[last] = value
    return descriptor


def faults_of(descriptor: object) -> tuple[Fault, ...]:
    """The faults of a descriptor that must be bad, by way of its JSON text."""
    found = decode_descriptor(json.dumps(descriptor).encode())
    assert not isinstance(found, JobSpec)
    return found


def service(**capacity: object) -> dict[str, Any]:
    """A service in place of the batch part."""
    descriptor = changed("batch", ...)
    descriptor["service"] = {"capacity": capacity}
    return descriptor


def test_the_unbroken_descriptor_is_good() -> None:
    assert isinstance(spec_of(GOOD), JobSpec)


@pytest.mark.parametrize(
    "path",
    [
        "owner",
        "owner.teamEmail",
        "applicationName",
        "container",
        "container.resources",
        "container.resources.cpu",
        "container.resources.memoryMB",
        "container.command",
        "container.image.name",
        "batch",
        "batch.size",
    ],
)
def test_what_is_required_is_missed_by_its_path(path: str) -> None:
    for absent in (changed(path, ...), changed(path, None)):
        (fault,) = faults_of(absent)
        assert fault.field == path
        assert "missing" in fault.text
        assert fault.hint


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (f"{RESOURCES}.cpu", -1, "is -1; it must be from 0.01"),
        (f"{RESOURCES}.cpu", 0, "from 0.01"),
        (f"{RESOURCES}.cpu", 0.0001, "from 0.01"),
        (f"{RESOURCES}.cpu", 0.5004, "more than three decimals"),
        (f"{RESOURCES}.cpu", 1e300, "from 0.01 to 1024"),
        (f"{RESOURCES}.cpu", HUGE, "too large to count"),
        (f"{RESOURCES}.cpu", float("nan"), "nan"),
        (f"{RESOURCES}.cpu", float("inf"), "too large"),
        (f"{RESOURCES}.cpu", float("-inf"), "from 0.01"),
        (f"{RESOURCES}.cpu", True, "is true; a number is needed"),
        (f"{RESOURCES}.cpu", "4", "a number is needed"),
        (f"{RESOURCES}.cpu", [1], "a list of 1; a number is needed"),
        (f"{RESOURCES}.memoryMB", 15, "from 16"),
        (f"{RESOURCES}.memoryMB", -5, "from 16"),
        (f"{RESOURCES}.memoryMB", 64.0, "a whole number is needed"),
        (f"{RESOURCES}.memoryMB", "64", "a whole number is needed"),
        (f"{RESOURCES}.memoryMB", False, "is false; a whole number"),
        (f"{RESOURCES}.memoryMB", 10**15, "to 16777216 MiB"),
        (f"{RESOURCES}.memoryMB", HUGE, "too large to count"),
        (f"{RESOURCES}.memoryMB", float("nan"), "a whole number"),
        (f"{RESOURCES}.diskMB", -1, "from 0"),
        (f"{RESOURCES}.networkMbps", 400_001, "to 400000"),
        (f"{RESOURCES}.ports", 1001, "to 1000"),
        (f"{RESOURCES}.ports", {}, "an object"),
        ("batch.size", 0, "from 1"),
        ("batch.size", 100_001, "to 100000"),
        ("batch.runtimeLimitSec", 4, "from 5"),
        ("batch.runtimeLimitSec", 864_001, "to 864000"),
        ("batch.runtimeLimitSec", 0, "from 5"),
        ("batch.retryOnRuntimeLimit", "yes", "true or false"),
        ("batch.retryOnRuntimeLimit", 1, "true or false"),
        ("batch.retryPolicy", {}, "exactly one"),
        ("batch.retryPolicy", {"immediate": {}, "delayed": {"delayMs": 1}}, "exactly one"),
        ("batch.retryPolicy", [], "an object is needed"),
        ("batch.retryPolicy.immediate.retries", -1, "from 0"),
        ("batch.retryPolicy.immediate.retries", 10**9, "from 0"),
    ],
)
def test_numbers_are_refused_by_path(path: str, value: object, words: str) -> None:
    faults = faults_of(changed(path, value))
    assert faults[0].field == path
    assert words in faults[0].text
    assert faults[0].hint
    assert len(faults) == 1


@pytest.mark.parametrize(
    ("path", "value", "field", "words"),
    [
        ("owner.teamEmail", "nobody", "", "no address"),
        ("owner.teamEmail", "a@" + "b" * 400, "", "at most 320"),
        ("owner.teamEmail", "a@\nb", "", "U+000A"),
        ("applicationName", "", "", "blank"),
        ("applicationName", "  ", "", "blank"),
        ("applicationName", " x", "", "space around"),
        ("applicationName", "x" * 256, "", "256 bytes"),
        ("applicationName", "a\u0000b", "", "U+0000"),
        ("applicationName", "a\ud800", "", "U+D800"),
        ("applicationName", "a\u202eb", "", "U+202E"),
        ("applicationName", 7, "", "is 7; a text is needed"),
        ("capacityGroup", CONTROL, "", "U+001B"),
        ("jobGroupInfo.stack", "x" * 65, "", "at most 64"),
        ("jobGroupInfo.detail", [], "", "a text is needed"),
        ("container.image.name", "a b", "", "right form"),
        ("container.image.tag", "la/test", "", "right form"),
        ("container.image.tag", "", "container.image", "neither tag nor digest"),
        ("container.image.digest", "sha256:xyz", "", "right form"),
        ("container.securityProfile.securityGroups", ["x"], ".[0]", "right form"),
        ("container.securityProfile.securityGroups", ["sg-1"] * 7, "", "at most 6"),
        ("container.securityProfile.securityGroups", ["sg-1", "sg-1"], "", "twice"),
        ("container.securityProfile.iamRole", "a role", "", "right form"),
        ("container.command", "echo", "", "a list of texts"),
        ("container.command", ["a", 1], ".[1]", "is 1; a text"),
        ("container.command", ["a\u0000"], ".[0]", "U+0000"),
        ("container.command", ["a\udfff"], ".[0]", "U+DFFF"),
        ("container.command", ["a", "b\r"], ".[1]", "U+000D"),
        ("container.command", ["a", CONTROL], ".[1]", "U+001B"),
        ("container.command", [""], "", "empty word"),
        ("container.command", ["a"] * 1001, "", "at most 1000"),
        ("container.command", ["a" * 40_000] * 2, "", "at most 65536"),
        ("container.entryPoint", ["a" * 16_385], "", "at most 16384"),
        ("container.env", {"1A": "x"}, ".1A", "right form"),
        ("container.env", {"A-B": "x"}, ".A-B", "right form"),
        ("container.env", {"A=B": "x"}, ".['A=B']", "right form"),
        ("container.env", {"É": "x"}, ".['\\xc9']", "right form"),
        ("container.env", {"A": 5}, ".A", "is 5; a text"),
        ("container.env", {"A": None}, ".A", "is null; a text"),
        ("container.env", {"A": "x\u0000"}, ".A", "U+0000"),
        ("container.env", ["A=b"], "", "an object is needed"),
        ("container.env", {"A": "x" * 32_766}, "", "32769 bytes in all, counting 2 more"),
        ("container.env", {f"A{n}": "" for n in range(2001)}, "", "at most 2000"),
        ("attributes", {"a": 1}, ".a", "a text is needed"),
        ("attributes", {"a": "x" * 4097}, ".a", "at most 4096"),
        ("attributes", {"": "x"}, ".['']", "blank"),
        ("attributes", {f"a{n}": "" for n in range(101)}, "", "at most 100"),
        ("attributes", {f"a{n}": "x" * 4000 for n in range(5)}, "", "at most 16384"),
        (
            "container.attributes",
            {"titusParameter.agent.killWaitSeconds": "3601"},
            ".['titusParameter.agent.killWaitSeconds']",
            "from 0 to 3600",
        ),
    ],
)
def test_texts_are_refused_by_path(path: str, value: object, field: str, words: str) -> None:
    wanted = path + field[1:] if field.startswith((".[", ".['")) else path + field
    if field and not field.startswith("."):
        wanted = field
    faults = faults_of(changed(path, value))
    assert [fault.field for fault in faults] == [wanted]
    assert words in faults[0].text
    assert faults[0].hint


@pytest.mark.parametrize("value", [0, "x", True, [], {"a": {}}])
@pytest.mark.parametrize("path", ["owner", "container", "container.resources", "batch"])
def test_wrong_shapes_never_raise(path: str, value: object) -> None:
    assert faults_of(changed(path, value))[0].field.startswith(path)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("applicationNme", "did you mean 'applicationName'?"),
        ("container.resources.memory", "did you mean 'memoryMB'?"),
        ("container.resources.CPU", "did you mean 'cpu'?"),
        ("container.environment", "known here: attributes, command, "),
        ("container.image.version", "known here: digest, name, tag"),
        ("batch.retry", "did you mean 'retryPolicy'?"),
        ("batch.retryPolicy.immediate.delayMs", "known here: retries"),
    ],
)
def test_unknown_fields_are_refused_with_a_guess(path: str, hint: str) -> None:
    (fault,) = faults_of(changed(path, "x"))
    assert fault.field == path
    assert fault.text == "is an unknown field"
    assert fault.hint.startswith(hint)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("networkConfiguration", {"networkMode": "Ipv4Only"}),
        ("extraContainers", [{}]),
        ("platformSidecars", [{}]),
    ],
)
def test_what_titus_knows_and_we_do_not_is_said_so(path: str, value: object) -> None:
    (fault,) = faults_of(changed(path, value))
    assert fault.field == path
    assert fault.text == "is known to Titus and not supported by this version"


@pytest.mark.parametrize(
    ("descriptor", "field"),
    [
        (service(min=2, max=5, desired=1), "service.capacity.desired"),
        (service(min=2, max=5, desired=6), "service.capacity.desired"),
        (service(min=9, max=5, desired=7), "service.capacity.desired"),
        (service(min=0, max=5), "service.capacity.desired"),
        (service(min=0, desired=5), "service.capacity.max"),
        (service(min=-1, max=5, desired=1), "service.capacity.min"),
        (service(min=0, max=100_001, desired=1), "service.capacity.max"),
    ],
)
def test_capacities_are_refused(descriptor: dict[str, Any], field: str) -> None:
    assert [fault.field for fault in faults_of(descriptor)] == [field]


def test_two_kinds_are_refused_and_so_are_switches_that_are_none() -> None:
    odd = service(min=0, max=1, desired=1)
    odd["service"] |= {"enabled": 1, "serviceJobProcesses": {"disableIncrease": True}}
    odd["service"]["migrationPolicy"] = {"systemDefault": {}, "selfManaged": {}}
    assert [fault.field for fault in faults_of(odd)] == [
        "service.migrationPolicy.selfManaged",
        "service.enabled",
        "service.serviceJobProcesses.disableIncrease",
    ]
    both = {**service(min=0, max=1, desired=1), "batch": {"size": 1}}
    assert [fault.field for fault in faults_of(both)] == ["service"]


def test_a_back_off_must_not_shrink() -> None:
    policy = {"exponentialBackOff": {"initialDelayMs": 9, "maxDelayIntervalMs": 8}}
    (fault,) = faults_of(changed("batch.retryPolicy", policy))
    assert fault.field == "batch.retryPolicy.exponentialBackOff.maxDelayIntervalMs"
    (fault,) = faults_of(changed("batch.retryPolicy", {"delayed": {"retries": 1}}))
    assert fault.field == "batch.retryPolicy.delayed.delayMs"


def test_all_faults_come_at_once_in_one_answer() -> None:
    descriptor = copy.deepcopy(GOOD)
    descriptor["owner"] = {"teamEmail": "x"}
    descriptor["container"]["resources"] = {"cpu": -1, "memoryMB": 1, "gpu": 17, "disc": 1}
    descriptor["container"]["env"] = {"1": 1}
    descriptor["batch"] = {"size": "many"}
    descriptor["volumes"] = [1]
    assert {fault.field for fault in faults_of(descriptor)} == {
        "owner.teamEmail",
        "container.resources.cpu",
        "container.resources.memoryMB",
        "container.resources.gpu",
        "container.resources.disc",
        "container.env.1",
        "batch.size",
        "volumes[0]",
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"   ", "is not JSON"),
        (b"{", "line 1 column 2"),
        (b"\xff\xfe{", "is not UTF-8"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b'{"a": "\x01"}', "is not JSON"),
        (b"[]", "an object is needed"),
        (b"null", "an object is needed"),
        (b"[" * 10_000, "too deeply"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too deeply"),
        (b" " * 2_000_000, "is 2000000 bytes long; at most"),
    ],
)
def test_what_is_no_json_object_is_refused_as_a_whole(data: bytes, words: str) -> None:
    found = decode_descriptor(data)
    assert not isinstance(found, JobSpec)
    assert [fault.field for fault in found] == [""]
    assert words in found[0].text


def test_a_field_given_twice_is_refused_by_path() -> None:
    text = json.dumps(GOOD).replace('"cpu": 1,', '"cpu": 1, "cpu": 2,')
    found = decode_descriptor(text.encode())
    assert not isinstance(found, JobSpec)
    assert [fault.field for fault in found] == ["container.resources.cpu"]
    assert found[0].text == "is given twice"


def test_the_number_of_faults_is_limited_and_the_rest_is_counted() -> None:
    faults = faults_of({**GOOD, **{f"unknown{n}": n for n in range(1000)}})
    assert len(faults) == FAULTS_MAX + 1
    assert f"{1000 - FAULTS_MAX} more faults" in faults[-1].text


@pytest.mark.parametrize(
    "descriptor",
    [
        {**GOOD, **{f"unknown{n}": 0 for n in range(30_000)}},
        changed("container.env", {f"{n}": n for n in range(30_000)}),
        changed("container.hardConstraints.constraints", {f"u{n}": "" for n in range(30_000)}),
        changed("owner.teamEmail", "a" * 400_000),
        changed("container.image.name", "a/" * 200_000),
        changed("applicationName", "\u202e" * 60_000),
    ],
    ids=["fields", "env", "constraints", "email", "image", "name"],
)
def test_hostile_descriptors_are_refused_fast_and_in_few_words(descriptor: dict[str, Any]) -> None:
    before = time.process_time()
    faults = faults_of(descriptor)
    assert time.process_time() - before < 2  # of processor time: a slow regex would take minutes
    assert sum(len(part) for each in faults for part in (each.field, each.text, each.hint)) < 20_000
