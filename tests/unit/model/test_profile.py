"""Attributes of a container that its runtime must know, as they pass the v3 descriptor."""

from typing import Any

import msgspec
import pytest

from scheduler.model.descriptor import decode_descriptor, descriptor_of
from scheduler.model.job import JobSpec
from scheduler.model.profile import SHM_ATTRIBUTE, profile_of
from tests.unit.model.test_descriptor_faults import changed, faults_of


def spec(descriptor: dict[str, Any]) -> JobSpec:
    """The job of a good descriptor."""
    found = decode_descriptor(msgspec.json.encode(descriptor))
    assert isinstance(found, JobSpec), found
    return found


def test_an_attribute_that_cannot_be_read_is_refused_by_its_name() -> None:
    name = "flumina.container.rlimits"
    (fault,) = faults_of(changed("container.attributes", {name: "files=1"}))
    assert name in fault.field
    assert "nofile=1024" in fault.hint


@pytest.mark.parametrize(("mib", "kept"), [(32, 32), (64, 64)])
def test_the_size_of_shared_memory_comes_back_as_it_was(mib: int, kept: int) -> None:
    taken = spec(changed("container.resources.shmSizeMB", mib))
    assert profile_of(taken.container.attributes).shm_mib == kept
    # What is usual is left out: a descriptor of before is the same submission as now.
    assert (SHM_ATTRIBUTE in dict(taken.container.attributes)) == (mib != 64)
    again = spec(descriptor_of(taken))
    assert again == taken


def test_shared_memory_is_part_of_the_memory() -> None:
    (fault,) = faults_of(changed("container.resources.shmSizeMB", 65))
    assert fault.field == "container.resources.shmSizeMB"


def test_the_field_and_the_attribute_mean_the_same() -> None:
    by_attribute = spec(changed("container.attributes", {SHM_ATTRIBUTE: "32"}))
    by_field = spec(changed("container.resources.shmSizeMB", 32))
    assert by_attribute == by_field
