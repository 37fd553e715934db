"""pymesos 0.3.15, which others wrote, works with the dev cluster as it does with the real Mesos.

The one thing to know: its ``http-parser`` is compiled from C that Cython writes anew, because the C
in its archive is too old for Python 3.11. Without a compiler or a network the test skips.
"""

import shutil
import sys
import tarfile
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

PROBE = Path(__file__).with_name("pymesos_probe.py")
PYMESOS = "pymesos==0.3.15"
HTTP_PARSER = "http-parser==0.9.0"
# What was tried with them; later ones may drop what that old package needs.
BUILDERS = ("cython==3.3.1", "setuptools==84.0.0")


@pytest.fixture(scope="session")
def pymesos_python() -> Path:
    """The Python in which pymesos can be imported."""
    with client_home(PYMESOS.replace("==", "-")) as home:
        try:
            return _environment(home)
        except CannotBuildError as error:
            pytest.skip(f"no pymesos: {error}")


def _environment(home: Path) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = home / f"python-{version}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    if shutil.which("cc") is None:
        raise CannotBuildError("there is no C compiler (cc), which its http-parser needs")
    shutil.rmtree(folder, ignore_errors=True)
    build_step(sys.executable, "-m", "venv", str(folder))
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--quiet")
    build_step(*pip, "install", *BUILDERS)
    _build_http_parser(folder, python, pip)
    build_step(*pip, "install", PYMESOS)
    build_step(str(python), "-c", "import pymesos, http_parser.parser")
    (folder / "ready").touch()
    return python


def _build_http_parser(folder: Path, python: Path, pip: tuple[str, ...]) -> None:
    source = folder / "http-parser"
    get = ("download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation")
    build_step(*pip, *get, "--dest", str(source), HTTP_PARSER)
    (archive,) = source.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(source, filter="data")
    (unpacked,) = (p for p in source.iterdir() if p.is_dir())
    (unpacked / "http_parser" / "parser.c").unlink()
    build_step(str(python), "-m", "cython", str(unpacked / "http_parser" / "parser.pyx"))
    build_step(*pip, "install", "--no-deps", "--no-build-isolation", str(unpacked))


@pytest.mark.parametrize("acknowledgements", ["implicit", "explicit"])
def test_pymesos_subscribes_launches_and_sees_the_states(
    cluster: Cluster, pymesos_python: Path, acknowledgements: str
) -> None:
    seen, words = tell(cluster, str(pymesos_python), str(PROBE), cluster.address, acknowledgements)
    check(cluster, seen, words)
    assert seen[-1]["stopped"], words
