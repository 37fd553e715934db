"""`python -m tests.mutation.trials JOB OUT MODE`: forks a process for each mutant and runs tests.

The one thing to know: nothing is changed on disk. In the mode ``swap`` the tests are collected
once, and the fork gives the one function that changed its new code: exact where no import executes
it. In the mode ``import`` nothing of ours is imported before the fork, which then finds the
changed text instead of the file. A test may compute, and wait, for so long and no longer.
"""

import gc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType
from typing import BinaryIO, Final, Literal

import msgspec
import pytest

from tests.mutation.baseline import WORDS, as_properties_are_tried

Functions = dict[tuple[str, str, int], list[FunctionType]]
Verdict = Literal["killed", "timed out", "survived"]
COMPUTE_S: Final = 3.0
WAIT_S: Final = 30.0
SLOWER: Final = 6.0
"""Of what a test computed as things are, so many times, and these seconds, before it is ended."""
MEMORY_MIB_MAX: Final = 3_072
"""Of address space beyond what the process has when it is forked."""
SURVIVED, KILLED, NOT_FOUND = 0, 1, 2
"""What a forked process ends with."""
_STOPPED: Final = frozenset({signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL})


class Trial(msgspec.Struct):
    """A mutant, and the tests that execute it."""

    number: int
    path: str
    function: str
    line: int
    text: str
    """Of the whole file, changed; the file's own text for a trial that must survive."""
    tests: list[str]
    cpu_s: dict[str, float]


class Outcome(msgspec.Struct):
    """How a trial ended."""

    number: int
    verdict: Verdict


def main() -> None:
    """Try all that the job has."""
    job, out, mode = sys.argv[1:]
    trials = msgspec.json.decode(Path(job).read_bytes(), type=list[Trial])
    with Path(out).open("ab") as written:
        if mode == "swap":
            paths = sorted({each.partition("::")[0] for one in trials for each in one.tests})
            pytest.main([*WORDS, *paths], plugins=[Swapping(trials, written)])
            return
        for name in msgspec.json.decode(Path(f"{job}.libraries").read_bytes(), type=list[str]):
            with suppress(Exception):
                import_module(name)
        for trial in trials:
            _tell(written, trial, forked(partial(_imported, trial)))


class Limits:
    """A plugin of a forked process: ends it where one test takes much longer than it did."""

    pytest_configure = staticmethod(as_properties_are_tried)

    def __init__(self, cpu_s: dict[str, float]) -> None:
        """With what each test computed as things are."""
        self._cpu_s = cpu_s

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """A clock for what it computes and one for what it waits, both anew for each test."""
        expected = SLOWER * self._cpu_s.get(item.nodeid.partition("[")[0], 0.0)
        signal.setitimer(signal.ITIMER_PROF, COMPUTE_S + expected)
        signal.setitimer(signal.ITIMER_REAL, WAIT_S + 4 * expected)
        return (yield)


class Swapping:
    """A plugin: instead of running what was collected, tries all mutants in forks."""

    pytest_configure = staticmethod(as_properties_are_tried)

    def __init__(self, trials: Sequence[Trial], written: BinaryIO) -> None:
        """With all that is to be tried."""
        self._trials = trials
        self._written = written

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """A fork for each."""
        items: dict[str, list[pytest.Item]] = {}
        functions = functions_here()
        for item in session.items:
            items.setdefault(item.nodeid.partition("[")[0], []).append(item)
        for trial in self._trials:
            chosen = [item for name in trial.tests for item in items.get(name, ())]
            _tell(
                self._written, trial, forked(partial(_swapped, trial, chosen, functions, session))
            )
        return True


def _swapped(
    trial: Trial, items: list[pytest.Item], functions: Functions, session: pytest.Session
) -> int:
    original = Path(trial.path).read_text("utf-8")
    if trial.text != original and not swap(trial, original, functions):
        return NOT_FOUND
    session.config.pluginmanager.register(Limits(trial.cpu_s))
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return KILLED
    return SURVIVED


def swap(trial: Trial, original: str, functions: Functions) -> bool:
    """Give the function that changed its new code; False where it is not found."""
    where = str(Path(trial.path).resolve())
    old, new = _codes(original, where), _codes(trial.text, where)
    outermost = trial.function.partition(".<locals>")[0]
    done = False
    for key, code in new.items():
        if key[0] != outermost or key not in old or code == old[key]:
            continue
        for each in functions.get((where, *key), ()):
            if len(code.co_freevars) == len(each.__code__.co_freevars):
                each.__code__ = code
                done = True
    return done


def functions_here() -> Functions:
    """All functions there are, by file, qualified name and first line."""
    gc.unfreeze()  # What is frozen is not among the collector's objects.
    found: Functions = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            code = each.__code__
            key = (code.co_filename, code.co_qualname, code.co_firstlineno)
            found.setdefault(key, []).append(each)
    gc.freeze()
    return found


def _codes(text: str, where: str) -> dict[tuple[str, int], CodeType]:
    found: dict[tuple[str, int], CodeType] = {}
    waiting = [compile(text, where, "exec", dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        found[code.co_qualname, code.co_firstlineno] = code
        waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
    return found


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a module from a text that stands for its file."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - of the module it was made for
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Finder:
    """The first that Python asks for a module: answers for the one that changed."""

    def __init__(self, trial: Trial) -> None:
        self._path = str(Path(trial.path).resolve())
        self._name = trial.path.removesuffix(".py").replace("/", ".")
        self._text = trial.text

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        loader = _Changed(name, self._path, self._text)
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


def _imported(trial: Trial) -> int:
    sys.meta_path.insert(0, _Finder(trial))
    ended = pytest.main([*WORDS, "-x", *trial.tests], plugins=[Limits(trial.cpu_s)])
    return SURVIVED if ended == pytest.ExitCode.OK else KILLED


def forked(run: Callable[[], int]) -> Verdict | None:
    """How a forked process ended that runs this; None where it could not change its function."""
    child = os.fork()
    if child == 0:
        code = KILLED
        try:
            code = _alone(run)
        except BaseException:  # noqa: BLE001 - whatever a mutant raises, it is noticed
            code = KILLED
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "timed out" if os.WTERMSIG(status) in _STOPPED else "killed"
    match os.WEXITSTATUS(status):
        case 0:
            return "survived"
        case 2:
            return None
        case _:
            return "killed"


def _alone(run: Callable[[], int]) -> int:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    for each in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(each, signal.SIG_DFL)
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    used = pages * resource.getpagesize() + MEMORY_MIB_MAX * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used, used))
    return run()


def _tell(written: BinaryIO, trial: Trial, verdict: Verdict | None) -> None:
    if verdict is not None:
        written.write(msgspec.json.encode(Outcome(trial.number, verdict)) + b"\n")
        written.flush()


if __name__ == "__main__":
    main()
