"""`python -m tests.mutation.whole [WORDS]`: the branches that all tests take, processes included.

The one thing to know: tests that start processes are where much of the fold's time is spent, and
what a cell, its api or its history executes there counts as well. It needs an environment of its
own, in a copy of the tree, whose every Python measures itself from its first line; what a process
executed that was ended by kill -9 is lost. Under measurement some tests are too slow for their own
time limits: how many failed is told, and nothing else of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from tests.mutation import report, run, tools
from tests.mutation.baseline import NEVER, PACKAGES, Baseline, Covered

WORDS: Final = ("-q", "-m", "not soak", "-p", "no:cacheprovider", "--reruns", "1")
AS_TESTS: Final = (
    "tests/unit", "tests/properties", "tests/golden", "tests/fuzz", "tests/simulation",
    "tests/integration",
)  # fmt: skip
"""Those that run what is measured; contract tests, pages and charts run the same once more."""
RUN_S_MAX: Final = 3 * 3_600.0
_RC: Final = """[run]
branch = true
parallel = true
sigterm = true
patch = _exit
data_file = {data}
source =
    {sources}
[report]
exclude_also =
    {never}
"""


class Summary(msgspec.Struct):
    """What coverage.py sums up of a file."""

    num_statements: int
    covered_lines: int
    num_branches: int
    covered_branches: int


class File(msgspec.Struct):
    """What coverage.py tells of a file."""

    summary: Summary
    missing_branches: list[tuple[int, int]]


class Told(msgspec.Struct):
    """What coverage.py tells of all."""

    files: dict[str, File]


def main() -> int:
    """Run the tests and print the branches; 0 where enough of them are taken."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.whole", description=__doc__)
    parser.add_argument("--branches", type=int, default=0, help="show the worst N files' branches")
    parser.add_argument("paths", nargs="*", default=AS_TESTS, help="tests, else all that count")
    asked = parser.parse_args()
    try:
        found = measured(run.copied(tools.home(), ["whole"]), asked.paths)
    except (tools.ToolsMissing, run.Failed) as error:
        print(f"python -m tests.mutation.whole: {error}", file=sys.stderr)
        return 2
    print("\n".join([*report.branch_table(found), "", *report.worst_files(found, asked.branches)]))
    taken = sum(each.branches_run for each in found.files.values())
    there = sum(each.branches for each in found.files.values())
    return 0 if 100.0 * taken >= report.BRANCHES_PERCENT_MIN * there else 1


def measured(tree: Path, paths: list[str]) -> Baseline:
    """Run these tests in the copy, every process of them measured; what they executed."""
    folder, out = tools.coverage_folder(), tree / ".whole"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    rc = out / "rc"
    sources = "\n    ".join(str(tree / name) for name in PACKAGES)
    never = "\n    ".join(NEVER)
    rc.write_text(_RC.format(data=out / "data", sources=sources, never=never), "utf-8")
    python = _environment(tree, folder, rc)
    log = out / "log"
    with log.open("wb") as file:
        command = [str(python), "-m", "pytest", *WORDS, "-n", str(os.cpu_count() or 1), *paths]
        subprocess.run(command, cwd=tree, stdout=file, stderr=file, timeout=RUN_S_MAX, check=False)
    last = log.read_text("utf-8", "replace").rstrip().rpartition("\n")[2]
    print(f"tests, measured: {last.strip('= ')}")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    shell = clean | {"PYTHONPATH": str(folder)}
    for words in (["combine", "-q"], ["json", "-q", "-o", str(out / "found.json")]):
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *words, f"--rcfile={rc}"],
            cwd=tree, env=shell, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise run.Failed(f"coverage {words[0]} failed: {done.stderr.strip()[-300:]}; see {log}")
    told = msgspec.json.decode((out / "found.json").read_bytes(), type=Told)
    files = {
        path: Covered(
            each.summary.num_statements,
            each.summary.covered_lines,
            each.summary.num_branches,
            each.summary.covered_branches,
            each.missing_branches,
            {},
        )
        for path, each in told.files.items()
    }
    return Baseline([], [], [], files, [])


def _environment(tree: Path, folder: Path, rc: Path) -> Path:
    """The copy's own Python, of which every process measures itself."""
    made = subprocess.run(
        [str(tree / "flumina"), "--version"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    python = tree / ".venv" / "bin" / "python"
    if made.returncode or not python.exists():
        raise run.Failed(f"the copy has no environment: {made.stderr.strip()[-300:]}")
    (packages,) = (tree / ".venv" / "lib").glob("python*/site-packages")
    begin = (
        f"import os, sys; sys.path.append({str(folder)!r}); "
        f"os.environ['COVERAGE_PROCESS_START'] = {str(rc)!r}; "
        "import coverage; coverage.process_startup()"
    )
    (packages / "measured.pth").write_text(begin + "\n", "utf-8")
    return python


if __name__ == "__main__":
    sys.exit(main())
