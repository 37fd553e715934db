"""`python -m tests.mutation`: a sample of mutants, tried by the quick tests; and their branches.

The one thing to know: it prints the share of mutants that tests notice with its interval, the
branches that they cover, and each survivor; exit code 1 where either is below its aim.
"""

import argparse
import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.mutation import report, run, tools
from tests.mutation.baseline import Baseline
from tests.mutation.mutants import chosen, listed, made


def main() -> int:
    """Run what the words ask for; 0 where both aims are met, 2 where nothing could be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=400, help="how many mutants are tried")
    parser.add_argument("--seed", type=int, default=1, help="of the choice among all")
    parser.add_argument("--of", nargs="+", default=[""], help="only files that begin so")
    parser.add_argument("--tests", nargs="+", default=[], help="only these quick tests")
    parser.add_argument("--again", action="store_true", help="with the last copy of the tree")
    parser.add_argument("--branches", type=int, default=0, help="show the worst N files' branches")
    parser.add_argument("--report", type=Path, help="write a page here as well")
    parser.add_argument("--results", type=Path, help="write all verdicts here as JSON")
    asked = parser.parse_args()
    try:
        return _run(asked)
    except (tools.ToolsMissing, run.Failed) as error:
        print(f"python -m tests.mutation: {error}", file=sys.stderr)
        return 2


def _run(asked: argparse.Namespace) -> int:
    home = tools.home()
    python, coverage = tools.mutmut_python(), tools.coverage_folder()
    commit, load = run.commit(), " ".join(f"{each:.1f}" for each in os.getloadavg())
    tree = run.copied(home, asked.tests, is_again=asked.again)
    _say("running the quick tests with coverage, once for this state of the tree")
    found = run.baseline(tree, coverage, asked.tests)
    asked_for = run.sources(tree, asked.of)
    found.files = {path: each for path, each in found.files.items() if path in asked_for}
    print("\n".join(report.branch_table(found)))
    if found.failed:
        print(f"{len(found.failed)} tests fail as things are: {' '.join(found.failed[:5])}")
    for line in report.worst_files(found, asked.branches):
        print(line)
    if asked.sample == 0:
        return 0 if _is_covered(found) else 1
    _say("listing mutants")
    everything = listed(tree, asked_for, python, home / "lists")
    known = report.equivalents()
    counted = [each for each in everything.counted if each.words not in known]
    sample = chosen(counted, asked.sample, asked.seed)
    _say(f"trying {len(sample)} of {len(counted)} mutants")
    results, wrong = run.tried(tree, found, sample, made(tree, sample, python))
    print("\n".join([*report.survivors(results), "", *report.score_table(results), ""]))
    print(report.score_line(results))
    if wrong:
        print(f"{wrong} repeats without a change failed: verdicts are not to be trusted")
    if asked.results:
        asked.results.write_bytes(msgspec.json.encode(results))
    if asked.report:
        left_out = everything.left_out | {
            "changing no behaviour, named with a reason": len(everything.counted) - len(counted)
        }
        command = shlex.join(["python", "-m", "tests.mutation", *sys.argv[1:]])
        day = datetime.now(UTC).date().isoformat()
        told = report.Told(command, commit, day, load, left_out, len(counted), wrong)
        asked.report.write_text(report.page(told, results, found), "utf-8")
    noticed = sum(each.verdict in {"killed", "timed out"} for each in results)
    is_killed = 100.0 * noticed >= report.SCORE_PERCENT_MIN * len(results)
    return 0 if is_killed and not wrong and _is_covered(found) else 1


def _is_covered(found: Baseline) -> bool:
    run_ = sum(each.branches_run for each in found.files.values())
    return 100.0 * run_ >= report.BRANCHES_PERCENT_MIN * sum(
        each.branches for each in found.files.values()
    )


def _say(text: str) -> None:
    now = datetime.now(UTC)
    print(f"{now:%H:%M:%S} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
