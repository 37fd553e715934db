"""From a state of the tree to the verdict on each mutant of a sample.

The one thing to know: everything happens in a copy of the tree, so nobody who works in the checkout
notices, and what was found out of a state of the tree is kept under the digest of that state.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from tests.mutation.baseline import Baseline
from tests.mutation.mutants import Mutant
from tests.mutation.trials import Outcome, Trial

ROOT: Final = Path(__file__).parents[2]
RUN_S_MAX: Final = 4 * 3_600.0
TESTS_S_MAX: Final = 12.0
"""Of what the tests of one mutant computed as things are; the cheapest files of tests first."""
TREES_MAX: Final = 4
"""Copies that are kept, the youngest."""
CONTROL_EVERY: Final = 20
"""One trial in so many is repeated without its change, and must survive."""


class Failed(Exception):
    """The tests could not be run."""


class Result(msgspec.Struct):
    """A mutant and what became of it."""

    mutant: Mutant
    verdict: str
    """`killed`, `timed out`, `survived`, or `not covered` where no quick test executes it."""
    tests: int
    tests_left_out: int
    """Tests that execute it and were not run, because the cheaper ones filled the time."""


def copied(home: Path, tests: Sequence[str], *, is_again: bool = False) -> Path:
    """A copy of the tree as it is, or the last one again; in a folder that has the state's name."""
    trees = home / "trees"
    names = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    files = sorted(name for name in names if name and (ROOT / name).is_file())
    if is_again:
        tree = max(trees.glob("*/.baseline"), key=lambda each: each.stat().st_mtime).parent
        files = [name for name in files if name.startswith("tests/mutation/")]
    else:
        digest = sha256("\0".join(tests).encode())
        for name in files:
            if name.endswith(".py"):
                digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
        tree = trees / digest.hexdigest()[:16]
    for name in files:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    (tree / "setup.cfg").write_text("[mutmut]\nsource_paths=scheduler\n", "ascii")
    oldest = sorted(trees.iterdir(), key=lambda each: each.stat().st_mtime)[:-TREES_MAX]
    for each in oldest:
        shutil.rmtree(each, ignore_errors=True)
    return tree


def baseline(tree: Path, coverage: Path, tests: Sequence[str]) -> Baseline:
    """What each test executes; found by one run of all tests, once for a state of the tree."""
    out = tree / ".baseline"
    if not out.exists():
        log = _python(tree, "tests.mutation.baseline", str(coverage), str(out), *tests)
        if not out.exists():
            raise Failed(f"the tests could not be run as they are; see {log}")
    return msgspec.json.decode(out.read_bytes(), type=Baseline)


def tried(
    tree: Path, found: Baseline, mutants: Sequence[Mutant], texts: Sequence[str]
) -> tuple[list[Result], int]:
    """The verdict on each, and how many repeats without a change were killed all the same."""
    swaps: list[Trial] = []
    imports: list[Trial] = []
    results: dict[int, Result] = {}
    for number, (mutant, text) in enumerate(zip(mutants, texts, strict=True)):
        names, left_out, is_at_import = that_execute(mutant, found)
        verdict = "survived" if names else "not covered"
        results[number] = Result(mutant, verdict, len(names), left_out)
        if not names:
            continue
        cpu = dict(zip(found.tests, found.cpu_s, strict=True))
        trial = Trial(
            number, mutant.path, mutant.function, mutant.line, text, names,
            {name: cpu[name] for name in names},
        )  # fmt: skip
        (imports if is_at_import else swaps).append(trial)
    controls = _controls(tree, [*swaps, *imports], len(mutants))
    outcomes = _outcomes(tree, [*swaps, *controls], found, "swap")
    again = [each for each in swaps if each.number not in outcomes]
    outcomes |= _outcomes(tree, [*imports, *again], found, "import")
    for number, result in results.items():
        if number in outcomes:
            result.verdict = outcomes[number]
        elif result.verdict != "not covered":
            raise Failed(f"no verdict on {result.mutant.path}:{result.mutant.line}")
    wrong = sum(outcomes.get(each.number) != "survived" for each in controls)
    return list(results.values()), wrong


def that_execute(mutant: Mutant, found: Baseline) -> tuple[list[str], int, bool]:
    """The tests that execute its statement, how many more do, and whether an import does.

    The cheapest files come first, and the tests of a file stay together: what they share is made
    once.
    """
    covered = found.files.get(mutant.path)
    lines = covered.tests_of_line if covered else {}
    span = range(mutant.first_line, mutant.last_line + 1)
    numbers = {each for line in span for each in lines.get(line, ())}
    is_at_import = -1 in numbers
    failed = set(found.failed)
    files: dict[str, list[int]] = {}
    for number in sorted(numbers - {-1}):
        if found.tests[number] not in failed:
            files.setdefault(found.tests[number].partition("::")[0], []).append(number)
    names: list[str] = []
    seconds, left_out = 0.0, 0
    for file in sorted(files, key=lambda each: (sum(found.cpu_s[n] for n in files[each]), each)):
        cost = sum(found.cpu_s[number] for number in files[file])
        if names and seconds + cost > TESTS_S_MAX:
            left_out += len(files[file])
            continue
        seconds += cost
        names += [found.tests[number] for number in files[file]]
    return names, left_out, is_at_import


def _controls(tree: Path, trials: Sequence[Trial], first: int) -> list[Trial]:
    return [
        msgspec.structs.replace(
            each, number=first + place, text=(tree / each.path).read_text("utf-8")
        )
        for place, each in enumerate(trials[::CONTROL_EVERY])
    ]


def _outcomes(tree: Path, trials: Sequence[Trial], found: Baseline, mode: str) -> dict[int, str]:
    if not trials:
        return {}
    job, out = tree / f".job-{mode}", tree / f".out-{mode}"
    job.write_bytes(msgspec.json.encode(trials))
    (tree / f".job-{mode}.libraries").write_bytes(msgspec.json.encode(found.libraries))
    out.unlink(missing_ok=True)
    log = _python(tree, "tests.mutation.trials", str(job), str(out), mode)
    if not out.exists():
        raise Failed(f"the tests could not be collected; see {log}")
    rows = out.read_bytes().splitlines()
    outcomes = [msgspec.json.decode(row, type=Outcome) for row in rows]
    return {each.number: each.verdict for each in outcomes}


def _python(tree: Path, module: str, *words: str) -> Path:
    log = tree / f".{module.rpartition('.')[2]}.log"
    with log.open("wb") as written:
        subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=tree,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=RUN_S_MAX,
        )
    return log


def _git(*words: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise Failed("git is needed: it tells which files belong to the tree")
    done = subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def commit() -> str:
    """The checkout's commit, with a word where the tree differs from it."""
    changed = _git("status", "--porcelain", "--", "scheduler", "projections", "tests")
    return _git("rev-parse", "--short=12", "HEAD").strip() + (" and changes" if changed else "")


def sources(tree: Path, prefixes: Iterable[str]) -> list[str]:
    """The files of the two packages below one of the prefixes."""
    found = [
        str(each.relative_to(tree))
        for package in ("scheduler", "projections")
        for each in sorted((tree / package).rglob("*.py"))
    ]
    return [each for each in found if any(each.startswith(prefix) for prefix in prefixes)]
