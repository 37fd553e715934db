"""Constraints, scarce resources and manners of a descriptor: what each text means, what is refused.

How: tables of one line a case. A good one names the values that it must become, and is written and
read again; a bad one names the path and words of its fault.
"""

from typing import Any

import pytest

from scheduler.model.constraint import Constraint
from scheduler.model.descriptor import descriptor_of, spec_of
from scheduler.model.job import JobSpec
from scheduler.model.manner import Manner, manner_of
from scheduler.model.resources import Need
from tests.unit.model.test_descriptor_faults import GOOD, changed, faults_of

HARD = "container.hardConstraints.constraints"
SOFT = "container.softConstraints.constraints"


def read(path: str, value: object) -> JobSpec:
    """The spec of the good descriptor with one field changed, which survives a round trip."""
    spec = spec_of(changed(path, value))
    assert isinstance(spec, JobSpec), spec
    assert spec_of(descriptor_of(spec)) == spec
    return spec


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("uniqueHost", "true", [Constraint("uniqueHost")]),
        ("UNIQUEHOST", "True", [Constraint("uniqueHost")]),
        ("exclusiveHost", "true", [Constraint("exclusiveHost")]),
        ("zoneBalance", "true", [Constraint("zoneBalance")]),
        ("activeHost", "true", [Constraint("activeHost")]),
        ("AvailabilityZone", "b", [Constraint("availabilityZone", "", ("b",))]),
        ("machineType", "m4.16xl", [Constraint("machineType", "", ("m4.16xl",))]),
        ("machineId", "i-12", [Constraint("machineId", "", ("i-12",))]),
        ("machineGroup", "asg-7", [Constraint("machineGroup", "", ("asg-7",))]),
        ("cpuModel", "Xeon E5", [Constraint("hostAttribute", "cpuModel", ("Xeon E5",))]),
        ("hostAttribute.rack", "a|b", [Constraint("hostAttribute", "rack", ("a|b",))]),
        ("hostAttribute.Rack.row", "1", [Constraint("hostAttribute", "Rack.row", ("1",))]),
        ("HOSTATTRIBUTEIN.rack", "b|a|b", [Constraint("hostAttributeIn", "rack", ("a", "b"))]),
        ("hostAttributeUnlike.os", "old", [Constraint("hostAttributeUnlike", "os", ("old",))]),
        ("balancedAttribute.rack", "true", [Constraint("balancedAttribute", "rack")]),
        ("toleration", "gpu|noisy", [Constraint("toleration", "", ("gpu", "noisy"))]),
        ("nearVolume", "data", [Constraint("nearVolume", "", ("data",))]),
        (
            "nearJob",
            "job-b|job-a",
            [Constraint("nearJob", "", ("job-a",)), Constraint("nearJob", "", ("job-b",))],
        ),
        ("awayFromJob.zone", "job-a", [Constraint("awayFromJob", "zone", ("job-a",))]),
    ],
)
def test_what_a_constraint_means(name: str, value: str, wanted: list[Constraint]) -> None:
    assert read(HARD, {name: value}).container.hard_constraints == tuple(wanted)


def test_several_of_a_kind_stand_side_by_side_sorted() -> None:
    given = {"hostAttribute.b": "2", "hostAttribute.a": "1", "uniqueHost": "true"}
    found = read(HARD, given).container.hard_constraints
    assert [(each.kind, each.attribute) for each in found] == [
        ("hostAttribute", "a"),
        ("hostAttribute", "b"),
        ("uniqueHost", ""),
    ]


def test_a_list_of_names_is_read_as_version_2_wrote_it() -> None:
    spec = read("container.softConstraints", ["ZoneBalance", "ExclusiveHost"])
    assert [each.kind for each in spec.container.soft_constraints] == [
        "exclusiveHost",
        "zoneBalance",
    ]


def test_soft_constraints_have_weights() -> None:
    given = {
        "constraints": {"ZoneBalance": "true", "hostAttribute.rack": "a"},
        "weights": {"zonebalance": "3"},
    }
    spec = read("container.softConstraints", given)
    assert [each.weight for each in spec.container.soft_constraints] == [1, 3]


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        ({"uniqueHots": "true"}, "unknown constraint"),
        ({"nothing": "true"}, "unknown constraint"),
        ({"uniqueHost": "false"}, 'must be the text "true"'),
        ({"uniqueHost": True}, 'must be the text "true"'),
        ({"uniqueHost": "true", "UNIQUEHOST": "true"}, "twice"),
        ({"zoneBalance.zone": "true"}, "takes no attribute"),
        ({"availabilityZone": ""}, "blank"),
        ({"availabilityZone": 7}, "a text is needed"),
        ({"hostAttribute": "rack=a"}, "does not say which attribute"),
        ({"hostAttribute.": "a"}, "does not say which attribute"),
        ({"hostAttributeIn.rack": "a||b"}, "blank"),
        ({"hostAttributeIn.rack": "|".join(map(str, range(33)))}, "at most 32"),
        ({"hostAttribute. rack": "a"}, "space around it"),
        ({"balancedAttribute.rack": "yes"}, 'must be the text "true"'),
        ({"nearJob": "no job"}, "may hold only"),
        ({"nearJob.": "job-a"}, "ends with a dot"),
        ({"toleration": "a,b"}, "no comma"),
        ({"kubeBackend": "kb"}, "no Kubernetes"),
        ({"cpuModel": "a", "hostAttribute.cpuModel": "b"}, "twice"),
        ({"machineId": "a\nb"}, "U+000A"),
    ],
)
def test_constraints_are_refused_by_name(constraints: dict[str, Any], words: str) -> None:
    (fault,) = faults_of(changed(HARD, constraints))
    assert fault.field.startswith(f"{HARD}")
    assert words in fault.text
    assert fault.hint


