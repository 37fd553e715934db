"""mesos-go v0.0.11, which others wrote, works with the dev cluster as with the real Mesos.

The one thing to know: the probe is built by Go into the cache folder, from the module proxy with
the sums of ``go.sum``; without Go or a network the test skips with that reason.
"""

import hashlib
import os
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

SOURCE = Path(__file__).with_name("mesos_go")


@pytest.fixture(scope="session")
def probe() -> Path:
    """The probe as a program, built when its source is new."""
    parts = [(SOURCE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go")]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    with client_home("mesos-go-0.0.11") as home:
        program = home / f"probe-{digest}"
        if program.exists():
            return program
        if shutil.which("go") is None:
            pytest.skip("no mesos-go: the Go tool chain ('go') is not on the path")
        try:
            # What this machine is set to (a proxy, a cache) stays; nothing may change go.sum.
            env = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"}
            build_step("go", "build", "-o", f"{program}.new", ".", cwd=SOURCE, env=env)
        except CannotBuildError as error:
            pytest.skip(f"no mesos-go: {error}")
        return Path(f"{program}.new").rename(program)


@pytest.mark.parametrize("codec", ["json", "protobuf"])
def test_mesos_go_subscribes_launches_and_sees_the_states(
    cluster: Cluster, probe: Path, codec: str
) -> None:
    seen, words = tell(cluster, str(probe), cluster.address, codec)
    check(cluster, seen, words)
