"""The simulator can fail: each patch of `planted/` undoes one rule, and a few seeds find it.

Each patch is applied to a copy of the sources, and the seeds that it names run there; without the
patch the same seeds keep every promise (`test_seeds.py` runs them).
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
PATCHES = sorted((Path(__file__).parent / "planted").glob("*.patch"))
SOURCES = ("scheduler", "projections", "connectors", "streams")
RULES = {
    "epoch-not-checked",
    "watermark-not-checked",
    "timers-not-anew",
    "launched-again-at-once",
    "orphans-killed",
    "acts-on-acknowledgement",
}
VIOLATED = 1
"""The command's exit code where a promise did not hold."""


def test_every_rule_has_its_patch() -> None:
    assert {patch.stem for patch in PATCHES} >= RULES


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_few_seeds_find_the_planted_bug(patch: Path, tmp_path: Path) -> None:
    named = re.search(r"^Found by: (--seeds .+)$", patch.read_text("utf-8"), re.MULTILINE)
    assert named is not None, "a patch says which seeds find it"
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in SOURCES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", str(patch)],  # noqa: S607 - git of the machine
        cwd=tmp_path,
        check=True,
    )
    ran = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "simulate", "faults", *named[1].split()],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == VIOLATED, f"{named[1]} do not see {patch.stem}: {ran.stderr[-2000:]}"
    assert "fails: " in ran.stderr