@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        ({"constraints": {"uniquehost": "true"}}, "", "hardConstraints name too"),
        ({"constraints": {"toleration": "gpu"}}, ".constraints.toleration", "no effect"),
        ({"constraints": {}, "weights": {"zoneBalance": "2"}}, ".weights", "do not name"),
        (
            {"constraints": {"zoneBalance": "true"}, "weights": {"zoneBalance": 2}},
            ".weights.zoneBalance",
            "from 1 to 100",
        ),
        (
            {"constraints": {"zoneBalance": "true"}, "weights": {"zoneBalance": "101"}},
            ".weights.zoneBalance",
            "from 1 to 100",
        ),
        (["Unique"], "", "which a list cannot give"),
        (["ZoneBalance", "zonebalance"], "", "twice"),
        ("uniqueHost", "", "an object is needed"),
    ],
)
def test_soft_constraints_are_refused(value: object, field: str, words: str) -> None:
    (fault,) = faults_of(changed("container.softConstraints", value))
    assert fault.field == f"container.softConstraints{field}"
    assert words in fault.text


def test_hard_constraints_have_no_weights() -> None:
    value = {"constraints": {}, "weights": {"uniqueHost": "2"}}
    (fault,) = faults_of(changed("container.hardConstraints", value))
    assert fault.field == "container.hardConstraints.weights"


RESOURCES = {"cpu": 1, "memoryMB": 64}


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, {}),
        ({"gpu": 4}, {"gpus": 4}),
        ({"gpu": 1, "gpuModels": ["V100", "A10", "V100"]}, {"gpu_models": ("A10", "V100")}),
        ({"gpuMilli": 250}, {"gpu_milli": 250}),
        ({"networkMbps": 128}, {"network_mbps": 128}),
        ({"allocateIP": True}, {"addresses": 1}),
        ({"allocateIP": False}, {"addresses": 0}),
        ({"scalars": {"tpu": 1.5, "licences": 2, "none": 0}},
         {"scalars": (("licences", 2_000), ("tpu", 1_500))}),
        ({"scalars": {"tpu": None}}, {"scalars": ()}),
    ],
)  # fmt: skip
def test_what_a_resource_means(resources: dict[str, Any], wanted: dict[str, Any]) -> None:
    need = read("container.resources", {**RESOURCES, **resources}).container.need
    plain = {"cpu_milli": 1_000, "memory_mib": 64}
    assert need == Need(**{**plain, "gpus": resources.get("gpu", 0), **wanted})


@pytest.mark.parametrize(
    ("resources", "field", "words"),
    [
        ({"gpu": 17}, "gpu", "from 0 to 16"),
        ({"gpu": 0.5}, "gpu", "whole number"),
        ({"gpu": 1, "gpuMilli": 10}, "gpuMilli", "beside gpu"),
        ({"gpuMilli": 1_000}, "gpuMilli", "from 0 to 999"),
        ({"gpuModels": ["A10"]}, "gpuModels", "without gpu"),
        ({"allocateIP": 1}, "allocateIP", "true or false"),
        ({"scalars": {"cpus": 1}}, "scalars.cpus", "field of its own"),
        ({"scalars": {"tpu": -1}}, "scalars.tpu", "from 0"),
        ({"scalars": {"tpu": 0.0001}}, "scalars.tpu", "three decimals"),
        ({"scalars": {"t/u": 1}}, "scalars['t/u']", "name"),
        ({"scalars": {f"s{n}": 1 for n in range(17)}}, "scalars", "at most 16"),
    ],
)
def test_resources_are_refused(resources: dict[str, Any], field: str, words: str) -> None:
    (fault,) = faults_of(changed("container.resources", {**RESOURCES, **resources}))
    assert fault.field.startswith("container.resources")
    assert fault.field.endswith(field)
    assert words in fault.text


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({}, Manner()),
        ({"flumina.opportunistic": "True"}, Manner(is_opportunistic=True)),
        ({"flumina.opportunistic": "false"}, Manner()),
        ({"flumina.gang": "training-7"}, Manner(gang="training-7")),
        ({"flumina.runtimePredictionSec": "600"}, Manner(runtime_ms=600_000)),
        ({"flumina.unreachable": "600"}, Manner(unreachable_ms=600_000)),
        ({"flumina.unreachable": "replace"}, Manner(unreachable_ms=0)),
        ({"flumina.unreachable": "wait"}, Manner(waits_for_ever=True)),
    ],
)
def test_what_an_attribute_of_manner_means(attributes: dict[str, str], wanted: Manner) -> None:
    assert manner_of(read("attributes", attributes).attributes) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flumina.opportunistic", "yes"),
        ("flumina.gang", ""),
        ("flumina.gang", "a b"),
        ("flumina.runtimePredictionSec", "1.5"),
        ("flumina.runtimePredictionSec", "0"),
        ("flumina.unreachable", "never"),
    ],
)
def test_an_unreadable_attribute_of_manner_is_refused(name: str, value: str) -> None:
    (fault,) = faults_of(changed("attributes", {name: value}))
    assert fault.field == f"attributes['{name}']"
    assert fault.hint
    assert manner_of([(name, value)], is_lenient=True) == Manner()


def test_the_good_descriptor_asks_for_nothing_scarce() -> None:
    spec = spec_of(GOOD)
    assert isinstance(spec, JobSpec)
    written = descriptor_of(spec)["container"]["resources"]
    assert not written.keys() & {"gpu", "gpuMilli", "gpuModels", "allocateIP", "scalars"}
