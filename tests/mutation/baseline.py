"""`python -m tests.mutation.baseline COVERAGE OUT PATH...`: what each quick test executes.

The one thing to know: one run of the tests as they are, in one process, tells both the branches
that they cover and which tests execute a line. A test's parameters are taken together. What is
executed outside of tests (imports, and what is collected by calls) has the context ``""``.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.support.thorough import THOROUGH

PACKAGES: Final = ("scheduler", "projections")
WORDS: Final = (
    "-q", "-m", "not integration and not soak", "-p", "no:cacheprovider", "-p", "no:xdist",
    "--ignore=tests/architecture", "--ignore=tests/hardening", "--ignore=tests/helm",
)  # fmt: skip
"""The quick tests, but for those that read the code and do not run it."""
NEVER: Final = (
    r"assert_never\(",
    r"if TYPE_CHECKING:",
    r"^\s*\.\.\.$",
    r"raise NotImplementedError",
)
"""Lines that cannot run, or stand for a method's body: no branch leads there."""


@pytest.hookimpl(trylast=True)  # After the tests' own profile.
def as_properties_are_tried() -> None:
    """A counterexample counts as it is found: none is made smaller, and none is kept."""
    hypothesis = import_module("hypothesis")  # Its plugin is to be the first that imports it.
    settings, phase = hypothesis.settings, hypothesis.Phase
    settings.register_profile(
        "mutation",
        settings.get_profile("here"),
        phases=(phase.explicit, phase.generate),
        database=None,
    )
    settings.load_profile("mutation")
    os.environ[THOROUGH] = "1"


class Covered(msgspec.Struct):
    """What tests execute of one file."""

    statements: int
    statements_run: int
    branches: int
    branches_run: int
    missing: list[tuple[int, int]]
    """Branches that no test takes, as lines; the second is negative for the function's end."""
    tests_of_line: dict[int, list[int]]
    """Places in the list of tests; -1 is the import."""


class Baseline(msgspec.Struct):
    """What was found out of one state of the tree."""

    tests: list[str]
    """Files and names, without parameters."""
    cpu_s: list[float]
    failed: list[str]
    files: dict[str, Covered]
    libraries: list[str]
    """Others' modules that the tests import, to be imported before anything is forked."""


class Recorder:
    """A plugin: a context for each test, and how long it computes."""

    pytest_configure = staticmethod(as_properties_are_tried)

    def __init__(self, coverage: Any) -> None:
        """Before anything of ours is imported."""
        self._coverage = coverage
        self._now = ""
        self.cpu_s: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Count what is executed and computed for the test."""
        name = item.nodeid.partition("[")[0]
        if name != self._now:
            self._now = name
            self._coverage.switch_context(name)
        began = time.process_time()
        try:
            return (yield)
        finally:
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + time.process_time() - began

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails as things are shows nothing of a mutant."""
        if report.failed:
            self.failed.add(report.nodeid.partition("[")[0])


def main() -> None:
    """Run the tests and write what was found."""
    folder, out, *paths = sys.argv[1:]
    sys.path.append(folder)
    coverage = import_module("coverage").Coverage(
        data_file=f"{out}.data", branch=True, source=list(PACKAGES), messages=False
    )
    for each in NEVER:
        coverage.exclude(each)
    coverage.start()
    recorder = Recorder(coverage)
    pytest.main([*WORDS, *(paths or ["tests"])], plugins=[recorder])
    coverage.stop()
    coverage.save()
    libraries = sorted(_libraries())
    told = json.loads(_report(coverage, f"{out}.summary"))
    tests = sorted(recorder.cpu_s)
    numbers = {"": -1, **{name: number for number, name in enumerate(tests)}}
    data = coverage.get_data()
    files = {
        path: _covered(row, data.contexts_by_lineno(str(Path(path).resolve())), numbers)
        for path, row in told["files"].items()
    }
    seconds = [recorder.cpu_s[each] for each in tests]
    found = Baseline(tests, seconds, sorted(recorder.failed), files, libraries)
    Path(out).write_bytes(msgspec.json.encode(found))


def _report(coverage: Any, out: str) -> str:
    coverage.json_report(outfile=out)
    return Path(out).read_text("utf-8")


def _covered(
    row: dict[str, Any], contexts: dict[int, list[str]], numbers: dict[str, int]
) -> Covered:
    summary = row["summary"]
    return Covered(
        summary["num_statements"],
        summary["covered_lines"],
        summary["num_branches"],
        summary["covered_branches"],
        [(start, end) for start, end in row["missing_branches"]],
        {
            line: sorted({numbers[each] for each in names if each in numbers})
            for line, names in contexts.items()
            if line > 0
        },
    )


def _libraries() -> set[str]:
    ours = (*PACKAGES, "connectors", "streams", "tests", "__main__", "coverage", "hypothesis")
    return {
        name
        for name, module in list(sys.modules.items())
        if getattr(module, "__file__", None)
        and name.partition(".")[0] not in ours
        and not name.partition(".")[0].startswith(("_", "test_", "conftest"))
        and "pytest" not in name
    }


if __name__ == "__main__":
    main()
