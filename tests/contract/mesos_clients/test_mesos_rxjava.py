"""mesos-rxjava 0.1.2, which others wrote, works with the dev cluster as with the real Mesos.

The one thing to know: it speaks protobuf only, asks ``GET /redirect`` in absolute form first, and
chooses its own framework id. Maven builds the probe in the cache folder; without a JDK, Maven or a
network the test skips with that reason.
"""

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_clients.story import (
    CannotBuildError,
    build_step,
    check,
    client_home,
    tell,
)

pytestmark = pytest.mark.integration

SOURCE = Path(__file__).with_name("mesos_rxjava")


@pytest.fixture(scope="session")
def class_path() -> str:
    """The probe's class path, built when its source is new."""
    parts = [(SOURCE / name).read_bytes() for name in ("pom.xml", "src/main/java/Probe.java")]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    with client_home("mesos-rxjava-0.1.2") as home:
        built = home / f"probe-{digest}"
        if not (built / "ready").exists():
            for program in ("mvn", "java"):
                if shutil.which(program) is None:
                    pytest.skip(f"no mesos-rxjava: '{program}' is not on the path")
            try:
                pom = ("--file", str(SOURCE / "pom.xml"), f"-Dprobe.directory={built}")
                build_step("mvn", "--quiet", "--batch-mode", *pom, "package")
            except CannotBuildError as error:
                pytest.skip(f"no mesos-rxjava: {error}")
            (built / "ready").touch()
        return f"{built}/classes:{built}/lib/*"


def test_mesos_rxjava_subscribes_launches_and_sees_the_states(
    cluster: Cluster, class_path: str
) -> None:
    seen, words = tell(cluster, "java", "-cp", class_path, "Probe", cluster.address)
    check(cluster, seen, words)
