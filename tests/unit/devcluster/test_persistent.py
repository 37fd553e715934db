"""A task of the dev cluster finds the volumes of its index by links in its sandbox, no others."""

from pathlib import Path
from typing import Any

import pytest

from connectors.devcluster.agent.persistent import link_persistent
from scheduler.model.job import Container, JobSpec, RetryPolicy, Service
from scheduler.model.mounts import VOLUMES_LABEL, Mounted, labels, variables
from scheduler.model.resources import Need
from scheduler.model.volumes import AddressAllocation, SharedMount


def info(mounted: tuple[Mounted, ...]) -> dict[str, Any]:
    spec = JobSpec(
        owner_email="a@b",
        application_name="a",
        container=Container(Need(10, 16), ("true",)),
        kind=Service(0, 1, 1),
        retry=RetryPolicy("immediate", 0),
        mounts=(SharedMount("fs-1", "/shared"),),
    )
    given = labels(spec, mounted, AddressAllocation("a-1", "10.0.0.1", signature=(("m", "x"),)))
    return {"labels": {"labels": [{"key": key, "value": value} for key, value in given]}}


def test_each_volume_has_a_link_at_its_mount_point(tmp_path: Path) -> None:
    data, sandbox = tmp_path / "data", tmp_path / "sandbox"
    data.mkdir()
    sandbox.mkdir()
    (sandbox / "stdout").write_text("kept")
    mounted = (
        Mounted("data", "v-0", str(data), "/var/data"),
        Mounted("over", "v-1", str(data), "/stdout"),
        Mounted("out", "v-2", str(data), "/../out"),
        Mounted("root", "v-3", str(data), "/"),
    )
    for _ in range(2):
        link_persistent(sandbox, info(mounted))
    (sandbox / "var" / "data" / "a").write_text("one")
    assert (data / "a").read_text() == "one"
    assert (sandbox / "stdout").read_text() == "kept"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "no json", "[1]"])
def test_a_label_that_cannot_be_read_links_nothing(text: str, tmp_path: Path) -> None:
    link_persistent(tmp_path, {"labels": {"labels": [{"key": VOLUMES_LABEL, "value": text}]}})
    link_persistent(tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_a_task_is_told_by_its_environment() -> None:
    mounted = (Mounted("my-data", "v-0", "/p", "/data"),)
    assert variables(mounted, AddressAllocation("a-1", "10.0.0.1")) == (
        ("FLUMINA_VOLUME_MY_DATA", "/p"),
        ("FLUMINA_ADDRESS", "10.0.0.1"),
        ("FLUMINA_ADDRESS_ID", "a-1"),
    )
    assert variables((), None) == ()
