"""What a run says: to the terminal, and as a page of `docs/reports/`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.mutation.baseline import Baseline
from tests.mutation.mutants import wilson
from tests.mutation.run import Result

EQUIVALENT: Final = Path(__file__).parent / "equivalent.txt"
BRANCHES_PERCENT_MIN: Final = 95.0
SCORE_PERCENT_MIN: Final = 85.0
WORDS_MAX: Final = 70


def equivalents(path: Path = EQUIVALENT) -> dict[str, str]:
    """Mutants that change no behaviour, with the reason: two lines each."""
    lines = [
        line.strip()
        for line in path.read_text("utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return dict(zip(lines[::2], lines[1::2], strict=True))


def package_of(path: str) -> str:
    """The folder that a file belongs to, as the tables have it: one below the top."""
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def score_line(results: Sequence[Result]) -> str:
    """The share of mutants that were noticed, and between what the true one lies."""
    noticed = sum(each.verdict in {"killed", "timed out"} for each in results)
    low, high = wilson(noticed, len(results))
    share = noticed / max(1, len(results))
    return (
        f"{noticed} of {len(results)} killed: {share:.1%}, "
        f"95 % of such samples lie within {low:.1%} to {high:.1%}"
    )


def score_table(results: Iterable[Result]) -> list[str]:
    """A row for each package."""
    kinds = ("killed", "timed out", "survived", "not covered")
    counts: dict[str, dict[str, int]] = {}
    for each in results:
        for name in (package_of(each.mutant.path), "together"):
            row = counts.setdefault(name, dict.fromkeys(kinds, 0))
            row[each.verdict] += 1
    lines = ["| package | mutants | killed | by time | survived | not covered | score |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name in sorted(counts, key=lambda each: (each == "together", each)):
        row = counts[name]
        total = sum(row.values())
        share = (row["killed"] + row["timed out"]) / total
        lines.append(f"| {name} | {total} | {' | '.join(map(str, row.values()))} | {share:.0%} |")
    return lines


def branch_table(found: Baseline) -> list[str]:
    """A row for each package, with the branches and statements that the quick tests cover."""
    sums: dict[str, list[int]] = {}
    for path, each in found.files.items():
        for name in (package_of(path), path.partition("/")[0] + " in all", "together"):
            row = sums.setdefault(name, [0, 0, 0, 0])
            counts = (each.branches_run, each.branches, each.statements_run, each.statements)
            sums[name] = [one + more for one, more in zip(row, counts, strict=True)]
    lines = ["| package | branches | covered | statements | covered |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for name in sorted(sums, key=lambda each: (each == "together", " in all" in each, each)):
        run, branches, lines_run, statements = sums[name]
        lines.append(
            f"| {name} | {branches} | {run / max(1, branches):.1%} "
            f"| {statements} | {lines_run / max(1, statements):.1%} |"
        )
    return lines


def worst_files(found: Baseline, count: int) -> list[str]:
    """The files with the most branches that no quick test takes, with the branches."""
    rows = sorted(found.files.items(), key=lambda pair: pair[1].branches_run - pair[1].branches)
    return [
        f"{path}: {len(each.missing)} of {each.branches}: "
        + " ".join(f"{start}→{end}" for start, end in each.missing)
        for path, each in rows[:count]
        if each.missing
    ]


def survivors(results: Iterable[Result]) -> list[str]:
    """A line for each mutant that nobody noticed."""
    left = [each for each in results if each.verdict in {"survived", "not covered"}]
    left.sort(key=lambda each: (each.mutant.path, each.mutant.line, each.mutant.column))
    return [
        f"{one.mutant.path}:{one.mutant.line} {one.mutant.function} {one.mutant.operator}: "
        f"`{_short(one.mutant.before)}` became `{_short(_difference(one))}`"
        f"{_note(one)}"
        for one in left
    ]


class Told(NamedTuple):
    """What a page tells of a run, beside its figures."""

    command: str
    commit: str
    day: str
    load: str
    """Averages of the computer as it began."""
    left_out: dict[str, int]
    """Mutants that were not drawn from, by rule."""
    mutants: int
    """That were drawn from."""
    controls_killed: int


def page(told: Told, results: Sequence[Result], found: Baseline) -> str:
    """The report as a page."""
    begin = (
        f"`{told.command}` at {told.commit}; load average {told.load}. What it does and which "
        "mutants count: [testing](../testing.md)."
    )
    score = (
        f"**Mutants:** {score_line(results)}. Drawn from {told.mutants}; repeats without a change "
        f"that failed all the same: {told.controls_killed}."
    )
    branches = (
        f"**Branches**, by the quick tests alone ({len(found.tests)} of them; "
        f"{len(found.failed)} failed as things are and were not used):"
    )
    rules = [f"- {count} for {rule}" for rule, count in sorted(told.left_out.items())]
    rows = [f"- {each}" for each in survivors(results)]
    head = [f"# Mutants and branches, {told.day}", "", begin, "", score, "", *score_table(results)]
    left_out = ["", "Left out by rule before anything was drawn:", "", *rules, ""]
    end = [branches, "", *branch_table(found), "", "## Survivors", "", *rows, ""]
    return "\n".join([*head, *left_out, *end])


def _difference(result: Result) -> str:
    """Of a long mutant only what is different, with a few words before it."""
    before, after = result.mutant.before, result.mutant.after
    if len(after) <= WORDS_MAX:
        return after
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    return after[max(0, same - 20) : same + WORDS_MAX]


def _short(text: str) -> str:
    flat = " ".join(text.split()).replace("`", "'")
    return flat if len(flat) <= WORDS_MAX else flat[: WORDS_MAX - 1] + "…"


def _note(result: Result) -> str:
    if result.verdict == "not covered":
        return " (not covered)"
    if result.tests_left_out:
        return f" ({result.tests} tests; {result.tests_left_out} more were not run)"
    return f" ({result.tests} tests)"
