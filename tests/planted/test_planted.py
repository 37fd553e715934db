"""The tests can fail: each patch of this folder undoes one rule, and its named test turns red.

Each patch is applied to a copy of the tracked sources, and only the test that it names runs
there. A patch that no longer applies fails here, so it has to be planted anew with the code.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
PATCHES = sorted(Path(__file__).parent.glob("*.patch"))
SOURCES = ("scheduler", "projections", "connectors", "streams", "tests", "pyproject.toml")
RULES = {
    "no-gap-check",
    "acts-on-acknowledgement",
    "no-stream-fence",
    "timers-not-anew",
    "old-epochs-obeyed",
    "swallowed-decode-error",
    "guard-off",
    "orphan-killed",
    "losses-believed-at-once",
    "inferred-kills-unlimited",
    "digest-difference-ignored",
    "chain-ignored",
}
GREEN: set[str] = set()
"""Tests that were seen green without any patch."""
TESTS_FAILED = 1
"""pytest's exit code for red tests; a broken collection has another."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, without what tests leave behind."""
    there = tmp_path_factory.mktemp("planted") / "clean"
    there.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.pyc")
            shutil.copytree(source, there / name, ignore=ignored)
        else:
            shutil.copy(source, there / name)
    return there


def test_every_rule_of_the_protocol_has_its_patch() -> None:
    assert {patch.stem for patch in PATCHES} >= RULES


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_the_named_test_turns_red(patch: Path, clean: Path, tmp_path: Path) -> None:
    named = re.search(r"^Turns red: (\S+)$", patch.read_text("utf-8"), re.MULTILINE)
    assert named is not None, "a patch says which test it turns red"
    planted = tmp_path / "planted"
    shutil.copytree(clean, planted)
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", str(patch)],  # noqa: S607 - git of the machine
        cwd=planted,
        check=True,
    )
    if named[1] not in GREEN:  # Several patches may turn one test red.
        assert run(clean, named[1]) == 0, f"{named[1]} is red without the patch"
        GREEN.add(named[1])
    assert run(planted, named[1]) == TESTS_FAILED, f"{named[1]} does not see {patch.stem}"


def run(root: Path, test: str) -> int:
    """Pytest's exit code for one test file of a tree."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=False,
    ).returncode
