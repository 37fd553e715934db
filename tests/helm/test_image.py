"""The image's promises: locked by hashes, no user of power, nothing named by a tag.

How: the Dockerfile is read, for nothing here can build an image; what it installs is installed into
an environment of its own (soak), and the product is run from there.
"""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from tests.support.chart import ROOT

IMAGE = ROOT / "helm" / "image"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def steps() -> list[str]:
    """The instructions, each on one line, without comments."""
    text = (IMAGE / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [" ".join(line.split()) for line in joined.splitlines() if line.strip()]


def pins(path: Path) -> dict[str, str]:
    return dict(PINNED.findall(path.read_text("utf-8")))


def named(specifier: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", specifier)
    assert match is not None
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def test_bases_are_given_by_who_builds_and_never_guessed() -> None:
    found = steps()
    assert [each for each in found if each.startswith("ARG")] == ["ARG BUILD_BASE", "ARG RUN_BASE"]
    bases = [each for each in found if each.startswith("FROM")]
    assert bases == ["FROM ${BUILD_BASE} AS build", "FROM ${RUN_BASE}"]
    assert "latest" not in "\n".join(found)


def test_everything_is_installed_by_its_hash_or_from_here() -> None:
    installs = [part for each in steps() for part in each.split("&&") if " pip " in part]
    assert len(installs) == 4
    for each in installs:
        assert ("--require-hashes" in each and "--only-binary :all:" in each) or (
            "--no-index" in each
        )
        assert "--no-deps" in each


def test_it_runs_as_the_charts_user_without_a_shell() -> None:
    last = steps()[steps().index("FROM ${RUN_BASE}") :]
    assert "USER 10001:10001" in last
    assert not [each for each in last if each.startswith("RUN")], "the base may have no shell"
    (entry,) = [each for each in last if each.startswith("ENTRYPOINT")]
    assert entry == 'ENTRYPOINT ["python3", "-P", "-m", "streams.cli.main"]'
    assert "--chown=0:0" in "".join(last), "the user may not change what it runs"


def test_the_images_packages_are_those_of_the_checkout_without_what_tests_need() -> None:
    whole, product = pins(ROOT / "requirements.lock"), pins(IMAGE / "requirements.lock")
    assert product.items() <= whole.items(), "made anew? see docs/kubernetes.md"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = {named(each) for each in project["project"]["dependencies"]}
    assert wanted <= product.keys()
    ours = {named(each) for each in project["dependency-groups"]["dev"]}
    assert not ours & (product.keys() - wanted)
    assert pins(IMAGE / "build.lock").items() <= whole.items()


@pytest.mark.parametrize("lock", ["requirements.lock", "build.lock"])
def test_each_package_of_a_lock_has_hashes(lock: str) -> None:
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", (IMAGE / lock).read_text("utf-8"))
    packages = [each for each in entries if PINNED.match(each)]
    assert packages
    assert all("--hash=sha256:" in each for each in packages)


@pytest.mark.soak
@pytest.mark.integration
def test_the_product_runs_with_the_images_packages_alone(tmp_path: Path) -> None:
    """As the Dockerfile does it, step by step, in folders instead of layers."""
    venv.EnvBuilder(symlinks=True, with_pip=True).create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    strict = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    packages, backend, wheels = (tmp_path / each for each in ("packages", "backend", "wheels"))
    for lock, target in (("build.lock", backend), ("requirements.lock", packages)):
        _run([*pip, "install", *strict, "--target", str(target), "-r", str(IMAGE / lock)], {})
    made = ["--no-index", "--no-deps"]
    words = [*pip, "wheel", *made, "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)]
    _run(words, {"PYTHONPATH": str(backend)})
    (wheel,) = wheels.iterdir()
    _run([*pip, "install", *made, "--target", str(packages), str(wheel)], {})
    here = {"PYTHONPATH": str(packages), "HOME": str(tmp_path), "FLUMINA_DATA": str(tmp_path)}
    start = [str(python), "-P", "-m", "streams.cli.main"]
    assert "topics" in _run([*start, "--help"], here)
    assert _run([*start, "--version"], here).startswith("flumina ")
    # Every command's module, and so what it imports, is there; those of a checkout are not asked.
    _run([str(python), "-P", "-c", LOADED], here)


LOADED = """
from streams.cli.main import COMMANDS, load
for each in COMMANDS:
    if each.name not in {"test", "bench"}:
        load(each)
"""


def _run(words: list[str], environment: dict[str, str]) -> str:
    path = str(Path(sys.executable).parent)
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        cwd="/",
        env={"PATH": f"{path}:/usr/bin:/bin", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
