"""Which tests try a mutant, and how the end of its process is read.

How: processes forked here that return, raise, and compute without end; and one function of this
file's own that is given other code.
"""

import signal
import sys
import textwrap
from importlib import util
from pathlib import Path

import pytest

from tests.mutation.baseline import Baseline, Covered
from tests.mutation.mutants import Mutant
from tests.mutation.run import TESTS_S_MAX, that_execute
from tests.mutation.trials import Trial, forked, functions_here, swap

MUTANT = Mutant("scheduler/a.py", 0, "number", 5, 4, "1", "2", "f", 4, 6)


def _found(lines: dict[int, list[int]], cpu_s: list[float], failed: list[str]) -> Baseline:
    tests = [f"tests/unit/test_{'abcdef'[number // 2]}.py::test_{number}" for number in range(6)]
    covered = Covered(1, 1, 0, 0, [], lines)
    return Baseline(tests, cpu_s, failed, {"scheduler/a.py": covered}, [])


def test_tests_that_execute_any_line_of_the_statement_try_it_the_cheapest_files_first() -> None:
    found = _found({3: [5], 4: [0, 2], 6: [3]}, [3.0, 1.0, 1.0, 1.0, 1.0, 1.0], [])
    names, left_out, is_at_import = that_execute(MUTANT, found)
    assert names == [found.tests[2], found.tests[3], found.tests[0]]
    assert (left_out, is_at_import) == (0, False)


def test_tests_that_are_too_dear_are_left_out_and_counted_but_one_file_is_always_run() -> None:
    dear = TESTS_S_MAX + 1.0
    found = _found({4: [-1, 0, 1, 2]}, [dear, dear, dear] + [1.0] * 3, [])
    assert that_execute(MUTANT, found) == ([found.tests[2]], 2, True)


def test_a_test_that_fails_as_things_are_shows_nothing() -> None:
    found = _found({4: [0]}, [1.0] * 6, ["tests/unit/test_a.py::test_0"])
    assert that_execute(MUTANT, found) == ([], 0, False)


def test_the_end_of_a_process_is_its_verdict() -> None:
    def raises() -> int:
        raise SystemExit(0)

    def never_ends() -> int:
        signal.setitimer(signal.ITIMER_PROF, 0.05)
        while True:
            pass

    assert forked(lambda: 0) == "survived"
    assert forked(lambda: 1) == "killed"
    assert forked(raises) == "killed"
    assert forked(never_ends) == "timed out"
    assert forked(lambda: 2) is None


@pytest.mark.slow
def test_a_function_is_given_its_new_code_wherever_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = textwrap.dedent(
        """
        class Counter:
            def more(self, count):
                return [each + 1 for each in count]

        def other():
            return 1
        """
    )
    path = tmp_path / "counted.py"
    path.write_text(text, "utf-8")
    spec = util.spec_from_file_location("counted", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "counted", module)
    spec.loader.exec_module(module)
    held = module.Counter().more
    changed = text.replace("each + 1", "each + 2").replace("return 1", "return 2")
    trial = Trial(0, str(path), "Counter.more", 4, changed, [], {})
    assert swap(trial, text, functions_here())
    assert held([1]) == [3]
    assert module.other() == 1
    gone = Trial(0, str(path), "Counter.less", 4, changed, [], {})
    assert not swap(gone, text, functions_here())
